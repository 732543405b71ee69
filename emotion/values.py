"""Value types of `emotion`: frozen, checked when made."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotion.affect import QUADRANTS
from emotion.errors import AffectError

MEDIA = ("audio", "MIDI", "audio and MIDI")


@dataclass(frozen=True, eq=False)
class AffectCurve:
    """Valence and arousal over time, one row a second, each (T,) in [-1, 1]; `source` says where it came from."""

    valence: NDArray[np.float32]
    arousal: NDArray[np.float32]
    source: str

    def __post_init__(self) -> None:
        for name in ("valence", "arousal"):
            axis = np.asarray(getattr(self, name), np.float32)
            object.__setattr__(self, name, axis)
            if axis.ndim != 1 or not len(axis):
                raise AffectError(f"{name} must be a row of numbers, one a second, but has the shape {axis.shape}")
            if not np.isfinite(axis).all() or np.abs(axis).max() > 1:
                raise AffectError(f"{name} must lie between -1 and 1, but runs from {axis.min():g} to {axis.max():g}")
        if len(self.valence) != len(self.arousal):
            raise AffectError(f"valence has {len(self.valence)} rows and arousal {len(self.arousal)}: they must agree")

    def __len__(self) -> int:
        return len(self.valence)

    @property
    def points(self) -> NDArray[np.float32]:
        """The curve as (T, 2): valence, arousal."""
        return np.stack([self.valence, self.arousal], axis=1)


@dataclass(frozen=True)
class Prediction:
    """The predicted emotion of a segment: valence and arousal in [-1, 1] and the four quadrants' probabilities.

    `quadrants` are in the order of emotion.affect.QUADRANTS and sum to 1, calibrated: of segments predicted
    as some quadrant with .8, about eight in ten should be right. Four quarters: nothing is known.
    """

    start_s: float
    end_s: float
    valence: float
    arousal: float
    quadrants: tuple[float, float, float, float]

    def __post_init__(self) -> None:
        if not (0 <= self.start_s <= self.end_s and max(abs(self.valence), abs(self.arousal)) <= 1):
            raise AffectError(f"not a prediction, for its times or its point on the plane: {self}")
        if len(self.quadrants) != len(QUADRANTS) or min(self.quadrants) < 0 or abs(sum(self.quadrants) - 1) > 1e-3:
            raise AffectError(
                f"not a prediction: the four quadrants' probabilities must sum to 1, but are {self.quadrants}"
            )

    @property
    def quadrant(self) -> str:
        """The likeliest quadrant."""
        return QUADRANTS[int(np.argmax(self.quadrants))]

    @property
    def confidence(self) -> float:
        """Probability of the likeliest quadrant; .25 knows nothing."""
        return max(self.quadrants)


@dataclass(frozen=True)
class EmotionReport:
    """A judge's prediction of a piece: the whole, and windows in order of time.

    heard    one of MEDIA: the modalities that the prediction is made from
    judge    its name, and `sha256` that of its weights
    remarks  sentences that say what limits the report, such as silence; empty when there is nothing to say
    """

    whole: Prediction
    windows: tuple[Prediction, ...]
    heard: str
    judge: str
    sha256: str
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.heard not in MEDIA:
            raise AffectError(f"a report must name its modalities, one of {', '.join(MEDIA)}, but has {self.heard!r}")
        if not self.windows:
            raise AffectError("a report must have at least one window")


@dataclass(frozen=True)
class Match:
    """How well a prediction agrees with a target curve: `score` 0..1, the higher the better.

    distance   mean Euclidean distance on the plane between prediction and target, over the windows
    quadrant   mean probability that the judge gives to the target quadrant; near an axis, to those on both sides
    """

    score: float
    distance: float
    quadrant: float
