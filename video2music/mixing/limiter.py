"""Peaks are held under a ceiling by a gain that goes down before a peak and comes back slowly after it.

The gain is known in advance from the peaks of the whole piece, so nothing is ever too late: it is lowest over a span
and its neighbours, eases down within 10 ms before them and rises again by no more than so many dB a second. What a gain
and its limiting do to the loudness follows from the profile, without another look at the samples.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotion.midi.synthesis import SAMPLE_RATE, Samples
from video2music.mixing.loudness import SPAN, SPANS_PER_STEP, Curve, Profile, integrated, lufs_of

CEILING_DB = -1.5  # dBTP; the rest to -1 is for 16-bit rounding, for how the gain moves and for what AAC makes of it
RELEASE_DB_PER_S = 60.0
MOST_LIMITED_DB = 12.0  # a piece that would need more stays fainter than it was to be
MOST_GAIN_DB = 50.0  # what is fainter than that is hardly meant to be heard
_AHEAD = 3  # spans, 10 ms
_NEAR_LU = 0.02
_MOST_ROUNDS = 40  # much limiting takes most of what a gain adds, so that the last tenths come slowly
_NOTHING = 1e-13  # mean square, -130 dB


@dataclass(frozen=True)
class Gain:
    """What makes a sound as loud as it is to be: a fixed gain in dB and a limiting (spans,) in dB, at most 0."""

    fixed_db: float
    limiting_db: Curve

    @property
    def limited_db(self) -> float:
        """The most that the limiter takes, in dB, at least 0."""
        return abs(float(self.limiting_db.min(initial=0.0)))

    @property
    def linear(self) -> Curve:
        """Both together, one number a span."""
        return 10 ** ((self.fixed_db + self.limiting_db) / 20)


def gain_for(profile: Profile, lufs: float, *, release_db_per_s: float = RELEASE_DB_PER_S) -> Gain:
    """The gain that brings a sound to an integrated loudness under the ceiling, as near as the bounds let it.

    Limiting makes it fainter, which more gain makes up for. Silence gets 0 dB.
    """
    loud = _loudness(profile.energy)
    if loud is None:
        return Gain(0.0, np.zeros_like(profile.peaks))
    fixed_db = 0.0
    for _ in range(_MOST_ROUNDS):
        fixed_db += lufs - loud
        fixed_db = min(fixed_db, MOST_GAIN_DB, CEILING_DB + MOST_LIMITED_DB - profile.peak_db)
        gain = Gain(fixed_db, limiting(profile.peaks, fixed_db, release_db_per_s=release_db_per_s))
        loud = _after(profile, gain)
        if abs(loud - lufs) < _NEAR_LU:
            break
    return gain


def limiting(peaks: Curve, gain_db: float, *, release_db_per_s: float = RELEASE_DB_PER_S) -> Curve:
    """Decibels (spans,) at most 0 that keep peaks (spans,), raised by a gain, under CEILING_DB."""
    over_db = gain_db - CEILING_DB + 20 * np.log10(np.maximum(peaks, 1e-9))
    if not len(peaks) or over_db.max() <= 0:
        return np.zeros_like(peaks)
    fall = np.arange(len(peaks)) * (release_db_per_s * SPAN / SAMPLE_RATE)
    released = fall + np.minimum.accumulate(np.minimum(-over_db, 0) - fall)
    # Samples between two spans take from both, and a peak may be noted one span late: hence one before, two after.
    early = np.pad(np.minimum(released, 0), (_AHEAD + 1, _AHEAD + 2), mode="edge")
    lowest = np.lib.stride_tricks.sliding_window_view(early, _AHEAD + 4).min(axis=1)
    return np.convolve(lowest, _ease(), mode="valid")


def applied(blocks: Iterable[Samples], gain: Curve) -> Iterator[Samples]:
    """Blocks of whole spans (the last may be any) times a linear gain (spans,), straight from middle to middle."""
    first = 0
    for block in blocks:
        yield block * between(gain, first, len(block))[:, None]
        first += len(block) // SPAN


def between(gain: Curve, first: int, frames: int) -> NDArray[np.float32]:
    """A gain (spans,) for each of some frames from the span `first` on."""
    spans = np.arange(first - 1, first + -(-frames // SPAN) + 1)
    near = gain[np.clip(spans, 0, len(gain) - 1)]
    if near.min() == near.max():
        return np.full(frames, near[0], np.float32)
    middles = (np.arange(frames) + 0.5) / SPAN - 0.5
    return np.interp(middles, spans - first, near).astype(np.float32)


def _ease() -> Curve:
    """Weights of a raised cosine that add up to 1."""
    weights = np.hanning(_AHEAD + 3)[1:-1]
    return weights / weights.sum()


def _after(profile: Profile, gain: Gain) -> float:
    power = np.square(gain.linear).reshape(-1, SPANS_PER_STEP).mean(axis=1)
    return _loudness(profile.energy * power) or 0.0


def _loudness(energy: Curve) -> float | None:
    """Integrated loudness, of all that sounds where the gates let nothing through; None for silence."""
    loud = integrated(energy)
    if loud is None and energy.max(initial=0.0) > _NOTHING:
        loud = lufs_of(float(energy[energy > _NOTHING].mean()))
    return loud
