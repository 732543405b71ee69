"""Runs a batch: one thread per worker hands it clips, and replaces the worker when it is late or dead.

All that a run knows of earlier runs is in the journals of OUT (`journal`); the files pass through scratch folders
(`scoring`). `cli.batch` and the page's batches make a `Batch`, run it once and read its `results`.
"""

import logging
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from emotion.errors import UserError
from emotion.files import failure
from video2music.batch import TIMEOUT_S, journal, scoring
from video2music.batch.jobs import Job, Shard, WorkerLost
from video2music.batch.journal import FAILED, WAITING, JobResult, Journal, failed_result
from video2music.batch.scoring import Worker

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchProgress:
    """Counts of clips: in all, resolved by earlier runs, resolved by this run; and how many of all failed.

    `latest` is the result that came last, None at the beginning; `left_s` estimates the time for the rest, None while
    there is too little to estimate from.
    """

    clips: int
    earlier: int
    now: int
    failed: int
    latest: JobResult | None
    left_s: float | None


class Batch:
    """A run over jobs: made, run once, then asked for its `results`."""

    def __init__(
        self,
        jobs: Sequence[Job],
        out: Path,
        *,
        start_worker: Callable[[], Worker],
        workers: int = 1,
        shard: Shard | None = None,
        timeout_s: float = TIMEOUT_S,
        overwrite: bool = False,
        retry: bool = False,
        progress: Callable[[BatchProgress], None] = lambda progress: None,
    ) -> None:
        self._shard = shard or Shard()
        self._jobs, self._out, self._start_worker = self._shard.of(jobs), out, start_worker
        self._n_workers, self._timeout_s, self._overwrite, self._retry = workers, timeout_s, overwrite, retry
        self._progress, self._lock, self._stop = progress, threading.Lock(), threading.Event()
        self._waiting: deque[tuple[int, str]] = deque()  # indices into the jobs, and their keys
        self._results: dict[int, JobResult] = {}
        self._workers: set[Worker] = set()
        self._errors: list[BaseException] = []
        self._earlier: list[JobResult] = []
        self._clock_start = 0.0

    @property
    def results(self) -> list[JobResult]:
        """A result for each clip, in order; WAITING for those that the run did not reach."""
        return [
            self._results.get(index, JobResult(WAITING, str(job.clip), job.name))
            for index, job in enumerate(self._jobs)
        ]

    @property
    def failed_before(self) -> int:
        """How many clips were skipped because they failed in an earlier run."""
        return sum(not result.is_done for result in self._earlier)

    def run(self) -> None:
        """Get a result for every clip that has none from an earlier run.

        Raises BatchError when it cannot begin or go on. KeyboardInterrupt ends the workers and passes through; what was
        finished stays, and a later run goes on from there.
        """
        with journal.open_journal(self._out, self._shard) as book:
            self._recover(book)
            try:
                self._plan(book)
                self._progress(self._current_progress(None))
                self._run_workers(book)
            finally:
                self._recover(book)
        if self._errors:
            raise self._errors[0]

    def _recover(self, book: Journal) -> None:
        """Publish and record what workers finished before their run was ended; remove the rest of the scratch."""
        # a run that was killed between publishing and recording left a result without a line
        recorded = {result.task for result in journal.read(self._out)}
        for scratch, result in scoring.finished(self._out, self._shard):
            if result.task not in recorded:
                book.add(self._published(scratch, result))
        scoring.clear_scratch(self._out, self._shard)

    def _plan(self, book: Journal) -> None:
        """Sort the jobs into those with a result and those that wait."""
        known = _known_results(self._out)
        for index, job in enumerate(self._jobs):
            try:
                key = job.key()
            except OSError as error:
                message = f"{job.clip} cannot be read ({error.strerror}): give a video"
                self._record(book, index, failed_result(job, message))
                continue
            # a clip's folder name or its path may have changed since, not both
            found = known.get((key, job.name)) or known.get((key, str(job.clip)))
            files_exist = found and all((self._out / manifest).is_file() for manifest in found.manifests)
            if found and (files_exist if found.is_done else not self._retry):
                self._results[index] = found
                self._earlier.append(found)
            else:
                self._waiting.append((index, key))

    def _run_workers(self, book: Journal) -> None:
        """A thread per worker until nothing waits; at the end, however it comes, every worker is killed."""
        scratch = scoring.new_run_scratch(self._out, self._shard)
        count = min(self._n_workers, len(self._waiting))
        threads = [threading.Thread(target=self._worker_loop, args=(book, scratch), daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.2)  # on some systems a join without a timeout is not interrupted by Ctrl-C
        finally:
            self._stop.set()
            with self._lock:
                for worker in self._workers:
                    worker.kill()
            for thread in threads:
                thread.join()

    def _worker_loop(self, book: Journal, run_scratch: Path) -> None:
        """What a thread does: clip after clip through a worker of its own."""
        worker = None
        try:
            for index, key in self._next_jobs():
                worker = self._score(book, run_scratch, index, key, worker)
        except BaseException as error:  # raised again by the main thread
            self._errors.append(error)
            self._stop.set()
        finally:
            self._discard(worker)

    def _next_jobs(self) -> Iterator[tuple[int, str]]:
        while not self._stop.is_set():
            with self._lock:
                if not self._waiting:
                    return
                found = self._waiting.popleft()
            yield found

    def _score(self, book: Journal, run_scratch: Path, index: int, key: str, worker: Worker | None) -> Worker | None:
        """Score one clip and record the result. Returns the worker, None when it was lost over the clip."""
        job, scratch = self._jobs[index], run_scratch / str(index)
        try:
            output = scoring.claim_output(self._out, job, overwrite=self._overwrite)
        except UserError as error:
            self._record(book, index, failed_result(job, str(error)))
            return worker
        job = replace(job, name=output.folder.name)
        worker = worker or self._new_worker()
        started = time.monotonic()
        try:
            result = self._published(scratch, worker.compose(job, key, scratch, self._timeout_s))
        except WorkerLost as lost:
            self._discard(worker)
            worker = None
            if self._stop.is_set():  # the worker was killed with the run; the next run scores the clip
                return None
            seconds = round(time.monotonic() - started, 2)
            result = failed_result(job, str(lost), key=key, task=f"{run_scratch.name}/{index}", seconds=seconds)
        self._record(book, index, result)
        shutil.rmtree(scratch, ignore_errors=True)
        return worker

    def _new_worker(self) -> Worker:
        worker = self._start_worker()
        with self._lock:
            self._workers.add(worker)
            if self._stop.is_set():  # the run ended while the worker was starting
                worker.kill()
        return worker

    def _discard(self, worker: Worker | None) -> None:
        if worker is not None:
            with self._lock:
                self._workers.discard(worker)
            with suppress(Exception):  # it may be gone already
                worker.kill()

    def _published(self, scratch: Path, result: JobResult) -> JobResult:
        """The result once its files are in their folder; a failed one where they could not be moved there."""
        try:
            if result.is_done:
                scoring.publish(self._out, scratch, result, overwrite=self._overwrite)
        except (UserError, OSError) as error:
            message = str(error) if isinstance(error, UserError) else failure(error, self._out / result.name)
            return JobResult(FAILED, result.clip, result.name, result.task, error=message)
        return result

    def _record(self, book: Journal, index: int, result: JobResult) -> None:
        """Add a result to the journal, then report progress."""
        book.add(result)
        with self._lock:
            self._results[index] = result
            # The clock starts with the first result: until then workers load their models.
            self._clock_start = self._clock_start or time.monotonic()
            self._progress(self._current_progress(result))

    def _current_progress(self, latest: JobResult | None) -> BatchProgress:
        resolved = len(self._results)
        now = resolved - len(self._earlier)
        timed = now - self._n_workers  # the first clip of each worker began before the clock
        pace = (time.monotonic() - self._clock_start) / timed if timed > 0 else None
        return BatchProgress(
            clips=len(self._jobs),
            earlier=len(self._earlier),
            now=now,
            failed=sum(not result.is_done for result in self._results.values()),
            latest=latest,
            left_s=None if pace is None else pace * (len(self._jobs) - resolved),
        )


def _known_results(out: Path) -> dict[tuple[str, str], JobResult]:
    """Results of earlier runs by key and folder name, and by key and clip path; of several the last.

    Both, because a clip's folder name changes when another clip of its name joins, and its path when it is moved.
    """
    known = {}
    for result in journal.read(out):
        if result.key:
            known[result.key, result.name] = result
            known[result.key, result.clip] = result
    return known
