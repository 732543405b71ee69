"""The bass line's way into the next chord: a step to it on the last beat, or half beat, before the change."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from video2music.arranging.grid import Grid
from video2music.arranging.texture import Harmony, Strike
from video2music.arranging.voicing import scale
from video2music.styles import Style
from video2music.values import Form

LOW = ("bass", "sub")
WALKS = 0.4  # share of the approaches that take a whole beat, where the chord has two
CHROMATIC = 0.35  # share that come by a semitone from below, wherever the scale's step is
SHORTEST_S = 0.1  # no approach is shorter


class _Approach(NamedTuple):
    """When the step is struck, when the next chord is, and the pitch of the step."""

    time_s: float
    until_s: float
    pitch: int


def approached(
    struck: Sequence[Strike],
    *,
    grid: Grid,
    form: Form,
    style: Style,
    harmony: Harmony,
    rng: np.random.Generator,
) -> list[Strike]:
    """The strikes, with those of the low voices making way for an approach at a share of the changes.

    An approach is a step of the next chord's scale or a semitone below it, within the bass's register, and only where
    the bass sounds before the change and strikes after it.
    """
    whims = rng.random((len(grid), 3))
    found = []
    for step in np.flatnonzero(whims[:-1, 0] < style.approach).tolist():
        now, target = (harmony.pitches[place].get("bass") for place in (step, step + 1))
        if now is None or target is None or now == target or not _stay(grid, step):
            continue
        low, high = (edge + harmony.shifts[step] for edge in style.registers.bass)
        classes = scale(harmony.chords[step + 1], harmony.key)
        pitch = _step_to(target, now, classes, chromatic=whims[step, 1] < CHROMATIC)
        time_s = _when(form, float(grid.starts_s[step]), float(grid.ends_s[step]), walks=whims[step, 2] < WALKS)
        if low <= pitch <= high and pitch != now and grid.ends_s[step] - time_s >= SHORTEST_S:
            found.append(_Approach(time_s, float(grid.ends_s[step]), pitch))
    final_s = {voice: float(grid.starts_s[-1]) for voice in style.cadence}
    return [
        note
        for voice in dict.fromkeys(note.voice for note in struck)
        for note in _led(voice, struck, found, final_s.get(voice, math.inf))
    ]


def _stay(grid: Grid, step: int) -> bool:
    """Whether all who play a low voice at a step are there for the next chord, too."""
    now, then = (grid.bands[part] for part in grid.part[step : step + 2])
    return all(player in then for player in now if not set(LOW).isdisjoint(player.voices))


def _step_to(target: int, now: int, classes: frozenset[int], *, chromatic: bool) -> int:
    """A step away from the target, on the side where the bass is."""
    side = 1 if now > target else -1
    if chromatic and side < 0:
        return target - 1
    return next(target + side * size for size in range(1, 12) if (target + side * size) % 12 in classes)


def _when(form: Form, start_s: float, end_s: float, *, walks: bool) -> float:
    """The last beat of a chord, or the middle of it."""
    beats: NDArray[np.float64] = form.beats_s[(form.beats_s >= start_s - 1e-6) & (form.beats_s < end_s - 1e-6)]
    last_s = float(beats[-1]) if len(beats) else start_s
    return last_s if walks and len(beats) > 1 else (last_s + end_s) / 2


def _led(voice: str, struck: Sequence[Strike], found: Sequence[_Approach], final_s: float) -> list[Strike]:
    """One voice's strikes with the approaches in them; a voice that is not low, or is silent there, stays as it is."""
    notes = sorted(note for note in struck if note.voice == voice)
    for way in found if voice in LOW else ():
        place = bisect_left(notes, way.time_s - 1e-6, key=_start_s) - 1
        after = bisect_left(notes, way.until_s - 1e-6, key=_start_s)
        led = way.until_s > final_s - 1e-6 or (after < len(notes) and notes[after].start_s < way.until_s + 1e-6)
        if led and place >= 0 and notes[place].end_s > way.time_s - 1e-6:
            pitch = max(way.pitch - (12 if voice == "sub" else 0), 0)
            step = Strike(way.time_s, way.until_s, pitch, "o", voice)
            notes[place:after] = [notes[place]._replace(end_s=way.time_s), step]
    return notes


def _start_s(note: Strike) -> float:
    return note.start_s
