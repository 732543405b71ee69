"""What was done: one line of JSON a clip, appended to a file in OUT and on the disk before the next clip begins.

A line is written by one call, so that a run that is killed leaves whole lines, and at worst one torn line at the end,
which readers skip. Every shard writes a journal of its own and reads those of all.
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
class Outcome:
    """What came of a clip.

    status     DONE or FAILED; WAITING only in a summary, of a clip that a stopped run did not come to
    clip       its absolute path; `name` is that of its folder in OUT
    task       a number of this piece of work that no other has; empty where nobody began it
    key        of Job.key(); empty where the clip never came to a worker, so that the next run tries again
    sentence   why it failed
    files      kind -> path within OUT, and `manifests` the paths of all variants'
    duration_s of the music; `seconds` it took to make
    heard      valence and arousal in [-1, 1] and the quadrant that the judge hears, empty without one
    notes      warnings that were given on the way
    """

    status: str
    clip: str
    name: str
    task: str = ""
    key: str = ""
    sentence: str = ""
    files: dict[str, str] | None = None
    manifests: tuple[str, ...] = ()
    duration_s: float | None = None
    seconds: float | None = None
    heard: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("manifests", "notes"):  # JSON has lists
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def is_done(self) -> bool:
        return self.status == DONE

    def line(self) -> str:
        """Itself as one line of JSON."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def parse(cls, line: str | bytes) -> "Outcome":
        """What a line says. Raises ValueError or TypeError."""
        found = json.loads(line)
        known = {field.name for field in fields(cls)}
        outcome = cls(**{name: value for name, value in dict(found).items() if name in known})
        if outcome.status not in (DONE, FAILED) or not all(isinstance(text, str) for text in outcome.manifests):
            raise ValueError(f"nothing that a journal says: {found}")
        return outcome


def failed(job: Job, sentence: str, *, key: str = "", task: str = "", seconds: float | None = None) -> Outcome:
    """The outcome of a clip that failed."""
    return Outcome(FAILED, str(job.clip), job.name, task, key, sentence, seconds=seconds)


class Journal:
    """The journal of one shard, open for appending; any thread may write."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor, self.path = descriptor, path
        self._lock = threading.Lock()
        self._torn = _is_torn(path)

    def add(self, outcome: Outcome) -> None:
        """Append a line and wait until it is on the disk. Raises BatchError."""
        with self._lock:
            line = (b"\n" if self._torn else b"") + outcome.line().encode()
            try:
                self._torn = os.write(self._descriptor, line) < len(line)
                os.fsync(self._descriptor)
            except OSError as error:
                self._torn = True
                raise BatchError(failure(error, self.path)) from None
            if self._torn:
                raise BatchError(f"{self.path} cannot be written: make room on the disk, and give the command again")


@contextmanager
def opened(out: Path, shard: Shard) -> Iterator[Journal]:
    """The journal of a shard, for this process alone. Raises BatchError where another run has it or it cannot be."""
    path = out / f"batch{shard.tag}.jsonl"
    try:
        out.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError as error:
        raise BatchError(failure(error, path)) from None
    try:
        _take(descriptor, path)
        yield Journal(descriptor, path)
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path) -> None:
    """Keep a second run from writing the same journal; the system lets go of it when this process ends, however."""
    with suppress(ImportError):  # Windows has no fcntl
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BatchError(f"another run is writing {path}: wait for its end, or choose another -o") from None
        except OSError as error:  # some network disks know no locks
            log.warning("%s cannot be locked (%s): see to it that no second run writes there", path, error)


def read(out: Path) -> list[Outcome]:
    """All that the journals in a folder say, line by line; what cannot be read is skipped and told of."""
    found = []
    for path in sorted(out.glob("batch*.jsonl")):
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            try:
                found.append(Outcome.parse(line))
            except (ValueError, TypeError):
                if line.strip():
                    log.warning("line %d of %s is not whole: what it told of is done again", number, path)
    return found


def _is_torn(path: Path) -> bool:
    """Whether a killed run left a last line without its end."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        return file.read(1) not in (b"", b"\n")
