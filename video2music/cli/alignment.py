"""`video2music evaluate alignment`: does music feel as its picture does?"""

from pathlib import Path
from typing import Annotated

import typer

from emotion.cli.report import (
    JsonOption,
    checked_target,
    failing_plainly,
    progress_bar,
    write_json,
    write_table,
    write_text,
)


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
        str | None, typer.Option(metavar="NAME", help="Who listens. Default: the judge that has no part in composing.")
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Who watches: clip, clip-small, color or auto. Default: as generate does.")
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
            help="Write a page with curves and tables, whole in itself.",
            callback=checked_target,
        ),
    ] = None,
) -> None:
    """Measure how well music agrees with the feeling of its picture.

    The music is heard by a judge that took no part in composing. Music of any
    system will do. A video's own sound is its music, unless there is other
    music for it: --music FILE for one video; in a folder a sound or MIDI file
    of the video's stem, such as clip.wav beside clip.mp4; or the column music
    of a CSV file, whose paths are relative to that file.

    Beside a video that generate scored lies its manifest: then the music file
    that it names is heard, without the clip's own sound, against the target
    that it was composed for. For all others the target is what the picture
    says.

    The judge hears windows of 8 s, one every 4 s. CCC and lag are told of 5
    windows or more, over 20 s of music, where the target moves; where it
    stands still there are bias and RMSE. With two videos or more there are
    intervals, and a row of chance: every music against the others' targets.

    A file that fails is told in one sentence and stops no other; the exit
    status is 0 only when all went well.
    """
    with failing_plainly():
        from video2music import pipeline
        from video2music.evaluate import alignment, alignment_page, alignment_pairs

        found = alignment_pairs.pairs(paths, music=music)
        with progress_bar("alignment") as tell:
            done = alignment.study(found, judge=judge or pipeline.REPORTS, encoder=encoder, tell=tell)
        for failed in done.failed:
            typer.echo(f"error: {failed.sentence}", err=True)
        write_json(json_file, done.report)
        write_table(csv_file, done.table)
        write_text(html_file, alignment_page.page(done.report) if html_file else "")
        if done.heard and "-" not in (json_file, csv_file, html_file):
            typer.echo(alignment.as_text(done.report), nl=False)
    if done.failed:
        raise typer.Exit(1)
