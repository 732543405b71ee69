"""How well the predicted emotion of music agrees with a target curve.

`match` is one score, by which candidates are selected. `align` is the full comparison, for reports: error, bias,
concordance and lag of each axis, and agreement of the quadrants. Spans are (S, 2) in s, points (S, 2) valence, arousal.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotion.affect import QUADRANTS, quadrant_index, quadrants_at
from emotion.metrics import AXES, ccc
from emotion.values import AffectCurve, EmotionReport, Match

DIAGONAL = 8**0.5  # of the plane: no two points are farther apart
STILL_SD = 0.05  # of an axis; a curve of less deviation counts as constant: correlations would rank its noise
FEWEST = 5  # windows for a correlation: with windows of 8 s every 4 s, more than 20 s of music
MOST_LAG_S = 8  # to either side
_TIE = 1e-9  # correlations that are nearer are equal but for rounding

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AxisAlignment:
    """One axis of the plane, over the windows.

    rmse    root mean squared difference of prediction and target
    bias    mean of prediction minus target: above 0 the music is more pleasant, or more excited, than the target
    ccc     Lin's concordance correlation coefficient; None where the target is constant (its standard deviation
            is under STILL_SD), as then bias and RMSE say it all, and of fewer windows than FEWEST
    lag_s   by how many seconds the prediction follows the target, below 0 where it is ahead, and lag_r the
            correlation at that lag: see `lag`; both are None where there is none
    """

    rmse: float
    bias: float
    ccc: float | None
    lag_s: int | None
    lag_r: float | None


@dataclass(frozen=True)
class Alignment:
    """Music against a target curve, over the windows whose middle lies within the curve.

    target, predicted  a quadrant for each window, counted from 0 as in emotion.affect.QUADRANTS; predicted is the
                       likeliest, None where nothing is known, as in silence
    quadrant           share of the windows in which the two are the same
    match              `match` of the same windows
    """

    valence: AxisAlignment
    arousal: AxisAlignment
    target: tuple[int, ...]
    predicted: tuple[int | None, ...]
    quadrant: float
    match: Match

    @property
    def windows(self) -> int:
        """How many windows were compared."""
        return len(self.target)

    def metrics(self) -> dict[str, float]:
        """Every metric by its name in reports; NaN where there is none."""
        found: dict[str, float | None] = {
            "match": self.match.score,
            "distance": self.match.distance,
            "quadrant": self.quadrant,
            "quadrant_probability": self.match.quadrant,
        }
        for name in ("rmse", "bias", "ccc", "lag_s", "lag_r"):
            found |= {f"{name}_{axis}": getattr(getattr(self, axis), name) for axis in AXES}
        return {name: math.nan if value is None else float(value) for name, value in found.items()}


def align(report: EmotionReport, curve: AffectCurve) -> Alignment:
    """Compare a report with the curve's mean over each of its windows.

    Music may last longer than the curve: windows whose middle lies beyond its end are left out, except for the first.
    """
    kept = shared(report, curve)
    predicted, target = predicted_points(kept), over_spans(curve, spans_s(kept))
    quadrants = tuple(
        None if window.confidence <= 1 / len(QUADRANTS) else int(np.argmax(window.quadrants)) for window in kept.windows
    )
    target_quadrants = tuple(quadrant_index(target).tolist())
    valence, arousal = (_axis(predicted[:, axis], target[:, axis], kept, curve, axis) for axis in range(len(AXES)))
    same = sum(one == other for one, other in zip(quadrants, target_quadrants, strict=True))
    return Alignment(valence, arousal, target_quadrants, quadrants, same / len(quadrants), match(kept, curve))


def shared(report: EmotionReport, curve: AffectCurve) -> EmotionReport:
    """The same report with no windows but the first and those whose middle lies within the curve."""
    first, *others = report.windows
    return replace(
        report, windows=(first, *(window for window in others if window.start_s + window.end_s < 2 * len(curve)))
    )


def spans_s(report: EmotionReport) -> Floats:
    """From and to of every window, (W, 2) in s."""
    return np.array([(window.start_s, window.end_s) for window in report.windows])


def predicted_points(report: EmotionReport) -> Floats:
    """Valence and arousal of every window, (W, 2)."""
    return np.array([(window.valence, window.arousal) for window in report.windows])


def lag(predicted: ArrayLike, target: ArrayLike, *, most_s: int = MOST_LAG_S) -> tuple[int, float] | None:
    """By how many seconds `predicted` (T,) follows `target` (T,), one value a second each, and their correlation there.

    Of all lags of whole seconds up to `most_s` to either side, and up to half of T, the one with the highest Pearson
    correlation of predicted at t with target at t - lag, over the seconds that both have then; of equals the smallest,
    and of those the one where the prediction is late. At an end of the range the true lag may be beyond it. None where
    either is constant (its standard deviation is under STILL_SD; such overlaps are skipped), and where the two do not
    rise and fall together at any lag.
    """
    predicted, target = np.asarray(predicted, float), np.asarray(target, float)
    if not len(predicted) or min(predicted.std(), target.std()) < STILL_SD:
        return None
    most = min(most_s, len(predicted) // 2)
    lags = sorted(range(-most, most + 1), key=lambda seconds: (abs(seconds), -seconds))
    found = [(seconds, r) for seconds in lags if (r := _correlation(*_moved(predicted, target, seconds))) is not None]
    best = max((r for _, r in found), default=0.0)
    if best <= _TIE:
        return None
    return next((seconds, min(r, 1.0)) for seconds, r in found if r > best - _TIE)


def _moved(predicted: Floats, target: Floats, seconds: int) -> tuple[Floats, Floats]:
    """Heard and, so many seconds before, target, where there are both."""
    if seconds >= 0:
        return predicted[seconds:], target[: len(target) - seconds]
    return predicted[:seconds], target[-seconds:]


def _correlation(one: Floats, other: Floats) -> float | None:
    """Pearson's r, None where either is constant."""
    if len(one) == 0:
        return None
    a, b = one - one.sum() / len(one), other - other.sum() / len(other)  # np.mean takes four times as long as this
    deviations = math.sqrt(a @ a / len(a)), math.sqrt(b @ b / len(b))
    return None if min(deviations) < STILL_SD else float(a @ b) / len(a) / math.prod(deviations)


def _axis(predicted: Floats, target: Floats, report: EmotionReport, curve: AffectCurve, axis: int) -> AxisAlignment:
    """The comparison of one axis: predicted and target (W,) over the report's windows."""
    error = predicted - target
    enough = len(predicted) >= FEWEST
    agreement = ccc(predicted, target) if enough and target.std() >= STILL_SD else None
    found = lag(*_second_by_second(predicted, report, curve, axis)) if enough else None
    return AxisAlignment(float(np.sqrt((error**2).mean())), float(error.mean()), agreement, *(found or (None, None)))


def _second_by_second(predicted: Floats, report: EmotionReport, curve: AffectCurve, axis: int) -> tuple[Floats, Floats]:
    """Heard and target on whole seconds from the first window's middle to the last one's.

    The prediction is interpolated between the middles. The target is the curve's mean over a window's length around the
    second, because the judge's windows smooth the prediction in the same way.
    """
    spans = spans_s(report)
    middles, half_s = spans.mean(1), float(np.median(np.diff(spans))) / 2
    seconds = np.arange(math.ceil(middles[0]), math.floor(middles[-1]) + 1)
    around = np.stack([np.maximum(seconds - half_s, 0.0), seconds + half_s], axis=1)
    return np.interp(seconds, middles, predicted), over_spans(curve, around)[:, axis]


def match(report: EmotionReport, curve: AffectCurve) -> Match:
    """Compare each window of a report with the curve's mean over the same time.

    `score` is the mean of two things: 1 minus the mean distance over the plane's diagonal, and the agreement of the
    quadrants, the probability that the judge gives to the target's. Both count, because quadrants and points were
    learnt from different raters. A silent window is at the origin.
    """
    predicted, target = predicted_points(report), over_spans(curve, spans_s(report))
    distance = float(np.hypot(*(predicted - target).T).mean())
    given = np.array([window.quadrants for window in report.windows])
    agreement = float((given * quadrants_at(target)).sum(1).mean())
    return Match((max(0.0, 1 - distance / DIAGONAL) + agreement) / 2, distance, agreement)


def over_spans(curve: AffectCurve, spans: ArrayLike) -> NDArray[np.float64]:
    """The curve's mean over spans (S, 2) in s, shape (S, 2). Row t holds from second t to t + 1, the last one for ever.

    A span without length has the value of its moment.
    """
    starts, ends = np.asarray(spans, float).T
    ends = np.maximum(ends, starts + 1e-6)
    missing = max(0, math.ceil(ends.max()) - len(curve))
    rows = np.pad(curve.points.astype(float), ((0, missing), (0, 0)), mode="edge")
    until = np.vstack([np.zeros(2), np.cumsum(rows, axis=0)])  # the integral from 0 to each whole second
    seconds = np.arange(len(until))
    area = [np.interp(ends, seconds, column) - np.interp(starts, seconds, column) for column in until.T]
    means: Floats = np.clip(np.stack(area, axis=1) / (ends - starts)[:, None], -1, 1)
    return means
