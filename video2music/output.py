"""Where a scored clip goes: `DIR/<stem>/`, filled in a hidden folder beside it and moved there only when whole."""

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


def claim(
    out: Path, clip: Path, *, name: str | None = None, overwrite: bool = False, variant: int | None = None
) -> Output:
    """The place for a clip's files, or within it that of a variant, `v1/` and so on.

    A folder that holds the score of another clip of the same stem is left alone: the clip's own name then carries the
    hash of its path. Raises OptionError when the place is taken and `overwrite` is false.
    """
    stem = stem_of(clip)
    base = out / (name or stem)
    owners = {Output(folder, stem, clip).owner() for folder in (base, base / "v1")} - {None}
    if name is None and owners - {str(clip.resolve())}:
        base = out / _hashed(clip)
    folder = base / f"v{variant}" if variant else base
    for place in (base, folder):
        if place.exists() and not place.is_dir():
            raise OptionError(f"{place} is in the way: it is a file where a folder must go; choose another -o")
    if folder.exists() and any(folder.iterdir()) and not overwrite:
        raise OptionError(f"{folder} is there already: say --overwrite to replace it, or choose another -o")
    return Output(folder, stem, clip)


@contextmanager
def atomic_output_dir(output: Output) -> Iterator[Path]:
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
    made = sorted(files_in(partial), key=lambda path: path.name == output.manifest.name)
    places = [output.folder / path.relative_to(partial) for path in made]
    for place in places:
        if _is_clip(place, output):
            raise MediaError(f"{output.clip} lies where its own {place.name} must go: choose another folder")
        if place.is_dir() or (place.parent != output.folder and _is_strange(place.parent)):
            raise MediaError(f"{place} cannot be written, for something else is there: move it, or choose another -o")
    former = _former(output)
    output.folder.mkdir(exist_ok=True)
    output.manifest.unlink(missing_ok=True)
    for old in former:
        old.unlink(missing_ok=True)
    for folder in {old.parent for old in former} - {output.folder}:
        with suppress(OSError):  # somebody else's files are in it
            folder.rmdir()
    for path, place in zip(made, places, strict=True):
        place.parent.mkdir(exist_ok=True)
        path.replace(place)


def _is_strange(folder: Path) -> bool:
    """Whether what stands in a folder's place is none, or one that lies elsewhere."""
    return folder.is_symlink() or (folder.exists() and not folder.is_dir())


def files_in(folder: Path) -> list[Path]:
    """The files in a folder and in those within it, in order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _former(output: Output) -> list[Path]:
    """The files in the folder that its manifest lists, which need not tell the truth."""
    listed = _told(output).get("files")
    named = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    found = [output.folder / name for name in named if _stays_inside(name)]
    return [path for path in found if path.is_file() and not path.parent.is_symlink() and not _is_clip(path, output)]


def _stays_inside(name: str) -> bool:
    """Whether a listed name is that of a file in the folder or in one within it, not somewhere else."""
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
