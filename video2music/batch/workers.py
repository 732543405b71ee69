"""What workers are made of: processes of this machine (`LocalWorker`) or actors of a Ray cluster (`RayWorker`).

Both load the models once and satisfy `scoring.Worker`. A local worker is spawned, so that it imports everything afresh
with its own number of threads, and it inherits the environment. A Ray actor inherits that of its cluster: the run's
settings in SETTINGS are passed on. On a cluster, clips and OUT must be on a disk that all machines share.
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
from video2music.batch.journal import JobResult
from video2music.batch.scoring import START_TIMEOUT_S, THREAD_VARIABLES, LoadComposer, Scorer, load_pipeline

READY, ERROR, RESULT = "ready", "error", "result"
CONNECT_TIMEOUT_S = 10.0  # for a cluster that nothing answers for
SETTINGS = ("V2M_DEVICE", "V2M_WEIGHTS", "V2M_SOUNDFONT")  # environment variables that change what a run makes
_environment_lock = threading.Lock()


class LocalWorker:
    """A process that scores clips; it ends with this one, however this one ends."""

    def __init__(self, *, threads: int, load: LoadComposer = load_pipeline) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, child_end = context.Pipe()
        self._process = context.Process(target=serve, args=(child_end, load, threads), daemon=True)
        with thread_limit(threads), _main_not_imported():
            self._process.start()
        child_end.close()  # so that reading our end raises EOFError when the process dies
        self._ready = False

    def compose(self, job: Job, key: str, scratch: Path, timeout_s: float) -> JobResult:
        """Score a clip. Raises WorkerLost and BatchError."""
        self._await_ready()
        try:
            self._pipe.send((job, key, scratch))
            result: JobResult = self._receive(timeout_s)[1]
            return result
        except TimeoutError:
            raise WorkerLost(f"{job.clip} took longer than {timeout_s:g} s: give it longer with --timeout") from None
        except (EOFError, OSError):
            raise WorkerLost(f"{job.clip}: the worker that scored it {self._how_it_ended()}") from None

    def kill(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.join(5)

    def _await_ready(self) -> None:
        if self._ready:
            return
        try:
            kind, message = self._receive(START_TIMEOUT_S)
        except TimeoutError:
            raise BatchError(
                f"a worker was not ready within {START_TIMEOUT_S:g} s: ask for fewer with --workers"
            ) from None
        except (EOFError, OSError):
            raise BatchError(f"a worker {self._how_it_ended()} before its first clip") from None
        if kind != READY:
            raise BatchError(f"a worker cannot start: {message}")
        self._ready = True

    def _receive(self, timeout_s: float) -> tuple[str, Any]:
        if not self._pipe.poll(timeout_s):
            raise TimeoutError
        received: tuple[str, Any] = self._pipe.recv()
        return received

    def _how_it_ended(self) -> str:
        """How the process ended, as the rest of a sentence."""
        self._process.join(5)  # the pipe may close before the exit status is known
        code = self._process.exitcode or 0
        if code == -signal.SIGKILL:
            return "was killed, as happens when memory runs out: ask for fewer with --workers"
        if code < 0:
            return f"crashed ({signal.Signals(-code).name})"
        return f"ended (exit status {code})"


@contextmanager
def thread_limit(threads: int) -> Iterator[None]:
    """Set the variables that limit threads, for processes that are started inside; OpenMP reads them on import."""
    with _environment_lock:
        before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


@contextmanager
def _main_not_imported() -> Iterator[None]:
    """Keep a spawned worker from importing the main script, which may be the page with all of Gradio."""
    program = vars(sys.modules["__main__"])
    path = program.pop("__file__", None)
    try:
        yield
    finally:
        if path is not None:
            program["__file__"] = path


def serve(pipe: Connection, load: LoadComposer, threads: int) -> None:
    """What the process runs: load, then score what comes through the pipe until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    _prefer_for_oom_killer()
    with suppress(EOFError, ConnectionError):  # the parent is done with it, or gone
        try:
            scorer = Scorer(load, threads)
        except Exception as error:  # the parent raises BatchError with it
            pipe.send((ERROR, f"{type(error).__name__}: {error}"))
            return
        pipe.send((READY, ""))
        while True:
            pipe.send((RESULT, scorer.compose(*pipe.recv())))


def _exit_with_parent() -> None:
    """Wait for the parent's end and exit at once: the workers of a killed run must not go on."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _prefer_for_oom_killer() -> None:
    """Let Linux kill a worker rather than the parent when memory runs out; does nothing on other systems."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def connect(address: str) -> tuple[int, int]:
    """Join the cluster at an address, unless this process has; its cores, and those of its smallest machine.

    Raises BatchError.
    """
    ray = _ray()
    try:
        if not ray.is_initialized():
            _check_port(address)
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise BatchError(
            f"there is no Ray cluster at {address} ({_first_line(error)}): start one, or leave --ray out"
        ) from None
    cores = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    cores = [count for count in cores if count]
    if not cores:
        raise BatchError(f"the Ray cluster at {address} has no cores to work on: start one of its machines with some")
    return sum(cores), min(cores)


def _check_port(address: str) -> None:
    """Raise OSError where nothing listens: Ray itself retries for minutes. Names such as auto are not checked."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_TIMEOUT_S).close()


def actor_environment(threads: int) -> dict[str, str]:
    """Environment variables of an actor: its threads, and the run's settings, their paths absolute."""
    settings = {name: os.environ[name] for name in SETTINGS if os.environ.get(name)}
    for name in {"V2M_WEIGHTS", "V2M_SOUNDFONT"} & settings.keys():
        settings[name] = str(Path(settings[name]).absolute())  # an actor has a working directory of its own
    # Idle OpenMP threads sleep instead of spinning, which would slow down the other actors of a machine.
    return {**settings, **dict.fromkeys(THREAD_VARIABLES, str(threads)), "OMP_WAIT_POLICY": "PASSIVE"}


class RayWorker:
    """An actor that scores clips; it ends with this process."""

    def __init__(self, *, threads: int, load: LoadComposer = load_pipeline) -> None:
        ray = self._ray = _ray()
        environment = actor_environment(threads)
        # not restarted by Ray: a lost clip is reported, and the batch starts the next worker
        actor = ray.remote(Scorer).options(num_cpus=threads, max_restarts=0, runtime_env={"env_vars": environment})
        self._actor = actor.remote(load, threads)
        self._ready = False

    def compose(self, job: Job, key: str, scratch: Path, timeout_s: float) -> JobResult:
        """Score a clip. Raises WorkerLost and BatchError."""
        self._await_ready()
        errors = self._ray.exceptions
        try:
            answer = self._actor.compose.remote(job, key, scratch.absolute())
            result: JobResult = self._ray.get(answer, timeout=timeout_s)
            return result
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
            self._ray.get(self._actor.__ray_ready__.remote(), timeout=START_TIMEOUT_S)
        except errors.GetTimeoutError:
            raise BatchError(
                f"the cluster had no free cores for a worker within {START_TIMEOUT_S:g} s: ask for fewer with --workers"
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
