"""Output folders: `DIR/<stem>/`, written in a hidden folder beside it and moved into place only when complete.

A folder with a manifest is complete, and the manifest lists the files that a later run may replace; every other file in
the folder, and the clip itself, is left alone.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emotion.files import PARTIAL, failure
from video2music.errors import MediaError, OptionError

NAMELESS = "clip"  # for a clip whose stem is only dots, which as a folder's name would be another folder
LONGEST_STEM = 240  # bytes; a file name has 255 at most, and `.scored.webm` or `-` and six digits are appended


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
        """Path of the clip that the folder's manifest is of, None without a manifest."""
        clip = _read_manifest(self).get("input")
        return str(clip["path"]) if isinstance(clip, dict) and "path" in clip else None


def stem_of(clip: Path) -> str:
    """The stem of a clip's files: its own, made safe as a folder's name and short enough for any suffix."""
    stem = clip.stem
    while len(os.fsencode(stem)) > LONGEST_STEM:  # sign by sign, so that no UTF-8 sequence is cut in two
        stem = stem[:-1]
    return stem if stem.strip(".") else NAMELESS


def folder_names(clips: Sequence[Path]) -> list[str]:
    """A folder name for each clip: its stem, with the hash of its path where several clips have the same."""
    stems = Counter(stem_of(clip) for clip in set(clips))
    return [stem_of(clip) if stems[stem_of(clip)] == 1 else _stem_with_hash(clip) for clip in clips]


def claim(
    out: Path, clip: Path, *, name: str | None = None, overwrite: bool = False, variant: int | None = None
) -> Output:
    """The output folder of a clip, or of one of its variants, `v1/` and so on within it. Nothing is created yet.

    A folder with the score of another clip of the same stem is left alone: this clip's folder then has the hash of its
    path in its name. Raises OptionError when the folder is not empty and `overwrite` is false.
    """
    stem = stem_of(clip)
    base = out / (name or stem)
    owners = {Output(folder, stem, clip).owner() for folder in (base, base / "v1")} - {None}
    if name is None and owners - {str(clip.resolve())}:
        base = out / _stem_with_hash(clip)
    folder = base / f"v{variant}" if variant else base
    for place in (base, folder):
        if place.exists() and not place.is_dir():
            raise OptionError(f"{place} is in the way: it is a file where a folder must go; choose another -o")
    if folder.exists() and any(folder.iterdir()) and not overwrite:
        raise OptionError(f"{folder} is there already: say --overwrite to replace it, or choose another -o")
    return Output(folder, stem, clip)


@contextmanager
def atomic_output_dir(output: Output) -> Iterator[Path]:
    """A temporary folder beside the output folder, whose files are moved into that at the end unless there is an error.

    Raises MediaError when the disk is full or not writable, or the clip cannot be read.
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
    """Move the files into the output folder, the manifest last: a folder with a manifest is complete.

    The files of an earlier run go, because its container may have been another; any others stay.
    """
    made = sorted(files_in(partial), key=lambda path: path.name == output.manifest.name)
    places = [output.folder / path.relative_to(partial) for path in made]
    for place in places:
        parent = place.parent
        is_blocked = parent != output.folder and (parent.is_symlink() or (parent.exists() and not parent.is_dir()))
        if _is_clip(place, output):
            raise MediaError(f"{output.clip} is where its own {place.name} must go: choose another folder")
        if place.is_dir() or is_blocked:
            raise MediaError(f"{place} cannot be written, for something else is there: move it, or choose another -o")
    previous = _previous_files(output)
    output.folder.mkdir(exist_ok=True)
    output.manifest.unlink(missing_ok=True)  # first, so that no interruption leaves a manifest with missing files
    for path in previous:
        path.unlink(missing_ok=True)
    for folder in {path.parent for path in previous} - {output.folder}:
        with suppress(OSError):  # it has files that are not ours
            folder.rmdir()
    for path, place in zip(made, places, strict=True):
        place.parent.mkdir(exist_ok=True)
        path.replace(place)


def files_in(folder: Path) -> list[Path]:
    """The files in a folder and in those within it, in order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _previous_files(output: Output) -> list[Path]:
    """The files that the folder's manifest lists; as anyone may have edited it, only those inside the folder."""
    listed = _read_manifest(output).get("files")
    listed = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    paths = [output.folder / name for name in listed if _stays_inside(name)]
    return [path for path in paths if path.is_file() and not path.parent.is_symlink() and not _is_clip(path, output)]


def _stays_inside(name: str) -> bool:
    """Whether a listed name is that of a file in the folder or in one directly within it."""
    parts = Path(name).parts
    return (
        1 <= len(parts) <= 2
        and str(Path(*parts)) == name
        and ".." not in parts
        and "\0" not in name
        and parts[0] != "/"
    )


def _is_clip(path: Path, output: Output) -> bool:
    return path.exists() and output.clip.exists() and path.samefile(output.clip)


def _read_manifest(output: Output) -> dict[str, Any]:
    """The manifest in the folder, empty when there is none that can be read."""
    try:
        found = json.loads(output.manifest.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _stem_with_hash(clip: Path) -> str:
    digest = hashlib.sha256(os.fsencode(clip.resolve())).hexdigest()
    return f"{stem_of(clip)}-{digest[:6]}"
