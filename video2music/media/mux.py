"""Music under a clip's picture: the picture's packets are copied byte for byte, the music is encoded beside them.

The clip's own container is kept wherever it can carry the picture and the music (AAC in MP4, MOV and MKV, Opus in
WebM), by what the file really is and not by its suffix; otherwise the clip becomes an MKV. A picture that no MKV can
carry (GIF, some codecs of old AVI files) is the one case in which it is encoded anew.
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
from av.packet import Packet
from av.stream import Stream
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from video2music.errors import MediaError
from video2music.media.clip import (
    NEW_TIMELINE_S,
    first_picture,
    frame_rate,
    frames,
    open_clip,
    packets,
    picture_stream,
    url,
    whole_file,
)

log = logging.getLogger(__name__)

AUDIO_BITS_PER_SECOND = 192_000
MOST_OVERHANG_S = 0.02  # an AAC packet (21 to 23 ms) decodes whole: a last one that overhangs by more is left out
FASTSTART_BYTES = 256 << 20  # moving the index to the front rewrites the file, which is cheap up to about here
BLOCK_S = 1.0
MOST_REORDERED = 16  # pictures; no codec reorders more
_FINE = Fraction(1, 1000)  # seconds, the clock of Matroska

_BOOKKEEPING = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder"})  # of the container it was
_APPLE_TAGS = frozenset({"hvc1", "dvh1"})  # Apple's players refuse the same picture under FFmpeg's default tag, hev1


@dataclass(frozen=True)
class Target:
    """A container that sound may come in: FFmpeg's muxer, suffix, audio codec, its rates, options and bit rate."""

    muxer: str
    suffix: str
    codec: str = "aac"
    rates: tuple[int, ...] = (44_100, 48_000)
    options: tuple[tuple[str, str], ...] = (("aac_coder", "fast"),)  # three times faster, and closer at this bit rate
    bits_per_second: int = AUDIO_BITS_PER_SECOND  # 0 where the codec keeps every bit


MP4 = Target("mp4", ".mp4")
MOV = Target("mov", ".mov")
MKV = Target("matroska", ".mkv")
WEBM = Target("webm", ".webm", "libopus", (48_000,), ())


def mux(video: Path, audio_wav: Path, out: Path, *, duration_s: float, until_s: float | None = None) -> Path:
    """Lay a 16-bit WAV under the picture of a clip and return the file made, `out` with the fitting suffix added.

    Music and picture begin together; the sound lasts duration_s, padded with silence or cut (decoded, within 20 ms).
    Rotation, colour, aspect ratio, metadata, chapters and the subtitles that the container can carry are kept; the
    clip's own sound is what of it is in the WAV. With `until_s` only the beginning of the picture is taken, up to there
    and as much more as its last pictures need. The file appears whole or not at all. Raises MediaError.
    """
    with open_clip(video) as source:
        picture = picture_stream(source, video)
        codec = picture.codec_context.codec.name
        targets = [target for target in (_own_target(source, video), MKV) if _carries(target, codec)]
        first = first_picture(source, video)
    music = Music(audio_wav, duration_s)
    for target in targets:
        with suppress(_RefusedError):
            return _write(video, music, out, target, _copy, first, until_s)
    log.warning("%s: no container takes its %s beside music as it is: the picture is encoded anew", video, codec)
    return _write(video, music, out, MKV, _encode, first, until_s)


class _RefusedError(MediaError):
    """A muxer that will not take these streams."""


def _write(
    video: Path, music: "Music", out: Path, target: Target, lay: "_Lay", first: VideoFrame, until_s: float | None
) -> Path:
    path = out.with_name(out.name + target.suffix)
    with whole_file(path) as partial, open_clip(video) as source, _create(partial, target, video) as result:
        pictures = lay(source, result, video, first)
        if until_s is not None:
            pictures = takewhile(lambda packet: _seconds(packet) < until_s, pictures)
        sound = music.packets(music.stream(result, target))
        try:
            result.start_encoding()
        except ValueError as error:
            raise _RefusedError(f"the picture of {video} does not fit into {target.muxer}: {error}") from None
        for packet in heapq.merge(pictures, sound, key=_seconds):
            result.mux_one(packet)
    return path


def _carries(target: Target, codec: str) -> bool:
    with av.open(os.devnull, "w", format=target.muxer) as trial:  # opened only when a header is written: never
        return codec in trial.supported_codecs


def _own_target(source: InputContainer, path: Path) -> Target:
    name = source.format.name
    if name.startswith("mov,"):
        return MOV if source.metadata.get("major_brand", "qt").strip() == "qt" else MP4  # old QuickTime has no brand
    if name.startswith("matroska,"):
        with path.open("rb") as file:
            return WEBM if b"webm" in file.read(64) else MKV  # the DocType, in the first element
    return MKV


def _create(partial: Path, target: Target, video: Path) -> OutputContainer:
    options = {"movflags": "+faststart"} if target in (MP4, MOV) and video.stat().st_size < FASTSTART_BYTES else {}
    return av.open(url(partial), "w", format=target.muxer, container_options=options, metadata_errors="surrogateescape")


def _copy(source: InputContainer, result: OutputContainer, path: Path, first: VideoFrame) -> Iterator[Packet]:
    """Take over streams, metadata and chapters now; the packets that come then begin at 0."""
    picture = picture_stream(source, path)
    start_s = _start(first)
    lanes = {picture.index: _Lane(picture, _picture_copy(result, picture), start_s)}
    for stream in source.streams.subtitles:
        try:
            lanes[stream.index] = _Lane(stream, _like(result, stream), start_s)
        except (ValueError, av.FFmpegError):
            log.warning("%s: its subtitles do not fit into %s and are left out", path, result.format.name)
    _take_over_texts(source, result, start_s)
    return _carried(packets(source, [source.streams[index] for index in lanes], path), lanes)


def _carried(read: Iterable[Packet], lanes: Mapping[int, "_Lane"]) -> Iterator[Packet]:
    for packet in read:
        if packet.size:
            yield from lanes[packet.stream.index].place(packet)
    for lane in lanes.values():
        yield from lane.rest()


def _picture_copy(result: OutputContainer, picture: VideoStream) -> VideoStream:
    copy = cast(VideoStream, _like(result, picture))
    copy.codec_context.sample_aspect_ratio = picture.sample_aspect_ratio or Fraction(0, 1)
    copy.codec_context.framerate = picture.average_rate or picture.guessed_rate or Fraction(0, 1)
    with suppress(UnicodeDecodeError):  # tags need not be text
        tag = picture.codec_context.codec_tag
        if result.format.name in ("mp4", "mov") and tag in _APPLE_TAGS:
            copy.codec_context.codec_tag = tag
    return copy


def _like(result: OutputContainer, stream: Stream) -> Stream:
    copy = result.add_stream_from_template(stream, opaque=True)
    copy.metadata.update(_texts(stream.metadata))
    copy.disposition = stream.disposition
    return copy


def _texts(metadata: Mapping[str, str]) -> dict[str, str]:
    return {key: text for key, text in metadata.items() if key not in _BOOKKEEPING}


def _take_over_texts(source: InputContainer, result: OutputContainer, start_s: Fraction) -> None:
    result.metadata.update(_texts(source.metadata))
    chapters = source.chapters()
    for chapter in chapters:
        shift = round(start_s / (chapter["time_base"] or _FINE))
        chapter["start"], chapter["end"] = max(chapter["start"] - shift, 0), chapter["end"] - shift
    result.set_chapters([chapter for chapter in chapters if chapter["end"] > chapter["start"]])


class _Lane:
    """Carries the packets of one stream over, their stamps shifted to a clip that begins at 0 and made to rise."""

    def __init__(self, source: Stream, copy: Stream, start_s: Fraction) -> None:
        base = source.time_base or _FINE
        self._copy = copy
        self._shift = -round(start_s / base)
        self._jump = round(NEW_TIMELINE_S / base)
        self._early: list[Packet] = []
        self._last: int | None = None
        self._next = 0

    def place(self, packet: Packet) -> Iterator[Packet]:
        """The packets that can go now, with stamps that a muxer takes: dts rising, pts never before dts.

        Matroska says no dts for the first packets of a picture with B-frames; they wait for the first that has one.
        """
        if packet.dts is None and self._last is None and len(self._early) < MOST_REORDERED:
            self._early.append(packet)
        else:
            yield from self.rest(packet.dts)
            yield self._stamped(packet)

    def rest(self, before: int | None = None) -> Iterator[Packet]:
        """The packets that still wait; the times they are shown at, in order, are moved back to make their dts."""
        early, self._early = self._early, []
        shown = [packet.pts for packet in early if packet.pts is not None]
        if len(shown) == len(early) > 0:
            rising = sorted(shown)
            late = max(one - other for one, other in zip(rising, shown, strict=True))
            late = late if before is None else max(late, rising[-1] + 1 - before)
            for packet, stamp in zip(early, rising, strict=True):
                packet.dts = stamp - late
        yield from map(self._stamped, early)

    def _stamped(self, packet: Packet) -> Packet:
        stamp = packet.pts if packet.dts is None else packet.dts
        dts = self._next if stamp is None else stamp + self._shift
        if self._last is not None:
            if self._last - dts > self._jump:  # the file's clock began anew
                self._shift += self._next - dts
                dts = self._next
            dts = max(dts, self._last + 1)
        packet.pts = dts if packet.pts is None else max(packet.pts + self._shift, dts)
        packet.dts = self._last = dts
        self._next = dts + (packet.duration or 1)
        packet.stream = self._copy
        return packet


def _encode(source: InputContainer, result: OutputContainer, path: Path, first: VideoFrame) -> Iterator[Packet]:
    """The picture as H.264 that looks the same; odd sizes need full colour resolution."""
    even = first.width % 2 == first.height % 2 == 0
    stream: VideoStream = result.add_stream(
        "libx264",
        rate=round(frame_rate(picture_stream(source, path))),
        width=first.width,
        height=first.height,
        pix_fmt="yuv420p" if even else "yuv444p",
        time_base=_FINE,
        options={"crf": "14", "preset": "fast", "bf": "0"},
    )
    stream.set_display_rotation(first.rotation)
    _take_over_texts(source, result, _start(first))
    return _encoded(path, stream)


_Lay = Callable[[InputContainer, OutputContainer, Path, VideoFrame], Iterator[Packet]]


def _encoded(path: Path, stream: VideoStream) -> Iterator[Packet]:
    lengths: dict[int, int] = {}
    for frame in frames(path):
        picture = frame.picture.reformat(stream.width, stream.height, stream.pix_fmt)
        picture.pts, picture.time_base = round(frame.time_s / _FINE), _FINE
        picture.pict_type = PictureType.NONE
        lengths[picture.pts] = round((frame.end_s - frame.time_s) / _FINE)
        yield from _timed(stream.encode(picture), lengths)
    yield from _timed(stream.encode(None), lengths)


def _timed(encoded: list[Packet], lengths: dict[int, int]) -> Iterator[Packet]:
    """An encoder forgets how long each picture is shown."""
    for packet in encoded:
        packet.duration = lengths.pop(packet.pts or 0, packet.duration or 0)
        yield packet


@dataclass(frozen=True)
class Music:
    """A 16-bit WAV that is to sound for duration_s seconds, padded with silence or cut."""

    path: Path
    duration_s: float

    def stream(self, result: OutputContainer, target: Target) -> AudioStream:
        """A new stream for it in a container, at its own rate where the codec has that."""
        with _open_wav(self.path) as wav:
            rate = wav.getframerate()
        rate = rate if rate in target.rates else target.rates[-1]
        stream = result.add_stream(
            target.codec, rate=rate, layout="stereo", bit_rate=target.bits_per_second, options=dict(target.options)
        )
        return cast(AudioStream, stream)

    def packets(self, stream: AudioStream) -> Iterator[Packet]:
        """The encoded music. A last AAC packet that holds hardly any of it is left out, because it decodes whole."""
        context = stream.codec_context
        waiting: Packet | None = None
        for packet in self._encoded(stream):
            if waiting is not None:
                yield waiting
            waiting = packet
        overhang = context.frame_size - (waiting.duration or 0) if waiting is not None else 0
        if waiting is not None and (context.name != "aac" or overhang <= MOST_OVERHANG_S * context.sample_rate):
            yield waiting

    def _encoded(self, stream: AudioStream) -> Iterator[Packet]:
        context = stream.codec_context
        shape = AudioResampler(context.format, context.layout, context.sample_rate, context.frame_size)
        for block in self._blocks():
            for part in shape.resample(block):
                yield from stream.encode(part)
        yield from stream.encode(None)

    def _blocks(self) -> Iterator[AudioFrame | None]:
        """The sound in blocks of about a second; None at the end flushes."""
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
        raise MediaError(f"{path} is no sound to lay under a clip ({error}): give a 16-bit WAV file") from None
    if wav.getsampwidth() != 2 or wav.getnchannels() not in (1, 2):
        wav.close()
        raise MediaError(f"{path} must be a 16-bit WAV file with one or two channels")
    return wav


def _start(first: VideoFrame) -> Fraction:
    """When the file's own clock shows the first picture, in seconds."""
    return first.pts * first.time_base if first.pts is not None and first.time_base else Fraction(0)


def _seconds(packet: Packet) -> Fraction:
    return (packet.dts or 0) * packet.time_base
