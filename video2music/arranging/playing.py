"""Playing: strikes become notes as hands play them, with velocity, uneven timing, swing and pedal.

Velocity follows the loudness, the touch and the metre. Nobody is exactly on time but the bass on downbeats, and nobody
early.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from video2music.arranging import texture
from video2music.arranging.expression import Expression
from video2music.arranging.grid import Grid
from video2music.arranging.texture import Pitches, Strike
from video2music.styles import DRUMS, HOLD, Instrument, Style
from video2music.values import Dynamics, Form, Note, Pedal, Track

# Velocity grows with a power of the loudness, for a synthesizer's amplitude grows with about the square of velocity:
# 35 at a linear RMS of .02, 112 at .4, where MuVi-Sync's loudness runs from .098 to .246 between its quartiles.
SOFT_RMS, SOFT_VELOCITY = 0.02, 35
LOUD_RMS, LOUD_VELOCITY = 0.4, 112
EXPONENT = math.log(LOUD_VELOCITY / SOFT_VELOCITY) / math.log(LOUD_RMS / SOFT_RMS)
FAINTEST, LOUDEST = 16, 122  # velocities

ACCENTS = {"X": 7, "x": 0, "o": -9, HOLD: -9}  # velocity by sign; the upper line's digits have none
STROKES = {"X": 10, "x": 0, "o": -20}  # the same for drums, whose ghost notes are fainter
DOWNBEAT = 4  # velocity added on the first beat of a bar
SWELL = 3  # velocity added in the middle of a phrase
UNEVEN = 2.5  # standard deviation of the velocity
LATE_S, LATEST_S = 0.004, 0.012  # spread and limit of how late a player strikes
LEGATO_S = 0.03  # a finger leaves its key this long after the next has struck
LEGATO = 0.95  # share of its written length from which a note is bound to the next
DETACHED_S = 0.4  # no note is let go earlier than this before its written end
TOGETHER_S = 0.05  # two voices that strike one key within this time strike it once
PEDAL_GAP_S = 0.06  # the pedal is up this long when the harmony changes
ON_TIME = ("sub", "bass", "pulse", "octave", "kick")


class Played(NamedTuple):
    """A note with the voice it belongs to and the step in which it is struck."""

    voice: str
    step: int
    note: Note


def velocity_of(loudness: NDArray[np.floating] | float) -> NDArray[np.float64]:
    """Velocity, not rounded, of a linear RMS loudness on MuVi-Sync's scale; it rises with it over the whole range."""
    return LOUD_VELOCITY * (np.maximum(loudness, 0) / LOUD_RMS) ** EXPONENT


def swung(notes: Sequence[Strike], form: Form, swing: float) -> list[Strike]:
    """The strikes before the final chord in a beat whose first half takes the share `swing` of it."""
    if swing == 0.5:
        return list(notes)
    beats = np.append(form.beats_s, form.end_s)
    even = np.sort(np.concatenate([beats, (beats[1:] + beats[:-1]) / 2]))
    bent = np.sort(np.concatenate([beats, beats[:-1] + swing * np.diff(beats)]))
    times = np.array([(note.start_s, note.end_s) for note in notes]).reshape(-1, 2)
    moved = np.interp(times, even, bent).tolist()
    final_s = form.steps_s[-1] - 1e-6
    return [
        note if note.start_s >= final_s else note._replace(start_s=start_s, end_s=end_s)
        for note, (start_s, end_s) in zip(notes, moved, strict=True)
    ]


def performed(
    notes: Sequence[Strike],
    dynamics: Dynamics,
    form: Form,
    style: Style,
    expression: Expression,
    rng: np.random.Generator,
) -> list[Played]:
    """Notes as players strike them: velocity from the loudness, the touch and the metre, all a little uneven."""
    onsets = np.array([note.start_s for note in notes])
    step = np.searchsorted(form.steps_s, onsets + 1e-6) - 1
    velocity, on_downbeat = _velocities(notes, onsets, dynamics, form, style, expression)
    velocity += rng.normal(0, UNEVEN, len(notes))
    late_s = np.minimum(np.abs(rng.normal(0, LATE_S, len(notes))), LATEST_S)
    final_s = form.steps_s[-1]
    played = []
    rows = (velocity.tolist(), late_s.tolist(), on_downbeat, expression.length[step].tolist(), step.tolist())
    for note, loud, late, downbeat, share, place in zip(notes, *rows, strict=True):
        on_time = note.start_s >= final_s or (downbeat and note.voice in ON_TIME)
        start_s = note.start_s + (0.0 if on_time else min(late, 0.1 * (note.end_s - note.start_s)))
        end_s = form.end_s if note.start_s >= final_s else min(_released_s(note, share), form.end_s)
        level = min(max(round(loud), FAINTEST), LOUDEST)
        played.append(Played(note.voice, place, Note(float(start_s), float(end_s), note.pitch, level)))
    return played


def _velocities(
    notes: Sequence[Strike],
    onsets: NDArray[np.float64],
    dynamics: Dynamics,
    form: Form,
    style: Style,
    expression: Expression,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """How hard each note is struck, and whether it is on a downbeat."""
    bar = np.maximum(np.searchsorted(form.bars_s, onsets + 1e-6) - 1, 0)
    on_downbeat = np.abs(form.bars_s[bar] - onsets) < 1e-6
    bar_s = np.diff(np.append(form.bars_s, form.end_s))[bar]
    in_phrase = np.clip((bar % texture.PHRASE_BARS + (onsets - form.bars_s[bar]) / bar_s) / texture.PHRASE_BARS, 0, 1)
    velocity = velocity_of(np.interp(onsets, form.steps_s, dynamics.loudness))
    velocity += np.interp(onsets, form.steps_s, expression.velocity)
    accents = [(STROKES if note.voice in DRUMS else ACCENTS).get(note.sign, 0) for note in notes]
    velocity += np.array(accents) + [style.balance.get(note.voice, 0) for note in notes]
    return velocity + DOWNBEAT * on_downbeat + SWELL * np.sin(np.pi * in_phrase), on_downbeat


def _released_s(note: Strike, length: float) -> float:
    """When the finger leaves the key of a note that is held for a share of its written length; drums are let ring."""
    if length >= LEGATO or note.voice in DRUMS:
        return note.end_s + LEGATO_S
    return note.end_s - min((1 - length) * (note.end_s - note.start_s), DETACHED_S)


def track(
    instrument: Instrument, played: Sequence[Played], there: NDArray[np.bool_], form: Form, pedals: Sequence[Pedal]
) -> Track:
    """What an instrument has of the played notes: its voices', in the steps (N,) where it is `there`."""
    ends_s = form.step_ends_s
    leaves_s, until_s = np.zeros(len(ends_s)), form.end_s
    for step in range(len(ends_s) - 1, -1, -1):
        until_s = until_s if there[step] else float(form.steps_s[step])
        leaves_s[step] = until_s
    notes = [
        _placed(one.note, instrument, float(leaves_s[one.step]) + LEGATO_S)
        for one in played
        if there[one.step] and one.voice in instrument.voices
    ]
    held = tuple(pedal for pedal in pedals if not pedal.down or _there_at(pedal.time_s, form, there))
    return Track(
        instrument.name, instrument.program, tuple(unmixed(notes)), drums=instrument.drums, pan=instrument.pan,
        room=instrument.room, pedals=held if instrument.pedal else (),
    )  # fmt: skip


def _there_at(time_s: float, form: Form, there: NDArray[np.bool_]) -> bool:
    return bool(there[max(int(np.searchsorted(form.steps_s, time_s + 1e-6)) - 1, 0)])


def _placed(note: Note, instrument: Instrument, leaves_s: float) -> Note:
    """The note within the instrument's range, moved by octaves."""
    low, high = instrument.range
    pitch = note.pitch + instrument.transpose
    pitch = low + (pitch - low) % 12 if pitch < low else high - (high - pitch) % 12 if pitch > high else pitch
    level = min(max(note.velocity + instrument.level, 1), 127)
    return Note(note.start_s, max(min(note.end_s, leaves_s), note.start_s + 1e-3), pitch, level)


def unmixed(notes: Sequence[Note]) -> list[Note]:
    """One key sounds once: notes of a pitch that start together are one, and one that is struck again ends there."""
    kept: list[Note] = []
    for note in sorted(notes, key=lambda note: (note.pitch, note.start_s)):
        before = kept[-1] if kept else None
        if before and before.pitch == note.pitch and before.end_s > note.start_s:
            together = note.start_s - before.start_s < TOGETHER_S
            end_s = max(before.end_s, note.end_s) if together else note.start_s
            loudest = max(before.velocity, note.velocity) if together else before.velocity
            kept[-1] = Note(before.start_s, end_s, note.pitch, loudest)
            if together:
                continue
        kept.append(note)
    return sorted(kept)


def pedalled(grid: Grid, pitches: Sequence[Pitches], share: NDArray[np.float64]) -> tuple[Pedal, ...]:
    """Down from the first chord, renewed with every change of harmony and every bar, up at end_s.

    Where the `share` (N,) of a step is below 1 the pedal comes up that much earlier, and where it is next to nothing it
    stays up.
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
