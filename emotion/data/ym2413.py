"""YM2413-MDB 1.0.2 (Choi and others 2022): music of games for the YM2413 sound chip, with one quadrant each.

    midi/adjust_tempo_remove_delayed_inst/*.mid    669 pieces, several instruments
    emotion_annotation/verified_annotation.csv     fname,verified_tags,toptag_eng_verified,4Q    the name ends in .wav

387 names begin with the game, as in `Ys (FM) - 17 - See You Again`; of the others nobody says which game they are from.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from emotion.affect import QUADRANTS
from emotion.errors import DataError

LABELS = "emotion_annotation/verified_annotation.csv"
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


def load(folder: Path) -> list[Piece]:
    """All pieces in the order of their names. Raises DataError."""
    path = folder / LABELS
    if not path.is_file():
        raise DataError(f"YM2413-MDB is not at {folder}: {LABELS} is missing; give the folder that holds it and midi/")
    with path.open(newline="", encoding="utf-8") as file:
        try:
            pieces = [_piece(folder, row) for row in csv.DictReader(file)]
        except (KeyError, TypeError, ValueError, StopIteration) as error:
            raise DataError(f"{path} is not in YM2413-MDB's layout ({error}): fetch it again") from None
    missing = [piece.path for piece in pieces if not piece.path.is_file()]
    if missing or not pieces:
        raise DataError(f"YM2413-MDB at {folder} is not whole: {missing[0] if missing else path} is missing")
    return sorted(pieces, key=lambda piece: piece.name)


def _piece(folder: Path, row: dict[str, str]) -> Piece:
    name = row["fname"].removesuffix(".wav")
    found = next(filter(None, (pattern.fullmatch(name) for pattern in _NAMES)))
    title = re.sub(r"[^a-z0-9]+", " ", re.sub(r"\(.*?\)", "", found["title"]).lower()).strip()
    return Piece(name, folder / MIDI / f"{name}.mid", QUADRANTS.index(row["4Q"].lower()), found["game"], title)
