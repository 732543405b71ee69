"""The table of `video2music batch --jobs`: clips, each with options of its own or with an earlier piece to begin from.

Paths in a table are relative to the folder that it lies in, as in the tables of `evaluate alignment`.
"""

import csv
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, NoneType
from typing import TYPE_CHECKING, Any, get_args, get_origin

from emotion.errors import UserError
from video2music.cli import generate as single
from video2music.errors import OptionError
from video2music.options import Options, read_metre, read_tempo

if TYPE_CHECKING:
    from video2music.batch.jobs import Earlier, Job
    from video2music.composing.manifest import Replay

Parameters = Mapping[str, inspect.Parameter]

CLIP = "clip"  # the column that names the video
LISTED = ";"  # between the values of an option that may repeat

# What `generate` is told that is no wish for a piece, and its columns that name an earlier one.
_NO_WISH = frozenset({"context", "clips", "out", "manifest", "lock", "redraw", "overwrite", "json_file"})
_EARLIER = MappingProxyType({"from": "manifest", "lock": "lock", "redraw": "redraw"})
_GENERATE = inspect.signature(single.generate).parameters
WISHES: Parameters = MappingProxyType({name: wish for name, wish in _GENERATE.items() if name not in _NO_WISH})
COLUMNS: Parameters = MappingProxyType({
    **{name.replace("_", "-"): wish for name, wish in WISHES.items()},
    **{column: _GENERATE[name] for column, name in _EARLIER.items()},
})  # fmt: skip
_YES_NO = MappingProxyType({"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False})


@dataclass(frozen=True)
class Row:
    """A row: where it stands, its clip, and its other cells read, by the name that `generate` has for each."""

    where: str
    clip: Path | None
    cells: Mapping[str, Any]

    @property
    def wishes(self) -> dict[str, Any]:
        """The cells that are wishes for the piece."""
        return {name: value for name, value in self.cells.items() if name in WISHES}

    @contextmanager
    def blaming(self, *columns: str) -> Iterator[None]:
        """Have what goes wrong inside told with the place of the row and these columns. Raises OptionError."""
        try:
            yield
        except UserError as error:
            named = " and ".join(repr(column) for column in columns)
            raise OptionError(f"{self.where}, column {named}: {error}") from None


def options_of(wishes: Mapping[str, Any]) -> Options:
    """What the options of `generate` say, under their names there. Raises OptionError, KeyNameError or ChordError."""
    return Options(**fields_of(wishes))


def fields_of(wishes: Mapping[str, Any]) -> dict[str, Any]:
    """The same under the names that Options has. Raises OptionError."""
    return {single.OPTION_OF.get(name, name): _READ.get(name, _as_is)(value) for name, value in wishes.items()}


def _as_is(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value or ())


_READ: Mapping[str, Callable[[Any], Any]] = MappingProxyType({
    "tempo": read_tempo, "metre": read_metre, "only": _tuple, "without": _tuple, "hit": _tuple,
})  # fmt: skip


def placed(wishes: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The wishes with the files that they name as absolute paths; a relative one begins in a folder."""
    from video2music import styles

    found = dict(wishes)
    if found.get("curve"):
        found["curve"] = str((folder / found["curve"]).absolute())
    if found.get("style") and found["style"] not in styles.names():
        path = (folder / found["style"]).absolute()
        found["style"] = str(path) if path.is_file() else found["style"]
    return found


def check(options: Options, style: str | None = None) -> None:
    """Refuse before anything starts what every clip would be refused for; `style` is TOML text. Raises UserError."""
    from video2music import styles
    from video2music.composing import target

    target.check(options, style or styles.read(options.style))


def read_table(path: Path, wishes: Mapping[str, Any], given: frozenset[str] = frozenset()) -> "list[Job]":
    """What the rows of a table ask for; an empty cell leaves what the command line says in `wishes`.

    The columns are `clip`, long options of `generate` without their dashes before, and `from`, `lock`, `redraw`. Where
    an option may repeat, `;` lies between its values. A row with `from` may do without a clip, and takes from the
    command line what is `given` there and what such a piece can still be wished for. Rows are counted as a spreadsheet
    does, the head being row 1. Raises OptionError, which names the row and the column.
    """
    return [_job(row, path.parent, wishes, given) for row in _rows(path)]


def _rows(path: Path) -> Iterator[Row]:
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            lines = list(csv.reader(file, strict=True))
    except (OSError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise OptionError(f"the table {path} cannot be read ({reason}): give a CSV file") from None
    head = [cell.strip() for cell in lines[0]] if lines else []
    _refuse_head(path, head)
    for number, line in enumerate(lines[1:], 2):
        if any(cell.strip() for cell in line):
            yield _row(f"{path}, row {number}", head, line, path.parent)


def _refuse_head(path: Path, head: list[str]) -> None:
    known = [CLIP, *COLUMNS]
    for column in head:
        if column not in known:
            raise OptionError(f"{path}, row 1, column {column!r}: no such option; choose of {', '.join(known)}")
        if head.count(column) > 1:
            raise OptionError(f"{path}, row 1, column {column!r}: it is there twice; leave one out")
    if CLIP not in head and "from" not in head:
        raise OptionError(f"{path} has no column {CLIP!r}: give one with the paths of the videos")


def _row(where: str, head: list[str], line: list[str], folder: Path) -> Row:
    if len(line) > len(head):
        raise OptionError(
            f"{where}, column {len(head) + 1}: the head has only {len(head)} columns; quote cells with commas"
        )
    cells = {column: cell.strip() for column, cell in zip(head, line, strict=False) if cell.strip()}
    clip = cells.pop(CLIP, None)
    read = {
        _EARLIER.get(column, column.replace("-", "_")): _cell(f"{where}, column {column!r}", column, text)
        for column, text in cells.items()
    }
    return Row(where, folder / clip if clip else None, placed(read, folder))


def _job(row: Row, folder: Path, wishes: Mapping[str, Any], given: frozenset[str]) -> "Job":
    from video2music.batch.jobs import Job

    if "manifest" in row.cells:
        return _replayed(row, folder, wishes, given)
    for column in ("lock", "redraw"):
        if column in row.cells:
            raise OptionError(
                f"{row.where}, column {column!r}: it needs a piece to be about; name its manifest in 'from'"
            )
    clip = _there(row, row.clip)
    own = row.wishes
    gone = {name for wish in own for name in single.INSTEAD_OF.get(wish, ())} - own.keys()
    base = {**wishes, **{name: WISHES[name].default for name in gone}}
    try:
        options = options_of({**base, **own})
        check(options)
    except UserError as error:
        raise OptionError(f"{row.where}, column {_culprit(own, error)}: {error}") from None
    return Job(clip, options)


def _there(row: Row, clip: Path | None) -> Path:
    if clip is None or not clip.is_file():
        raise OptionError(
            f"{row.where}, column {CLIP!r}: there is no file {str(clip or '')!r}; give the path of a video"
        )
    return clip


def _culprit(given: Mapping[str, Any], error: UserError) -> str:
    """The column whose value alone is refused in the same words, or all of them where only together they are."""
    for name, value in given.items():
        try:
            check(options_of({**{wish: one.default for wish, one in WISHES.items()}, name: value}))
        except UserError as own:
            if str(own) == str(error):
                return repr(name.replace("_", "-"))
    return " and ".join(repr(name.replace("_", "-")) for name in given) or repr(CLIP)


def _replayed(row: Row, folder: Path, wishes: Mapping[str, Any], given: frozenset[str]) -> "Job":
    """The job of a row that begins from an earlier piece. Raises OptionError."""
    from video2music.batch.jobs import Job

    earlier = _earlier(row, folder)
    with row.blaming("from"):
        replay = earlier.replay()
    clip = _there(row, row.clip or replay.clip)
    with row.blaming(CLIP if row.clip else "from"):
        replay.check(clip)
    fields = fields_of({**wishes, **row.wishes})
    asked = fields_of(row.wishes).keys() | (given & _room(replay))
    columns = [column for column in COLUMNS if column.replace("-", "_") in row.wishes] or ["from"]
    with row.blaming(*columns):
        options = single.options_of_replay(fields, set(asked), replay)
        replay.allow(options)
        if replay.locks:
            check(options, replay.composition.style if options.style == replay.options.style else None)
    return Job(clip, options, earlier=earlier)


def _earlier(row: Row, folder: Path) -> "Earlier":
    from video2music.batch.jobs import Earlier

    parts = (part.strip() for part in row.cells.get("lock", "").replace(",", LISTED).split(LISTED))
    locks = tuple(sorted(part for part in parts if part))
    return Earlier((folder / row.cells["manifest"]).absolute(), locks, row.cells.get("redraw"))


def _room(replay: "Replay") -> set[str]:
    """The options that a piece that is played again leaves room for."""
    from video2music.composing.manifest import KEEPS

    if not replay.locks:
        return set(single.OF_A_REPLAY if replay.redraw is None else single.OF_A_SECTION)
    return set(Options.__dataclass_fields__) - {name for lock in replay.locks for name in KEEPS[lock]}


def _cell(where: str, column: str, text: str) -> Any:
    """A cell as the type of its option. Raises OptionError."""
    kind = get_args(COLUMNS[column].annotation)[0]
    kind = next((one for one in get_args(kind) if one is not NoneType), kind) if get_origin(kind) is not list else kind
    if get_origin(kind) is list:
        inner = get_args(kind)[0]
        return [_value(where, inner, part.strip()) for part in text.split(LISTED) if part.strip()]
    return _value(where, kind, text)


def _value(where: str, kind: type, text: str) -> Any:
    read, what = _KINDS[kind]
    try:
        return read(text)
    except (ValueError, KeyError):
        raise OptionError(f"{where}: {text!r} is not {what}") from None


def _truth(text: str) -> bool:
    return _YES_NO[text.lower()]


_KINDS: Mapping[type, tuple[Callable[[str], Any], str]] = MappingProxyType({
    str: (str, "text"), int: (int, "a whole number"), float: (float, "a number"), bool: (_truth, "yes or no"),
    Path: (Path, "a path"),
})  # fmt: skip
