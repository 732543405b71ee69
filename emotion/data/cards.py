"""Cards: the facts about a data set, and access to its files and tables by the roles that the card gives them.

Cards and splits are in `datasets/` of the source tree, or inside the package where it is installed. A card is TOML:

    [files.ROLE]       what a reader finds by its role: path (* and ? match as in a shell), and where it is a table
                       columns (their roles and headings), delimiter, scale (the lowest and the highest rating)
    count, sha256      how many files there are, or whose bytes they must be; of the copy that was at hand
    [units] [splits] [traps]    for people
"""

import csv
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from emotion.errors import DataError

_PACKAGE = Path(__file__).parent.parent
PLACES = (_PACKAGE / "datasets", _PACKAGE.parent / "datasets")


@dataclass(frozen=True)
class CardFile:
    """A file of a data set, or many by a pattern; `columns` are headings by role, `scale` the range of its ratings."""

    path: str
    what: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    delimiter: str = ","
    scale: tuple[float, float] | None = None
    count: int | None = None
    sha256: str | None = None
    optional: bool = False

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1:
            raise ValueError(f"the delimiter {self.delimiter!r} of {self.path} is not one character")

    def of(self, name: str) -> str:
        """The path of one item, whose name replaces the star of the pattern."""
        return self.path.replace("*", name)


@dataclass(frozen=True)
class Card:
    """A data set: `key` is its folder's name, `songs` the set whose numbers its songs have, `about` the rest."""

    key: str
    name: str
    title: str
    citation: tuple[str, ...]
    licence: str
    weights: str
    items: int
    what: str
    songs: str
    files: Mapping[str, CardFile]
    units: Mapping[str, str]
    splits: Mapping[str, Any]
    traps: Mapping[str, str]
    editions: Mapping[str, Any]
    about: Mapping[str, Any]

    def file(self, role: str) -> CardFile:
        """The entry of a file. Raises DataError."""
        if role not in self.files:
            raise DataError(f"the card of {self.key} names no file {role!r}: it names {', '.join(self.files)}")
        return self.files[role]


def path(name: str, *, places: tuple[Path, ...] | None = None) -> Path:
    """The path of a file of `datasets/`, such as `catalogue.csv`. Raises DataError."""
    for place in PLACES if places is None else places:
        if (place / name).is_file():
            return place / name
    raise DataError(f"{name} is not among the facts about data that are installed: install the program anew")


def folder(name: str) -> Path:
    """The folder of a data set's card and splits. Raises DataError."""
    try:
        return path(f"{name}/card.toml").parent
    except DataError:
        raise DataError(f"no card of the data set {name!r} is installed: choose one that `datasets/` has") from None


@cache
def load(name: str, *, places: tuple[Path, ...] = PLACES) -> Card:
    """The card of a data set by its folder's name; read once. Raises DataError."""
    found = path(f"{name}/card.toml", places=places)
    try:
        return _card(name, tomllib.loads(found.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{found} is no card ({error}): restore the file") from None


def _card(key: str, entries: dict[str, Any]) -> Card:
    citation = entries.pop("citation")
    return Card(
        key=key,
        citation=(citation,) if isinstance(citation, str) else tuple(citation),
        files={role: _file(entry) for role, entry in entries.pop("files").items()},
        songs=entries.pop("songs", key),
        **{name: entries.pop(name) for name in ("name", "title", "licence", "weights", "items", "what")},
        **{name: entries.pop(name, {}) for name in ("units", "splits", "traps", "editions")},
        about=entries,
    )


def _file(entry: dict[str, Any]) -> CardFile:
    if "scale" in entry:
        low, high = entry["scale"]
        entry["scale"] = (float(low), float(high))
    return CardFile(**entry)


def find(root: Path, card: Card, role: str) -> list[Path]:
    """The files of a role below a data set's folder, sorted. Raises DataError where there are none.

    An archive that was unpacked into a folder of its own is found there, too.
    """
    pattern = card.file(role).path
    found = sorted(root.glob(pattern)) or sorted(root.glob(f"*/{pattern}"))
    if not found and not card.file(role).optional:
        raise DataError(f"no {card.name} at {root}, or not all of it: {pattern} is missing; give the folder with it")
    return found


def rows(root: Path, card: Card, role: str, *, needs: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of a role's tables, as text by the roles of the columns that are needed. Raises DataError.

    What is beyond the last heading belongs to the last column, delimiters and all.
    """
    found = [row for table in find(root, card, role) for row in _rows(table, card, role, needs)]
    if not found and not card.file(role).optional:
        raise DataError(f"{card.file(role).path} of {card.name} at {root} has no rows: fetch it again")
    return found


def _rows(table: Path, card: Card, role: str, needs: tuple[str, ...]) -> Iterator[dict[str, str]]:
    file = card.file(role)
    # Names of artists come in more than one encoding; they only need to be the same for the same bytes.
    with table.open(newline="", encoding="utf-8-sig", errors="replace") as lines:
        reader = csv.reader(lines, delimiter=file.delimiter)
        head = [heading.strip() for heading in next(reader, [])]
        if missing := [file.columns[need] for need in needs if file.columns[need] not in head]:
            raise DataError(f"{table} is not in the layout of {card.name}: it has no column {missing[0]!r}")
        for values in filter(any, reader):
            if len(values) < len(head):
                raise DataError(
                    f"{table} is not whole: line {reader.line_num} has {len(values)} of {len(head)} columns"
                )
            values[len(head) - 1 :] = [file.delimiter.join(values[len(head) - 1 :])]
            yield {need: values[head.index(file.columns[need])].strip() for need in needs}
