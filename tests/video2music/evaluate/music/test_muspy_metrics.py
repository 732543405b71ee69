"""MusPy's measures against plain loops over the definitions in its documentation; steps against a grid made by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from video2music.evaluate.music import muspy_metrics
from video2music.values import Form, Note, Section, Track

PITCHES = st.lists(st.integers(0, 127), min_size=1, max_size=40)
SCALES = {"major": "CDEFGAB", "minor": "CDLFGOP"}  # L, O, P: E, A and B flat
PLACE = {"C": 0, "D": 2, "L": 3, "E": 4, "F": 5, "G": 7, "O": 8, "A": 9, "P": 10, "B": 11}


@given(PITCHES)
def test_entropy_is_the_definition_written_as_a_loop(pitches):
    expected = 0.0
    for pitch_class in range(12):
        share = sum(pitch % 12 == pitch_class for pitch in pitches) / len(pitches)
        expected -= share * math.log2(share) if share else 0.0
    assert muspy_metrics.pitch_class_entropy(np.array(pitches)) == pytest.approx(expected, abs=1e-12)


@given(PITCHES)
def test_scale_consistency_is_the_best_of_24_scales(pitches):
    best = 0.0
    for letters in SCALES.values():
        for root in range(12):
            scale = {(root + PLACE[letter]) % 12 for letter in letters}
            best = max(best, sum(pitch % 12 in scale for pitch in pitches) / len(pitches))
    assert muspy_metrics.scale_consistency(np.array(pitches)) == pytest.approx(best, abs=1e-12)


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), min_size=1, max_size=30),
    st.integers(1, 16),
)
def test_groove_consistency_counts_the_steps_that_differ(notes, measure):
    length = max(start + lasts for start, lasts in notes)
    count = length // measure + 1
    found = muspy_metrics.groove_consistency(
        np.array([start for start, _ in notes]), np.array([start + lasts for start, lasts in notes]), measure
    )
    if count < 2:
        assert math.isnan(found)
        return
    onsets = {start for start, _ in notes}
    differ = 0
    for bar in range(count - 1):
        for step in range(measure):
            differ += ((bar * measure + step) in onsets) != (((bar + 1) * measure + step) in onsets)
    assert found == pytest.approx(1 - differ / (measure * (count - 1)), abs=1e-12)


def test_nothing_has_no_measure():
    nothing = np.array([], int)
    assert math.isnan(muspy_metrics.pitch_class_entropy(nothing))
    assert math.isnan(muspy_metrics.scale_consistency(nothing))
    assert math.isnan(muspy_metrics.groove_consistency(nothing, nothing, 4))


def grid(bar_lengths, pickup, beat_s=0.5):
    """A form of bars of these lengths."""
    beats_s = np.arange(pickup + sum(bar_lengths)) * beat_s
    heads = pickup + np.cumsum([0, *bar_lengths[:-1]])
    end_s = len(beats_s) * beat_s
    section = Section(float(beats_s[heads[0]]), end_s, 60 / beat_s)
    return Form(end_s + 2, end_s, beats_s, beats_s[heads], beats_s, (section,))


def test_each_bar_starts_a_measure_also_after_a_pickup_and_a_shorter_bar():
    form = grid([4, 2, 4, 4], pickup=1)
    times_s = np.array([0.0, 0.5, 0.625, 2.5, 3.01, 3.5, 5.5, 7.5])
    # beats              0    1    1.25   5    6.02  7    11   15, at 4 steps a beat and 16 a measure; bars at 1 5 7 11
    expected = [12, 16, 17, 32, 36, 48, 64, 80]
    assert muspy_metrics.steps(times_s, form, 16, 4).tolist() == expected


def test_a_piece_that_repeats_itself_has_a_perfect_groove_and_drums_have_no_pitch():
    form = grid([4] * 5, pickup=0)
    beat = [Note(bar * 2.0 + place, bar * 2.0 + place + 0.4, 36, 90) for bar in range(4) for place in (0.0, 1.0, 1.25)]
    tune = [Note(bar * 2.0, bar * 2.0 + 0.9, 60 + 12 * (bar % 2), 90) for bar in range(4)]
    last = [Note(8.0, 9.9, 60, 90), Note(9.0, 9.5, 60, 90), Note(9.25, 9.5, 60, 90)]
    tracks = [Track("kit", 0, tuple(beat), drums=True), Track("piano", 0, tuple(tune + last))]
    found = muspy_metrics.muspy_metrics(tracks, form)
    assert found == {
        "pitch_class_entropy": 0.0, "scale_consistency": 1.0, "groove_consistency": 1.0, "groove_on_sixteenths": 1.0,
    }  # fmt: skip
    one = muspy_metrics.muspy_metrics([tracks[1]], form)
    # four bars with a note on 1, then one with three: two of 96 and two of 16 steps differ, in one of four pairs
    assert one["groove_consistency"] == pytest.approx(1 - 2 / 96 / 4)
    assert one["groove_on_sixteenths"] == pytest.approx(1 - 2 / 16 / 4)
