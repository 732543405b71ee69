"""emoMusic (Soleymani and others, CrowdMM 2013): 744 excerpts of 45 s, rated for valence and arousal as a whole.

The files and columns are those of datasets/emomusic/card.toml. Its songs are the first 744 of DEAM, under the same
numbers; `Recording.song` is the same for both.
"""

from pathlib import Path

from emotion.data import cards, recordings
from emotion.data.pieces import assert_disjoint
from emotion.data.recordings import Recording
from emotion.errors import DataError

SIDES = ("development", "evaluation")


def load(folder: Path) -> list[Recording]:
    """All recordings in the order of the ratings. Raises DataError."""
    card = cards.load("emomusic")
    return recordings.rated(folder, card, artists=recordings.artists(folder, card, "songs"))


def load_split(folder: Path) -> dict[str, list[Recording]]:
    """The published split, development and evaluation; it is of songs, so an artist may be on both sides.

    Raises DataError.
    """
    card = cards.load("emomusic")
    side = {row["name"]: row["side"] for row in cards.rows(folder, card, "songs", needs=("name", "side"))}
    found = load(folder)
    if strange := [each.name for each in found if side.get(each.name) not in SIDES]:
        raise DataError(f"song {strange[0]} of {card.name} is on no side of the split: it is one of {', '.join(SIDES)}")
    sides = {name: [each for each in found if side[each.name] == name] for name in SIDES}
    assert_disjoint(*sides.values(), kinds=("song",))
    return sides
