"""`video2music doctor`: what is installed, what is missing, and the command that fixes it.

`video2music download`: fetch the weights of an encoder.
"""

from dataclasses import asdict
from typing import Annotated

import typer

from emotion.cli.output import JsonOption, failing_plainly, progress_bar, write_json
from video2music.features.encoders import downloadable


def doctor(json_file: JsonOption = None) -> None:
    """Check what is installed, what is missing, and print the command that fixes it."""
    with failing_plainly():
        from video2music.doctor import examine

        findings = examine()
        write_json(json_file, {"findings": [asdict(finding) for finding in findings]})
        for finding in findings if json_file != "-" else []:
            sign = "ok     " if finding.ok else "MISSING" if finding.required else "without"
            typer.echo(f"{sign}  {finding.name}: {finding.detail}")
            if not finding.ok and finding.fix:
                typer.echo(f"         fix it with: {finding.fix}")
    if any(finding.required and not finding.ok for finding in findings):
        raise typer.Exit(1)


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
