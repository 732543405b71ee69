"""What a pianist does in a song, told as the networks of `model.figures` see it.

The song's chords are voiced as the arranger would voice them, and every note of the PIANO track becomes a strike of the
slot whose pitch lies nearest.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from video2music.chords import Chord
from video2music.data import pop909
from video2music.data.pop909 import Accompaniment
from video2music.evaluate import nearness
from video2music.grid import beats_of
from video2music.model import figures
from video2music.model.figures import BEAT, LENGTHS, MANNER, N_SLOTS, N_TOLD, Floats, Indices, Lattice
from video2music.styles import Registers
from video2music.voicing import voice

SECTION_BARS = 8  # of which a manner is taken
HARD, SOFT = 4, -4  # from the bar's mean velocity: accented, soft
OTHER_CLASS = 5.0  # semitones that a note would rather lie away than be of another pitch class
SHORTEST = 0.7  # positions
LEAST_DENSITY = 0.25  # notes and seconds of sound a beat


class Strikes(NamedTuple):
    """Notes that found a slot, each (n,): position, slot, length in positions, velocity."""

    at: Indices
    slot: Indices
    length: NDArray[np.float64]
    velocity: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Lesson:
    """One song of P positions and n notes.

    history  (P, SEEN) positions that are seen from each position; known (P, KNOWN) what else is told of it
    struck   (P, 6) bool; real (P,) bool: positions in bars in which something is struck
    notes    (n, NOTE) what is told of each note; length (n,) its class of LENGTHS, touch (n,) its sign
    manners  (S, len(MANNER)) of the song's sections
    """

    name: str
    history: Indices
    known: Floats
    struck: NDArray[np.bool_]
    real: NDArray[np.bool_]
    notes: Floats
    length: Indices
    touch: Indices
    manners: Floats

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(real positions, SEEN * 6) what was struck at the positions that are seen."""
        before = np.zeros((1, N_SLOTS), bool)
        return np.concatenate([self.struck, before])[self.history[self.real]].reshape(int(self.real.sum()), -1)

    @property
    def mask(self) -> Indices:
        """(real positions,) which of the 64 masks is struck."""
        return self.struck[self.real] @ (1 << np.arange(N_SLOTS))


def lesson(song: Accompaniment, registers: Registers) -> Lesson:
    """A song as the networks see it, relative to our voicing of its chords in these registers."""
    form = nearness.form_of(song)
    lattice = Lattice.of(beats_of(form), np.searchsorted(form.bars_s, form.steps_s + 1e-6) - 1)
    chords = pop909.chords_at(song, form.steps_s, form.step_ends_s)
    pitches = voiced(chords, registers)
    notes = assigned(song, lattice, pitches)
    struck = np.zeros((len(lattice), N_SLOTS), bool)
    struck[notes.at, notes.slot] = True
    told, manners = _told(lattice, struck, notes, float(np.median(np.diff(form.beats_s))))
    bare = np.array([chord.root is None for chord in chords])
    known = np.concatenate([figures.fixed(lattice, figures.moving(pitches), bare), told], axis=1)
    rows = figures.note_rows(lattice, struck, notes.at, notes.slot, told[notes.at], figures.movement(lattice, pitches))
    length = np.abs(np.log(notes.length.clip(SHORTEST)[:, None] / LENGTHS)).argmin(1)
    touch = _touch(lattice.bar[notes.at], notes.velocity)
    real = np.isin(lattice.bar, lattice.bar[notes.at])
    return Lesson(song.name, lattice.history, known, struck, real, rows, length, touch, manners)


def voiced(chords: Sequence[Chord], registers: Registers) -> Indices:
    """(N, 6) pitches of the slots, as the arranger voices the chords; N carries the harmony on."""
    sounding = next((chord for chord in chords if chord.root is not None), Chord(0, "maj"))
    harmony = []
    for chord in chords:
        sounding = sounding if chord.root is None else chord
        harmony.append(sounding)
    four = np.array(
        voice(harmony, bass=registers.bass, upper=registers.upper, inversions=registers.inversions), np.int64
    )
    return np.concatenate([four[:, :1] + [-12, 0, 12], four[:, 1:]], axis=1)


def assigned(song: Accompaniment, lattice: Lattice, pitches: Indices) -> Strikes:
    """The notes of a song that find a slot among the pitches (N, 6) of their step.

    Notes that strike together take different slots in the order of their pitch, so that the whole distance is least.
    """
    piano = song.piano
    place = nearness.in_beats(piano.start_s, song.beats_s) * BEAT
    length = nearness.in_beats(piano.end_s, song.beats_s) * BEAT - place
    nearest = np.rint(place).astype(int)
    inside = np.flatnonzero((nearest >= 0) & (nearest < len(lattice)))
    order = inside[np.lexsort((piano.pitch[inside], nearest[inside]))]
    together = np.split(order, np.flatnonzero(np.diff(nearest[order])) + 1)
    found = [
        pair
        for group in together
        if len(group)
        for pair in _slots(group, piano.pitch[group], pitches[lattice.step[nearest[group[0]]]])
    ]
    note, slot = np.array(found, np.int64).reshape(-1, 2).T
    return Strikes(nearest[note], slot, length[note], piano.velocity[note].astype(float))


_CHOICES = tuple(tuple(combinations(range(N_SLOTS), size)) for size in range(N_SLOTS + 1))


def _slots(group: Indices, pitch: Indices, slots: Indices) -> Iterable[tuple[int, int]]:
    """(note, slot) of notes that strike together; of more than six the two lowest and the highest."""
    if len(group) > N_SLOTS:
        keep = [0, 1, *range(len(group) - N_SLOTS + 2, len(group))]
        group, pitch = group[keep], pitch[keep]
    order = np.argsort(slots, kind="stable")
    away = pitch[:, None] - slots[order]
    cost = np.abs(away) + OTHER_CLASS * (away % 12 != 0)
    choices = np.array(_CHOICES[len(group)])
    best = choices[cost[np.arange(len(group)), choices].sum(1).argmin()]
    return zip(group.tolist(), order[best].tolist(), strict=True)


def _touch(bar: Indices, velocity: NDArray[np.float64]) -> Indices:
    """Soft 0, plain 1 or accented 2, from the mean velocity of a note's own bar."""
    away = velocity - (np.bincount(bar, velocity) / np.bincount(bar).clip(1))[bar]
    return 1 + (away > HARD).astype(int) - (away < SOFT)


def _told(lattice: Lattice, struck: NDArray[np.bool_], notes: Strikes, beat_s: float) -> tuple[Floats, Floats]:
    """Manner of the section, density of the bar and beat at each position (P, N_TOLD + 2); and the manners."""
    bar, bars = lattice.bar[notes.at], int(lattice.bar[-1]) + 1
    beats = np.bincount(lattice.bar, minlength=bars) / BEAT
    filled = np.bincount(bar, 1 + notes.length / BEAT * beat_s, minlength=bars) / beats
    section = lattice.bar // SECTION_BARS
    manners = np.array(list(_manners(lattice, struck, notes, section, beat_s)), np.float32)
    density = np.log(filled.clip(LEAST_DENSITY))[lattice.bar]
    told = [manners[section][:, :N_TOLD], density[:, None], np.full((len(lattice), 1), np.log(beat_s))]
    return np.concatenate(told, axis=1).astype(np.float32), manners


def _manners(
    lattice: Lattice, struck: NDArray[np.bool_], notes: Strikes, section: Indices, beat_s: float
) -> Iterator[NDArray[np.float64]]:
    """MANNER of each section, zeros for one in which nothing is struck."""
    heard = np.any(struck, axis=1)
    before = heard[lattice.history[:, figures.BAR_BEFORE]]
    for number in range(section[-1] + 1):
        here = section == number
        own = Strikes(*(column[here[notes.at]] for column in notes))
        if not len(own.at):
            yield np.zeros(len(MANNER))
            continue
        within = lattice.place[own.at] % BEAT
        bar = lattice.bar[own.at]
        touch = np.mean([own.velocity[bar == one].std() for one in np.unique(bar)])
        overlap = (heard & before)[here].sum() / max((heard | before)[here].sum(), 1)
        filled = (len(own.at) + own.length.sum() / BEAT * beat_s) / (here.sum() / BEAT)
        yield np.array([
            len(own.at) / heard[here].sum(), (within == 2).mean(), (within % 2 == 1).mean(),
            np.log(own.length.mean().clip(0.5)), overlap, touch / 10, (own.slot < 2).mean(), np.log(filled),
            np.log(beat_s),
        ])  # fmt: skip
