"""`python -m emotion evaluate`: how well the judges judge."""

from pathlib import Path
from typing import Annotated

import typer

from emotion.cli.report import JsonOption, failing_plainly, try_file, write_json, write_table

app = typer.Typer(help="Measure the judges on labelled music.", no_args_is_help=True)


@app.command("poolingvq")
def evaluate_poolingvq(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Holds emopia and vgmidi.")],
    runs: Annotated[
        Path, typer.Option("--runs", metavar="DIR", help="Renders and networks that the tables ask for are kept here.")
    ] = Path("runs/poolingvq"),
    seeds: Annotated[int, typer.Option(min=1, help="How many networks to average in the tables.")] = 3,
    json_file: JsonOption = None,
    predictions: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Write each prediction.")] = None,
) -> None:
    """Quadrants on EMOPIA's test and folds, valence and arousal on VGMIDI's folds, ablations, what pooling saves."""
    with failing_plainly():
        if predictions is not None:
            try_file(predictions)
        from emotion.evaluate import poolingvq
        from emotion.evaluate.poolingvq import COLUMNS
        from emotion.train.judge import Sources

        done = poolingvq.study(Sources(data, runs / "renders"), runs=runs, seeds=range(seeds))
        write_json(json_file, done.report)
        if predictions is not None:
            write_table(str(predictions), [COLUMNS, *done.predictions])
        if json_file != "-":
            typer.echo(poolingvq.as_text(done.report), nl=False)
