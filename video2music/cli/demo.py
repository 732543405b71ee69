"""`video2music demo`: the whole way on a clip that the program draws itself."""

from pathlib import Path
from typing import Annotated

import typer

from emotion.cli.report import JsonOption, failing_plainly, plain, progress_bar, write_json


def demo(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="The result goes to DIR/demo/.")] = Path(
        "out"
    ),
    seed: Annotated[int, typer.Option(help="Another seed, another piece.")] = 0,
    json_file: JsonOption = None,
) -> None:
    """Draw a clip of three scenes, score it and say where the result lies."""
    with failing_plainly():
        from video2music.demo import score

        with progress_bar("demo") as tell:
            result = score(out, seed=seed, progress=tell)
        write_json(json_file, {"clips": [plain(result)]})
        if json_file != "-":
            typer.echo(f"scored video  {result.video}")
            typer.echo(f"music         {result.audio}")
            typer.echo(f"MIDI          {result.midi}")
