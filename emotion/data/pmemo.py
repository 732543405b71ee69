"""PMEmo (Zhang and others, ICMR 2018): the choruses of 767 pop songs, rated for valence and arousal as a whole.

The files and columns are those of datasets/pmemo/card.toml. The ratings are of what listeners felt, not of what they
heard the music say.
"""

from pathlib import Path

from emotion.data import cards, recordings
from emotion.data.recordings import Recording


def load(folder: Path) -> list[Recording]:
    """All rated recordings in the order of the ratings. Raises DataError."""
    card = cards.load("pmemo")
    return recordings.rated(folder, card, artists=recordings.artists(folder, card, "songs"))
