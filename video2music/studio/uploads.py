"""What a visitor may upload, and how errors name it.

Limits of size, length and type are checked before any work on a file begins. Each check raises UploadError with one
sentence for the visitor, who knows the file by its name and not by its place on the server; `sentence` makes any other
error fit for the page in the same way.
"""

import logging
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from types import MappingProxyType

from emotion.errors import SoundError, UserError
from emotion.files import MIDI_NAMES, SOUND_NAMES, is_midi
from video2music.errors import MediaError, OptionError, Video2MusicError
from video2music.media import clip as media

log = logging.getLogger(__name__)

MEGABYTE = 1_000_000  # as disks and mail programs count
_FOR_A_COMMAND = re.compile(r":[^:]*(?<![\w-])--?[a-z].*", re.DOTALL)  # advice that names an option

# The names by kind; lists for the widgets that choose a file.
TYPES = MappingProxyType({
    "clip": tuple(media.VIDEO_NAMES),
    "music": (*SOUND_NAMES, *MIDI_NAMES, ".mp4", ".mov", ".mkv", ".webm"),
})  # fmt: skip
NAMES = frozenset(name for names in TYPES.values() for name in names)

_CALLED = MappingProxyType({"clip": "video", "music": "sound or MIDI file"})
_SHOWN = MappingProxyType({
    "clip": ".mp4, .mov, .mkv or .webm",
    "music": ".wav, .flac, .mp3, .m4a or .mid",
})  # fmt: skip


class UploadError(Video2MusicError):
    """A file that is larger, longer or of another kind than what may be handed in."""


@dataclass(frozen=True)
class Limits:
    """How much may be handed in.

    clip_bytes, clip_s    of one clip; pixels and frames of its picture: 4K, and ten minutes at a hundred a second
    clips, clips_s        how many clips a batch may have, and how long they may be in all
    sound_bytes, sound_s  of a sound file; midi_bytes of a .mid, which may be as long as a sound
    upload_bytes          of all files of one upload, and the largest single file at least

    Raises OptionError.
    """

    clip_bytes: int = 500 * MEGABYTE
    clip_s: float = 600.0
    pixels: int = 4096 * 2160
    frames: int = 60_000
    clips: int = 20
    clips_s: float = 3600.0
    sound_bytes: int = 200 * MEGABYTE
    sound_s: float = 3600.0
    midi_bytes: int = 2 * MEGABYTE
    upload_bytes: int = 2000 * MEGABYTE

    def __post_init__(self) -> None:
        for field in fields(self):
            given = getattr(self, field.name)
            if not 0 < given < math.inf:
                raise OptionError(f"the limit {field.name} must be a number above 0, but is {given}")

    @property
    def largest(self) -> int:
        """Bytes of the largest file of any kind."""
        return max(self.clip_bytes, self.sound_bytes, self.midi_bytes)


STANDARD = Limits()


def amount(size: int) -> str:
    """A number of bytes as people say it."""
    return f"{size / MEGABYTE:.3g} MB" if size >= MEGABYTE else f"{size / 1000:.3g} kB"


def clip(path: Path | str, limits: Limits = STANDARD) -> media.Clip:
    """A clip that may be scored. Raises UploadError; its bytes and its type are looked at before its content."""
    path = Path(path)
    _refuse_name(path, "clip")
    _refuse_size(path, limits.clip_bytes)
    try:
        duration_s = _picture_s(path, limits)
        found = media.probe(path)
    except MediaError as error:
        raise UploadError(_named(error, path)) from None
    _refuse_length(path, max(duration_s, found.duration_s or 0.0), limits.clip_s)
    return found


def clips(paths: Sequence[Path | str], limits: Limits = STANDARD) -> Mapping[int, str]:
    """The places of clips that may not be scored one after the other with the rest, each with why.

    Raises UploadError where none may, or all of them are too much.
    """
    if not paths:
        raise UploadError("there is no clip: add one at least")
    if len(paths) > limits.clips:
        raise UploadError(f"{len(paths)} clips are too many: hand in {limits.clips} at most, and the rest afterwards")
    refused, together_s = {}, 0.0
    for place, path in enumerate(paths):
        try:
            together_s += clip(path, limits).duration_s or 0.0
        except UploadError as error:
            refused[place] = str(error)
    if len(refused) == len(paths):
        raise UploadError(refused[0])
    if together_s > limits.clips_s:
        raise UploadError(
            f"the {len(paths)} clips last {_span(together_s)} in all, and {_span(limits.clips_s)} is the most: "
            "hand in fewer at a time"
        )
    return refused


def music(path: Path | str, limits: Limits = STANDARD) -> None:
    """Let a sound or MIDI file pass that may be judged. Raises UploadError."""
    path = Path(path)
    _refuse_name(path, "music")
    midi = is_midi(path)
    _refuse_size(path, limits.midi_bytes if midi else limits.sound_bytes)
    _refuse_length(path, _notes_s(path) if midi else _sound_s(path), limits.sound_s)


def _refuse_name(path: Path, kind: str) -> None:
    if path.suffix.lower() not in TYPES[kind]:
        raise UploadError(f"{path.name} is no {_CALLED[kind]} by its name: give a file such as {_SHOWN[kind]}")


def _refuse_size(path: Path, most: int) -> None:
    try:
        size = path.stat().st_size
    except (OSError, ValueError):
        raise UploadError(f"{path.name} is not here any more: upload it again") from None
    if size > most:
        raise UploadError(
            f"{path.name} has {amount(size)}, and {amount(most)} is the most: cut it, or save it in a smaller size"
        )
    if not size:
        raise UploadError(f"{path.name} is empty (0 bytes): copy or record it again")


def _refuse_length(path: Path, duration_s: float, most_s: float) -> None:
    if duration_s > most_s:
        raise UploadError(f"{path.name} lasts {_span(duration_s)}, and {_span(most_s)} is the most: cut it shorter")


def _picture_s(path: Path, limits: Limits) -> float:
    """Seconds of picture by its packets, for a header may say anything; nothing is decoded.

    Raises UploadError at a picture that is too large or has too many frames, and MediaError.
    """
    with media.open_clip(path) as container:
        stream = media.picture_stream(container, path)
        width, height = stream.codec_context.width, stream.codec_context.height
        if width * height > limits.pixels:
            raise UploadError(
                f"{path.name} is {width} by {height} pixels large, and {limits.pixels / 1e6:.1f} million is the most: "
                "save it in a smaller size"
            )
        packets = islice(media.packets(container, [stream], path), limits.frames + 2)  # the last is empty
        frames, duration_s = _extent(packets)
    if frames > limits.frames:
        raise UploadError(f"{path.name} has more than {limits.frames} frames, which is the most: cut it shorter")
    return duration_s


def _sound_s(path: Path) -> float:
    """Seconds of a file's first sound by its packets. Raises UploadError."""
    try:
        with media.open_clip(path) as container:  # which is not led elsewhere by a list of other files
            if not container.streams.audio:
                raise UploadError(f"{path.name} holds no sound: give a file such as {_SHOWN['music']}")
            return _extent(media.packets(container, [container.streams.audio[0]], path))[1]
    except MediaError:
        raise UploadError(f"{path.name} cannot be read as sound: give a file such as {_SHOWN['music']}") from None


def _extent(packets: Iterable[media.AnyPacket]) -> tuple[int, float]:
    """How many packets hold something, and the seconds from the first stamp to the end, or of all of them in a row."""
    count, first_s, last_s, together_s = 0, math.inf, -math.inf, 0.0
    for packet in packets:
        count += packet.size > 0
        lasting_s = float((packet.duration or 0) * (packet.time_base or 0))
        together_s += lasting_s
        if packet.pts is not None and packet.time_base:
            start_s = float(packet.pts * packet.time_base)
            first_s, last_s = min(first_s, start_s), max(last_s, start_s + lasting_s)
    return count, max(last_s - first_s, together_s, 0.0)


def _notes_s(path: Path) -> float:
    """Seconds until the last note of a MIDI file ends. Raises UploadError."""
    from emotion.midi import notes

    try:
        return notes.read(path).duration_s
    except SoundError as error:
        raise UploadError(_named(error, path)) from None


def _named(error: Exception, path: Path) -> str:
    """An error's sentence with the file's name in place of where it lies."""
    return str(error).replace(str(path), path.name)


def _span(seconds: float) -> str:
    """A length as people say it."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} minutes" if minutes else f"{seconds:.3g} seconds"


def sentence(error: BaseException, upload: Path | None = None, folder: Path | None = None) -> str:
    """An error's sentence without the server's folders: neither that of the upload nor that of the run."""
    if not isinstance(error, UserError):
        log.error("unforeseen", exc_info=error)
        return f"Something unforeseen happened ({type(error).__name__}): the terminal that serves this page says more."
    return plain(str(error), upload, folder)


def plain(told: str, upload: Path | None = None, folder: Path | None = None) -> str:
    """What somebody at a keyboard would be told, for a visitor, who knows neither folders nor options."""
    if upload is not None:  # its name is set aside, as it may look like an option
        told = told.replace(str(upload), "\0").replace(upload.name, "\0")
    if folder is not None:
        told = told.replace(f"{folder}{os.sep}", "").replace(str(folder), "the result")
    return _FOR_A_COMMAND.sub("", told).replace("\0", upload.name if upload else "")
