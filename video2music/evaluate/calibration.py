"""An affine map of logits, as Platt scaling finds it: it makes a BCE meaningful and leaves every rank alone."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

STEPS = 25
TOLERANCE = 1e-9


class Calibration(NamedTuple):
    """scale · logits + offset."""

    scale: float = 1.0
    offset: float = 0.0

    def __call__(self, logits: NDArray[np.floating]) -> NDArray[np.floating]:
        return self.scale * logits + self.offset


def of_config(config: Mapping[str, Any]) -> Calibration:
    """What the config of a checkpoint says under `calibration`; logits as they are where it says nothing."""
    return Calibration(**config.get("calibration", {}))


def fit(logits: Sequence[NDArray[np.floating]], truth: Sequence[NDArray[np.floating]]) -> Calibration:
    """The calibration with the least BCE of songs' logits, each (T, 159), against 0 or 1 (T, 159).

    Logistic regression on one number, by Newton's method: Platt, "Probabilistic Outputs for Support Vector Machines"
    (1999), with songs of any length counted second by second.
    """
    x, y = np.concatenate(logits).ravel().astype(float), np.concatenate(truth).ravel().astype(float)
    middle, spread = x.mean(), x.std() + 1e-12
    design = np.stack([(x - middle) / spread, np.ones_like(x)])
    weights = np.zeros(2)
    for _ in range(STEPS):
        said = 1 / (1 + np.exp(-weights @ design))
        curvature = (design * (said * (1 - said))) @ design.T
        step = np.linalg.solve(curvature + 1e-9 * np.eye(2), design @ (y - said))
        weights += step
        if np.abs(step).max() < TOLERANCE:
            break
    return Calibration(float(weights[0] / spread), float(weights[1] - weights[0] * middle / spread))
