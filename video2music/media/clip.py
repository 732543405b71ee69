"""Reading clips through PyAV: their properties (`probe`) and their frames in one decode pass (`frames`).

`media.soundtrack` reads the audio, `media.mux` writes scored clips, `media.encode` new files. Every failure is a
MediaError: one plain sentence that names the file.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from emotion import files
from video2music.errors import MediaError

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    AnyPacket = Packet[Any]
else:
    AnyPacket = Packet  # PyAV's class has its type parameter in the stubs only

# The suffixes of videos in a folder. A file that is given by itself may have any name.
VIDEO_NAMES = frozenset({
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv", ".3gp",
    ".ogv", ".mxf", ".gif",
})  # fmt: skip
DEFAULT_FPS = 25.0
LONGEST_S = 6 * 3600.0  # of a clip; a WAV counts its bytes in 32 bits, which is 6.7 hours of music
NEW_TIMELINE_S = 1.0  # a step back further than this is a reset of the clock; a smaller one is a frame out of order

_MAGIC = ((4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (0, b"\x1aE\xdf\xa3"), (0, b"RIFF"), (0, b"OggS"), (0, b"FLV"))

_decoder_threads = 0  # see `set_decoder_threads`

_MATROSKA_DURATION = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")  # as in 00:00:07.800000000


@dataclass(frozen=True)
class Clip:
    """The properties of a clip as its container states them.

    duration_s     length of the video stream in seconds, None where the file does not say (then decode `frames`)
    width, height  pixels of the upright picture
    rotation       0, 90, 180 or 270: degrees clockwise by which to rotate a decoded frame to be upright
    fps            mean frames a second
    container      FFmpeg's name of the real format, whatever the suffix says, such as `mov,mp4,m4a,3gp,3g2,mj2`
    """

    path: Path
    duration_s: float | None
    width: int
    height: int
    rotation: int
    fps: float
    container: str
    has_audio: bool


@dataclass(frozen=True, eq=False)
class Frame:
    """A decoded frame, as stored (not rotated), shown from time_s to end_s; the clip's first frame is at 0."""

    time_s: float
    end_s: float
    picture: VideoFrame


def probe(path: Path) -> Clip:
    """Read the header and the first frame of a clip. Raises MediaError, also for a stated length over LONGEST_S."""
    with open_clip(path) as container:
        stream = picture_stream(container, path)
        duration_s = _duration(container, stream)
        # Without a clock the length is a guess of FFmpeg's.
        if duration_s is not None and stream.start_time is not None:
            _bounded(duration_s, path)
        picture = first_picture(container, path)
        rotation = round(-picture.rotation / 90) * 90 % 360  # FFmpeg counts counter-clockwise
        width, height = picture.width, picture.height
        return Clip(
            path=path,
            duration_s=duration_s,
            width=height if rotation % 180 else width,
            height=width if rotation % 180 else height,
            rotation=rotation,
            fps=frame_rate(stream),
            container=container.format.name,
            has_audio=bool(container.streams.audio),
        )


def set_decoder_threads(count: int) -> None:
    """Set the number of threads of every later `frames` of this process; 0, the default, is one for each core."""
    global _decoder_threads
    _decoder_threads = count


def frames(path: Path) -> Iterator[Frame]:
    """Decode a clip once, in order of time, holding two frames at most.

    Times rise strictly whatever the file's time stamps; damaged packets are skipped with a warning. Raises MediaError
    when no frame at all can be decoded, and at a frame beyond LONGEST_S, which a damaged time stamp may give.
    """
    with open_clip(path) as container:
        stream = picture_stream(container, path)
        stream.thread_type, stream.codec_context.thread_count = "AUTO", _decoder_threads
        step = 1 / frame_rate(stream)
        clock = _Timeline(step)
        waiting: tuple[float, VideoFrame] | None = None
        for picture in decoded(container, stream, path):
            time_s = _bounded(clock.time_of(picture.time), path)
            if waiting is not None:
                yield Frame(waiting[0], time_s, waiting[1])
            waiting = time_s, picture
        if waiting is None:
            raise _nothing_decodes(path)
        time_s, last = waiting
        shown_s = float(last.duration * last.time_base) if last.duration and last.time_base else step
        yield Frame(time_s, _bounded(time_s + shown_s, path), last)


class _Timeline:
    """Maps time stamps to one rising timeline that starts at 0."""

    def __init__(self, step: float) -> None:
        self._step = step
        self._shift = 0.0
        self._last: float | None = None

    def time_of(self, stamp: float | None) -> float:
        """The time in seconds of a frame with the time stamp `stamp`, None if it has none."""
        if self._last is None:
            self._shift = -(stamp or 0.0)
            self._last = 0.0
            return 0.0
        time_s = self._last + self._step if stamp is None else stamp + self._shift
        if time_s <= self._last:
            if stamp is not None and self._last - time_s > NEW_TIMELINE_S:  # a smaller step back is a lone wrong stamp
                self._shift += self._last + self._step - time_s
            time_s = self._last + self._step
        self._last = time_s
        return time_s


def open_clip(path: Path) -> InputContainer:
    """Open a file for reading; the caller closes it. Raises MediaError."""
    _check_file(path)
    try:
        # Metadata in other encodings than UTF-8 must be written again as the bytes they were.
        container = av.open(
            files.ffmpeg_url(path), container_options=dict(files.OPEN_OPTIONS), metadata_errors="surrogateescape"
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError(_why_unreadable(path, error)) from None
    name = container.format.name
    if files.is_refused_format(name):
        container.close()
        raise MediaError(f"{path} is not a video (it reads as {name}): give a video file such as .mp4, .mov or .webm")
    return container


def picture_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first video stream of a file; the cover image of a song is none. Raises MediaError."""
    for stream in container.streams.video:
        if not stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails):
            if stream.codec_context is None:  # PyAV leaves it out where this FFmpeg has no decoder
                raise MediaError(
                    f"the video stream of {path} is in a codec that this FFmpeg cannot decode: convert it to H.264"
                )
            return stream
    if container.streams.audio:
        raise MediaError(f"{path} has audio but no video stream: give a video file")
    raise MediaError(f"{path} has no video stream: give a video file such as .mp4, .mov or .webm")


def frame_rate(stream: VideoStream) -> float:
    """Mean frames a second, DEFAULT_FPS where the file does not say."""
    return float(stream.average_rate or stream.guessed_rate or stream.base_rate or DEFAULT_FPS)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """`emotion.files.atomic_write`, but an error of the disk or of FFmpeg becomes a MediaError."""
    try:
        with files.atomic_write(path) as partial:
            yield partial
    except (OSError, av.FFmpegError) as error:
        raise MediaError(files.failure(error, path, called=path.name)) from None


def first_picture(container: InputContainer, path: Path) -> VideoFrame:
    """The first frame of a clip that can be decoded. Raises MediaError if there is none."""
    picture: VideoFrame | None = next(decoded(container, picture_stream(container, path), path), None)
    if picture is None:
        raise _nothing_decodes(path)
    return picture


def packets(container: InputContainer, streams: Iterable[Stream], path: Path) -> Iterator[AnyPacket]:
    """Packets of some streams in file order, up to where the file is damaged; the last, one a stream, are empty."""
    try:
        yield from container.demux(*streams)
    except av.FFmpegError as error:
        log.warning("%s cannot be read to its end: %s", path, error.strerror)


def decoded(container: InputContainer, stream: VideoStream | AudioStream, path: Path) -> Iterator[Any]:
    """Every frame of a stream that can be decoded; the number of damaged packets is logged at the end."""
    damaged = 0
    for packet in chain(packets(container, [stream], path), [None]):  # None flushes the decoder
        try:
            found = stream.decode(packet)
        except EOFError:  # flushed already
            break
        except av.FFmpegError as error:
            damaged += 1
            log.debug("%s: damaged packet skipped: %s", path, error)
            continue
        yield from found
    if damaged:
        log.warning("%s: skipped %d damaged packets", path, damaged)


def _duration(container: InputContainer, stream: VideoStream) -> float | None:
    """Length of the video stream; only where that is not stated, of the file, whose audio may be longer."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    stated = _MATROSKA_DURATION.fullmatch(stream.metadata.get("DURATION", ""))
    if stated:
        hours, minutes, seconds = map(float, stated.groups())
        return 3600 * hours + 60 * minutes + seconds
    return container.duration / av.time_base if container.duration else None


def _bounded(time_s: float, path: Path) -> float:
    """`time_s` itself. Raises MediaError beyond LONGEST_S."""
    if time_s > LONGEST_S:
        raise MediaError(
            f"{path} lasts {time_s / 3600:.1f} hours by its time stamps, the limit is {LONGEST_S / 3600:.0f} hours: "
            "cut it into parts, or remux it if its time stamps are wrong"
        )
    return time_s


def _check_file(path: Path) -> None:
    """Raise MediaError unless it is a file that can be opened and is not empty."""
    try:
        if path.is_dir():
            raise MediaError(f"{path} is a folder: give the video file itself")
        size = path.stat().st_size
    except FileNotFoundError:
        raise MediaError(f"there is no file {path}: check the name") from None
    except (OSError, ValueError) as error:
        raise MediaError(f"{path} cannot be opened: {getattr(error, 'strerror', None) or error}") from None
    if not size:
        raise MediaError(f"{path} is empty (0 bytes): copy or record it again")


def _why_unreadable(path: Path, error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, ValueError):
        return f"{path} cannot be opened: {error.strerror or error}"
    with path.open("rb") as file:
        head = file.read(16)
    if any(head[at : at + len(magic)] == magic for at, magic in _MAGIC):
        return f"{path} begins like a video, but is cut off or damaged and has no index: copy or record it again"
    return f"{path} is not a video: give a file such as .mp4, .mov, .mkv or .webm"


def _nothing_decodes(path: Path) -> MediaError:
    return MediaError(f"no frame of {path} can be decoded: the file is damaged, copy or record it again")
