"""The 4Q audio emotion set (Panda, Malheiro, Paiva 2018): excerpts of 30 s, a quadrant each.

annotations.csv    Song,Quadrant
metadata.csv       Song,Artist,...    the same songs
audio/SONG.*       one sound file a song, in any format that can be read
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from emotion.affect import QUADRANTS
from emotion.errors import DataError


@dataclass(frozen=True)
class Excerpt:
    """One excerpt: its name, its sound file, the index of its quadrant, and the artist to split by (empty: unknown)."""

    name: str
    path: Path
    quadrant: int
    artist: str


def load(folder: Path) -> list[Excerpt]:
    """All excerpts in the order of annotations.csv. Raises DataError."""
    artists = {row["Song"]: row["Artist"] for row in _rows(folder / "metadata.csv", "Artist")}
    sounds = {path.stem: path for path in sorted((folder / "audio").glob("*"))}
    excerpts = []
    for row in _rows(folder / "annotations.csv", "Quadrant"):
        name, quadrant = row["Song"], row["Quadrant"].lower()
        if name not in artists or name not in sounds or quadrant not in QUADRANTS:
            raise DataError(f"the 4Q set at {folder} is not whole: {name} has no artist, no sound or no quadrant")
        excerpts.append(Excerpt(name, sounds[name], QUADRANTS.index(quadrant), artists[name].strip().casefold()))
    return excerpts


def _rows(path: Path, column: str) -> list[dict[str, str]]:
    """The rows of a CSV file that must have the columns Song and another one."""
    if not path.is_file():
        raise DataError(f"the 4Q set is not whole: {path} is missing; give the folder that holds it and audio/")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or any(row.get("Song") is None or row.get(column) is None for row in rows):
        raise DataError(f"{path} is not in the 4Q set's layout: it needs the columns Song and {column} in every row")
    return rows
