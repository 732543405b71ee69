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

from video2music.errors import MediaError, OptionError


@dataclass(frozen=True)
class Output:
    """The folder of one clip and the stem of the files in it."""

    folder: Path
    stem: str

    @property
    def manifest(self) -> Path:
        return self.folder / f"{self.stem}.json"


def names(clips: Sequence[Path]) -> list[str]:
    """A folder name for each clip: its stem, and where several clips share one, the path's hash behind it."""
    stems = Counter(clip.stem for clip in set(clips))
    return [clip.stem if stems[clip.stem] == 1 else _hashed(clip) for clip in clips]


def claim(out: Path, clip: Path, *, name: str | None = None, overwrite: bool = False) -> Output:
    """The place for a clip's files. Raises OptionError when it is taken and `overwrite` is false.

    A folder that holds the score of another clip of the same stem is left alone: the clip's own name then carries the
    hash of its path.
    """
    output = Output(out / (name or clip.stem), clip.stem)
    if name is None and _owner(output) not in (None, str(clip.resolve())):
        output = Output(out / _hashed(clip), clip.stem)
    if output.folder.exists() and not output.folder.is_dir():
        raise OptionError(f"{output.folder} is in the way: it is a file where a folder must go; choose another -o")
    if output.folder.exists() and any(output.folder.iterdir()) and not overwrite:
        raise OptionError(f"{output.folder} is there already: say --overwrite to replace it, or choose another -o")
    return output


@contextmanager
def workshop(output: Output) -> Iterator[Path]:
    """A hidden folder beside the output's, gone afterwards; what is left in it when all went well is published.

    Raises MediaError when the disk is full or not ours to write.
    """
    partial = None
    try:
        output.folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=output.folder.parent))
        yield partial
        _publish(partial, output)
    except OSError as error:
        reason = error.strerror or str(error)
        raise MediaError(f"cannot write to {output.folder} ({reason}): make room there or choose another -o") from None
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def _publish(partial: Path, output: Output) -> None:
    """Move the files to their place, the manifest last: a folder with a manifest is whole."""
    output.folder.mkdir(exist_ok=True)
    output.manifest.unlink(missing_ok=True)
    made = sorted(partial.iterdir(), key=lambda path: path.name == output.manifest.name)
    for old in output.folder.glob("*.scored.*"):  # a former run may have had another container
        old.unlink()
    for path in made:
        path.replace(output.folder / path.name)


def _owner(output: Output) -> str | None:
    """The clip whose manifest lies in the folder, None when there is none."""
    try:
        return str(json.loads(output.manifest.read_text())["input"]["path"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _hashed(clip: Path) -> str:
    digest = hashlib.sha256(os.fsencode(clip.resolve())).hexdigest()
    return f"{clip.stem}-{digest[:6]}"
