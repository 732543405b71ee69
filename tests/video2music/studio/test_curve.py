"""The drawn curve and its text say the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.values import AffectCurve
from video2music.composing.target import requested_target
from video2music.studio import curve
from video2music.studio.curve import Point
from video2music.studio.score_form import CURVE, ScoreForm

HUNDREDTHS = st.integers(-100, 100).map(lambda number: number / 100)
CURVES = st.lists(
    st.tuples(st.integers(0, 6000), HUNDREDTHS, HUNDREDTHS), min_size=1, unique_by=lambda row: row[0]
).map(lambda rows: [Point(time / 100, valence, arousal) for time, valence, arousal in sorted(rows)])


@given(CURVES)
def test_text_of_a_drawing_draws_the_same_again(points):
    drawn = curve.drawing(points, 60.0)
    assert curve.redrawn(curve.text(drawn), drawn) == drawn


@given(CURVES)
def test_what_is_drawn_is_what_the_music_aims_at(tmp_path_factory, points):
    text = curve.text(curve.drawing(points, 60.0))
    aim = requested_target(ScoreForm(emotion=CURVE, curve=text).options(tmp_path_factory.getbasetemp()), seconds=61)
    times, valence, arousal = zip(*points, strict=True)
    assert aim.valence == pytest.approx(np.interp(range(61), times, valence), abs=1e-6)
    assert aim.arousal == pytest.approx(np.interp(range(61), times, arousal), abs=1e-6)


@given(st.text())
def test_no_text_breaks_the_drawing(written):
    drawn = curve.redrawn(written, None)
    assert drawn["points"] and all(max(abs(v), abs(a)) <= 1 for _, v, a in drawn["points"])


@pytest.mark.parametrize("drawn", [None, {}, {"points": None}])
def test_an_empty_drawing_has_no_text(drawn):
    assert curve.text(drawn or {}) == ""


def test_what_is_no_number_does_not_come_into_the_drawing():
    assert curve.redrawn("0,0.5,nan\n1,nan,0\nnan,0,0\n2,0,0", None)["points"] == [[2, 0, 0]]


def test_a_half_written_line_does_not_lose_the_others():
    drawn = curve.redrawn("0,0.5,0\n3,\n9,-1,1", curve.blank(10.0))
    assert drawn == {"duration_s": 10.0, "points": [[0, 0.5, 0], [9, -1, 1]]}


@given(st.floats(0.5, 600), st.floats(-1, 1), st.floats(-1, 1))
def test_a_drawing_of_a_straight_curve_lies_on_it_from_end_to_end(duration_s, start, end):
    seconds = int(np.ceil(duration_s))
    line = np.linspace(start, end, seconds)
    drawn = curve.simplified(AffectCurve(line, -line, "picture"), duration_s)
    times = [time for time, _, _ in drawn["points"]]
    assert 3 <= len(times) <= 8 and times == sorted(times)
    assert times[0] == 0 and times[-1] == pytest.approx(duration_s, abs=0.005)
    for time, valence, arousal in drawn["points"]:
        assert valence == pytest.approx(np.interp(time, range(seconds), line), abs=0.02)
        assert arousal == pytest.approx(-valence, abs=1e-9)


def test_at_the_start_valence_and_arousal_can_be_told_apart():
    assert all(valence - arousal >= 0.2 for _, valence, arousal in curve.blank()["points"])


@pytest.mark.parametrize("kind", ["html", "css", "js"])
def test_the_drawing_asks_nobody_else_for_anything(kind):
    source = curve.source(kind)
    assert "http" not in source.replace("http://www.w3.org/2000/svg", "")  # the name of SVG, which nobody fetches
    assert not {"import", "fetch", "eval"} & set(source.replace("(", " ").split())
