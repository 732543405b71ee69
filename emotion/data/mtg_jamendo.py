"""MTG-Jamendo, mood and theme (Bogdanov and others 2019): whole tracks with the tags that uploaders gave them.

The files and columns are those of datasets/mtg_jamendo/card.toml. Artists and tracks go by their numbers at Jamendo.
"""

from pathlib import Path

from emotion.data import cards
from emotion.data.cards import Card
from emotion.data.pieces import assert_disjoint
from emotion.data.recordings import Recording, by_name, sound_of
from emotion.errors import DataError

SPLITS = ("train", "validation", "test")
NEEDS = ("name", "artist", "sound", "tags")


def load(folder: Path) -> list[Recording]:
    """All tracks in the order of the table. Raises DataError."""
    card = cards.load("mtg_jamendo")
    return _recordings(folder, card, "tags")


def load_split(folder: Path) -> dict[str, list[Recording]]:
    """The official split 0 by its names, asserted to be disjoint by track and artist. Raises DataError."""
    card = cards.load("mtg_jamendo")
    sides = {name: _recordings(folder, card, name) for name in SPLITS}
    assert_disjoint(*sides.values())
    return sides


def _recordings(folder: Path, card: Card, role: str) -> list[Recording]:
    sounds = by_name(folder, card)
    return [_recording(row, sounds, card) for row in cards.rows(folder, card, role, needs=NEEDS)]


def _recording(row: dict[str, str], sounds: dict[str, Path], card: Card) -> Recording:
    stem = Path(row["sound"]).stem
    tags = tuple(tag.partition("---")[2] for tag in row["tags"].split(card.file("tags").delimiter))
    if not all(tags):
        raise DataError(f"{row['name']} of {card.name} has tags that are no `mood/theme---word`: fetch the table again")
    artist = f"jamendo {row['artist']}"
    return Recording(row["name"], sound_of(stem, sounds, card), f"{card.songs}/{row['name']}", artist, tags=tags)
