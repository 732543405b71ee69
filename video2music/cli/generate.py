"""`video2music generate`: score clips.

`video2music demo`: the same for a clip that the program draws itself.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotion.cli.output import JsonOption, failing_plainly, plain, progress_bar, sentence, write_json
from emotion.cli.run_settings import with_run_settings
from video2music.cli.option_parameters import given_options, options_of_replay, parsed, with_options
from video2music.errors import OptionError
from video2music.options import Options

if TYPE_CHECKING:
    from video2music.composing.manifest import Replay


REPLAY = "An earlier piece"  # heading in the help


@with_run_settings()
@with_options
def generate(
    context: typer.Context,
    clips: Annotated[list[Path] | None, typer.Argument(metavar="CLIP...", help="Videos to score.")] = None,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Each clip gets DIR/<its name>/.")] = Path(
        "out"
    ),
    manifest: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="MANIFEST", help="Play the piece of an earlier run's .json again.", rich_help_panel=REPLAY
        ),
    ] = None,
    lock: Annotated[
        str | None,
        typer.Option(
            metavar="PARTS",
            help="Keep of --from the chords with their key, or the form, or both (chords,form), and redraw the rest.",
            rich_help_panel=REPLAY,
        ),
    ] = None,
    redraw: Annotated[
        int | None, typer.Option(metavar="N", help="Redraw only section N of --from.", rich_help_panel=REPLAY)
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what an earlier run made.")] = False,
    json_file: JsonOption = None,
    **arguments: Any,
) -> None:
    """Compose music for each CLIP and put it under the picture.

    Prints the path of each scored video. A clip that fails gets one sentence on stderr and does not stop the others;
    the exit status is 0 only when all went well.
    """
    with failing_plainly():
        replay = _replay(manifest, lock, redraw)
        options = options_of_replay(parsed(arguments), given_options(context), replay)
        clips = clips or ([replay.clip] if replay else [])
        if not clips:
            raise OptionError("no clip was given: name at least one video, or a manifest with --from")
        rows = _score_all(clips, out, options, replay, overwrite=overwrite, quiet=json_file == "-")
        write_json(json_file, {"clips": rows})
    if any("error" in row for row in rows):
        raise typer.Exit(1)


def _replay(path: Path | None, lock: str | None, redraw: int | None) -> "Replay | None":
    """The piece to play again, None without a manifest. Raises UserError."""
    if path is None:
        if lock or redraw is not None:
            raise OptionError("--lock and --redraw need the piece they are about: name its manifest with --from")
        return None
    from video2music.composing import manifest

    locks = frozenset(part.strip() for part in lock.split(",")) if lock else frozenset()
    return replace(manifest.read(path), locks=locks, redraw=redraw)


def _score_all(
    clips: Sequence[Path], out: Path, options: Options, replay: "Replay | None", *, overwrite: bool, quiet: bool
) -> list[dict[str, Any]]:
    """A row for each clip: its result as plain data, or the sentence that says why there is none."""
    from video2music.output import folder_names, stem_of
    from video2music.pipeline import compose

    rows = []
    for clip, name in zip(clips, folder_names(clips), strict=True):
        row: dict[str, Any] = {"clip": str(clip)}
        try:
            with progress_bar(clip.name) as progress:
                result = compose(
                    clip,
                    out,
                    options,
                    replay=replay,
                    name=None if name == stem_of(clip) else name,  # two clips of one stem get a hash in the name
                    overwrite=overwrite,
                    progress=progress,
                )
            row |= plain(result)
        except Exception as error:  # one bad clip never stops the others
            row["error"] = sentence(error)
            typer.echo(f"error: {row['error']}", err=True)
        else:
            for variant in () if quiet else result.variants or (result,):
                typer.echo(variant.video)
        rows.append(row)
    return rows


@with_run_settings()
def demo(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="The result goes to DIR/demo/.")] = Path(
        "out"
    ),
    seed: Annotated[int, typer.Option(help="Another seed, another piece.")] = 0,
    json_file: JsonOption = None,
) -> None:
    """Draw a clip of three scenes, score it and print the paths of the results."""
    with failing_plainly():
        from video2music.demo import score

        with progress_bar("demo") as progress:
            result = score(out, seed=seed, progress=progress)
        write_json(json_file, {"clips": [plain(result)]})
        if json_file != "-":
            typer.echo(f"scored video  {result.video}")
            typer.echo(f"music         {result.audio}")
            typer.echo(f"MIDI          {result.midi}")
