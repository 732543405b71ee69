"""`video2music train`: make the shipped weights anew from the data sets."""

from pathlib import Path
from typing import Annotated

import typer

from video2music.cli.report import JsonOption, failing_plainly, write_json

app = typer.Typer(
    help="Train the models anew. A run that was stopped goes on with the same command.", no_args_is_help=True
)

OutOption = Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where weights, config and card go.")]
MuViSyncOption = Annotated[
    Path, typer.Option("--data", metavar="DIR", help="MuVi-Sync, unpacked: holds vevo_chord and others.")
]
SeedOption = Annotated[int, typer.Option(help="Of initial weights, order and dropout.")]


@app.command("amt")
def train_amt(
    data: MuViSyncOption,
    out: OutOption = Path("runs/amt"),
    config: Annotated[str, typer.Option(help="shipped, paper or tiny.")] = "shipped",
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    seed: SeedOption = 0,
    json_file: JsonOption = None,
) -> None:
    """Train the chord model; prints its figures on the test split."""
    with failing_plainly():
        from dataclasses import replace

        from video2music.errors import OptionError
        from video2music.evaluate import report
        from video2music.model.amt import CONFIGS
        from video2music.train import amt

        if config not in CONFIGS:
            raise OptionError(f"unknown config {config!r}: choose one of {', '.join(CONFIGS)}")
        recipe = replace(amt.RECIPE, seed=seed, epochs=epochs or amt.RECIPE.epochs)
        found = amt.train(data, out, config=config, recipe=recipe)
        write_json(json_file, found)
        if json_file != "-":
            typer.echo(report.table(found))


@app.command("regressor")
def train_regressor(
    data: MuViSyncOption,
    out: OutOption = Path("runs/regressor"),
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    seed: SeedOption = 0,
    json_file: JsonOption = None,
) -> None:
    """Train the density and loudness model; prints its figures on the test split."""
    with failing_plainly():
        from dataclasses import replace

        from video2music.evaluate import report
        from video2music.train import regressor

        recipe = replace(regressor.RECIPE, seed=seed, epochs=epochs or regressor.RECIPE.epochs)
        found = regressor.train(data, out, recipe=recipe)
        write_json(json_file, found)
        if json_file != "-":
            typer.echo(report.table(found))


@app.command("color")
def train_color(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Holds oasis and muvi_sync (unpacked).")],
    out: OutOption = Path("runs/color"),
    json_file: JsonOption = None,
) -> None:
    """Fit the encoder that needs no download; prints its ten-fold correlations."""
    with failing_plainly():
        from video2music.evaluate import report
        from video2music.train import color

        found = color.train(data, out)
        write_json(json_file, found)
        if json_file != "-":
            typer.echo(report.table(found))
