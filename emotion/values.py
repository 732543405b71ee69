"""What travels between the rooms of `emotion`: frozen values, checked when made."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotion.errors import AffectError


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
