"""The grid of steps for chords, melody, accompaniment and drums, and the instruments that play in each part.

A step is the time of one chord; all rows here are (N,), one entry a step. A part is a section, or about PART_BARS bars
of a long one: instruments enter and leave at the borders of parts, by the part's energy.

The energy of a step is the mean of two percentile ranks: the shares of MuVi-Sync's seconds that have fewer notes than
its density, and that are softer than its loudness. So the same number means the same in every piece. The parts of one
piece would differ too little by that measure, because a regressor's predictions keep near the mean: `part_energies`
multiplies a part's distance from the piece's mean by CONTRAST, and lowers the opening part by OPENING.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from video2music.styles import SILENCE, Instrument, Pattern, Style
from video2music.values import Dynamics, Form

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]

PART_BARS = 8  # a section of one and a half times this or more is divided
CONTRAST = 2.0  # times the distance from the piece's mean
OPENING = 0.12  # of energy, taken from the first part: a piece that opens at its loudest has nowhere to go
# Percentiles of MuVi-Sync's 191,000 seconds: below DENSITY[i] and LOUDNESS[i] lies the share SHARES[i] of them.
SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
DENSITY = (0.0, 3.0, 6.0, 10.0, 14.0, 18.0, 26.0)
LOUDNESS = (0.0, 0.045, 0.098, 0.164, 0.246, 0.314, 0.4)


@dataclass(frozen=True)
class Grid:
    """Where each of N steps is: in seconds, bar, section, part; and which instruments play in each part.

    phase      steps since the section's downbeat. A bar that is shorter than the others counts as whole, so that
               patterns of several bars stay aligned with the bars
    typical_s  the usual length of a step
    beats      how many beats a step has
    players    the instruments of each part, drums left out
    """

    starts_s: Floats
    ends_s: Floats
    bar: Indices
    section: Indices
    phase: Indices
    typical_s: float
    beats: Indices
    part: Indices
    players: tuple[tuple[Instrument, ...], ...] = ((),)

    @classmethod
    def of(cls, form: Form) -> "Grid":
        """The grid of all steps; those of a pickup belong to the first section, in bar -1 and at phases below 0."""
        starts_s, ends_s = form.steps_s, form.step_ends_s
        section_starts_s = np.array([section.start_s for section in form.sections])
        section = np.maximum(np.searchsorted(section_starts_s, starts_s + 1e-6) - 1, 0)
        bar = np.searchsorted(form.bars_s, starts_s + 1e-6) - 1
        first = np.searchsorted(form.steps_s, form.bars_s - 1e-6)  # step of each downbeat
        usual = max(1, int(np.diff(first).max(initial=1)))  # steps a bar
        first_bar = np.searchsorted(form.bars_s, section_starts_s + 1e-6) - 1
        within = np.arange(len(bar)) - first[np.maximum(bar, 0)]
        phase = (np.maximum(bar, 0) - np.maximum(first_bar, 0)[section]) * usual + within
        # The last step is the final chord, which is held to the end: its length says nothing about the others.
        typical_s = float(np.median((ends_s - starts_s)[:-1] if len(form) > 1 else ends_s))
        return cls(starts_s, ends_s, bar, section, phase, typical_s, beats_of(form), np.zeros_like(bar))

    def __len__(self) -> int:
        return len(self.starts_s)

    def doublings(self, voice: str) -> Indices:
        """(N,) at how many different octaves a voice is played at each step; 0 where no instrument plays it."""
        octaves = [len({player.transpose for player in band if voice in player.voices}) for band in self.players]
        return np.asarray(np.array(octaves)[self.part], np.int64)

    def columns(self, pattern: Pattern | None, voice: str, step: int) -> str:
        """What a voice does during a step; a pickup shorter than the other steps has the columns it has time for."""
        if pattern is None:
            return SILENCE
        columns = pattern.columns(voice, int(self.phase[step]))
        share = (self.ends_s[step] - self.starts_s[step]) / self.typical_s
        return columns[: max(1, round(len(columns) * share))] if share < 0.75 and not pattern.fitted else columns


def beats_of(form: Form) -> Indices:
    """(N,) how many beats each step of a form has, one at least."""
    begun = np.searchsorted(form.beats_s, np.append(form.steps_s, np.inf) - 1e-6)
    return np.asarray(np.maximum(np.diff(begun), 1), np.int64)


def parts_of(grid: Grid) -> Indices:
    """(N,) the part that each step belongs to, counted from 0."""
    sections = int(grid.section[-1]) + 1
    first = np.array([grid.bar[grid.section == number].min() for number in range(sections)])
    in_section = np.maximum(grid.bar - np.maximum(first, 0)[grid.section], 0)
    count = np.array(
        [max(1, round((in_section[grid.section == number].max() + 1) / PART_BARS)) for number in range(sections)]
    )
    within = np.minimum(in_section // PART_BARS, count[grid.section] - 1)
    return np.asarray(np.cumsum(np.diff(grid.section * len(grid) + within, prepend=0) != 0), np.int64)


def step_energies(dynamics: Dynamics) -> Floats:
    """(N,) energy of each step, 0..1, on a scale that is the same for every piece."""
    dense, loud = np.interp(dynamics.density, DENSITY, SHARES), np.interp(dynamics.loudness, LOUDNESS, SHARES)
    return np.asarray((dense + loud) / 2, float)


def part_energies(dynamics: Dynamics, part: Indices) -> Floats:
    """(P,) energy of each part, 0..1, with the contrast within the piece raised and the opening lowered."""
    steps = step_energies(dynamics)
    mean = np.bincount(part, steps) / np.bincount(part)
    energy = steps.mean() + CONTRAST * (mean - steps.mean())
    if len(mean) > 1:
        energy[0] -= OPENING
    return np.asarray(np.clip(energy, 0, 1), float)


def active_instruments(style: Style, part: Indices, energy: Floats) -> Flags:
    """(I, N) whether each of the style's instruments plays at each step, given the energy (P,) of the parts.

    In a part where none but drums would play, all instruments but the drums do.
    """
    number, count = np.arange(len(energy)), len(energy)
    rows = []
    for instrument in style.instruments:
        plays = (energy >= instrument.from_energy) & (energy <= instrument.until_energy)
        if count > instrument.enters - 1 + instrument.leaves:  # both are ignored in pieces too short for them
            plays &= (number >= instrument.enters - 1) & (number < count - instrument.leaves)
        rows.append(plays)
    active = np.array(rows)
    pitched = np.array([not instrument.drums for instrument in style.instruments])
    active[np.ix_(pitched, ~active[pitched].any(0))] = True
    return np.asarray(active[:, part])


def players_by_part(style: Style, part: Indices, active: Flags) -> tuple[tuple[Instrument, ...], ...]:
    """The instruments of each part, drums left out, given which of them are active (I, N)."""
    first_steps = np.flatnonzero(np.diff(part, prepend=-1))
    return tuple(
        tuple(one for one, plays in zip(style.instruments, active[:, step], strict=True) if plays and not one.drums)
        for step in first_steps
    )
