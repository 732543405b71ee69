"""Blinds two systems' files of one clip: they differ in their sound and in nothing else.

Both get the same picture, its packets copied, the first system's where a browser plays it: a picture that was encoded
worse would reveal the system. Both sounds are brought to one loudness by a fixed gain, begin with the picture and have
its length, in one codec. Titles, dates, chapters, subtitles and names of programs are left out. Sounds are in memory,
21 MB a minute: this is for clips of minutes, not of hours.
"""

import logging
import os
import tempfile
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import av
import numpy as np

from emotion.files import PARTIAL, failure, ffmpeg_url
from emotion.midi.synthesis import SAMPLE_RATE, Samples
from video2music.errors import MediaError
from video2music.media.clip import VIDEO_NAMES, atomic_write, frames, open_clip, packets, picture_stream, probe
from video2music.media.encode import encode_audio
from video2music.media.mux import MP4, WEBM, mux
from video2music.media.soundtrack import Soundtrack, soundtrack
from video2music.mixing import limiter
from video2music.mixing.loudness import measured

log = logging.getLogger(__name__)

BROWSER_CODECS = MappingProxyType({"h264": MP4, "hevc": MP4, "av1": MP4, "vp8": WEBM, "vp9": WEBM})
"""Codecs of pictures that browsers play -> the container they are played from."""

LUFS = -23.0  # EBU R 128: so low that hardly any sound reaches the limiter
LENGTH_TOLERANCE_S = 1.0  # a larger difference of two systems' files of one clip gives a warning
LOUDNESS_TOLERANCE_LU = 0.05
FIXED_DATE_S = 315_532_800  # 1 January 1980, the earliest date in a ZIP: real dates would show which was made first
FULL_SCALE = 32_767.0


@dataclass(frozen=True)
class BlindedPair:
    """The files of both systems in order, their loudness in LUFS, and whether they have a picture."""

    files: tuple[Path, Path]
    lufs: float
    picture: bool


def blind(paths: tuple[Path, Path], out: Path) -> BlindedPair:
    """Write `<out>a.<ext>` and `<out>b.<ext>` of two systems' files of one clip, videos or sounds.

    A side without a picture gets the other's; two sounds become two M4A files. Raises MediaError for what cannot be
    read, is silent, or shows a picture that no browser plays.
    """
    video = _picture_source(paths)
    sounds = [_sound(path) for path in paths]
    first_s, second_s = (len(samples) / SAMPLE_RATE for samples in sounds)
    if abs(first_s - second_s) > LENGTH_TOLERANCE_S:
        log.warning("%s sounds for %.1f s and %s for %.1f s: is it one clip?", paths[0], first_s, paths[1], second_s)
    if video:
        length_s = probe(video).duration_s or max(frame.end_s for frame in frames(video))
        length = round(length_s * SAMPLE_RATE)
        sounds = [np.pad(each[:length], ((0, max(0, length - len(each))), (0, 0))) for each in sounds]
    lufs = _common_lufs(paths, sounds)
    with temporary_folder(out.parent) as folder_path:
        wavs = [
            _write_wav(_at_loudness(samples, lufs), folder_path / name)
            for name, samples in zip("ab", sounds, strict=True)
        ]
        picture_file = _picture_only(video, folder_path / "video") if video else None
        first, second = (_final_file(picture_file, wav, out.with_name(out.name + wav.name)) for wav in wavs)
    return BlindedPair((first, second), lufs, picture=video is not None)


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """A temporary folder in `parent`. An error of the disk becomes a MediaError."""
    try:
        with tempfile.TemporaryDirectory(prefix=".", suffix=PARTIAL, dir=parent) as folder:
            yield Path(folder)
    except OSError as error:
        raise MediaError(failure(error, parent)) from None


def _picture_source(paths: tuple[Path, Path]) -> Path | None:
    """The first of two files whose picture browsers play, None where neither has any. Raises MediaError."""
    codecs = {path: _codec(path) for path in paths if path.suffix.lower() in VIDEO_NAMES}
    video = next((path for path, codec in codecs.items() if codec in BROWSER_CODECS), None)
    if codecs and video is None:
        path, codec = next(iter(codecs.items()))
        raise MediaError(f"{path} holds a picture ({codec}) that browsers do not play: convert it to H.264")
    return video


def _codec(path: Path) -> str:
    with open_clip(path) as container:
        return picture_stream(container, path).codec_context.codec.canonical_name


def _sound(path: Path) -> Samples:
    """All of a file's sound (frames, 2) at 44.1 kHz, from the first picture on if it has one. Raises MediaError."""
    track = soundtrack(path) if path.suffix.lower() in VIDEO_NAMES else Soundtrack(path, 0.0)
    blocks = list(track.blocks()) if track else []
    if not blocks:
        raise MediaError(f"{path} has no sound: give what the system made, with its music")
    return np.concatenate(blocks)


def _common_lufs(paths: tuple[Path, Path], sounds: list[Samples]) -> float:
    """The loudness that both sounds can be brought to, LUFS or less. Raises MediaError for silence."""
    lowest = LUFS
    for path, samples in zip(paths, sounds, strict=True):
        found = measured([_at_loudness(samples, LUFS)]).lufs
        if found is None:
            raise MediaError(f"{path} is silent: give what the system made, with its music")
        lowest = min(lowest, found) if found < LUFS - LOUDNESS_TOLERANCE_LU else lowest
    return lowest


def _at_loudness(samples: Samples, lufs: float) -> Samples:
    gain = limiter.gain_for(measured([samples]), lufs)
    return np.concatenate(list(limiter.applied([samples], gain.linear)))


def _write_wav(samples: Samples, path: Path) -> Path:
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(SAMPLE_RATE)
        wav.writeframes(np.rint(np.clip(samples, -1, 1) * FULL_SCALE).astype("<i2").tobytes())
    return path


def _picture_only(video: Path, out: Path) -> Path:
    """The picture of a video and nothing else, its packets copied, in the container that browsers play it from."""
    with open_clip(video) as source:
        picture = picture_stream(source, video)
        target = BROWSER_CODECS[picture.codec_context.codec.canonical_name]
        path = out.with_suffix(target.suffix)
        with atomic_write(path) as partial, av.open(ffmpeg_url(partial), "w", format=target.muxer) as result:
            copy = result.add_stream_from_template(picture, opaque=True)
            for packet in packets(source, [picture], video):
                if packet.size:
                    packet.stream = copy
                    result.mux(packet)
    return path


def _final_file(picture_file: Path | None, wav: Path, out: Path) -> Path:
    """The sound under the picture_file picture, or alone as M4A, in a file that has no date of its own."""
    with wave.open(str(wav), "rb") as sound:
        seconds = sound.getnframes() / SAMPLE_RATE
    alone = out.with_name(out.name + ".m4a")
    made = (
        mux(picture_file, wav, out, duration_s=seconds)
        if picture_file
        else encode_audio(wav, alone, kind="m4a", duration_s=seconds)
    )
    os.utime(made, (FIXED_DATE_S, FIXED_DATE_S))
    return made
