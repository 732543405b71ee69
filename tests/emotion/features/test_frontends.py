"""Front ends: rows at even distances, and those that lie between two times."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.features import frontends, harmony, mert, taggers
from emotion.features.sound import SAMPLE_RATE
from tests.emotion.waves import sine


@given(
    st.sampled_from(sorted(frontends.FRONTENDS)),
    st.integers(1, 60),
    st.floats(0, 1),
    st.floats(0.001, 1),
)
def test_the_rows_of_a_span_are_those_that_lie_in_it_or_one_that_is_near(name, seconds, start, length):
    every_s, lasts_s = frontends.FRONTENDS[name].every_s, frontends.FRONTENDS[name].lasts_s
    rows = np.arange(max(1, round(seconds / every_s)))[:, None].astype(np.float32)
    start_s, end_s = start * seconds, start * seconds + length * seconds
    kept = frontends.cut(name, rows, start_s, end_s)[:, 0]
    begins = rows[:, 0] * every_s
    inside = [row for row in rows[:, 0] if start_s <= row * every_s and (row * every_s + lasts_s) <= end_s]
    assert set(kept) >= {row for row in inside if start_s < row * every_s and row * every_s + lasts_s < end_s}
    assert (np.diff(kept) == 1).all() and len(kept) >= 1
    if len(kept) > 1:
        assert begins[int(kept[0])] >= start_s - 1e-4 and begins[int(kept[-1])] + lasts_s <= end_s + 1e-4
    elif not inside:
        middle, middles = (start_s + end_s) / 2, begins + lasts_s / 2
        assert abs(middles[int(kept[0])] - middle) <= abs(middles - middle).min() + 1e-5


def test_windows_of_half_a_minute_share_the_rows_of_six_seconds_among_them():
    rows = np.arange(5)[:, None]
    spans = {(0, 30): [0, 1, 2, 3, 4], (0, 8): [0], (4, 12): [1], (8, 16): [2], (22, 30): [4], (26, 29): [4]}
    for span, expected in spans.items():
        assert frontends.cut("vgg", rows, *span)[:, 0].tolist() == expected, span


def test_what_lies_beyond_the_last_row_is_told_by_the_last():
    rows = np.arange(2)[:, None]
    assert frontends.cut("musicnn", rows, 40.0, 48.0)[:, 0].tolist() == [1]


def blocks(seconds):
    return np.array_split(sine(seconds, SAMPLE_RATE).astype(np.float32), 3)


@pytest.mark.parametrize("name", ["musicnn", "vgg"])
def test_a_tagger_s_row_is_of_the_seconds_from_its_own_time_on(name):
    noise = np.random.default_rng(0).normal(0, 0.1, 10 * SAMPLE_RATE).astype(np.float32)
    front = frontends.FRONTENDS[name]
    start, length = round(front.every_s * SAMPLE_RATE), 186 * 384 + 768  # 187 windows
    alone = taggers.load(name).rows([noise[start : start + length]], frontends.PATCH_EVERY_S)
    np.testing.assert_allclose(front.of(np.array_split(noise, 3))[1], alone[0], atol=1e-4)


def test_chroma_has_ten_rows_a_second_and_an_a_where_one_sounds():
    found = frontends.FRONTENDS["chroma"].of(blocks(4.0))
    assert len(found) == pytest.approx(4.0 / frontends.FRONTENDS["chroma"].every_s, abs=2)
    assert found.mean(0).argmax() == 9
    assert frontends.FRONTENDS["chroma"].every_s == pytest.approx(1 / harmony.CHROMA_PER_S)


def test_mert_is_loaded_when_it_is_asked_for(monkeypatch):
    class Model:
        def rows(self, given):
            return np.full((round(75 * sum(map(len, given)) / SAMPLE_RATE), 768), 0.5, np.float32)

    monkeypatch.setattr(mert, "load", lambda device: Model())
    front = frontends.FRONTENDS["mert"]
    assert front.of(blocks(2.0)).shape == (150, 768) and front.every_s == pytest.approx(1 / mert.ROWS_PER_S)
