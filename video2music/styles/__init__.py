"""Styles: instruments, registers, accompaniment patterns, motifs and drums, as tables in the TOML files of this folder.

The head of the file: `name`; `tempo`, beats a minute at arousal -1 and +1; `beats_per_bar`; `melody_from`, the density
from which on there is a melody; `cadence`, the voices of the final chord; `swing`, the share of a beat that its first
half takes (.5 is even); `approach`, the share of the changes of harmony that the bass leads into with an approach note;
`accompaniment`, `patterns` (those below) or `learned` (drawn by small networks trained on pianists, see
`arranging.accompaniment`; the patterns then play where the density is outside what these learned). Then the tables
`[registers]` (bass, upper, melody, inversions), `[balance]` (velocity added to a voice or a drum), and lists of tables:
`[[instruments]]`, `[[patterns]]`, `[[motifs]]`, `[[drums]]`. The keys of instruments, patterns and drums are explained
in `kinds`.

A pattern of `[[patterns]]` has one row a voice, `grid` columns a chord; spaces and bars `|` are only for the eye:

    X x o   a note begins here: accented, plain, soft
    -       it sounds on; where the harmony has moved it to another pitch a soft note begins
    .       silence

The voices are `bass`, `octave` and `sub` (the bass an octave higher and lower), `pulse` (the bass for percussion with
pitch, as timpani), `tenor`, `alto`, `soprano` (the chord's other tones from low to high), `pad tenor`, `pad alto`,
`pad soprano` (the same for other instruments than theirs; `pad` is all three) and `melody`. A row may last several
chords; it restarts with each section.

The row `melody` of `[[motifs]]` is a motif. A digit begins a note, so many chord tones above the resting tone. `~`
begins a passing tone: a step of the scale into the digit that follows, from the side where the melody comes from, or
its upper neighbour where that is the same tone again. It is between two digits, not where a chord begins.

A pattern of `[[drums]]` has one row a drum and `grid` columns a beat, for bars of `beats` beats (`X x o` strike and `.`
does not); other bars cut or repeat it. Its `role` is `beat` (which the energy chooses), `fill` (at the end of a phrase,
against the bar line), `opening` (on the first downbeat of a part) or `final` (on the last downbeat of the piece);
`energy` is the one a beat fits best, and the least that the others need.

An instrument may play by the energy of the part of the piece (see `arranging.grid`): `from_energy`, `until_energy`, and
by the part's position: `enters = 2` leaves the first part out, `leaves = 1` the last.
"""

import math
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from video2music.errors import StyleError
from video2music.styles import reading
from video2music.styles.kinds import (  # fmt: skip
    BEAT,
    CHORD_VOICES,
    DRUMS,
    FILL,
    FINAL,
    GROUPS,
    HOLD,
    LEARNED,
    MELODY,
    OPENING,
    PAD,
    PASSING,
    PATTERNS,
    ROLES,
    SILENCE,
    STRIKES,
    VOICES,
    DrumPattern,
    Instrument,
    Pattern,
    Registers,
    Span,
    Style,
)
from video2music.styles.reading import REQUIRED, Reader, Spec

__all__ = [
    "BEAT", "CHORD_VOICES", "DRUMS", "FILL", "FINAL", "FOLDER", "HOLD", "LEARNED", "MELODY", "OPENING", "PAD",
    "PASSING", "PATTERNS", "SILENCE", "STRIKES", "VOICES", "DrumPattern", "Instrument", "Pattern", "Registers", "Span",
    "Style", "load_style", "muted", "names", "parse", "read",
]  # fmt: skip

FOLDER = Path(__file__).parent
ROWS = (*CHORD_VOICES, *GROUPS)  # the rows that a pattern may have


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


def muted(style: Style, names: Iterable[str]) -> Style:
    """The style without some of its instruments; rows that no instrument plays any more stay silent.

    Raises StyleError for a name it does not have, and where no instrument but drums would be left.
    """
    silent, known = set(names), [instrument.name for instrument in style.instruments]
    for name in sorted(silent - set(known)):
        raise StyleError(f"the style {style.name} has no instrument {name!r}: it has {', '.join(known)}")
    left = tuple(instrument for instrument in style.instruments if instrument.name not in silent)
    if all(instrument.drums for instrument in left):
        raise StyleError(
            f"without {', '.join(sorted(silent))} the style {style.name} has no instrument left to play the chords: "
            f"it has {', '.join(known)}"
        )
    return replace(style, instruments=left)


def _spread(rows: Mapping[str, Any]) -> Mapping[str, Any]:
    """A table by voices in which a group's entry has become one for each of its voices."""
    return MappingProxyType({voice: value for name, value in rows.items() for voice in GROUPS.get(name, (name,))})


def _voices(value: Any, where: str) -> tuple[str, ...]:
    return tuple(_spread(dict.fromkeys(reading.some_of((*ROWS, MELODY), "voice")(value, where))))


def _balance(value: Any, where: str) -> Mapping[str, int]:
    named, level = reading.one_of((*ROWS, MELODY, *DRUMS), "voice"), reading.whole(-60, 60)
    return _spread({
        named(name, where): level(given, f"{where}.{name}") for name, given in reading.table(value, where).items()
    })  # fmt: skip


_PITCHES = reading.span(reading.whole(0, 127), 11)  # an octave holds every pitch class
_REGISTERS: Spec = MappingProxyType({
    "bass": (_PITCHES, REQUIRED),
    "upper": (reading.span(reading.whole(0, 127), 19), REQUIRED),  # room for three voices in any inversion
    "melody": (_PITCHES, REQUIRED),
    "inversions": (reading.flag, False),
})  # fmt: skip
_ANY_INSTRUMENT: Spec = MappingProxyType({
    "name": (reading.text, REQUIRED),
    "program": (reading.whole(0, 127), REQUIRED),
    "level": (reading.whole(-60, 60), 0),
    "drums": (reading.flag, False),
    "pan": (reading.number(-1, 1), 0.0),
    "reverb_send": (reading.number(0, 1), 0.3),
    "from_energy": (reading.number(0, 1), 0.0),
    "until_energy": (reading.number(0, 1), 1.0),
    "enters": (reading.whole(1, 8), 1),
    "leaves": (reading.whole(0, 8), 0),
})  # fmt: skip
_INSTRUMENT: Spec = MappingProxyType({
    **_ANY_INSTRUMENT,
    "voices": (_voices, REQUIRED),
    "range": (_PITCHES, REQUIRED),
    "transpose": (reading.whole(-48, 48), 0),
    "pedal": (reading.flag, False),
})  # fmt: skip
_PATTERN: Spec = MappingProxyType({"name": (reading.text, REQUIRED), "grid": (reading.whole(1, 32), REQUIRED)})
_DRUM_PATTERN: Spec = MappingProxyType({
    **_PATTERN,
    "beats": (reading.whole(1, 12), 4),
    "energy": (reading.number(0, 1), REQUIRED),
    "role": (reading.one_of(ROLES, "role"), BEAT),
})  # fmt: skip


def _registers(value: Any, where: str) -> Registers:
    registers = Registers(**reading.fields(value, where, _REGISTERS))
    if registers.bass[1] >= registers.upper[0] or registers.upper[0] > registers.melody[0]:
        raise StyleError(
            f"{where} must rise: the bass ends below the upper voices, and the melody starts no lower than they"
        )
    return registers


def _instrument(value: Any, where: str) -> Instrument:
    if reading.table(value, where).get("drums") is True:
        fields = reading.fields(value, f"{where}, being drums,", _ANY_INSTRUMENT)
        fields |= {"voices": tuple(DRUMS), "range": (min(DRUMS.values()), max(DRUMS.values()))}
    else:
        fields = reading.fields(value, where, _INSTRUMENT)
    if fields["from_energy"] > fields["until_energy"]:
        raise StyleError(f"{where} never plays: its from_energy is above its until_energy")
    return Instrument(**fields)


def _fields_and_rows(
    value: Any, where: str, spec: Spec, voices: Iterable[str], read_row: Callable[[Any, str], str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The fields and the rows of a pattern; the rows are of one length."""
    table, voices = reading.table(value, where), tuple(voices)
    for key in table:
        if key not in spec and key not in voices:
            raise StyleError(f"{where} has the unknown key {key!r}: the keys are {', '.join((*spec, *voices))}")
    fields = reading.fields({key: given for key, given in table.items() if key in spec}, where, spec)
    rows = {key: read_row(given, f"{where}.{key}") for key, given in table.items() if key not in spec}
    if len({len(row) for row in rows.values()}) != 1:
        raise StyleError(f"{where} ({fields['name']!r}) needs rows of one length, one at least")
    return fields, rows


def _chord_pattern(value: Any, where: str, voices: Iterable[str], signs: str) -> Pattern:
    """A pattern of rows that are as long as a whole number of chords."""
    fields, rows = _fields_and_rows(
        value, where, _PATTERN, voices, lambda given, place: reading.row(given, place, signs)
    )
    if len(next(iter(rows.values()))) % fields["grid"]:
        raise StyleError(
            f"{where} ({fields['name']!r}) needs rows of one length, a whole number of times the grid of "
            f"{fields['grid']}"
        )
    return Pattern(**fields, rows=_spread(rows))


def _pattern(value: Any, where: str) -> Pattern:
    return _chord_pattern(value, where, ROWS, STRIKES)


def _motif(value: Any, where: str) -> Pattern:
    if MELODY not in reading.table(value, where):
        raise StyleError(f"{where} lacks the key '{MELODY}'")
    motif = _chord_pattern(value, where, (MELODY,), "0123456789" + PASSING)
    row = motif.rows[MELODY]
    struck = row.replace(HOLD, "")
    columns = {column % motif.grid for column, sign in enumerate(row) if sign == PASSING}
    if 0 in columns or struck.startswith(PASSING) or PASSING + SILENCE in struck or struck.endswith(PASSING):
        raise StyleError(
            f"{where}.{MELODY} is {row!r}: a passing tone '~' must be between two digits, not where a chord begins"
        )
    return motif


def _drum_pattern(value: Any, where: str) -> DrumPattern:
    fields, rows = _fields_and_rows(
        value, where, _DRUM_PATTERN, DRUMS, lambda given, place: reading.row(given, place, STRIKES, held=False)
    )
    length, beat = len(next(iter(rows.values()))), fields["grid"]
    bar, role, name = beat * fields["beats"], fields["role"], fields["name"]
    if (role == BEAT and length % bar) or (role == FILL and (length % beat or length > bar)):
        raise StyleError(
            f"{where} ({name!r}) needs rows of one length: a beat whole bars of {bar} signs, "
            f"a fill whole beats of {beat}"
        )
    return DrumPattern(**fields, rows=MappingProxyType(rows))


_STYLE: Mapping[str, tuple[Reader, Any]] = MappingProxyType({
    "name": (reading.text, REQUIRED),
    "tempo": (reading.span(reading.number(50, 180), 0), REQUIRED),
    "beats_per_bar": (reading.whole(2, 7), 4),
    "registers": (_registers, REQUIRED),
    "balance": (_balance, MappingProxyType({})),
    "cadence": (_voices, REQUIRED),
    "melody_from": (reading.number(0, 100), math.inf),
    "swing": (reading.number(0.5, 0.75), 0.5),
    "approach": (reading.number(0, 1), 0.0),
    "accompaniment": (reading.one_of((PATTERNS, LEARNED), "accompaniment"), PATTERNS),
    "instruments": (reading.many(_instrument, 1), REQUIRED),
    "patterns": (reading.many(_pattern, 1), REQUIRED),
    "motifs": (reading.many(_motif, 0), ()),
    "drums": (reading.many(_drum_pattern, 0), ()),
})  # fmt: skip


def _style(table: dict[str, Any]) -> Style:
    style = Style(**reading.fields(table, "style", _STYLE))
    played = {voice for instrument in style.instruments for voice in instrument.voices}
    patterns: tuple[Pattern | DrumPattern, ...] = (*style.patterns, *style.motifs, *style.drums)
    for pattern in patterns:
        for voice in pattern.rows:
            if voice not in played:
                raise StyleError(f"the pattern {pattern.name!r} has a row for {voice}, but no instrument plays it")
    if not played.intersection(style.cadence):
        raise StyleError(f"no instrument plays a voice of the cadence ({', '.join(style.cadence)})")
    instruments = [instrument.name for instrument in style.instruments]
    for name in instruments:
        if instruments.count(name) > 1:
            raise StyleError(f"two instruments are called {name!r}: give each a name of its own")
    kits = sum(instrument.drums for instrument in style.instruments)
    if kits > 1:
        raise StyleError(f"{kits} instruments are drums: MIDI has one channel for them, so one kit plays them all")
    if kits and not any(pattern.role == BEAT for pattern in style.drums):
        raise StyleError("the drums have nothing to play: add a [[drums]] pattern whose role is 'beat'")
    return style
