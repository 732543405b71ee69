"""The match is checked against a plain sum over tenths of a second, and for bounds over any report and curve.

Alignment is checked against Lin's own form of his coefficient (correlation times bias correction), against lags found
by numpy's corrcoef one by one, and against curves that are moved by a known time.
"""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from emotion.alignment import FEWEST, STILL_SD, align, lag, match, over_spans
from emotion.judge import windows
from emotion.values import AffectCurve, EmotionReport, Prediction

axis = st.floats(-1, 1, width=32)
curves = st.lists(st.tuples(axis, axis), min_size=1, max_size=30).map(
    lambda rows: AffectCurve(*np.array(rows, np.float32).T, "test")
)


@st.composite
def predictions(draw):
    start = draw(st.integers(0, 300)) / 10
    parts = np.array(draw(st.tuples(*[st.integers(0, 9)] * 4))) + 1
    length = draw(st.integers(0, 120)) / 10
    return Prediction(start, start + length, draw(axis), draw(axis), tuple((parts / parts.sum()).tolist()))


reports = st.lists(predictions(), min_size=1, max_size=6).map(
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
    report = EmotionReport(*[(one := Prediction(0, 4, 0.5, -0.5, (0, 0, 0, 1))), (one,)], "MIDI", "test", "0")
    found = match(report, AffectCurve(np.full(4, 0.5), np.full(4, -0.5), "test"))
    assert (found.score, found.quadrant) == (pytest.approx(1, abs=0.01), pytest.approx(1, abs=0.02))


def test_opposite_corners_match_not_at_all():
    report = EmotionReport(*[(one := Prediction(0, 1, 1, 1, (1, 0, 0, 0))), (one,)], "MIDI", "test", "0")
    assert match(report, AffectCurve(np.full(1, -1), np.full(1, -1), "test")).score == pytest.approx(0, abs=1e-6)


def test_a_curve_is_averaged_over_parts_of_seconds():
    curve = AffectCurve(np.array([0.0, 1.0, -1.0]), np.zeros(3), "test")
    means = over_spans(curve, [(0.5, 1.5), (1.0, 3.0), (2.5, 9.0), (1.2, 1.2)])[:, 0]
    np.testing.assert_allclose(means, [0.5, 0.0, -1.0, 1.0], atol=1e-6)


QUARTERS = (0.25, 0.25, 0.25, 0.25)


def certain(quadrant: int) -> tuple[float, float, float, float]:
    shares = [0.1, 0.1, 0.1, 0.1]
    shares[quadrant] = 0.7
    return tuple(shares)


def report_of(points, spans=None, quadrants=QUARTERS) -> EmotionReport:
    """Windows as the judge cuts them, heard at these places."""
    spans = spans or windows(4.0 * len(points) + 4)
    assert len(spans) == len(points)
    heard = tuple(Prediction(*span, *map(float, point), quadrants) for span, point in zip(spans, points, strict=True))
    return EmotionReport(heard[0], heard, "audio", "test", "0")


def heard_exactly(curve: AffectCurve) -> EmotionReport:
    spans = windows(float(len(curve)))
    return report_of(np.clip(over_spans(curve, spans), -1, 1), spans)


def wandering(seconds: int, seed: int, *, smooth: int = 9) -> np.ndarray:
    """(seconds, 2) within the plane, each axis of sd about .3, without any period."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(seconds + smooth - 1, 2))
    rows = np.stack([np.convolve(column, np.ones(smooth), "valid") for column in noise.T], axis=1)
    return np.clip(0.3 * (rows - rows.mean(0)) / rows.std(0), -1, 1)


def lin(heard: np.ndarray, wanted: np.ndarray) -> float:
    """Lin (1989): precision, Pearson's r, times accuracy, 2 / (v + 1 / v + u^2)."""
    v, u = heard.std() / wanted.std(), (heard.mean() - wanted.mean()) / np.sqrt(heard.std() * wanted.std())
    return float(np.corrcoef(heard, wanted)[0, 1] * 2 / (v + 1 / v + u**2))


long_points = st.lists(st.tuples(axis, axis), min_size=FEWEST, max_size=12)


@given(long_points, st.integers(0, 1000))
def test_figures_of_each_axis_are_those_of_plain_sums_and_of_lins_own_form(points, seed):
    curve = AffectCurve(*wandering(4 * len(points) + 4, seed).T, "test")
    found = align(report_of(points), curve)
    asked = np.array([wanted(curve, *span) for span in windows(4.0 * len(points) + 4)])
    for number, each in enumerate((found.valence, found.arousal)):
        heard, aim = np.array(points)[:, number], asked[:, number]
        assert each.rmse == pytest.approx(math.sqrt(sum((heard - aim) ** 2) / len(aim)), abs=1e-5)
        assert each.bias == pytest.approx(sum(heard - aim) / len(aim), abs=1e-5)
        if aim.std() < STILL_SD * 0.999:
            assert each.ccc is None
        elif aim.std() > STILL_SD * 1.001 and heard.std() > 1e-6:
            assert each.ccc == pytest.approx(lin(heard, aim), abs=1e-4)


@given(st.integers(0, 1000), st.integers(24, 90))
def test_a_curve_agrees_with_itself_fully_and_without_a_lag(seed, seconds):
    curve = AffectCurve(*wandering(seconds, seed).T, "test")
    found = align(heard_exactly(curve), curve)
    for each in (found.valence, found.arousal):
        assert each.rmse == pytest.approx(0, abs=1e-6) and each.bias == pytest.approx(0, abs=1e-6)
        assert each.ccc is None or each.ccc == pytest.approx(1, abs=1e-6)
    assert found.match.distance == pytest.approx(0, abs=1e-6)


@given(st.integers(0, 1000), st.floats(-0.2, 0.2), st.integers(40, 90))
def test_adding_to_what_is_heard_moves_the_bias_alone_and_no_lag(seed, more, seconds):
    curve = AffectCurve(*wandering(seconds, seed).T * 0.7, "test")
    before, heard = heard_exactly(curve), heard_exactly(curve)
    raised = report_of([(w.valence + more, w.arousal) for w in heard.windows], windows(float(seconds)))
    one, other = align(before, curve), align(raised, curve)
    assert other.valence.bias == pytest.approx(more, abs=1e-5)
    assert other.valence.rmse == pytest.approx(abs(more), abs=1e-5)
    assert other.valence.lag_s == one.valence.lag_s and other.arousal == one.arousal
    assert other.valence.ccc is None or other.valence.ccc <= 1


@given(st.integers(0, 1000), st.integers(-8, 8), st.floats(0.3, 2), st.floats(-0.3, 0.3))
def test_a_moved_curve_has_the_lag_it_was_moved_by_whatever_its_scale_and_place(seed, late, scale, place):
    rows = wandering(60, seed, smooth=3)[:, 0]
    heard, wished = rows[8 - late : 52 - late], rows[8:52]
    seconds, r = lag(heard * scale + place, wished)
    assert seconds == late and r == pytest.approx(1)


@given(st.integers(0, 1000), st.integers(18, 60), st.integers(0, 8))
def test_no_lag_within_the_bounds_correlates_better(seed, seconds, most):
    rng = np.random.default_rng(seed)
    heard, wished = rng.uniform(-1, 1, (2, seconds))
    by_lag = {}
    for late in range(-most, most + 1):
        pairs = [(heard[t], wished[t - late]) for t in range(seconds) if 0 <= t - late < seconds]
        by_lag[late] = float(np.corrcoef(*np.array(pairs).T)[0, 1])
    found = lag(heard, wished, most_s=most)
    if max(by_lag.values()) <= 0:
        assert found is None
    else:
        assert found[0] == max(by_lag, key=by_lag.get) and found[1] == pytest.approx(max(by_lag.values()))


@given(st.integers(0, 1000), st.integers(0, 8))
def test_exchanging_the_two_turns_the_lag_around(seed, late):
    rows = wandering(60, seed, smooth=3)[:, 0]
    one, other = rows[8 - late : 52 - late], rows[8:52]
    assert lag(one, other)[0] == -lag(other, one)[0] == late


@pytest.mark.parametrize("still", [np.zeros(40), np.full(40, 0.4), np.tile([0.0, 0.08], 20)])
def test_what_stands_still_has_no_lag(still):
    moving = np.sin(np.arange(40) / 3)
    assert lag(still, moving) is None and lag(moving, still) is None


def test_no_seconds_have_no_lag():
    assert lag([], []) is None and lag([0.3], [0.2]) is None


def test_opposite_movement_at_every_lag_has_none():
    rising = np.linspace(-1, 1, 40)
    assert lag(-rising, rising) is None and lag(rising, rising)[0] == 0


def test_of_lags_that_are_alike_the_smallest_is_told():
    turning = np.sin(np.arange(40) * np.pi / 2)  # comes again every 4 s
    assert lag(np.roll(turning, 1), turning)[0] == 1


def test_music_that_follows_the_picture_late_is_told_so_through_the_windows():
    seconds = 90
    rows = wandering(seconds + 4, 5, smooth=15)
    curve, heard = AffectCurve(*rows[4:].T, "test"), AffectCurve(*rows[:seconds].T, "test")
    found = align(heard_exactly(heard), curve)
    assert (found.valence.lag_s, found.arousal.lag_s) == (4, 4)
    assert found.valence.lag_r > 0.9


def test_a_wish_for_one_place_has_bias_and_rmse_but_no_ccc():
    curve = AffectCurve(np.full(40, 0.6), np.full(40, -0.6), "q4")
    heard = np.random.default_rng(0).uniform(-1, 1, (9, 2))
    found = align(report_of(heard), curve)
    for each, column, aim in zip((found.valence, found.arousal), heard.T, (0.6, -0.6), strict=True):
        assert each.ccc is None and each.lag_s is None and each.lag_r is None
        assert each.bias == pytest.approx(column.mean() - aim, abs=1e-6)
        assert each.rmse**2 == pytest.approx(each.bias**2 + column.var(), abs=1e-6)


def test_music_that_never_moves_follows_nothing():
    curve = AffectCurve(*wandering(40, 1).T, "test")
    found = align(report_of(np.zeros((9, 2))), curve)
    assert found.valence.ccc == pytest.approx(0, abs=1e-12) and found.valence.lag_s is None


@pytest.mark.parametrize("seconds", [3, 10, 20])
def test_a_short_clip_has_no_correlations(seconds):
    curve = AffectCurve(*wandering(seconds, 2).T, "test")
    found = align(heard_exactly(curve), curve)
    assert found.windows < FEWEST
    assert found.valence.ccc is found.arousal.ccc is found.valence.lag_s is None and found.valence.rmse < 1e-6


def test_quadrants_are_compared_window_by_window_and_silence_is_none():
    curve = AffectCurve(np.full(16, 0.5), np.full(16, 0.5), "test")
    parts = [certain(0), QUARTERS, certain(2)]
    heard = tuple(Prediction(*span, 0, 0, part) for span, part in zip(windows(16.0), parts, strict=True))
    found = align(EmotionReport(heard[0], heard, "audio", "test", "0"), curve)
    assert found.target == (0, 0, 0) and found.predicted == (0, None, 2)
    assert found.quadrant == pytest.approx(1 / 3)


def test_music_beyond_the_end_of_the_picture_is_not_compared():
    curve = AffectCurve(*wandering(40, 3).T, "test")
    spans = windows(80.0)
    points = [*over_spans(curve, spans[:9]), *[(1.0, 1.0)] * (len(spans) - 9)]
    found = align(report_of(points, spans), curve)
    assert found.windows == 9 and found.valence.rmse == pytest.approx(0, abs=1e-6)
    assert align(report_of(points, spans), AffectCurve([0.0], [0.0], "test")).windows == 1


@given(reports, curves)
def test_figures_have_one_name_each_and_are_finite_or_not_numbers(report, curve):
    assume(
        all(
            one.start_s + one.end_s < two.start_s + two.end_s
            for one, two in zip(report.windows, report.windows[1:], strict=False)
        )
    )
    figures = align(report, curve).metrics()
    assert {"match", "distance", "quadrant", "ccc_valence", "rmse_arousal", "bias_valence", "lag_s_arousal"} <= set(
        figures
    )
    assert not [name for name, value in figures.items() if math.isinf(value)]
    assert figures["rmse_valence"] >= abs(figures["bias_valence"]) - 1e-9
    assert 0 <= figures["quadrant"] <= 1
