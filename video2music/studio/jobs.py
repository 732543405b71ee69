"""Jobs of the page's sessions: each runs in a thread, in a run folder of its own, and can be stopped at once.

The page's events start and cancel jobs by their `JobKey`. Whatever fails becomes a `JobError`, whose message is one
sentence for the visitor. `RunProgress` turns the pipeline's stages into one number for the progress bar.
"""

import asyncio
import contextvars
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

from video2music.errors import Video2MusicError
from video2music.studio import serving
from video2music.studio.demo_clip import demo_clip
from video2music.studio.session import SessionPiece
from video2music.studio.uploads import Limits, sentence

log = logging.getLogger(__name__)

T = TypeVar("T")
Progress = Callable[[str, float], None]  # called with a stage of the pipeline and the fraction of it that is done

STOPPED = "Cancelled. Nothing new was made."


class JobError(Video2MusicError):
    """Why a job has no result, as one sentence for the visitor."""


class JobCancelled(JobError):
    """The visitor cancelled the job."""


class JobStopped(Exception):
    """Raised inside a job that must stop."""


class JobKey(NamedTuple):
    """What a job is started and cancelled by: the hash of the session, None for programs without one, and its kind."""

    session: str | None
    kind: str


class JobContext(NamedTuple):
    """What a job is given: a run folder of its own, the callback for its progress, and the limits of uploads."""

    folder: Path
    progress: Progress
    limits: Limits


@dataclass
class _JobState:
    """How often a job was requested, whether the last request is open or was cancelled, and how to stop its threads."""

    requests: int = 0
    is_open: bool = False
    is_cancelled: bool = False
    stops: set[threading.Event] = field(default_factory=set)


class JobRunner:
    """Runs the jobs of one page. `kept` are the folders of its runs. Raises OptionError."""

    def __init__(self, settings: serving.Settings) -> None:
        self.settings = settings
        self.kept = serving.prepare(settings)
        # `workers` jobs that compose and as many that analyse a clip run at once; two more threads for short ones
        self._threads = ThreadPoolExecutor(2 * settings.workers + 2, "job")
        self._lock = threading.Lock()  # jobs begin and end on the event loop, and sessions are closed in a thread
        self._states: defaultdict[JobKey, _JobState] = defaultdict(_JobState)
        self._closed = False

    async def run(
        self, work: Callable[[JobContext], T], progress: Progress, job_key: JobKey, *, upload: Path, keep: bool = True
    ) -> T:
        """What `work` returns; its folder is deleted when it fails, is stopped, or need not be kept. Raises JobError.

        `upload` is the file that the message of a JobError may name.
        """
        folder, done = self.new_folder(), False
        self.kept.touch(upload)
        try:
            with job_errors(upload, folder), self.closing_request(job_key):
                limits = self.settings.limits
                result = await self.run_stoppable(
                    lambda stop: work(JobContext(folder, _stopping(progress, stop), limits)), job_key
                )
            done = keep
            return result
        finally:
            if not done:
                self.kept.forget(folder)

    def new_folder(self) -> Path:
        """A new run folder. Raises JobError."""
        with job_errors():
            return self.kept.new()

    async def run_short(self, work: Callable[[], T], piece: SessionPiece) -> T:
        """What `work` makes of the files of a piece, in a thread, without a folder or progress. Raises JobError."""
        self.touch(piece)
        with job_errors(piece.clip, piece.folder):
            return await asyncio.to_thread(work)

    async def demo_clip(self) -> Path:
        """The clip that the program draws itself, drawn when it is first asked for. Raises JobError."""
        with job_errors():
            return await asyncio.to_thread(demo_clip, self.kept)

    def touch(self, piece: SessionPiece) -> None:
        """Mark the files of a piece, and the clip it was made for, as in use, so that they are not deleted by age."""
        self.kept.touch(piece.folder)
        self.kept.touch(piece.clip)

    async def run_stoppable(self, work: Callable[[threading.Event], T], job_key: JobKey) -> T:
        """What `work(stop)` returns, which runs in a thread; `stop` is set when whoever awaits this is cancelled.

        A cancelled caller waits for the thread to return, so that the next job never runs beside an abandoned one:
        Gradio alone lets the thread of a cancelled event go on, and gives its place in the queue away. `cancel` and
        `close_session` set `stop` as well. Raises what `work` raises, and JobStopped for a job that was cancelled
        before it began.
        """
        stop, context = threading.Event(), contextvars.copy_context()
        with self._registered(stop, job_key):
            loop = asyncio.get_running_loop()
            running = loop.run_in_executor(self._threads, lambda: context.run(work, stop))
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                stop.set()
                await wait_until_done(running)
                raise

    @contextmanager
    def _registered(self, stop: threading.Event, job_key: JobKey) -> Iterator[None]:
        """Let `cancel` and `close_session` find `stop`. Raises JobStopped where the job was cancelled already."""
        with self._lock:
            state = self._states[job_key]
            if self._closed or state.is_cancelled:
                raise JobStopped(job_key.kind)
            state.stops.add(stop)
        try:
            yield
        finally:
            with self._lock:
                state.stops.discard(stop)
                if state == _JobState():
                    self._states.pop(job_key, None)

    @contextmanager
    def closing_request(self, job_key: JobKey) -> Iterator[None]:
        """The request is no longer open afterwards, unless there was a newer one meanwhile."""
        state = self._states.get(job_key, _JobState())
        requests = state.requests
        try:
            yield
        finally:
            with self._lock:
                if state.requests == requests:
                    state.is_open = False

    def request(self, job_key: JobKey) -> None:
        """Open a request, whatever was cancelled before: the visitor has pressed the button."""
        with self._lock:
            state = self._states[job_key]
            state.requests, state.is_open, state.is_cancelled = state.requests + 1, True, False

    def cancel(self, job_key: JobKey) -> None:
        """Stop a job, also one that the queue has not started yet, until there is a new request.

        The browser can cancel only events whose id the server has sent it, which is too late for a quick hand.
        """
        with self._lock:
            state = self._states[job_key]
            state.is_open, state.is_cancelled = False, True
            for stop in state.stops:
                stop.set()

    def is_open(self, job_key: JobKey) -> bool:
        """Whether a job was requested and has neither ended nor been cancelled."""
        with self._lock:
            return job_key in self._states and self._states[job_key].is_open

    def is_cancelled(self, job_key: JobKey) -> bool:
        """Whether a job was cancelled and not requested again."""
        with self._lock:
            return job_key in self._states and self._states[job_key].is_cancelled

    def close_session(self, session: str | None) -> None:
        """Stop all jobs of a session whose page was closed, and forget their states."""
        with self._lock:
            for job_key in [job_key for job_key in self._states if job_key.session == session is not None]:
                for stop in self._states.pop(job_key).stops:
                    stop.set()

    def shutdown(self) -> None:
        """Stop all jobs; none begins any more."""
        with self._lock:
            self._closed = True
            for state in self._states.values():
                for stop in state.stops:
                    stop.set()


@contextmanager
def job_errors(upload: Path | None = None, folder: Path | None = None) -> Iterator[None]:
    """Every error as a JobError, whose message names neither the upload's folder nor that of the run."""
    try:
        yield
    except JobStopped:
        raise JobCancelled(STOPPED) from None
    except Exception as error:  # the page's outer edge
        raise JobError(sentence(error, upload, folder)) from None


def _stopping(progress: Progress, stop: threading.Event) -> Progress:
    """The same callback, which raises JobStopped once `stop` is set."""

    def report(stage: str, fraction: float) -> None:
        if stop.is_set():
            raise JobStopped(stage)
        progress(stage, fraction)

    return report


async def wait_until_done(running: "asyncio.Future[T]") -> None:
    """Wait for a job that is about to end, however often this wait itself is cancelled."""
    while not running.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([running])
    if not running.cancelled() and running.exception() is not None:
        log.debug("stopped: %s", running.exception())


class RunProgress:
    """The stages of a run as one bar: the first runs once, the others once for every variant.

    `shares` are the stages in order, each with about how much of the time it takes.
    """

    def __init__(self, shares: Mapping[str, float], *, variants: int = 1) -> None:
        self._once, *self._each = shares
        self._shares, self._variants = shares, max(variants, 1)
        self._variant, self._last = 0, (0, 0.0)

    def at(self, stage: str, fraction: float) -> float:
        """The share of the whole run, 0 to 1, that is done at a fraction of a stage."""
        once, each = self._shares[self._once], sum(self._shares[name] for name in self._each)
        whole = once + self._variants * each
        if stage == self._once:
            return fraction * once / whole
        place = self._each.index(stage)
        self._variant += (place, fraction) < self._last  # a stage comes again: the next variant has begun
        self._last = place, fraction
        before = once + min(self._variant, self._variants - 1) * each
        before += sum(self._shares[name] for name in self._each[:place])
        return (before + fraction * self._shares[stage]) / whole
