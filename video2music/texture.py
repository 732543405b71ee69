"""Texture: which figure plays when, so that as many notes sound within each second as were asked for.

Density is MuVi-Sync's: the notes that sound at some time within a second, whether struck in it or held over. Averaged
over where the second begins, a stretch of P seconds with n strikes whose notes last L seconds together has (n + L) / P:
each note is met by every second that begins within it or up to a second before it. That sum decides between figures.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from video2music.styles import HOLD, SILENCE, Pattern, Style
from video2music.values import Form

Pitches = Mapping[str, int]  # by voice, for one chord

SUDDEN = 4.5  # notes a second; a bar whose wanted density jumps by more is divided between two figures
LOYALTY = 0.6  # notes a second by which another figure must fit better to take over
FAVOUR = 0.8  # notes a second by which a section may prefer one figure to another
PHRASE_BARS = 4
FEWEST_PHRASES = 3  # pieces with fewer have no phrase to spare for an opening without the upper line


class Strike(NamedTuple):
    """A note before its velocity: seconds, pitch, sign it was drawn with, voice."""

    start_s: float
    end_s: float
    pitch: int
    sign: str
    voice: str


@dataclass(frozen=True)
class Grid:
    """Where each step lies: seconds, bar, section, steps since the section's downbeat; and a step's usual length."""

    starts_s: NDArray[np.float64]
    ends_s: NDArray[np.float64]
    bar: NDArray[np.int64]
    section: NDArray[np.int64]
    phase: NDArray[np.int64]
    usual_s: float

    @classmethod
    def of(cls, form: Form) -> "Grid":
        """The grid of all steps; those of a pickup belong to the first section, in bar -1 and at phases below 0."""
        starts_s, ends_s = form.steps_s, form.step_ends_s
        heads_s = np.array([section.start_s for section in form.sections])
        section = np.maximum(np.searchsorted(heads_s, starts_s + 1e-6) - 1, 0)
        bar = np.searchsorted(form.bars_s, starts_s + 1e-6) - 1
        phase = np.arange(len(starts_s)) - np.searchsorted(starts_s, heads_s - 1e-6)[section]
        return cls(
            starts_s,
            ends_s,
            bar,
            section,
            phase,
            float(np.median((ends_s - starts_s)[:-1] if len(form) > 1 else ends_s)),
        )

    def __len__(self) -> int:
        return len(self.starts_s)

    def columns(self, figure: Pattern | None, voice: str, step: int) -> str:
        """What a voice does during a step; a pickup shorter than the other steps has the columns it has time for."""
        if figure is None:
            return SILENCE
        columns = figure.columns(voice, int(self.phase[step]))
        share = (self.ends_s[step] - self.starts_s[step]) / self.usual_s
        return columns[: max(1, round(len(columns) * share))] if share < 0.75 else columns


def strikes(
    grid: Grid, figures: Sequence[Pattern | None], voice: str, pitch_of: Callable[[int, str, int | None], int | None]
) -> Iterator[Strike]:
    """The notes of one voice, given the figure of each step.

    `pitch_of(step, sign, sounding)` is the pitch for a sign, None where the voice keeps silent; `sounding` is the pitch
    it holds, if any. A hold whose pitch moves is struck anew, softly.
    """
    start_s, pitch, drawn = 0.0, None, ""
    for step, figure in enumerate(figures):
        columns = grid.columns(figure, voice, step)
        times = np.linspace(grid.starts_s[step], grid.ends_s[step], len(columns), endpoint=False)
        for time_s, sign in zip(times.tolist(), columns, strict=True):
            wanted = None if sign == SILENCE else pitch_of(step, sign, pitch)
            if sign == HOLD and wanted == pitch:
                continue
            if pitch is not None:
                yield Strike(start_s, time_s, pitch, drawn, voice)
            start_s, pitch, drawn = time_s, wanted, sign
    if pitch is not None:
        yield Strike(start_s, float(grid.ends_s[len(figures) - 1]), pitch, drawn, voice)


def sounding(grid: Grid, notes: Sequence[Strike]) -> NDArray[np.float64]:
    """(N,) density that notes give each step: strikes within it, plus seconds of sound within it, over its length."""
    total = np.zeros(len(grid))
    for note in notes:
        first = int(np.searchsorted(grid.starts_s, note.start_s + 1e-6)) - 1
        total[first] += 1
        for step in range(first, len(grid)):
            if grid.starts_s[step] >= note.end_s:
                break
            total[step] += min(note.end_s, grid.ends_s[step]) - max(note.start_s, grid.starts_s[step])
    return total / (grid.ends_s - grid.starts_s)


def densities(
    grid: Grid, style: Style, pitches: Sequence[Pitches], length: NDArray[np.float64] | float = 1.0
) -> NDArray[np.float64]:
    """(P, N) density of each of the style's figures at each step: the notes of all the instruments that play it.

    `length` (N,) is the share of their written length that notes are held.
    """
    players = {
        voice: sum(voice in i.voices for i in style.instruments) for i in style.instruments for voice in i.voices
    }
    out = np.zeros((len(style.patterns), len(grid)))
    lengths = grid.ends_s - grid.starts_s
    for row, pattern in zip(out, style.patterns, strict=True):
        for voice in pattern.rows:
            there = np.array([voice in held for held in pitches])
            stays = np.array([False] + [a.get(voice) == b.get(voice) for a, b in pairwise(pitches)])
            counts = np.array([_count(pattern.columns(voice, phase)) for phase in range(pattern.steps)])
            struck, sounds, tied = counts[grid.phase % pattern.steps].T
            row += players[voice] * there * ((struck - tied * stays) / lengths + sounds * length)
    return out


def _count(columns: str) -> tuple[int, float, int]:
    """Strikes if the harmony moves, share of the time with sound, and whether one strike is a tie where it stays."""
    tied = int(columns[0] == HOLD)
    return sum(sign not in HOLD + SILENCE for sign in columns) + tied, 1 - columns.count(SILENCE) / len(columns), tied


def choose(
    grid: Grid,
    style: Style,
    pitches: Sequence[Pitches],
    wanted: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    length: NDArray[np.float64] | float = 1.0,
) -> list[Pattern]:
    """The figure of each step: the one whose density comes nearest to `wanted` (N,), kept for a bar at least.

    A bar is divided where the wanted density jumps. Each section leans a little to figures of its own.
    """
    offered = densities(grid, style, pitches, length)
    favour = rng.uniform(0, FAVOUR, (int(grid.section[-1]) + 1, len(style.patterns)))
    chosen: list[int] = []
    for run in _runs(grid.bar, wanted):
        error = np.abs(offered[:, run].mean(1) - wanted[run].mean()) + favour[grid.section[run.start]]
        if chosen:
            error[chosen[-1]] -= LOYALTY
        chosen += [int(error.argmin())] * (run.stop - run.start)
    return [style.patterns[index] for index in chosen]


def _runs(bar: NDArray[np.int64], wanted: NDArray[np.float64]) -> Iterator[slice]:
    """Stretches of steps within one bar over which the wanted density does not jump."""
    first = 0
    for step in range(1, len(bar) + 1):
        if step == len(bar) or bar[step] != bar[first] or abs(wanted[step] - wanted[first:step].mean()) > SUDDEN:
            yield slice(first, step)
            first = step


def motifs(grid: Grid, style: Style, wanted: NDArray[np.float64], rng: np.random.Generator) -> list[Pattern | None]:
    """The upper line's motif at each step, or None where it rests.

    A section keeps one motif, and the first one comes back in every other section. The line plays phrase by phrase,
    where the density has room for it; it rests in the opening phrase of a longer piece and in every fourth phrase of a
    section.
    """
    if not style.lines:
        return [None] * len(grid)
    order = rng.permutation(len(style.lines))
    heads = np.append(np.flatnonzero(np.diff(grid.section, prepend=-1)), len(grid))
    first_bars = grid.bar[heads[:-1]]
    phrase = np.maximum(grid.bar - first_bars[grid.section], 0) // PHRASE_BARS
    longer = grid.bar[-1] >= PHRASE_BARS * FEWEST_PHRASES
    stretch = np.cumsum(np.diff(grid.section * len(grid) + phrase, prepend=-1) != 0) - 1  # number of the phrase
    asked = (np.bincount(stretch, wanted) / np.bincount(stretch))[stretch]
    rests = (phrase % 4 == 3) | (longer & (grid.section == 0) & (phrase == 0)) | (asked < style.line_from)
    motif = order[np.where(grid.section % 2 == 0, 0, (1 + grid.section // 2) % len(order))]
    return [None if rest else style.lines[index] for rest, index in zip(rests, motif, strict=True)]
