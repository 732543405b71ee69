"""The command line: a file for each group of commands.

Heavy imports are inside the commands, so that --help answers at once.
"""

from typing import Annotated

import typer

import video2music
from emotion.cli.output import log_to_stderr, print_any_name
from emotion.runtime import wait_quietly
from video2music.cli import batch, doctor, evaluate, features, generate, page, train
from video2music.cli.option_parameters import OptionsCommand

app = typer.Typer(
    name="video2music",
    help="Music composed for your video: features of the clip, chords, arrangement, rendering and mixing.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("generate", cls=OptionsCommand)(generate.generate)
app.command("batch", cls=OptionsCommand)(batch.batch)
app.command("features")(features.features)
app.command("download")(features.download)
app.command("app", context_settings=page.CONTEXT_SETTINGS)(page.app)
app.command("demo")(generate.demo)
app.command("doctor")(doctor.doctor)
app.add_typer(train.app, name="train")
app.add_typer(evaluate.app, name="evaluate")


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(video2music.__version__)
        raise typer.Exit


@app.callback()
def configure(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_print_version)
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log details to stderr.")] = False,
) -> None:
    """Set up logging; commands print their results themselves."""
    log_to_stderr("video2music", "emotion", verbose=verbose)


def main() -> None:
    """Run the command line."""
    print_any_name()
    wait_quietly()
    app()
