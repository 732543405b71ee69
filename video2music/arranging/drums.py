"""Drums: the pattern that fits the part's energy, fills at the ends of phrases, a crash where a part begins.

Patterns have a grid of their own, columns of a beat, so that they follow the form's beats whatever the chords do. The
beats of a bar are those the form has in it: a 2/4 among bars of four plays the first half of the pattern.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from video2music.arranging.grid import Flags, Floats, Indices
from video2music.arranging.texture import PHRASE_BARS, NoteEvent
from video2music.styles import BEAT, DRUMS, FILL, FINAL, OPENING, SILENCE, DrumPattern, Style
from video2music.values import Form

PART_PREFERENCE = 0.15  # of energy: at most so much a part prefers one beat to another, at random
FILL_SHARE = 0.4  # share of the phrases within a part that end with a fill; parts always do
RINGING = ("crash", "crash2", "splash", "ride", "ride2", "open_hat", "triangle")
RINGING_BEATS, DRY_BEATS = 2.0, 0.25  # how long a stroke is written, in beats


@dataclass(frozen=True)
class _Bar:
    """One bar: onsets of its beats and its end in seconds, its part, its number within the part, and what it ends."""

    times_s: Floats
    part: int
    number: int
    ends_phrase: bool
    ends_part: bool
    energy: float

    @property
    def beats(self) -> int:
        return len(self.times_s) - 1  # `times_s` has the bar's end as well


def drum_events(
    form: Form, style: Style, *, part: Indices, energy: Floats, plays: Flags, rng: np.random.Generator
) -> list[NoteEvent]:
    """What the kit plays before the final downbeat, and on it where there is enough energy; nothing after.

    `part` (N,) and `plays` (N,) are the part of each step and whether the drums play in it, `energy` (P,) that of the
    parts. There are no drums in a pickup.
    """
    beats = _of_role(style, BEAT)
    preference = rng.uniform(0, PART_PREFERENCE, (len(energy), len(beats)))
    draws = rng.random(len(form.bars_s))
    events: list[NoteEvent] = []
    for place, bar in enumerate(_bars(form, part, energy, plays)):
        error = [abs(beat.energy - bar.energy) for beat in beats] + preference[bar.part]
        strokes = _bar_of(beats[int(error.argmin())], bar)
        fills = _available(style, FILL, bar.energy)
        if fills and (bar.ends_part or (bar.ends_phrase and draws[place] < FILL_SHARE)):
            # Digits of the same draw further down choose the fill: 997 is prime and larger than any count of fills.
            strokes = _with_fill(strokes, fills[int(draws[place] * 997) % len(fills)], bar)
        if bar.number == 0 and (openings := _available(style, OPENING, bar.energy)):
            strokes += _bar_of(openings[-1], bar)
        events += strokes
    final_s = float(form.steps_s[-1])
    last = _available(style, FINAL, float(energy[-1])) if plays[-1] else []
    final = [
        NoteEvent(final_s, form.end_s, DRUMS[row], signs[0], row)
        for row, signs in (last[-1].rows if last else {}).items()
        if signs[0] != SILENCE
    ]
    return [event for event in events if event.start_s < final_s - 1e-6] + final


def _of_role(style: Style, role: str) -> list[DrumPattern]:
    return sorted((pattern for pattern in style.drums if pattern.role == role), key=lambda pattern: pattern.energy)


def _available(style: Style, role: str, energy: float) -> list[DrumPattern]:
    """The patterns of a role that need no more than this energy, the least demanding first."""
    return [pattern for pattern in _of_role(style, role) if pattern.energy <= energy]


def _bars(form: Form, part: Indices, energy: Floats, plays: Flags) -> Iterator[_Bar]:
    """The bars in which the drums play."""
    edges, times = np.append(form.bars_s, form.end_s), np.append(form.beats_s, form.end_s)
    steps = np.maximum(np.searchsorted(form.steps_s, form.bars_s + 1e-6) - 1, 0)
    of_bar = np.append(part[steps], -1)
    firsts = [place for place in range(len(steps)) if not place or of_bar[place] != of_bar[place - 1]]
    for place, (start_s, end_s) in enumerate(pairwise(edges.tolist())):
        within = times[(times >= start_s - 1e-6) & (times <= end_s + 1e-6)]
        if plays[steps[place]] and len(within) > 1:
            number = place - max(first for first in firsts if first <= place)
            yield _Bar(
                within,
                int(of_bar[place]),
                number,
                ends_phrase=number % PHRASE_BARS == PHRASE_BARS - 1,
                ends_part=bool(of_bar[place + 1] != of_bar[place]),
                energy=float(energy[of_bar[place]]),
            )


def _bar_of(pattern: DrumPattern, bar: _Bar) -> list[NoteEvent]:
    """A bar of a pattern."""
    return [
        event
        for row in pattern.rows
        for event in _strokes(row, pattern.columns(row, bar.number, bar.beats), bar.times_s, pattern.grid)
    ]


def _with_fill(strokes: Sequence[NoteEvent], fill: DrumPattern, bar: _Bar) -> list[NoteEvent]:
    """The bar with its last beats replaced by the fill; a short bar has only the fill's end."""
    length = len(next(iter(fill.rows.values()))) // fill.grid
    beats = min(length, bar.beats)
    times_s = bar.times_s[-beats - 1 :]
    kept = [event for event in strokes if event.start_s < times_s[0] - 1e-6]
    return kept + [
        event
        for row, signs in fill.rows.items()
        for event in _strokes(row, signs[-beats * fill.grid :], times_s, fill.grid)
    ]


def _strokes(row: str, signs: str, times_s: Floats, grid: int) -> Iterator[NoteEvent]:
    """The strokes of one row over the beats that begin at `times_s`, whose last is the end."""
    places = np.interp(np.arange(len(signs)) / grid, np.arange(len(times_s)), times_s)
    beat_s = float(times_s[1] - times_s[0])
    for time_s, sign in zip(places.tolist(), signs, strict=True):
        if sign != SILENCE:
            end_s = time_s + beat_s * (RINGING_BEATS if row in RINGING else DRY_BEATS)
            yield NoteEvent(time_s, end_s, DRUMS[row], sign, row)
