"""Figures as pianists play them: a small network draws, sixteenth by sixteenth, which of the chord's voices strike.

What it knows: what was struck in the positions before, what stood at the same place one, two and four bars ago, the
place in the bar, when the harmony moves, how dense it shall be, how long a beat is, and the manner of the section
(chordal or broken, even or syncopated, held or short). A second network says of each strike how long it is held and
how hard it is struck. Both were learned from the PIANO tracks of POP909 relative to the voicings that the arranger
makes of the same chords (see `train.figures`); here they run in numpy.

Bars are drawn a few times, and the first that is as dense as was asked for is kept; what is still missing is asked of
the next bar. Where the density leaves what pianists play, the style's own tables do.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion import checkpoint
from emotion.errors import CheckpointError
from video2music.styles import HOLD, SILENCE, STRIKES, Pattern

if TYPE_CHECKING:
    from video2music.arranging.grid import Grid

log = logging.getLogger(__name__)

KIND = "accompaniment"
WEIGHTS = Path(__file__).parent.parent / "weights" / KIND
Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

SLOTS = ("sub", "bass", "octave", "tenor", "alto", "soprano")  # the voices that may strike, bit by bit
N_SLOTS, N_MASKS = len(SLOTS), 2 ** len(SLOTS)
BITS = (np.arange(N_MASKS)[:, None] >> np.arange(N_SLOTS)) & 1  # (64, 6)
BEAT = 4  # positions a beat
PLACES = 16  # kinds of place in a bar
# On which beat of a bar of four each beat of another bar is felt.
FELT = MappingProxyType({1: (0,), 2: (0, 1), 3: (0, 1, 3), 4: (0, 1, 2, 3), 5: (0, 1, 3, 2, 3), 6: (0, 1, 3, 2, 1, 3)})
JUST_BEFORE = 8  # positions of the past that are seen one by one
AROUND = range(-1, 4)  # positions of the bar before that are seen, from the same place
BAR_BEFORE = JUST_BEFORE + 1  # column of the same place in the bar before
SEEN = JUST_BEFORE + len(AROUND) + 3
AHEAD = 8  # positions of its own bar that a note looks ahead
LENGTHS = np.array([1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16])  # of a note, in positions
TOUCHES = "oxX"  # signs of styles, from soft to accented
MANNER = ("voices a strike", "off eighths", "odd sixteenths", "length", "overlap", "touch", "low", "density", "beat")
N_TOLD = len(MANNER) - 2  # what the networks are told of it; density and beat only say where a manner is at home
FLAGS = PLACES + 8
KNOWN = FLAGS + N_TOLD + 2
NOTE = N_SLOTS + PLACES + N_SLOTS + 2 * AHEAD + 6 + N_TOLD + 2

DRAWS = 4  # of each bar
TOLERANCE = 0.8  # notes a second by which a bar may miss the density without being drawn again
ATTEMPTS = 2
MISSED = 2.0  # notes a second by which it may miss it at all: beyond that the tables play
HELD = 1.5  # how much longer lengths are favoured: what pictures ask for is denser than songs, and held notes fill, too
CARRIED = 6.0  # notes that may be owed to the next bar
LEAST = 0.3  # share of its density that is asked of a bar, however much those before had too many
FAINT = 0.02  # what is less likely than this share of the likeliest is never drawn
HAND, WHOLE_TONE = 14, 2  # semitones that a hand spans, and that two keys struck together are apart at least
NEAREST = 24  # manners among which a section's is drawn
NEAR = (1.0, 0.5)  # how much density and beat count for that
PLAYABLE = (2.5, 15.0)  # notes a second that pianists play, so that the networks know them


@dataclass(frozen=True, eq=False)
class Lattice:
    """The positions of a piece, four a beat, P in all, each array (P,) but `history` (P, SEEN).

    step      the chord it belongs to
    bar       number of the bar, from 0; a pickup is one, too
    place     0..15, the place in a bar of four beats as which it is felt
    rest      positions left in the bar, this one among them
    history   positions that the network sees; -1 is before the piece
    """

    step: Indices
    bar: Indices
    place: Indices
    rest: Indices
    history: Indices

    @classmethod
    def of(cls, step_beats: Indices, step_bar: Indices) -> "Lattice":
        """From the number of beats of each step, and the bar it lies in."""
        step = np.repeat(np.arange(len(step_beats)), step_beats * BEAT)
        _, bar = np.unique(step_bar[step], return_inverse=True)
        starts = np.searchsorted(bar, np.arange(bar[-1] + 2))
        lengths = np.diff(starts)
        within = np.arange(len(bar)) - starts[bar]
        felt = [_felt(length) for length in lengths.tolist()]
        place = np.array([felt[of][at] for of, at in zip(bar.tolist(), within.tolist(), strict=True)])
        columns = [np.arange(len(bar)) - back for back in range(1, JUST_BEFORE + 1)]
        for bars, offset in [*((1, offset) for offset in AROUND), (2, 0), (2, 1), (4, 0)]:
            ago = np.maximum(bar - bars, 0)
            columns.append(np.where(bar < bars, -1, starts[ago] + (within + offset) % lengths[ago]))
        return cls(step, bar, place, lengths[bar] - within, np.maximum(np.stack(columns, axis=1), -1))

    def __len__(self) -> int:
        return len(self.step)


def _felt(length: int) -> list[int]:
    """The place of each position of a bar of `length` positions."""
    beats = FELT.get(length // BEAT, tuple(beat % 4 for beat in range(length // BEAT)))
    return [BEAT * beat + at for beat in beats for at in range(BEAT)]


def fixed(lattice: Lattice, moves: NDArray[np.bool_], bare: NDArray[np.bool_]) -> Floats:
    """What is known of each position before anything is drawn, (P, FLAGS).

    `moves` (N,) says whether the harmony moves at a step, `bare` (N,) whether only low voices are there.
    """
    first = np.diff(lattice.step, prepend=-1) > 0
    moving = first & moves[lattice.step]
    left = _until(moving)
    near = [(left > low) & (left <= low + BEAT) for low in (0, BEAT, 2 * BEAT, 3 * BEAT)]
    columns = [moving, first, bare[lattice.step], lattice.bar % 2 == 1, *near]
    return np.concatenate([np.eye(PLACES)[lattice.place], np.stack(columns, axis=1)], axis=1).astype(np.float32)


def _until(flags: NDArray[np.bool_]) -> Indices:
    """Positions until the next flag after each, far away where there is none."""
    places = np.append(np.flatnonzero(flags), len(flags) + 4 * PLACES)
    here = np.arange(len(flags))
    return places[np.searchsorted(places, here, side="right")] - here


def note_rows(
    lattice: Lattice, struck: NDArray, at: Indices, slot: Indices, told: Floats, moving: tuple[Indices, NDArray]
) -> Floats:
    """What the second network knows of each note (n,): position `at`, `slot`, shape (n, NOTE).

    `struck` (P, 6) is the whole bar, `told` (n, N_TOLD + 2) its manner, density and beat; `moving` the positions until
    the harmony moves (P,) and whether each slot moves then (P, 6).
    """
    ahead = at[:, None] + np.arange(1, AHEAD + 1)
    inside = ahead < (at + lattice.rest[at])[:, None]
    coming = struck[np.minimum(ahead, len(struck) - 1)] * inside[..., None]
    own = np.take_along_axis(coming, slot[:, None, None], axis=2)[..., 0]
    left, moves = moving
    near = [(left[at] > low) & (left[at] <= low + BEAT) for low in (0, BEAT, 2 * BEAT, 3 * BEAT)]
    columns = [np.eye(N_SLOTS)[slot], np.eye(PLACES)[lattice.place[at]], struck[at], coming.any(2), own]
    columns += [np.stack([*near, moves[at, slot], lattice.rest[at] / PLACES], axis=1), told]
    return np.concatenate(columns, axis=1).astype(np.float32)


def moving(pitches: Indices) -> NDArray[np.bool_]:
    """(N,) whether any of the pitches (N, 6) is another one than at the step before."""
    return np.append([True], (np.diff(pitches, axis=0) != 0).any(1))


def movement(lattice: Lattice, pitches: Indices) -> tuple[Indices, NDArray[np.bool_]]:
    """Positions until the harmony moves (P,), and whether each slot's pitch is another one then (P, 6).

    `pitches` (N, 6) are those of each step, -1 where a slot is silent.
    """
    left = _until((np.diff(lattice.step, prepend=-1) > 0) & moving(pitches)[lattice.step])
    then = lattice.step[np.minimum(np.arange(len(lattice)) + left, len(lattice) - 1)]
    return left, pitches[then] != pitches[lattice.step]


def pitch_table(pitches: Sequence[Mapping[str, int]]) -> Indices:
    """(N, 6) pitches of the slots at each step, -1 where a slot is silent."""
    return np.array([[held.get(slot, -1) for slot in SLOTS] for held in pitches])


@dataclass(frozen=True, eq=False)
class Task:
    """What is asked for, each (N,) for N steps.

    beats, bar, section, phase   beats that a step has, where it lies, steps since its section began
    seconds, wanted              its length in s, notes a second that are to sound
    pitches                      (N, 6) of the slots, -1 where one is silent
    length                       share of its written length that a note is held
    """

    beats: Indices
    bar: Indices
    section: Indices
    phase: Indices
    seconds: NDArray[np.float64]
    wanted: NDArray[np.float64]
    pitches: Indices
    length: NDArray[np.float64]

    @property
    def beat_s(self) -> NDArray[np.float64]:
        return self.seconds / self.beats


class Notes(NamedTuple):
    """The notes of a bar, each (n,): position, slot, length in positions, touch; and the density they make together.

    `filled` counts each note once and once more for every second that it sounds.
    """

    at: Indices
    slot: Indices
    length: Indices
    touch: Indices
    filled: float


@lru_cache(maxsize=2)
def load(folder: Path = WEIGHTS) -> "Pianist":
    """The trained networks, read once. Raises CheckpointError."""
    found = checkpoint.load(folder, kind=KIND)
    return Pianist(found.tensors, found.sha256)


def weights() -> dict[str, str]:
    """The sha256 of the networks that play here, by the model's name; nothing where the tables must do."""
    try:
        return {KIND: load().sha256}
    except CheckpointError:
        return {}


class Pianist:
    """Draws figures; `tensors` are the weights of both networks, how what they know is scaled, and the manners."""

    def __init__(self, tensors: Mapping[str, NDArray], sha256: str = "") -> None:
        self.sha256 = sha256
        # Layers are applied to rows from the right; contiguous, each takes microseconds.
        self._layers: dict[str, Floats] = {
            name: np.ascontiguousarray(tensor.T, np.float32) for name, tensor in tensors.items()
        }
        self.manners = self._layers["manners"].T

    def figures(self, task: Task, tables: Sequence[Pattern], rng: np.random.Generator) -> list[Pattern]:
        """A figure a step: drawn where the density is one that pianists play, else that of the tables."""
        lattice = Lattice.of(task.beats, task.bar)
        drawing = _Drawing(self, task, lattice, rng)
        bars = np.searchsorted(lattice.bar, np.arange(lattice.bar[-1] + 2))
        for first, end in pairwise(bars.tolist()):
            steps = slice(int(lattice.step[first]), int(lattice.step[end - 1]) + 1)
            wanted = np.average(task.wanted[steps], weights=task.seconds[steps])
            if not (PLAYABLE[0] <= wanted <= PLAYABLE[1] and drawing.play(first, end)):
                drawing.take(first, end, tables)
        return drawing.patterns(tables)

    def known_part(self, known: Floats) -> Floats:
        """What the first layer makes of the known rows (P, KNOWN)."""
        t = self._layers
        scaled: Floats = (known - t["known_mean"]) / t["known_scale"]
        return scaled @ t["strikes.known.weight"] + t["strikes.known.bias"]

    def strike_logits(self, seen: Floats, known: Floats) -> Floats:
        """Seen (K, SEEN * 6) and the known part of a position -> (K, 64)."""
        t = self._layers
        hidden = np.maximum(seen @ t["strikes.seen.weight"] + known, 0)
        hidden = np.maximum(hidden @ t["strikes.inner.weight"] + t["strikes.inner.bias"], 0)
        return hidden @ t["strikes.out.weight"] + t["strikes.out.bias"]

    def touch_logits(self, notes: Floats) -> Floats:
        """(n, NOTE) -> (n, lengths and touches)."""
        t = self._layers
        scaled = (notes - t["notes_mean"]) / t["notes_scale"]
        hidden = np.maximum(scaled @ t["touch.into.weight"] + t["touch.into.bias"], 0)
        return hidden @ t["touch.out.weight"] + t["touch.out.bias"]


class _Drawing:
    """One piece as it is being drawn, bar by bar."""

    def __init__(self, pianist: Pianist, task: Task, lattice: Lattice, rng: np.random.Generator) -> None:
        self.pianist, self.task, self.lattice, self.rng = pianist, task, lattice, rng
        self.drawn: set[int] = set()  # steps
        self.owed = 0.0  # notes that the bars before have too few
        self.struck = np.zeros((DRAWS, len(lattice) + 1, N_SLOTS), np.float32)  # the last row is before the piece
        self.length = np.zeros((len(lattice), N_SLOTS), np.int64)
        self.touch = np.zeros((len(lattice), N_SLOTS), np.int64)
        self.movement = movement(lattice, task.pitches)
        self.told = _told(task, lattice, pianist.manners, rng)
        known = fixed(lattice, moving(task.pitches), np.any(task.pitches < 0, axis=1))
        known = np.concatenate([known, self.told], axis=1)
        self.known = pianist.known_part(known)
        known[:1, -2] += 1
        self.denser = pianist.known_part(known[:1])[0] - self.known[0]  # what 1 more in log density does
        self.forbidden = np.where(_allowed(task, lattice), np.float32(0), np.float32(-np.inf))

    def play(self, first: int, end: int) -> bool:
        """Draw the bar of the positions from `first` until `end`; whether it is as dense as was asked for.

        What the first drawings miss by much is asked for on top the next time.
        """
        steps = np.unique(self.lattice.step[first:end])
        seconds = float(self.task.seconds[steps].sum())
        wanted = float((self.task.wanted * self.task.seconds)[steps].sum())
        asked = pushed = max(wanted + self.owed, LEAST * wanted)
        for _ in range(ATTEMPTS):
            self._draw(first, end, math.log(pushed / wanted))
            kept = self._nearest(first, end, asked, TOLERANCE * seconds)
            if abs(kept.filled - asked) <= MISSED * seconds:
                self._keep(kept, first, end)
                self.owed = float(np.clip(asked - kept.filled, -CARRIED, CARRIED))
                return True
            pushed = max(pushed + asked - kept.filled, LEAST * wanted)
        return False

    def _draw(self, first: int, end: int, denser: float) -> None:
        """Strikes of a bar, DRAWS times over, `denser` in log density than the steps want."""
        known = self.known[first:end] + self.denser * np.float32(denser)
        for at in range(first, end):
            seen = self.struck[:, self.lattice.history[at]].reshape(DRAWS, -1)
            logits = self.pianist.strike_logits(seen, known[at - first])
            self.struck[:, at] = BITS[_one_each(logits + self.forbidden[at], self.rng)]

    def _keep(self, notes: Notes, first: int, end: int) -> None:
        self.struck[:, first:end] = 0
        self.struck[:, notes.at, notes.slot] = 1
        self.length[notes.at, notes.slot], self.touch[notes.at, notes.slot] = notes.length, notes.touch
        self.drawn.update(np.unique(self.lattice.step[first:end]).tolist())

    def _nearest(self, first: int, end: int, asked: float, slack: float) -> Notes:
        """The first drawing of a bar that comes within `slack` of what was asked for, or the nearest."""
        tried: list[Notes] = []
        for draw in range(DRAWS):
            tried.append(self._notes(draw, first, end))
            if abs(tried[-1].filled - asked) <= slack:
                break
        return min(tried, key=lambda notes: abs(notes.filled - asked))

    def _notes(self, draw: int, first: int, end: int) -> Notes:
        """How the strikes of one drawing of a bar are held and struck."""
        at, slot = np.nonzero(self.struck[draw, first:end])
        at += first
        rows = note_rows(self.lattice, self.struck[draw, :-1], at, slot, self.told[at], self.movement)
        logits = self.pianist.touch_logits(rows)
        logits[:, : len(LENGTHS)] += HELD * np.log(LENGTHS)
        logits += self.rng.gumbel(size=logits.shape).astype(np.float32)
        left, moves = self.movement
        again = (at > at[:, None]) & (slot == slot[:, None])
        next_own = np.where(again, at - at[:, None], LENGTHS[-1]).min(1, initial=LENGTHS[-1])
        length = np.minimum(LENGTHS[logits[:, : len(LENGTHS)].argmax(1)], next_own)
        length = np.where(moves[at, slot], np.minimum(length, left[at]), length)
        step = self.lattice.step[at]
        held_s = length / BEAT * self.task.beat_s[step] * self.task.length[step]
        return Notes(at, slot, length, logits[:, len(LENGTHS) :].argmax(1), len(at) + float(held_s.sum()))

    def take(self, first: int, end: int, tables: Sequence[Pattern]) -> None:
        """Remember what the tables play in a bar, so that what is drawn after it goes on from there."""
        self.owed = 0.0
        self.struck[:, first:end] = 0
        for step in np.unique(self.lattice.step[first:end]).tolist():
            begin = int(np.searchsorted(self.lattice.step, step))
            size = int(self.task.beats[step]) * BEAT
            for slot, name in enumerate(SLOTS):
                columns = tables[step].columns(name, int(self.task.phase[step]))
                places = [begin + at * size // len(columns) for at, sign in enumerate(columns) if sign in STRIKES]
                self.struck[:, places, slot] = 1

    def patterns(self, tables: Sequence[Pattern]) -> list[Pattern]:
        """The figure of each step: the drawn one, or the table's where none was drawn."""
        signs = self._signs()
        edges = np.searchsorted(self.lattice.step, np.arange(len(tables) + 1)).tolist()
        return [
            _pattern(signs[first:end]) if step in self.drawn else tables[step]
            for step, (first, end) in enumerate(pairwise(edges))
        ]

    def _signs(self) -> NDArray[np.str_]:
        """(P, 6) signs of styles; a hold ends where the next strike of its slot stands."""
        signs = np.full(self.length.shape, SILENCE)
        struck = self.length > 0
        for at, slot in np.argwhere(struck).tolist():
            end = at + int(self.length[at, slot])
            signs[at, slot] = TOUCHES[self.touch[at, slot]]
            free = ~np.maximum.accumulate(struck[at + 1 : end, slot])
            signs[at + 1 : end, slot][free] = HOLD
        return signs


def _told(task: Task, lattice: Lattice, manners: NDArray, rng: np.random.Generator) -> Floats:
    """Manner, density and beat of each position (P, N_TOLD + 2); a section's manner is at home near its density."""
    density, beat = np.log((task.wanted * task.beat_s).clip(0.25)), np.log(task.beat_s)
    told = np.zeros((len(density), N_TOLD))
    for section in np.unique(task.section):
        here = task.section == section
        away = np.abs(manners[:, N_TOLD:] - [density[here].mean(), beat[here].mean()]) @ NEAR
        told[here] = manners[rng.choice(np.argsort(away, kind="stable")[:NEAREST]), :N_TOLD]
    # Detached notes fill less of each second: as many are wanted as would fill it if they were held.
    held_s = np.exp(told[:, MANNER.index("length")]) / BEAT * task.beat_s
    density += np.log((1 + held_s) / (1 + held_s * task.length))
    return np.concatenate([told, density[:, None], beat[:, None]], axis=1).astype(np.float32)[lattice.step]


def _allowed(task: Task, lattice: Lattice) -> NDArray[np.bool_]:
    """(P, 64) which masks may be struck: what hands can play, with the bass on downbeats, something where it moves."""
    silent = task.pitches < 0
    allowed = np.array([_in_reach(tuple(row)) for row in task.pitches.tolist()])[lattice.step]
    changes = (np.diff(lattice.step, prepend=-1) > 0) & moving(task.pitches)[lattice.step]
    allowed[changes & ~np.all(silent, axis=1)[lattice.step], 0] = False
    downbeat = (np.diff(lattice.bar, prepend=-1) > 0) & ~silent[lattice.step, SLOTS.index("bass")]
    allowed[np.ix_(downbeat, BITS[:, SLOTS.index("bass")] == 0)] = False
    return allowed


@lru_cache(maxsize=4096)
def _in_reach(pitches: tuple[int, ...]) -> NDArray[np.bool_]:
    """(64,) the masks of which each slot sounds on a key of its own, no two rub, and two hands reach them together."""
    return np.array([_two_hands([pitch for pitch, bit in zip(pitches, bits, strict=True) if bit]) for bits in BITS])


def _two_hands(pitches: list[int]) -> bool:
    keys = sorted(pitches)
    apart = [high - low for low, high in pairwise(keys)]
    if -1 in keys or min(apart, default=WHOLE_TONE) < WHOLE_TONE:
        return False
    return (
        any(
            keys[split - 1] - keys[0] <= HAND and keys[-1] - keys[min(split, len(keys) - 1)] <= HAND
            for split in range(1, len(keys) + 1)
        )
        or not keys
    )


def _one_each(logits: Floats, rng: np.random.Generator) -> Indices:
    """One mask for each row of logits (K, 64), none that is FAINT beside the likeliest."""
    odds = np.exp(logits - logits.max(1, keepdims=True))
    sums = (odds * (odds > FAINT)).cumsum(1)
    return (sums <= rng.random((len(odds), 1), np.float32) * sums[:, -1:]).sum(1)


def _pattern(signs: NDArray[np.str_]) -> Pattern:
    rows = {name: "".join(column) for name, column in zip(SLOTS, signs.T.tolist(), strict=True)}
    return Pattern("drawn", len(signs), MappingProxyType(rows), fitted=True)


def choose(
    grid: "Grid",
    pitches: Sequence[Mapping[str, int]],
    wanted: NDArray[np.float64],
    tables: Sequence[Pattern],
    rng: np.random.Generator,
    *,
    length: NDArray[np.float64] | float = 1.0,
) -> list[Pattern]:
    """The figure of each step as a pianist plays it; where the wanted density (N,) leaves that, the one of `tables`.

    `length` is the share of their written length that notes are held. Without weights the tables play everything.
    """
    try:
        pianist = load()
    except CheckpointError as error:
        log.warning("%s; until then the figures are those of the style's tables", error)
        return list(tables)
    played = np.stack([grid.octaves(slot) > 0 for slot in SLOTS], axis=1)
    table = np.where(played, pitch_table(pitches), -1)
    held = np.broadcast_to(np.asarray(length, float), len(grid))
    seconds = grid.ends_s - grid.starts_s
    task = Task(grid.beats, grid.bar, grid.section, grid.phase, seconds, wanted, table, held)
    return pianist.figures(task, tables, rng)
