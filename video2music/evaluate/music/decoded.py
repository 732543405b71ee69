"""The door to PyAV, listening: a scored clip as a player decodes it, for the measurements and for nothing else.

The whole sound is held in memory, 23 MB a minute: clips of minutes are meant, not of hours.

A loudness meter of our own: ITU-R BS.1770-4 written out, so that the product's meter is not judged by itself.

https://www.itu.int/rec/R-REC-BS.1770-4-201510-S: integrated loudness with the gates at -70 LUFS and at 10 LU below,
and the true peak found by four times oversampling.
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
from video2music.media.clip import frame_rate, open_clip, picture_stream

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


METER_RATE = 48_000  # Hz; the filters' coefficients are those that the recommendation gives for it
BLOCK_S, HOP_S = 0.4, 0.1
ABSOLUTE_LUFS, RELATIVE_LU = -70.0, -10.0
OVERSAMPLING = 4

_SHELF = ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585))
_HIGH_PASS = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))

Samples = NDArray[np.floating]


def integrated_lufs(samples: Samples) -> float:
    """Loudness of (frames, 1 or 2) at 48 kHz; not a number where nothing passes the gates, or below 0.4 s."""
    from scipy.signal import lfilter

    weighted = lfilter(*_HIGH_PASS, lfilter(*_SHELF, np.asarray(samples, float), axis=0), axis=0)
    power = _block_powers((weighted**2).sum(1))
    for gate in (lambda _: ABSOLUTE_LUFS, lambda kept: _lufs(kept.mean()) + RELATIVE_LU):
        power = power[_lufs(power) > gate(power)] if len(power) else power
    return float(_lufs(power.mean())) if len(power) else float("nan")


def _block_powers(squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean power of each whole block of 0.4 s, one every 0.1 s."""
    block, hop = round(BLOCK_S * METER_RATE), round(HOP_S * METER_RATE)
    total = np.concatenate([[0.0], squares.cumsum()])
    starts = np.arange(0, len(squares) - block + 1, hop)
    return (total[starts + block] - total[starts]) / block


def _lufs(power: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return -0.691 + 10 * np.log10(np.maximum(power, 1e-12))


def true_peak_dbtp(samples: Samples) -> float:
    """The highest sample (frames, channels) would reach between samples, in dB of full scale."""
    from scipy.signal import resample_poly

    finer = resample_poly(np.asarray(samples, float), OVERSAMPLING, 1, axis=0)
    return float(20 * np.log10(max(np.abs(finer).max(initial=0.0), 1e-6)))
