"""What every command shares: sentences instead of tracebacks, results as JSON, progress on stderr."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from emotion.errors import UserError

log = logging.getLogger(__name__)

JsonOption = Annotated[
    str | None, typer.Option("--json", metavar="FILE", help="Write the results as JSON; - is stdout.")
]


def sentence(error: BaseException) -> str:
    """The one sentence to tell of an error; the traceback goes to the debug log (--verbose)."""
    log.debug("traceback", exc_info=error)
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'a file'}: {error.strerror}"
    return f"something unforeseen happened ({type(error).__name__}: {error}); run with --verbose and report it"


@contextmanager
def failing_plainly() -> Iterator[None]:
    """Turn any error into its sentence on stderr and exit status 1."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:  # the command's outer edge
        typer.echo(f"error: {sentence(error)}", err=True)
        raise typer.Exit(1) from None


def write_json(target: str | None, result: Any) -> None:
    """Write a result where --json says; nothing without it."""
    if target is None:
        return
    text = json.dumps(result, indent=2) + "\n"
    if target == "-":
        typer.echo(text, nl=False)
        return
    path = Path(target)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text)
    partial.replace(path)


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[str, float], None]]:
    """A bar on stderr for one clip; what it yields is told (stage, fraction)."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.fields[clip]}"), TextColumn("{task.description:>9}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0, clip=what)
        yield lambda stage, fraction: bar.update(task, description=stage, completed=fraction)
