"""YM2413-MDB 1.0.2 (Choi and others 2022): music of games for the YM2413 sound chip, with one quadrant each.

    midi/adjust_tempo_remove_delayed_inst/*.mid    669 pieces, several instruments
    emotion_annotation/verified_annotation.csv     fname,verified_tags,toptag_eng_verified,4Q    the name ends in .wav

387 names begin with the game, as in `Ys (FM) - 17 - See You Again`; of the others nobody says which game they are from.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from emotion.affect import QUADRANTS
from emotion.data import cards
from emotion.errors import DataError

LABELS = "emotion_annotation/verified_annotation.csv"  # the card says the same of both
MIDI = "midi/adjust_tempo_remove_delayed_inst"
_NAMES = (
    re.compile(r"(?P<game>\D.*?)(?: \(FM\))? - \d+ - (?P<title>.*)"),
    re.compile(r"\d+ - (?P<game>.*?) \(FM\) - (?P<title>.*)"),
    re.compile(r"(?P<game>\D.*?)_\(.*\)_\d+ (?P<title>.*)"),
    re.compile(r"\d+[ _](?P<game>)(?P<title>.*)"),
)


@dataclass(frozen=True)
class Piece:
    """One piece: its name without an ending, its .mid, the index of its quadrant, its game (empty: unknown), its title.

    The title is in small letters and digits, without what stands in brackets: games that were published for two
    machines have the same tunes under other names.
    """

    name: str
    path: Path
    quadrant: int
    game: str
    title: str

    @property
    def groups(self) -> tuple[tuple[str, str], ...]:
        """What must stay on one side of a split: the game, where it is known."""
        return (("group", self.game),) if self.game else ()


def load(folder: Path) -> list[Piece]:
    """All pieces in the order of their names. Raises DataError."""
    card = cards.load("ym2413")
    listed = cards.rows(folder, card, "labels", needs=("name", "quadrant"))
    try:
        pieces = [_piece(folder, card, row) for row in listed]
    except (ValueError, StopIteration) as error:
        raise DataError(f"{folder / LABELS} is not in {card.name}'s layout ({error}): fetch it again") from None
    if missing := [piece.path for piece in pieces if not piece.path.is_file()]:
        raise DataError(f"{card.name} at {folder} is not whole: {missing[0]} is missing")
    return sorted(pieces, key=lambda piece: piece.name)


def _piece(folder: Path, card: cards.Card, row: dict[str, str]) -> Piece:
    name = row["name"].removesuffix(".wav")
    found = next(filter(None, (pattern.fullmatch(name) for pattern in _NAMES)))
    title = re.sub(r"[^a-z0-9]+", " ", re.sub(r"\(.*?\)", "", found["title"]).lower()).strip()
    quadrant = QUADRANTS.index(row["quadrant"].lower())
    return Piece(name, folder / card.file("midi").of(name), quadrant, found["game"], title)
