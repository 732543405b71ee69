"""A clip's own audio in time with its picture: stereo at 44.1 kHz, block by block, from the first frame on.

Where the file has no audio, because it begins later, has a gap or is damaged, there is silence of the same length, and
the audio beside it is faded over 5 ms. What comes twice, or before the first frame, is left out.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from emotion.midi.synthesis import SAMPLE_RATE, Samples
from video2music.media.clip import NEW_TIMELINE_S, decoded, first_picture, open_clip

log = logging.getLogger(__name__)

JITTER_S = 0.05  # a time stamp that is off by less is rounding, not a gap
MAX_LEVEL = 4.0  # linear; files of floats may hold anything
_EDGE = 220  # frames, 5 ms


@dataclass(frozen=True)
class Soundtrack:
    """The audio of a clip; `start_s` is the time stamp of the first frame by the file's own clock."""

    path: Path
    start_s: float

    def blocks(self) -> Iterator[Samples]:
        """float32 (frames, 2), any number of frames each, to the end of the audio. Raises MediaError."""
        with open_clip(self.path) as container:
            stream = _stream(container)
            done = 0
            if stream is None:
                return
            for (_, start_s), group in groupby(_by_run(decoded(container, stream, self.path)), lambda item: item[0]):
                at = round((start_s - self.start_s) * SAMPLE_RATE)
                for gap in range(done, at, SAMPLE_RATE):  # silence, in blocks of a second at most
                    yield np.zeros((min(at - gap, SAMPLE_RATE), 2), np.float32)
                done = max(done, at)
                for block in _with_edges_faded(_without_first(done - at, _resampled(frame for _, frame in group))):
                    done += len(block)
                    yield block


def soundtrack(clip: Path) -> Soundtrack | None:
    """The audio stream that players choose in a clip, None without one that can be decoded. Raises MediaError."""
    with open_clip(clip) as container:
        if _stream(container) is None:
            return None
        return Soundtrack(clip, first_picture(container, clip).time or 0.0)


def _stream(container: InputContainer) -> AudioStream | None:
    stream = container.streams.best("audio")
    if stream is None and container.streams.audio:
        log.warning("%s: its audio is in a codec that this FFmpeg cannot decode", container.name)
    return stream if isinstance(stream, AudioStream) and stream.codec_context is not None else None


def _by_run(frames: Iterable[AudioFrame]) -> Iterator[tuple[tuple[int, float], AudioFrame]]:
    """Frames with the number and the start of their run: a run has no gap and one format."""
    run, start_s, played_s, shift_s, form = -1, 0.0, 0.0, 0.0, None
    for frame in frames:
        expected_s = start_s + played_s
        time_s = expected_s if frame.time is None else frame.time + shift_s
        if run >= 0 and expected_s - time_s > NEW_TIMELINE_S:  # the file's clock was reset
            shift_s += expected_s - time_s
            time_s = expected_s
        own = frame.format.name, frame.layout.name, frame.sample_rate
        if own != form or abs(time_s - expected_s) > JITTER_S:
            run, start_s, played_s, form = run + 1, time_s, 0.0, own
        played_s += frame.samples / frame.sample_rate
        yield (run, start_s), frame


def _resampled(frames: Iterable[AudioFrame]) -> Iterator[Samples]:
    resampler = AudioResampler(format="flt", layout="stereo", rate=SAMPLE_RATE)
    for frame in frames:
        frame.pts = None  # gaps are dealt with in `blocks`; the resampler must not fill or cut
        yield from map(_stereo, resampler.resample(frame))
    yield from map(_stereo, resampler.resample(None))


def _stereo(frame: AudioFrame) -> Samples:
    samples = np.nan_to_num(frame.to_ndarray().reshape(-1, 2), nan=0.0)
    return np.asarray(np.clip(samples, -MAX_LEVEL, MAX_LEVEL), np.float32)


def _without_first(frames: int, blocks: Iterable[Samples]) -> Iterator[Samples]:
    """Blocks without their first frames."""
    for block in blocks:
        kept = block[max(frames, 0) :]
        frames -= len(block)
        if len(kept):
            yield kept


def _with_edges_faded(blocks: Iterable[Samples]) -> Iterator[Samples]:
    """Blocks with a short fade at both ends, so that audio next to silence does not click."""
    rise = np.hanning(2 * _EDGE)[:_EDGE, None].astype(np.float32)
    held, begun = np.zeros((0, 2), np.float32), 0
    for block in blocks:
        weights = rise[begun : begun + len(block)]
        begun += len(weights)
        held = np.concatenate([held, block[: len(weights)] * weights, block[len(weights) :]])
        if len(held) > _EDGE:
            yield held[:-_EDGE]
            held = held[-_EDGE:]
    yield held * rise[::-1][-len(held) :] if len(held) else held


def mono_chunks(blocks: Iterable[Samples], *, rate: int, size: int) -> Iterator[Samples]:
    """Blocks (frames, 2) at 44.1 kHz as mono (size,) at another rate, the last padded with silence."""
    resampler = AudioResampler(format="flt", layout="mono", rate=rate, frame_size=size)
    done = 0
    for block in blocks:
        frame = AudioFrame.from_ndarray(block.mean(axis=1, dtype=np.float32)[None], "flt", "mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, done, Fraction(1, SAMPLE_RATE)
        done += len(block)
        yield from (part.to_ndarray()[0] for part in resampler.resample(frame))
    for part in resampler.resample(None):
        samples = part.to_ndarray()[0]
        yield np.pad(samples, (0, size - len(samples)))
