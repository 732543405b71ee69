"""The upper line: a motif stated, repeated, answered and stated again, chord tones with passing tones between them.

A section has a motif of its own and states it in the form A A B A: B is another motif or the first upside down, the
last A ends on the line's resting place. Then the line rests for two statements and begins anew.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from video2music.arranging.grid import Grid
from video2music.arranging.texture import PHRASE_BARS, Harmony, Strike, strikes
from video2music.arranging.voicing import scale
from video2music.styles import HOLD, PASSING, SILENCE, Pattern, Style

STATEMENTS = "AABa--"  # a: A with its ending; -: the line rests
FEWEST_PHRASES = 3  # pieces with fewer have no phrase to spare for an opening without the upper line
STEP = 2  # semitones of a second


def motifs(grid: Grid, style: Style, wanted: NDArray[np.float64], rng: np.random.Generator) -> list[Pattern | None]:
    """The line's row at each step, or None where it rests.

    It rests where nobody plays it, in a statement whose wanted density (N,) is below the style's `line_from`, and in
    the opening phrase of a longer piece. The first section's motif comes back in every other section.
    """
    if not style.lines:
        return [None] * len(grid)
    order = rng.permutation(len(style.lines)).tolist()
    shapes = [_statements(style.lines, index) for index in order]
    of_section = [
        0 if number % 2 == 0 else (1 + number // 2) % len(order) for number in range(int(grid.section[-1]) + 1)
    ]
    lengths = np.array([shapes[index]["A"].steps for index in of_section])[grid.section]
    statement = np.maximum(grid.phase, 0) // lengths
    stretch = np.cumsum(np.diff(grid.section * len(grid) + statement, prepend=-1) != 0) - 1
    asked = (np.bincount(stretch, wanted) / np.bincount(stretch))[stretch]
    longer = grid.bar[-1] >= PHRASE_BARS * FEWEST_PHRASES
    rests = (longer & (grid.bar < PHRASE_BARS)) | (asked < style.line_from) | (grid.octaves("line") == 0)
    return [
        None if rest else shapes[of_section[section]].get(STATEMENTS[number % len(STATEMENTS)])
        for rest, section, number in zip(rests.tolist(), grid.section.tolist(), statement.tolist(), strict=True)
    ]


def _statements(lines: Sequence[Pattern], index: int) -> dict[str, Pattern]:
    """What A, B and a are for the motif at `index`."""
    first = lines[index]
    others = [line for line in (*lines[index + 1 :], *lines[:index]) if line.steps == first.steps]
    return {"A": first, "B": others[0] if others else _mirrored(first), "a": _ended(first)}


def _redrawn(line: Pattern, row: str) -> Pattern:
    return replace(line, rows=MappingProxyType({"line": row}))


def _mirrored(line: Pattern) -> Pattern:
    """The motif upside down."""
    row = line.rows["line"]
    top = max(int(sign) for sign in row if sign.isdigit())
    return _redrawn(line, "".join(str(top - int(sign)) if sign.isdigit() else sign for sign in row))


def _ended(line: Pattern) -> Pattern:
    """The motif with its last tone on the resting place."""
    row = line.rows["line"]
    last = max(column for column, sign in enumerate(row) if sign.isdigit())
    return _redrawn(line, f"{row[:last]}0{row[last + 1 :]}")


def sung(
    grid: Grid,
    motif: Sequence[Pattern | None],
    style: Style,
    harmony: Harmony,
) -> list[Strike]:
    """The notes of the line, given its row at each step and what the chords are; silent where the bass is alone."""

    def pitch_of(step: int, sign: str, sounding: int | None) -> int | None:
        if "soprano" not in harmony.pitches[step]:  # N: the bass is alone
            return None
        if sign == PASSING:
            return sounding
        low, high = (pitch + harmony.shifts[step] for pitch in style.registers.line)
        tones = [pitch for pitch in range(low, high + 1) if pitch % 12 in harmony.chords[step].pitch_classes]
        if sign == HOLD:
            return min(tones, key=lambda tone: abs(tone - sounding)) if sounding is not None else None
        resting = low + (high - low) / 4
        nearest = min(range(len(tones)), key=lambda index: abs(tones[index] - resting))
        return tones[min(nearest + int(sign), len(tones) - 1)]

    notes = list(strikes(grid, motif, "line", pitch_of))
    scales = [scale(chord, harmony.key) for chord in harmony.chords]
    steps = np.searchsorted(grid.starts_s, [note.start_s + 1e-6 for note in notes]) - 1
    return list(_passed(notes, [scales[step] for step in steps.tolist()]))


def _passed(notes: Sequence[Strike], scales: Iterable[frozenset[int]]) -> Iterator[Strike]:
    """The notes with a pitch for every passing tone; one that leads nowhere makes the note before it longer."""
    held: Strike | None = None
    for place, (note, classes) in enumerate(zip(notes, scales, strict=True)):
        if note.sign == PASSING:
            after = notes[place + 1] if place + 1 < len(notes) else None
            leads = after and after.start_s < note.end_s + 1e-6 and after.sign not in PASSING + SILENCE
            pitch = _between(note.pitch, after.pitch, classes) if leads and after else None
            if pitch is None and held and held.end_s > note.start_s - 1e-6:
                held = held._replace(end_s=note.end_s)
            if pitch is None:
                continue
            note = note._replace(pitch=pitch)
        if held:
            yield held
        held = note
    if held:
        yield held


def _between(start: int, end: int, classes: frozenset[int]) -> int | None:
    """A step of the scale into a tone, from the side where the line comes from; the upper one if it comes from there.

    None where the two are a step apart already.
    """
    if 0 < abs(end - start) <= STEP:
        return None
    side = -1 if end > start else 1
    near = [end + side * size for size in (1, 2, 3) if (end + side * size) % 12 in classes]
    return near[0] if near and near[0] != start else None
