"""`video2music train`: train the shipped weights again from the data sets."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

import typer

from emotion.cli.output import JsonOption, failing_plainly, write_json
from emotion.cli.run_settings import with_run_settings
from video2music.errors import OptionError

app = typer.Typer(help="Train the models. A run that was stopped resumes with the same command.", no_args_is_help=True)

OutOption = Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for weights, config and card.")]
MuViSyncOption = Annotated[
    Path, typer.Option("--data", metavar="DIR", help="MuVi-Sync, unpacked: holds vevo_chord and others.")
]
VariantOption = Annotated[str, typer.Option(help="shipped, or one of the others that evaluate compares.")]
SeedOption = Annotated[int, typer.Option(help="Of initial weights, batch order and dropout.")]


@app.command("amt")
@with_run_settings("device")
def train_amt(
    data: MuViSyncOption,
    out: OutOption = Path("runs/amt"),
    chords: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Chord lists to begin with: .lab files, POP909, Billboard.")
    ] = None,
    variant: VariantOption = "shipped",
    seed: SeedOption = 0,
    json_file: JsonOption = None,
) -> None:
    """Train the chord model; prints its metrics on the test split."""
    with failing_plainly():
        from video2music.train import amt

        _check_variant(variant, amt.VARIANTS)
        _print_report(amt.train(data, out, chord_data=chords, name=variant, seed=seed), json_file)


@app.command("regressor")
@with_run_settings("device")
def train_regressor(
    data: MuViSyncOption,
    out: OutOption = Path("runs/regressor"),
    variant: VariantOption = "shipped",
    seed: SeedOption = 0,
    json_file: JsonOption = None,
) -> None:
    """Train the density and loudness model; prints its metrics on the test split."""
    with failing_plainly():
        from video2music.train import regressor

        _check_variant(variant, regressor.VARIANTS)
        _print_report(regressor.train(data, out, name=variant, seed=seed), json_file)


@app.command("color")
def train_color(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Holds oasis and muvi_sync (unpacked).")],
    out: OutOption = Path("runs/color"),
    json_file: JsonOption = None,
) -> None:
    """Fit the encoder that needs no download; prints its ten-fold correlations."""
    with failing_plainly():
        from video2music.train import color

        _print_report(color.train(data, out), json_file)


@app.command("accompaniment")
@with_run_settings("device")
def train_accompaniment(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="POP909: holds 001.mid or 001/001.mid.")],
    out: OutOption = Path("runs/accompaniment"),
    seed: SeedOption = 0,
    json_file: JsonOption = None,
) -> None:
    """Train the accompaniment of the piano style; prints its losses on held-out songs."""
    with failing_plainly():
        from video2music.train import accompaniment

        _print_report(accompaniment.train(data, out, config=accompaniment.AccompanimentConfig(seed=seed)), json_file)


def _check_variant(name: str, variants: Collection[str]) -> None:
    if name not in variants:
        raise OptionError(f"unknown variant {name!r}: choose one of {'; '.join(variants)}")


def _print_report(found: dict[str, Any], json_file: str | None) -> None:
    from emotion import report

    write_json(json_file, found)
    if json_file != "-":
        typer.echo(report.table(found))
