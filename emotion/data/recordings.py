"""Labelled recordings: what the readers of sound have in common, and folds that no song and no artist crosses."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emotion.affect import QUADRANTS
from emotion.data import cards
from emotion.data.cards import Card
from emotion.data.pieces import tied
from emotion.errors import DataError

RATED = ("name", "valence", "arousal")


@dataclass(frozen=True)
class Recording:
    """A recording by its name and sound file; `song` and `artist` are what splits keep together (empty: unknown).

    A song that is in two data sets has one `song`. `quadrant` counts from 0 in the order of emotion.affect.QUADRANTS;
    `affect` is valence and arousal in [-1, 1]; both are None where the set does not tell.
    """

    name: str
    path: Path
    song: str
    artist: str
    quadrant: int | None = None
    affect: tuple[float, float] | None = None
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.quadrant is not None and self.quadrant not in range(len(QUADRANTS)):
            raise DataError(f"{self.name} has the quadrant {self.quadrant}: it counts from 0 to {len(QUADRANTS) - 1}")
        if self.affect is not None and not all(-1 <= value <= 1 for value in self.affect):
            raise DataError(f"{self.name} has valence and arousal {self.affect}: they run from -1 to 1")

    @property
    def groups(self) -> tuple[tuple[str, str], ...]:
        """What must stay on one side of a split: the song and the artist, where they are known."""
        return tuple((kind, name) for kind, name in (("song", self.song), ("artist", self.artist)) if name)


def by_name(folder: Path, card: Card) -> dict[str, Path]:
    """The sound files of a data set by their names without endings. Raises DataError."""
    return {path.name.partition(".")[0]: path for path in cards.find(folder, card, "sounds")}


def sound_of(name: str, sounds: Mapping[str, Path], card: Card) -> Path:
    """The sound file of an item. Raises DataError where there is none."""
    if name not in sounds:
        raise DataError(
            f"{name} of {card.name} has no sound file {card.file('sounds').of(name)}: fetch the audio again"
        )
    return sounds[name]


def on_plane(text: str, scale: tuple[float, float]) -> float:
    """A rating in [-1, 1], from text on a scale from its lowest to its highest value. Raises ValueError."""
    low, high = scale
    value = float(text)
    if not low <= value <= high:
        raise ValueError(f"{value:g} is not between {low:g} and {high:g}")
    return 2 * (value - low) / (high - low) - 1


def artist_key(text: str) -> str:
    """An artist's name as splits compare it: without case, quotes and doubled spaces; `n/a` is nobody."""
    key = " ".join(text.strip(' \t"').casefold().split())
    return "" if key == "n/a" else key


def artists(folder: Path, card: Card, *roles: str) -> dict[str, str]:
    """The artists of a data set's items by name, from the tables of these roles. Raises DataError."""
    listed = [row for role in roles for row in cards.rows(folder, card, role, needs=("name", "artist"))]
    return {row["name"]: artist_key(row["artist"]) for row in listed}


def rated(
    folder: Path,
    card: Card,
    *,
    artists: Mapping[str, str],
    roles: Sequence[str] = ("ratings",),
    swapped: Callable[[str], bool] = lambda name: False,
) -> list[Recording]:
    """The rated recordings of a data set, in the order of the ratings in the tables of these roles. Raises DataError.

    `swapped` tells of an item by name whether its columns of valence and arousal hold each other's ratings.
    """
    sounds, found = by_name(folder, card), []
    for role in roles:
        for row in cards.rows(folder, card, role, needs=RATED):
            name = row["name"]
            point = _point(row, card, role)
            affect = point[::-1] if swapped(name) else point
            path = sound_of(name, sounds, card)
            found.append(Recording(name, path, f"{card.songs}/{name}", artists.get(name, ""), affect=affect))
    return found


def _point(row: Mapping[str, str], card: Card, role: str) -> tuple[float, float]:
    """What stands under valence and arousal, in [-1, 1]. Raises DataError."""
    scale = card.file(role).scale
    if scale is None:
        raise DataError(f"the card of {card.key} gives its {role} no scale: restore the file")
    try:
        return on_plane(row["valence"], scale), on_plane(row["arousal"], scale)
    except ValueError as error:
        told = f"{row['name']} of {card.name} has an unreadable rating ({error}): fetch the set again"
        raise DataError(told) from None


def even_folds(recordings: Sequence[Recording], *, count: int) -> list[list[Recording]]:
    """The recordings, of one set or of several at once, in `count` folds that no song and no artist crosses.

    Recordings that a song or an artist ties together, be it through others, go together into the smallest fold, the
    largest bunches first and equal ones by the checksum of their first song: without chance, whatever their order.
    Give all sets that are learnt from at once: one by one, an artist of two sets may end in two folds.
    """
    sides: list[list[Recording]] = [[] for _ in range(count)]
    bunches = ([recordings[place] for place in places] for places in tied([each.groups for each in recordings]))
    for bunch in sorted(bunches, key=_largest_first):
        min(sides, key=len).extend(bunch)
    return sides


def _largest_first(bunch: Sequence[Recording]) -> tuple[int, int, str]:
    first = min(each.song or each.name for each in bunch)
    return -len(bunch), zlib.crc32(first.encode()), first
