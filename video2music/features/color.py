"""The encoder that needs no download: valence and arousal from colour, light, texture, movement and cuts.

Two kernel machines on `still.describe` were fitted on people's ratings of OASIS's stills. Fitted predictions huddle
round their mean; they are expanded until they spread as the ratings do. Arousal is combined with an energy predicted
from movement and cuts, fitted on the loudness of MuVi-Sync's music. numpy only. Trained by `video2music.train.color`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion import checkpoint
from emotion.affect import emotions_at
from emotion.checkpoint import Checkpoint
from video2music.features import still
from video2music.features.embedding import EncoderOutput
from video2music.features.pixels import Pixels
from video2music.values import Floats

KIND = "color"
WEIGHTS = Path(__file__).parent.parent / "weights" / "color"

OUTLIER = 4.0  # standard deviations; no number of a still counts as further out
# Clips are taken to be cut as feature films are, a shot of 5 s (Cutting and others, i-Perception 2, 2011), until they
# show otherwise: ten seconds without a cut are no sign of calm.
SHOT_S = 5.0
ENERGY_WINDOW_S = 9  # movement and cuts are averaged over this, as the loudness was that they were fitted on
STILL_WINDOW_S = 5  # predictions from stills are averaged over this within a scene: mood does not change by the frame
BLOCK = 1024  # rows predicted at once

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scale:
    """Makes numbers of different size comparable: their mean, spread and the weight of their group, each (D,)."""

    mean: Matrix
    spread: Matrix
    weight: Matrix

    @classmethod
    def of(cls, numbers: Matrix, groups: Sequence[int]) -> "Scale":
        """From rows (n, D) whose D numbers come in groups of these sizes; each group weighs the same."""
        weight = np.concatenate([np.full(size, (size * len(groups)) ** -0.5) for size in groups])
        return cls(numbers.mean(axis=0), numbers.std(axis=0) + 1e-6, weight)

    def apply(self, numbers: NDArray[Any]) -> Matrix:
        """Rows (n, D) as points whose distance is the mean square of what they differ in."""
        return np.asarray(np.clip((numbers - self.mean) / self.spread, -OUTLIER, OUTLIER) * self.weight, float)


def squared_distances(points: Matrix, others: Matrix) -> Matrix:
    """Between points (n, D) and others (m, D), shape (n, m)."""
    norms = (points**2).sum(axis=1)[:, None] + (others**2).sum(axis=1)
    return np.asarray(np.maximum(norms - 2 * points @ others.T, 0), float)


def motion_and_cut_rate(motion: NDArray[Any], scene_offset: NDArray[Any]) -> Matrix:
    """Log motion and cuts a second, both averaged over ENERGY_WINDOW_S, shape (T, 2).

    The rate is what it would be with one more shot of SHOT_S: it leaves that prior as the clip grows longer.
    """
    moved = np.log1p(np.asarray(motion, float))
    if len(moved) > 1:
        moved[0] = moved[1]  # second 0 has no frame before it, which does not mean that nothing moved
    starts = np.append(0.0, np.diff(scene_offset) <= 0)  # the offset falls, or stays 0, where a scene begins
    moved, rate = (running_mean(rows, ENERGY_WINDOW_S) for rows in (moved, starts))
    return np.stack([moved, (len(rate) * rate + 1) / (len(rate) + SHOT_S)], axis=1)


def running_mean(rows: NDArray[Any], window: int) -> Matrix:
    """Centred mean over up to `window` rows (fewer at both ends) along the first axis."""
    before = np.arange(len(rows)) - window // 2
    first, last = np.maximum(before, 0), np.minimum(before + window, len(rows))
    sums = np.concatenate([np.zeros_like(rows[:1], float), np.cumsum(rows, axis=0, dtype=float)])
    counts = (last - first).reshape(-1, *[1] * (rows.ndim - 1))
    return np.asarray((sums[last] - sums[first]) / counts, float)


def mean_within_scenes(rows: NDArray[Any], scene_offset: NDArray[Any]) -> Matrix:
    """Rows (T, n) averaged over STILL_WINDOW_S, never across a cut."""
    starts = np.flatnonzero(np.diff(scene_offset) <= 0) + 1
    return np.concatenate([running_mean(scene, STILL_WINDOW_S) for scene in np.split(rows, starts)])


class Color:
    """The encoder with its weights."""

    def __init__(self, trained: Checkpoint) -> None:
        tensors = {name: np.asarray(tensor, float) for name, tensor in trained.tensors.items()}
        self.sha256 = trained.sha256
        self._config = trained.config
        self._scale = Scale(tensors["mean"], tensors["spread"], tensors["weight"])
        self._support, self._alpha = tensors["support"], tensors["alpha"]

    def preprocess(self, picture: Pixels) -> Floats:
        """The descriptors (D,) of a picture."""
        return still.describe(picture)

    def embed(self, inputs: Sequence[Floats]) -> Floats:
        """The descriptors as they are, (B, D)."""
        return np.stack(inputs)

    def predict(self, embeddings: Floats, motion: Floats, scene_offset: Floats) -> EncoderOutput:
        """Affect of each second; the emotions are the nearer, the more probable."""
        scores = mean_within_scenes(self.scores(embeddings), scene_offset)
        arousal, energy = scores[:, 1] - self._config["neutral_arousal"], self.energy(motion, scene_offset)
        # two independent predictors, each weighed by its correlation with the truth; their sum has spread 1 again
        of_energy, of_still = self._config["energy"]["r"], self._config["arousal_r"]
        scores[:, 1] = (of_energy * energy + of_still * arousal) / np.hypot(of_energy, of_still)
        affect = np.clip(scores * self._config["spread"], -1, 1).astype(np.float32)
        return EncoderOutput(emotions_at(affect, self._config["temperature"]), affect)

    def scores(self, rows: NDArray[Any]) -> Matrix:
        """Valence and arousal of stills (T, D) in standard deviations of such predictions, shape (T, 2)."""
        blocks = []
        for start in range(0, len(rows), BLOCK):  # distances to all support vectors: an hour's would fill gigabytes
            distances = squared_distances(self._scale.apply(rows[start : start + BLOCK]), self._support)
            kernels = (np.exp(-gamma * distances) for gamma in self._config["gamma"])
            blocks.append(np.stack([kernel @ self._alpha[:, axis] for axis, kernel in enumerate(kernels)], axis=1))
        return np.asarray(np.concatenate(blocks) / self._config["predicted_spread"], float)

    def energy(self, motion: NDArray[Any], scene_offset: NDArray[Any]) -> Matrix:
        """Energy predicted from movement and cuts, in standard deviations within a music video, shape (T,)."""
        if len(motion) == 1:
            return np.zeros(1)  # second 0 has no frame before it, so there is no movement to measure
        fitted = self._config["energy"]
        scaled = (motion_and_cut_rate(motion, scene_offset) - fitted["middle"]) / fitted["spread"]
        return np.asarray(scaled @ np.array(fitted["weights"]), float)


def load(folder: Path | None = None) -> Color:
    """The encoder with the weights of a folder, by default those of `--weights` or that ship; kept in memory.

    Raises CheckpointError.
    """
    return _load(folder or checkpoint.weights_folder(WEIGHTS))


@lru_cache(maxsize=1)
def _load(folder: Path) -> Color:
    return Color(checkpoint.load(folder, kind=KIND))
