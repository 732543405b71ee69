"""The door to PyAV, blinding: two systems' files of one clip as two that differ in their sound and in nothing else.

Both show one picture, its packets copied, the first system's where a browser plays it: a picture that was encoded worse
would tell the systems apart. Both sounds are brought to one loudness by a fixed gain, begin with the picture and are as
long, in one codec. Titles, dates, chapters, subtitles and names of programs are left out. Files are held in memory, 21
MB of sound a minute: clips of minutes are meant, not of hours.
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

PLAYED = MappingProxyType({"h264": MP4, "hevc": MP4, "av1": MP4, "vp8": WEBM, "vp9": WEBM})
"""Codecs of pictures that browsers play -> the container they are played from."""

LUFS = -23.0  # of EBU R 128: so low that hardly any sound meets the limiter on the way there
SAME_S = 1.0  # lengths of two systems' files of one clip that differ by more are told
NEAR_LU = 0.05
LONG_AGO_S = 315_532_800  # 1 January 1980, the earliest date that a ZIP can tell: dates tell what was made first
FULL_SCALE = 32_767.0


@dataclass(frozen=True)
class Blinded:
    """The two files that were made, the first system's first, the loudness in LUFS of both, and whether they show."""

    files: tuple[Path, Path]
    lufs: float
    picture: bool


def blind(paths: tuple[Path, Path], out: Path) -> Blinded:
    """Write `<out>a.<ext>` and `<out>b.<ext>` of two systems' files of one clip, videos or sounds.

    A side without a picture gets the other's; two sounds become two M4A files. Raises MediaError for what cannot be
    read, is silent, or shows a picture that no browser plays.
    """
    film = _film(paths)
    length_s = _length_s(film) if film else None
    sounds = [_sound(path) for path in paths]
    _tell_lengths(paths, [len(samples) / SAMPLE_RATE for samples in sounds])
    if length_s is not None:
        sounds = [_exactly(samples, round(length_s * SAMPLE_RATE)) for samples in sounds]
    lufs = _common_lufs(paths, sounds)
    with whole_folder(out.parent) as room:
        wavs = [_write_wav(_levelled(samples, lufs), room / name) for name, samples in zip("ab", sounds, strict=True)]
        bare = _bare(film, room / "film") if film else None
        first, second = (_finished(bare, wav, out.with_name(out.name + wav.name)) for wav in wavs)
    return Blinded((first, second), lufs, picture=film is not None)


@contextmanager
def whole_folder(parent: Path) -> Iterator[Path]:
    """A folder in `parent` for what waits, gone in the end. An error of the disk becomes a MediaError."""
    try:
        with tempfile.TemporaryDirectory(prefix=".", suffix=PARTIAL, dir=parent) as folder:
            yield Path(folder)
    except OSError as error:
        raise MediaError(failure(error, parent)) from None


def _film(paths: tuple[Path, Path]) -> Path | None:
    """The first of two files whose picture browsers play, None where neither has any. Raises MediaError."""
    codecs = {path: _codec(path) for path in paths if path.suffix.lower() in VIDEO_NAMES}
    film = next((path for path, codec in codecs.items() if codec in PLAYED), None)
    if codecs and film is None:
        path, codec = next(iter(codecs.items()))
        raise MediaError(f"{path} holds a picture ({codec}) that browsers do not play: convert it to H.264")
    return film


def _codec(path: Path) -> str:
    with open_clip(path) as container:
        return picture_stream(container, path).codec_context.codec.canonical_name


def _length_s(film: Path) -> float:
    told = probe(film).duration_s
    return told if told else max(frame.end_s for frame in frames(film))


def _sound(path: Path) -> Samples:
    """All of a file's sound (frames, 2) at 44.1 kHz, from the first picture on if it has one. Raises MediaError."""
    track = soundtrack(path) if path.suffix.lower() in VIDEO_NAMES else Soundtrack(path, 0.0)
    blocks = list(track.blocks()) if track else []
    if not blocks:
        raise MediaError(f"{path} has no sound: give what the system made, with its music")
    return np.concatenate(blocks)


def _tell_lengths(paths: tuple[Path, Path], lengths_s: list[float]) -> None:
    first_s, second_s = lengths_s
    if abs(first_s - second_s) > SAME_S:
        log.warning("%s sounds for %.1f s and %s for %.1f s: is it one clip?", paths[0], first_s, paths[1], second_s)


def _exactly(samples: Samples, length: int) -> Samples:
    return np.pad(samples[:length], ((0, max(0, length - len(samples))), (0, 0)))


def _common_lufs(paths: tuple[Path, Path], sounds: list[Samples]) -> float:
    """The loudness that both sounds can be brought to, LUFS or less. Raises MediaError for silence."""
    lowest = LUFS
    for path, samples in zip(paths, sounds, strict=True):
        found = measured([_levelled(samples, LUFS)]).lufs
        if found is None:
            raise MediaError(f"{path} is silent: give what the system made, with its music")
        lowest = min(lowest, found) if found < LUFS - NEAR_LU else lowest
    return lowest


def _levelled(samples: Samples, lufs: float) -> Samples:
    gain = limiter.gain_for(measured([samples]), lufs)
    return np.concatenate(list(limiter.applied([samples], gain.linear)))


def _write_wav(samples: Samples, path: Path) -> Path:
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(SAMPLE_RATE)
        wav.writeframes(np.rint(np.clip(samples, -1, 1) * FULL_SCALE).astype("<i2").tobytes())
    return path


def _bare(film: Path, out: Path) -> Path:
    """The picture of a film and nothing else, its packets copied, in the container that browsers play it from."""
    with open_clip(film) as source:
        picture = picture_stream(source, film)
        target = PLAYED[picture.codec_context.codec.canonical_name]
        path = out.with_suffix(target.suffix)
        with atomic_write(path) as partial, av.open(ffmpeg_url(partial), "w", format=target.muxer) as result:
            copy = result.add_stream_from_template(picture, opaque=True)
            for packet in packets(source, [picture], film):
                if packet.size:
                    packet.stream = copy
                    result.mux(packet)
    return path


def _finished(bare: Path | None, wav: Path, out: Path) -> Path:
    """The sound under the bare picture, or alone as M4A, in a file that has no date of its own."""
    with wave.open(str(wav), "rb") as sound:
        seconds = sound.getnframes() / SAMPLE_RATE
    alone = out.with_name(out.name + ".m4a")
    made = mux(bare, wav, out, duration_s=seconds) if bare else encode_audio(wav, alone, kind="m4a", duration_s=seconds)
    os.utime(made, (LONG_AGO_S, LONG_AGO_S))
    return made
