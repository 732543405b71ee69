"""Where a scored clip goes: `DIR/<stem>/`, filled in a hidden folder beside it and moved there only when whole."""

import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emotion.files import PARTIAL, failure
from video2music.errors import MediaError, OptionError

NAMELESS = "clip"  # the stem of a clip whose own is only dots: as a folder's name that would lead elsewhere
LONGEST_STEM = 240  # bytes; a file name has 255 at most, and `.scored.webm` or `-` and six digits come behind


@dataclass(frozen=True)
class Output:
    """The folder of one clip and the stem of the files in it; the clip is never replaced or removed."""

    folder: Path
    stem: str
    clip: Path

    @property
    def manifest(self) -> Path:
        return self.folder / f"{self.stem}.json"

    def owner(self) -> str | None:
        """The clip whose manifest lies in the folder, None when there is none."""
        told = _told(self).get("input")
        return str(told["path"]) if isinstance(told, dict) and "path" in told else None


def stem_of(clip: Path) -> str:
    """What a clip's files are called: its stem, made safe as a name of a folder and short enough for any suffix."""
    stem = clip.stem
    while len(os.fsencode(stem)) > LONGEST_STEM:
        stem = stem[:-1]
    return stem if stem.strip(".") else NAMELESS


def names(clips: Sequence[Path]) -> list[str]:
    """A folder name for each clip: its stem, and where several clips share one, the path's hash behind it."""
    stems = Counter(stem_of(clip) for clip in set(clips))
    return [stem_of(clip) if stems[stem_of(clip)] == 1 else _hashed(clip) for clip in clips]


def claim(out: Path, clip: Path, *, name: str | None = None, overwrite: bool = False) -> Output:
    """The place for a clip's files. Raises OptionError when it is taken and `overwrite` is false.

    A folder that holds the score of another clip of the same stem is left alone: the clip's own name then carries the
    hash of its path.
    """
    stem = stem_of(clip)
    output = Output(out / (name or stem), stem, clip)
    if name is None and output.owner() not in (None, str(clip.resolve())):
        output = Output(out / _hashed(clip), stem, clip)
    if output.folder.exists() and not output.folder.is_dir():
        raise OptionError(f"{output.folder} is in the way: it is a file where a folder must go; choose another -o")
    if output.folder.exists() and any(output.folder.iterdir()) and not overwrite:
        raise OptionError(f"{output.folder} is there already: say --overwrite to replace it, or choose another -o")
    return output


@contextmanager
def workshop(output: Output) -> Iterator[Path]:
    """A hidden folder beside the output's, gone afterwards; what is left in it when all went well is published.

    Raises MediaError when the disk is full or not ours to write, or the clip cannot be read.
    """
    partial = None
    try:
        output.folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f"{PARTIAL}-", dir=output.folder.parent))
        yield partial
        _publish(partial, output)
    except OSError as error:
        raise MediaError(failure(error, output.folder)) from None
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def _publish(partial: Path, output: Output) -> None:
    """Move the files to their place, the manifest last: a folder with a manifest is whole.

    What a former run made goes, because it may have had another container; what else lies there stays.
    """
    made = sorted(partial.iterdir(), key=lambda path: path.name == output.manifest.name)
    for path in made:
        if _is_clip(output.folder / path.name, output):
            raise MediaError(f"{output.clip} lies where its own {path.name} must go: choose another folder")
    former = _former(output)
    output.folder.mkdir(exist_ok=True)
    output.manifest.unlink(missing_ok=True)
    for old in former:
        old.unlink(missing_ok=True)
    for path in made:
        path.replace(output.folder / path.name)


def _former(output: Output) -> list[Path]:
    """The files in the folder that its manifest lists, which need not tell the truth."""
    listed = _told(output).get("files")
    named = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    found = [output.folder / name for name in named if name == Path(name).name and "\0" not in name]
    return [path for path in found if path.is_file() and not _is_clip(path, output)]


def _is_clip(path: Path, output: Output) -> bool:
    return path.exists() and output.clip.exists() and path.samefile(output.clip)


def _told(output: Output) -> dict[str, Any]:
    """The manifest in the folder, empty when there is none that can be read."""
    try:
        found = json.loads(output.manifest.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _hashed(clip: Path) -> str:
    digest = hashlib.sha256(os.fsencode(clip.resolve())).hexdigest()
    return f"{stem_of(clip)}-{digest[:6]}"
