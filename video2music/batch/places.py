"""Where a clip is scored before it has its folder: OUT/.partial-batch/<shard>/<run>/<number>/.

A worker leaves there the finished folder and, last, a note of what came of the clip. The folder then moves to OUT in
one step and the journal gets its line. A run that is killed in between leaves the note, from which the next run goes
on; a place without a note was not finished, and goes.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from emotion.files import PARTIAL, failure, whole_file
from video2music.batch.jobs import Job, Shard
from video2music.batch.journal import Outcome
from video2music.errors import MediaError
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
