"""`python -m emotion train`: make the shipped weights anew from the data sets."""

from pathlib import Path
from typing import Annotated

import typer

from emotion.cli.report import JsonOption, failing_plainly, write_json

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


@app.command("reporter")
def train_reporter(
    fourq: Annotated[Path, typer.Option("--fourq", metavar="DIR", help="The 4Q audio emotion set.")],
    ym2413: Annotated[Path, typer.Option("--ym2413", metavar="DIR", help="YM2413-MDB: MIDI and quadrants.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where weights, config and card go.")] = Path(
        "runs/reporter"
    ),
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where log-mels are kept; OUT/sounds where not given.")
    ] = None,
    json_file: JsonOption = None,
) -> None:
    """Train the judge that reports; prints its figures on ten folds by artist and by game."""
    with failing_plainly():
        from emotion.evaluate.report import table
        from emotion.train import reporter

        found = reporter.run(fourq, ym2413, out, cache=cache or out / "sounds")
        write_json(json_file, found)
        if json_file != "-":
            typer.echo(table(found))
