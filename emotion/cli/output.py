"""What every command shares: sentences instead of tracebacks, results as JSON, tables and text, progress on stderr."""

import codecs
import csv
import io
import json
import logging
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from emotion.errors import OutputError, UserError
from emotion.files import PARTIAL, atomic_write, failure

log = logging.getLogger(__name__)


def sentence(error: BaseException) -> str:
    """The sentence to print for an error; the traceback goes to the debug log (--verbose)."""
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


def checked_target(option: typer.CallbackParam, target: str | None) -> str | None:
    """Where an option is to write, tried before the work begins; otherwise a sentence and exit status 1."""
    with failing_plainly():
        if target not in (None, "-"):
            try_file(Path(target), called=f"{option.opts[0]} {target}")
    return target


JsonOption = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE", help="Write the results as JSON; - is stdout.", callback=checked_target),
]


def try_file(path: Path, *, called: str | None = None) -> None:
    """Make the folder of a file that is to be written, and a file in it that goes at once. Raises OutputError."""
    try:
        if path.is_dir():
            raise OutputError(f"{called or path} is a folder: give the name of a file")
        if not _is_stream(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(prefix=PARTIAL, dir=path.parent).close()
    except OSError as error:
        raise OutputError(failure(error, path)) from None


def _is_stream(path: Path) -> bool:
    """Whether a path is a device or a pipe, which is written to and never replaced."""
    return path.exists() and not path.is_file()


def write_text(target: str | Path | None, text: str) -> None:
    """Write text to a file, or to stdout for `-`; nothing without a target. Raises OutputError."""
    if target is None:
        return
    path = Path(target)
    try:
        if str(target) == "-":
            typer.echo(text, nl=False)
        elif _is_stream(path):
            path.write_text(text, encoding="utf-8", errors="surrogateescape")
        else:
            with atomic_write(path) as partial:
                partial.write_text(text, encoding="utf-8", errors="surrogateescape")  # names of files need not be text
    except OSError as error:
        raise OutputError(failure(error, path)) from None


def write_json(target: str | None, result: Any) -> None:
    """Write a result where --json says; nothing without it. Raises OutputError."""
    if target is not None:
        write_text(target, json.dumps(result, indent=2) + "\n")


def write_table(target: str | Path | None, rows: Iterable[Sequence[Any]]) -> None:
    """Write rows as CSV; nothing without a target. Raises OutputError."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_text(target, text.getvalue())


def plain(result: object) -> Mapping[str, Any]:
    """A value's fields as JSON can hold them: paths as text, values inside as their fields."""

    def field(value: Any) -> Any:
        if isinstance(value, Path):
            return str(value)
        return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value

    return {name: field(value) for name, value in vars(result).items()}


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[str, float], None]]:
    """A bar on stderr for one clip; what it yields is called with (stage, fraction)."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    name = TextColumn("{task.fields[clip]}", markup=False)  # a clip's name may hold brackets
    columns = (name, TextColumn("{task.description:>9}"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=1.0, clip=what)
        yield lambda stage, fraction: bar.update(task, description=stage, completed=fraction)


def log_to_stderr(*packages: str, verbose: bool) -> None:
    """Show the logs of our own packages from INFO, or DEBUG, and those of others from WARNING."""
    # libraries log at INFO what no user can act on
    logging.basicConfig(format="%(message)s", level=logging.WARNING, handlers=[_Stderr()])
    for name in packages:
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.INFO)


class _Stderr(logging.Handler):
    """Writes to whatever stderr is at the moment, so that a line never lands in the middle of a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)


def print_any_name() -> None:
    """Names of files are bytes and need not be text: they are printed as they are, or else escaped, and never fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            utf8 = codecs.lookup(stream.encoding).name == "utf-8"
            stream.reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")
