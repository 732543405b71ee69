"""Drums: a bar of the pattern that the energy asks for, fills at the ends of phrases, a stroke where a part begins.

Patterns have a grid of their own, columns of a beat, so that they follow the form's beats whatever the chords do. The
beats of a bar are those the form has in it: a 2/4 among bars of four plays the first half of the pattern.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from video2music.arranging.texture import PHRASE_BARS, Strike
from video2music.styles import BEAT, DRUMS, FILL, FINAL, OPENING, SILENCE, DrumPattern, Style
from video2music.values import Form

FAVOUR = 0.15  # of energy, by which a part may prefer one beat to another
FILLS = 0.4  # share of the phrases within a part that end with a fill; parts always do
RINGING = ("crash", "crash2", "splash", "ride", "ride2", "open_hat", "triangle")
RINGING_BEATS, DRY_BEATS = 2.0, 0.25


@dataclass(frozen=True)
class _Bar:
    """One bar: onsets of its beats and its end in seconds, its part, its number in the part, what comes after it."""

    times_s: NDArray[np.float64]
    part: int
    number: int
    closes_phrase: bool
    closes_part: bool
    energy: float

    @property
    def beats(self) -> int:
        return len(self.times_s) - 1


def strikes(
    form: Form,
    style: Style,
    *,
    part: NDArray[np.int64],
    energy: NDArray[np.float64],
    plays: NDArray[np.bool_],
    rng: np.random.Generator,
) -> list[Strike]:
    """What the kit plays before the final downbeat, and on it where the energy reaches that far; nothing after.

    `part` (N,) and `plays` (N,) are the part of each step and whether the drums play in it, `energy` (P,) that of the
    parts. There are no drums in a pickup.
    """
    beats = _of(style, BEAT)
    favour = rng.uniform(0, FAVOUR, (len(energy), len(beats)))
    whims = rng.random(len(form.bars_s))
    struck: list[Strike] = []
    for place, bar in enumerate(_bars(form, part, energy, plays)):
        error = [abs(beat.energy - bar.energy) for beat in beats] + favour[bar.part]
        rows = _drawn(beats[int(error.argmin())], bar)
        fills = _ready(style, FILL, bar.energy)
        if fills and (bar.closes_part or (bar.closes_phrase and whims[place] < FILLS)):
            rows = _filled(rows, fills[int(whims[place] * 997) % len(fills)], bar)
        if bar.number == 0 and (openings := _ready(style, OPENING, bar.energy)):
            rows += _drawn(openings[-1], bar)
        struck += rows
    final_s = float(form.steps_s[-1])
    last = _ready(style, FINAL, float(energy[-1])) if plays[-1] else []
    finale = [_strike(form.end_s, final_s, row, signs[0]) for row, signs in (last[-1].rows if last else {}).items()]
    return [strike for strike in struck if strike.start_s < final_s - 1e-6] + [s for s in finale if s.sign != SILENCE]


def _of(style: Style, role: str) -> list[DrumPattern]:
    return sorted((pattern for pattern in style.drums if pattern.role == role), key=lambda pattern: pattern.energy)


def _ready(style: Style, role: str, energy: float) -> list[DrumPattern]:
    """The patterns of a role that this much energy is enough for, the least demanding first."""
    return [pattern for pattern in _of(style, role) if pattern.energy <= energy]


def _bars(form: Form, part: NDArray[np.int64], energy: NDArray[np.float64], plays: NDArray[np.bool_]) -> Iterator[_Bar]:
    """The bars in which the drums play."""
    edges, times = np.append(form.bars_s, form.end_s), np.append(form.beats_s, form.end_s)
    steps = np.maximum(np.searchsorted(form.steps_s, form.bars_s + 1e-6) - 1, 0)
    of_bar = np.append(part[steps], -1)
    heads = [place for place in range(len(steps)) if not place or of_bar[place] != of_bar[place - 1]]
    for place, (start_s, end_s) in enumerate(pairwise(edges.tolist())):
        within = times[(times >= start_s - 1e-6) & (times <= end_s + 1e-6)]
        if plays[steps[place]] and len(within) > 1:
            number = place - max(head for head in heads if head <= place)
            closes = bool(of_bar[place + 1] != of_bar[place])
            yield _Bar(
                within, int(of_bar[place]), number, number % PHRASE_BARS == PHRASE_BARS - 1, closes,
                float(energy[of_bar[place]]),
            )  # fmt: skip


def _drawn(pattern: DrumPattern, bar: _Bar) -> list[Strike]:
    """A bar of a pattern."""
    return [
        strike
        for row in pattern.rows
        for strike in _row(row, pattern.columns(row, bar.number, bar.beats), bar.times_s, pattern.grid)
    ]


def _filled(rows: Sequence[Strike], fill: DrumPattern, bar: _Bar) -> list[Strike]:
    """The bar with its last beats given over to the fill, of which a short bar has only the end."""
    length = len(next(iter(fill.rows.values()))) // fill.grid
    beats = min(length, bar.beats)
    times_s = bar.times_s[-beats - 1 :]
    kept = [strike for strike in rows if strike.start_s < times_s[0] - 1e-6]
    return kept + [
        strike
        for row, signs in fill.rows.items()
        for strike in _row(row, signs[-beats * fill.grid :], times_s, fill.grid)
    ]


def _row(row: str, signs: str, times_s: NDArray[np.float64], grid: int) -> Iterator[Strike]:
    """The strokes of one row over the beats that begin at `times_s`, whose last is the end."""
    places = np.interp(np.arange(len(signs)) / grid, np.arange(len(times_s)), times_s)
    beat_s = float(times_s[1] - times_s[0])
    for time_s, sign in zip(places.tolist(), signs, strict=True):
        if sign != SILENCE:
            yield _strike(time_s + beat_s * (RINGING_BEATS if row in RINGING else DRY_BEATS), time_s, row, sign)


def _strike(end_s: float, start_s: float, row: str, sign: str) -> Strike:
    return Strike(start_s, end_s, DRUMS[row], sign, row)
