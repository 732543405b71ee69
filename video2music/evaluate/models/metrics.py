"""Metrics of chord and dynamics models, as the published systems code them, and those that they lack.

Each is a function of one song's arrays; `scores` applies them and averages over songs.

Hits@k follows Video2Music's released code: the top k of all 159 classes, over the positions whose target is not PAD
(END counts), as a fraction of each song, then the mean over songs. The emotion BCE is that code's as well: BCE with
logits of all 159 outputs against a multi-hot of the chords whose quality the second's strongest emotion allows, on
every root. It is taken over the seconds that have a chord; the released code also counts the padded rows up to the
300th, where the answer is the bare class PAD, and END's, which has no emotion.

A `Calibration` is an affine map of the logits, found as in Platt scaling: it makes the BCE of models with different
losses comparable and leaves every rank unchanged.

Chords are also compared on roots, thirds and sevenths by mir_eval, whose rules are those of MIREX (Raffel et al.,
"mir_eval: A Transparent Implementation of Common MIR Metrics", ISMIR 2014). Seconds whose true chord a rule does not
cover, such as a suspended chord on thirds, are left out. Every chord lasts one second, so that weighting by duration
is a mean over seconds.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import mir_eval.chord
import numpy as np
from numpy.typing import NDArray

from video2music.chords import END, N_CHORDS, QUALITIES, Chord
from video2music.model.conditioning import ALLOWED_MATRIX


def ranks(logits: NDArray[np.floating], targets: NDArray[np.integer]) -> NDArray[np.integer]:
    """How many of the logits (T, 159) are ahead of each target's (T,), 0 for the best; of equals the lower id wins."""
    own = np.take_along_axis(logits, targets[:, None], axis=1)
    lower = np.arange(logits.shape[1]) < targets[:, None]
    result: NDArray[np.integer] = (logits > own).sum(1) + ((logits == own) & lower).sum(1)
    return result


def hits(logits: NDArray[np.floating], targets: NDArray[np.integer], k: int) -> float:
    """Share of one song's targets (T,) among the k highest of their logits (T, 159); of equals the lower id wins."""
    return float((ranks(logits, targets) < k).mean())


def surprisal(logits: NDArray[np.floating], targets: NDArray[np.integer]) -> NDArray[np.floating]:
    """Negative log-likelihood in nats (T,) of each of one song's targets (T,) under logits (T, 159)."""
    top = logits.max(1, keepdims=True)
    normaliser = np.log(np.exp(logits - top).sum(1)) + top[:, 0]
    result: NDArray[np.floating] = normaliser - np.take_along_axis(logits, targets[:, None], axis=1)[:, 0]
    return result


def nll(logits: NDArray[np.floating], targets: NDArray[np.integer]) -> float:
    """Mean negative log-likelihood in nats of one song's targets (T,) under logits (T, 159)."""
    return mean(surprisal(logits, targets))


def chord_changes(chords: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which of the targets that follow the first of these ids (T,) are another chord than the one before, (T - 1,).

    END is not counted as a change.
    """
    result: NDArray[np.bool_] = (chords[1:] != chords[:-1]) & (chords[1:] != END)
    return result


def allowed_qualities(emotion: NDArray[np.floating]) -> NDArray[np.float32]:
    """(T, 13): 1 for each quality that the strongest of the six emotions (T, 6) allows."""
    result: NDArray[np.float32] = ALLOWED_MATRIX[emotion.argmax(1)]
    return result


def bce(logits: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    """Mean binary cross-entropy in nats of logits (T, 159) against 0 or 1 (T, 159), each class by itself."""
    return float((np.maximum(logits, 0) - logits * truth + np.log1p(np.exp(-np.abs(logits)))).mean())


def quality_shares(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    """Share of each quality in the probability of the 156 sounding chords, (T, 13), from logits (T, 159)."""
    sounding = logits[:, 1:N_CHORDS]
    weights = np.exp(sounding - sounding.max(1, keepdims=True))
    by_quality = weights.reshape(len(logits), -1, len(QUALITIES)).sum(1)
    result: NDArray[np.floating] = by_quality / by_quality.sum(1, keepdims=True)
    return result


def emotion_mass(logits: NDArray[np.floating], emotion: NDArray[np.floating]) -> float:
    """Mean probability that a sounding chord has a quality which the strongest emotion (T, 6) of its second allows.

    Seconds whose strongest emotion is neutral allow no quality and are left out; NaN where there is no other.
    """
    allowed = allowed_qualities(emotion)
    some = allowed.any(1)
    return mean((quality_shares(logits) * allowed).sum(1)[some])


def mean(values: NDArray[Any]) -> float:
    """The mean; NaN of an empty array."""
    return float(values.mean()) if len(values) else float("nan")


def rmse(predicted: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    """Root mean squared error of one song's rows."""
    return float(np.sqrt(np.mean((predicted - truth) ** 2)))


def padded_rmse(predicted: NDArray[np.floating], truth: NDArray[np.floating], *, rows: int = 300) -> float:
    """RMSE over `rows` rows of which those beyond the song's end are 0 on both sides, as the reference codes it."""
    return float(np.sqrt(np.sum((predicted - truth) ** 2) / rows))


def correlation(predicted: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    """Pearson's r of one song's rows; NaN where either is constant."""
    if np.ptp(predicted) == 0 or np.ptp(truth) == 0:
        return float("nan")
    return float(np.corrcoef(predicted, truth)[0, 1])


NEWTON_STEPS = 25
TOLERANCE = 1e-9


class Calibration(NamedTuple):
    """scale · logits + offset."""

    scale: float = 1.0
    offset: float = 0.0

    def __call__(self, logits: NDArray[np.floating]) -> NDArray[np.floating]:
        return self.scale * logits + self.offset


def calibration_of(config: Mapping[str, Any]) -> Calibration:
    """The calibration in a checkpoint's config; the identity where it has none."""
    return Calibration(**config.get("calibration", {}))


def fit_calibration(logits: Sequence[NDArray[np.floating]], truth: Sequence[NDArray[np.floating]]) -> Calibration:
    """The calibration with the least BCE of songs' logits, each (T, 159), against 0 or 1 (T, 159).

    Logistic regression on one number, by Newton's method: Platt, "Probabilistic Outputs for Support Vector Machines"
    (1999), with songs of any length counted second by second.
    """
    x, y = np.concatenate(logits).ravel().astype(float), np.concatenate(truth).ravel().astype(float)
    middle, spread = x.mean(), x.std() + 1e-12
    design = np.stack([(x - middle) / spread, np.ones_like(x)])
    weights = np.zeros(2)
    for _ in range(NEWTON_STEPS):
        probability = 1 / (1 + np.exp(-weights @ design))
        curvature = (design * (probability * (1 - probability))) @ design.T
        step = np.linalg.solve(curvature + 1e-9 * np.eye(2), design @ (y - probability))
        weights += step
        if np.abs(step).max() < TOLERANCE:
            break
    return Calibration(float(weights[0] / spread), float(weights[1] - weights[0] * middle / spread))


RULES = ("root", "thirds", "sevenths")


def harte_label(chord: Chord) -> str:
    """The chord in the syntax of Harte et al. (ISMIR 2005), which mir_eval reads: `C:maj`, `F#:min7`, `N`.

    The vocabulary's qualities are all shorthands of that syntax; only a major triad must be spelled out.
    """
    label = str(chord)
    return label if label == "N" or ":" in label else f"{label}:maj"


def agreement(predicted: NDArray[np.integer], truth: NDArray[np.integer]) -> dict[str, float]:
    """By rule: share of the chord ids (T,) that agree with the true ones (T,); NaN where none can be compared."""
    found = {}
    for rule, table in _comparison_tables().items():
        scores = table[truth, predicted]
        found[rule] = mean(scores[scores >= 0])
    return found


@cache
def _comparison_tables() -> dict[str, NDArray[np.float64]]:
    """By rule: mir_eval's score (157, 157) of each true id with each predicted one; below 0 where it has no score."""
    labels = [harte_label(Chord.from_id(index)) for index in range(N_CHORDS)]
    truth, predicted = np.repeat(labels, N_CHORDS).tolist(), labels * N_CHORDS
    return {rule: getattr(mir_eval.chord, rule)(truth, predicted).reshape(N_CHORDS, -1) for rule in RULES}
