"""Texture: which accompaniment pattern plays when, so that the predicted note density is met.

Density is counted as in MuVi-Sync: the notes that sound at some time within a second, whether struck in it or held
over. Averaged over where the second begins, a stretch of P seconds with n onsets whose notes last L seconds together
has the density (n + L) / P, because every second that begins within a note, or up to a second before it, contains it.
That sum decides between patterns. MuVi-Sync's notes were transcribed from audio, and so instruments in unison count as
one note; those in octaves as two. Drums count nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from video2music.arranging import accompaniment
from video2music.arranging.grid import Floats, Grid
from video2music.chords import Chord
from video2music.styles import CHORD_VOICES, HOLD, LEARNED, SILENCE, Instrument, Pattern, Style
from video2music.values import Key

Pitches = Mapping[str, int]  # by voice, for one chord

# All in notes a second, chosen by listening: a smaller margin makes patterns change from bar to bar.
DENSITY_JUMP = 4.5  # a bar within which the wanted density jumps by more is divided between two patterns
SWITCH_MARGIN = 0.6  # by how much another pattern must fit better to replace the one that plays
SECTION_PREFERENCE = 0.8  # at most so much a section prefers one pattern to another, at random
PHRASE_BARS = 4
_UNISON = MappingProxyType({
    "pulse": "bass",
    "pad tenor": "tenor",
    "pad alto": "alto",
    "pad soprano": "soprano",
})  # fmt: skip


class NoteEvent(NamedTuple):
    """A note before it has a velocity: seconds, MIDI pitch, the sign it was written with in its pattern, its voice."""

    start_s: float
    end_s: float
    pitch: int
    sign: str
    voice: str


@dataclass(frozen=True)
class VoicedHarmony:
    """What sounds at each of N steps: chord, pitch of each voice, semitones it is shifted by; and the key."""

    chords: Sequence[Chord]
    pitches: Sequence[Pitches]
    shifts: Sequence[int]
    key: Key


def note_events(
    grid: Grid, patterns: Sequence[Pattern | None], voice: str, pitch_of: Callable[[int, str, int | None], int | None]
) -> Iterator[NoteEvent]:
    """The notes of one voice, given the pattern of each step.

    `pitch_of(step, sign, sounding)` is the pitch for a sign, None where the voice keeps silent; `sounding` is the pitch
    it holds, if any. A hold whose pitch moves becomes a new note; its sign is the hold's, so it is played softly.
    """
    start_s, pitch, written = 0.0, None, ""
    for step, pattern in enumerate(patterns):
        columns = grid.columns(pattern, voice, step)
        times = np.linspace(grid.starts_s[step], grid.ends_s[step], len(columns), endpoint=False)
        for time_s, sign in zip(times.tolist(), columns, strict=True):
            wanted = None if sign == SILENCE else pitch_of(step, sign, pitch)
            if sign == HOLD and wanted == pitch:
                continue
            if pitch is not None:
                yield NoteEvent(start_s, time_s, pitch, written, voice)
            start_s, pitch, written = time_s, wanted, sign
    if pitch is not None:
        yield NoteEvent(start_s, float(grid.ends_s[len(patterns) - 1]), pitch, written, voice)


def event_density(grid: Grid, notes: Sequence[NoteEvent]) -> Floats:
    """(N,) density that notes give each step: onsets within it, plus seconds of sound within it, over its length."""
    total = np.zeros(len(grid))
    for note in notes:
        first = int(np.searchsorted(grid.starts_s, note.start_s + 1e-6)) - 1
        total[first] += 1
        for step in range(first, len(grid)):
            if grid.starts_s[step] >= note.end_s:
                break
            total[step] += min(note.end_s, grid.ends_s[step]) - max(note.start_s, grid.starts_s[step])
    return total / (grid.ends_s - grid.starts_s)


def pattern_densities(grid: Grid, style: Style, pitches: Sequence[Pitches], length: Floats | float = 1.0) -> Floats:
    """(P, N) density of each of the style's patterns at each step, played by the grid's players.

    `length` (N,) is the share of their written length that notes are held.
    """
    out = np.zeros((len(style.patterns), len(grid)))
    lengths = grid.ends_s - grid.starts_s
    share = np.broadcast_to(length, lengths.shape)
    present = {voice: np.array([voice in held for held in pitches]) for voice in CHORD_VOICES}
    stays = {
        voice: np.array([False] + [a.get(voice) == b.get(voice) for a, b in pairwise(pitches)])
        for voice in CHORD_VOICES
    }
    for players in dict.fromkeys(grid.players):
        at = np.flatnonzero(np.array([one == players for one in grid.players])[grid.part])
        for row, pattern in zip(out, style.patterns, strict=True):
            for voices in _unisons(players, pattern):
                onsets, sounds, tied = _counts(pattern, voices)[grid.phase[at] % pattern.steps].T
                here, stay = present[voices[0]][at], stays[voices[0]][at]
                # A hold at the start of a chord is an onset only where its pitch moves.
                row[at] += here * ((onsets - tied * stay) / lengths[at] + sounds * share[at])
    return out


def _unisons(players: Sequence[Instrument], pattern: Pattern) -> list[list[str]]:
    """The pattern's rows that are played, those together that sound at one pitch."""
    found: dict[tuple[str, int], list[str]] = {}
    for voice in pattern.rows:
        for transpose in {player.transpose for player in players if voice in player.voices}:
            found.setdefault((_UNISON.get(voice, voice), transpose), []).append(voice)
    return list(found.values())


def _counts(pattern: Pattern, voices: Sequence[str]) -> Floats:
    """(steps, 3) of some rows in unison, for each chord: onsets if the harmony moves, share of the time with sound, and
    1 if one of the onsets is a tie where the harmony stays.
    """
    counts = []
    for phase in range(pattern.steps):
        columns = _merged([pattern.columns(voice, phase) for voice in voices])
        tied = int(columns[0] == HOLD)
        onsets = sum(sign not in HOLD + SILENCE for sign in columns) + tied
        counts.append((onsets, 1 - columns.count(SILENCE) / len(columns), tied))
    return np.array(counts)


def _merged(rows: Sequence[str]) -> str:
    """What sounds of rows in unison: every onset, and else a hold where one of them holds."""
    if len(rows) == 1:
        return rows[0]
    together = (set(signs) for signs in zip(*rows, strict=True))
    return "".join("x" if signs - {HOLD, SILENCE} else HOLD if HOLD in signs else SILENCE for signs in together)


def choose_patterns(
    grid: Grid,
    style: Style,
    pitches: Sequence[Pitches],
    wanted: Floats,
    rng: np.random.Generator,
    *,
    length: Floats | float = 1.0,
) -> list[Pattern]:
    """The pattern of each step: the one whose density comes nearest to `wanted` (N,), kept for a bar at least.

    A bar is divided where the wanted density jumps. Each section has a slight, random preference for some patterns. In
    a style with learned accompaniment these patterns play only where the density is outside the learned range.
    """
    offered = pattern_densities(grid, style, pitches, length)
    preference = rng.uniform(0, SECTION_PREFERENCE, (int(grid.section[-1]) + 1, len(style.patterns)))
    chosen: list[int] = []
    for run in _steady_runs(grid.bar, wanted):
        error = np.abs(offered[:, run].mean(1) - wanted[run].mean()) + preference[grid.section[run.start]]
        if chosen:
            error[chosen[-1]] -= SWITCH_MARGIN  # the pattern that plays has an advantage
        chosen += [int(error.argmin())] * (run.stop - run.start)
    patterns = [style.patterns[index] for index in chosen]
    if style.accompaniment == LEARNED:
        return accompaniment.choose_patterns(grid, pitches, wanted, patterns, rng, length=length)
    return patterns


def _steady_runs(bar: NDArray[np.int64], wanted: Floats) -> Iterator[slice]:
    """Runs of steps within one bar over which the wanted density does not jump."""
    first = 0
    for step in range(1, len(bar) + 1):
        if step == len(bar) or bar[step] != bar[first] or abs(wanted[step] - wanted[first:step].mean()) > DENSITY_JUMP:
            yield slice(first, step)
            first = step
