"""Playing: swing, strokes, and notes that end where their instrument leaves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from video2music.arranging import playing
from video2music.arranging.expression import Expression
from video2music.arranging.texture import NoteEvent
from video2music.composing.form import plan
from video2music.styles import load_style
from video2music.values import Dynamics, Note

PIANO = load_style("piano")
FORM = plan(30.0, (), arousal=0.0, style=PIANO)
BEAT_S = float(FORM.beats_s[5] - FORM.beats_s[4])


def at(share, voice="alto", sign="x", beat=4, length=0.25):
    start_s = float(FORM.beats_s[beat]) + share * BEAT_S
    return NoteEvent(start_s, start_s + length * BEAT_S, 60, sign, voice)


def share_of(strike, beat=4):
    return (strike.start_s - FORM.beats_s[beat]) / BEAT_S


@pytest.mark.parametrize(("written", "played"), [(0.0, 0.0), (0.25, 0.3), (0.5, 0.6), (0.75, 0.8)])
def test_swing_gives_the_first_half_of_a_beat_its_share_and_keeps_the_beats(written, played):
    (swung,) = playing.swung([at(written)], FORM, 0.6)
    assert share_of(swung) == pytest.approx(played)


@given(st.lists(st.floats(0, 20), min_size=1, max_size=12), st.floats(0.5, 0.75))
def test_swing_keeps_the_order_of_notes_and_leaves_the_final_chord_alone(beats, swing):
    final = NoteEvent(float(FORM.steps_s[-1]) + 0.02, FORM.end_s, 60, "X", "bass")
    notes = sorted(NoteEvent(beat * BEAT_S, (beat + 0.5) * BEAT_S, 60, "x", "alto") for beat in beats)
    moved = playing.swung([*notes, final], FORM, swing)
    assert moved[-1] == final
    times = [note.start_s for note in moved[:-1]]
    assert times == sorted(times) and all(note.end_s > note.start_s for note in moved)


def test_even_beats_are_left_as_they_are():
    notes = [at(0.5), at(0.25)]
    assert playing.swung(notes, FORM, 0.5) == notes


def performed(notes, expression=None, loudness=0.15):
    steps = len(FORM)
    rows = Dynamics(np.full(steps, 9, np.float32), np.full(steps, loudness, np.float32))
    rng = np.random.default_rng(0)
    return playing.performed(notes, rows, FORM, PIANO, expression or Expression.neutral(steps), rng)


def test_a_drums_ghost_note_is_far_softer_than_its_accent():
    ghost, accent = (np.mean([p.note.velocity for p in performed([at(0.5, "snare", sign)] * 50)]) for sign in "oX")
    assert accent - ghost == pytest.approx(playing.DRUM_ACCENTS["X"] - playing.DRUM_ACCENTS["o"], abs=1.5)


def test_detached_playing_shortens_notes_but_lets_drums_ring():
    steps = len(FORM)
    short = Expression(np.zeros(steps), np.zeros(steps), np.full(steps, 0.6), np.ones(steps))
    alto, crash = performed([at(0.5, length=1.0), at(0.5, "crash", length=1.0)], short)
    assert alto.note.end_s - alto.note.start_s < 0.7 * BEAT_S
    assert crash.note.end_s - crash.note.start_s > 0.95 * BEAT_S


def test_no_onset_is_early_and_the_kick_and_the_bass_are_on_time_on_downbeats():
    downbeat = float(FORM.bars_s[2])
    notes = [NoteEvent(downbeat, downbeat + 0.4, 60, "x", voice) for voice in ("kick", "bass", "alto", "hat") * 20]
    for one in performed(notes):
        late_s = one.note.start_s - downbeat
        assert late_s == 0 if one.voice in ("kick", "bass") else 0 <= late_s <= playing.MAX_DELAY_S


def test_an_instrument_that_leaves_ends_its_notes_there():
    there = np.arange(len(FORM)) < 6
    leaves_s = float(FORM.steps_s[6])
    played = [
        playing.PlayedNote("alto", 5, Note(float(FORM.steps_s[5]), leaves_s + 5, 60, 70)),
        playing.PlayedNote("alto", 7, Note(float(FORM.steps_s[7]), leaves_s + 5, 62, 70)),
    ]
    track = playing.track_of(PIANO.instruments[0], played, there, FORM, ())
    assert [note.pitch for note in track.notes] == [60]
    assert track.notes[0].end_s == pytest.approx(leaves_s + playing.LEGATO_S)
