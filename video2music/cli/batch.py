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
from emotion.cli.run_settings import with_run_settings
from video2music.batch import TIMEOUT_S
from video2music.cli.jobs_table import read_table
from video2music.cli.option_parameters import absolute_paths, check, given_options, parsed, with_options
from video2music.errors import OptionError
from video2music.options import Options

if TYPE_CHECKING:
    from video2music.batch.jobs import Job
    from video2music.batch.journal import JobResult
    from video2music.batch.running import Batch, BatchProgress
    from video2music.batch.scoring import Worker

INTERRUPTED = 130  # the exit status that shells give for Ctrl-C


@with_run_settings()
@with_options
def batch(
    context: typer.Context,
    inputs: Annotated[
        list[str] | None, typer.Argument(metavar="IN...", help="Videos, folders of them, or quoted patterns.")
    ] = None,
    out: Annotated[
        Path,
        typer.Option("-o", "--out", metavar="DIR", help="Each clip gets DIR/<its name>/; with a journal beside them."),
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
    retry: Annotated[bool, typer.Option("--retry", help="Try clips again that failed in an earlier run.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what other runs made.")] = False,
    json_file: JsonOption = None,
    **arguments: Any,
) -> None:
    """Score many clips, each as `generate` does, and resume where an earlier run was ended.

    Prints the path of each scored video, and one sentence on stderr for each clip that fails; summary.csv and
    summary.html lie in DIR at the end. Give the same command again to go on. Exit status: 0 when all clips are scored,
    1 when some failed, 130 after Ctrl-C.
    """
    with failing_plainly():
        from video2music.batch import jobs as planning
        from video2music.batch.running import Batch

        part = planning.Shard.parse(shard) if shard else planning.Shard()
        planned = planning.plan(_jobs(inputs or [], jobs, out, parsed(arguments), given_options(context)))
        if not planned:
            raise OptionError("no clip was given: name videos, folders or patterns, or a table with --jobs")
        start_worker, count = _worker_pool(ray, workers)  # after the plan: bad options are refused before Ray starts
        with _batch_progress(out, quiet=json_file == "-") as progress:
            run = Batch(
                planned, out, start_worker=start_worker, workers=count, shard=part, timeout_s=timeout,
                overwrite=overwrite, retry=retry, progress=progress,
            )  # fmt: skip
            stopped = _run(run)
        _summarise(run, out, part.tag, json_file)
    if stopped or any(not result.is_done for result in run.results):
        raise typer.Exit(INTERRUPTED if stopped else 1)


def _jobs(inputs: list[str], table: Path | None, out: Path, values: Mapping[str, Any], given: set[str]) -> "list[Job]":
    """A job for each clip and each row of the table, all options checked. Raises UserError."""
    from video2music.batch.jobs import Job, find

    values = absolute_paths(values, Path())
    options = Options(**values)
    found = [Job(clip, options) for clip in find(inputs, out)]
    if found:
        check(options)
    # Clips of the table are checked row by row, so that the message can name the row.
    return found + (read_table(table, values, frozenset(given)) if table else [])


def _worker_pool(ray: str | None, workers: int | None) -> "tuple[Callable[[], Worker], int]":
    """What starts a worker, and how many to start. Raises BatchError."""
    if ray is None:
        from emotion.runtime import available_cores
        from video2music.batch.scoring import threads_per_worker
        from video2music.batch.workers import LocalWorker

        count = workers or max(1, available_cores() // 2)
        return partial(LocalWorker, threads=threads_per_worker(count)), count
    from video2music.batch.workers import RayWorker, connect

    cores, smallest = connect(ray)
    count = workers or max(1, cores // 2)
    # a worker's threads must fit on the smallest machine, or Ray never places it there
    return partial(RayWorker, threads=max(1, min(cores // count, smallest))), count


def _run(run: "Batch") -> bool:
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
def _batch_progress(out: Path, *, quiet: bool) -> "Iterator[Callable[[BatchProgress], None]]":
    """A bar on stderr; what it yields prints each clip, as a path on stdout or a sentence on stderr, and the bar."""
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

        def progress(current: "BatchProgress") -> None:
            resolved, text = current.earlier + current.now, _progress_text(current)
            bar.update(task, total=current.clips, completed=resolved, description=text)
            if current.latest:
                _print_clip(current.latest, out, quiet=quiet)
            if not console.is_terminal:  # a bar would fill a log with control characters
                typer.echo(f"{resolved} of {current.clips} clips{text}", err=True)

        yield progress


def _print_clip(result: "JobResult", out: Path, *, quiet: bool) -> None:
    if not result.is_done:
        typer.echo(f"error: {result.error}", err=True)
    elif result.files and not quiet:
        typer.echo(out / result.files["video"])
    for warning in result.warnings:
        typer.echo(f"{result.name}: {warning}", err=True)


def _progress_text(current: "BatchProgress") -> str:
    """What follows the number of clips."""
    parts = [f"{current.earlier} from before"] if current.earlier else []
    parts += [f"{current.failed} failed"] if current.failed else []
    if left_s := current.left_s:
        # In the largest unit of which there are two: an estimate deserves no more.
        left = f"{left_s / 3600:.0f} h" if left_s >= 7200 else f"{left_s / 60:.0f} min"
        parts.append(f"about {left if left_s >= 120 else f'{left_s:.0f} s'} left")
    return "".join(f", {part}" for part in parts)


def _summarise(run: "Batch", out: Path, tag: str, json_file: str | None) -> None:
    """Write the tables. Raises OutputError."""
    from video2music.batch import summary

    results = run.results
    write_table(out / f"summary{tag}.csv", summary.rows(results))
    write_text(out / f"summary{tag}.html", summary.page(results))
    write_json(json_file, {"clips": [asdict(result) for result in results]})
    if run.failed_before:
        typer.echo(f"{run.failed_before} failed in an earlier run: --retry tries them again", err=True)
    typer.echo(f"{summary.count_text(results)}: see {out / f'summary{tag}.html'}", err=True)
