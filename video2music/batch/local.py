"""Workers on this machine: each a process of its own, started afresh (spawn), with a pipe to it."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from video2music.batch.faults import BatchError, WorkerLost
from video2music.batch.jobs import Job
from video2music.batch.journal import Outcome
from video2music.batch.scoring import STARTING_S, THREADS, Load, Scorer, pipeline

READY, FAULT, OUTCOME = "ready", "fault", "outcome"
_starting = threading.Lock()


class LocalWorker:
    """A process that scores clips; it ends with this one, however this one ends."""

    def __init__(self, *, threads: int, load: Load = pipeline) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, load, threads), daemon=True)
        with _limited(threads), _unseen_program():
            self._process.start()
        theirs.close()  # so that this end of the pipe ends with the process
        self._ready = False

    def compose(self, job: Job, key: str, place: Path, timeout_s: float) -> Outcome:
        """Score a clip. Raises WorkerLost and BatchError."""
        self._await_ready()
        try:
            self._pipe.send((job, key, place))
            return self._answer(timeout_s)[1]
        except TimeoutError:
            raise WorkerLost(f"{job.clip} took longer than {timeout_s:g} s: give it longer with --timeout") from None
        except (EOFError, OSError):
            raise WorkerLost(f"{job.clip}: the worker that scored it {self._end()}") from None

    def kill(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.join(5)

    def _await_ready(self) -> None:
        if self._ready:
            return
        try:
            kind, sentence = self._answer(STARTING_S)
        except TimeoutError:
            raise BatchError(f"a worker was not ready within {STARTING_S:g} s: ask for fewer with --workers") from None
        except (EOFError, OSError):
            raise BatchError(f"a worker {self._end()} before its first clip") from None
        if kind != READY:
            raise BatchError(f"a worker cannot start: {sentence}")
        self._ready = True

    def _answer(self, timeout_s: float) -> tuple[str, Any]:
        if not self._pipe.poll(timeout_s):
            raise TimeoutError
        return self._pipe.recv()

    def _end(self) -> str:
        """How the process ended, as the rest of a sentence."""
        self._process.join(5)
        code = self._process.exitcode or 0
        if code == -signal.SIGKILL:
            return "was killed, as happens when memory runs out: ask for fewer with --workers"
        if code < 0:
            return f"crashed ({signal.Signals(-code).name})"
        return f"ended (exit status {code})"


@contextmanager
def _limited(threads: int) -> Iterator[None]:
    """The environment as a worker shall find it before it imports anything."""
    with _starting:
        before = {name: os.environ.get(name) for name in THREADS}
        os.environ.update(dict.fromkeys(THREADS, str(threads)))
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


@contextmanager
def _unseen_program() -> Iterator[None]:
    """Keep a worker from importing the script that starts it, which may be the page with all of Gradio."""
    program = vars(sys.modules["__main__"])
    path = program.pop("__file__", None)
    try:
        yield
    finally:
        if path is not None:
            program["__file__"] = path


def serve(pipe: Connection, load: Load, threads: int) -> None:
    """What the process runs: load, then score what comes through the pipe until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _offer_to_the_reaper()
    with suppress(EOFError, ConnectionError):  # the parent is done with it, or gone
        try:
            scorer = Scorer(load, threads)
        except Exception as error:  # whatever keeps a worker from starting is told by the parent
            pipe.send((FAULT, f"{type(error).__name__}: {error}"))
            return
        pipe.send((READY, ""))
        while True:
            pipe.send((OUTCOME, scorer.compose(*pipe.recv())))


def _end_with_parent() -> None:
    """Wait for the parent's end and follow at once: a killed run must not work on unseen."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _offer_to_the_reaper() -> None:
    """When memory runs out let Linux end a worker rather than the run; elsewhere nothing happens."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")
