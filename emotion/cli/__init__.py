"""The command line of `emotion` alone: one file a command. Heavy imports stay inside the commands."""

from typing import Annotated

import typer

from emotion.cli import analyse, datasets, evaluate, train
from emotion.cli.output import log_to_stderr, print_any_name
from emotion.runtime import wait_quietly

app = typer.Typer(
    help="What music feels like: valence, arousal and quadrant of sound, video and MIDI files.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("analyse")(analyse.analyse)
app.command("datasets")(datasets.datasets)
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(train.app, name="train")


@app.callback()
def configure(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more on stderr.")] = False,
) -> None:
    """Set up logging; commands print their results themselves."""
    log_to_stderr("emotion", verbose=verbose)


def main() -> None:
    """Run the command line."""
    print_any_name()
    wait_quietly()
    app()  # named as it was called: `emotion` or `python -m emotion`
