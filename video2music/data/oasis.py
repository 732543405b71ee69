"""OASIS (Kurdi, Lozano, Banaji 2017): stills with mean ratings of valence and arousal.

norms.csv       image,category,valence_mean,valence_sd,arousal_mean,arousal_sd    on a scale of 1 to 7
images/*.jpg    thumbnails of 160 x 128
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError

SCALE_MIDDLE, SCALE_RANGE = 4.0, 3.0  # of the ratings, from 1 to 7


@dataclass(frozen=True)
class RatedStill:
    """A picture and its mean ratings, -1 to 1; stills of one `theme` have similar content."""

    path: Path
    theme: str
    valence: float
    arousal: float

    def read(self) -> NDArray[np.uint8]:
        """The picture (H, W, 3), RGB. Raises DataError."""
        pixels = cv2.imread(str(self.path), cv2.IMREAD_COLOR)
        if pixels is None:
            raise DataError(f"the still {self.path} is missing or no picture: fetch OASIS again")
        return np.asarray(pixels[..., ::-1], np.uint8)


def load(folder: Path) -> list[RatedStill]:
    """All stills in the order of norms.csv. Raises DataError."""
    path = folder / "norms.csv"
    if not path.is_file():
        raise DataError(f"OASIS is not at {folder}: {path.name} is missing; give the folder that holds it and images/")
    with path.open(newline="") as file:
        try:
            return [_still(folder, row) for row in csv.DictReader(file)]
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} is not in OASIS's layout ({error}): fetch it again") from None


def _still(folder: Path, row: dict[str, str]) -> RatedStill:
    name = row["image"]
    valence, arousal = ((float(row[f"{axis}_mean"]) - SCALE_MIDDLE) / SCALE_RANGE for axis in ("valence", "arousal"))
    # `Acorns 1.jpg` and `Acorns 2.jpg` are of one theme
    return RatedStill(folder / "images" / name, Path(name).stem.rstrip("0123456789").strip("_ "), valence, arousal)
