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
    into: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE.md", help="Put the tables between their marker lines there; repeatable."),
    ] = None,
) -> None:
    """Quadrants on EMOPIA's test and folds, valence and arousal on VGMIDI's folds, ablations, what pooling saves."""
    with failing_plainly():
        from emotion.evaluate.markdown import check_markers, put_into

        for path in into or []:
            check_markers(path, "poolingvq")
        for path in [*(into or []), *([predictions] if predictions else [])]:
            try_file(path)
        from emotion.evaluate import poolingvq
        from emotion.train.judge import Sources

        done = poolingvq.study(Sources(data, runs / "renders"), runs=runs, seeds=range(seeds))
        text = poolingvq.as_text(done.report)
        write_json(json_file, done.report)
        write_table(str(predictions) if predictions else None, [poolingvq.COLUMNS, *done.predictions])
        for path in into or []:
            put_into(path, "poolingvq", text)
        if json_file != "-":
            typer.echo(text, nl=False)
