"""`video2music doctor`: what is installed, what is missing, and the command that fixes it."""

from dataclasses import asdict

import typer

from emotion.cli.output import JsonOption, failing_plainly, write_json


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
