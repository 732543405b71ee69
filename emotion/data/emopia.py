"""EMOPIA (Hung and others, ISMIR 2021): clips of pop piano with a quadrant each, in its official layout.

midis/Qk_<song>_<clip>.mid       the quadrant is in the name; <song> is a YouTube id
split/{train,val,test}.csv       767, 198 and 86 clips, no song in two of them; columns as the card says
"""

from pathlib import Path

from emotion.data import cards
from emotion.data.pieces import Piece, assert_disjoint
from emotion.errors import DataError

SPLITS = ("train", "val", "test")


def read(folder: Path) -> list[Piece]:
    """Every clip, by name. Raises DataError."""
    paths = cards.find(folder, cards.load("emopia"), "midi")
    return [Piece(path.stem, path.stem[3:].rsplit("_", 1)[0], path, int(path.stem[1]) - 1) for path in paths]


def read_split(folder: Path) -> dict[str, list[Piece]]:
    """The official split by its names, asserted to be disjoint by song. Raises DataError."""
    card, pieces = cards.load("emopia"), {piece.name: piece for piece in read(folder)}
    names = {side: [row["name"] for row in cards.rows(folder, card, side, needs=("name",))] for side in SPLITS}
    if missing := [name for side in names.values() for name in side if name not in pieces]:
        raise DataError(f"the split of EMOPIA at {folder} names {missing[0]}, which is missing: restore midis/")
    sides = {side: [pieces[name] for name in listed] for side, listed in names.items()}
    assert_disjoint(*sides.values())
    return sides
