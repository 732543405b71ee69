"""Figures of chord and dynamics models, as the published systems code them.

Hits@k follows Video2Music's released code: the top k of all 159 classes, over the positions whose target is not PAD
(END counts), as a fraction of each song, then the mean over songs.
"""

import numpy as np
from numpy.typing import NDArray


def hits(logits: NDArray[np.floating], targets: NDArray[np.integer], k: int) -> float:
    """Share of one song's targets (T,) among the k highest of their logits (T, 159); of equals the lower id wins."""
    own = np.take_along_axis(logits, targets[:, None], axis=1)
    lower = np.arange(logits.shape[1]) < targets[:, None]
    rank = (logits > own).sum(1) + ((logits == own) & lower).sum(1)
    return float((rank < k).mean())


def nll(logits: NDArray[np.floating], targets: NDArray[np.integer]) -> float:
    """Mean negative log-likelihood in nats of one song's targets (T,) under logits (T, 159)."""
    top = logits.max(1, keepdims=True)
    normaliser = np.log(np.exp(logits - top).sum(1)) + top[:, 0]
    return float((normaliser - np.take_along_axis(logits, targets[:, None], axis=1)[:, 0]).mean())


def rmse(predicted: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    """Root mean squared error of one song's rows."""
    return float(np.sqrt(np.mean((predicted - truth) ** 2)))


def padded_rmse(predicted: NDArray[np.floating], truth: NDArray[np.floating], *, rows: int = 300) -> float:
    """RMSE over `rows` rows of which those beyond the song's end are 0 on both sides, as the reference codes it."""
    return float(np.sqrt(np.sum((predicted - truth) ** 2) / rows))


def correlation(predicted: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    """Pearson's r of one song's rows; not a number where one side never moves."""
    if np.ptp(predicted) == 0 or np.ptp(truth) == 0:
        return float("nan")
    return float(np.corrcoef(predicted, truth)[0, 1])
