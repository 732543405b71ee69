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


def test_the_figures_of_points_have_the_reports_names_and_scikit_learns_values() -> None:
    rng = np.random.default_rng(3)
    truth = rng.uniform(-1, 1, (60, 2))
    told = np.clip(truth + rng.normal(0, 0.3, truth.shape), -1, 1)
    found = metrics.of_affect(told, truth)
    for axis, name in enumerate(("valence", "arousal")):
        expected = sklearn.root_mean_squared_error(truth[:, axis], told[:, axis])
        assert found[f"rmse_{name}"] == pytest.approx(expected)
        assert found[f"r2_{name}"] == pytest.approx(sklearn.r2_score(truth[:, axis], told[:, axis]))
        assert found[f"ccc_{name}"] == metrics.ccc(told[:, axis], truth[:, axis])
    assert found["quadrant_accuracy"] == pytest.approx(((told > 0) == (truth > 0)).all(1).mean())


@settings(max_examples=80, deadline=None)
@given(st.integers(3, 80), st.integers(1, 6), st.integers(1, 40), st.integers(0, 10**6))
def test_tags_are_scored_as_scikit_learn_scores_them(count: int, tags: int, levels: int, seed: int) -> None:
    """Few levels make many scores the same; rare tags are in no piece or in all."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, (count, tags)) / levels
    truth = rng.random((count, tags)) < rng.uniform(0, 1, tags)
    both = [tag for tag in range(tags) if 0 < truth[:, tag].sum() < count]
    found = metrics.of_tags(scores, truth)
    for name, score in (("pr_auc", sklearn.average_precision_score), ("roc_auc", sklearn.roc_auc_score)):
        expected = np.mean([score(truth[:, tag], scores[:, tag]) for tag in both]) if both else np.nan
        assert found[name] == pytest.approx(expected, nan_ok=True)


def test_tags_by_chance_score_a_half_and_their_share_and_summaries_take_them() -> None:
    rng = np.random.default_rng(4)
    truth = (rng.random((3000, 8)) < 0.2).astype(int)
    found = metrics.of_tags(rng.random(truth.shape), truth)
    assert found["roc_auc"] == pytest.approx(0.5, abs=0.02) and found["pr_auc"] == pytest.approx(0.2, abs=0.03)
    few = metrics.summaries(metrics.of_tags, [truth[:100] + rng.normal(0, 1, (100, 8))], truth[:100])
    for name in ("pr_auc", "roc_auc"):
        assert few[name]["low"] < few[name]["mean"] < few[name]["high"] <= 1


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 60), st.floats(0, 1), st.integers(0, 10**6))
def test_two_judges_agree_as_scikit_learn_and_scipy_say(count: int, alike: float, seed: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(seed)
    one, other = (np.hstack([rng.uniform(-1, 1, (count, 2)), rng.dirichlet(np.ones(4), count)]) for _ in range(2))
    copied = rng.random(count) < alike
    other[copied] = one[copied]
    found = metrics.of_two_judges(one, other)
    first, second = one[:, 2:].argmax(1), other[:, 2:].argmax(1)
    assert found["same_quadrant"] == pytest.approx(sklearn.accuracy_score(first, second))
    if len({*first, *second}) > 1:
        assert found["kappa"] == pytest.approx(sklearn.cohen_kappa_score(first, second))
    for axis, name in enumerate(("valence", "arousal")):
        assert found[f"r_{name}"] == pytest.approx(stats.pearsonr(one[:, axis], other[:, axis]).statistic)


def test_judges_that_always_say_the_same_have_no_kappa_and_no_correlation() -> None:
    flat = np.tile([0.2, 0.1, 0.7, 0.1, 0.1, 0.1], (5, 1))
    found = metrics.of_two_judges(flat, flat)
    assert found["same_quadrant"] == 1
    assert all(np.isnan(found[name]) for name in ("kappa", "r_valence", "r_arousal"))
