"""Work for the visitors of one page: each piece in a run folder of its own and in a thread, and to be stopped at once.

Whatever goes wrong comes out as a Refusal, which is one sentence for the visitor.

How much of a run is done, as one number that rises.
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
from video2music.studio import runs, serving
from video2music.studio.session import Piece
from video2music.studio.uploads import Limits, sentence

log = logging.getLogger(__name__)

T = TypeVar("T")
Tell = Callable[[str, float], None]

STOPPED = "Stopped. Nothing new was made."


class Refusal(Video2MusicError):
    """What a visitor is told in place of a result."""


class Cancelled(Refusal):
    """The same for one who asked for that."""


class Stopped(Exception):
    """Raised by work that was told to stop."""


class Errand(NamedTuple):
    """What somebody has asked for: the hash of the visitor's session, None for programs without one, and what kind."""

    visitor: str | None
    kind: str


class Job(NamedTuple):
    """What work is given: a run folder of its own, whom to tell of every step, and the limits of uploads."""

    folder: Path
    tell: Tell
    limits: Limits


@dataclass
class _Standing:
    """What is known of an errand: how often it was asked for, whether the last time is open, and how to stop it."""

    asked: int = 0
    is_open: bool = False
    is_unwanted: bool = False
    stops: set[threading.Event] = field(default_factory=set)


class Errands:
    """What visitors have asked one page for. `kept` are the folders of their runs. Raises OptionError."""

    def __init__(self, settings: serving.Settings) -> None:
        self.settings = settings
        self.kept = serving.prepare(settings)
        self._threads = ThreadPoolExecutor(2 * settings.workers + 2, "errand")  # for work, for watching, and to spare
        self._door = threading.Lock()  # errands begin and end in one thread, and visitors leave in another
        self._known: defaultdict[Errand, _Standing] = defaultdict(_Standing)
        self._closed = False

    async def run(self, work: Callable[[Job], T], tell: Tell, errand: Errand, *, upload: Path, keep: bool = True) -> T:
        """What `work` returns; its folder goes when it fails, is stopped, or need not be kept. Raises Refusal.

        `upload` is the file that the sentence of a Refusal may name.
        """
        folder, done = self.folder(), False
        self.kept.touch(upload)
        try:
            with refusals(upload, folder), self.settling(errand):
                limits = self.settings.limits
                found = await self.stoppable(lambda stop: work(Job(folder, _stopping(tell, stop), limits)), errand)
            done = keep
            return found
        finally:
            if not done:
                self.kept.forget(folder)

    def folder(self) -> Path:
        """A fresh run folder. Raises Refusal."""
        with refusals():
            return self.kept.new()

    async def with_piece(self, piece: Piece, work: Callable[[Piece], T]) -> T:
        """What a quick piece of `work` makes of what is there, whose age begins anew. Raises Refusal."""
        self.hold(piece)
        with refusals(piece.clip, piece.folder):
            return await asyncio.to_thread(work, piece)

    async def demo(self) -> Path:
        """The clip that the program draws itself, drawn when it is first asked for. Raises Refusal."""
        with refusals():
            return await asyncio.to_thread(runs.clip, self.kept)

    def hold(self, piece: Piece) -> None:
        """Begin the age of a piece's files anew, that of the clip it was made for as well."""
        self.kept.touch(piece.folder)
        self.kept.touch(piece.clip)

    async def stoppable(self, work: Callable[[threading.Event], T], errand: Errand) -> T:
        """What `work(stop)` returns, which runs in a thread; `stop` is set when whoever awaits this is cancelled.

        The cancelled one waits for the work to come back, so that the next piece never runs beside one that was given
        up: Gradio alone lets the thread of a cancelled event go on, and gives its place away. `cancel` and `leave` set
        `stop` as well. Raises what `work` raises, and Stopped for an errand that was cancelled before it began.
        """
        stop, context = threading.Event(), contextvars.copy_context()
        with self._noted(stop, errand):
            loop = asyncio.get_running_loop()
            running = loop.run_in_executor(self._threads, lambda: context.run(work, stop))
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                stop.set()
                await outlast(running)
                raise

    @contextmanager
    def _noted(self, stop: threading.Event, errand: Errand) -> Iterator[None]:
        """Keep in mind how to stop an errand. Raises Stopped for one that nobody wants."""
        with self._door:
            standing = self._known[errand]
            if self._closed or standing.is_unwanted:
                raise Stopped(errand.kind)
            standing.stops.add(stop)
        try:
            yield
        finally:
            with self._door:
                standing.stops.discard(stop)
                if standing == _Standing():
                    self._known.pop(errand, None)

    @contextmanager
    def settling(self, errand: Errand) -> Iterator[None]:
        """An errand is no longer open afterwards, unless it was asked for anew meanwhile."""
        standing = self._known.get(errand, _Standing())
        asked = standing.asked
        try:
            yield
        finally:
            with self._door:
                if standing.asked == asked:
                    standing.is_open = False

    def want(self, errand: Errand) -> None:
        """Open an errand, whatever was cancelled before: the visitor has asked for it."""
        with self._door:
            standing = self._known[errand]
            standing.asked, standing.is_open, standing.is_unwanted = standing.asked + 1, True, False

    def cancel(self, errand: Errand) -> None:
        """Stop an errand, also one that is still on its way here, until it is wanted again.

        A browser can cancel only what the server has told it the number of, so that a quick hand would miss.
        """
        with self._door:
            standing = self._known[errand]
            standing.is_open, standing.is_unwanted = False, True
            for stop in standing.stops:
                stop.set()

    def is_open(self, errand: Errand) -> bool:
        """Whether an errand was asked for and has neither ended nor been cancelled."""
        with self._door:
            return errand in self._known and self._known[errand].is_open

    def is_cancelled(self, errand: Errand) -> bool:
        """Whether an errand was cancelled and not asked for again."""
        with self._door:
            return errand in self._known and self._known[errand].is_unwanted

    def leave(self, visitor: str | None) -> None:
        """Stop all work of a visitor who has closed the page, and forget what is known of it."""
        with self._door:
            for errand in [errand for errand in self._known if errand.visitor == visitor is not None]:
                for stop in self._known.pop(errand).stops:
                    stop.set()

    def close(self) -> None:
        """Stop all work for good."""
        with self._door:
            self._closed = True
            for standing in self._known.values():
                for stop in standing.stops:
                    stop.set()


@contextmanager
def refusals(upload: Path | None = None, folder: Path | None = None) -> Iterator[None]:
    """Every error as a Refusal, whose sentence names neither the upload's folder nor that of the run."""
    try:
        yield
    except Stopped:
        raise Cancelled(STOPPED) from None
    except Exception as error:  # the page's outer edge
        raise Refusal(sentence(error, upload, folder)) from None


def _stopping(tell: Tell, stop: threading.Event) -> Tell:
    """The same progress, which ends the work as soon as the visitor asked for that."""

    def told(stage: str, fraction: float) -> None:
        if stop.is_set():
            raise Stopped(stage)
        tell(stage, fraction)

    return told


async def outlast(running: "asyncio.Future[T]") -> None:
    """Wait for work that is coming to its end, however often we are told to stop waiting."""
    while not running.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([running])
    if not running.cancelled() and running.exception() is not None:
        log.debug("stopped: %s", running.exception())


class RunProgress:
    """The stages of a run as one bar: the first comes once, the others once for every variant.

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
