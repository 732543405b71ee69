"""The grid of steps: where each chord lies in time, bars, sections and parts, and who plays there.

The ensemble: how much energy each part of a piece has, and who plays in it.

A part is a section, long ones in eights of bars. A step's energy is the mean of two shares: how many of MuVi-Sync's
seconds have fewer notes than its density, and how many are softer than its loudness. So it means the same in every
piece. Within a piece parts differ less than they sound, for what a regressor predicts keeps near the mean: a part's
distance from the piece's mean energy counts CONTRAST times. The opening part is held back by OPENING.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from video2music.styles import SILENCE, Instrument, Pattern, Style
from video2music.values import Dynamics, Form


@dataclass(frozen=True)
class Grid:
    """Where each step lies: seconds, bar, section, steps since the section's downbeat; and a step's usual length.

    A bar that is shorter than the others counts as whole in the steps since the downbeat, so that figures keep to the
    bars. `beats` is how many a step has, `part` the part of the piece it lies in; `bands` tells who plays in each part,
    drums left out.
    """

    starts_s: NDArray[np.float64]
    ends_s: NDArray[np.float64]
    bar: NDArray[np.int64]
    section: NDArray[np.int64]
    phase: NDArray[np.int64]
    usual_s: float
    beats: NDArray[np.int64]
    part: NDArray[np.int64]
    bands: tuple[tuple[Instrument, ...], ...] = ((),)

    @classmethod
    def of(cls, form: Form) -> "Grid":
        """The grid of all steps; those of a pickup belong to the first section, in bar -1 and at phases below 0."""
        starts_s, ends_s = form.steps_s, form.step_ends_s
        heads_s = np.array([section.start_s for section in form.sections])
        section = np.maximum(np.searchsorted(heads_s, starts_s + 1e-6) - 1, 0)
        bar = np.searchsorted(form.bars_s, starts_s + 1e-6) - 1
        phase = _phases(form, bar, section, heads_s)
        return cls(
            starts_s,
            ends_s,
            bar,
            section,
            phase,
            float(np.median((ends_s - starts_s)[:-1] if len(form) > 1 else ends_s)),
            beats_of(form),
            np.zeros_like(bar),
        )

    def __len__(self) -> int:
        return len(self.starts_s)

    def octaves(self, voice: str) -> NDArray[np.int64]:
        """(N,) at how many pitches a voice is played at each step; 0 where nobody plays it."""
        heard = [len({player.transpose for player in band if voice in player.voices}) for band in self.bands]
        return np.array(heard)[self.part]

    def columns(self, figure: Pattern | None, voice: str, step: int) -> str:
        """What a voice does during a step; a pickup shorter than the other steps has the columns it has time for."""
        if figure is None:
            return SILENCE
        columns = figure.columns(voice, int(self.phase[step]))
        share = (self.ends_s[step] - self.starts_s[step]) / self.usual_s
        return columns[: max(1, round(len(columns) * share))] if share < 0.75 and not figure.fitted else columns


def beats_of(form: Form) -> NDArray[np.int64]:
    """(N,) how many beats each step of a form has, one at least."""
    begun = np.searchsorted(form.beats_s, np.append(form.steps_s, np.inf) - 1e-6)
    return np.maximum(np.diff(begun), 1)


def _phases(
    form: Form, bar: NDArray[np.int64], section: NDArray[np.int64], heads_s: NDArray[np.float64]
) -> NDArray[np.int64]:
    """(N,) steps since the section's downbeat; below 0 in a pickup."""
    first = np.searchsorted(form.steps_s, form.bars_s - 1e-6)  # step of each downbeat
    usual = max(1, int(np.diff(first).max(initial=1)))
    head = np.searchsorted(form.bars_s, heads_s + 1e-6) - 1
    within = np.arange(len(bar)) - first[np.maximum(bar, 0)]
    whole = np.maximum(bar, 0) - np.maximum(head, 0)[section]
    return np.asarray(whole * usual + within, np.int64)


PART_BARS = 8  # a section of one and a half times this or more is divided
CONTRAST = 2.0
OPENING = 0.12
# MuVi-Sync's density and loudness below which these shares of its 191,000 seconds lie.
SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
DENSITY = (0.0, 3.0, 6.0, 10.0, 14.0, 18.0, 26.0)
LOUDNESS = (0.0, 0.045, 0.098, 0.164, 0.246, 0.314, 0.4)

Row = NDArray[np.float64]
Whole = NDArray[np.int64]


def parts(grid: Grid) -> Whole:
    """(N,) the part that each step lies in, counted from 0."""
    sections = int(grid.section[-1]) + 1
    first = np.array([grid.bar[grid.section == number].min() for number in range(sections)])
    in_section = np.maximum(grid.bar - np.maximum(first, 0)[grid.section], 0)
    many = np.array(
        [max(1, round((in_section[grid.section == number].max() + 1) / PART_BARS)) for number in range(sections)]
    )
    within = np.minimum(in_section // PART_BARS, many[grid.section] - 1)
    return np.asarray(np.cumsum(np.diff(grid.section * len(grid) + within, prepend=0) != 0), np.int64)


def energy_of(dynamics: Dynamics) -> Row:
    """(N,) energy of each step, 0..1, the same in every piece."""
    dense, loud = np.interp(dynamics.density, DENSITY, SHARES), np.interp(dynamics.loudness, LOUDNESS, SHARES)
    return np.asarray((dense + loud) / 2, float)


def energies(dynamics: Dynamics, part: Whole) -> Row:
    """(P,) energy of each part, 0..1, with the contrast within the piece and the opening held back."""
    steps = energy_of(dynamics)
    mean = np.bincount(part, steps) / np.bincount(part)
    lifted = steps.mean() + CONTRAST * (mean - steps.mean())
    if len(mean) > 1:
        lifted[0] -= OPENING
    return np.clip(lifted, 0, 1)


def active_instruments(style: Style, part: Whole, energy: Row) -> NDArray[np.bool_]:
    """(I, N) whether each of the style's instruments plays at each step.

    Where nobody but drums would, all instruments of the style do, but the drums.
    """
    there = np.array([_in_parts(instrument, energy) for instrument in style.instruments])
    melodic = np.array([not instrument.drums for instrument in style.instruments])
    there[np.ix_(melodic, ~there[melodic].any(0))] = True
    return np.asarray(there[:, part])


def _in_parts(instrument: Instrument, energy: Row) -> NDArray[np.bool_]:
    """(P,) the parts an instrument plays in. Its place counts in pieces that are long enough for it."""
    number, count = np.arange(len(energy)), len(energy)
    wanted = (energy >= instrument.from_energy) & (energy <= instrument.until_energy)
    if count > instrument.enters - 1 + instrument.leaves:
        wanted &= (number >= instrument.enters - 1) & (number < count - instrument.leaves)
    return wanted


def bands(style: Style, part: Whole, there: NDArray[np.bool_]) -> tuple[tuple[Instrument, ...], ...]:
    """Who plays in each part, drums left out, given who is there at each step (I, N)."""
    heads = np.flatnonzero(np.diff(part, prepend=-1))
    return tuple(
        tuple(one for one, plays in zip(style.instruments, there[:, head], strict=True) if plays and not one.drums)
        for head in heads
    )
