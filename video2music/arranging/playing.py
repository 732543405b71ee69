"""Playing: note events become played notes, with velocity, timing deviations, swing, articulation and pedal.

Velocity follows the loudness, the expression, the accents of the pattern and the metre. Onsets are a few milliseconds
late, never early; bass and kick on downbeats, and the final chord, are exactly on time.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from video2music.arranging import texture
from video2music.arranging.expression import Expression
from video2music.arranging.grid import Flags, Floats, Grid
from video2music.arranging.texture import NoteEvent, Pitches
from video2music.styles import DRUMS, HOLD, Instrument, Style
from video2music.values import Dynamics, Form, Note, Pedal, Track

# Velocity grows with a power of the loudness, for a synthesizer's amplitude grows with about the square of velocity:
# 35 at a linear RMS of .02, 112 at .4, where MuVi-Sync's loudness runs from .098 to .246 between its quartiles.
SOFT_RMS, SOFT_VELOCITY = 0.02, 35
LOUD_RMS, LOUD_VELOCITY = 0.4, 112
EXPONENT = math.log(LOUD_VELOCITY / SOFT_VELOCITY) / math.log(LOUD_RMS / SOFT_RMS)
MIN_VELOCITY, MAX_VELOCITY = 16, 122

ACCENTS = {"X": 7, "x": 0, "o": -9, HOLD: -9}  # velocity by sign; the melody's digits have none
DRUM_ACCENTS = {"X": 10, "x": 0, "o": -20}  # the same for drums, whose ghost notes are fainter
DOWNBEAT = 4  # velocity added on the first beat of a bar
SWELL = 3  # velocity added in the middle of a phrase
VELOCITY_SD = 2.5
DELAY_SD_S, MAX_DELAY_S = 0.004, 0.012  # of an onset; only the size of the normal deviate counts, so none is early
LEGATO_S = 0.03  # a legato note ends this long after the next has begun
LEGATO = 0.95  # share of its written length from which a note counts as legato
MAX_DETACHED_S = 0.4  # a detached note ends at most this long before its written end
SAME_ONSET_S = 0.05  # two onsets of one key within this time are one
PEDAL_GAP_S = 0.06  # the pedal is up this long at a change of harmony, so that the chords do not blur
ON_TIME = ("sub", "bass", "pulse", "octave", "kick")  # on downbeats


class PlayedNote(NamedTuple):
    """A note with the voice it belongs to and the step in which it begins."""

    voice: str
    step: int
    note: Note


def velocity_of(loudness: NDArray[np.floating] | float) -> Floats:
    """Velocity, not rounded, of a linear RMS loudness on MuVi-Sync's scale; it rises with it over the whole range."""
    return LOUD_VELOCITY * (np.maximum(loudness, 0) / LOUD_RMS) ** EXPONENT


def swung(notes: Sequence[NoteEvent], form: Form, swing: float) -> list[NoteEvent]:
    """The notes with the first half of each beat taking the share `swing` of it; the final chord stays as it is."""
    if swing == 0.5:  # even eighths
        return list(notes)
    beats = np.append(form.beats_s, form.end_s)
    straight = np.sort(np.concatenate([beats, (beats[1:] + beats[:-1]) / 2]))
    uneven = np.sort(np.concatenate([beats, beats[:-1] + swing * np.diff(beats)]))
    times = np.array([(note.start_s, note.end_s) for note in notes]).reshape(-1, 2)
    moved = np.interp(times, straight, uneven).tolist()
    final_s = form.steps_s[-1] - 1e-6
    return [
        note if note.start_s >= final_s else note._replace(start_s=start_s, end_s=end_s)
        for note, (start_s, end_s) in zip(notes, moved, strict=True)
    ]


def performed(
    notes: Sequence[NoteEvent],
    dynamics: Dynamics,
    form: Form,
    style: Style,
    expression: Expression,
    rng: np.random.Generator,
) -> list[PlayedNote]:
    """The notes with velocities, articulation, and a player's random deviations in velocity and time."""
    onsets = np.array([note.start_s for note in notes])
    step = np.searchsorted(form.steps_s, onsets + 1e-6) - 1
    velocity, on_downbeat = _velocities(notes, onsets, dynamics, form, style, expression)
    velocity += rng.normal(0, VELOCITY_SD, len(notes))
    delay_s = np.minimum(np.abs(rng.normal(0, DELAY_SD_S, len(notes))), MAX_DELAY_S)
    final_s = form.steps_s[-1]
    played = []
    rows = (velocity.tolist(), delay_s.tolist(), on_downbeat, expression.length[step].tolist(), step.tolist())
    for note, level, delay, downbeat, length, place in zip(notes, *rows, strict=True):
        on_time = note.start_s >= final_s or (downbeat and note.voice in ON_TIME)
        # A tenth of the note at most, or fast repeated notes would be blurred by their delays.
        start_s = note.start_s + (0.0 if on_time else min(delay, 0.1 * (note.end_s - note.start_s)))
        end_s = form.end_s if note.start_s >= final_s else min(_release_s(note, length), form.end_s)
        level = min(max(round(level), MIN_VELOCITY), MAX_VELOCITY)
        played.append(PlayedNote(note.voice, place, Note(float(start_s), float(end_s), note.pitch, level)))
    return played


def _velocities(
    notes: Sequence[NoteEvent],
    onsets: Floats,
    dynamics: Dynamics,
    form: Form,
    style: Style,
    expression: Expression,
) -> tuple[Floats, Flags]:
    """The velocity of each note, not rounded, and whether it is on a downbeat."""
    bar = np.maximum(np.searchsorted(form.bars_s, onsets + 1e-6) - 1, 0)
    on_downbeat = np.abs(form.bars_s[bar] - onsets) < 1e-6
    bar_s = np.diff(np.append(form.bars_s, form.end_s))[bar]
    in_phrase = np.clip((bar % texture.PHRASE_BARS + (onsets - form.bars_s[bar]) / bar_s) / texture.PHRASE_BARS, 0, 1)
    velocity = velocity_of(np.interp(onsets, form.steps_s, dynamics.loudness))
    velocity += np.interp(onsets, form.steps_s, expression.velocity)
    accents = [(DRUM_ACCENTS if note.voice in DRUMS else ACCENTS).get(note.sign, 0) for note in notes]
    velocity += np.array(accents) + [style.balance.get(note.voice, 0) for note in notes]
    return velocity + DOWNBEAT * on_downbeat + SWELL * np.sin(np.pi * in_phrase), on_downbeat


def _release_s(note: NoteEvent, length: float) -> float:
    """When a note ends that is held for the share `length` of its written length; drums are let ring."""
    if length >= LEGATO or note.voice in DRUMS:
        return note.end_s + LEGATO_S
    return note.end_s - min((1 - length) * (note.end_s - note.start_s), MAX_DETACHED_S)


def track_of(
    instrument: Instrument, played: Sequence[PlayedNote], active: Flags, form: Form, pedals: Sequence[Pedal]
) -> Track:
    """The track of an instrument: the notes of its voices in the steps where it is active (N,), cut where it leaves."""
    ends_s = form.step_ends_s
    leaves_s, until_s = np.zeros(len(ends_s)), form.end_s  # for each step, when the instrument next leaves
    for step in range(len(ends_s) - 1, -1, -1):
        until_s = until_s if active[step] else float(form.steps_s[step])
        leaves_s[step] = until_s
    notes = [
        _in_range(one.note, instrument, float(leaves_s[one.step]) + LEGATO_S)
        for one in played
        if active[one.step] and one.voice in instrument.voices
    ]
    steps = [max(int(np.searchsorted(form.steps_s, pedal.time_s + 1e-6)) - 1, 0) for pedal in pedals]
    held = tuple(pedal for pedal, step in zip(pedals, steps, strict=True) if not pedal.down or active[step])
    return Track(
        instrument.name,
        instrument.program,
        tuple(without_overlaps(notes)),
        drums=instrument.drums,
        pan=instrument.pan,
        reverb_send=instrument.reverb_send,
        pedals=held if instrument.pedal else (),
    )


def _in_range(note: Note, instrument: Instrument, leaves_s: float) -> Note:
    """The note moved by octaves into the instrument's range, ending no later than `leaves_s`."""
    low, high = instrument.range
    pitch = note.pitch + instrument.transpose
    pitch = low + (pitch - low) % 12 if pitch < low else high - (high - pitch) % 12 if pitch > high else pitch
    level = min(max(note.velocity + instrument.level, 1), 127)
    return Note(note.start_s, max(min(note.end_s, leaves_s), note.start_s + 1e-3), pitch, level)


def without_overlaps(notes: Sequence[Note]) -> list[Note]:
    """The notes with each key sounding once: equal pitches that begin together are one, a repeated one ends there."""
    kept: list[Note] = []
    for note in sorted(notes, key=lambda note: (note.pitch, note.start_s)):
        before = kept[-1] if kept else None
        if before and before.pitch == note.pitch and before.end_s > note.start_s:
            together = note.start_s - before.start_s < SAME_ONSET_S
            end_s = max(before.end_s, note.end_s) if together else note.start_s
            loudest = max(before.velocity, note.velocity) if together else before.velocity
            kept[-1] = Note(before.start_s, end_s, note.pitch, loudest)
            if together:
                continue
        kept.append(note)
    return sorted(kept)


def pedals_of(grid: Grid, pitches: Sequence[Pitches], share: Floats) -> tuple[Pedal, ...]:
    """The sustain pedal: down from the first chord, renewed at every change of harmony and every bar, up at end_s.

    It is down for the `share` (N,) of the time; where that is next to nothing it stays up.
    """
    changes = [
        step
        for step in range(len(grid))
        if not step or pitches[step] != pitches[step - 1] or grid.bar[step] != grid.bar[step - 1]
    ]
    moments = []
    for step, after in pairwise([*changes, len(grid)]):
        start_s, end_s = float(grid.starts_s[step]), float(grid.ends_s[after - 1])
        gap_s = min(PEDAL_GAP_S, float(grid.ends_s[step] - start_s) / 4) if step else 0.0
        held_s = (end_s - start_s) * float(share[step:after].mean()) if after < len(grid) else end_s - start_s
        if held_s > gap_s:
            moments += [Pedal(start_s + gap_s, down=True), Pedal(min(start_s + held_s, end_s), down=False)]
    return tuple(moments)
