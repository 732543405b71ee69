"""The melody: a motif stated, repeated, answered and stated again; chord tones with passing tones between them.

A section has a motif of its own and states it in the form A A B A: B is another motif or the first upside down, the
last A ends on the resting tone. Then the melody rests for two statements and starts over.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from video2music.arranging.grid import Floats, Grid
from video2music.arranging.texture import PHRASE_BARS, NoteEvent, VoicedHarmony, note_events
from video2music.arranging.voicing import scale
from video2music.styles import HOLD, MELODY, PASSING, SILENCE, Pattern, Style

STATEMENTS = "AABa--"  # a: A with its ending; -: the melody rests
MIN_PHRASES = 3  # shorter pieces have no phrase to spare for an opening without the melody
STEP = 2  # semitones of a second


def choose_motifs(grid: Grid, style: Style, wanted: Floats, rng: np.random.Generator) -> list[Pattern | None]:
    """The motif at each step, or None where the melody rests.

    It rests where no instrument plays it, in a statement whose wanted density (N,) is below the style's `melody_from`,
    and in the opening phrase of a longer piece. The first section's motif comes back in every other section.
    """
    if not style.motifs:
        return [None] * len(grid)
    order = rng.permutation(len(style.motifs)).tolist()  # drawn once a piece: what differs between seeds
    forms = [_statements(style.motifs, index) for index in order]
    of_section = [
        0 if number % 2 == 0 else (1 + number // 2) % len(order) for number in range(int(grid.section[-1]) + 1)
    ]
    lengths = np.array([forms[index]["A"].steps for index in of_section])[grid.section]
    statement = np.maximum(grid.phase, 0) // lengths
    run = np.cumsum(np.diff(grid.section * len(grid) + statement, prepend=-1) != 0) - 1
    mean_wanted = (np.bincount(run, wanted) / np.bincount(run))[run]
    longer = grid.bar[-1] >= PHRASE_BARS * MIN_PHRASES
    rests = (longer & (grid.bar < PHRASE_BARS)) | (mean_wanted < style.melody_from) | (grid.doublings(MELODY) == 0)
    return [
        None if rest else forms[of_section[section]].get(STATEMENTS[number % len(STATEMENTS)])
        for rest, section, number in zip(rests.tolist(), grid.section.tolist(), statement.tolist(), strict=True)
    ]


def _statements(motifs: Sequence[Pattern], index: int) -> dict[str, Pattern]:
    """What A, B and a are for the motif at `index`."""
    first = motifs[index]
    row = first.rows[MELODY]
    others = [motif for motif in (*motifs[index + 1 :], *motifs[:index]) if motif.steps == first.steps]
    top = max(int(sign) for sign in row if sign.isdigit())
    inverted = "".join(str(top - int(sign)) if sign.isdigit() else sign for sign in row)
    last = max(column for column, sign in enumerate(row) if sign.isdigit())
    ended = f"{row[:last]}0{row[last + 1 :]}"
    return {"A": first, "B": others[0] if others else _with_row(first, inverted), "a": _with_row(first, ended)}


def _with_row(motif: Pattern, row: str) -> Pattern:
    return replace(motif, rows=MappingProxyType({MELODY: row}))


def melody_events(
    grid: Grid, motifs: Sequence[Pattern | None], style: Style, harmony: VoicedHarmony
) -> list[NoteEvent]:
    """The notes of the melody, given the motif at each step; it is silent where the bass is alone."""

    def pitch_of(step: int, sign: str, sounding: int | None) -> int | None:
        if "soprano" not in harmony.pitches[step]:  # N: the bass is alone
            return None
        if sign == PASSING:
            return sounding  # a placeholder: `_with_passing_tones` needs to know the note after it
        low, high = (pitch + harmony.shifts[step] for pitch in style.registers.melody)
        tones = [pitch for pitch in range(low, high + 1) if pitch % 12 in harmony.chords[step].pitch_classes]
        if sign == HOLD:
            return min(tones, key=lambda tone: abs(tone - sounding)) if sounding is not None else None
        resting = low + (high - low) / 4  # low in the range, because a motif's digits count tones upwards from it
        nearest = min(range(len(tones)), key=lambda index: abs(tones[index] - resting))
        return tones[min(nearest + int(sign), len(tones) - 1)]

    notes = list(note_events(grid, motifs, MELODY, pitch_of))
    scales = [scale(chord, harmony.key) for chord in harmony.chords]
    steps = np.searchsorted(grid.starts_s, [note.start_s + 1e-6 for note in notes]) - 1
    return list(_with_passing_tones(notes, [scales[step] for step in steps.tolist()]))


def _with_passing_tones(notes: Sequence[NoteEvent], scales: Iterable[frozenset[int]]) -> Iterator[NoteEvent]:
    """The notes with a pitch for every passing tone; one that leads nowhere lengthens the note before it instead."""
    held: NoteEvent | None = None
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
    """A step of the scale into the tone `end`, from the side of `start`; the upper neighbour if they are the same.

    None where the two are a step apart already.
    """
    if 0 < abs(end - start) <= STEP:
        return None
    side = -1 if end > start else 1
    near = [end + side * size for size in (1, 2, 3) if (end + side * size) % 12 in classes]
    return near[0] if near and near[0] != start else None
