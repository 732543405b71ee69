"""`emotion analyse`: valence, arousal and quadrant of music."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotion.cli.output import JsonOption, checked_target, failing_plainly, sentence, write_json, write_table
from emotion.cli.run_settings import with_run_settings
from emotion.errors import SoundError, UserError
from emotion.files import is_midi

if TYPE_CHECKING:
    from emotion.judge import Judge
    from emotion.values import EmotionReport, Prediction

PICTURE_NAMES = (".png", ".pdf", ".svg")
DESCRIPTIONS = MappingProxyType({  # in the order of emotion.affect.QUADRANTS, which would import numpy
    "q1": "pleasant and excited",
    "q2": "unpleasant and excited",
    "q3": "unpleasant and calm",
    "q4": "pleasant and calm",
})  # fmt: skip
NUMBERS = ("start_s", "end_s", "valence", "arousal")
CHANCE = 0.25  # the confidence of four equal quadrants, as a silent window has them
COLUMNS = ("file", *NUMBERS, *DESCRIPTIONS, "quadrant", "confidence")


def checked_picture(option: typer.CallbackParam, target: str | None) -> str | None:
    """The name of a picture that can be drawn and written; otherwise a sentence and exit status 1."""
    with failing_plainly():
        if target is not None and Path(target).suffix.lower() not in PICTURE_NAMES:
            raise UserError(f"--plot {target} is no picture's name: let it end in {', '.join(PICTURE_NAMES)}")
    return checked_target(option, target)


@with_run_settings("device", "weights", "soundfont")
def analyse(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Sound, video, or MIDI (.mid, .midi).")],
    midi: Annotated[Path | None, typer.Option(metavar="FILE", help="The MIDI of the one sound file.")] = None,
    judge: Annotated[
        str | None, typer.Option(metavar="NAME", help="poolingvq, adff, or unified (the default, for any music).")
    ] = None,
    json_file: JsonOption = None,
    csv_file: Annotated[
        str | None,
        typer.Option("--csv", metavar="FILE", help="Write a row for each window.", callback=checked_target),
    ] = None,
    plot: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Draw all files into one .png, .pdf or .svg.", callback=checked_picture),
    ] = None,
) -> None:
    """Predict valence, arousal and quadrant of each FILE, as a whole and by windows of 8 s.

    A file that cannot be read gives one sentence on stderr and does not stop the others; the exit status is 0
    only when all went well.
    """
    with failing_plainly():
        if midi is not None and (len(files) != 1 or is_midi(files[0])):
            given = f"{len(files)} files" if len(files) != 1 else str(files[0])
            raise SoundError(f"--midi {midi} is the MIDI of one sound file, but was given with {given}")
        from emotion import judge as judges

        rows = _predict_all(judges.load(judge or judges.DEFAULT_JUDGE), files, midi, quiet="-" in (json_file, csv_file))
        reports = [(path, found) for path, found in rows if not isinstance(found, str)]
        write_json(json_file, {"files": [_json_entry(path, found, midi) for path, found in rows]})
        rows_of = ([path, *_row(window).values()] for path, found in reports for window in found.windows)
        write_table(csv_file, [COLUMNS, *rows_of])
        if plot is not None and reports:
            from emotion import plots

            plots.draw([(path.name, found) for path, found in reports], Path(plot))
    if len(reports) < len(rows):
        raise typer.Exit(1)


def _predict_all(
    judge: "Judge", files: Sequence[Path], midi: Path | None, *, quiet: bool
) -> "list[tuple[Path, EmotionReport | str]]":
    """Each file with its report, or with the sentence that says why there is none; both are printed at once."""
    rows: list[tuple[Path, EmotionReport | str]] = []
    for path in files:
        try:
            report = judge.predict(midi=path) if is_midi(path) else judge.predict(path, midi)
        except Exception as error:  # one bad file never stops the others
            rows.append((path, sentence(error)))
            typer.echo(f"error: {rows[-1][1]}", err=True)
            continue
        rows.append((path, report))
        if not quiet:
            typer.echo("\n".join([*([""] if len(rows) > 1 else []), *_lines(path, report)]))
    return rows


def _lines(path: Path, report: "EmotionReport") -> Iterator[str]:
    """A report for reading."""
    whole = report.whole
    yield f"{path}: {whole.end_s:.1f} s, analysed as {report.heard} by {report.judge}"
    yield f"  valence {whole.valence:+.2f}  arousal {whole.arousal:+.2f}  {_quadrant(whole)}"
    yield "  " + "  ".join(f"{name} {share:.0%}" for name, share in zip(DESCRIPTIONS, whole.quadrants, strict=True))
    yield "      from      to  valence  arousal"
    for window in report.windows:
        times = f"  {window.start_s:8.1f}{window.end_s:8.1f}"
        yield f"{times}    {window.valence:+.2f}    {window.arousal:+.2f}  {_quadrant(window)}"
    yield from (f"  note: {remark}" for remark in report.remarks)


def _quadrant(prediction: "Prediction") -> str:
    if prediction.confidence <= CHANCE:
        return "unknown"
    return f"{prediction.quadrant} {DESCRIPTIONS[prediction.quadrant]} ({prediction.confidence:.0%})"


def _row(prediction: "Prediction") -> dict[str, Any]:
    """A prediction as one row of numbers; its quadrant is None where nothing is known."""
    numbers = {name: round(getattr(prediction, name), 6) for name in NUMBERS}
    shares = dict(zip(DESCRIPTIONS, (round(share, 6) for share in prediction.quadrants), strict=True))
    known = prediction.quadrant if prediction.confidence > CHANCE else None
    return {**numbers, **shares, "quadrant": known, "confidence": round(prediction.confidence, 6)}


def _json_entry(path: Path, found: "EmotionReport | str", midi: Path | None) -> dict[str, Any]:
    """A file's entry in the JSON report."""
    name = {"file": str(path), **({"midi": str(midi)} if midi else {})}
    if isinstance(found, str):
        return {**name, "error": found}
    return {
        **name,
        "judge": found.judge,
        "sha256": found.sha256,
        "heard": found.heard,
        "remarks": list(found.remarks),
        "whole": _row(found.whole),
        "windows": [_row(window) for window in found.windows],
    }
