"""VGMIDI (Ferreira and Whitehead, ISMIR 2019): piano arrangements of game music that people rated as they listened.

    labelled/midi/<series>_<console>_<game>_<piece>.mid
    labelled/annotations/vgmidi_raw_{1,2}.json   pieces, and what each rater said of each measure, in [-1, 1]
    derived_piece_va_timeseries.json             a list: midi, valence and arousal of each measure, the raters' means

The list of means is read where it is there, otherwise the raters are averaged. Within a piece the ratings hardly move
(sd .06), so a piece is labelled with their mean.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from emotion.affect import QUADRANTS, quadrant
from emotion.data import cards
from emotion.data.pieces import Piece
from emotion.errors import DataError

RATINGS = "derived_piece_va_timeseries.json"  # the card says the same


def read(folder: Path) -> list[Piece]:
    """Every rated piece by name; the group is the game. Raises DataError."""
    card = cards.load("vgmidi")
    try:
        pieces = [_piece(folder / card.file("midi").of(Path(row["midi"]).stem), row) for row in _rated(folder, card)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"no VGMIDI at {folder} ({error}): it must hold {RATINGS} and labelled/midi") from None
    if missing := [piece.midi for piece in pieces if not piece.midi.is_file()]:
        raise DataError(f"{len(missing)} files of VGMIDI are missing, such as {missing[0]}: restore them")
    return sorted(pieces, key=lambda piece: piece.name)


def _rated(folder: Path, card: cards.Card) -> list[dict[str, Any]]:
    """Rows with midi, valence and arousal."""
    means = folder / card.file("ratings").path
    if means.is_file() or not (raw := cards.find(folder, card, "raters")):
        return json.loads(means.read_text(encoding="utf-8"))
    return [row for path in raw for row in _averaged(json.loads(path.read_text(encoding="utf-8")))]


def _averaged(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Rows of one round of raters, whose answers go by piece_rater; pieces that are not listed are left out."""
    raters = defaultdict(list)
    for key, answer in told["annotations"].items():
        raters[key.rpartition("_")[0]].append(answer)
    for key, piece in told["pieces"].items():
        axes = {axis: [np.mean(answer[axis]) for answer in raters[key]] for axis in ("valence", "arousal")}
        yield {"midi": piece["midi"], **axes}


def _piece(path: Path, row: dict[str, Any]) -> Piece:
    valence, arousal = float(np.mean(row["valence"])), float(np.mean(row["arousal"]))
    if not (abs(valence) <= 1 and abs(arousal) <= 1):
        raise ValueError(f"{path.stem} is rated {valence:g} and {arousal:g}, not between -1 and 1")
    label = QUADRANTS.index(quadrant(valence, arousal))
    return Piece(path.stem, path.stem.split("_")[2], path, label, (valence, arousal))
