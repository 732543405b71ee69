"""Several clips with common wishes: scored one after the other in a process of their own, told of as they finish."""

import asyncio
import csv
import io
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from emotion.files import whole_file
from video2music import pipeline, styles
from video2music.batch import summary
from video2music.batch.jobs import Job, WorkerLost, plan
from video2music.batch.journal import DONE, FAILED, WAITING, Outcome, failed
from video2music.batch.running import Batch
from video2music.batch.scoring import Worker, shared_out
from video2music.batch.workers import LocalWorker
from video2music.options import Options
from video2music.output import files_in
from video2music.studio import uploads
from video2music.studio.composing import cleared, packed
from video2music.studio.jobs import Errand, Errands, Stopped, outlast, refusals
from video2music.studio.text import feels
from video2music.studio.uploads import Limits, plain
from video2music.studio.wishes import Wishes

TIMEOUT_S = 3600.0  # for a clip: ten minutes, the longest, take the largest encoder 40 on two cores
HEARD_WITHIN_S = 0.2  # that somebody asked to stop
STATES = {DONE: "done", FAILED: "failed", WAITING: "to come"}


class Running:
    """A batch under way in a thread; `news` tells of it, `stop` ends it at once, whatever the worker does."""

    def __init__(
        self,
        clips: Sequence[Path],
        options: Options,
        out: Path,
        *,
        refused: Mapping[int, str] = MappingProxyType({}),
        hire: Callable[[], Worker] | None = None,
    ) -> None:
        """Begin, but for clips whose places are in `refused`, with why. Raises UserError for wishes nobody can have."""
        pipeline.check(options, styles.read(options.style))
        self.out = out
        self._hire = hire or partial(LocalWorker, threads=shared_out(1))
        self._stopped = threading.Event()
        self._news: queue.SimpleQueue[BaseException | bool] = queue.SimpleQueue()
        self._workers: list[Worker] = []
        jobs = [Job(clip, options) for clip in clips]
        self._refused = {place: failed(jobs[place], why) for place, why in refused.items()}
        wanted = plan(job for place, job in enumerate(jobs) if place not in refused)
        self._batch = Batch(wanted, out, hire=self._hired, tell=self._tell, timeout_s=TIMEOUT_S)
        self._thread = threading.Thread(target=self._run, name="batch", daemon=True)
        self._thread.start()

    @property
    def outcomes(self) -> list[Outcome]:
        """What came of each clip so far, in order, by the names that the visitor knows."""
        scored = iter(self._batch.outcomes)
        count = len(self._refused) + len(self._batch.outcomes)
        return [self._plain(self._refused.get(place) or next(scored)) for place in range(count)]

    def news(self, stop: threading.Event | None = None) -> bool:
        """Wait until a clip is settled; False when that was the last.

        Raises what ended the batch before its time, and Stopped when `stop` is set.
        """
        while True:
            try:
                found = self._news.get(timeout=HEARD_WITHIN_S)
            except queue.Empty:
                if stop is not None and stop.is_set():
                    raise Stopped("batch") from None
                continue
            if isinstance(found, BaseException):
                raise found
            return found

    def stop(self) -> None:
        """End the worker and wait for the thread; what is finished stays."""
        self._stopped.set()
        for worker in list(self._workers):
            worker.kill()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._batch.run()
            self._news.put(False)
        except BaseException as error:  # raised by `news`, in the thread that asks
            self._news.put(error)

    def _tell(self, _standing: object) -> None:
        self._news.put(True)

    def _hired(self) -> Worker:
        worker = _Ending(self._hire(), self._stopped)
        self._workers.append(worker)
        if self._stopped.is_set():
            worker.kill()
        return worker

    def _plain(self, outcome: Outcome) -> Outcome:
        """An outcome without the server's folders."""
        path = Path(outcome.clip)
        told = [plain(text, path, self.out) for text in (outcome.sentence, *outcome.notes)]
        return replace(outcome, clip=path.name, sentence=told[0], notes=tuple(told[1:]))


def begin(
    begun: list[Running],
    clips: Sequence[str | Path],
    wished: Wishes,
    folder: Path,
    limits: Limits,
    stop: threading.Event,
) -> Running:
    """Begin to score uploads with common wishes, in a run folder; it is in `begun`, too, for whoever cannot wait.

    Raises UserError, and Stopped when `stop` was set before it began.
    """
    paths = [Path(clip) for clip in clips]
    refused = uploads.clips(paths, limits)
    if stop.is_set():
        raise Stopped("batch")
    begun.append(Running(paths, wished.options(folder), folder / "scored", refused=refused))
    return begun[0]


@dataclass(frozen=True)
class _Ending:
    """A worker that ends the whole batch, and not one clip of it, when the visitor stops it."""

    worker: Worker
    stopped: threading.Event

    def compose(self, job: Job, key: str, place: Path, timeout_s: float) -> Outcome:
        try:
            return self.worker.compose(job, key, place, timeout_s)
        except WorkerLost:
            if self.stopped.is_set():
                raise Stopped("batch") from None
            raise

    def kill(self) -> None:
        self.worker.kill()


class Standing(NamedTuple):
    """How far a batch is: a row of BATCH_COLUMNS for each clip, and a sentence."""

    rows: list[list[str]]
    sentence: str


def standing(outcomes: Sequence[Outcome]) -> Standing:
    """How far a batch is by what came of its clips."""
    return Standing([_row(outcome) for outcome in outcomes], f"{summary.counted(outcomes)}.")


def _row(outcome: Outcome) -> list[str]:
    return [
        outcome.clip,
        STATES[outcome.status],
        feels(outcome.heard["valence"], outcome.heard["arousal"]) if outcome.heard else "",
        _seconds(outcome.duration_s),
        _seconds(outcome.seconds),
        "; ".join(filter(None, (outcome.sentence, *outcome.notes))),
    ]


def _seconds(number: float | None) -> str:
    return "" if number is None else f"{number:.1f} s"


class Papers(NamedTuple):
    """What is handed out at the end: the tables, and all that was made with them in a ZIP."""

    csv: Path
    html: Path
    zip: Path


class News(NamedTuple):
    """How far a batch is, and the papers once it is done."""

    standing: Standing
    papers: Papers | None = None


def handed_out(outcomes: Sequence[Outcome], out: Path) -> Papers:
    """Write the tables beside what was made, and pack it all. Raises OSError."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(summary.rows(outcomes))
    tables = {out / "summary.csv": text.getvalue(), out / "summary.html": summary.page(outcomes)}
    for path, content in tables.items():
        with whole_file(path) as partial_file:
            partial_file.write_text(content, encoding="utf-8", errors="surrogateescape")
    made = packed([*tables, *_made(outcomes, out)], out.parent / "scored clips.zip", root=out)
    return Papers(out / "summary.csv", out / "summary.html", made)


def _made(outcomes: Sequence[Outcome], out: Path) -> Iterator[Path]:
    """The files of every clip that was scored; their manifests are cleared of the server's folders."""
    for outcome in outcomes:
        for told in outcome.manifests:
            cleared(out / told, out / told)
        if outcome.is_done:
            yield from files_in(out / outcome.name)


async def score(errands: Errands, clips: Sequence[str | Path], wished: Wishes, errand: Errand) -> AsyncIterator[News]:
    """Score several clips with the same wishes in a run folder, and tell each time one is settled. Raises Refusal."""
    folder, done = errands.folder(), False
    begun: list[Running] = []
    try:
        with refusals(None, folder), errands.settling(errand):
            running = await errands.stoppable(
                partial(begin, begun, clips, wished, folder, errands.settings.limits), errand
            )
            while await errands.stoppable(running.news, errand):
                for upload in clips:  # the last may wait for hours
                    errands.kept.touch(upload)
                yield News(standing(running.outcomes))
            papers = await errands.stoppable(lambda _stop: handed_out(running.outcomes, running.out), errand)
            yield News(standing(running.outcomes), papers)
            done = True
    finally:
        for running in begun:
            await outlast(asyncio.ensure_future(asyncio.to_thread(running.stop)))
        if not done:
            errands.kept.forget(folder)
