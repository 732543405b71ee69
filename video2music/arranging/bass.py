"""Approach notes of the bass: a step into the next chord on the last beat, or half beat, before the change."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from video2music.arranging.grid import Grid
from video2music.arranging.texture import NoteEvent, VoicedHarmony
from video2music.arranging.voicing import scale
from video2music.styles import Style
from video2music.values import Form

LOW = ("bass", "sub")
WHOLE_BEAT = 0.4  # share of the approaches that take a whole beat, where the chord has two
CHROMATIC = 0.35  # share that come by a semitone from below, wherever the scale's step is
SHORTEST_S = 0.1  # no approach is shorter


class _Approach(NamedTuple):
    """Onset of the approach note, onset of the chord after it, and the note's pitch."""

    time_s: float
    until_s: float
    pitch: int


def with_approaches(
    notes: Sequence[NoteEvent],
    *,
    grid: Grid,
    form: Form,
    style: Style,
    harmony: VoicedHarmony,
    rng: np.random.Generator,
) -> list[NoteEvent]:
    """The notes, those of the low voices shortened for an approach note at a share of the changes of harmony.

    An approach is a step of the next chord's scale or a semitone below it, within the bass's register, and only where
    the bass sounds before the change and has an onset at it.
    """
    draws = rng.random((len(grid), 3))  # for each step: whether to approach, chromatically, on the whole beat
    found = []
    for step in np.flatnonzero(draws[:-1, 0] < style.approach).tolist():
        now, target = (harmony.pitches[place].get("bass") for place in (step, step + 1))
        if now is None or target is None or now == target or not _players_stay(grid, step):
            continue
        low, high = (edge + harmony.shifts[step] for edge in style.registers.bass)
        classes = scale(harmony.chords[step + 1], harmony.key)
        pitch = _step_to(target, now, classes, chromatic=draws[step, 1] < CHROMATIC)
        start_s, end_s = float(grid.starts_s[step]), float(grid.ends_s[step])
        time_s = _onset_s(form, start_s, end_s, whole_beat=draws[step, 2] < WHOLE_BEAT)
        if low <= pitch <= high and pitch != now and end_s - time_s >= SHORTEST_S:
            found.append(_Approach(time_s, end_s, pitch))
    final_s = {voice: float(grid.starts_s[-1]) for voice in style.cadence}
    return [
        note
        for voice in dict.fromkeys(note.voice for note in notes)
        for note in _voice_with(voice, notes, found, final_s.get(voice, math.inf))
    ]


def _players_stay(grid: Grid, step: int) -> bool:
    """Whether all instruments that play a low voice at a step play in the next one, too."""
    now, then = (grid.players[part] for part in grid.part[step : step + 2])
    return all(player in then for player in now if not set(LOW).isdisjoint(player.voices))


def _step_to(target: int, now: int, classes: frozenset[int], *, chromatic: bool) -> int:
    """A step away from the target, on the side where the bass is."""
    side = 1 if now > target else -1
    if chromatic and side < 0:
        return target - 1
    return next(target + side * size for size in range(1, 12) if (target + side * size) % 12 in classes)


def _onset_s(form: Form, start_s: float, end_s: float, *, whole_beat: bool) -> float:
    """Where an approach begins: at the last beat of a chord that has two or more, or in the middle of its last beat."""
    beats = form.beats_s[(form.beats_s >= start_s - 1e-6) & (form.beats_s < end_s - 1e-6)]
    last_s = float(beats[-1]) if len(beats) else start_s
    return last_s if whole_beat and len(beats) > 1 else (last_s + end_s) / 2


def _voice_with(
    voice: str, notes: Sequence[NoteEvent], approaches: Sequence[_Approach], final_s: float
) -> list[NoteEvent]:
    """One voice's notes with the approaches in them; other voices, and a low one that is silent there, stay as is."""
    own = sorted(note for note in notes if note.voice == voice)
    for approach in approaches if voice in LOW else ():
        place = bisect_left(own, approach.time_s - 1e-6, key=lambda note: note.start_s) - 1
        after = bisect_left(own, approach.until_s - 1e-6, key=lambda note: note.start_s)
        onset_follows = after < len(own) and own[after].start_s < approach.until_s + 1e-6
        leads = approach.until_s > final_s - 1e-6 or onset_follows
        if leads and place >= 0 and own[place].end_s > approach.time_s - 1e-6:
            pitch = max(approach.pitch - (12 if voice == "sub" else 0), 0)
            note = NoteEvent(approach.time_s, approach.until_s, pitch, "o", voice)
            own[place:after] = [own[place]._replace(end_s=approach.time_s), note]
    return own
