"""Metrics of judges over pieces: accuracy of quadrants, calibration, agreement on valence and arousal, and tags.

What is measured, and its names, are the conventions of J. Kang, D. Herremans, "Are We There Yet? A Brief Survey of
Music Emotion Prediction Datasets, Models and Outstanding Challenges" (arXiv:2406.08809): accuracy and macro-F1 of
classes; R², RMSE and CCC of each axis; areas under the precision-recall and ROC curves of tags, the mean over tags.
Quadrants are classes 0..3; probabilities are (N, 4). They equal scikit-learn's, which the tests compare
them with, but are fast enough for thousands of bootstrap draws.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.affect import quadrant_index

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]

AXES = ("valence", "arousal")
BINS = 10  # of confidence, for the calibration error
RESAMPLES = 2000


def accuracy(probabilities: Floats, truth: Integers) -> float:
    """Share of pieces (N,) whose likeliest quadrant is the true one."""
    return float((probabilities.argmax(1) == truth).mean())


def macro_f1(probabilities: Floats, truth: Integers) -> float:
    """Mean of the four quadrants' F1; one that is neither true nor predicted counts 0."""
    table = np.array(confusion(probabilities, truth))
    total = table.sum(0) + table.sum(1)
    return float(np.divide(2 * table.diagonal(), total, out=np.zeros(len(table)), where=total > 0).mean())


def confusion(probabilities: Floats, truth: Integers) -> list[list[int]]:
    """How many pieces of each true quadrant (rows) were predicted as each quadrant (columns)."""
    classes = probabilities.shape[1]
    cells = truth * classes + probabilities.argmax(1)
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes).tolist()


def calibration_error(probabilities: Floats, truth: Integers) -> float:
    """Expected calibration error over ten bins of confidence (Guo and others 2017)."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == truth
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [abs(right[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).mean() for b in set(bins)]
    return float(sum(gaps))


def r2(predicted: Floats, truth: Floats) -> float:
    """Coefficient of determination of predicted (N,) against true values (N,); NaN when these are all equal."""
    spread = ((truth - truth.mean()) ** 2).sum()
    return float(1 - ((truth - predicted) ** 2).sum() / spread) if spread else math.nan


def rmse(predicted: Floats, truth: Floats) -> float:
    """Root of the mean squared error of predicted (N,), in the unit of the values."""
    return float(np.sqrt(((predicted - truth) ** 2).mean()))


def ccc(predicted: Floats, truth: Floats) -> float:
    """Lin's concordance correlation coefficient (Biometrics 45, 1989); not a number when all values are equal."""
    covariance = ((predicted - predicted.mean()) * (truth - truth.mean())).mean()
    spread = predicted.var() + truth.var() + (predicted.mean() - truth.mean()) ** 2
    return float(2 * covariance / spread) if spread else math.nan


def of_quadrants(probabilities: Floats, truth: Integers) -> dict[str, float]:
    """Accuracy, macro-F1, accuracy of the signs of arousal and valence, and the calibration error."""
    predicted = probabilities.argmax(1)
    return {
        "accuracy": accuracy(probabilities, truth),
        "macro_f1": macro_f1(probabilities, truth),
        "arousal_accuracy": float(((predicted < 2) == (truth < 2)).mean()),
        "valence_accuracy": float((np.isin(predicted, (0, 3)) == np.isin(truth, (0, 3))).mean()),
        "ece": calibration_error(probabilities, truth),
    }


def of_affect(predicted: Floats, truth: Floats) -> dict[str, float]:
    """R², RMSE and CCC of each axis of (N, 2), and how often the two signs, the quadrant, are right."""
    found = {}
    for axis, name in enumerate(AXES):
        found[f"r2_{name}"] = r2(predicted[:, axis], truth[:, axis])
        found[f"rmse_{name}"] = rmse(predicted[:, axis], truth[:, axis])
        found[f"ccc_{name}"] = ccc(predicted[:, axis], truth[:, axis])
    same = quadrant_index(predicted) == quadrant_index(truth)
    return {**found, "quadrant_accuracy": float(same.mean())}


def of_tags(scores: Floats, truth: NDArray[Any]) -> dict[str, float]:
    """Macro areas under the precision-recall and ROC curves of scores (N, K) against tags (N, K), true or false.

    Means over the tags that some pieces have and others have not; not a number when there is no such tag.
    """
    truth = truth.astype(bool)
    both = truth.any(0) & ~truth.all(0)
    if not both.any():
        return {"pr_auc": float("nan"), "roc_auc": float("nan")}
    ranked = _Ranked(scores[:, both], truth[:, both])
    return {"pr_auc": float(ranked.precision().mean()), "roc_auc": float(ranked.area().mean())}


class _Ranked:
    """Tags (N, K) by falling score, each with how many right and wrong ones are found at its score and above.

    Pieces of the same score are found together, as scikit-learn counts them.
    """

    def __init__(self, scores: Floats, truth: NDArray[np.bool_]) -> None:
        order = np.argsort(-scores, axis=0, kind="stable")
        ordered, self.truth = np.take_along_axis(scores, order, 0), np.take_along_axis(truth, order, 0)
        rows = np.arange(len(scores))[:, None]
        ends = np.diff(ordered, axis=0, append=np.nan) != 0  # the last of its score
        starts = np.roll(ends, 1, axis=0)
        last = np.minimum.accumulate(np.where(ends, rows, len(rows))[::-1], axis=0)[::-1]
        first = np.maximum.accumulate(np.where(starts, rows, 0), axis=0)
        right, wrong = np.cumsum(self.truth, axis=0), np.cumsum(~self.truth, axis=0)
        self.right, self.wrong = np.take_along_axis(right, last, 0), np.take_along_axis(wrong, last, 0)
        self.above: Integers = np.take_along_axis(wrong - ~self.truth, first, 0)  # wrong ones of higher scores

    def precision(self) -> Floats:
        """(K,) average precision: the mean over a tag's pieces of the precision where each is found."""
        shares = self.right / (self.right + self.wrong)
        precision: Floats = (shares * self.truth).sum(0) / self.truth.sum(0)
        return precision

    def area(self) -> Floats:
        """(K,) area under the ROC curve: how often a piece with the tag is above one without; ties are a half."""
        wrong = (~self.truth).sum(0)
        below = wrong - (self.wrong + self.above) / 2
        area: Floats = (below * self.truth).sum(0) / (self.truth.sum(0) * wrong)
        return area


def of_two_judges(one: Floats, other: Floats) -> dict[str, float]:
    """Agreement of two judges on pieces, each (N, 6): valence, arousal, probabilities of the quadrants.

    Share of pieces with the same quadrant, Cohen's kappa (Educational and Psychological Measurement 20, 1960), and
    Pearson's correlation on each axis.
    """
    first, second = one[:, 2:].argmax(1), other[:, 2:].argmax(1)
    same = float((first == second).mean())
    shares = [np.bincount(quadrants, minlength=4) / len(quadrants) for quadrants in (first, second)]
    chance = float(shares[0] @ shares[1])
    kappa = (same - chance) / (1 - chance) if chance < 1 else math.nan
    correlations = {f"r_{name}": _correlation(one[:, axis], other[:, axis]) for axis, name in enumerate(AXES)}
    return {"same_quadrant": same, "kappa": kappa, **correlations}


def _correlation(one: Floats, other: Floats) -> float:
    return float(np.corrcoef(one, other)[0, 1]) if one.std() and other.std() else math.nan


def summaries(
    metrics: Callable[..., dict[str, float]], predicted: list[Floats], truth: Any
) -> dict[str, dict[str, Any]]:
    """Each metric's mean over the seeds' predictions of the same pieces, with a 95 % bootstrap interval.

    The interval draws the pieces with replacement (seed 0), 2000 times over the number of seeds, and averages the
    seeds in each draw; draws in which a metric is not a number are left out.
    """
    seeds = [metrics(each, truth) for each in predicted]
    rng = np.random.default_rng(0)
    draws = [rng.integers(len(truth), size=len(truth)) for _ in range(RESAMPLES // len(predicted))]
    again = [[metrics(each[draw], truth[draw]) for each in predicted] for draw in draws]
    out = {}
    for name in seeds[0]:
        values = np.mean([[each[name] for each in row] for row in again], axis=1)
        low, high = np.nanpercentile(values, (2.5, 97.5))
        each_seed = [seed[name] for seed in seeds]
        out[name] = {"mean": float(np.mean(each_seed)), "low": float(low), "high": float(high), "seeds": each_seed}
    return out
