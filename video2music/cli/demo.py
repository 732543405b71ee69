"""`video2music demo`: the whole way on a clip that the program draws itself."""

from pathlib import Path
from typing import Annotated

import typer

from video2music.cli.report import failing_plainly, progress_bar


def demo(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where to put it.")] = Path("out"),
    seed: Annotated[int, typer.Option(help="Another seed, another piece.")] = 0,
) -> None:
    """Draw a clip of three scenes, score it and say where the result lies."""
    with failing_plainly():
        from video2music.demo import draw
        from video2music.pipeline import compose
        from video2music.values import Options

        out.mkdir(parents=True, exist_ok=True)
        with progress_bar("demo") as tell:
            tell("draw", 0.0)
            clip = draw(out / "demo.mp4")
            result = compose(clip, out, Options(seed=seed), overwrite=True, progress=tell)
        typer.echo(f"scored video  {result.video}")
        typer.echo(f"music         {result.audio}")
        typer.echo(f"MIDI          {result.midi}")
