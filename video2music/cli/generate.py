"""`video2music generate`: score clips."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emotion.affect import PLACES
from emotion.cli.report import JsonOption, failing_plainly, plain, progress_bar, sentence, write_json
from video2music.errors import OptionError
from video2music.values import Options

if TYPE_CHECKING:
    from video2music.manifest import Replay

DEFAULT = Options()


def generate(
    clips: Annotated[list[Path] | None, typer.Argument(metavar="CLIP...", help="Videos to score.")] = None,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Each clip gets DIR/<its name>/.")] = Path(
        "out"
    ),
    encoder: Annotated[str, typer.Option(help="clip, clip-small, color, or auto: the best on this machine.")] = "auto",
    key: Annotated[
        str | None, typer.Option(help="As in 'A minor'. Default: mode from the mood, tonic from the seed.")
    ] = None,
    primer: Annotated[str | None, typer.Option(help="First chords in that key, as in 'Am F C G'.")] = None,
    emotion: Annotated[str | None, typer.Option(help=f"Instead of the picture's: {', '.join(PLACES)}.")] = None,
    valence: Annotated[float | None, typer.Option(help="-1 unpleasant to 1 pleasant, with --arousal.")] = None,
    arousal: Annotated[float | None, typer.Option(help="-1 calm to 1 excited, with --valence.")] = None,
    curve: Annotated[str | None, typer.Option(metavar="FILE.csv", help="Columns t_s,valence,arousal.")] = None,
    strength: Annotated[float, typer.Option(help="How hard the mood pulls the music, 0 to 1.")] = DEFAULT.strength,
    seed: Annotated[int, typer.Option(help="Another seed, another piece.")] = DEFAULT.seed,
    temperature: Annotated[
        float, typer.Option(help="0 takes the likeliest chords, above 1 dares.")
    ] = DEFAULT.temperature,
    candidates: Annotated[
        int, typer.Option(help="Pieces to begin, of which a judge keeps the one that feels right; 1: no choice.")
    ] = DEFAULT.candidates,
    style: Annotated[str, typer.Option(help="A style's name or the path of a TOML file.")] = DEFAULT.style,
    manifest: Annotated[
        Path | None, typer.Option("--from", metavar="MANIFEST", help="Play the piece of a former run's .json again.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what a former run made.")] = False,
    json_file: JsonOption = None,
) -> None:
    """Compose music for each CLIP and put it under the picture.

    Prints the path of each scored video. A clip that fails is told in one sentence on stderr and does not stop the
    others; the exit status is 0 only when all went well.
    """
    with failing_plainly():
        options = Options(
            encoder=encoder, key=key, primer=primer, emotion=emotion, valence=valence, arousal=arousal, curve=curve,
            strength=strength, seed=seed, temperature=temperature, candidates=candidates, style=style,
        )  # fmt: skip
        replay = _replay(manifest, options)
        clips = clips or ([replay.clip] if replay else [])
        if not clips:
            raise OptionError("no clip was given: name at least one video, or a manifest with --from")
        rows = _score_all(clips, out, options, replay, overwrite=overwrite, quiet=json_file == "-")
        write_json(json_file, {"clips": rows})
    if any("error" in row for row in rows):
        raise typer.Exit(1)


def _replay(path: Path | None, options: Options) -> "Replay | None":
    if path is None:
        return None
    from video2music import manifest

    wished = [name for name, value in asdict(options).items() if value != getattr(DEFAULT, name)]
    if wished:
        raise OptionError(f"--from plays a piece again as it was, so it takes no --{wished[0]}: leave that out")
    return manifest.read(path)


def _score_all(
    clips: Sequence[Path], out: Path, options: Options, replay: "Replay | None", *, overwrite: bool, quiet: bool
) -> list[dict[str, Any]]:
    """A row for each clip: what was made, or the sentence that says why not."""
    from video2music.output import names, stem_of
    from video2music.pipeline import compose

    rows = []
    for clip, name in zip(clips, names(clips), strict=True):
        row: dict[str, Any] = {"clip": str(clip)}
        try:
            with progress_bar(clip.name) as tell:
                result = compose(
                    clip,
                    out,
                    options,
                    replay=replay,
                    name=None if name == stem_of(clip) else name,
                    overwrite=overwrite,
                    progress=tell,
                )
            row |= plain(result)
        except Exception as error:  # one bad clip never stops the others
            row["error"] = sentence(error)
            typer.echo(f"error: {row['error']}", err=True)
        else:
            if not quiet:
                typer.echo(result.video)
        rows.append(row)
    return rows
