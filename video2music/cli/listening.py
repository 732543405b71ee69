"""`video2music evaluate listening`: a blind kit of two systems' clips, and what its listeners said."""

from pathlib import Path
from typing import Annotated

import typer

from emotion.cli.report import JsonOption, failing_plainly, write_json
from video2music.errors import OptionError


def evaluate_listening(
    a: Annotated[
        Path | None, typer.Argument(metavar="A_DIR", help="One system's scored videos, or music files.")
    ] = None,
    b: Annotated[Path | None, typer.Argument(metavar="B_DIR", help="Another's, of the same names.")] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="Where the kit is made, and its key beside it.")
    ] = Path("listening"),
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another order and other sides.")] = 0,
    answers: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE.csv", help="What listeners sent back, or a folder of it; repeatable."),
    ] = None,
    json_file: JsonOption = None,
) -> None:
    """Ask people which music is better, blind: make a page to send, then give its answers.

    DIR/kit is for the listeners. DIR/key.json says whose music is whose: keep it. With --answers nothing is made, and
    what the listeners prefer is printed.
    """
    with failing_plainly():
        if answers:
            _analyse(a, b, out, answers, json_file)
        elif a and b:
            _make(a, b, out, seed, json_file)
        else:
            raise OptionError("two folders are compared: give A_DIR and B_DIR, or --answers of a kit that was made")


def _make(a: Path, b: Path, out: Path, seed: int, json_file: str | None) -> None:
    from video2music.evaluate import listening

    made = listening.make(a, b, out, seed=seed)
    for sentence in made.left_out:
        typer.echo(sentence, err=True)
    write_json(
        json_file,
        {"kit": made.key.kit, "folder": str(made.kit), "key": str(made.key_file), "trials": len(made.key.trials),
         "clips": list(made.key.clips), "left_out": list(made.left_out)},
    )  # fmt: skip
    if json_file != "-":
        typer.echo(f"{made.kit / 'index.html'}: {len(made.key.trials)} pairs of {len(made.key.clips)} clips")
        typer.echo(f"send the folder {made.kit} to listeners, and keep {made.key_file} to yourself")


def _analyse(a: Path | None, b: Path | None, out: Path, answers: list[Path], json_file: str | None) -> None:
    from video2music.evaluate import listening_answers, listening_figures, listening_key, listening_tables

    key = listening_key.read(out)
    given = tuple(folder.resolve().name for folder in (a, b) if folder)
    if given and given != key.systems:
        raise OptionError(
            f"the kit at {out} compares {' with '.join(key.systems)}: leave A_DIR and B_DIR out, or fix -o"
        )
    found = listening_figures.report(key, listening_answers.read(answers, key))
    write_json(json_file, found)
    if json_file != "-":
        typer.echo(listening_tables.as_text(found), nl=False)
