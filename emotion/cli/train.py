"""`python -m emotion train`: train the shipped weights from the data sets."""

from pathlib import Path
from typing import Annotated

import typer

from emotion.cli.output import failing_plainly
from emotion.cli.run_settings import with_run_settings

RUNS = Path("runs/sound")
RunsOption = Annotated[
    Path, typer.Option("--runs", metavar="DIR", help="Features and predictions on folds are kept here.")
]
FrontendOption = Annotated[str, typer.Option(help="mel (MusiCNN, in the package) or mert (fetched from the hub).")]
SeedsOption = Annotated[int, typer.Option(min=1, help="How many trainings the metrics are means of; the first ships.")]
app = typer.Typer(help="Train the judges. A run that was stopped goes on with the same command.", no_args_is_help=True)


@app.command("poolingvq")
@with_run_settings()
def train_poolingvq(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Holds emopia, vgmidi and pop909.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where weights, config and card go.")] = Path(
        "runs/poolingvq"
    ),
    seeds: Annotated[int, typer.Option(min=1, help="How many networks are averaged.")] = 3,
) -> None:
    """Train the judge that selects; renders are kept in DIR/renders for `evaluate`."""
    with failing_plainly():
        from emotion.models.poolingvq.pipeline import Sources, run

        run(Sources(data, out / "renders"), out, seeds=range(seeds))
        typer.echo(out)


@app.command("adff")
@with_run_settings()
def train_adff(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Holds fourq and ym2413.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where weights, config and card go.")] = Path(
        "runs/adff"
    ),
    runs: RunsOption = RUNS,
    seeds: SeedsOption = 1,
) -> None:
    """Train the judge that reports, and print its metrics on ten folds by artist and game."""
    _ship("adff", data, out, runs, seeds, {})


@app.command("unified")
@with_run_settings()
def train_unified(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Holds fourq, ym2413, emopia and vgmidi.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where weights, config and card go.")] = Path(
        "runs/unified"
    ),
    runs: RunsOption = RUNS,
    seeds: SeedsOption = 1,
    frontend: FrontendOption = "mel",
) -> None:
    """Train the judge of quadrants and of valence and arousal, and print its metrics on folds of all sets."""
    _ship("unified", data, out, runs, seeds, {"frontend": frontend} if frontend != "mel" else {})


def _ship(name: str, data: Path, out: Path, runs: Path, seeds: int, recipe: dict[str, str]) -> None:
    with failing_plainly():
        from emotion.report import table
        from emotion.train import shipped

        typer.echo(table(shipped.run(name, data, out, runs=runs, seeds=seeds, recipe=recipe)))
