"""Blocks of sound become a finished WAV: safe level, clean beginning and end, exact length, flat memory.

The level is not evened out from piece to piece: what was asked for louder stays louder. One gain holds for the whole
piece; it is 0 dB unless the peak would pass the ceiling or the piece would be too faint to hear.
"""

import logging
import math
import wave
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from emotion.files import PARTIAL
from emotion.synthesis import SAMPLE_RATE
from video2music.media import whole_file

log = logging.getLogger(__name__)

CEILING_DB = -1.0
FAINTEST_RMS_DB = -40.0  # a quieter piece is raised to this, as far as the ceiling lets it
SILENCE_DB = -120.0  # stands for no sound at all
FADE_IN_S = 0.005
FADE_OUT_S = 0.5
_FULL_SCALE = 32767
_FRAME_BYTES = 2 * 4  # stereo float32

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class MixReport:
    """Levels of the finished WAV in dB of full scale, the gain that led to them, and its length in frames."""

    peak_db: float
    rms_db: float
    gain_db: float
    frames: int


def master(
    blocks: Iterable[Samples],
    out: Path,
    *,
    duration_s: float,
    sample_rate: int = SAMPLE_RATE,
    ceiling_db: float = CEILING_DB,
    fade_out_s: float = FADE_OUT_S,
) -> MixReport:
    """Write blocks (frames, 2) as a 16-bit stereo WAV of exactly round(duration_s * sample_rate) frames.

    What is missing at the end is silence, what is too much is cut. The faded sound waits in a file beside `out`, so
    that no more than a block is in memory. Raises MediaError when `out` cannot be written.
    """
    frames = round(duration_s * sample_rate)
    faded = _faded(_exactly(blocks, frames, sample_rate), frames, sample_rate, fade_out_s)
    with whole_file(out) as partial:
        waiting = partial.with_suffix(f".raw{PARTIAL}")
        try:
            with waiting.open("wb") as file:
                level = _measure(faded, file)
            gain_db = level.gain_db(ceiling_db)
            with waiting.open("rb") as file, partial.open("wb") as target:
                _write_wav(file, target, 10 ** (gain_db / 20), sample_rate)
        finally:
            waiting.unlink(missing_ok=True)
    if not level.peak:
        log.warning("%s is silent: there was nothing to play", out.name)
    return MixReport(_db(level.peak, gain_db), _db(level.rms, gain_db), round(gain_db, 2), frames)


@dataclass
class _Level:
    """Highest sample and root mean square, linear."""

    peak: float = 0.0
    rms: float = 0.0

    def gain_db(self, ceiling_db: float) -> float:
        """0 dB, up to FAINTEST_RMS_DB for a faint piece, and never above the ceiling."""
        if not self.peak:
            return 0.0
        wanted = max(0.0, FAINTEST_RMS_DB - 20 * math.log10(self.rms))
        return min(wanted, ceiling_db - 20 * math.log10(self.peak))


def _measure(blocks: Iterable[Samples], file: BinaryIO) -> _Level:
    """Store the blocks and return their level."""
    peak, power, count = 0.0, 0.0, 0
    for block in blocks:
        file.write(np.ascontiguousarray(block, "<f4").data)
        peak = max(peak, float(np.abs(block).max(initial=0.0)))
        power += float(np.square(block, dtype=np.float64).sum())
        count += block.size
    return _Level(peak, math.sqrt(power / count) if count else 0.0)


def _write_wav(file: BinaryIO, target: BinaryIO, gain: float, sample_rate: int) -> None:
    with wave.open(target, "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(sample_rate)
        while data := file.read(sample_rate * _FRAME_BYTES):
            samples = np.frombuffer(data, "<f4") * (gain * _FULL_SCALE)
            wav.writeframes(np.rint(samples).astype("<i2").tobytes())


def _exactly(blocks: Iterable[Samples], frames: int, sample_rate: int) -> Iterator[Samples]:
    """The blocks, cut or filled with silence to `frames` frames in all."""
    left = frames
    for block in blocks:
        part = block[:left]
        left -= len(part)
        if len(part):
            yield part
        if not left:
            return
    while left:
        length = min(left, sample_rate)
        yield np.zeros((length, 2), np.float32)
        left -= length


def _faded(blocks: Iterable[Samples], frames: int, sample_rate: int, fade_out_s: float) -> Iterator[Samples]:
    """Raised-cosine fades: a few ms in, fade_out_s (a quarter of the piece at most) out; the last sample is silence."""
    rise = min(round(FADE_IN_S * sample_rate), frames // 4)
    fall = min(round(fade_out_s * sample_rate), frames // 4)
    start = 0
    for block in blocks:
        place = np.arange(start, start + len(block))
        start += len(block)
        if place[0] < rise or place[-1] >= frames - max(fall, 1):
            inwards = np.clip((place + 1) / max(rise, 1), 0, 1)
            outwards = np.clip((frames - 1 - place) / max(fall, 1), 0, 1)
            yield block * (_cosine(inwards) * _cosine(outwards))[:, None].astype(np.float32)
        else:
            yield block


def _cosine(share: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.5 - 0.5 * np.cos(np.pi * share)


def _db(level: float, gain_db: float) -> float:
    return round(20 * math.log10(level) + gain_db, 2) if level else SILENCE_DB
