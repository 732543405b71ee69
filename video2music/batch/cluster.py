"""Workers on a Ray cluster: actors that load the models once. Clips and OUT must lie on a disk that all share."""

import socket
from pathlib import Path
from typing import Any

from video2music.batch.faults import BatchError, WorkerLost
from video2music.batch.jobs import Job
from video2music.batch.journal import Outcome
from video2music.batch.scoring import STARTING_S, THREADS, Load, Scorer, pipeline

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
