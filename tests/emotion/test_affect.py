import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion import affect
from emotion.errors import AffectError
from emotion.values import AffectCurve

points = st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=20)


@given(points, st.floats(0.02, 2))
def test_emotions_are_probabilities(rows, temperature):
    found = affect.emotions_at(rows, temperature)
    assert found.shape == (len(rows), 6) and (found >= 0).all()
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("name", affect.EMOTIONS)
def test_each_emotion_rules_at_its_own_place(name):
    assert affect.EMOTIONS[affect.emotions_at([affect.VA_ANCHORS[name]])[0].argmax()] == name
    one_hot = np.eye(6)[[affect.EMOTIONS.index(name)]]
    np.testing.assert_allclose(affect.expected_point(one_hot)[0], affect.VA_ANCHORS[name], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "where"), [("exciting", "q1"), ("fearful", "q2"), ("tense", "q2"), ("sad", "q3"), ("relaxing", "q4")]
)
def test_emotions_lie_in_the_quadrant_one_expects(name, where):
    assert affect.quadrant(*affect.VA_ANCHORS[name]) == where


@pytest.mark.parametrize("name", affect.QUADRANTS)
def test_quadrants_hold_their_own_places(name):
    assert affect.quadrant(*affect.VA_ANCHORS[name]) == name


@pytest.mark.parametrize(
    ("valence", "arousal"), [([], []), ([0.0], [0.0, 1.0]), ([1.5], [0.0]), ([np.nan], [0.0]), ([[0.0]], [[0.0]])]
)
def test_curves_off_the_plane_are_refused(valence, arousal):
    with pytest.raises(AffectError):
        AffectCurve(np.array(valence), np.array(arousal), "test")
