"""Tables between two marker lines of a Markdown file: README and model cards show what a command printed."""

from pathlib import Path

from emotion.errors import OutputError
from emotion.files import failure, whole_file


def put_into(path: Path, task: str, text: str) -> None:
    """Put a text between the lines `<!-- evaluate TASK -->` and `<!-- end evaluate TASK -->` of a file.

    The file appears whole with the new text or stays as it was. Raises OutputError.
    """
    before, after = _around(path, task)
    try:
        with whole_file(path) as partial:
            partial.write_text(f"{before}\n{text}\n{after}", encoding="utf-8")
    except OSError as error:
        raise OutputError(failure(error, path)) from None


def markers(task: str) -> tuple[str, str]:
    """The lines around a task's tables in a Markdown file."""
    return f"<!-- evaluate {task} -->", f"<!-- end evaluate {task} -->"


def check_markers(path: Path, task: str) -> None:
    """Make sure, before any work, that `put_into` will find its place. Raises OutputError."""
    _around(path, task)


def _around(path: Path, task: str) -> tuple[str, str]:
    """What stands before the place of the text, with the first marker line, and from the last one on."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except UnicodeDecodeError:
        raise OutputError(f"--into {path} is no text: name a Markdown file") from None
    except OSError as error:
        raise OutputError(
            f"--into {path} cannot be read ({error.strerror}): name a Markdown file that exists"
        ) from None
    begin, end = markers(task)
    places = [index for index, line in enumerate(lines) if line.strip() in (begin, end)]
    if [lines[index].strip() for index in places] != [begin, end]:
        raise OutputError(
            f"--into {path} has no one place for the tables: write the lines '{begin}' and '{end}' into it"
        )
    first, last = places
    return "".join(lines[: first + 1]), "".join(lines[last:])
