"""Affect offsets: the signs that listening studies agree on, the limits, and what 0 means."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.affect import VA_ANCHORS
from video2music.arranging.expression import AFFECT_OFFSETS, Expression, Guidance, affect_offset

HALF = Guidance(0.5, 0.5)
QUADRANTS = np.array([VA_ANCHORS[name] for name in ("q1", "q2", "q3", "q4")])

# Gabrielsson and Lindström 2010, Juslin and Laukka 2003: the sign of each parameter with valence and with arousal.
SIGNS = {
    "tempo": (1, 1), "density": (0, 1), "loudness": (0, 1), "velocity": (0, 1), "register": (1, 1),
    "length": (1, -1), "pedal": (0, -1), "staying": (0, -1), "brightness": (1, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", AFFECT_OFFSETS)
def test_each_parameter_goes_the_way_that_studies_found(name):
    assert (np.sign(AFFECT_OFFSETS[name].valence), np.sign(AFFECT_OFFSETS[name].arousal)) == SIGNS[name]


@pytest.mark.parametrize("name", AFFECT_OFFSETS)
@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=9), st.floats(0, 3))
def test_no_parameter_leaves_its_limits(name, places, strength):
    moved = affect_offset(name, np.array(places), Guidance(strength, strength))
    assert moved.shape == (len(places),)
    assert (moved >= AFFECT_OFFSETS[name].low).all() and (moved <= AFFECT_OFFSETS[name].high).all()


@pytest.mark.parametrize("name", AFFECT_OFFSETS)
def test_no_guidance_moves_nothing(name):
    assert not affect_offset(name, QUADRANTS, Guidance(0.0, 0.0)).any()


def test_each_axis_has_its_own_guidance():
    places = np.array([[0.5, 0.5]])
    assert (
        affect_offset("brightness", places, Guidance(0.0, 1.0))
        == 0
        < affect_offset("brightness", places, Guidance(1.0, 0.0))
    )
    assert (
        affect_offset("density", places, Guidance(1.0, 0.0)) == 0 < affect_offset("density", places, Guidance(0.0, 1.0))
    )


def test_the_quadrants_are_played_as_different_as_they_are():
    one, two, three, four = range(4)
    played = Expression.of(QUADRANTS, HALF)
    assert min(played.velocity[[one, two]]) > max(played.velocity[[three, four]]) + 10
    assert played.register[two] < 0 < played.register[one]
    assert played.register[three] < played.register[four]
    assert max(played.length[[one, two]]) < 0.9 and (played.length[[three, four]] == 1).all()
    assert max(played.pedal[[one, two]]) < 0.9 and (played.pedal[[three, four]] == 1).all()


def test_neutral_is_as_written():
    neutral = Expression.neutral(3)
    assert not neutral.velocity.any() and not neutral.register.any()
    assert (neutral.length == 1).all() and (neutral.pedal == 1).all()
