"""The command line: one file a command. Heavy imports stay inside the commands, so that --help answers at once."""

import codecs
import io
import logging
import sys
from typing import Annotated

import typer

import video2music
from video2music.cli import demo, doctor, download, evaluate, features, generate, train

app = typer.Typer(
    name="video2music",
    help="Music composed for your video: it watches the clip, writes chords, arranges, renders and mixes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("generate")(generate.generate)
app.command("features")(features.features)
app.command("download")(download.download)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.add_typer(train.app, name="train")
app.add_typer(evaluate.app, name="evaluate")


def _tell_version(wished: bool) -> None:
    if wished:
        typer.echo(video2music.__version__)
        raise typer.Exit


@app.callback()
def configure(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_tell_version)
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Tell more on stderr.")] = False,
) -> None:
    """Set up logging; commands print their results themselves."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING, handlers=[_Stderr()])
    ours = logging.DEBUG if verbose else logging.INFO
    for name in ("video2music", "emotion"):
        logging.getLogger(name).setLevel(ours)


class _Stderr(logging.Handler):
    """Writes to whatever stderr is at the moment, so that a line never lands in the middle of a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)


def main() -> None:
    """Run the command line."""
    _print_any_name()
    app()


def _print_any_name() -> None:
    """Names of files are bytes and need not be text: they are printed as they are, or else escaped, and never fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            utf8 = codecs.lookup(stream.encoding).name == "utf-8"
            stream.reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")
