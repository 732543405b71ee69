"""Figures against scikit-learn's and SciPy's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion import metrics

sklearn = pytest.importorskip("sklearn.metrics")


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 60), st.integers(0, 10**6))
def test_quadrants_are_scored_as_scikit_learn_scores_them(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    told, truth = rng.dirichlet(np.ones(4), count), rng.integers(0, 4, count)
    labels, classes = [0, 1, 2, 3], told.argmax(1)
    assert metrics.accuracy(told, truth) == pytest.approx(sklearn.accuracy_score(truth, classes))
    expected = sklearn.f1_score(truth, classes, labels=labels, average="macro", zero_division=0)
    assert metrics.macro_f1(told, truth) == pytest.approx(expected)
    assert metrics.confusion(told, truth) == sklearn.confusion_matrix(truth, classes, labels=labels).tolist()


def test_points_are_scored_as_scikit_learn_and_lin_score_them() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(-1, 1, 80)
    told = 0.6 * truth + rng.normal(0, 0.2, 80)
    assert metrics.r2(told, truth) == pytest.approx(sklearn.r2_score(truth, told))
    by_hand = 2 * np.corrcoef(told, truth)[0, 1] * told.std() * truth.std()
    by_hand /= told.var() + truth.var() + (told.mean() - truth.mean()) ** 2
    assert metrics.ccc(told, truth) == pytest.approx(by_hand)
    assert metrics.ccc(truth, truth) == pytest.approx(1) and metrics.ccc(-truth, truth) < 0


def test_the_calibration_error_is_the_gap_of_a_bin() -> None:
    sure = np.array([[0.85, 0.05, 0.05, 0.05]] * 10)
    assert metrics.calibration_error(sure, np.array([0] * 6 + [1] * 4)) == pytest.approx(0.25)
    assert metrics.calibration_error(np.eye(4), np.arange(4)) == 0


def test_the_interval_of_a_summary_holds_the_mean_and_narrows_with_more_pieces() -> None:
    rng = np.random.default_rng(1)
    widths = []
    for count in (40, 640):
        truth = rng.integers(0, 4, count)
        told = [np.eye(4)[np.where(rng.random(count) < 0.7, truth, rng.integers(0, 4, count))] for _ in range(2)]
        found = metrics.summaries(metrics.of_quadrants, told, truth)["accuracy"]
        assert found["low"] <= found["mean"] <= found["high"]
        assert found["seeds"] == [metrics.accuracy(each, truth) for each in told]
        widths.append(found["high"] - found["low"])
    assert widths[1] < widths[0] / 2
