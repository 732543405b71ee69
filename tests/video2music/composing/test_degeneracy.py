"""Each check against a piece that is wrong in its way, and against one that is not."""

from dataclasses import replace

import numpy as np
import pytest

from emotion.values import AffectCurve
from video2music.arranging.expression import Guidance
from video2music.chords import parse_sequence
from video2music.composing import degeneracy
from video2music.composing.composition import Composition
from video2music.composing.form import plan
from video2music.styles import load_style, read
from video2music.values import Dynamics, Key, Note, Score, Section, Track

STYLE = load_style("piano")
FORM = plan(20.0, (), arousal=0.0, style=STYLE)
LOOP = parse_sequence("C Am F G")


def composed(chords):
    steps = len(FORM)
    rows = Dynamics(np.full(steps, 8, np.float32), np.full(steps, 0.2, np.float32))
    curve = AffectCurve(np.zeros(20), np.zeros(20), "point")
    played = tuple(np.resize(np.array(chords, object), steps))
    return Composition(
        Key(0, "major"), FORM, played, rows, curve, (), "color", {}, read("piano"), 0, Guidance(0.5, 0.5)
    )


def played(notes):
    return Score((Track("piano", 0, tuple(notes)),), (Section(0.0, 18.0, 100.0),), 4, Key(0, "major"), 20.0)


def scale(step_s=0.5, velocity=70, pitches=(60, 64, 67, 72, 65, 69)):
    times = np.arange(0, FORM.end_s, step_s)
    return [Note(float(t), float(t) + step_s, pitches[i % len(pitches)], velocity) for i, t in enumerate(times)]


def faults(chords=LOOP, notes=None):
    return degeneracy.faults(composed(chords), played(scale() if notes is None else notes))


def test_an_ordinary_piece_passes_every_check():
    assert faults() == ()


def test_a_stuck_chord_is_told():
    (told,) = faults(parse_sequence("C"))
    assert "the chord C takes" in told
    assert not faults(parse_sequence("C C F"))


def test_silence_is_told_whether_nothing_sounds_at_the_start_in_the_middle_or_at_the_end():
    whole = scale()
    for notes in ([n for n in whole if n.start_s > 6], [n for n in whole if not 5 < n.start_s < 11],
                  [n for n in whole if n.start_s < 11]):  # fmt: skip
        assert any("nothing sounds for" in sentence for sentence in faults(notes=notes))
    assert any("nothing sounds" in sentence for sentence in faults(notes=[]))


def test_a_held_chord_is_no_silence():
    notes = [Note(0.0, FORM.end_s, pitch, 60) for pitch in (48, 60, 64, 67)]
    assert not [sentence for sentence in faults(notes=notes) if "nothing sounds" in sentence]


@pytest.mark.parametrize("pitches", [(60,), (60, 60, 60, 64, 67), (60, 64, 67)])
def test_one_note_over_and_over_is_told(pitches):
    (told,) = faults(notes=scale(pitches=pitches))
    assert "pitch" in told


def test_everything_at_the_loudest_is_told():
    (told,) = faults(notes=scale(velocity=127))
    assert "loudest" in told
    half = [Note(n.start_s, n.end_s, n.pitch, 127 if i % 3 == 0 else 80) for i, n in enumerate(scale())]
    assert not faults(notes=half)


def test_drums_are_no_pitches_struck_over_and_over():
    hits = tuple(Note(0.25 * i, 0.25 * i + 0.1, 42, 70) for i in range(64))
    kit = Track("drums", 0, hits, drums=True)
    melodic = played(scale())
    with_drums = replace(melodic, tracks=(*melodic.tracks, kit))
    assert degeneracy.faults(composed(LOOP), with_drums) == ()
    stuck = replace(melodic, tracks=(*played(scale(pitches=(60,))).tracks, kit))
    assert any("pitch 60" in sentence for sentence in degeneracy.faults(composed(LOOP), stuck))
