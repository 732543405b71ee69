"""Who does what next: a thread for each worker hands it clips, and replaces it when it is late or dead."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from emotion.errors import UserError
from emotion.files import failure
from video2music.batch import TIMEOUT_S, journal, scoring
from video2music.batch.jobs import Job, Shard, WorkerLost
from video2music.batch.journal import FAILED, WAITING, Journal, Outcome, failed
from video2music.batch.scoring import Worker

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Standing:
    """How far a run is: clips in all, settled by former runs, settled by this one, and how many of all failed.

    `outcome` is what was settled last, None at the beginning; `left_s` how long the rest may take, None while
    too little is known.
    """

    clips: int
    before: int
    now: int
    failed: int
    outcome: Outcome | None
    left_s: float | None


class Batch:
    """A run over jobs: made, run once, then asked for its `outcomes`."""

    def __init__(
        self,
        jobs: Sequence[Job],
        out: Path,
        *,
        hire: Callable[[], Worker],
        workers: int = 1,
        shard: Shard | None = None,
        timeout_s: float = TIMEOUT_S,
        overwrite: bool = False,
        retry: bool = False,
        tell: Callable[[Standing], None] = lambda standing: None,
    ) -> None:
        self._shard = shard or Shard()
        self._jobs, self._out, self._hire = self._shard.of(jobs), out, hire
        self._crew, self._timeout_s, self._overwrite, self._retry = workers, timeout_s, overwrite, retry
        self._tell, self._lock, self._stop = tell, threading.Lock(), threading.Event()
        self._waiting: deque[tuple[int, str]] = deque()  # places in the list of jobs, and keys
        self._settled: dict[int, Outcome] = {}
        self._workers: set[Worker] = set()
        self._faults: list[BaseException] = []
        self._from_before: list[Outcome] = []
        self._began = 0.0

    @property
    def outcomes(self) -> list[Outcome]:
        """What came of each clip, in order; those that the run did not come to are WAITING."""
        return [
            self._settled.get(index, Outcome(WAITING, str(job.clip), job.name)) for index, job in enumerate(self._jobs)
        ]

    @property
    def failed_before(self) -> int:
        """How many clips were left alone because a former run saw them fail."""
        return sum(not outcome.is_done for outcome in self._from_before)

    def run(self) -> None:
        """Settle every clip that no former run has.

        Raises BatchError when it cannot begin or go on. KeyboardInterrupt ends the workers and passes through; what was
        finished stays, and a later run goes on from there.
        """
        with journal.opened(self._out, self._shard) as book:
            self._tidy(book)
            try:
                self._plan(book)
                self._tell(self._standing(None))
                self._work(book)
            finally:
                self._tidy(book)
        if self._faults:
            raise self._faults[0]

    def _tidy(self, book: Journal) -> None:
        """Publish and write down what workers finished and a run that was ended did not come to; the rest goes."""
        told = {outcome.task for outcome in journal.read(self._out)}
        for place, outcome in scoring.left(self._out, self._shard):
            if outcome.task not in told:
                book.add(self._published(place, outcome))
        scoring.clear(self._out, self._shard)

    def _plan(self, book: Journal) -> None:
        """Sort the jobs into those that are settled and those that wait."""
        past = _Past(self._out, retry=self._retry)
        for index, job in enumerate(self._jobs):
            try:
                key = job.key()
            except OSError as error:
                self._settle(book, index, failed(job, f"{job.clip} cannot be read ({error.strerror}): give a video"))
                continue
            known = past.of(key, job)
            if known:
                self._settled[index] = known
                self._from_before.append(known)
            else:
                self._waiting.append((index, key))

    def _work(self, book: Journal) -> None:
        run = scoring.of_run(self._out, self._shard)
        count = min(self._crew, len(self._waiting))
        threads = [threading.Thread(target=self._hand_out, args=(book, run), daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.2)  # a join without an end hears no Ctrl-C on some systems
        finally:
            self._end(threads)

    def _end(self, threads: Sequence[threading.Thread]) -> None:
        """End the workers and wait for the threads; when all is done there is nothing left to end."""
        self._stop.set()
        with self._lock:
            for worker in self._workers:
                worker.kill()
        for thread in threads:
            thread.join()

    def _hand_out(self, book: Journal, run: Path) -> None:
        """What a thread does: clip after clip to a worker of its own."""
        worker = None
        try:
            for index, key in self._next():
                worker = self._score(book, run, index, key, worker)
        except BaseException as error:  # told by the main thread
            self._faults.append(error)
            self._stop.set()
        finally:
            self._dismiss(worker)

    def _next(self) -> Iterator[tuple[int, str]]:
        while not self._stop.is_set():
            with self._lock:
                if not self._waiting:
                    return
                found = self._waiting.popleft()
            yield found

    def _score(self, book: Journal, run: Path, index: int, key: str, worker: Worker | None) -> Worker | None:
        """Have one clip scored and settle it; the worker, None when it was lost over the clip."""
        job, place = self._jobs[index], run / str(index)
        try:
            job = scoring.renamed(job, scoring.claimed(self._out, job, overwrite=self._overwrite))
        except UserError as error:
            self._settle(book, index, failed(job, str(error)))
            return worker
        worker = worker or self._hired()
        started = time.monotonic()
        try:
            outcome = self._published(place, worker.compose(job, key, place, self._timeout_s))
        except WorkerLost as lost:
            self._dismiss(worker)
            worker = None
            if self._stop.is_set():  # it was ended with the run, and the clip waits for the next
                return None
            seconds = round(time.monotonic() - started, 2)
            outcome = failed(job, str(lost), key=key, task=f"{run.name}/{index}", seconds=seconds)
        self._settle(book, index, outcome)
        scoring.remove(place)
        return worker

    def _hired(self) -> Worker:
        worker = self._hire()
        with self._lock:
            self._workers.add(worker)
            if self._stop.is_set():
                worker.kill()
        return worker

    def _dismiss(self, worker: Worker | None) -> None:
        if worker is not None:
            with self._lock:
                self._workers.discard(worker)
            with suppress(Exception):  # it may be gone already
                worker.kill()

    def _published(self, place: Path, outcome: Outcome) -> Outcome:
        """The outcome after its files have come to their folder; a failed one where they could not."""
        try:
            if outcome.is_done:
                scoring.publish(self._out, place, outcome, overwrite=self._overwrite)
        except (UserError, OSError) as error:
            sentence = str(error) if isinstance(error, UserError) else failure(error, self._out / outcome.name)
            return Outcome(FAILED, outcome.clip, outcome.name, outcome.task, sentence=sentence)
        return outcome

    def _settle(self, book: Journal, index: int, outcome: Outcome) -> None:
        """Write down what came of a clip, and tell."""
        book.add(outcome)
        with self._lock:
            self._settled[index] = outcome
            self._began = self._began or time.monotonic()  # not before the workers have loaded their models
            self._tell(self._standing(outcome))

    def _standing(self, outcome: Outcome | None) -> Standing:
        settled = len(self._settled)
        now = settled - len(self._from_before)
        timed = now - self._crew  # the first clips of each worker began before the clock
        pace = (time.monotonic() - self._began) / timed if timed > 0 else None
        return Standing(
            clips=len(self._jobs),
            before=len(self._from_before),
            now=now,
            failed=sum(not one.is_done for one in self._settled.values()),
            outcome=outcome,
            left_s=None if pace is None else pace * (len(self._jobs) - settled),
        )


class _Past:
    """What former runs settled, by the key of the work and either the folder's name or the clip's path."""

    def __init__(self, out: Path, *, retry: bool) -> None:
        self._known: dict[tuple[str, str], Outcome] = {}
        for outcome in journal.read(out):
            if outcome.key:
                for mark in (outcome.name, outcome.clip):
                    self._known[outcome.key, mark] = outcome
        self._out, self._retry = out, retry

    def of(self, key: str, job: Job) -> Outcome | None:
        """What came of a job, None where it must be done: never begun, failed with `retry`, or its files are gone."""
        found = self._known.get((key, job.name)) or self._known.get((key, str(job.clip)))
        if found is None:
            return None
        return found if (scoring.settled(self._out, found) if found.is_done else not self._retry) else None
