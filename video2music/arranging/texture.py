"""Texture: which figure plays when, so that as many notes sound within each second as were asked for.

Density is MuVi-Sync's: the notes that sound at some time within a second, whether struck in it or held over. Averaged
over where the second begins, a stretch of P seconds with n strikes whose notes last L seconds together has (n + L) / P:
each note is met by every second that begins within it or up to a second before it. That sum decides between figures.
MuVi-Sync's notes were transcribed from sound, and so instruments in unison are one note; those in octaves are two.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from video2music.arranging import accompaniment
from video2music.arranging.grid import Grid
from video2music.chords import Chord
from video2music.styles import CHORD_VOICES, HOLD, LEARNED, SILENCE, Instrument, Pattern, Style
from video2music.values import Key

Pitches = Mapping[str, int]  # by voice, for one chord

SUDDEN = 4.5  # notes a second; a bar whose wanted density jumps by more is divided between two figures
LOYALTY = 0.6  # notes a second by which another figure must fit better to take over
FAVOUR = 0.8  # notes a second by which a section may prefer one figure to another
PHRASE_BARS = 4
_UNISON = MappingProxyType({
    "pulse": "bass",
    "pad tenor": "tenor",
    "pad alto": "alto",
    "pad soprano": "soprano",
})  # fmt: skip


class Strike(NamedTuple):
    """A note before its velocity: seconds, pitch, sign it was drawn with, voice."""

    start_s: float
    end_s: float
    pitch: int
    sign: str
    voice: str


@dataclass(frozen=True)
class Harmony:
    """What sounds at each of N steps: the chord, the pitch of each voice, and semitones it is moved by; and the key."""

    chords: Sequence[Chord]
    pitches: Sequence[Pitches]
    shifts: Sequence[int]
    key: Key


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
    """(P, N) density of each of the style's figures at each step, played by those of the grid's bands.

    `length` (N,) is the share of their written length that notes are held. Drums count nothing.
    """
    out = np.zeros((len(style.patterns), len(grid)))
    lengths = grid.ends_s - grid.starts_s
    share = np.broadcast_to(length, lengths.shape)
    there = {voice: np.array([voice in held for held in pitches]) for voice in CHORD_VOICES}
    stays = {
        voice: np.array([False] + [a.get(voice) == b.get(voice) for a, b in pairwise(pitches)])
        for voice in CHORD_VOICES
    }
    for band in dict.fromkeys(grid.bands):
        at = np.flatnonzero(np.array([one == band for one in grid.bands])[grid.part])
        for row, pattern in zip(out, style.patterns, strict=True):
            for voices in _unisons(band, pattern):
                struck, sounds, tied = _counts(pattern, voices)[grid.phase[at] % pattern.steps].T
                known, kept = there[voices[0]][at], stays[voices[0]][at]
                row[at] += known * ((struck - tied * kept) / lengths[at] + sounds * share[at])
    return out


def _unisons(band: Sequence[Instrument], pattern: Pattern) -> list[list[str]]:
    """The pattern's rows that a band plays, those together that sound at one pitch."""
    found: dict[tuple[str, int], list[str]] = {}
    for voice in pattern.rows:
        for transpose in {player.transpose for player in band if voice in player.voices}:
            found.setdefault((_UNISON.get(voice, voice), transpose), []).append(voice)
    return list(found.values())


def _counts(pattern: Pattern, voices: Sequence[str]) -> NDArray[np.float64]:
    """(steps, 3) what `_count` says of each chord of some rows in unison."""
    return np.array([_count(_merged([pattern.columns(v, phase) for v in voices])) for phase in range(pattern.steps)])


def _merged(rows: Sequence[str]) -> str:
    """What is heard of rows in unison: every strike, and else a hold where anyone holds."""
    if len(rows) == 1:
        return rows[0]
    together = (set(signs) for signs in zip(*rows, strict=True))
    return "".join("x" if signs - {HOLD, SILENCE} else HOLD if HOLD in signs else SILENCE for signs in together)


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

    A bar is divided where the wanted density jumps. Each section leans a little to figures of its own. A style whose
    figures are learned has them drawn, and these where the density leaves what was learned.
    """
    offered = densities(grid, style, pitches, length)
    favour = rng.uniform(0, FAVOUR, (int(grid.section[-1]) + 1, len(style.patterns)))
    chosen: list[int] = []
    for run in _runs(grid.bar, wanted):
        error = np.abs(offered[:, run].mean(1) - wanted[run].mean()) + favour[grid.section[run.start]]
        if chosen:
            error[chosen[-1]] -= LOYALTY
        chosen += [int(error.argmin())] * (run.stop - run.start)
    tables = [style.patterns[index] for index in chosen]
    if style.figures == LEARNED:
        return accompaniment.choose(grid, pitches, wanted, tables, rng, length=length)
    return tables


def _runs(bar: NDArray[np.int64], wanted: NDArray[np.float64]) -> Iterator[slice]:
    """Stretches of steps within one bar over which the wanted density does not jump."""
    first = 0
    for step in range(1, len(bar) + 1):
        if step == len(bar) or bar[step] != bar[first] or abs(wanted[step] - wanted[first:step].mean()) > SUDDEN:
            yield slice(first, step)
            first = step
