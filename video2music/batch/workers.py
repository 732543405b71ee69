"""Workers on this machine: each a process of its own, started afresh (spawn), with a pipe to it.

Workers on a Ray cluster: actors that load the models once. Clips and OUT must lie on a disk that all share.
"""

import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from video2music.batch.jobs import BatchError, Job, WorkerLost
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


KNOCK_S = 10.0


def connect(address: str) -> tuple[int, int]:
    """Join the cluster at an address, unless this process has; its cores, and those of its smallest machine.

    Raises BatchError.
    """
    ray = _ray()
    try:
        if not ray.is_initialized():
            _knock(address)
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise BatchError(
            f"there is no Ray cluster at {address} ({_first_line(error)}): start one, or leave --ray out"
        ) from None
    cores = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    able = [count for count in cores if count]
    if not able:
        raise BatchError(f"the Ray cluster at {address} has no cores to work on: start one of its machines with some")
    return sum(able), min(able)


def _knock(address: str) -> None:
    """Raise OSError where nobody listens: Ray itself goes on trying for many minutes. Names such as auto pass."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S).close()


class RayWorker:
    """An actor that scores clips; it ends with this process."""

    def __init__(self, *, threads: int, load: Load = pipeline) -> None:
        ray = self._ray = _ray()
        environment = {"env_vars": {**dict.fromkeys(THREADS, str(threads)), "OMP_WAIT_POLICY": "PASSIVE"}}
        actor = ray.remote(Scorer).options(num_cpus=threads, max_restarts=0, runtime_env=environment)
        self._actor = actor.remote(load, threads)
        self._ready = False

    def compose(self, job: Job, key: str, place: Path, timeout_s: float) -> Outcome:
        """Score a clip. Raises WorkerLost and BatchError."""
        self._await_ready()
        errors = self._ray.exceptions
        try:
            return self._ray.get(self._actor.compose.remote(job, key, place.absolute()), timeout=timeout_s)
        except errors.GetTimeoutError:
            raise WorkerLost(f"{job.clip} took longer than {timeout_s:g} s: give it longer with --timeout") from None
        except errors.RayError as error:
            raise WorkerLost(f"{job.clip}: the worker that scored it was lost ({_first_line(error)})") from None

    def kill(self) -> None:
        """End the actor, whatever it does."""
        self._ray.kill(self._actor)

    def _await_ready(self) -> None:
        if self._ready:
            return
        errors = self._ray.exceptions
        try:
            self._ray.get(self._actor.__ray_ready__.remote(), timeout=STARTING_S)
        except errors.GetTimeoutError:
            raise BatchError(
                f"the cluster had no room for a worker within {STARTING_S:g} s: ask for fewer with --workers"
            ) from None
        except errors.RayError as error:
            raise BatchError(f"a worker cannot start: {_first_line(error)}") from None
        self._ready = True


def _ray() -> Any:
    try:
        import ray
        import ray.exceptions
    except ImportError:
        raise BatchError("Ray is not installed: pip install 'video2music[ray]', or leave --ray out") from None
    return ray


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
