"""Styles: who plays, in which register and which figures, as tables in the TOML files beside this one.

A figure is drawn, one row a voice, `grid` columns a chord; spaces and bars `|` are only for the eye:

    X x o   the voice strikes here: accented, plain, soft
    -       it sounds on; where the harmony has moved it to another pitch it is struck softly anew
    .       it is silent

The voices are `bass`, `octave` and `sub` (the bass an octave higher and lower), `tenor`, `alto`, `soprano` (the chord's
other tones from low to high) and `line`, an upper line of chord tones. In the row of a line a digit strikes, and says
how many chord tones above its resting place. A row may last several chords; it starts anew with each section.
"""

import math
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from video2music.errors import StyleError

FOLDER = Path(__file__).parent
CHORD_VOICES = ("sub", "bass", "octave", "tenor", "alto", "soprano")
VOICES = (*CHORD_VOICES, "line")
STRIKES, HOLD, SILENCE = "Xxo", "-", "."
_MAX_COLUMNS = 256

Span = tuple[int, int]


@dataclass(frozen=True)
class Instrument:
    """A General MIDI program that plays some voices.

    range      lowest and highest pitch; a note outside is moved by octaves
    transpose  semitones added to what it plays, 12 for a doubling in octaves
    level      added to every velocity
    pedal      whether the sustain pedal follows the chords
    """

    name: str
    program: int
    voices: tuple[str, ...]
    range: Span
    transpose: int = 0
    level: int = 0
    pedal: bool = False


@dataclass(frozen=True)
class Pattern:
    """A figure: rows by voice, all of one length, a whole number of times `grid` columns."""

    name: str
    grid: int
    rows: Mapping[str, str]

    @property
    def steps(self) -> int:
        """How many chords it lasts before it repeats."""
        return len(next(iter(self.rows.values()))) // self.grid

    def columns(self, voice: str, phase: int) -> str:
        """The columns of one chord, the `phase`th since the figure began; silence where the voice has no row."""
        row = self.rows.get(voice)
        start = phase % self.steps * self.grid
        return row[start : start + self.grid] if row else SILENCE * self.grid


@dataclass(frozen=True)
class Registers:
    """Where the voices lie, as lowest and highest pitch, and whether a chord's third may be the bass."""

    bass: Span
    upper: Span
    line: Span
    inversions: bool


@dataclass(frozen=True)
class Style:
    """Everything the arranger knows of a style.

    tempo      beats a minute at arousal -1 and at +1
    balance    added to the velocity of a voice
    cadence    the voices that strike the final chord
    line_from  notes a second (as MuVi-Sync counts density) from which the upper line joins
    """

    name: str
    tempo: tuple[float, float]
    beats_per_bar: int
    registers: Registers
    balance: Mapping[str, int]
    cadence: tuple[str, ...]
    line_from: float
    instruments: tuple[Instrument, ...]
    patterns: tuple[Pattern, ...]
    lines: tuple[Pattern, ...]


def names() -> tuple[str, ...]:
    """The styles that come with the package."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load_style(name_or_path: str) -> Style:
    """A style by its name or from a TOML file of the user's. Raises StyleError."""
    return parse(read(name_or_path), where=name_or_path)


def read(name_or_path: str) -> str:
    """The TOML text of a style. Raises StyleError."""
    path = FOLDER / f"{name_or_path}.toml" if name_or_path in names() else Path(name_or_path)
    if not path.is_file():
        raise StyleError(
            f"no style {name_or_path!r}: choose one of {', '.join(names())} or give the path of a TOML file"
        )
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StyleError(f"the style {path} cannot be read: {error}") from None


def parse(text: str, *, where: str) -> Style:
    """A style from TOML text; `where` names it in errors. Raises StyleError."""
    try:
        return _style(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise StyleError(f"the style {where} cannot be read: {error}") from None
    except StyleError as error:
        raise StyleError(f"the style {where} is wrong: {error}") from None


# A reader takes a value and the words that say where it stands, and gives the checked value or raises StyleError.
Reader = Callable[[Any, str], Any]


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise StyleError(f"{where} must be a word, but is {value!r}")
    return value


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise StyleError(f"{where} must be true or false, but is {value!r}")
    return value


def _number(low: float, high: float) -> Reader:
    def read(value: Any, where: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise StyleError(f"{where} must be a number from {low:g} to {high:g}, but is {value!r}")
        return float(value)

    return read


def _whole(low: int, high: int) -> Reader:
    def read(value: Any, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise StyleError(f"{where} must be a whole number from {low} to {high}, but is {value!r}")
        return value

    return read


def _span(reader: Reader, least: float) -> Reader:
    def read(value: Any, where: str) -> tuple[Any, Any]:
        if not isinstance(value, list) or len(value) != 2:
            raise StyleError(f"{where} must be two numbers such as [40, 60], but is {value!r}")
        low, high = (reader(number, where) for number in value)
        if high - low < least:
            raise StyleError(f"{where} must rise by at least {least:g}, but is {value!r}")
        return low, high

    return read


def _voices(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise StyleError(f"{where} must be a list of voices, but is {value!r}")
    for voice in value:
        _voice(voice, where)
    return tuple(dict.fromkeys(value))


def _voice(value: Any, where: str) -> None:
    if value not in VOICES:
        raise StyleError(f"{where} names the voice {value!r}: the voices are {', '.join(VOICES)}")


def _balance(value: Any, where: str) -> Mapping[str, int]:
    table = _table(value, where)
    for voice in table:
        _voice(voice, where)
    return MappingProxyType({voice: _whole(-60, 60)(level, f"{where}.{voice}") for voice, level in table.items()})


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise StyleError(f"{where} must be a table, but is {value!r}")
    return value


def _many(read_one: Callable[[Any, str], Any], least: int) -> Reader:
    def read(value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) < least:
            raise StyleError(f"{where} must be at least {least} tables, each headed [[{where}]]")
        return tuple(read_one(table, f"{where}[{number}]") for number, table in enumerate(value, start=1))

    return read


_REQUIRED = object()
_PITCHES = _span(_whole(0, 127), 11)  # an octave holds every pitch class
_REGISTERS: Mapping[str, tuple[Reader, Any]] = MappingProxyType({
    "bass": (_PITCHES, _REQUIRED),
    "upper": (_span(_whole(0, 127), 19), _REQUIRED),  # room for three voices in any inversion
    "line": (_PITCHES, _REQUIRED),
    "inversions": (_flag, False),
})  # fmt: skip
_INSTRUMENT: Mapping[str, tuple[Reader, Any]] = MappingProxyType({
    "name": (_text, _REQUIRED),
    "program": (_whole(0, 127), _REQUIRED),
    "voices": (_voices, _REQUIRED),
    "range": (_PITCHES, _REQUIRED),
    "transpose": (_whole(-48, 48), 0),
    "level": (_whole(-60, 60), 0),
    "pedal": (_flag, False),
})  # fmt: skip


def _fields(value: Any, where: str, spec: Mapping[str, tuple[Reader, Any]]) -> dict[str, Any]:
    """The values of a table, each read by its reader; keys that nobody reads are refused."""
    table = _table(value, where)
    for key in table:
        if key not in spec:
            raise StyleError(f"{where} has the unknown key {key!r}: the keys are {', '.join(spec)}")
    for key, (_, default) in spec.items():
        if default is _REQUIRED and key not in table:
            raise StyleError(f"{where} lacks the key {key!r}")
    return {
        key: reader(table[key], f"{where}.{key}") if key in table else default
        for key, (reader, default) in spec.items()
    }


def _registers(value: Any, where: str) -> Registers:
    registers = Registers(**_fields(value, where, _REGISTERS))
    if registers.bass[1] >= registers.upper[0] or registers.upper[0] > registers.line[0]:
        raise StyleError(
            f"{where} must rise: the bass ends below the upper voices, and the line starts no lower than they"
        )
    return registers


def _instrument(value: Any, where: str) -> Instrument:
    return Instrument(**_fields(value, where, _INSTRUMENT))


def _row(value: Any, where: str, strikes: str) -> str:
    """A drawn row without its spacing, each sign checked."""
    row = re.sub(r"[\s|]", "", _text(value, where))
    for sign in row:
        if sign not in strikes + HOLD + SILENCE:
            raise StyleError(f"{where} has the sign {sign!r}: the signs are {' '.join(strikes + HOLD + SILENCE)}")
    if SILENCE + HOLD in row or not 0 < len(row) <= _MAX_COLUMNS:
        raise StyleError(
            f"{where} is {value!r}: a hold '-' needs a strike before it, and a row 1 to {_MAX_COLUMNS} signs"
        )
    return row


def _figure(table: dict[str, Any], where: str, rows: dict[str, str]) -> Pattern:
    """A pattern from its checked rows, all as long as each other and as a whole number of chords."""
    name, grid = _text(table.get("name"), f"{where}.name"), _whole(1, 32)(table.get("grid"), f"{where}.grid")
    lengths = {len(row) for row in rows.values()}
    if len(lengths) != 1 or next(iter(lengths)) % grid:
        raise StyleError(f"{where} ({name!r}) needs rows of one length, a whole number of times the grid of {grid}")
    return Pattern(name, grid, MappingProxyType(rows))


def _pattern(value: Any, where: str) -> Pattern:
    table = _table(value, where)
    rows = {key: row for key, row in table.items() if key not in ("name", "grid")}
    for voice in rows:
        if voice not in CHORD_VOICES:
            raise StyleError(
                f"{where} has the unknown key {voice!r}: the keys are name, grid, {', '.join(CHORD_VOICES)}"
            )
    return _figure(table, where, {voice: _row(row, f"{where}.{voice}", STRIKES) for voice, row in rows.items()})


def _line(value: Any, where: str) -> Pattern:
    table = _fields(value, where, {key: (lambda given, _: given, _REQUIRED) for key in ("name", "grid", "line")})
    return _figure(table, where, {"line": _row(table["line"], f"{where}.line", "0123456789")})


_STYLE: Mapping[str, tuple[Reader, Any]] = MappingProxyType({
    "name": (_text, _REQUIRED),
    "tempo": (_span(_number(50, 180), 0), _REQUIRED),
    "beats_per_bar": (_whole(2, 7), 4),
    "registers": (_registers, _REQUIRED),
    "balance": (_balance, MappingProxyType({})),
    "cadence": (_voices, _REQUIRED),
    "line_from": (_number(0, 100), math.inf),
    "instruments": (_many(_instrument, 1), _REQUIRED),
    "patterns": (_many(_pattern, 1), _REQUIRED),
    "lines": (_many(_line, 0), ()),
})  # fmt: skip


def _style(table: dict[str, Any]) -> Style:
    style = Style(**_fields(table, "style", _STYLE))
    played = {voice for instrument in style.instruments for voice in instrument.voices}
    for pattern in (*style.patterns, *style.lines):
        for voice in pattern.rows:
            if voice not in played:
                raise StyleError(f"the pattern {pattern.name!r} has a row for {voice}, but no instrument plays it")
    if not played.intersection(style.cadence):
        raise StyleError(f"no instrument plays a voice of the cadence ({', '.join(style.cadence)})")
    return style
