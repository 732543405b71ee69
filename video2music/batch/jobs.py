"""The jobs of a batch: clips, each with its options, the name of its folder and a key that later runs know it by.

`find` collects clips from folders and patterns, `plan` orders and names the jobs, `Shard` selects one machine's part.
The two errors are those of a batch as a whole; an error of a single clip is in its `JobResult`.
"""

import glob
import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion.checkpoint import file_sha256
from video2music.errors import OptionError, Video2MusicError
from video2music.media.clip import VIDEO_NAMES
from video2music.options import SPECS, Options
from video2music.output import folder_names

if TYPE_CHECKING:
    from video2music.composing.manifest import Replay


class BatchError(Video2MusicError):
    """A batch that cannot begin or go on: nothing to do, a journal in use, workers that do not start."""


class WorkerLost(Video2MusicError):
    """A worker that died over a clip, or took too long; the message says which."""


log = logging.getLogger(__name__)

# options that may name a file, whose content is then part of the key
_FILE_OPTIONS = tuple(spec.name for spec in SPECS.values() if spec.is_path)


@dataclass(frozen=True)
class PreviousScore:
    """A score to start from: its manifest, the parts to keep (`locks`), or the section to compose anew (`redraw`)."""

    manifest: Path
    locks: tuple[str, ...] = ()
    redraw: int | None = None

    def replay(self) -> "Replay":
        """What `pipeline.compose` takes. Raises ManifestError or OptionError."""
        from video2music.composing import manifest

        return replace(manifest.read(self.manifest), locks=frozenset(self.locks), redraw=self.redraw)


@dataclass(frozen=True)
class Job:
    """One clip to score: its path, its options, the name of its folder in OUT, and the score it starts from, if any."""

    clip: Path
    options: Options
    name: str = ""
    previous: PreviousScore | None = None

    @property
    def signature(self) -> str:
        """The options as text; equal options give equal text."""
        options = asdict(self.options)
        if self.previous:
            options["previous"] = [str(self.previous.manifest), sorted(self.previous.locks), self.previous.redraw]
        return json.dumps(options, sort_keys=True)

    def key(self) -> str:
        """The job's id in journals, 32 hex digits of the clip's content and the options. Raises OSError."""
        if not self.clip.exists():
            raise FileNotFoundError(2, "there is no such file", str(self.clip))
        if not self.clip.is_file():  # a named pipe would block the read for ever
            raise OSError(22, "it is no file", str(self.clip))
        contents = {option: _content_sha256(getattr(self.options, option)) for option in _FILE_OPTIONS}
        if self.previous:
            contents["previous"] = _content_sha256(self.previous.manifest)
        text = json.dumps([file_sha256(self.clip), self.signature, contents], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]  # 128 bits: no two jobs share a key by chance


def _content_sha256(named: Any) -> str | None:
    """The sha256 of a file that an option names, None where it names none."""
    path = Path(named) if named else None
    return file_sha256(path) if path and path.is_file() else None


@dataclass(frozen=True)
class Shard:
    """Every `count`-th job of the sorted list, from the `number`-th on; numbers begin at 1."""

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise OptionError(
                f"there is no shard {self.number}/{self.count}: give 1/{max(self.count, 1)} or a later one"
            )

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """`2/4` is the second of four. Raises OptionError."""
        number, slash, count = text.partition("/")
        if not (slash and number.isdecimal() and count.isdecimal()):
            raise OptionError(f"{text!r} is no shard: give its number and how many there are, such as 2/4")
        return cls(int(number), int(count))

    @property
    def tag(self) -> str:
        """Suffix of its files' names; empty for a batch in one part."""
        return f"-{self.number}-of-{self.count}" if self.count > 1 else ""

    def of(self, jobs: Sequence[Job]) -> list[Job]:
        """This shard's part of the jobs."""
        return list(jobs[self.number - 1 :: self.count])


def find(inputs: Iterable[str], out: Path) -> list[Path]:
    """The clips in folders and behind patterns, and files as they are named; nothing inside `out`.

    Raises BatchError for an input that does not exist and for a folder or pattern without clips.
    """
    found = []
    for given in inputs:
        clips = [clip for clip in _clips(given) if not _realpath(clip).is_relative_to(_realpath(out))]
        if not clips:
            raise BatchError(f"there is no clip in {given}: give videos, folders that hold some, or a quoted pattern")
        found += clips
    return found


def _clips(given: str) -> Iterator[Path]:
    path = Path(given)
    if path.is_dir():
        yield from sorted(inner for inner in path.rglob("*") if _is_clip(inner, path))
    elif os.path.lexists(path):
        yield path
    elif glob.has_magic(given):
        for matched in sorted(glob.glob(given, recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute pattern
            yield from _clips(matched) if Path(matched).is_dir() else [Path(matched)]
    else:
        raise BatchError(f"{given} is not there: give videos, folders or a quoted pattern such as 'clips/*.mp4'")


def _realpath(path: Path) -> Path:
    """The path with links resolved; Path.resolve raises where links form a circle."""
    return Path(os.path.realpath(path))


def _is_clip(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return not hidden and path.suffix.lower() in VIDEO_NAMES and path.is_file()


def plan(requested: Iterable[Job]) -> list[Job]:
    """The jobs in an order that is the same on every machine, with absolute paths and unique folder names.

    Duplicates are dropped. A clip with several sets of options gets a folder for each, named after the clip and the
    hash of the options. Shards are cut from this list, so that all machines use the same names.
    """
    jobs = [replace(job, clip=job.clip.absolute()) for job in requested]
    # as bytes: names of files need not be text, and bytes sort alike everywhere
    unique = {(os.fsencode(job.clip), job.signature): job for job in jobs}
    if len(unique) < len(jobs):
        log.warning(
            "%d of the clips are named more than once with the same options: once is enough", len(jobs) - len(unique)
        )
    ordered = [unique[key] for key in sorted(unique)]
    n_options = Counter(job.clip for job in ordered)
    named = []
    for job, name in zip(ordered, folder_names([job.clip for job in ordered]), strict=True):
        options_hash = hashlib.sha256(job.signature.encode()).hexdigest()[:6]
        named.append(replace(job, name=name if n_options[job.clip] == 1 else f"{name}-{options_hash}"))
    return named
