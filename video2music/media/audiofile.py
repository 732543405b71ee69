"""Sound as files: a finished 16-bit WAV in another format, and WAVs of floats for stems."""

import logging
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import av
import numpy as np
from av.audio.frame import AudioFrame

from emotion.midi.synthesis import SAMPLE_RATE, Samples
from video2music.errors import OptionError
from video2music.media.clip import url, whole_file
from video2music.media.mux import Music, Target
from video2music.options import AUDIO_FORMATS

log = logging.getLogger(__name__)

# FLAC holds the WAV's own 16 bits. In an MP4 the lead-in of AAC is told to players.
_COMPRESSED = MappingProxyType({
    "flac": Target("flac", ".flac", "flac", (SAMPLE_RATE,), (("compression_level", "8"),), 0),
    "m4a": Target("ipod", ".m4a", "aac", (SAMPLE_RATE,), (("aac_coder", "fast"),), 256_000),
})  # fmt: skip


def encode(wav: Path, out: Path, *, kind: str, duration_s: float) -> Path:
    """A 16-bit WAV as one of AUDIO_FORMATS, in the file `out` that appears whole or not at all.

    FLAC decodes to the very samples; AAC at 256 kbit/s within 20 ms of duration_s. For "wav" the file is moved there.
    Raises OptionError for another kind, MediaError.
    """
    if kind == "wav":
        return wav.replace(out)
    if kind not in _COMPRESSED:
        raise OptionError(f"unknown audio format {kind!r}: choose one of {', '.join(AUDIO_FORMATS)}")
    target = _COMPRESSED[kind]
    with whole_file(out) as partial, av.open(url(partial), "w", format=target.muxer) as result:
        music = Music(wav, duration_s)
        for packet in music.packets(music.stream(result, target)):
            result.mux(packet)
    return out


def write_floats(blocks: Iterable[Samples], out: Path) -> None:
    """Blocks (frames, 2) at 44.1 kHz as a WAV of 32-bit floats, which may pass 1; over 4 GB it is an RF64.

    Raises MediaError.
    """
    with whole_file(out) as partial, av.open(url(partial), "w", format="wav", options={"rf64": "auto"}) as result:
        stream = result.add_stream("pcm_f32le", rate=SAMPLE_RATE, layout="stereo")
        done = 0
        for block in blocks:
            frame = AudioFrame.from_ndarray(np.ascontiguousarray(block, np.float32).reshape(1, -1), "flt", "stereo")
            frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, done, Fraction(1, SAMPLE_RATE)
            done += len(block)
            result.mux(stream.encode(frame))
        result.mux(stream.encode(None))
