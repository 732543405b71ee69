"""The door to PyAV, listening: a scored clip as a player decodes it, for the measurements and for nothing else.

The whole sound is held in memory, 23 MB a minute: clips of minutes are meant, not of hours.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from video2music.errors import MediaError
from video2music.media import frame_rate, open_clip, picture_stream

RATE = 48_000  # Hz


@dataclass(frozen=True, eq=False)
class Decoded:
    """Seconds of the picture, from the first to the end of the last; the sound's (frames, 2), its start and length.

    `sound_starts_s` counts from the first picture.
    """

    picture_s: float
    sound_starts_s: float
    sound_s: float
    samples: NDArray[np.float32]


def decode(path: Path) -> Decoded:
    """Picture and sound of a file that has both. Raises MediaError."""
    shown: list[tuple[float, float]] = []
    heard: list[AudioFrame] = []
    with open_clip(path) as container:
        picture = picture_stream(container, path)
        if not container.streams.audio:
            raise MediaError(f"{path} has no sound to measure: give a scored clip")
        step = 1 / frame_rate(picture)
        for packet in container.demux(picture, container.streams.audio[0]):
            with suppress(av.error.InvalidDataError):  # a damaged picture was damaged before
                for frame in packet.decode():
                    if isinstance(frame, VideoFrame):
                        shown.append((frame.time or 0.0, _seconds(frame, step)))
                    elif isinstance(frame, AudioFrame):
                        heard.append(frame)
    if not shown or not heard:
        raise MediaError(f"{path} cannot be decoded: score the clip again")
    first_s, end_s = min(shown)[0], max(start_s + length_s for start_s, length_s in shown)
    length_s = sum(frame.samples / frame.sample_rate for frame in heard)
    return Decoded(end_s - first_s, (heard[0].time or 0.0) - first_s, length_s, _stereo(heard))


def sound(path: Path) -> NDArray[np.float32]:
    """The first sound of any file as (frames, 2) at 48 kHz. Raises MediaError."""
    with open_clip(path) as container:
        if not container.streams.audio:
            raise MediaError(f"{path} has no sound to measure: give a scored clip")
        return _stereo(list(container.decode(container.streams.audio[0])))


def _seconds(frame: VideoFrame, step: float) -> float:
    return float(frame.duration * frame.time_base) if frame.duration and frame.time_base else step


def _stereo(frames: list[AudioFrame]) -> NDArray[np.float32]:
    resampler = AudioResampler("fltp", "stereo", RATE)
    parts = [part.to_ndarray() for frame in [*frames, None] for part in resampler.resample(frame)]
    return np.concatenate(parts, axis=1).T.astype(np.float32)
