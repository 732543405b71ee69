"""Labelled pieces of MIDI, folds by group, and the assertion that nothing stands on both sides of a split."""

import csv
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from emotion.errors import DataError


class Grouped(Protocol):
    """Whatever splits are made of; no group of it, of a kind and a name, may stand on two sides."""

    @property
    def groups(self) -> tuple[tuple[str, str], ...]: ...


@dataclass(frozen=True)
class Piece:
    """A piece by its name and file; pieces of one `group` (a song, a game) must stay on one side of every split.

    `quadrant` counts from 0 in the order of emotion.affect.QUADRANTS; `affect` is valence and arousal in [-1, 1].
    """

    name: str
    group: str
    midi: Path
    quadrant: int
    affect: tuple[float, float] | None = None

    @property
    def groups(self) -> tuple[tuple[str, str], ...]:
        """What must stay on one side of a split."""
        return (("group", self.group),) if self.group else ()


def assert_disjoint(*sides: Iterable[Grouped], kinds: Sequence[str] = ("song", "artist", "group")) -> None:
    """Raise DataError, naming them, if a song, an artist or a group of pieces stands on two sides.

    An unknown artist or group is nobody's; `kinds` says which are looked at.
    """
    seen: set[tuple[str, str]] = set()
    for side in sides:
        groups = {group for item in side for group in item.groups if group[0] in kinds}
        if shared := sorted(seen & groups):
            kind, name = shared[0]
            raise DataError(
                f"{len(shared)} groups stand on both sides of the split, such as the {kind} {name}: mend the split"
            )
        seen |= groups


def read_folds(path: Path) -> Mapping[str, int]:
    """Which fold each piece is in: a CSV file with the columns piece and fold. Raises DataError."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {row["piece"]: int(row["fold"]) for row in csv.DictReader(file)}
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"the folds of {path} cannot be read ({error}): restore the file") from None


def by_fold(pieces: Sequence[Piece], folds: Mapping[str, int]) -> list[list[Piece]]:
    """The pieces of each fold; a piece without a fold, or a group in two folds, is refused with a DataError."""
    missing = [piece.name for piece in pieces if piece.name not in folds]
    if missing:
        raise DataError(f"{len(missing)} pieces have no fold, such as {missing[0]}: the data are of another edition")
    sides = [[piece for piece in pieces if folds[piece.name] == fold] for fold in range(max(folds.values()) + 1)]
    assert_disjoint(*sides)
    return sides


def tied(groups: Sequence[Iterable[Hashable]]) -> Iterator[list[int]]:
    """The places of items, each with its groups, in bunches that share no group; in a bunch, some chain ties all."""
    members: dict[Hashable, list[int]] = defaultdict(list)
    for place, own in enumerate(groups):
        for group in own:
            members[group].append(place)
    seen: set[int] = set()
    for start in range(len(groups)):
        if start not in seen:
            bunch, waiting = {start}, [start]
            while waiting:
                near = {other for group in groups[waiting.pop()] for other in members.pop(group, ())}
                waiting += near - bunch
                bunch |= near
            seen |= bunch
            yield sorted(bunch)
