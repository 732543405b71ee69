"""`video2music download`: fetch the weights of an encoder."""

from typing import Annotated

import typer

from emotion.cli.report import JsonOption, failing_plainly, progress_bar, write_json


def download(
    name: Annotated[str, typer.Argument(metavar="NAME", help="clip or clip-small.")], json_file: JsonOption = None
) -> None:
    """Fetch the weights of an encoder, check them and keep them on this machine."""
    with failing_plainly():
        from video2music.features import semantic

        with progress_bar(name) as tell:
            path = semantic.download(name, on_progress=lambda fraction: tell("download", fraction))
        write_json(json_file, {"encoder": name, "weights": str(path)})
        if json_file != "-":
            typer.echo(path)
