"""The bar of a run: it rises, and ends full."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from video2music.studio.jobs import RunProgress

SHARES = {"watch": 10, "write": 30, "search": 5, "play": 50}


def shares(bar, variants, stages):
    said = [bar.at("watch", fraction) for fraction in (0.0, 0.4, 1.0)]
    return said + [bar.at(stage, fraction) for _ in range(variants) for stage in stages for fraction in (0, 0.7, 1)]


@given(st.integers(1, 4), st.sets(st.sampled_from(["write", "search"])))
def test_the_bar_never_falls_whatever_is_left_out(variants, left_out):
    said = shares(
        RunProgress(SHARES, variants=variants), variants, [name for name in SHARES if name not in left_out | {"watch"}]
    )
    assert said == sorted(said) and said[0] == 0 and said[-1] == pytest.approx(1)


def test_a_stage_takes_its_share_of_the_bar():
    bar = RunProgress(SHARES)
    assert bar.at("watch", 1) == pytest.approx(10 / 95)
    assert bar.at("play", 0.5) == pytest.approx((10 + 30 + 5 + 25) / 95)


def test_half_of_two_variants_is_where_the_second_begins():
    bar = RunProgress({"watch": 0, "write": 1, "play": 1}, variants=2)
    assert [bar.at(stage, 0) for stage in ("write", "play", "write", "play")] == pytest.approx([0, 0.25, 0.5, 0.75])


def test_more_variants_than_were_told_of_do_not_overflow_the_bar():
    assert max(shares(RunProgress(SHARES), 3, ["write", "search", "play"])) <= 1
