"""`video2music features` and `download`: what an encoder gives for a clip, and the weights that it needs."""

from pathlib import Path
from typing import Annotated

import typer

from emotion.cli.output import JsonOption, failing_plainly, progress_bar, write_json
from emotion.cli.run_settings import with_run_settings
from video2music.errors import OptionError
from video2music.features.encoders import downloadable
from video2music.options import SPECS


@with_run_settings("device", "weights")
def features(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="The video to analyse.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE.npz", help="Save the features.")] = None,
    encoder: Annotated[str, typer.Option(help=SPECS["encoder"].full_help)] = SPECS["encoder"].default,
    json_file: JsonOption = None,
) -> None:
    """Analyse CLIP and print what was found: cuts, valence, arousal, emotions."""
    with failing_plainly():
        from emotion.affect import EMOTIONS
        from video2music.features import extract, save

        if out is not None and out.suffix != ".npz":
            raise OptionError(f"{out} cannot hold the rows: its name must end in .npz")
        with progress_bar(clip.name) as progress:
            found = extract(clip, encoder=encoder, progress=lambda fraction: progress("extract", fraction))
        if out is not None:
            save(found, out)
        rows = {
            "duration_s": found.duration_s,
            "encoder": found.encoder,
            "cuts": [vars(cut) for cut in found.cuts],
            "emotion": found.emotion.tolist(),
            "valence": found.affect[:, 0].tolist(),
            "arousal": found.affect[:, 1].tolist(),
            "motion": found.motion.tolist(),
            "scene_offset": found.scene_offset.tolist(),
        }
        write_json(json_file, rows)
        if json_file == "-":
            return
        typer.echo(f"{clip.name}: {found.duration_s:.2f} s, {len(found.cuts)} cuts, analysed with {found.encoder}")
        if found.cuts:
            typer.echo("cuts at " + ", ".join(f"{cut.time_s:.2f}" for cut in found.cuts) + " s")
        for column, axis in enumerate(("valence", "arousal")):
            typer.echo(f"{axis} {found.affect[:, column].mean():+.2f} on average")
        mean = dict(zip(EMOTIONS, found.emotion.mean(axis=0).tolist(), strict=True))
        first, second = sorted(mean, key=mean.__getitem__, reverse=True)[:2]
        typer.echo(f"mostly {first} ({mean[first]:.0%}) and {second} ({mean[second]:.0%})")
        if out is not None:
            typer.echo(out)


def download(
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"{' or '.join(spec.name for spec in downloadable())}.")],
    json_file: JsonOption = None,
) -> None:
    """Fetch the weights of an encoder, check them and keep them on this machine."""
    with failing_plainly():
        from video2music.features import semantic

        with progress_bar(name) as progress:
            path = semantic.download(name, progress=lambda fraction: progress("download", fraction))
        write_json(json_file, {"encoder": name, "weights": str(path)})
        if json_file != "-":
            typer.echo(path)
