"""`video2music features`: the features of a clip."""

from pathlib import Path
from typing import Annotated

import typer

from emotion.cli.output import JsonOption, failing_plainly, progress_bar, write_json
from emotion.cli.run_settings import with_run_settings
from video2music.errors import OptionError
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
