"""Batches of the page: several clips with the same options, scored one after the other in a worker process.

`score` yields a `BatchUpdate` whenever a clip is done, and the downloads with the last one.
"""

import asyncio
import csv
import io
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from emotion.files import atomic_write
from video2music import styles
from video2music.batch import summary
from video2music.batch.jobs import Job, WorkerLost, plan
from video2music.batch.journal import DONE, FAILED, WAITING, JobResult, failed_result
from video2music.batch.running import Batch
from video2music.batch.scoring import Worker, threads_per_worker
from video2music.batch.workers import LocalWorker
from video2music.composing import target
from video2music.options import Options
from video2music.output import files_in
from video2music.studio import uploads
from video2music.studio.composing import copy_without_folders, write_zip
from video2music.studio.jobs import JobKey, JobRunner, JobStopped, job_errors, wait_until_done
from video2music.studio.score_form import ScoreForm
from video2music.studio.text import emotion_words
from video2music.studio.uploads import Limits, plain

TIMEOUT_S = 3600.0  # for a clip: ten minutes, the longest, take the largest encoder 40 on two cores
POLL_S = 0.2  # how soon a cancel is noticed
STATES = {DONE: "done", FAILED: "failed", WAITING: "waiting"}


class BatchRun:
    """A batch that runs in a thread. `wait` returns at each clip; `stop` ends it at once, whatever the worker does."""

    def __init__(
        self,
        clips: Sequence[Path],
        options: Options,
        out: Path,
        *,
        refused: Mapping[int, str] = MappingProxyType({}),
        start_worker: Callable[[], Worker] | None = None,
    ) -> None:
        """Start, without the clips whose places are in `refused`, with why. Raises UserError for impossible options."""
        target.check_options(options, styles.read(options.style))
        self.out = out
        self._start_worker = start_worker or partial(LocalWorker, threads=threads_per_worker(1))
        self._stopped = threading.Event()
        self._events: queue.SimpleQueue[BaseException | bool] = queue.SimpleQueue()
        self._workers: list[Worker] = []
        jobs = [Job(clip, options) for clip in clips]
        self._refused = {place: failed_result(jobs[place], why) for place, why in refused.items()}
        wanted = plan(job for place, job in enumerate(jobs) if place not in refused)
        self._batch = Batch(
            wanted, out, start_worker=self._started, progress=lambda _: self._events.put(True), timeout_s=TIMEOUT_S
        )
        self._thread = threading.Thread(target=self._run, name="batch", daemon=True)
        self._thread.start()

    @property
    def results(self) -> list[JobResult]:
        """The result of each clip so far, in order, by the names that the visitor knows."""
        scored = iter(self._batch.results)
        count = len(self._refused) + len(self._batch.results)
        return [self._plain(self._refused.get(place) or next(scored)) for place in range(count)]

    def wait(self, stop: threading.Event | None = None) -> bool:
        """Wait until a clip is done or has failed; False when that was the last.

        Raises what ended the batch early, and JobStopped when `stop` is set.
        """
        while True:
            try:
                event = self._events.get(timeout=POLL_S)
            except queue.Empty:
                if stop is not None and stop.is_set():
                    raise JobStopped("batch") from None
                continue
            if isinstance(event, BaseException):
                raise event
            return event

    def stop(self) -> None:
        """End the worker and wait for the thread; finished clips stay."""
        self._stopped.set()
        for worker in list(self._workers):
            worker.kill()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._batch.run()
            self._events.put(False)
        except BaseException as error:  # raised again by `wait`, in the thread that calls it
            self._events.put(error)

    def _started(self) -> Worker:
        worker = _StoppableWorker(self._start_worker(), self._stopped)
        self._workers.append(worker)
        if self._stopped.is_set():
            worker.kill()
        return worker

    def _plain(self, result: JobResult) -> JobResult:
        """A result without the server's folders."""
        path = Path(result.clip)
        error, *warnings = (plain(text, path, self.out) for text in (result.error, *result.warnings))
        return replace(result, clip=path.name, error=error, warnings=tuple(warnings))


def start(
    started: list[BatchRun],
    clips: Sequence[str | Path],
    form: ScoreForm,
    folder: Path,
    limits: Limits,
    stop: threading.Event,
) -> BatchRun:
    """Start to score uploads in a run folder. The run is in `started`, too, for a caller that is cancelled meanwhile.

    Raises UserError, and JobStopped when `stop` was set before it started.
    """
    paths = [Path(clip) for clip in clips]
    refused = uploads.clips(paths, limits)
    if stop.is_set():
        raise JobStopped("batch")
    started.append(BatchRun(paths, form.options(folder), folder / "scored", refused=refused))
    return started[0]


@dataclass(frozen=True)
class _StoppableWorker:
    """A worker that ends the whole batch, and not one clip of it, when the visitor stops it."""

    worker: Worker
    stopped: threading.Event

    def compose(self, job: Job, key: str, place: Path, timeout_s: float) -> JobResult:
        try:
            return self.worker.compose(job, key, place, timeout_s)
        except WorkerLost:
            if self.stopped.is_set():
                raise JobStopped("batch") from None
            raise

    def kill(self) -> None:
        self.worker.kill()


class BatchTable(NamedTuple):
    """How far a batch is: a row of BATCH_COLUMNS for each clip, and a sentence with the counts."""

    rows: list[list[str]]
    sentence: str


def progress_of(results: Sequence[JobResult]) -> BatchTable:
    """How far a batch is by the results of its clips."""
    return BatchTable([_row(result) for result in results], f"{summary.count_text(results)}.")


def _row(result: JobResult) -> list[str]:
    return [
        result.clip,
        STATES[result.status],
        emotion_words(result.emotion["valence"], result.emotion["arousal"]) if result.emotion else "",
        _seconds(result.duration_s),
        _seconds(result.seconds),
        "; ".join(filter(None, (result.error, *result.warnings))),
    ]


def _seconds(number: float | None) -> str:
    return "" if number is None else f"{number:.1f} s"


class Downloads(NamedTuple):
    """The files of a finished batch: its tables, and a ZIP of them with all that was made."""

    csv: Path
    html: Path
    zip: Path


class BatchUpdate(NamedTuple):
    """The progress of a batch, and the downloads once it is done."""

    progress: BatchTable
    downloads: Downloads | None = None


def write_downloads(results: Sequence[JobResult], out: Path) -> Downloads:
    """Write the tables beside what was made, and a ZIP of it all. Raises OSError."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(summary.rows(results))
    tables = {out / "summary.csv": text.getvalue(), out / "summary.html": summary.page(results)}
    for path, content in tables.items():
        with atomic_write(path) as partial_file:
            partial_file.write_text(content, encoding="utf-8", errors="surrogateescape")
    archive = write_zip([*tables, *_made(results, out)], out.parent / "scored clips.zip", root=out)
    return Downloads(out / "summary.csv", out / "summary.html", archive)


def _made(results: Sequence[JobResult], out: Path) -> Iterator[Path]:
    """The files of every clip that was scored; the server's folders are removed from their manifests."""
    for result in results:
        for name in result.manifests:
            copy_without_folders(out / name, out / name)
        if result.is_done:
            yield from files_in(out / result.name)


async def score(
    runner: JobRunner, clips: Sequence[str | Path], form: ScoreForm, job_key: JobKey
) -> AsyncGenerator[BatchUpdate, None]:
    """Score several clips with the same options in a run folder; an update for each that is done. Raises JobError."""
    folder, done = runner.new_folder(), False
    started: list[BatchRun] = []
    try:
        with job_errors(None, folder), runner.closing_request(job_key):
            run = await runner.run_stoppable(
                partial(start, started, clips, form, folder, runner.settings.limits), job_key
            )
            while await runner.run_stoppable(run.wait, job_key):
                for upload in clips:  # the last may wait for hours
                    runner.kept.touch(upload)
                yield BatchUpdate(progress_of(run.results))
            downloads = await runner.run_stoppable(lambda _stop: write_downloads(run.results, run.out), job_key)
            yield BatchUpdate(progress_of(run.results), downloads)
            done = True
    finally:
        for run in started:
            await wait_until_done(asyncio.ensure_future(asyncio.to_thread(run.stop)))
        if not done:
            runner.kept.forget(folder)
