"""`python -m emotion train`: make the shipped weights anew from the data sets."""

from pathlib import Path
from typing import Annotated

import typer

from emotion.cli.report import failing_plainly

app = typer.Typer(
    help="Train the judges anew. A run that was stopped goes on with the same command.", no_args_is_help=True
)


@app.command("poolingvq")
def train_poolingvq(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Holds emopia, vgmidi and pop909.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where weights, config and card go.")] = Path(
        "runs/poolingvq"
    ),
    seeds: Annotated[int, typer.Option(min=1, help="How many networks are heard together.")] = 3,
) -> None:
    """Train the judge that selects; renders are kept in DIR/renders for `evaluate`."""
    with failing_plainly():
        from emotion.train import judge

        judge.run(judge.Sources(data, out / "renders"), out, seeds=range(seeds))
        typer.echo(out)
