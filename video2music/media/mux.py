"""Muxing: the packets of a clip's video stream are copied byte for byte, and the music is encoded beside them.

The clip's own container is kept wherever it can hold the video codec and the music (AAC in MP4, MOV and MKV, Opus in
WebM), judged by the file's contents and not by its suffix; otherwise the clip becomes an MKV. A video codec that no MKV
can hold (GIF, some codecs of old AVI files) is the one case in which the video is encoded again.
"""

import heapq
import logging
import os
import wave
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import takewhile
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.stream import Stream
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from emotion.files import ffmpeg_url
from video2music.errors import MediaError
from video2music.media.clip import (
    NEW_TIMELINE_S,
    AnyPacket,
    atomic_write,
    first_picture,
    frame_rate,
    frames,
    open_clip,
    packets,
    picture_stream,
)

log = logging.getLogger(__name__)

AUDIO_BITS_PER_SECOND = 192_000
MAX_OVERHANG_S = 0.02  # an AAC packet (21 to 23 ms) decodes whole: a last one that overhangs by more is left out
FASTSTART_BYTES = 256 << 20  # moving the index to the front rewrites the file, which is cheap up to about here
BLOCK_S = 1.0
MAX_REORDERED = 16  # frames; no codec reorders more
_TIME_BASE = Fraction(1, 1000)  # seconds, that of Matroska

# Metadata of the old container, which would be wrong in the new one.
_CONTAINER_TAGS = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder"})
_APPLE_TAGS = frozenset({"hvc1", "dvh1"})  # Apple's players refuse the same stream under FFmpeg's default tag, hev1


@dataclass(frozen=True)
class OutputFormat:
    """A container for audio: FFmpeg's muxer, its suffix, the audio codec with its rates, options and bit rate."""

    muxer: str
    suffix: str
    codec: str = "aac"
    rates: tuple[int, ...] = (44_100, 48_000)
    options: tuple[tuple[str, str], ...] = (("aac_coder", "fast"),)  # three times faster, and closer at this bit rate
    bits_per_second: int = AUDIO_BITS_PER_SECOND  # 0 for a lossless codec


MP4 = OutputFormat("mp4", ".mp4")
MOV = OutputFormat("mov", ".mov")
MKV = OutputFormat("matroska", ".mkv")
WEBM = OutputFormat("webm", ".webm", "libopus", (48_000,), ())


def mux(video: Path, audio_wav: Path, out: Path, *, duration_s: float, until_s: float | None = None) -> Path:
    """Replace the audio of a clip by a 16-bit WAV and return the file made, `out` with the fitting suffix added.

    Audio and video begin together; the audio lasts duration_s, padded with silence or cut (decoded, within 20 ms).
    Rotation, colour, aspect ratio, metadata, chapters and the subtitles that the container can hold are kept. With
    `until_s` only the beginning of the video is taken, up to there and as many more packets as its last frames need.
    The file is written atomically. Raises MediaError.
    """
    with open_clip(video) as source:
        picture = picture_stream(source, video)
        codec = picture.codec_context.codec.name
        targets = []
        for target in (_own_target(source, video), MKV):
            with av.open(os.devnull, "w", format=target.muxer) as trial:  # nothing is written: no header is
                targets += [target] if codec in trial.supported_codecs else []
        first = first_picture(source, video)
    audio = WavAudio(audio_wav, duration_s)
    for target in targets:
        with suppress(_RefusedError):
            return _write(video, audio, out, target, _copied_video, first, until_s)
    log.warning("%s: no container supports its video codec %s with audio: the video is re-encoded", video, codec)
    return _write(video, audio, out, MKV, _encoded_video, first, until_s)


class _RefusedError(MediaError):
    """A muxer that does not accept these streams."""


def _write(
    video: Path,
    audio: "WavAudio",
    out: Path,
    target: OutputFormat,
    video_packets: "_VideoPackets",
    first: VideoFrame,
    until_s: float | None,
) -> Path:
    path = out.with_name(out.name + target.suffix)
    options = {"movflags": "+faststart"} if target in (MP4, MOV) and video.stat().st_size < FASTSTART_BYTES else {}
    with (
        atomic_write(path) as partial,
        open_clip(video) as source,
        av.open(
            ffmpeg_url(partial), "w", format=target.muxer, container_options=options, metadata_errors="surrogateescape"
        ) as result,
    ):
        pictures = video_packets(source, result, video, first)  # adds its streams now, reads its packets later
        if until_s is not None:
            pictures = takewhile(lambda packet: _seconds(packet) < until_s, pictures)
        sound = audio.packets(audio.add_stream(result, target))
        try:
            result.start_encoding()
        except ValueError as error:
            raise _RefusedError(f"the video stream of {video} does not fit into {target.muxer}: {error}") from None
        # In order of time: players of a file that is interleaved otherwise must seek, and some muxers buffer all of it.
        for packet in heapq.merge(pictures, sound, key=_seconds):
            result.mux_one(packet)
    return path


def _own_target(source: InputContainer, path: Path) -> OutputFormat:
    name = source.format.name
    if name.startswith("mov,"):
        return MOV if source.metadata.get("major_brand", "qt").strip() == "qt" else MP4  # old QuickTime has no brand
    if name.startswith("matroska,"):
        with path.open("rb") as file:
            return WEBM if b"webm" in file.read(64) else MKV  # the DocType, in the first element
    return MKV


def _copied_video(
    source: InputContainer, result: OutputContainer, path: Path, first: VideoFrame
) -> Iterator[AnyPacket]:
    """Add video and subtitles, metadata and chapters to the result; then their packets, with times from 0."""
    picture = picture_stream(source, path)
    start_s = _start(first)
    copies = {picture.index: _StreamCopy(picture, _add_video(result, picture), start_s)}
    for stream in source.streams.subtitles:
        try:
            copies[stream.index] = _StreamCopy(stream, _add_like(result, stream), start_s)
        except (ValueError, av.FFmpegError):
            log.warning("%s: its subtitles do not fit into %s and are left out", path, result.format.name)
    _copy_metadata(source, result, start_s)
    return _copied(packets(source, [source.streams[index] for index in copies], path), copies)


def _copied(read: Iterable[AnyPacket], copies: Mapping[int, "_StreamCopy"]) -> Iterator[AnyPacket]:
    for packet in read:
        if packet.size:
            yield from copies[packet.stream.index].add(packet)
    for copy in copies.values():
        yield from copy.flush()


def _add_video(result: OutputContainer, picture: VideoStream) -> VideoStream:
    copy = cast(VideoStream, _add_like(result, picture))
    copy.codec_context.sample_aspect_ratio = picture.sample_aspect_ratio or Fraction(0, 1)
    copy.codec_context.framerate = picture.average_rate or picture.guessed_rate or Fraction(0, 1)
    with suppress(UnicodeDecodeError):  # tags need not be text
        tag = picture.codec_context.codec_tag
        if result.format.name in ("mp4", "mov") and tag in _APPLE_TAGS:
            copy.codec_context.codec_tag = tag
    return copy


def _add_like(result: OutputContainer, stream: Stream) -> Stream:
    copy = result.add_stream_from_template(stream, opaque=True)
    copy.metadata.update(_copied_tags(stream.metadata))
    copy.disposition = stream.disposition
    return copy


def _copied_tags(metadata: Mapping[str, str]) -> dict[str, str]:
    return {key: text for key, text in metadata.items() if key not in _CONTAINER_TAGS}


def _copy_metadata(source: InputContainer, result: OutputContainer, start_s: Fraction) -> None:
    result.metadata.update(_copied_tags(source.metadata))
    chapters = source.chapters()
    for chapter in chapters:
        shift = round(start_s / (chapter["time_base"] or _TIME_BASE))
        chapter["start"], chapter["end"] = max(chapter["start"] - shift, 0), chapter["end"] - shift
    result.set_chapters([chapter for chapter in chapters if chapter["end"] > chapter["start"]])


class _StreamCopy:
    """Copies the packets of one stream, with time stamps shifted to a clip that begins at 0 and made to rise."""

    def __init__(self, source: Stream, copy: Stream, start_s: Fraction) -> None:
        base = source.time_base or _TIME_BASE
        self._copy = copy
        self._shift = -round(start_s / base)
        self._jump = round(NEW_TIMELINE_S / base)
        self._waiting: list[AnyPacket] = []
        self._last: int | None = None
        self._next = 0

    def add(self, packet: AnyPacket) -> Iterator[AnyPacket]:
        """The packets that can be written now, with stamps that a muxer accepts: dts rising, pts never before dts.

        Matroska has no dts for the first packets of a stream with B-frames; they wait for the first that has one.
        """
        if packet.dts is None and self._last is None and len(self._waiting) < MAX_REORDERED:
            self._waiting.append(packet)
        else:
            yield from self.flush(packet.dts)
            yield self._stamped(packet)

    def flush(self, before: int | None = None) -> Iterator[AnyPacket]:
        """The packets that still wait. Their dts are their sorted pts, moved back so that none is after its own pts."""
        waiting, self._waiting = self._waiting, []
        shown = [packet.pts for packet in waiting if packet.pts is not None]
        if len(shown) == len(waiting) > 0:
            rising = sorted(shown)
            late = max(one - other for one, other in zip(rising, shown, strict=True))
            # The next packet's dts must be later than all of these.
            late = late if before is None else max(late, rising[-1] + 1 - before)
            for packet, stamp in zip(waiting, rising, strict=True):
                packet.dts = stamp - late
        yield from map(self._stamped, waiting)

    def _stamped(self, packet: AnyPacket) -> AnyPacket:
        stamp = packet.pts if packet.dts is None else packet.dts
        dts = self._next if stamp is None else stamp + self._shift
        if self._last is not None:
            if self._last - dts > self._jump:  # the file's clock was reset
                self._shift += self._next - dts
                dts = self._next
            dts = max(dts, self._last + 1)
        packet.pts = dts if packet.pts is None else max(packet.pts + self._shift, dts)
        packet.dts = self._last = dts
        self._next = dts + (packet.duration or 1)
        packet.stream = self._copy
        return packet


def _encoded_video(
    source: InputContainer, result: OutputContainer, path: Path, first: VideoFrame
) -> Iterator[AnyPacket]:
    """The video as H.264, visually lossless."""
    # 4:2:0 has no odd sizes, because it halves the colour resolution.
    even = first.width % 2 == first.height % 2 == 0
    stream: VideoStream = result.add_stream(
        "libx264",
        rate=round(frame_rate(picture_stream(source, path))),
        width=first.width,
        height=first.height,
        pix_fmt="yuv420p" if even else "yuv444p",
        time_base=_TIME_BASE,
        options={"crf": "14", "preset": "fast", "bf": "0"},
    )
    stream.set_display_rotation(first.rotation)
    _copy_metadata(source, result, _start(first))
    return _encoded(path, stream)


_VideoPackets = Callable[[InputContainer, OutputContainer, Path, VideoFrame], Iterator[AnyPacket]]


def _encoded(path: Path, stream: VideoStream) -> Iterator[AnyPacket]:
    lengths: dict[int, int] = {}
    for frame in frames(path):
        picture = frame.picture.reformat(stream.width, stream.height, stream.pix_fmt)
        picture.pts, picture.time_base = round(frame.time_s / _TIME_BASE), _TIME_BASE
        picture.pict_type = PictureType.NONE
        lengths[picture.pts] = round((frame.end_s - frame.time_s) / _TIME_BASE)
        yield from _timed(stream.encode(picture), lengths)
    yield from _timed(stream.encode(None), lengths)


def _timed(encoded: list[AnyPacket], lengths: dict[int, int]) -> Iterator[AnyPacket]:
    """The packets with the durations of their frames, which the encoder does not keep."""
    for packet in encoded:
        packet.duration = lengths.pop(packet.pts or 0, packet.duration or 0)
        yield packet


@dataclass(frozen=True)
class WavAudio:
    """A 16-bit WAV as an audio stream of duration_s seconds, padded with silence or cut."""

    path: Path
    duration_s: float

    def add_stream(self, result: OutputContainer, target: OutputFormat) -> AudioStream:
        """A new stream for it in a container, at the WAV's rate if the codec supports that."""
        with _open_wav(self.path) as wav:
            rate = wav.getframerate()
        rate = rate if rate in target.rates else target.rates[-1]
        stream = result.add_stream(
            target.codec, rate=rate, layout="stereo", bit_rate=target.bits_per_second, options=dict(target.options)
        )
        return cast(AudioStream, stream)

    def packets(self, stream: AudioStream) -> Iterator[AnyPacket]:
        """The encoded audio. A last AAC packet that holds hardly any of it is left out, because it decodes whole."""
        context = stream.codec_context
        waiting: AnyPacket | None = None
        for packet in self._encoded(stream):
            if waiting is not None:
                yield waiting
            waiting = packet
        overhang = context.frame_size - (waiting.duration or 0) if waiting is not None else 0
        if waiting is not None and (context.name != "aac" or overhang <= MAX_OVERHANG_S * context.sample_rate):
            yield waiting

    def _encoded(self, stream: AudioStream) -> Iterator[AnyPacket]:
        context = stream.codec_context
        shape = AudioResampler(context.format, context.layout, context.sample_rate, context.frame_size)
        for block in self._blocks():
            for part in shape.resample(block):
                yield from stream.encode(part)
        yield from stream.encode(None)

    def _blocks(self) -> Iterator[AudioFrame | None]:
        """The audio in blocks of about a second; None at the end flushes."""
        with _open_wav(self.path) as wav:
            rate, channels = wav.getframerate(), wav.getnchannels()
            total, block, done = round(self.duration_s * rate), round(BLOCK_S * rate), 0
            while done < total:
                wanted = min(block, total - done)
                samples = np.frombuffer(wav.readframes(wanted), "<i2")
                samples = np.pad(samples, (0, wanted * channels - len(samples)))
                frame = AudioFrame.from_ndarray(samples[None], "s16", "stereo" if channels == 2 else "mono")
                frame.sample_rate, frame.pts, frame.time_base = rate, done, Fraction(1, rate)
                yield frame
                done += wanted
        yield None


def _open_wav(path: Path) -> wave.Wave_read:
    try:
        wav = wave.open(str(path), "rb")  # noqa: SIM115  the caller closes it
    except (OSError, EOFError, wave.Error) as error:
        raise MediaError(f"{path} cannot be read as audio ({error}): give a 16-bit WAV file") from None
    if wav.getsampwidth() != 2 or wav.getnchannels() not in (1, 2):
        wav.close()
        raise MediaError(f"{path} must be a 16-bit WAV file with one or two channels")
    return wav


def _start(first: VideoFrame) -> Fraction:
    """The time stamp of the first frame in seconds."""
    return first.pts * first.time_base if first.pts is not None and first.time_base else Fraction(0)


def _seconds(packet: AnyPacket) -> Fraction:
    return (packet.dts or 0) * packet.time_base
