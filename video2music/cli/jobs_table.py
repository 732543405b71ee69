"""The table of `video2music batch --jobs`: clips, each with options of its own or with an earlier piece to start from.

Columns are made from the specs of the options. Paths in a table are relative to the folder of the table, as in the
tables of `evaluate alignment`.
"""

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from emotion.errors import UserError
from video2music.cli.option_parameters import absolute_paths, check, options_of_replay, replaced_by, replay_scope
from video2music.errors import OptionError
from video2music.options import SEPARATOR, SPECS, Options

if TYPE_CHECKING:
    from video2music.batch.jobs import Job

CLIP, MANIFEST, LOCK, REDRAW = "clip", "from", "lock", "redraw"
OPTION_COLUMNS = MappingProxyType({spec.column: spec for spec in SPECS.values()})
COLUMNS = (CLIP, *OPTION_COLUMNS, MANIFEST, LOCK, REDRAW)


@dataclass(frozen=True)
class Row:
    """A row: its place in the file, its cells as text by column, and what its option cells say, by option."""

    where: str
    folder: Path
    cells: Mapping[str, str]
    values: Mapping[str, Any]

    @contextmanager
    def blaming(self, *columns: str) -> Iterator[None]:
        """Put the row and these columns before the sentence of an error inside. Raises OptionError."""
        try:
            yield
        except UserError as error:
            named = " and ".join(repr(column) for column in columns)
            raise OptionError(f"{self.where}, column {named}: {error}") from None

    @property
    def option_columns(self) -> tuple[str, ...]:
        """The columns that hold an option in this row."""
        return tuple(column for column in self.cells if column in OPTION_COLUMNS)


def read_table(path: Path, values: Mapping[str, Any], given: frozenset[str] = frozenset()) -> "list[Job]":
    """The jobs of a table's rows; an empty cell leaves what the command line says in `values`.

    The columns are `clip`, long options of `generate` without their dashes before, and `from`, `lock`, `redraw`. `;`
    separates the values of an option that may repeat. A row with `from` may do without a clip, and takes of the command
    line only what is `given` there and what such a piece leaves open. Rows are counted as a spreadsheet does, the head
    being row 1. Raises OptionError, which names the row and the column.
    """
    return [_replayed(row, values, given) if MANIFEST in row.cells else _job(row, values) for row in _rows(path)]


def _rows(path: Path) -> Iterator[Row]:
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            lines = list(csv.reader(file, strict=True))
    except (OSError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise OptionError(f"the table {path} cannot be read ({reason}): give a CSV file") from None
    head = [cell.strip() for cell in lines[0]] if lines else []
    for column in head:
        if column not in COLUMNS:
            raise OptionError(f"{path}, row 1, column {column!r}: no such option; choose of {', '.join(COLUMNS)}")
        if head.count(column) > 1:
            raise OptionError(f"{path}, row 1, column {column!r}: it is there twice; leave one out")
    if CLIP not in head and MANIFEST not in head:
        raise OptionError(f"{path} has no column {CLIP!r}: give one with the paths of the videos")
    for number, line in enumerate(lines[1:], 2):
        if any(cell.strip() for cell in line):
            yield _row(f"{path}, row {number}", head, line, path.parent)


def _row(where: str, head: list[str], line: list[str], folder: Path) -> Row:
    if len(line) > len(head):
        raise OptionError(
            f"{where}, column {len(head) + 1}: the head has only {len(head)} columns; quote cells with commas"
        )
    cells = {column: cell.strip() for column, cell in zip(head, line, strict=False) if cell.strip()}
    row, values = Row(where, folder, cells, {}), {}
    for column in row.option_columns:
        with row.blaming(column):
            values[OPTION_COLUMNS[column].name] = OPTION_COLUMNS[column].parse(cells[column])
    return Row(where, folder, cells, absolute_paths(values, folder))


def _job(row: Row, values: Mapping[str, Any]) -> "Job":
    from video2music.batch.jobs import Job

    for column in (LOCK, REDRAW):
        if column in row.cells:
            raise OptionError(
                f"{row.where}, column {column!r}: it needs a piece to be about; name its manifest in {MANIFEST!r}"
            )
    clip = _existing(row, row.folder / row.cells[CLIP] if CLIP in row.cells else None)
    try:
        options = Options(**{**values, **replaced_by(row.values), **row.values})
        check(options)
    except UserError as error:
        with row.blaming(*_culprits(row, error)):
            raise
    return Job(clip, options)


def _existing(row: Row, clip: Path | None) -> Path:
    if clip is None or not clip.is_file():
        raise OptionError(
            f"{row.where}, column {CLIP!r}: there is no file {str(clip or '')!r}; give the path of a video"
        )
    return clip


def _culprits(row: Row, error: UserError) -> tuple[str, ...]:
    """The column whose value alone is refused in the same words, or all of them where only together they are."""
    for column in row.option_columns:
        name = OPTION_COLUMNS[column].name
        try:
            check(Options(**{name: row.values[name]}))
        except UserError as own:
            if str(own) == str(error):
                return (column,)
    return row.option_columns or (CLIP,)


def _replayed(row: Row, values: Mapping[str, Any], given: frozenset[str]) -> "Job":
    """The job of a row that starts from an earlier piece. Raises OptionError."""
    from video2music.batch.jobs import Job, PreviousScore

    with row.blaming(REDRAW):
        redraw = _whole_number(row.cells[REDRAW]) if REDRAW in row.cells else None
    parts = (part.strip() for part in row.cells.get(LOCK, "").replace(",", SEPARATOR).split(SEPARATOR))
    previous = PreviousScore((row.folder / row.cells[MANIFEST]).absolute(), tuple(sorted(filter(None, parts))), redraw)
    with row.blaming(MANIFEST):
        replay = previous.replay()
    clip = _existing(row, row.folder / row.cells[CLIP] if CLIP in row.cells else replay.clip)
    with row.blaming(CLIP if CLIP in row.cells else MANIFEST):
        replay.check_clip(clip)
    # What the command line says counts only where the earlier piece leaves it open; a cell that does not is refused.
    chosen = row.values.keys() | (given & replay_scope(replay))
    with row.blaming(*row.option_columns or (MANIFEST,)):
        options = options_of_replay({**values, **row.values}, chosen, replay)
        replay.check_options(options)
        if replay.locks:
            check(options, replay.composition.style if options.style == replay.options.style else None)
    return Job(clip, options, previous=previous)


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise OptionError(f"{text!r} is not a whole number") from None
