import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from video2music.model.video import collate, interval_means, movement


@given(st.integers(1, 12), st.lists(st.floats(0.1, 3.0), min_size=1, max_size=9))
def test_the_mean_over_an_interval_is_that_of_a_fine_sum(seconds, lengths):
    rows = np.random.default_rng(seconds).random((seconds, 2))
    bounds = np.cumsum([0.25, *lengths])
    means = interval_means(rows, bounds[:-1], bounds[1:])
    for mean, start, end in zip(means, bounds[:-1], bounds[1:], strict=True):
        times = start + (np.arange(4000) + 0.5) / 4000 * (end - start)
        expected = rows[np.minimum(times.astype(int), seconds - 1)].mean(0)
        np.testing.assert_allclose(mean, expected, atol=2e-3)


def test_a_batch_carries_its_mask_and_what_is_absent():
    batch = collate([
        (None, np.ones((2, 6)), np.ones((2, 2))),
        (np.ones((3, 768)), np.ones((3, 6)), np.ones((3, 2))),
    ])  # fmt: skip
    assert batch.mask.tolist() == [[True, True, False], [True, True, True]]
    assert batch.present.tolist() == [[False, True, True], [True, True, True]]
    assert batch.semantic.shape == (2, 3, 768)
    assert not batch.emotion[0, 2].any()


def test_the_first_second_of_a_scene_counts_as_one():
    assert movement(np.array([0.0]), np.array([0.0]))[0, 1] == pytest.approx(np.log(2))
