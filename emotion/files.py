"""Files: sound and notes by their names, files that appear whole or not at all, and sentences for failures."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

SOUND_NAMES = (".wav", ".flac", ".mp3", ".m4a", ".aac", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".wma")
MIDI_NAMES = (".mid", ".midi")

# What every file of sound or pictures is opened with: a playlist in disguise must not make FFmpeg ask the network.
OPEN_OPTIONS = MappingProxyType({"protocol_whitelist": "file"})
# Formats that FFmpeg opens but that are neither sound nor video: images, text drawn as terminal art, lists that name
# other files.
REFUSED_FORMATS = frozenset({"image2", "tty", "concat", "hls", "applehttp", "dash", "sdp", "ffmetadata"})

PARTIAL = ".partial"  # in the name of every file and folder that is not whole yet

_EITHER = frozenset({errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN})  # of an open file, read or written
_ROOM, _LEAVE = "make room on the disk", "choose a folder that you may write to"
_ADVICE = MappingProxyType({
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EACCES: _LEAVE,
    errno.EPERM: _LEAVE,
    errno.EROFS: _LEAVE,
})  # fmt: skip


def is_midi(path: Path) -> bool:
    """Whether a file is MIDI by its name."""
    return path.suffix.lower() in MIDI_NAMES


def ffmpeg_url(path: Path) -> str:
    """A file's name for FFmpeg, which would otherwise read a protocol, an option or a pattern into some names."""
    return f"file:{path.absolute()}"


def is_refused_format(name: str) -> bool:
    """Whether a container's format, by FFmpeg's name for it, is none of sound or video; see REFUSED_FORMATS."""
    return name.endswith("_pipe") or not REFUSED_FORMATS.isdisjoint(name.split(","))


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A partial file of a unique name beside `path` to write to; it replaces `path` when all went well.

    It is gone when anything failed, and what was at `path` is then untouched. OSErrors pass through: see `failure`.
    """
    partial = path.with_name(f".{secrets.token_hex(8)}{PARTIAL}")  # short, whatever the length of the final name
    try:
        yield partial
        partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def failure(error: Exception, path: Path, *, called: str | None = None) -> str:
    """One sentence for an error of the system while `path` was made: what, why, and what to do where that is known.

    `called` names the path to the reader, who may not know where it is. Another file that the error names, such as
    the source of a copy, could not be read, and is named instead.
    """
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    code, filename = getattr(error, "errno", None), getattr(error, "filename", None)
    if filename and not _belongs(filename, path):
        return f"{_plain(filename)} cannot be read ({reason})"
    done = "finished" if filename is None and code in _EITHER else "written"  # a source may have failed, not `path`
    advice = _ADVICE.get(code or 0)
    return f"{called or path} cannot be {done} ({reason})" + (f": {advice}" if advice else "")


def _belongs(filename: str | bytes, path: Path) -> bool:
    """Whether a file is `path`, a partial one, something in it or a folder that leads to it."""
    other, target = Path(_plain(filename)).absolute(), path.absolute()
    return PARTIAL in str(other) or other.is_relative_to(target) or target.is_relative_to(other)


def _plain(filename: str | bytes) -> str:
    return os.fsdecode(filename).removeprefix("file:")  # see ffmpeg_url
