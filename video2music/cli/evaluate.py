"""`video2music evaluate`: metrics of the models, of the music in scored clips, and of its agreement with the picture.

alignment          predicted emotion of music against the target from its picture
listening          a blind listening test of two systems' clips, and its results
chords, dynamics   the models on MuVi-Sync beside baselines, with and without video
guidance, music    whether requests are met, and what people notice in the music
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotion.cli.output import (
    JsonOption,
    checked_target,
    failing_plainly,
    progress_bar,
    try_file,
    write_json,
    write_table,
    write_text,
)
from emotion.cli.run_settings import with_run_settings
from video2music.errors import OptionError
from video2music.options import SPECS

if TYPE_CHECKING:
    from video2music.evaluate.tables import ModelEvaluation


@with_run_settings()
def evaluate_alignment(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="A scored video; a folder of such, at any depth; or a .csv file with the columns video,music.",
        ),
    ],
    music: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Sound or MIDI for the one video, in place of the video's own sound."),
    ] = None,
    judge: Annotated[
        str | None, typer.Option(metavar="NAME", help="The judge. Default: the one that has no part in composing.")
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(help=f"{SPECS['encoder'].full_help} Default: as generate does.")
    ] = None,
    json_file: JsonOption = None,
    csv_file: Annotated[
        str | None,
        typer.Option("--csv", metavar="FILE", help="Write a row for each video.", callback=checked_target),
    ] = None,
    html_file: Annotated[
        str | None,
        typer.Option(
            "--html",
            metavar="FILE",
            help="Write a self-contained page with curves and tables.",
            callback=checked_target,
        ),
    ] = None,
) -> None:
    """Measure how well music agrees with the emotion of its picture.

    The emotion of the music is predicted by a judge that took no part in
    composing. Music of any system will do. A video's own sound is its music, unless there is other
    music for it: --music FILE for one video; in a folder a sound or MIDI file
    of the video's stem, such as clip.wav beside clip.mp4; or the column music
    of a CSV file, whose paths are relative to that file.

    A video that generate scored has its manifest beside it: then the music
    file that it names is judged, without the clip's own sound, against the
    target that it was composed for. For all others the target is predicted
    from the picture.

    The judge predicts windows of 8 s, one every 4 s. CCC and lag are given for
    5 windows or more, over 20 s of music, where the target changes; where it is
    constant there are bias and RMSE. With two videos or more there are
    confidence intervals, and a row of chance: every music against the others'
    targets.

    A file that fails gets one sentence and does not stop the others; the exit
    status is 0 only when all went well.
    """
    with failing_plainly():
        from video2music import pipeline
        from video2music.evaluate.alignment import evaluation, page, pairs

        found = pairs.find_pairs(paths, music=music)
        with progress_bar("alignment") as progress:
            done = evaluation.evaluate_alignment(
                found, judge=judge or pipeline.REPORTING_JUDGE, encoder=encoder, progress=progress
            )
        for failed in done.failed:
            typer.echo(f"error: {failed.error}", err=True)
        write_json(json_file, done.report)
        write_table(csv_file, done.table)
        write_text(html_file, page.page(done.report) if html_file else "")
        if done.judged and "-" not in (json_file, csv_file, html_file):
            typer.echo(evaluation.alignment_tables(done.report), nl=False)
    if done.failed:
        raise typer.Exit(1)


def evaluate_listening(
    a: Annotated[
        Path | None, typer.Argument(metavar="A_DIR", help="One system's scored videos, or music files.")
    ] = None,
    b: Annotated[Path | None, typer.Argument(metavar="B_DIR", help="Another's, of the same names.")] = None,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the kit and its key.")] = Path(
        "listening"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Of the order of the pairs and their sides.")] = 0,
    answers: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE.csv", help="Answers that listeners sent back, or a folder of them; repeatable."),
    ] = None,
    json_file: JsonOption = None,
) -> None:
    """Ask people which music is better, blind: make a page to send, then evaluate its answers.

    DIR/kit is for the listeners. DIR/key.json says which system each music is of: keep it. With --answers no kit is
    made, and the listeners' preferences are printed.
    """
    with failing_plainly():
        if answers:
            _report_answers(a, b, out, answers, json_file)
        elif a and b:
            _make_kit(a, b, out, seed, json_file)
        else:
            raise OptionError("two folders are compared: give A_DIR and B_DIR, or --answers of a kit that was made")


def _make_kit(a: Path, b: Path, out: Path, seed: int, json_file: str | None) -> None:
    from video2music.evaluate.listening import kit

    made = kit.make_kit(a, b, out, seed=seed)
    for sentence in made.left_out:
        typer.echo(sentence, err=True)
    write_json(
        json_file,
        {"kit": made.key.kit, "folder": str(made.kit), "key": str(made.key_file), "trials": len(made.key.trials),
         "clips": list(made.key.clips), "left_out": list(made.left_out)},
    )  # fmt: skip
    if json_file != "-":
        typer.echo(f"{made.kit / 'index.html'}: {len(made.key.trials)} pairs of {len(made.key.clips)} clips")
        typer.echo(f"send the folder {made.kit} to listeners, and keep {made.key_file} to yourself")


def _report_answers(a: Path | None, b: Path | None, out: Path, answers: list[Path], json_file: str | None) -> None:
    from video2music.evaluate.listening import results, trials

    key = trials.read_key(out)
    given = tuple(folder.resolve().name for folder in (a, b) if folder)
    if given and given != key.systems:
        raise OptionError(
            f"the kit at {out} compares {' with '.join(key.systems)}: leave A_DIR and B_DIR out, or fix -o"
        )
    found = results.build_report(key, trials.read_answers(answers, key))
    write_json(json_file, found)
    if json_file != "-":
        typer.echo(results.result_tables(found), nl=False)


app = typer.Typer(
    help="Evaluate the models on MuVi-Sync beside baselines, and the music in scored clips.",
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
@with_run_settings("device", "weights")
def evaluate_chords(
    data: DataOption,
    split: SplitOption = "test",
    seeds: SeedsOption = 1,
    runs: RunsOption = None,
    json_file: JsonOption = None,
    predictions: PredictionsOption = None,
    into: IntoOption = None,
) -> None:
    """Next-chord prediction: hits, likelihood, emotion BCE, and what the video contributes."""
    with failing_plainly():
        _check(predictions, into or [], "chords")
        from video2music.evaluate import tables
        from video2music.evaluate.models import comparison

        done = comparison.evaluate_chords(data, split=split, seeds=seeds, runs=runs)
        _hand_out(done, tables.chord_tables(done.report), json_file, predictions, into or [])


@app.command("dynamics")
@with_run_settings("device", "weights")
def evaluate_dynamics(
    data: DataOption,
    split: SplitOption = "test",
    seeds: SeedsOption = 1,
    runs: RunsOption = None,
    json_file: JsonOption = None,
    predictions: PredictionsOption = None,
    into: IntoOption = None,
) -> None:
    """Note density and loudness: errors, correlation, histograms, and what the video contributes."""
    with failing_plainly():
        _check(predictions, into or [], "dynamics")
        from video2music.evaluate import tables
        from video2music.evaluate.models import comparison

        done = comparison.evaluate_dynamics(data, split=split, seeds=seeds, runs=runs)
        _hand_out(done, tables.dynamics_tables(done.report), json_file, predictions, into or [])


@app.command("guidance")
@with_run_settings()
def evaluate_guidance(
    features: Annotated[
        Path, typer.Option("--features", metavar="DIR", help="MuVi-Sync, unpacked: its test videos' rows are scored.")
    ],
    clips: Annotated[Path | None, typer.Option(metavar="DIR", help="Videos to score as well.")] = None,
    excerpts: Annotated[int, typer.Option(min=1, help="How many excerpts of 30 to 60 s.")] = 14,
    seeds: Annotated[int, typer.Option(min=1, help="How many pieces for each request.")] = 2,
    jobs: Annotated[int, typer.Option(min=1, help="How many processes.")] = 1,
    keep: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep predictions there; a run that was stopped resumes from them."),
    ] = None,
    json_file: JsonOption = None,
    predictions: PredictionsOption = None,
    into: IntoOption = None,
) -> None:
    """Whether pieces have the emotion that was asked for: two judges, with and without guidance and selection."""
    with failing_plainly():
        _check(predictions, into or [], "guidance")
        from video2music.evaluate.music import guidance

        done = guidance.evaluate_guidance(features, clips=clips, excerpts=excerpts, seeds=seeds, jobs=jobs, keep=keep)
        _hand_out(done, guidance.guidance_tables(done.report), json_file, predictions, into or [])


@app.command("music")
@with_run_settings()
def evaluate_music(
    clips: Annotated[
        Path, typer.Option(metavar="DIR", help="Videos to score, at any depth; other files are reported.")
    ],
    human: Annotated[
        Path | None, typer.Option(metavar="DIR", help="POP909: how near the piano comes to its pianists.")
    ] = None,
    muvi_sync: Annotated[
        Path | None, typer.Option(metavar="DIR", help="MuVi-Sync, unpacked: its chords through the same arranger.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many sets of cut lists, and pieces for each clip.")] = 1,
    keep: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep the scored clips there.")] = None,
    json_file: JsonOption = None,
    into: IntoOption = None,
) -> None:
    """What people notice: cuts on downbeats, length, ending, loudness, speech, and how human the playing is."""
    with failing_plainly():
        _check(None, into or [], "music")
        from emotion.report import put_into
        from video2music.evaluate.music import checks

        done = checks.evaluate_music(checks.MusicData(clips, human, muvi_sync, seeds), keep=keep)
        text = checks.music_tables(done.report)
        write_json(json_file, done.report)
        for path in into or []:
            put_into(path, "music", text)
        if json_file != "-":
            typer.echo(text, nl=False)
        if done.failed:
            raise typer.Exit(1)


def _check(predictions: Path | None, into: list[Path], task: str) -> None:
    """Try every file that is to be written, before minutes of work. Raises UserError."""
    from emotion.report import check_markers

    for path in into:
        check_markers(path, task)
    for path in [*into, *([predictions] if predictions else [])]:
        try_file(path)


def _hand_out(
    done: "ModelEvaluation", text: str, json_file: str | None, predictions: Path | None, into: list[Path]
) -> None:
    from emotion.report import put_into

    write_json(json_file, done.report)
    write_table(predictions, [done.columns, *done.predictions])
    for path in into:
        put_into(path, done.report["task"], text)
    if json_file != "-":
        typer.echo(text, nl=False)
