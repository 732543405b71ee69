"""VGMIDI (Ferreira and Whitehead, ISMIR 2019): piano arrangements of game music that people rated as they listened.

    labelled/midi/<series>_<console>_<game>_<piece>.mid
    derived_piece_va_timeseries.json   a list: midi, valence and arousal of each measure in [-1, 1], the raters' means

Within a piece the ratings hardly move (sd .06), so a piece is labelled with their mean.
"""

import json
from pathlib import Path

import numpy as np

from emotion.affect import QUADRANTS, quadrant
from emotion.data.pieces import Piece
from emotion.errors import DataError

RATINGS = "derived_piece_va_timeseries.json"


def read(folder: Path) -> list[Piece]:
    """Every rated piece by name; the group is the game. Raises DataError."""
    try:
        found = json.loads((folder / RATINGS).read_text(encoding="utf-8"))
        pieces = [_piece(folder / "labelled" / "midi" / row["midi"], row) for row in found]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"no VGMIDI at {folder} ({error}): it must hold {RATINGS} and labelled/midi") from None
    if missing := [piece.midi for piece in pieces if not piece.midi.is_file()]:
        raise DataError(f"{len(missing)} files of VGMIDI are missing, such as {missing[0]}: restore them")
    return sorted(pieces, key=lambda piece: piece.name)


def _piece(path: Path, row: dict) -> Piece:
    valence, arousal = float(np.mean(row["valence"])), float(np.mean(row["arousal"]))
    label = QUADRANTS.index(quadrant(valence, arousal))
    return Piece(path.stem, path.stem.split("_")[2], path, label, (valence, arousal))
