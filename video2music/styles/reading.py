"""Readers of TOML values: each takes a value and its place in the file, for errors, and returns it checked."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from video2music.errors import StyleError
from video2music.styles.kinds import HOLD, SILENCE

Reader = Callable[[Any, str], Any]
Spec = Mapping[str, tuple[Reader, Any]]  # by key: its reader and its default, REQUIRED where there is none
REQUIRED = object()
MAX_COLUMNS = 256


def text(value: Any, where: str) -> str:
    """A word or more. Raises StyleError, as all readers do."""
    if not isinstance(value, str) or not value.strip():
        raise StyleError(f"{where} must be a word, but is {value!r}")
    return value


def flag(value: Any, where: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise StyleError(f"{where} must be true or false, but is {value!r}")
    return value


def number(low: float, high: float) -> Reader:
    """Reads a number within limits."""

    def read(value: Any, where: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise StyleError(f"{where} must be a number from {low:g} to {high:g}, but is {value!r}")
        return float(value)

    return read


def whole(low: int, high: int) -> Reader:
    """Reads a whole number within limits."""

    def read(value: Any, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise StyleError(f"{where} must be a whole number from {low} to {high}, but is {value!r}")
        return value

    return read


def span(reader: Reader, least: float) -> Reader:
    """Reads two numbers that rise by `least` or more."""

    def read(value: Any, where: str) -> tuple[Any, Any]:
        if not isinstance(value, list) or len(value) != 2:
            raise StyleError(f"{where} must be two numbers such as [40, 60], but is {value!r}")
        low, high = (reader(one, where) for one in value)
        if high - low < least:
            raise StyleError(f"{where} must rise by at least {least:g}, but is {value!r}")
        return low, high

    return read


def one_of(words: Iterable[str], kind: str) -> Reader:
    """Reads a word of a list; `kind` is what errors call the words."""
    allowed = tuple(words)

    def read(value: Any, where: str) -> str:
        if value not in allowed:
            raise StyleError(f"{where} names the {kind} {value!r}: the {kind}s are {', '.join(allowed)}")
        return str(value)

    return read


def some_of(words: Iterable[str], kind: str) -> Reader:
    """Reads a list of at least one of some words."""
    read_one = one_of(words, kind)

    def read(value: Any, where: str) -> tuple[str, ...]:
        if not isinstance(value, list) or not value:
            raise StyleError(f"{where} must be a list of {kind}s, but is {value!r}")
        return tuple(dict.fromkeys(read_one(one, where) for one in value))

    return read


def table(value: Any, where: str) -> dict[str, Any]:
    """A table."""
    if not isinstance(value, dict):
        raise StyleError(f"{where} must be a table, but is {value!r}")
    return value


def many(read_one: Reader, least: int) -> Reader:
    """Reads tables, `least` or more."""

    def read(value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) < least:
            raise StyleError(f"{where} must be at least {least} tables, each headed [[{where}]]")
        return tuple(read_one(one, f"{where}[{count}]") for count, one in enumerate(value, start=1))

    return read


def fields(value: Any, where: str, spec: Spec) -> dict[str, Any]:
    """The values of a table, each read by its reader; unknown keys are refused."""
    given = table(value, where)
    for key in given:
        if key not in spec:
            raise StyleError(f"{where} has the unknown key {key!r}: the keys are {', '.join(spec)}")
    for key, (_, default) in spec.items():
        if default is REQUIRED and key not in given:
            raise StyleError(f"{where} lacks the key {key!r}")
    return {
        key: reader(given[key], f"{where}.{key}") if key in given else default
        for key, (reader, default) in spec.items()
    }


def row(value: Any, where: str, strikes: str, *, held: bool = True) -> str:
    """A row without its spacing, each sign checked; in `held` rows a note may be held."""
    columns, signs = re.sub(r"[\s|]", "", text(value, where)), strikes + (HOLD if held else "") + SILENCE
    for sign in columns:
        if sign not in signs:
            raise StyleError(f"{where} has the sign {sign!r}: the signs are {' '.join(signs)}")
    if SILENCE + HOLD in columns or not 0 < len(columns) <= MAX_COLUMNS:
        raise StyleError(f"{where} is {value!r}: a hold '-' needs a note before it, and a row 1 to {MAX_COLUMNS} signs")
    return columns
