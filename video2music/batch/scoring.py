"""What a worker does with a clip: score it in a scratch folder, leave a result file there, and hand the folder over.

The scratch folder is OUT/.partial-batch/shard<tag>/<run>/<number>/. The worker writes the finished clip folder into it
and, last, RESULT_FILE. The parent then moves the clip folder to OUT in one step (`publish`) and appends to the journal.
A run that is killed in between leaves the result file, from which the next run goes on (`finished`); a scratch folder
without one was not finished and is removed.

`Scorer` is the code inside a worker, whatever the worker is made of (`workers`); `Worker` is what the parent holds.
"""

import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from emotion.errors import UserError
from emotion.files import PARTIAL, atomic_write, failure
from emotion.runtime import available_cores
from video2music.batch.jobs import Job, Shard
from video2music.batch.journal import DONE, JobResult, failed_result
from video2music.errors import MediaError
from video2music.options import Result
from video2music.output import Output, atomic_output_dir, claim, files_in, stem_of

log = logging.getLogger(__name__)

RESULT_FILE = "result.json"
SCRATCH = f"{PARTIAL}-batch"
START_TIMEOUT_S = 300.0  # for a worker to import torch and load the models; slow network disks take minutes
# OMP_THREAD_LIMIT is for the speech detector, which starts four threads whatever the others say; on two cores it is
# faster with one.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Composer = Callable[..., Result]
LoadComposer = Callable[[int], Composer]
"""Is given the number of threads. A function at the top of a module, so that it can be pickled for a worker."""


class Worker(Protocol):
    """Scores one clip at a time in another process.

    `compose` blocks. It raises WorkerLost when the worker died over the clip or took longer than `timeout_s`, and
    BatchError when the worker never started. `kill` may be called by any thread and makes `compose` return at once.
    """

    def compose(self, job: Job, key: str, scratch: Path, timeout_s: float) -> JobResult: ...

    def kill(self) -> None: ...


def load_pipeline(threads: int) -> Composer:
    """`pipeline.compose`, with torch, OpenCV and the video decoder on so many threads."""
    import cv2
    import torch

    from video2music.composing.draft import load_models
    from video2music.media import clip
    from video2music.pipeline import compose

    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    clip.set_decoder_threads(threads)
    load_models()
    return compose


def threads_per_worker(workers: int) -> int:
    """OMP_NUM_THREADS where it is set, otherwise this machine's cores divided by the workers."""
    requested = os.environ.get("OMP_NUM_THREADS", "")
    return int(requested) if requested.isdecimal() and int(requested) else max(1, available_cores() // workers)


class Scorer:
    """Lives in the worker: loads the models once, then scores clip after clip."""

    def __init__(self, load: LoadComposer, threads: int) -> None:
        self._compose = load(threads)

    def compose(self, job: Job, key: str, scratch: Path) -> JobResult:
        """Score a clip into `scratch` and write RESULT_FILE there; an error of the clip is in the result."""
        started, task = time.perf_counter(), f"{scratch.parent.name}/{scratch.name}"
        with _captured_warnings() as warnings:
            try:
                scratch.mkdir(parents=True, exist_ok=True)
                replay = {"replay": job.previous.replay()} if job.previous else {}
                made = self._compose(job.clip, scratch, job.options, name=job.name, **replay)
                seconds = round(time.perf_counter() - started, 2)
                result = _done(job, key, task, scratch, made, seconds, tuple(warnings))
            except Exception as error:  # one bad clip never stops the others
                seconds = round(time.perf_counter() - started, 2)
                result = failed_result(job, _message(error, job), key=key, task=task, seconds=seconds)
        try:
            write_result(scratch, result)
        except OSError as error:
            return failed_result(job, failure(error, scratch), key=key, task=task, seconds=seconds)
        return result


def _done(
    job: Job, key: str, task: str, scratch: Path, made: Result, seconds: float, warnings: tuple[str, ...]
) -> JobResult:
    files = {"video": made.video, "audio": made.audio, "midi": made.midi, "manifest": made.manifest}
    emotion = None
    if made.report:
        whole = made.report.whole
        emotion = {"valence": whole.valence, "arousal": whole.arousal, "quadrant": whole.quadrant}
    return JobResult(
        DONE,
        str(job.clip),
        job.name,
        task,
        key,
        files={kind: str(path.relative_to(scratch)) for kind, path in files.items()},
        manifests=tuple(str(one.manifest.relative_to(scratch)) for one in made.variants or (made,)),
        duration_s=made.duration_s,
        seconds=seconds,
        emotion=emotion,
        warnings=warnings,
    )


def _message(error: Exception, job: Job) -> str:
    log.debug("traceback", exc_info=error)
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        return failure(error, job.clip)
    return (
        f"{job.clip}: something unforeseen happened ({type(error).__name__}, {error}): "
        "give this clip alone to 'video2music --verbose generate' and report what it says"
    )


class _WarningCollector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() not in self.messages:  # every variant of a clip may log the same
            self.messages.append(record.getMessage())


@contextmanager
def _captured_warnings() -> Iterator[list[str]]:
    """The warnings that our own packages log meanwhile; they go into the result and not to the terminal."""
    collector = _WarningCollector()
    packages = [logging.getLogger(name) for name in ("video2music", "emotion")]
    before = [package.propagate for package in packages]
    for package in packages:
        package.addHandler(collector)
        package.propagate = False
    try:
        yield collector.messages
    finally:
        for package, propagate in zip(packages, before, strict=True):
            package.removeHandler(collector)
            package.propagate = propagate


def shard_scratch(out: Path, shard: Shard) -> Path:
    """The folder of all scratch folders of a shard; no other shard looks into it."""
    return out / SCRATCH / f"shard{shard.tag}"


def new_run_scratch(out: Path, shard: Shard) -> Path:
    """A folder for one run. Its name is random: a worker of a killed run that is still alive must not write into it."""
    return shard_scratch(out, shard) / secrets.token_hex(4)


def clear_scratch(out: Path, shard: Shard) -> None:
    """Remove all that a shard's runs left, and the hidden folder when no other shard needs it."""
    shutil.rmtree(shard_scratch(out, shard), ignore_errors=True)
    try:
        (out / SCRATCH).rmdir()
    except OSError:  # another shard's scratch is in it
        return


def write_result(scratch: Path, result: JobResult) -> None:
    """Write RESULT_FILE, after everything that was made is on the disk. Raises OSError."""
    for path in files_in(scratch):
        _fsync(path)
    with atomic_write(scratch / RESULT_FILE) as partial:
        partial.write_text(result.line())
        _fsync(partial)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def finished(out: Path, shard: Shard) -> Iterator[tuple[Path, JobResult]]:
    """Scratch folders with a result that earlier runs did not publish or did not record."""
    for path in sorted(shard_scratch(out, shard).glob(f"*/*/{RESULT_FILE}")):
        try:
            yield path.parent, JobResult.parse(path.read_bytes())
        except (ValueError, TypeError):
            continue


def claim_output(out: Path, job: Job, *, overwrite: bool) -> Output:
    """The folder that a job's files go to, as `generate` would choose it. Raises OptionError."""
    name = None if job.name == stem_of(job.clip) else job.name
    return claim(out, job.clip, name=name, overwrite=overwrite)


def publish(out: Path, scratch: Path, result: JobResult, *, overwrite: bool) -> None:
    """Move what was made to its folder in OUT; does nothing where that has happened. Raises MediaError.

    A folder that does not exist or is empty is replaced in one step. Files of an earlier run are replaced by the rules
    of `output.atomic_output_dir`, from copies, so that a run that is killed meanwhile can do it again.
    """
    made, target = scratch / result.name, out / result.name
    if not made.exists():
        return
    try:
        if not target.exists() or not any(target.iterdir()):
            made.replace(target)
            return
        if not overwrite:
            raise MediaError(f"{target} was made meanwhile: say --overwrite to replace it, or choose another -o")
        clip = Path(result.clip)
        for manifest in result.manifests:
            folder = (out / manifest).parent
            with atomic_output_dir(Output(folder, stem_of(clip), clip)) as partial:
                shutil.copytree(made / folder.relative_to(target), partial, dirs_exist_ok=True)
    except OSError as error:
        raise MediaError(failure(error, target)) from None
