"""The bass's approaches: a step into the next chord, on the last beat or half beat, as often as the style asks."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from video2music.arranging.arrange import arrange
from video2music.chords import QUALITIES, Chord, parse_sequence
from video2music.composing.form import plan
from video2music.styles import load_style
from video2music.values import Cut, Dynamics, Key

LOFI = replace(load_style("lofi"), swing=0.5)
C_MAJOR = Key.parse("C major")


def bass_line(chords, *, style=LOFI, duration_s=60.0, density=12.0, seed=0):
    """The form, its chords and the notes of the bass before the last chord."""
    form = plan(duration_s, (), arousal=0.0, style=style)
    played = [chords[step % len(chords)] for step in range(len(form))]
    rows = Dynamics(np.full(len(form), density, np.float32), np.full(len(form), 0.2, np.float32))
    score = arrange(played, rows, form, style, key=C_MAJOR, rng=np.random.default_rng(seed))
    (track,) = [track for track in score.tracks if track.name == "bass"]
    return form, played, [note for note in track.notes if note.start_s < form.steps_s[-1]]


def approaches(form, played, notes):
    """(step, note, what follows it): the notes that are not their chord's root."""
    found = []
    for place, note in enumerate(notes):
        step = int(np.searchsorted(form.steps_s, note.start_s + 1e-9)) - 1
        if note.pitch % 12 != played[step].root:
            found.append((step, note, notes[place + 1] if place + 1 < len(notes) else None))
    return found


def test_the_bass_steps_into_the_next_root_late_in_the_chord():
    form, played, notes = bass_line(parse_sequence("C Am Dm G"), style=replace(LOFI, approach=1.0))
    found = approaches(form, played, notes)
    assert len(found) > 0.8 * (len(form) - 1)
    for step, note, after in found:
        target = played[step + 1].root
        assert min((note.pitch - target) % 12, (target - note.pitch) % 12) <= 2
        left_s = form.step_ends_s[step] - note.start_s
        beats = form.beats_s[
            (form.beats_s >= form.steps_s[step] - 1e-6) & (form.beats_s < form.step_ends_s[step] - 1e-6)
        ]
        beat_s = form.step_ends_s[step] - beats[-1]
        assert left_s == pytest.approx(beat_s / 2, abs=0.02) or left_s == pytest.approx(beat_s, abs=0.02)
        assert after is None or (after.pitch % 12 == target and abs(after.pitch - note.pitch) <= 2)


def test_the_share_of_approaches_follows_the_style():
    counts = [
        len(approaches(*bass_line(parse_sequence("C Am Dm G"), style=replace(LOFI, approach=share), duration_s=240.0)))
        for share in (0.0, 0.3, 0.6, 1.0)
    ]
    assert counts[0] == 0 and counts[1] < counts[2] < counts[3]
    assert counts[1] / counts[3] == pytest.approx(0.3, abs=0.1)


def test_where_the_harmony_stays_there_is_nothing_to_approach():
    assert not approaches(*bass_line(parse_sequence("C"), style=replace(LOFI, approach=1.0)))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.builds(Chord, st.integers(0, 11), st.sampled_from(QUALITIES)), min_size=2, max_size=6),
    st.floats(2, 20),
    st.integers(0, 9),
)
def test_approaches_stay_in_the_basss_register_and_overlap_nothing(chords, density, seed):
    style = replace(LOFI, approach=1.0)
    form, played, notes = bass_line(chords, style=style, duration_s=24.0, density=density, seed=seed)
    low, high = style.registers.bass
    assert all(low <= note.pitch <= high for note in notes)
    for before, after in pairwise(notes):
        assert before.end_s <= after.start_s + 0.05, "one note at a time, legato apart"
    assert all(after is None or after.start_s - note.end_s < 0.05 for _, note, after in approaches(form, played, notes))


def test_a_bass_that_leaves_before_the_next_chord_does_not_lead_there():
    leaving = tuple(replace(i, until_energy=0.5) if i.name == "bass" else i for i in LOFI.instruments)
    style = replace(LOFI, approach=1.0, instruments=leaving)
    form = plan(60.0, [Cut(30.0, 20.0)], arousal=0.0, style=style)
    chords = parse_sequence("C Am Dm G")
    played = [chords[step % 4] for step in range(len(form))]
    loud = np.where(form.steps_s < 29.9, 0.12, 0.3).astype(np.float32)
    rows = Dynamics(np.where(form.steps_s < 29.9, 8, 18).astype(np.float32), loud)
    score = arrange(played, rows, form, style, key=C_MAJOR, rng=np.random.default_rng(0))
    (track,) = [track for track in score.tracks if track.name == "bass"]
    notes = [note for note in track.notes if note.start_s < form.steps_s[-1]]
    assert notes and max(note.end_s for note in notes) < 31
    found = approaches(form, played, notes)
    assert found and all(after is not None and after.start_s - note.end_s < 0.05 for _, note, after in found)
