import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from video2music.evaluate.models import metrics


@pytest.fixture
def said():
    """Logits of three songs and an answer that depends on them by 0.3 · logit - 1."""
    rng = np.random.default_rng(0)
    logits = [rng.normal(-8, 4, size=(n, 159)) for n in (20, 30, 40)]
    return logits, [(rng.random(one.shape) < 1 / (1 + np.exp(1 - 0.3 * one))).astype(float) for one in logits]


def test_the_fit_is_logistic_regression(said):
    logits, truth = said
    x, y = (np.concatenate(part).reshape(-1, 1) for part in said)
    other = LogisticRegression(C=1e9, tol=1e-10).fit(x, y.ravel())
    found = metrics.fit_calibration(logits, truth)
    assert found == pytest.approx((other.coef_[0, 0], other.intercept_[0]), rel=1e-4)


def test_no_other_map_has_a_lower_bce(said):
    logits, truth = (np.concatenate(part) for part in said)
    scale, offset = metrics.fit_calibration(*said)
    best = metrics.bce(scale * logits + offset, truth)
    for other in ((scale * 1.05, offset), (scale * 0.95, offset), (scale, offset + 0.1), (scale, offset - 0.1)):
        assert metrics.bce(metrics.Calibration(*other)(logits), truth) > best


def test_logits_that_never_vary_get_the_share_of_the_ones():
    found = metrics.fit_calibration([np.zeros((2, 2))], [np.array([[1.0, 0.0], [0.0, 0.0]])])
    assert found(np.zeros(1)) == pytest.approx(np.log(0.25 / 0.75))


def test_a_config_without_one_leaves_logits_as_they_are():
    assert metrics.calibration_of({}) == (1, 0)
    assert metrics.calibration_of({"calibration": {"scale": 0.2, "offset": -1.5}}) == (0.2, -1.5)
