"""`emotion evaluate`: metrics of the judges on labelled music."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from emotion.cli.output import JsonOption, failing_plainly, try_file, write_json, write_table
from emotion.cli.run_settings import with_run_settings

app = typer.Typer(help="Measure the judges on labelled music.", no_args_is_help=True)

PredictionsOption = Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Write each prediction.")]
IntoOption = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE.md", help="Put the tables between their marker lines there; repeatable."),
]


@app.command("poolingvq")
@with_run_settings()
def evaluate_poolingvq(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Holds emopia and vgmidi.")],
    runs: Annotated[
        Path,
        typer.Option("--runs", metavar="DIR", help="Renders and networks for the tables are kept here."),
    ] = Path("runs/poolingvq"),
    seeds: Annotated[int, typer.Option(min=1, help="How many networks to average in the tables.")] = 3,
    json_file: JsonOption = None,
    predictions: PredictionsOption = None,
    into: IntoOption = None,
) -> None:
    """Quadrants on EMOPIA's test and folds, valence and arousal on VGMIDI's folds, ablations, cost of pooling."""
    with failing_plainly():
        _check("poolingvq", predictions, into or [])
        from emotion.evaluate import poolingvq
        from emotion.models.poolingvq.pipeline import Sources

        evaluation = poolingvq.evaluate(Sources(data, runs / "renders"), runs=runs, seeds=range(seeds))
        rows = [poolingvq.COLUMNS, *evaluation.predictions]
        _write_results(
            evaluation.report, poolingvq.as_text(evaluation.report), json_file, rows, predictions, into or []
        )


@app.command("sound")
@with_run_settings()
def evaluate_sound(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Holds fourq, ym2413, emopia and vgmidi.")],
    runs: Annotated[
        Path, typer.Option("--runs", metavar="DIR", help="Features and predictions on folds are kept here.")
    ] = Path("runs/sound"),
    seeds: Annotated[int, typer.Option(min=1, help="How many trainings of each row to average.")] = 1,
    json_file: JsonOption = None,
    predictions: PredictionsOption = None,
    into: IntoOption = None,
) -> None:
    """ADFF and the unified model on folds of four sets, part by part; agreement and speed of the judges."""
    with failing_plainly():
        _check("sound", predictions, into or [])
        from emotion.evaluate import sound

        evaluation = sound.evaluate(data, runs=runs, seeds=seeds)
        rows = [sound.COLUMNS, *evaluation.predictions]
        _write_results(evaluation.report, sound.as_text(evaluation.report), json_file, rows, predictions, into or [])


def _check(task: str, predictions: Path | None, into: Sequence[Path]) -> None:
    """Refuse, before any work, files that cannot be written. Raises OutputError."""
    from emotion.report import check_markers

    for path in into:
        check_markers(path, task)
    for path in [*into, *([predictions] if predictions else [])]:
        try_file(path)


def _write_results(
    report: dict[str, Any],
    text: str,
    json_file: str | None,
    rows: Sequence[Sequence[Any]],
    predictions: Path | None,
    into: Sequence[Path],
) -> None:
    from emotion.report import put_into

    write_json(json_file, report)
    write_table(str(predictions) if predictions else None, rows)
    for path in into:
        put_into(path, report["task"], text)
    if json_file != "-":
        typer.echo(text, nl=False)
