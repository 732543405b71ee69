"""New media files, through PyAV: pictures as a video, a finished WAV in another format, stems as WAVs of floats."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from emotion.files import ffmpeg_url
from emotion.midi.synthesis import SAMPLE_RATE, Samples
from video2music.errors import OptionError
from video2music.media.clip import atomic_write
from video2music.media.mux import OutputFormat, WavAudio
from video2music.options import AUDIO_FORMATS

VIDEO_CODECS = MappingProxyType({
    "libx264": {"crf": "20", "preset": "veryfast"},
    "mpeg4": {"qscale": "3"},
})  # best first  # fmt: skip

# FLAC has the WAV's own 16 bits. AAC goes into an MP4, because that tells players how much lead-in to skip.
_COMPRESSED = MappingProxyType({
    "flac": OutputFormat("flac", ".flac", "flac", (SAMPLE_RATE,), (("compression_level", "8"),), 0),
    "m4a": OutputFormat("ipod", ".m4a", "aac", (SAMPLE_RATE,), (("aac_coder", "fast"),), 256_000),
})  # fmt: skip


def encode_video(pictures: Iterable[NDArray[np.uint8]], path: Path, *, fps: int, size: tuple[int, int]) -> Path:
    """Write pictures (height, width, 3) RGB as an MP4 without sound; `size` is (width, height), both even.

    H.264 where this PyAV was built with x264, otherwise MPEG-4. The file is written atomically. Raises MediaError.
    """
    codec = next(name for name in VIDEO_CODECS if name in av.codecs_available)
    with atomic_write(path) as partial, av.open(ffmpeg_url(partial), "w", format="mp4") as container:
        stream = cast(VideoStream, container.add_stream(codec, rate=fps, options=dict(VIDEO_CODECS[codec])))
        stream.width, stream.height = size
        for picture in pictures:
            container.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def encode_audio(wav: Path, out: Path, *, kind: str, duration_s: float) -> Path:
    """A 16-bit WAV as one of AUDIO_FORMATS in `out`, written atomically; for "wav" the file is moved there.

    FLAC decodes to the very samples; AAC at 256 kbit/s is within 20 ms of duration_s. Raises OptionError for another
    kind, MediaError.
    """
    if kind == "wav":
        return wav.replace(out)
    if kind not in _COMPRESSED:
        raise OptionError(f"unknown audio format {kind!r}: choose one of {', '.join(AUDIO_FORMATS)}")
    target = _COMPRESSED[kind]
    with atomic_write(out) as partial, av.open(ffmpeg_url(partial), "w", format=target.muxer) as result:
        audio = WavAudio(wav, duration_s)
        for packet in audio.packets(audio.add_stream(result, target)):
            result.mux(packet)
    return out


def write_float_wav(blocks: Iterable[Samples], out: Path) -> None:
    """Blocks (frames, 2) at 44.1 kHz as a WAV of 32-bit floats, which may exceed 1; over 4 GB it is an RF64.

    Raises MediaError.
    """
    with (
        atomic_write(out) as partial,
        av.open(ffmpeg_url(partial), "w", format="wav", options={"rf64": "auto"}) as result,
    ):
        stream = result.add_stream("pcm_f32le", rate=SAMPLE_RATE, layout="stereo")
        done = 0
        for block in blocks:
            frame = AudioFrame.from_ndarray(np.ascontiguousarray(block, np.float32).reshape(1, -1), "flt", "stereo")
            frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, done, Fraction(1, SAMPLE_RATE)
            done += len(block)
            result.mux(stream.encode(frame))
        result.mux(stream.encode(None))
