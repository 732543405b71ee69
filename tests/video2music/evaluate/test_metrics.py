import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.metrics import top_k_accuracy_score

from video2music.evaluate import metrics, report


@pytest.mark.parametrize("k", [1, 3, 5])
def test_hits_agree_with_scikit_learn(k):
    rng = np.random.default_rng(k)
    logits, targets = rng.normal(size=(50, 159)), rng.integers(0, 159, 50)
    logits[np.arange(50), targets] += 2
    assert metrics.hits(logits, targets, k) == pytest.approx(
        top_k_accuracy_score(targets, logits, k=k, labels=range(159))
    )


def test_of_equal_logits_the_lower_id_is_counted_first():
    logits = np.zeros((2, 159))
    assert metrics.hits(logits, np.array([2, 3]), 3) == 0.5


def test_likelihood_agrees_with_scipy():
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(20, 159)) * 50, rng.integers(0, 159, 20)
    expected = -log_softmax(logits, axis=1)[np.arange(20), targets].mean()
    assert metrics.nll(logits, targets) == pytest.approx(expected)


def test_the_padded_error_counts_300_rows():
    said, truth = np.full(100, 2.0), np.zeros(100)
    assert metrics.rmse(said, truth) == 2.0
    assert metrics.padded_rmse(said, truth) == pytest.approx(2 / np.sqrt(3))


def test_the_interval_holds_the_mean_and_narrows_with_more_songs():
    rng = np.random.default_rng(0)
    few, many = (report.summary(rng.normal(size=(1, n))) for n in (10, 1000))
    assert few["low"] < few["mean"] < few["high"]
    assert many["high"] - many["low"] < few["high"] - few["low"]
