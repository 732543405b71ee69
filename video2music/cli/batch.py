"""`video2music batch`: score many clips, resumable, on this machine or on a Ray cluster."""

import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotion.cli.output import JsonOption, failing_plainly, write_json, write_table, write_text
from video2music.batch import TIMEOUT_S
from video2music.cli.jobs_table import read_table
from video2music.cli.option_parameters import absolute_paths, check, given_options, parsed, with_options
from video2music.errors import OptionError
from video2music.options import Options

if TYPE_CHECKING:
    from video2music.batch.jobs import Job
    from video2music.batch.running import Batch, Standing

INTERRUPTED = 130  # the exit status that shells give for Ctrl-C


@with_options
def batch(
    context: typer.Context,
    inputs: Annotated[
        list[str] | None, typer.Argument(metavar="IN...", help="Videos, folders of them, or quoted patterns.")
    ] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="Each clip gets DIR/<its name>/; a journal lies beside.")
    ] = Path("out"),
    jobs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="Clips with options of their own: columns clip, long options below, and generate's from, lock and "
            "redraw. Paths in it are relative to its folder.",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Clips at a time. Default: half the cores, which share them out.")
    ] = None,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Work on the Ray cluster there; auto finds a running one.")
    ] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only every N-th clip from the I-th on, as in 2/4.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=1.0, help="For one clip; then it is given up and the next begins.")
    ] = TIMEOUT_S,
    retry: Annotated[bool, typer.Option("--retry", help="Try clips again that failed in a former run.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what other runs made.")] = False,
    json_file: JsonOption = None,
    **arguments: Any,
) -> None:
    """Score many clips, each as `generate` does, and go on where a run that was ended left off.

    Prints the path of each scored video, and one sentence on stderr for each clip that fails; summary.csv and
    summary.html lie in DIR at the end. Give the same command again to go on. Exit status: 0 when all clips are scored,
    1 when some failed, 130 after Ctrl-C.
    """
    with failing_plainly():
        from video2music.batch import jobs as planning

        part = planning.Shard.parse(shard) if shard else planning.Shard()
        wanted = planning.plan(_wanted(inputs or [], jobs, out, parsed(arguments), given_options(context)))
        if not wanted:
            raise OptionError("no clip was given: name videos, folders or patterns, or a table with --jobs")
        hire, count = _crew(ray, workers)
        with _watched() as tell:
            run = _batch(wanted, out, hire, workers=count, shard=part, timeout_s=timeout, overwrite=overwrite,
                         retry=retry, tell=partial(tell, out=out, quiet=json_file == "-"))  # fmt: skip
            stopped = _ran(run)
        _summarise(run, out, part.tag, json_file)
    if stopped or any(not outcome.is_done for outcome in run.outcomes):
        raise typer.Exit(INTERRUPTED if stopped else 1)


def _wanted(
    inputs: list[str], table: Path | None, out: Path, values: Mapping[str, Any], given: set[str]
) -> "list[Job]":
    """A job for each clip and each row of the table, all options checked. Raises UserError."""
    from video2music.batch.jobs import Job, find

    values = absolute_paths(values, Path())
    options = Options(**values)
    wanted = [Job(clip, options) for clip in find(inputs, out)]
    if wanted:
        check(options)
    return wanted + (read_table(table, values, frozenset(given)) if table else [])


def _crew(ray: str | None, workers: int | None) -> "tuple[Callable[[], Any], int]":
    """How to hire a worker, and how many. Raises BatchError."""
    from video2music.batch import scoring

    if ray is None:
        from video2music.batch.workers import LocalWorker

        count = workers or max(1, scoring.cores() // 2)
        return partial(LocalWorker, threads=scoring.shared_out(count)), count
    from video2music.batch.workers import RayWorker, connect

    cores, smallest = connect(ray)
    count = workers or max(1, cores // 2)
    return partial(RayWorker, threads=max(1, min(cores // count, smallest))), count


def _batch(wanted: "list[Job]", out: Path, hire: Callable[[], Any], **more: Any) -> "Batch":
    from video2music.batch.running import Batch

    return Batch(wanted, out, hire=hire, **more)


def _ran(run: "Batch") -> bool:
    """Run to the end, or to Ctrl-C or SIGTERM; whether it was stopped. Raises BatchError."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # schedulers end a job with it
    try:
        run.run()
    except KeyboardInterrupt:
        typer.echo("stopped: what is finished stays, and the same command goes on from there", err=True)
        return True
    finally:
        signal.signal(signal.SIGTERM, before)
    return False


@contextmanager
def _watched() -> "Iterator[Callable[..., None]]":
    """What tells of each clip: a path on stdout or a sentence on stderr, and how long the rest may take."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("clips"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal,
                  redirect_stdout=sys.stdout.isatty()) as bar:  # fmt: skip
        task = bar.add_task("", total=None)

        def tell(standing: "Standing", *, out: Path, quiet: bool) -> None:
            settled = standing.before + standing.now
            bar.update(task, total=standing.clips, completed=settled, description=_standing(standing))
            _tell_clip(standing, out, quiet=quiet)
            if not console.is_terminal:
                typer.echo(f"{settled} of {standing.clips} clips{_standing(standing)}", err=True)

        yield tell


def _tell_clip(standing: "Standing", out: Path, *, quiet: bool) -> None:
    outcome = standing.outcome
    if outcome is None:
        return
    if not outcome.is_done:
        typer.echo(f"error: {outcome.sentence}", err=True)
    elif outcome.files and not quiet:
        typer.echo(out / outcome.files["video"])
    for note in outcome.notes:
        typer.echo(f"{outcome.name}: {note}", err=True)


def _standing(standing: "Standing") -> str:
    """What is to say beside the number of clips."""
    parts = [f"{standing.before} from before"] if standing.before else []
    parts += [f"{standing.failed} failed"] if standing.failed else []
    if standing.left_s:
        parts.append(f"about {_long(standing.left_s)} left")
    return "".join(f", {part}" for part in parts)


def _long(seconds: float) -> str:
    """A length of time in words, as exact as a guess deserves."""
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _summarise(run: "Batch", out: Path, tag: str, json_file: str | None) -> None:
    """Write the tables. Raises OutputError."""
    from video2music.batch import summary

    outcomes = run.outcomes
    write_table(out / f"summary{tag}.csv", summary.rows(outcomes))
    write_text(out / f"summary{tag}.html", summary.page(outcomes))
    write_json(json_file, {"clips": [asdict(outcome) for outcome in outcomes]})
    if run.failed_before:
        typer.echo(f"{run.failed_before} failed in a former run: --retry tries them again", err=True)
    typer.echo(f"{summary.counted(outcomes)}: see {out / f'summary{tag}.html'}", err=True)
