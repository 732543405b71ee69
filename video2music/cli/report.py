"""What every command shares: sentences instead of tracebacks, results as JSON, progress on stderr."""

import json
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotion.errors import UserError
from emotion.files import PARTIAL, failure, whole_file
from video2music.errors import OptionError

if TYPE_CHECKING:
    from video2music.values import Result

log = logging.getLogger(__name__)


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


def checked_target(target: str | None) -> str | None:
    """Where --json is to write, tried before the work begins; otherwise a sentence and exit status 1."""
    with failing_plainly():
        if target not in (None, "-"):
            _try_target(Path(target))
    return target


JsonOption = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE", help="Write the results as JSON; - is stdout.", callback=checked_target),
]


def _try_target(path: Path) -> None:
    """Make the folder of a report, as -o does, and a file in it that goes at once. Raises OptionError."""
    try:
        if path.is_dir():
            raise OptionError(f"--json {path} is a folder: give the name of a file")
        if not _is_stream(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(prefix=PARTIAL, dir=path.parent).close()
    except OSError as error:
        raise OptionError(failure(error, path)) from None


def _is_stream(path: Path) -> bool:
    """Whether a path is a device or a pipe, which is written to and never replaced."""
    return path.exists() and not path.is_file()


def write_json(target: str | None, result: Any) -> None:
    """Write a result where --json says; nothing without it. Raises OptionError."""
    if target is None:
        return
    text = json.dumps(result, indent=2) + "\n"
    path = Path(target)
    try:
        if target == "-":
            typer.echo(text, nl=False)
        elif _is_stream(path):
            path.write_text(text)
        else:
            with whole_file(path) as partial:
                partial.write_text(text)
    except OSError as error:
        raise OptionError(failure(error, path)) from None


def plain(result: "Result") -> Mapping[str, Any]:
    """What was made of a clip, as JSON can tell it."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in vars(result).items()}


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[str, float], None]]:
    """A bar on stderr for one clip; what it yields is told (stage, fraction)."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    name = TextColumn("{task.fields[clip]}", markup=False)  # a clip's name may hold brackets
    columns = (name, TextColumn("{task.description:>9}"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=1.0, clip=what)
        yield lambda stage, fraction: bar.update(task, description=stage, completed=fraction)
