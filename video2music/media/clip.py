"""The door to PyAV, reading: what a clip is (`probe`) and its pictures in one decode pass (`frames`).

Its sound is next door in `video2music.media.soundtrack`, muxing in `video2music.media.mux`. Every failure is a MediaError: one
plain sentence that names the file.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, cast

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

# What counts as a video among the files of a folder. A file that is named itself may be called anything.
VIDEO_NAMES = frozenset({
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv", ".3gp",
    ".ogv", ".mxf", ".gif",
})  # fmt: skip
DEFAULT_FPS = 25.0
LONGEST_S = 6 * 3600.0  # of a clip; a WAV counts its bytes in 32 bits, which is 6.7 hours of music
NEW_TIMELINE_S = 1.0  # a step back further than this starts the clock anew; a smaller one is a frame out of place

# Files that FFmpeg opens, but that are no video: pictures, text drawn as terminal art, lists that name other files.
_NO_VIDEO = frozenset({"image2", "tty", "concat", "hls", "applehttp", "dash", "sdp", "ffmetadata"})
_MAGIC = ((4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (0, b"\x1aE\xdf\xa3"), (0, b"RIFF"), (0, b"OggS"), (0, b"FLV"))

_decoder_threads = 0

_MATROSKA_DURATION = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")  # as in 00:00:07.800000000


@dataclass(frozen=True)
class Clip:
    """What the container says about a clip.

    duration_s     length of the picture in seconds, None where the file does not say (then `frames` tells)
    width, height  pixels of the upright picture
    rotation       0, 90, 180 or 270: degrees clockwise that a decoded frame must be turned to stand upright
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
    """A decoded picture, as stored (not turned), shown from time_s to end_s; the clip's first frame is at 0."""

    time_s: float
    end_s: float
    picture: VideoFrame


def probe(path: Path) -> Clip:
    """Read the header and the first picture of a clip. Raises MediaError, also when it says to be over LONGEST_S."""
    with open_clip(path) as container:
        stream = picture_stream(container, path)
        duration_s = _duration(container, stream)
        if duration_s is not None and stream.start_time is not None:  # without a clock the length is FFmpeg's guess
            _bounded(duration_s, path)
        picture = first_picture(container, path)
        rotation = turn(picture)
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
    """Have every later `frames` of this process decode on so many threads; 0, as it comes, is one for each core."""
    global _decoder_threads
    _decoder_threads = count


def frames(path: Path) -> Iterator[Frame]:
    """Decode a clip once, in order of time, holding two pictures at most.

    Times rise strictly whatever the file's own say; damaged packets are skipped with a warning. Raises MediaError when
    no picture at all can be decoded, and at a picture shown beyond LONGEST_S, which a damaged time stamp may ask for.
    """
    with open_clip(path) as container:
        stream = picture_stream(container, path)
        stream.thread_type, stream.codec_context.thread_count = "AUTO", _decoder_threads
        step = 1 / frame_rate(stream)
        clock = _Clock(step)
        waiting: tuple[float, VideoFrame] | None = None
        for picture in _pictures(container, stream, path):
            time_s = _bounded(clock.place(picture.time), path)
            if waiting is not None:
                yield Frame(waiting[0], time_s, waiting[1])
            waiting = time_s, picture
        if waiting is None:
            raise _nothing_decodes(path)
        end_s = waiting[0] + (_shown_for(waiting[1]) or step)
        yield Frame(waiting[0], _bounded(end_s, path), waiting[1])


class _Clock:
    """Places frames on one rising timeline that starts at 0."""

    def __init__(self, step: float) -> None:
        self._step = step
        self._shift = 0.0
        self._last: float | None = None

    def place(self, stamp: float | None) -> float:
        """Seconds for a frame stamped `stamp` by the file, None if it carries no time."""
        if self._last is None:
            self._shift = -(stamp or 0.0)
            self._last = 0.0
            return 0.0
        time_s = self._last + self._step if stamp is None else stamp + self._shift
        if time_s <= self._last:
            if stamp is not None and self._last - time_s > NEW_TIMELINE_S:
                self._shift += self._last + self._step - time_s
            time_s = self._last + self._step
        self._last = time_s
        return time_s


def open_clip(path: Path) -> InputContainer:
    """Open a file for reading; the caller closes it. Raises MediaError."""
    _refuse_no_file(path)
    try:
        # The white list keeps a playlist in disguise from the network; metadata in other encodings than UTF-8 must come
        # back as the bytes they were.
        container = av.open(
            url(path), container_options={"protocol_whitelist": "file"}, metadata_errors="surrogateescape"
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError(_why_unreadable(path, error)) from None
    name = container.format.name
    if name.endswith("_pipe") or not _NO_VIDEO.isdisjoint(name.split(",")):
        container.close()
        raise MediaError(f"{path} is not a video (it reads as {name}): give a video file such as .mp4, .mov or .webm")
    return container


def url(path: Path) -> str:
    """How FFmpeg is told a file's name without reading a protocol, an option or a pattern into it."""
    return f"file:{path.absolute()}"


def picture_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first moving picture of a file; a cover image of a song is none. Raises MediaError."""
    for stream in container.streams.video:
        if not stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails):
            if stream.codec_context is None:
                raise MediaError(
                    f"{path} holds a picture in a codec that this FFmpeg cannot decode: convert it to H.264"
                )
            return stream
    if container.streams.audio:
        raise MediaError(f"{path} has sound but no picture: give a file with a video stream")
    raise MediaError(f"{path} has no video stream: give a video file such as .mp4, .mov or .webm")


def frame_rate(stream: VideoStream) -> float:
    """Mean frames a second, DEFAULT_FPS where the file does not say."""
    return float(stream.average_rate or stream.guessed_rate or stream.base_rate or DEFAULT_FPS)


def turn(picture: VideoFrame) -> int:
    """Degrees clockwise, 0, 90, 180 or 270, that stand a decoded frame upright; FFmpeg counts counter-clockwise."""
    return round(-picture.rotation / 90) * 90 % 360


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """`emotion.files.whole_file`, where an error of the disk or of FFmpeg becomes a MediaError."""
    try:
        with files.whole_file(path) as partial:
            yield partial
    except (OSError, av.FFmpegError) as error:
        raise MediaError(files.failure(error, path, called=path.name)) from None


def first_picture(container: InputContainer, path: Path) -> VideoFrame:
    """The first picture of a clip that can be decoded. Raises MediaError when there is none."""
    picture = next(_pictures(container, picture_stream(container, path), path), None)
    if picture is None:
        raise _nothing_decodes(path)
    return picture


def packets(container: InputContainer, streams: Iterable[Stream], path: Path) -> Iterator[Packet]:
    """Packets of some streams as they come, up to where the file is damaged; the last, one a stream, are empty."""
    try:
        yield from container.demux(*streams)
    except av.FFmpegError as error:
        log.warning("%s cannot be read to its end: %s", path, error.strerror)


def _pictures(container: InputContainer, stream: VideoStream, path: Path) -> Iterator[VideoFrame]:
    """Every picture that can be decoded."""
    return cast(Iterator[VideoFrame], decoded(container, stream, path))


def decoded(container: InputContainer, stream: VideoStream | AudioStream, path: Path) -> Iterator[Any]:
    """Every frame of a stream that can be decoded; how many packets could not is logged at the end."""
    damaged = 0
    for packet in chain(packets(container, [stream], path), [None]):  # None: the decoder hands out what it holds
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
    """Length of the picture; only where that is not told, of the file, which its sound may make longer."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    told = _MATROSKA_DURATION.fullmatch(stream.metadata.get("DURATION", ""))
    if told:
        hours, minutes, seconds = map(float, told.groups())
        return 3600 * hours + 60 * minutes + seconds
    return container.duration / av.time_base if container.duration else None


def _bounded(time_s: float, path: Path) -> float:
    """`time_s` itself. Raises MediaError beyond LONGEST_S."""
    if time_s > LONGEST_S:
        raise MediaError(
            f"{path} lasts {time_s / 3600:.1f} hours by its own clock, and {LONGEST_S / 3600:.0f} hours is the most: "
            "cut it into parts, or copy it anew if its clock is wrong"
        )
    return time_s


def _shown_for(picture: VideoFrame) -> float:
    return float(picture.duration * picture.time_base) if picture.duration and picture.time_base else 0.0


def _refuse_no_file(path: Path) -> None:
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
    return MediaError(f"no picture of {path} can be decoded: the file is damaged, copy or record it again")
