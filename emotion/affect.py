"""The valence-arousal plane: quadrants, the six picture emotions and their points on it.

Valence runs from unpleasant (-1) to pleasant (+1), arousal from calm (-1) to excited (+1). The emotions sit on a circle
of radius .8 at the angles that people's judgements gave them in J. A. Russell, "A Circumplex Model of Affect", Journal
of Personality and Social Psychology 39 (1980), 1161-1178 (excited 48.6°, afraid 116.0°, tense 92.8°, sad 207.5°,
relaxed 318.0°); neutral is the origin.
"""

import math
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

EMOTIONS = ("exciting", "fearful", "tense", "sad", "relaxing", "neutral")  # the order of MuVi-Sync's columns
QUADRANTS = ("q1", "q2", "q3", "q4")  # +V+A, -V+A, -V-A, +V-A

UNDECIDED = 0.1  # distance from an axis within which a point belongs to the quadrants on both of its sides
RADIUS = 0.8
TEMPERATURE = 0.4  # squared units of the plane: a request is then about as certain as the labels of MuVi-Sync


def _on_circle(degrees: float) -> tuple[float, float]:
    return RADIUS * math.cos(math.radians(degrees)), RADIUS * math.sin(math.radians(degrees))


VA_ANCHORS = MappingProxyType({
    "exciting": _on_circle(48.6),
    "fearful": _on_circle(116.0),
    "tense": _on_circle(92.8),
    "sad": _on_circle(207.5),
    "relaxing": _on_circle(318.0),
    "neutral": (0.0, 0.0),
    "q1": (0.6, 0.6),
    "q2": (-0.6, 0.6),
    "q3": (-0.6, -0.6),
    "q4": (0.6, -0.6),
})  # fmt: skip
_EMOTION_ANCHORS = np.array([VA_ANCHORS[name] for name in EMOTIONS])


def quadrant(valence: float, arousal: float) -> str:
    """The quadrant of a point; an axis counts as positive."""
    if arousal >= 0:
        return "q1" if valence >= 0 else "q2"
    return "q4" if valence >= 0 else "q3"


def quadrant_index(points: ArrayLike) -> NDArray[np.int64]:
    """The quadrants (N,) of points (N, 2), counted from 0 in the order of QUADRANTS; an axis counts as positive."""
    valence, arousal = (np.asarray(points, float) >= 0).T
    return np.where(arousal, np.where(valence, 0, 1), np.where(valence, 3, 2))


def quadrants_at(points: ArrayLike) -> NDArray[np.float64]:
    """Probabilities (N, 4) of the quadrants at points (N, 2): certain far from the axes, even at the origin."""
    positive = 1 / (1 + np.exp(-np.asarray(points, float) / UNDECIDED))
    valence, arousal = positive.T
    pairs = [(valence, arousal), (1 - valence, arousal), (1 - valence, 1 - arousal), (valence, 1 - arousal)]
    return np.stack([v * a for v, a in pairs], axis=1)


def emotions_at(points: ArrayLike, temperature: float = TEMPERATURE) -> NDArray[np.float32]:
    """Probabilities of the six emotions at points (T, 2) of the plane, shape (T, 6), rows summing to 1.

    The softmax of the negative squared distance to each emotion's anchor over `temperature` (squared units).
    """
    distance = ((np.asarray(points, float)[:, None, :] - _EMOTION_ANCHORS) ** 2).sum(-1)
    logits = -distance / temperature
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    shares: NDArray[np.float32] = (weights / weights.sum(-1, keepdims=True)).astype(np.float32)
    return shares


def expected_point(emotions: ArrayLike) -> NDArray[np.float32]:
    """Mean point (T, 2) of six emotion probabilities (T, 6)."""
    points: NDArray[np.float32] = (np.asarray(emotions, float) @ _EMOTION_ANCHORS).astype(np.float32)
    return points
