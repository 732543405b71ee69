"""EMOPIA (Hung and others, ISMIR 2021): clips of pop piano with a quadrant each, in its official layout.

midis/Qk_<song>_<clip>.mid       the quadrant is in the name; <song> is a YouTube id
split/{train,val,test}.csv       column fname; 767, 198 and 86 clips, no song in two of them
"""

import csv
from pathlib import Path

from emotion.data.pieces import Piece, assert_disjoint
from emotion.errors import DataError

SPLITS = ("train", "val", "test")


def read(folder: Path) -> list[Piece]:
    """Every clip, by name. Raises DataError."""
    paths = sorted((folder / "midis").glob("Q[1-4]_*.mid"))
    if not paths:
        raise DataError(f"no EMOPIA at {folder}: it must hold midis/Q1_….mid and split/train.csv")
    return [Piece(path.stem, path.stem[3:].rsplit("_", 1)[0], path, int(path.stem[1]) - 1) for path in paths]


def read_split(folder: Path) -> dict[str, list[Piece]]:
    """The official split by its names, asserted to be disjoint by song. Raises DataError."""
    pieces = {piece.name: piece for piece in read(folder)}
    try:
        sides = {name: [pieces[clip] for clip in _names(folder / "split" / f"{name}.csv")] for name in SPLITS}
    except (OSError, KeyError) as error:
        raise DataError(
            f"the split of EMOPIA at {folder} cannot be read ({error}): restore split/ and midis/"
        ) from None
    assert_disjoint(*sides.values())
    return sides


def _names(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8") as file:
        return [row["fname"] for row in csv.DictReader(file)]
