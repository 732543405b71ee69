"""Synthetic speech for tests, by espeak-ng, so that its times are known."""

import shutil
import subprocess
import wave
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

RATE = 44_100
SENTENCES = (
    "The river was quiet that morning, and nobody had seen the boat.",
    "We waited on the bank for an hour, talking about the weather.",
    "Then the engine came around the bend, and everybody got up.",
)


def talk(voice: str, *, gap_s: float = 4.0, level: float = 0.3) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Three sentences with silence before, between and after: samples (frames, 2), from when to when each sounds."""
    parts, times, now = [np.zeros(round(gap_s * RATE))], [], gap_s
    for sentence in SENTENCES:
        said = speak(voice, sentence)
        times.append((now, now + len(said) / RATE))
        parts += [level * said, np.zeros(round(gap_s * RATE))]
        now = sum(map(len, parts)) / RATE
    return stereo(np.concatenate(parts)), times


@cache
def speak(voice: str, sentence: str) -> np.ndarray:
    """A sentence (frames,) at RATE from its first to its last sound, peak 1."""
    from scipy.signal import resample_poly

    program = shutil.which("espeak-ng")
    if program is None:
        pytest.skip("espeak-ng is not installed here")
    with TemporaryDirectory() as folder:
        path = Path(folder, "said.wav")
        subprocess.run([program, "-v", voice, "-w", str(path), sentence], check=True, capture_output=True)
        with wave.open(str(path)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
            samples = resample_poly(samples, RATE, file.getframerate())
    loud = np.flatnonzero(np.abs(samples) > 1e-3)
    samples = samples[loud[0] : loud[-1] + 1]
    return samples / np.abs(samples).max()


def stereo(mono: np.ndarray) -> np.ndarray:
    return np.stack([mono, mono], axis=1).astype(np.float32)


def seconds(samples: np.ndarray) -> list[np.ndarray]:
    """Blocks of a second, the last shorter."""
    return [samples[start : start + RATE] for start in range(0, len(samples), RATE)]


def within(times: list[tuple[float, float]], now_s: np.ndarray, *, wider_s: float = 0.0) -> np.ndarray:
    """Which moments lie in one of some stretches, each made wider at both ends."""
    return np.any([(now_s >= start - wider_s) & (now_s < end + wider_s) for start, end in times], axis=0)
