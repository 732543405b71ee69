"""Figures of chord and dynamics models, as the published systems code them, and what those lack.

Hits@k follows Video2Music's released code: the top k of all 159 classes, over the positions whose target is not PAD
(END counts), as a fraction of each song, then the mean over songs. The emotion BCE is that code's as well: BCE with
logits of all 159 outputs against a multi-hot of the chords whose quality the second's strongest emotion allows, on
every root. It is taken over the seconds that have a chord; the released code also counts the padded rows up to the
300th, where the answer is the bare class PAD, and END's, which has no emotion.
"""

import numpy as np
from numpy.typing import NDArray

from video2music.chords import END, N_CHORDS, QUALITIES
from video2music.model.affect import ALLOWED_MATRIX


def ranks(logits: NDArray[np.floating], targets: NDArray[np.integer]) -> NDArray[np.integer]:
    """How many of the logits (T, 159) are ahead of each target's (T,), 0 for the best; of equals the lower id wins."""
    own = np.take_along_axis(logits, targets[:, None], axis=1)
    lower = np.arange(logits.shape[1]) < targets[:, None]
    return (logits > own).sum(1) + ((logits == own) & lower).sum(1)


def hits(logits: NDArray[np.floating], targets: NDArray[np.integer], k: int) -> float:
    """Share of one song's targets (T,) among the k highest of their logits (T, 159); of equals the lower id wins."""
    return float((ranks(logits, targets) < k).mean())


def surprise(logits: NDArray[np.floating], targets: NDArray[np.integer]) -> NDArray[np.floating]:
    """Negative log-likelihood in nats (T,) of each of one song's targets (T,) under logits (T, 159)."""
    top = logits.max(1, keepdims=True)
    normaliser = np.log(np.exp(logits - top).sum(1)) + top[:, 0]
    return normaliser - np.take_along_axis(logits, targets[:, None], axis=1)[:, 0]


def nll(logits: NDArray[np.floating], targets: NDArray[np.integer]) -> float:
    """Mean negative log-likelihood in nats of one song's targets (T,) under logits (T, 159)."""
    return mean(surprise(logits, targets))


def changes(chords: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which of the targets that follow the first of these ids (T,) are another chord than the one before, (T - 1,).

    END is no chord that one could change to.
    """
    return (chords[1:] != chords[:-1]) & (chords[1:] != END)


def allowed_qualities(emotion: NDArray[np.floating]) -> NDArray[np.float32]:
    """(T, 13): 1 for each quality that the strongest of the six emotions (T, 6) allows."""
    return ALLOWED_MATRIX[emotion.argmax(1)]


def bce(logits: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    """Mean binary cross-entropy in nats of logits (T, 159) against 0 or 1 (T, 159), each class by itself."""
    return float((np.maximum(logits, 0) - logits * truth + np.log1p(np.exp(-np.abs(logits)))).mean())


def quality_shares(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    """What each quality has of the probability of the 156 sounding chords, (T, 13), from logits (T, 159)."""
    sounding = logits[:, 1:N_CHORDS]
    weights = np.exp(sounding - sounding.max(1, keepdims=True))
    by_quality = weights.reshape(len(logits), -1, len(QUALITIES)).sum(1)
    return by_quality / by_quality.sum(1, keepdims=True)


def emotion_mass(logits: NDArray[np.floating], emotion: NDArray[np.floating]) -> float:
    """Mean probability that a sounding chord has a quality which the strongest emotion (T, 6) of its second allows.

    Seconds whose strongest emotion is neutral allow nothing and are left out; not a number where no other is.
    """
    allowed = allowed_qualities(emotion)
    some = allowed.any(1)
    return mean((quality_shares(logits) * allowed).sum(1)[some])


def mean(values: NDArray) -> float:
    """The mean, not a number where there is nothing."""
    return float(values.mean()) if len(values) else float("nan")


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
