"""A look-ahead limiter and the gain that brings a sound to a loudness.

Peaks are kept under a ceiling by a gain that goes down before a peak and comes back slowly after it. It is computed in
advance from the peaks of the whole piece: lowest over a span and its neighbours, it falls within 10 ms before them and
rises again by no more than so many dB a second. The loudness after gain and limiting follows from the profile, so the
samples are read once to measure and once to apply.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from emotion.midi.synthesis import SAMPLE_RATE, Samples
from video2music.mixing.loudness import SPAN, SPANS_PER_STEP, Curve, Profile, integrated, lufs_of

CEILING_DB = -1.5  # dBTP; the rest to -1 is for 16-bit rounding, for how the gain moves and for what AAC makes of it
RELEASE_DB_PER_S = 60.0
MAX_LIMITING_DB = 12.0  # a piece that would need more stays softer than the target
MAX_GAIN_DB = 50.0  # audio softer than that is probably noise
_LOOKAHEAD = 3  # spans, 10 ms
_NEAR_LU = 0.02
_MAX_ROUNDS = 40  # strong limiting removes most of what a gain adds, so that the last tenths converge slowly
_NOTHING = 1e-13  # mean square, -130 dB


@dataclass(frozen=True)
class Gain:
    """A fixed gain in dB and a limiting (spans,) in dB, at most 0, that together reach a loudness."""

    fixed_db: float
    limiting_db: Curve

    @property
    def limited_db(self) -> float:
        """The limiter's largest gain reduction, in dB, at least 0."""
        return abs(float(self.limiting_db.min(initial=0.0)))

    @property
    def linear(self) -> Curve:
        """Both together, one number a span."""
        return 10 ** ((self.fixed_db + self.limiting_db) / 20)


def gain_for(profile: Profile, lufs: float, *, release_db_per_s: float = RELEASE_DB_PER_S) -> Gain:
    """The gain that brings a sound to an integrated loudness under the ceiling, as near as the bounds allow.

    Limiting makes it softer, which more gain makes up for. Silence gets 0 dB.
    """
    loud = _loudness(profile.energy)
    if loud is None:
        return Gain(0.0, np.zeros_like(profile.peaks))
    fixed_db = 0.0
    for _ in range(_MAX_ROUNDS):
        fixed_db += lufs - loud
        fixed_db = min(fixed_db, MAX_GAIN_DB, CEILING_DB + MAX_LIMITING_DB - profile.peak_db)
        gain = Gain(fixed_db, limiting(profile.peaks, fixed_db, release_db_per_s=release_db_per_s))
        power = np.square(gain.linear).reshape(-1, SPANS_PER_STEP).mean(axis=1)
        loud = _loudness(profile.energy * power) or 0.0
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
    # The gain is interpolated between spans, and a peak may be noted one span late: hence one before, two after.
    early = np.pad(np.minimum(released, 0), (_LOOKAHEAD + 1, _LOOKAHEAD + 2), mode="edge")
    lowest = np.lib.stride_tricks.sliding_window_view(early, _LOOKAHEAD + 4).min(axis=1)
    weights = np.hanning(_LOOKAHEAD + 3)[1:-1]  # a raised cosine
    return np.convolve(lowest, weights / weights.sum(), mode="valid")


def applied(blocks: Iterable[Samples], gain: Curve) -> Iterator[Samples]:
    """Blocks of whole spans (the last may be any) times a linear gain (spans,), interpolated between spans' middles."""
    first = 0
    for block in blocks:
        frames = len(block)
        spans = np.arange(first - 1, first + -(-frames // SPAN) + 1)  # one more at both sides, to interpolate between
        near = gain[np.clip(spans, 0, len(gain) - 1)]
        if near.min() == near.max():
            by_frame = np.full(frames, near[0], np.float32)
        else:
            middles = (np.arange(frames) + 0.5) / SPAN - 0.5
            by_frame = np.interp(middles, spans - first, near).astype(np.float32)
        yield block * by_frame[:, None]
        first += frames // SPAN


def _loudness(energy: Curve) -> float | None:
    """Integrated loudness; ungated, of all that is not silent, where no block passes the gates; None for silence."""
    loud = integrated(energy)
    if loud is None and energy.max(initial=0.0) > _NOTHING:
        loud = lufs_of(float(energy[energy > _NOTHING].mean()))
    return loud


def raised_cosine(share: Curve) -> Curve:
    """0 to 1 along half a cosine while `share` goes from 0 to 1, and constant beyond."""
    return 0.5 - 0.5 * np.cos(np.pi * np.clip(share, 0, 1))
