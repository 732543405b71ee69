"""Chord charts of a composition: a lead sheet as MusicXML for notation programs, and plain text for people.

Both use the form's bars: a bar has as many beats as there are in it, so that a single shorter bar has a metre of its
own, and beats before the first downbeat are a pickup. The staff has rests, because what is played is up to the player;
chord symbols are at their beats, in the sounding key. MusicXML 4.0 is described at
https://www.w3.org/2021/06/musicxml40/.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from xml.etree import ElementTree as Xml

import numpy as np
from numpy.typing import NDArray

from emotion.files import atomic_write, failure
from video2music.chords import FLAT_ROOTS, ROOTS, Chord
from video2music.composing.composition import Composition
from video2music.errors import MediaError
from video2music.values import Key

BEAT_TYPE = 4  # a beat is a quarter note
LINE_BARS = 4  # bars a line, in both kinds of chart
REPEAT = "/"  # a beat on which the previous chord continues
NO_CHORD = "N.C."

# By quality: suffix to the root in print, name of the kind in MusicXML.
_QUALITIES = MappingProxyType({
    "maj": ("", "major"),
    "dim": ("dim", "diminished"),
    "sus4": ("sus4", "suspended-fourth"),
    "min7": ("m7", "minor-seventh"),
    "min": ("m", "minor"),
    "sus2": ("sus2", "suspended-second"),
    "aug": ("aug", "augmented"),
    "dim7": ("dim7", "diminished-seventh"),
    "maj6": ("6", "major-sixth"),
    "hdim7": ("m7b5", "half-diminished"),
    "7": ("7", "dominant"),
    "min6": ("m6", "minor-sixth"),
    "maj7": ("maj7", "major-seventh"),
})  # fmt: skip
_RESTS = MappingProxyType({4: ("whole", 0), 3: ("half", 1), 2: ("half", 0), 1: ("quarter", 0)})  # beats: type, dots
_DOCTYPE = (
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">'
)


@dataclass(frozen=True)
class Bar:
    """A bar as it is printed.

    number   from 1; 0 is a pickup
    chords   (beat, chord) in the sounding key; there is always one at beat 0
    section  number, from 0, of the section that begins here, or None
    tempo    in beats a minute from here on, where it changes
    """

    number: int
    start_s: float
    beats: int
    chords: tuple[tuple[int, Chord], ...]
    section: int | None = None
    tempo: float | None = None


def bars(composition: Composition) -> tuple[Bar, ...]:
    """The bars of a composition in order. A chord is printed where it changes and at the start of each bar."""
    form, key = composition.form, composition.key
    steps = np.searchsorted(form.steps_s, form.beats_s + 1e-6) - 1
    by_step = [chord.transpose(key.shift) for chord in composition.final_chords]
    by_beat = [by_step[step] for step in np.maximum(steps, 0).tolist()]
    heads, beats = np.searchsorted(form.beats_s, form.bars_s - 1e-6).tolist(), form.bar_beats.tolist()
    beats[-1] = max(beats[-1], len(form.beats_s) - heads[-1])  # the last bar may be longer than the one before
    if pickup := heads[0]:
        heads, beats = [0, *heads], [pickup, *beats]
    starts_s = form.beats_s[heads]
    sections = {_nearest(starts_s, section.start_s): number for number, section in enumerate(form.sections)}
    tempi, printed = {}, ""
    for tempo in form.tempi:
        if _rounded(tempo.bpm) != printed:  # a change that print would not show is none
            printed = _rounded(tempo.bpm)
            tempi[_nearest(starts_s, tempo.start_s)] = tempo.bpm
    result = []
    for index, (start, end) in enumerate(pairwise([*heads, len(by_beat)])):
        chords = tuple(
            (beat - start, by_beat[beat])
            for beat in range(start, end)
            if beat == start or by_beat[beat] != by_beat[beat - 1]
        )
        number = index if pickup else index + 1
        result.append(Bar(number, float(starts_s[index]), beats[index], chords, sections.get(index), tempi.get(index)))
    return tuple(result)


def _nearest(onsets_s: NDArray[np.float64], time_s: float) -> int:
    return int(np.abs(onsets_s - time_s).argmin())


def _usual_beats(all_bars: Sequence[Bar]) -> int:
    """Beats of most bars; the pickup does not count, unless there is nothing else."""
    return Counter(bar.beats for bar in all_bars if bar.number or len(all_bars) == 1).most_common(1)[0][0]


def symbol(chord: Chord, *, flats: bool) -> str:
    """A chord as charts print it, such as `F#m7b5`; `N.C.` for none."""
    if chord.root is None or chord.quality is None:
        return NO_CHORD
    return (FLAT_ROOTS if flats else ROOTS)[chord.root] + _QUALITIES[chord.quality][0]


def letter(section: int) -> str:
    """The mark of a section, counted from 0: A to Z, then A2 and so on."""
    lap, place = divmod(section, 26)
    return chr(ord("A") + place) + (str(lap + 1) if lap else "")


# Plain text.


def text(composition: Composition) -> str:
    """The text chart: for each section its mark and its bars, each line with its time and, where that changes, tempo.

    `/` is a beat that continues its chord; a pickup is in brackets, and a bar of another metre says so.
    """
    all_bars, key = bars(composition), composition.key
    usual = _usual_beats(all_bars)
    head = f"{key}, {usual}/{BEAT_TYPE}, {_clock(composition.form.duration_s).strip()}\n"
    heads = sorted({0, *(index for index, bar in enumerate(all_bars) if bar.section)})  # a pickup belongs to section 0
    sections = [all_bars[start:end] for start, end in pairwise([*heads, len(all_bars)])]
    blocks = [f"{letter(some[0].section or 0)}\n" + "".join(_lines(some, usual, key)) for some in sections]
    return "\n".join([head, *blocks])


def _lines(all_bars: Sequence[Bar], usual: int, key: Key) -> Iterator[str]:
    """Bars in rows of four at most, with aligned bar lines; a new tempo begins a row."""
    width = max(len(_cell(bar, usual, key)) for bar in all_bars)
    rows: list[list[Bar]] = []
    for bar in all_bars:
        if not rows or bar.tempo or len(rows[-1]) == LINE_BARS:
            rows.append([])
        rows[-1].append(bar)
    for first, *others in rows:
        tempo = f"{_rounded(first.tempo)} bpm" if first.tempo else ""
        cells = [_cell(bar, usual, key).ljust(width) for bar in (first, *others)]
        yield f"{_clock(first.start_s)} {tempo:>9} | {' | '.join(cells)} |\n"


def _cell(bar: Bar, usual: int, key: Key) -> str:
    chords = dict(bar.chords)
    beats = [symbol(chords[beat], flats=key.flats) if beat in chords else REPEAT for beat in range(bar.beats)]
    cell = " ".join(beats)
    if not bar.number:
        return f"({cell})"
    return cell if bar.beats == usual else f"{bar.beats}/{BEAT_TYPE}: {cell}"


def _clock(time_s: float) -> str:
    minutes, tenths = divmod(round(time_s * 10), 600)
    return f"{minutes:2d}:{tenths / 10:04.1f}"


def _rounded(tempo: float) -> str:
    return f"{tempo:.1f}".removesuffix(".0")


# MusicXML.


def musicxml(composition: Composition, path: Path, *, title: str = "") -> Path:
    """Write a lead sheet as uncompressed MusicXML, a file that appears whole or not at all; returns `path`.

    The same composition gives the same bytes. Raises MediaError where the file cannot be written.
    """
    title = "".join(sign for sign in title if sign.isprintable())  # XML allows no control characters
    tree = _element(
        "score-partwise",
        _element("work", _element("work-title", title)) if title else None,
        _element("identification", _element("encoding", _element("software", "video2music"))),
        _element("part-list", _element("score-part", _element("part-name", "Chords"), id="P1")),
        _element("part", *_measures(bars(composition), composition.key), id="P1"),
        version="4.0",
    )
    Xml.indent(tree)
    document = f'<?xml version="1.0" encoding="UTF-8"?>\n{_DOCTYPE}\n{Xml.tostring(tree, encoding="unicode")}\n'
    try:
        with atomic_write(path) as partial:
            partial.write_bytes(document.encode())
    except OSError as error:
        raise MediaError(failure(error, path, called=f"the chord chart {path.name}")) from None
    return path


def _element(name: str, *inner: Xml.Element | str | None, **attributes: str) -> Xml.Element:
    """An element with its text or its children; `_` in the name of an attribute is a dash, None no child."""
    made = Xml.Element(name, {key.replace("_", "-"): value for key, value in attributes.items()})
    for part in inner:
        if isinstance(part, str):
            made.text = part
        elif part is not None:
            made.append(part)
    return made


def _measures(all_bars: Sequence[Bar], key: Key) -> Iterator[Xml.Element]:
    metre, in_line = 0, 0
    usual = _usual_beats(all_bars)
    for bar, after in zip(all_bars, [*all_bars[1:], None], strict=True):
        shown = bar.beats if bar.number else usual  # a pickup is a part of a usual bar
        # A double bar line before each section, a final one at the end.
        line = "light-heavy" if after is None else "light-light" if after.section else None
        in_line = 1 if bar.section or in_line == LINE_BARS else in_line + 1
        yield _element(
            "measure",
            _element("print", new_system="yes") if in_line == 1 and bar is not all_bars[0] else None,
            _attributes(shown, key if bar is all_bars[0] else None) if shown != metre else None,
            *_directions(bar),
            *_harmonies_and_rests(bar, key),
            _element("barline", _element("bar-style", line), location="right") if line else None,
            **({"number": str(bar.number)} | ({} if bar.number else {"implicit": "yes"})),
        )
        metre = shown


def _attributes(beats: int, key: Key | None) -> Xml.Element:
    """The metre, and with a `key` everything at the beginning of a staff."""
    metre = _element("time", _element("beats", str(beats)), _element("beat-type", str(BEAT_TYPE)))
    if key is None:
        return _element("attributes", metre)
    return _element(
        "attributes",
        _element("divisions", "1"),
        _element("key", _element("fifths", str(fifths(key))), _element("mode", key.mode)),
        metre,
        _element("clef", _element("sign", "G"), _element("line", "2")),
    )


def fifths(key: Key) -> int:
    """Sharps of the key's signature, flats below 0: -5 to 6."""
    major = key.tonic + (0 if key.mode == "major" else 3)  # of the relative major
    sharps = major * 7 % 12  # a fifth is seven semitones
    return sharps - 12 if key.flats else sharps


def _directions(bar: Bar) -> Iterator[Xml.Element]:
    """Mark and time where a section begins, and a new tempo."""
    if bar.section is not None:
        yield _direction(_element("rehearsal", letter(bar.section)))
        yield _direction(_element("words", _clock(bar.start_s).strip()))
    if bar.tempo:
        mark = _element("metronome", _element("beat-unit", "quarter"), _element("per-minute", _rounded(bar.tempo)))
        direction = _direction(mark)
        direction.append(_element("sound", tempo=f"{bar.tempo:.3f}"))
        yield direction


def _direction(what: Xml.Element) -> Xml.Element:
    return _element("direction", _element("direction-type", what), placement="above")


def _harmonies_and_rests(bar: Bar, key: Key) -> Iterator[Xml.Element]:
    """Chord symbols, each before the rests that last until the next."""
    ends = [*(beat for beat, _ in bar.chords[1:]), bar.beats]
    for (beat, chord), end in zip(bar.chords, ends, strict=True):
        yield _harmony(chord, key)
        if end - beat == bar.beats and bar.number:
            yield _rest(bar.beats, whole=True)
            continue
        left = end - beat
        while left:  # one rest shows 4 beats at most
            yield _rest(min(left, 4))
            left -= min(left, 4)


def _rest(beats: int, *, whole: bool = False) -> Xml.Element:
    """A rest of 1 to 4 beats, or of a whole bar of any length."""
    duration, voice = _element("duration", str(beats)), _element("voice", "1")
    if whole:
        return _element("note", _element("rest", measure="yes"), duration, voice)
    kind, dots = _RESTS[beats]
    return _element("note", _element("rest"), duration, voice, _element("type", kind), *[_element("dot")] * dots)


def _harmony(chord: Chord, key: Key) -> Xml.Element:
    if chord.root is None or chord.quality is None:  # MusicXML requires a root; an empty text hides it
        return _element(
            "harmony", _element("root", _element("root-step", "C", text="")), _element("kind", "none", text=NO_CHORD)
        )
    name = (FLAT_ROOTS if key.flats else ROOTS)[chord.root]
    alter = _element("root-alter", {"#": "1", "b": "-1"}[name[1]]) if len(name) > 1 else None
    short, kind = _QUALITIES[chord.quality]
    return _element(
        "harmony", _element("root", _element("root-step", name[0]), alter), _element("kind", kind, text=short)
    )
