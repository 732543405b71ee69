"""Loudness by ITU-R BS.1770-5, in LUFS, and true peaks, in dBTP, measured block by block.

The recommendation gives the coefficients of its weighting filters for 48 kHz; here they are derived for 44.1 kHz from
the analog filters behind them, a shelf of 4 dB above 1.7 kHz and a high-pass at 38 Hz (see also EBU Tech 3341). A true
peak is the highest sample after four times oversampling (Annex 2 of the recommendation).

Why not FFmpeg's `ebur128`, which PyAV has: it gives loudness and peaks once in 100 ms, while ducking and limiting need
the energy of each 10 ms and the true peaks of each 3.3 ms, from which the loudness after any gain is computed without
reading the samples again. The tests compare the two.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from emotion.midi.synthesis import SAMPLE_RATE, Samples

STEP = 441  # frames, 10 ms: the resolution of energy
SPAN = 147  # frames, 3.3 ms: the resolution of true peaks and gains
SPANS_PER_STEP = STEP // SPAN
SILENCE_DB = -120.0  # stands for digital silence

GATE_STEPS = 40  # blocks of 400 ms ...
_HOP_STEPS = 10  # ... of which three quarters overlap
_ABSOLUTE_LUFS, _RELATIVE_LU = -70.0, -10.0
_OFFSET_LUFS = -0.691

_OVERSAMPLED = 4
_TAPS = 24  # of each phase
_HALF = _TAPS // 2
_PIECE = 49  # frames that one matrix product oversamples
_KAISER = 7.0

Curve = NDArray[np.float64]


@dataclass(frozen=True)
class Profile:
    """The loudness of a sound over time.

    energy   (steps,) weighted mean square of each STEP frames, left and right added
    peaks    (spans,) highest true peak of each SPAN frames, linear; up to 13 frames late
    frames   its length in frames
    """

    energy: Curve
    peaks: Curve
    frames: int

    @property
    def lufs(self) -> float | None:
        """Integrated loudness; None for silence and for sound without a block above -70 LUFS."""
        return integrated(self.energy)

    @property
    def peak_db(self) -> float:
        """Highest true peak in dBTP."""
        return decibels(float(self.peaks.max(initial=0.0)))


class Meter:
    """Measures blocks (frames, 2) one after the other, all but the last a multiple of STEP frames long."""

    def __init__(self) -> None:
        self._weighting = _weighting()
        self._state = np.zeros((len(self._weighting), 2, 2))
        self._tail = np.zeros((_TAPS, 2), np.float32)
        self._energy: list[Curve] = []
        self._peaks: list[Curve] = []
        self._frames = 0

    def add(self, block: Samples) -> None:
        """Measure the next block."""
        self._frames += len(block)
        block = np.pad(block, ((0, -len(block) % STEP), (0, 0)))
        self._energy.append(self._step_energies(block))
        self._peaks.append(self._span_peaks(block))

    def profile(self) -> Profile:
        """What was measured; no block can be added after it."""
        if self._frames:
            self._peaks[-1][-1] = max(self._peaks[-1][-1], self._span_peaks(np.zeros((STEP, 2), np.float32))[0])
        energy, peaks = (np.concatenate([np.zeros(0), *parts]) for parts in (self._energy, self._peaks))
        return Profile(energy, peaks, self._frames)

    def _step_energies(self, block: Samples) -> Curve:
        from scipy.signal import sosfilt

        filtered, self._state = sosfilt(self._weighting, block, axis=0, zi=self._state)
        return np.asarray(np.square(filtered).reshape(-1, STEP, 2).mean(axis=1).sum(axis=1), float)

    def _span_peaks(self, block: Samples) -> Curve:
        held = np.concatenate([self._tail, block])
        self._tail = held[-_TAPS:]  # the filter looks back over this many frames
        highest = np.abs(block).reshape(-1, SPAN, 2).max(axis=(1, 2))
        pieces = np.lib.stride_tricks.sliding_window_view(held, _PIECE + _TAPS, axis=0)[::_PIECE][
            : len(block) // _PIECE
        ]
        for side in range(2):
            between = pieces[:, side] @ _interpolation()
            between = np.maximum(between.max(axis=1), -between.min(axis=1))
            highest = np.maximum(highest, between.reshape(-1, SPAN // _PIECE).max(axis=1))
        return np.asarray(highest, np.float64)


def measured(blocks: Iterable[Samples]) -> Profile:
    """The profile of blocks (frames, 2), all but the last a multiple of STEP frames long."""
    meter = Meter()
    for block in blocks:
        meter.add(block)
    return meter.profile()


def integrated(energy: Curve) -> float | None:
    """Gated loudness in LUFS of weighted energy (steps,); None where no block passes the gate.

    Sound shorter than a block of 400 ms counts as one block.
    """
    blocks = _gating_blocks(energy)
    blocks = blocks[blocks > _energy_of(_ABSOLUTE_LUFS)]
    if not len(blocks):
        return None
    # The second, relative gate leaves out pauses, which would make a piece seem softer than it is.
    gate = _energy_of(lufs_of(blocks.mean()) + _RELATIVE_LU)
    return lufs_of(blocks[blocks > gate].mean())


def lufs_of(energy: float) -> float:
    """LUFS of a weighted mean square above 0."""
    return _OFFSET_LUFS + 10 * math.log10(energy)


def decibels(level: float) -> float:
    """dB of a linear level, SILENCE_DB at least."""
    return max(20 * math.log10(level), SILENCE_DB) if level > 0 else SILENCE_DB


def _gating_blocks(energy: Curve) -> Curve:
    """Mean energy of each block of 400 ms, one every 100 ms."""
    if len(energy) < GATE_STEPS:
        return energy.mean(keepdims=True) if len(energy) else energy
    sums = np.concatenate([[0.0], np.cumsum(energy)])
    return np.asarray((sums[GATE_STEPS::_HOP_STEPS] - sums[:-GATE_STEPS:_HOP_STEPS]) / GATE_STEPS, float)


def _energy_of(lufs: float) -> float:
    return 10 ** ((lufs - _OFFSET_LUFS) / 10)


@lru_cache(maxsize=1)
def _weighting() -> Curve:
    """(2, 6) second-order sections at 44.1 kHz of the shelf and the high-pass, pre-warped to keep their corners."""
    # Corner, gain and quality are those whose digital filters at 48 kHz have the recommendation's coefficients.
    return np.stack([_shelf(1681.974450955533, 3.999843853973347, 0.7071752369554196), _high_pass(38.13547087602444)])


def _shelf(corner_hz: float, gain_db: float, quality: float) -> Curve:
    warped, high = math.tan(math.pi * corner_hz / SAMPLE_RATE), 10 ** (gain_db / 20)
    middle, square, slope = high**0.4996667741545416, warped**2, warped / quality
    norm = 1 + slope + square
    over = [high + middle * slope + square, 2 * (square - high), high - middle * slope + square]
    return np.array([*over, norm, 2 * (square - 1), 1 - slope + square]) / norm


def _high_pass(corner_hz: float, quality: float = 0.5003270373238773) -> Curve:
    warped = math.tan(math.pi * corner_hz / SAMPLE_RATE)
    square, slope = warped**2, warped / quality
    norm = 1 + slope + square
    under = [1.0, 2 * (square - 1) / norm, (1 - slope + square) / norm]
    return np.array([1.0, -2.0, 1.0, *under])


@lru_cache(maxsize=1)
def _interpolation() -> Samples:
    """(49 + 24, 3 * 49) windowed-sinc weights of the three samples between each two of a piece and its neighbours."""
    kernel = np.zeros((_PIECE + _TAPS, _OVERSAMPLED - 1, _PIECE), np.float32)
    place = np.arange(_TAPS)
    for phase in range(1, _OVERSAMPLED):
        away = place - (_HALF - 1) - phase / _OVERSAMPLED
        taps = np.sinc(away) * np.i0(_KAISER * np.sqrt(np.maximum(1 - (away / _HALF) ** 2, 0))) / np.i0(_KAISER)
        for frame in range(_PIECE):
            kernel[frame : frame + _TAPS, phase - 1, frame] = taps
    return kernel.reshape(_PIECE + _TAPS, -1)
