"""Where a clip is scored before it has its folder: OUT/.partial-batch/<shard>/<run>/<number>/.

A worker leaves there the finished folder and, last, a note of what came of the clip. The folder then moves to OUT in
one step and the journal gets its line. A run that is killed in between leaves the note, from which the next run goes
on; a place without a note was not finished, and goes.

What happens in a worker, whatever it is made of: the models are loaded once, then clip after clip is scored.
"""

import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from emotion.errors import UserError
from emotion.files import PARTIAL, failure, whole_file
from video2music.batch.jobs import Job, Shard
from video2music.batch.journal import DONE, Outcome, failed
from video2music.errors import MediaError
from video2music.options import Result
from video2music.output import Output, claim, files_in, stem_of, workshop

NOTE = "outcome.json"
_ROOT = f"{PARTIAL}-batch"


def of_shard(out: Path, shard: Shard) -> Path:
    """The folder for all places of a shard; nobody else looks into it."""
    return out / _ROOT / f"shard{shard.tag}"


def of_run(out: Path, shard: Shard) -> Path:
    """A folder for the places of a new run: a worker of a killed one that still breathes cannot meet it there."""
    return of_shard(out, shard) / secrets.token_hex(4)


def clear(out: Path, shard: Shard) -> None:
    """Remove all that a shard's runs left, and the hidden folder when no other shard needs it."""
    shutil.rmtree(of_shard(out, shard), ignore_errors=True)
    try:
        (out / _ROOT).rmdir()
    except OSError:
        return


def remove(place: Path) -> None:
    """A place whose clip is settled goes."""
    shutil.rmtree(place, ignore_errors=True)


def write_note(place: Path, outcome: Outcome) -> None:
    """Say what came of a clip, after all its files are on the disk. Raises OSError."""
    for path in files_in(place):
        _settle(path)
    with whole_file(place / NOTE) as partial:
        partial.write_text(outcome.line())
        _settle(partial)


def _settle(path: Path) -> None:
    """Wait until a file is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def left(out: Path, shard: Shard) -> Iterator[tuple[Path, Outcome]]:
    """The places that former runs finished but did not come to publish or to tell of."""
    for note in sorted(of_shard(out, shard).glob(f"*/*/{NOTE}")):
        try:
            yield note.parent, Outcome.parse(note.read_bytes())
        except (ValueError, TypeError):
            continue


def claimed(out: Path, job: Job, *, overwrite: bool) -> Output:
    """The folder that a job's files go to, as `generate` would choose it. Raises OptionError."""
    name = None if job.name == stem_of(job.clip) else job.name
    return claim(out, job.clip, name=name, overwrite=overwrite)


def publish(out: Path, place: Path, outcome: Outcome, *, overwrite: bool) -> None:
    """Move what was made to its folder in OUT; nothing to do where that is done. Raises MediaError.

    A free folder is taken in one step. Where a former run's files lie and may be replaced, they are by the rules of
    `output.workshop`, from copies, so that a run that is killed over it can do it again.
    """
    made, target = place / outcome.name, out / outcome.name
    if not made.exists():
        return
    try:
        if not target.exists() or not any(target.iterdir()):
            made.replace(target)
            return
        if not overwrite:
            raise MediaError(f"{target} was made meanwhile: say --overwrite to replace it, or choose another -o")
        clip = Path(outcome.clip)
        for manifest in outcome.manifests:
            folder = (out / manifest).parent
            with workshop(Output(folder, stem_of(clip), clip)) as partial:
                shutil.copytree(made / folder.relative_to(target), partial, dirs_exist_ok=True)
    except OSError as error:
        raise MediaError(failure(error, target)) from None


def settled(out: Path, outcome: Outcome) -> bool:
    """Whether what an outcome tells of is still there."""
    return all((out / manifest).is_file() for manifest in outcome.manifests)


def renamed(job: Job, output: Output) -> Job:
    """The job with the name of the folder that was claimed for it."""
    return replace(job, name=output.folder.name)


log = logging.getLogger(__name__)

STARTING_S = 300.0  # for a worker to import and load what it needs
# OMP_THREAD_LIMIT is for the detector of speech, which takes four threads whatever the others say; on two cores it is
# quicker with one.
THREADS = ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Composer = Callable[..., Result]
Load = Callable[[int], Composer]  # is given the number of threads; a function of a module, so that workers find it


class Worker(Protocol):
    """Scores one clip at a time, somewhere else.

    `compose` blocks; it raises WorkerLost when the worker died over the clip or took longer than it was given, and
    BatchError when it never came up. `kill` may be called by any thread and makes `compose` return at once.
    """

    def compose(self, job: Job, key: str, place: Path, timeout_s: float) -> Outcome: ...

    def kill(self) -> None: ...


def pipeline(threads: int) -> Composer:
    """`pipeline.compose`, with torch, OpenCV and the decoder of pictures on so many threads."""
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


def shared_out(workers: int) -> int:
    """Threads for each worker: the cores shared out, or what OMP_NUM_THREADS says."""
    wished = os.environ.get(THREADS[0], "")
    return int(wished) if wished.isdecimal() and int(wished) else max(1, cores() // workers)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Scorer:
    """Lives in the worker."""

    def __init__(self, load: Load, threads: int) -> None:
        self._compose = load(threads)

    def compose(self, job: Job, key: str, place: Path) -> Outcome:
        """Score a clip into `place` and leave a note there; what goes wrong with the clip is in the outcome."""
        started, task = time.perf_counter(), f"{place.parent.name}/{place.name}"
        with _warnings() as notes:
            try:
                place.mkdir(parents=True, exist_ok=True)
                replay = {"replay": job.earlier.replay()} if job.earlier else {}
                result = self._compose(job.clip, place, job.options, name=job.name, **replay)
                seconds = round(time.perf_counter() - started, 2)
                outcome = _done(job, key, task, place, result, seconds, tuple(notes))
            except Exception as error:  # one bad clip never stops the others
                seconds = round(time.perf_counter() - started, 2)
                outcome = failed(job, _sentence(error, job), key=key, task=task, seconds=seconds)
        return _noted(place, outcome, job)


def _noted(place: Path, outcome: Outcome, job: Job) -> Outcome:
    """The outcome with its note in place; a failed one where the disk takes no more."""
    try:
        write_note(place, outcome)
    except OSError as error:
        return failed(job, failure(error, place), key=outcome.key, task=outcome.task, seconds=outcome.seconds)
    return outcome


def _done(
    job: Job, key: str, task: str, place: Path, result: Result, seconds: float, notes: tuple[str, ...]
) -> Outcome:
    made = {"video": result.video, "audio": result.audio, "midi": result.midi, "manifest": result.manifest}
    return Outcome(
        DONE,
        str(job.clip),
        job.name,
        task,
        key,
        files={kind: str(path.relative_to(place)) for kind, path in made.items()},
        manifests=tuple(str(one.manifest.relative_to(place)) for one in result.variants or (result,)),
        duration_s=result.duration_s,
        seconds=seconds,
        heard=_heard(result),
        notes=notes,
    )


def _heard(result: Result) -> dict[str, Any] | None:
    if result.report is None:
        return None
    whole = result.report.whole
    return {"valence": whole.valence, "arousal": whole.arousal, "quadrant": whole.quadrant}


def _sentence(error: Exception, job: Job) -> str:
    """One sentence for whatever was raised."""
    log.debug("traceback", exc_info=error)
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        return failure(error, job.clip)
    return (
        f"{job.clip}: something unforeseen happened ({type(error).__name__}, {error}): "
        "give this clip alone to 'video2music --verbose generate' and report what it says"
    )


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.notes: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() not in self.notes:  # every variant may say it
            self.notes.append(record.getMessage())


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """The warnings that our own packages log meanwhile; they go into the outcome and not to the screen."""
    collector = _Collector()
    packages = [logging.getLogger(name) for name in ("video2music", "emotion")]
    before = [package.propagate for package in packages]
    for package in packages:
        package.addHandler(collector)
        package.propagate = False
    try:
        yield collector.notes
    finally:
        for package, propagate in zip(packages, before, strict=True):
            package.removeHandler(collector)
            package.propagate = propagate
