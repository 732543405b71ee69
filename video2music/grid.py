"""The grid of steps: where each chord lies in time, bars, sections and parts, and who plays there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from video2music.styles import SILENCE, Instrument, Pattern
from video2music.values import Form


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
