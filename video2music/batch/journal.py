"""The journal of a batch: JSON lines in OUT, one per clip, flushed to the disk before the next clip begins.

A line is written by one call, so that a killed run leaves whole lines and at worst one torn line at the end, which
readers skip. Every shard writes a journal of its own and reads those of all.
"""

import json
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from emotion.files import failure
from video2music.batch.jobs import BatchError, Job, Shard

log = logging.getLogger(__name__)

DONE, FAILED, WAITING = "done", "failed", "waiting"


@dataclass(frozen=True)
class JobResult:
    """The result of one job.

    status     DONE or FAILED; WAITING only in a summary, of a clip that a stopped run did not reach
    clip       its absolute path; `name` is that of its folder in OUT
    task       unique id of this attempt; empty where no worker began it
    key        of Job.key(); empty where no worker began it, so that the next run tries again
    error      why it failed, one sentence
    files      kind -> path within OUT, and `manifests` the paths of all variants'
    duration_s of the music; `seconds` it took to make
    emotion    valence and arousal in [-1, 1] and the quadrant that the judge predicts, None without a judge
    warnings   that were logged on the way
    """

    status: str
    clip: str
    name: str
    task: str = ""
    key: str = ""
    error: str = ""
    files: dict[str, str] | None = None
    manifests: tuple[str, ...] = ()
    duration_s: float | None = None
    seconds: float | None = None
    emotion: dict[str, Any] | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("manifests", "warnings"):  # JSON reads them as lists
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def is_done(self) -> bool:
        return self.status == DONE

    def line(self) -> str:
        """Itself as one line of JSON."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def parse(cls, line: str | bytes) -> "JobResult":
        """The result of a line. Raises ValueError or TypeError."""
        found = json.loads(line)
        known = {field.name for field in fields(cls)}
        result = cls(**{name: value for name, value in dict(found).items() if name in known})
        if result.status not in (DONE, FAILED) or not all(isinstance(text, str) for text in result.manifests):
            raise ValueError(f"not a line of a journal: {found}")
        return result


def failed_result(job: Job, error: str, *, key: str = "", task: str = "", seconds: float | None = None) -> JobResult:
    """The result of a job that failed; `error` is a sentence."""
    return JobResult(FAILED, str(job.clip), job.name, task, key, error, seconds=seconds)


class Journal:
    """The journal of one shard, open for appending; any thread may write."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor, self.path = descriptor, path
        self._lock = threading.Lock()
        self._torn = _is_torn(path)

    def add(self, result: JobResult) -> None:
        """Append a line and wait until it is on the disk. Raises BatchError."""
        with self._lock:
            line = (b"\n" if self._torn else b"") + result.line().encode()
            try:
                self._torn = os.write(self._descriptor, line) < len(line)
                os.fsync(self._descriptor)
            except OSError as error:
                self._torn = True
                raise BatchError(failure(error, self.path)) from None
            if self._torn:
                raise BatchError(f"{self.path} cannot be written: make room on the disk, and give the command again")


@contextmanager
def open_journal(out: Path, shard: Shard) -> Iterator[Journal]:
    """The journal of a shard, locked for this process.

    Raises BatchError where another run has the lock or the file cannot be opened.
    """
    path = out / f"batch{shard.tag}.jsonl"
    try:
        out.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError as error:
        raise BatchError(failure(error, path)) from None
    try:
        _lock_file(descriptor, path)
        yield Journal(descriptor, path)
    finally:
        os.close(descriptor)


def _lock_file(descriptor: int, path: Path) -> None:
    """Keep a second run from writing the same journal; the system releases the lock when this process ends."""
    with suppress(ImportError):  # Windows has no fcntl
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BatchError(f"another run is writing {path}: wait for its end, or choose another -o") from None
        except OSError as error:  # some network disks have no locks
            log.warning("%s cannot be locked (%s): see to it that no second run writes there", path, error)


def read(out: Path) -> list[JobResult]:
    """All results in the journals of a folder, in order; unreadable lines are skipped with a warning."""
    found = []
    for path in sorted(out.glob("batch*.jsonl")):
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            try:
                found.append(JobResult.parse(line))
            except (ValueError, TypeError):
                if line.strip():
                    log.warning("line %d of %s is not whole: its clip is scored again", number, path)
    return found


def _is_torn(path: Path) -> bool:
    """Whether the last line has no newline, as a killed run may leave it."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        return file.read(1) not in (b"", b"\n")
