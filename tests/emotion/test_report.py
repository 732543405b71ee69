import numpy as np
import pytest
from scipy.stats import binom

from emotion import report


def test_the_interval_holds_the_mean_and_narrows_with_more_songs():
    rng = np.random.default_rng(0)
    few, many = (report.summary(rng.normal(size=(1, n))) for n in (10, 1000))
    assert few["low"] < few["mean"] < few["high"]
    assert many["high"] - many["low"] < few["high"] - few["low"]


def test_the_interval_of_coin_tosses_is_the_binomials():
    tosses = np.resize([0.0, 1.0], 200)[None]
    found = report.summary(tosses)
    assert found["low"] == pytest.approx(binom.ppf(0.025, 200, 0.5) / 200, abs=0.01)
    assert found["high"] == pytest.approx(binom.ppf(0.975, 200, 0.5) / 200, abs=0.01)


def test_seeds_are_averaged_song_by_song_before_songs_are_drawn():
    found = report.summary(np.array([[0.0, 2.0, 4.0], [2.0, 0.0, -2.0]]))
    assert (found["low"], found["mean"], found["high"]) == (1.0, 1.0, 1.0)
    assert found["seeds"] == [2.0, 0.0]


def test_a_song_without_a_figure_is_left_out():
    assert report.summary(np.array([[1.0, np.nan, 3.0]]))["mean"] == 2.0


def test_a_metric_that_no_song_has_is_no_column():
    songs = {"hits@1": np.array([0.5, 1.0]), "nll_end": np.array([np.nan, np.nan])}
    assert report.summaries([songs]).keys() == {"hits@1"} == report.means(songs).keys()


@pytest.mark.parametrize(("sign", "expected"), [(1, 0.25), (-1, -0.25)])
def test_a_gain_is_paired_so_what_songs_differ_by_does_not_widen_it(sign, expected):
    of_songs = np.random.default_rng(0).normal(size=50) * 100
    true = [{"m": of_songs + 0.5}, {"m": of_songs}]
    found = report.gain(true, [{"m": of_songs}], "m", sign=sign)
    assert found == pytest.approx({"mean": expected, "low": expected, "high": expected})
