"""Labelled MIDI: readers of EMOPIA, VGMIDI and YM2413-MDB, folds by group, and the check that splits are disjoint.

All readers take a data set's folder as it was downloaded, whose layout is in datasets/<name>/card.toml, and raise
DataError. emotion.data.registry lists them.

EMOPIA (Hung and others, ISMIR 2021): clips of pop piano with a quadrant each, in its official layout.

    midis/Qk_<song>_<clip>.mid       the quadrant is in the name; <song> is a YouTube id
    split/{train,val,test}.csv       767, 198 and 86 clips, no song in two of them

VGMIDI (Ferreira and Whitehead, ISMIR 2019): piano arrangements of game music, rated by people while they listened.

    labelled/midi/<series>_<console>_<game>_<piece>.mid
    labelled/annotations/vgmidi_raw_{1,2}.json   pieces, and each rater's ratings of each measure, in [-1, 1]
    derived_piece_va_timeseries.json             a list: midi, valence and arousal of each measure, the raters' means

    The list of means is read where there is one, otherwise the raters are averaged. Within a piece the ratings hardly
    move (sd .06), so a piece is labelled with their mean.

YM2413-MDB 1.0.2 (Choi and others, ISMIR 2022): music of games for the YM2413 sound chip, with one quadrant each.

    midi/adjust_tempo_remove_delayed_inst/*.mid    669 pieces, several instruments
    emotion_annotation/verified_annotation.csv     fname,verified_tags,toptag_eng_verified,4Q    the name ends in .wav

    387 names begin with the game, as in `Ys (FM) - 17 - See You Again`; the game of the others is unknown.
"""

import csv
import json
import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from emotion.affect import QUADRANTS, quadrant
from emotion.data import cards
from emotion.errors import DataError


class Grouped(Protocol):
    """An item of a split. Its groups are (kind, name), such as ("artist", "Bach"); none may be on two sides."""

    @property
    def groups(self) -> tuple[tuple[str, str], ...]: ...


@dataclass(frozen=True)
class LabelledPiece:
    """A piece by its name and .mid; pieces of one `group` (a song, a game) must stay on one side of every split.

    `quadrant` counts from 0 in the order of emotion.affect.QUADRANTS; `affect` is valence and arousal in [-1, 1].
    """

    name: str
    group: str
    path: Path
    quadrant: int
    affect: tuple[float, float] | None = None

    @property
    def groups(self) -> tuple[tuple[str, str], ...]:
        """What must stay on one side of a split."""
        return (("group", self.group),) if self.group else ()


def assert_disjoint(*sides: Iterable[Grouped], kinds: Sequence[str] = ("song", "artist", "group")) -> None:
    """Raise DataError, with one of them, if a song, an artist or a group of pieces is on two sides.

    `kinds` says which kinds of groups are compared; items whose artist or group is unknown have none.
    """
    earlier: set[tuple[str, str]] = set()
    for side in sides:
        groups = {group for item in side for group in item.groups if group[0] in kinds}
        if shared := sorted(earlier & groups):
            kind, name = shared[0]
            raise DataError(
                f"{len(shared)} groups are on both sides of the split, such as the {kind} {name}: correct the split"
            )
        earlier |= groups


def read_folds(path: Path) -> Mapping[str, int]:
    """Which fold each piece is in: a CSV file with the columns piece and fold. Raises DataError."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {row["piece"]: int(row["fold"]) for row in csv.DictReader(file)}
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"the folds of {path} cannot be read ({error}): restore the file") from None


def by_fold(pieces: Sequence[LabelledPiece], folds: Mapping[str, int]) -> list[list[LabelledPiece]]:
    """The pieces of each fold; a piece without a fold, or a group in two folds, is refused with a DataError."""
    missing = [piece.name for piece in pieces if piece.name not in folds]
    if missing:
        raise DataError(f"{len(missing)} pieces have no fold, such as {missing[0]}: the data are of another edition")
    sides = [[piece for piece in pieces if folds[piece.name] == fold] for fold in range(max(folds.values()) + 1)]
    assert_disjoint(*sides)
    return sides


def connected(groups: Sequence[Iterable[Hashable]]) -> Iterator[list[int]]:
    """The indices of items in connected components: items that share a group, directly or through others.

    `groups` are those of each item. Components are sorted, and come in the order of their first item.
    """
    members: dict[Hashable, list[int]] = defaultdict(list)
    for place, own in enumerate(groups):
        for group in own:
            members[group].append(place)
    visited: set[int] = set()
    for start in range(len(groups)):
        if start not in visited:
            component, queue = {start}, [start]
            while queue:
                # `pop`: a group's members are visited once, which keeps this linear
                near = {other for group in groups[queue.pop()] for other in members.pop(group, ())}
                queue += near - component
                component |= near
            visited |= component
            yield sorted(component)


EMOPIA_SPLITS = ("train", "val", "test")


def read_emopia(folder: Path) -> list[LabelledPiece]:
    """Every clip, by name. Raises DataError."""
    paths = cards.find(folder, cards.load("emopia"), "midi")
    return [LabelledPiece(path.stem, path.stem[3:].rsplit("_", 1)[0], path, int(path.stem[1]) - 1) for path in paths]


def read_emopia_split(folder: Path) -> dict[str, list[LabelledPiece]]:
    """The official split by its names, asserted to be disjoint by song. Raises DataError."""
    card, pieces = cards.load("emopia"), {piece.name: piece for piece in read_emopia(folder)}
    names = {side: [row["name"] for row in cards.rows(folder, card, side, needs=("name",))] for side in EMOPIA_SPLITS}
    if missing := [name for side in names.values() for name in side if name not in pieces]:
        raise DataError(f"the split of EMOPIA at {folder} names {missing[0]}, which is missing: restore midis/")
    sides = {side: [pieces[name] for name in listed] for side, listed in names.items()}
    assert_disjoint(*sides.values())
    return sides


RATINGS = "derived_piece_va_timeseries.json"  # the card says the same


def read_vgmidi(folder: Path) -> list[LabelledPiece]:
    """Every rated piece by name; the group is the game. Raises DataError."""
    card = cards.load("vgmidi")
    try:
        pieces = [
            _vgmidi_piece(folder / card.file("midi").of(Path(row["midi"]).stem), row)
            for row in _vgmidi_ratings(folder, card)
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"no VGMIDI at {folder} ({error}): it must hold {RATINGS} and labelled/midi") from None
    if missing := [piece.path for piece in pieces if not piece.path.is_file()]:
        raise DataError(f"{len(missing)} files of VGMIDI are missing, such as {missing[0]}: restore them")
    return sorted(pieces, key=lambda piece: piece.name)


def _vgmidi_ratings(folder: Path, card: cards.Card) -> list[dict[str, Any]]:
    """Rows with midi, valence and arousal."""
    means = folder / card.file("ratings").path
    if means.is_file() or not (raw := cards.find(folder, card, "raters")):
        listed: list[dict[str, Any]] = json.loads(means.read_text(encoding="utf-8"))
        return listed
    return [row for path in raw for row in _averaged(json.loads(path.read_text(encoding="utf-8")))]


def _averaged(annotations: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Rows of one round of raters, whose ratings have the key piece_rater; pieces that are not listed are left out."""
    raters = defaultdict(list)
    for key, rating in annotations["annotations"].items():
        raters[key.rpartition("_")[0]].append(rating)
    for key, piece in annotations["pieces"].items():
        axes = {axis: [np.mean(rating[axis]) for rating in raters[key]] for axis in ("valence", "arousal")}
        yield {"midi": piece["midi"], **axes}


def _vgmidi_piece(path: Path, row: dict[str, Any]) -> LabelledPiece:
    valence, arousal = float(np.mean(row["valence"])), float(np.mean(row["arousal"]))
    if not (abs(valence) <= 1 and abs(arousal) <= 1):
        raise ValueError(f"{path.stem} is rated {valence:g} and {arousal:g}, not between -1 and 1")
    label = QUADRANTS.index(quadrant(valence, arousal))
    return LabelledPiece(path.stem, path.stem.split("_")[2], path, label, (valence, arousal))


YM2413_LABELS = "emotion_annotation/verified_annotation.csv"  # the card says the same of both
YM2413_MIDI = "midi/adjust_tempo_remove_delayed_inst"
_YM2413_NAMES = (  # some names give the game, some only number and title
    re.compile(r"(?P<game>\D.*?)(?: \(FM\))? - \d+ - (?P<title>.*)"),
    re.compile(r"\d+ - (?P<game>.*?) \(FM\) - (?P<title>.*)"),
    re.compile(r"(?P<game>\D.*?)_\(.*\)_\d+ (?P<title>.*)"),
    re.compile(r"\d+[ _](?P<game>)(?P<title>.*)"),
)


@dataclass(frozen=True)
class GamePiece:
    """A piece of game music: name without extension, .mid, index of its quadrant, game (empty: unknown), title.

    The title is in lower-case letters and digits, without what is in brackets: games that were published for two
    machines have the same tunes under other names.
    """

    name: str
    path: Path
    quadrant: int
    game: str
    title: str
    affect: tuple[float, float] | None = None

    @property
    def groups(self) -> tuple[tuple[str, str], ...]:
        """What must stay on one side of a split: the game, where it is known."""
        return (("group", self.game),) if self.game else ()


def read_ym2413(folder: Path) -> list[GamePiece]:
    """All pieces in the order of their names. Raises DataError."""
    card = cards.load("ym2413")
    listed = cards.rows(folder, card, "labels", needs=("name", "quadrant"))
    try:
        pieces = [_ym2413_piece(folder, card, row) for row in listed]
    except (ValueError, StopIteration) as error:
        raise DataError(f"{folder / YM2413_LABELS} is not in {card.name}'s layout ({error}): fetch it again") from None
    if missing := [piece.path for piece in pieces if not piece.path.is_file()]:
        raise DataError(f"{card.name} at {folder} is not whole: {missing[0]} is missing")
    return sorted(pieces, key=lambda piece: piece.name)


def _ym2413_piece(folder: Path, card: cards.Card, row: dict[str, str]) -> GamePiece:
    name = row["name"].removesuffix(".wav")
    found = next(filter(None, (pattern.fullmatch(name) for pattern in _YM2413_NAMES)))
    title = re.sub(r"[^a-z0-9]+", " ", re.sub(r"\(.*?\)", "", found["title"]).lower()).strip()
    quadrant = QUADRANTS.index(row["quadrant"].lower())
    return GamePiece(name, folder / card.file("midi").of(name), quadrant, found["game"], title)
