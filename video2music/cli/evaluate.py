"""`video2music evaluate`: how good the models are, whether they watch, and what people would notice in the music."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotion.cli.report import JsonOption, failing_plainly, try_file, write_json, write_table
from video2music.cli.alignment import evaluate_alignment
from video2music.cli.listening import evaluate_listening

if TYPE_CHECKING:
    from video2music.evaluate.study import Study

app = typer.Typer(
    help="Measure the models on MuVi-Sync beside what counting alone can do, and the music in scored clips.",
    no_args_is_help=True,
)
app.command("alignment")(evaluate_alignment)
app.command("listening")(evaluate_listening)

DataOption = Annotated[
    Path, typer.Option("--data", metavar="DIR", help="MuVi-Sync, unpacked: holds vevo_chord and others.")
]
SplitOption = Annotated[str, typer.Option(help="train, val or test.")]
SeedsOption = Annotated[int, typer.Option(help="How many runs of the shipped recipe to average.")]
RunsOption = Annotated[
    Path | None, typer.Option("--runs", metavar="DIR", help="Other trained models: folders that `train` wrote, within.")
]
PredictionsOption = Annotated[
    Path | None, typer.Option(metavar="FILE.csv", help="Write each prediction of the shipped recipe.")
]
IntoOption = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE.md", help="Put the tables between their marker lines there; repeatable."),
]


@app.command("chords")
def evaluate_chords(
    data: DataOption,
    split: SplitOption = "test",
    seeds: SeedsOption = 1,
    runs: RunsOption = None,
    json_file: JsonOption = None,
    predictions: PredictionsOption = None,
    into: IntoOption = None,
) -> None:
    """Next-chord prediction: hits, likelihood, emotion BCE, and what the picture is good for."""
    with failing_plainly():
        _check(predictions, into or [], "chords")
        from video2music.evaluate import study, tables

        done = study.study_chords(data, split=split, seeds=seeds, runs=runs)
        _hand_out(done, tables.chords_text(done.report), json_file, predictions, into or [])


@app.command("dynamics")
def evaluate_dynamics(
    data: DataOption,
    split: SplitOption = "test",
    seeds: SeedsOption = 1,
    runs: RunsOption = None,
    json_file: JsonOption = None,
    predictions: PredictionsOption = None,
    into: IntoOption = None,
) -> None:
    """Note density and loudness: errors, correlation, histograms, and what the picture is good for."""
    with failing_plainly():
        _check(predictions, into or [], "dynamics")
        from video2music.evaluate import study, tables

        done = study.study_dynamics(data, split=split, seeds=seeds, runs=runs)
        _hand_out(done, tables.dynamics_text(done.report), json_file, predictions, into or [])


@app.command("guidance")
def evaluate_guidance(
    features: Annotated[
        Path, typer.Option("--features", metavar="DIR", help="MuVi-Sync, unpacked: its test videos' rows are scored.")
    ],
    clips: Annotated[Path | None, typer.Option(metavar="DIR", help="Videos to score as well.")] = None,
    stretches: Annotated[int, typer.Option(min=1, help="How many stretches of 30 to 60 s.")] = 14,
    seeds: Annotated[int, typer.Option(min=1, help="How many pieces for each request.")] = 2,
    jobs: Annotated[int, typer.Option(min=1, help="How many processes.")] = 1,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="What is heard is kept there; a run that was stopped goes on.")
    ] = None,
    json_file: JsonOption = None,
    predictions: PredictionsOption = None,
    into: IntoOption = None,
) -> None:
    """Whether pieces have the feeling that was asked for: two judges, with and without steering and selection."""
    with failing_plainly():
        _check(predictions, into or [], "guidance")
        from video2music.evaluate import guidance

        done = guidance.study(features, clips=clips, stretches=stretches, seeds=seeds, jobs=jobs, keep=keep)
        _hand_out(done, guidance.as_text(done.report), json_file, predictions, into or [])


@app.command("music")
def evaluate_music(
    clips: Annotated[Path, typer.Option(metavar="DIR", help="Videos to score, at any depth; others are told of.")],
    human: Annotated[
        Path | None, typer.Option(metavar="DIR", help="POP909: how near the piano comes to its pianists.")
    ] = None,
    muvi_sync: Annotated[
        Path | None, typer.Option(metavar="DIR", help="MuVi-Sync, unpacked: its chords through the same arranger.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many sets of cut lists, and pieces for each clip.")] = 1,
    keep: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep what is scored on the way there.")] = None,
    json_file: JsonOption = None,
    into: IntoOption = None,
) -> None:
    """What people notice: cuts on downbeats, length, ending, loudness, speech, and how human the playing is."""
    with failing_plainly():
        _check(None, into or [], "music")
        from emotion.evaluate.markdown import put_into
        from video2music.evaluate import music

        done = music.study(music.Asked(clips, human, muvi_sync, seeds), keep=keep)
        text = music.as_text(done.report)
        write_json(json_file, done.report)
        for path in into or []:
            put_into(path, "music", text)
        if json_file != "-":
            typer.echo(text, nl=False)
        if done.failed:
            raise typer.Exit(1)


def _check(predictions: Path | None, into: list[Path], task: str) -> None:
    """Try every file that is to be written, before minutes of work. Raises UserError."""
    from emotion.evaluate.markdown import check_markers

    for path in into:
        check_markers(path, task)
    for path in [*into, *([predictions] if predictions else [])]:
        try_file(path)


def _hand_out(done: "Study", text: str, json_file: str | None, predictions: Path | None, into: list[Path]) -> None:
    from emotion.evaluate.markdown import put_into

    write_json(json_file, done.report)
    write_table(predictions, [done.columns, *done.predictions])
    for path in into:
        put_into(path, done.report["task"], text)
    if json_file != "-":
        typer.echo(text, nl=False)
