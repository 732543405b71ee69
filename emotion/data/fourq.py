"""The 4Q audio emotion set (Panda, Malheiro, Paiva 2018): excerpts of 30 s, a quadrant each.

The files and columns are those of datasets/fourq/card.toml; the sounds may be in any format that can be read.
"""

from dataclasses import dataclass, field
from pathlib import Path

from emotion.affect import QUADRANTS
from emotion.data import cards, recordings
from emotion.data.recordings import Recording
from emotion.errors import DataError


@dataclass(frozen=True)
class Excerpt(Recording):
    """A recording whose quadrant is known."""

    quadrant: int = field()


def load(folder: Path) -> list[Excerpt]:
    """All excerpts in the order of annotations.csv. Raises DataError."""
    card = cards.load("fourq")
    artists = recordings.artists(folder, card, "songs")
    labels = cards.rows(folder, card, "labels", needs=("name", "quadrant"))
    sounds = recordings.by_name(folder, card)
    excerpts = []
    for row in labels:
        name, quadrant = row["name"], row["quadrant"].lower()
        if name not in artists or quadrant not in QUADRANTS:
            raise DataError(f"the 4Q set at {folder} is not whole: {name} has no artist or no quadrant")
        path = recordings.sound_of(name, sounds, card)
        excerpts.append(Excerpt(name, path, f"{card.songs}/{name}", artists[name], QUADRANTS.index(quadrant)))
    return excerpts
