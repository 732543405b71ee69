"""The match is checked against a plain sum over tenths of a second, and for bounds over any report and curve."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.alignment import match, over_spans
from emotion.values import AffectCurve, EmotionReport, Hearing

axis = st.floats(-1, 1, width=32)
curves = st.lists(st.tuples(axis, axis), min_size=1, max_size=30).map(
    lambda rows: AffectCurve(*np.array(rows, np.float32).T, "test")
)


@st.composite
def hearings(draw):
    start = draw(st.integers(0, 300)) / 10
    parts = np.array(draw(st.tuples(*[st.integers(0, 9)] * 4))) + 1
    length = draw(st.integers(0, 120)) / 10
    return Hearing(start, start + length, draw(axis), draw(axis), tuple((parts / parts.sum()).tolist()))


reports = st.lists(hearings(), min_size=1, max_size=6).map(
    lambda windows: EmotionReport(windows[0], tuple(windows), "audio", "test", "0")
)


def wanted(curve: AffectCurve, start_s: float, end_s: float) -> tuple[float, float]:
    """The mean of the curve over the tenths of a second between two times; past its end the last row holds on."""
    tenths = range(round(start_s * 10), max(round(end_s * 10), round(start_s * 10) + 1))
    rows = [curve.points[min(tenth // 10, len(curve) - 1)].astype(float) for tenth in tenths]
    valence, arousal = sum(rows) / len(rows)
    return float(valence), float(arousal)


@given(reports, curves)
def test_a_match_is_what_a_plain_sum_gives(report, curve):
    distances, probabilities = [], []
    for window in report.windows:
        valence, arousal = wanted(curve, window.start_s, window.end_s)
        distances.append(math.hypot(window.valence - valence, window.arousal - arousal))
        up, right = (1 / (1 + math.exp(-axis / 0.1)) for axis in (arousal, valence))
        shares = (right * up, (1 - right) * up, (1 - right) * (1 - up), right * (1 - up))
        probabilities.append(sum(share * given for share, given in zip(shares, window.quadrants, strict=True)))
    found = match(report, curve)
    assert found.distance == pytest.approx(sum(distances) / len(distances), abs=1e-4)
    assert found.quadrant == pytest.approx(sum(probabilities) / len(probabilities), abs=1e-4)


@given(reports, curves)
def test_a_match_lies_between_0_and_1(report, curve):
    found = match(report, curve)
    assert 0 <= found.score <= 1 and 0 <= found.quadrant <= 1 and 0 <= found.distance <= 2 * math.sqrt(2) + 1e-6
    assert found.score == pytest.approx((1 - found.distance / math.sqrt(8) + found.quadrant) / 2, abs=1e-6)


def test_music_that_is_heard_as_wanted_matches_fully():
    report = EmotionReport(*[(one := Hearing(0, 4, 0.5, -0.5, (0, 0, 0, 1))), (one,)], "MIDI", "test", "0")
    found = match(report, AffectCurve(np.full(4, 0.5), np.full(4, -0.5), "test"))
    assert (found.score, found.quadrant) == (pytest.approx(1, abs=0.01), pytest.approx(1, abs=0.02))


def test_opposite_corners_match_not_at_all():
    report = EmotionReport(*[(one := Hearing(0, 1, 1, 1, (1, 0, 0, 0))), (one,)], "MIDI", "test", "0")
    assert match(report, AffectCurve(np.full(1, -1), np.full(1, -1), "test")).score == pytest.approx(0, abs=1e-6)


def test_a_curve_is_averaged_over_parts_of_seconds():
    curve = AffectCurve(np.array([0.0, 1.0, -1.0]), np.zeros(3), "test")
    means = over_spans(curve, [(0.5, 1.5), (1.0, 3.0), (2.5, 9.0), (1.2, 1.2)])[:, 0]
    np.testing.assert_allclose(means, [0.5, 0.0, -1.0, 1.0], atol=1e-6)
