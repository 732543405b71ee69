"""`video2music features`: what was seen of a clip."""

from pathlib import Path
from typing import Annotated

import typer

from emotion.cli.output import JsonOption, failing_plainly, progress_bar, write_json


def features(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="The video to watch.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE.npz", help="Save the rows.")] = None,
    encoder: Annotated[str, typer.Option(help="clip, clip-small, color, or auto: the best on this machine.")] = "auto",
    json_file: JsonOption = None,
) -> None:
    """Watch CLIP and tell what was seen, second by second."""
    with failing_plainly():
        from video2music import features as watching
        from video2music.errors import OptionError

        if out is not None and out.suffix != ".npz":
            raise OptionError(f"{out} cannot hold the rows: its name must end in .npz")
        with progress_bar(clip.name) as tell:
            seen = watching.extract(clip, encoder=encoder, on_progress=lambda fraction: tell("watch", fraction))
        if out is not None:
            watching.save(seen, out)
        rows = {
            "duration_s": seen.duration_s,
            "encoder": seen.encoder,
            "cuts": [vars(cut) for cut in seen.cuts],
            "emotion": seen.emotion.tolist(),
            "valence": seen.affect[:, 0].tolist(),
            "arousal": seen.affect[:, 1].tolist(),
            "motion": seen.motion.tolist(),
            "scene_offset": seen.scene_offset.tolist(),
        }
        write_json(json_file, rows)
        if json_file != "-":
            _tell(clip, rows, out)


def _tell(clip: Path, rows: dict, out: Path | None) -> None:
    from emotion.affect import EMOTIONS

    mean = {
        name: sum(row[index] for row in rows["emotion"]) / len(rows["emotion"]) for index, name in enumerate(EMOTIONS)
    }
    strongest = sorted(mean, key=mean.__getitem__, reverse=True)[:2]
    typer.echo(f"{clip.name}: {rows['duration_s']:.2f} s, {len(rows['cuts'])} cuts, watched with {rows['encoder']}")
    if rows["cuts"]:
        typer.echo("cuts at " + ", ".join(f"{cut['time_s']:.2f}" for cut in rows["cuts"]) + " s")
    for axis in ("valence", "arousal"):
        typer.echo(f"{axis} {sum(rows[axis]) / len(rows[axis]):+.2f} on average")
    typer.echo(f"mostly {strongest[0]} ({mean[strongest[0]]:.0%}) and {strongest[1]} ({mean[strongest[1]]:.0%})")
    if out is not None:
        typer.echo(out)
