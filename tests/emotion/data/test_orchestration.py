"""Pieces in other instruments: what changes, and what must not."""

import numpy as np
import pytest

from emotion.data.renders import (
    HIGHEST,
    INSTRUMENTATIONS,
    Reorchestration,
    excerpt,
    reorchestrate,
    reorchestrations,
)
from emotion.midi.performance import Event, Performance


def note(time_s, part, pitch, velocity=80):
    return Event(time_s, part, "note_on", (pitch, velocity))


@pytest.fixture
def piece():
    """A flute over a bass, with a drum kit between; every note a second apart."""
    events = [Event(0.0, 0, "program_change", (73,)), Event(0.0, 2, "program_change", (33,))]
    for second in range(4):
        events += [note(second, 0, 72 + second), note(second, 1, 38), note(second, 2, 40)]
    return Performance(tuple(events), (False, True, False))


def rng():
    return np.random.default_rng(0)


def notes_of(performance):
    return [event for event in performance.events if event.kind == "note_on"]


def programs_of(performance):
    return {event.part: event.values[0] for event in performance.events if event.kind == "program_change"}


def test_the_first_version_is_as_written(piece):
    first, *others = reorchestrations(5, rng())
    assert first == Reorchestration() and reorchestrate(piece, first, rng()) == piece
    assert len({version.instrumentation for version in others}) == 4


def test_more_versions_begin_with_the_fewer():
    assert list(reorchestrations(4, rng())) == list(reorchestrations(9, rng()))[:4]


@pytest.mark.parametrize("ensemble", INSTRUMENTATIONS)
def test_the_lowest_part_plays_the_bass_and_drums_keep_their_kit(piece, ensemble):
    found = programs_of(reorchestrate(piece, Reorchestration(ensemble), rng()))
    assert found[2] in INSTRUMENTATIONS[ensemble].bass and found[0] in INSTRUMENTATIONS[ensemble].others
    assert 1 not in found


def test_a_new_instrument_is_chosen_before_the_first_note_and_never_changed_back(piece):
    events = reorchestrate(piece, Reorchestration("piano"), rng()).events
    first_note = next(place for place, event in enumerate(events) if event.kind == "note_on")
    changes = [place for place, event in enumerate(events) if event.kind == "program_change"]
    assert changes and max(changes) < first_note


def test_without_drums_the_other_parts_are_numbered_anew(piece):
    played = reorchestrate(piece, Reorchestration("strings", drums=False), rng())
    assert played.drums == (False, False)
    assert [(event.part, event.values[0]) for event in notes_of(played)][:2] == [(0, 72), (1, 40)]


def test_a_piece_of_drums_alone_keeps_them():
    alone = Performance((note(0.0, 0, 38),), (True,))
    assert notes_of(reorchestrate(alone, Reorchestration("piano", drums=False), rng())) == [note(0.0, 0, 38)]


def test_key_and_speed_change_notes_and_times_but_not_drums(piece):
    played = reorchestrate(piece, Reorchestration("piano", semitones=3, speed=2.0), rng())
    before, after = notes_of(piece), notes_of(played)
    assert [event.time_s for event in after] == [event.time_s / 2 for event in before]
    moved = [b.values[0] - a.values[0] for a, b in zip(before, after, strict=True)]
    assert moved == [0 if event.part == 1 else 3 for event in before]


def test_notes_that_would_leave_the_keyboard_come_back_an_octave_away():
    high = Performance((note(0.0, 0, HIGHEST - 1),), (False,))
    (found,) = notes_of(reorchestrate(high, Reorchestration(semitones=4), rng()))
    assert found.values[0] == HIGHEST + 3 - 12


def test_a_segment_keeps_the_settings_from_before_and_only_its_own_notes(piece):
    part = excerpt(piece, 1.5, 3.0)
    assert programs_of(part) == {0: 73, 2: 33}
    assert [event.time_s for event in notes_of(part)] == [0.5, 0.5, 0.5]
    assert all(event.time_s == 0 for event in part.events if event.kind == "program_change")
