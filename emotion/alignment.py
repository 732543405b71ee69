"""How well music that was heard agrees with the feeling that was wanted."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotion.affect import quadrants_at
from emotion.values import AffectCurve, EmotionReport, Match

DIAGONAL = 8**0.5  # of the plane: no two points are farther apart


def match(report: EmotionReport, curve: AffectCurve) -> Match:
    """Compare each window of a report with the curve's mean over the same time.

    `score` is the mean of two things: 1 minus the mean distance over the plane's diagonal, and the agreement of the
    quadrants, the probability that the judge gives to what is wanted. Quadrants and points were learnt from different
    people's judgements, so both are asked. A window that holds no sound is heard at the origin.
    """
    heard = np.array([[window.valence, window.arousal] for window in report.windows])
    wanted = over_spans(curve, [(window.start_s, window.end_s) for window in report.windows])
    distance = float(np.hypot(*(heard - wanted).T).mean())
    given = np.array([window.quadrants for window in report.windows])
    agreement = float((given * quadrants_at(wanted)).sum(1).mean())
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
    return np.clip(np.stack(area, axis=1) / (ends - starts)[:, None], -1, 1)
