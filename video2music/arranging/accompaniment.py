"""Learned accompaniment: small networks draw, sixteenth by sixteenth, which of the chord's voices have an onset.

The onset network's inputs are the onsets of the last positions and those at the same place one, two and four bars ago;
the place in the bar; when the harmony changes; the wanted density and the length of a beat; and the features of a
section (chordal or broken, even or syncopated, held or short). The note network gives each onset a length and a touch.
Both were trained on the PIANO tracks of POP909, relative to the arranger's voicings of the same chords (see
`train.accompaniment`); here they run in numpy.

A bar is drawn a few times, and the first draw that is as dense as wanted is kept; what is still missing is added to
what the next bar wants. Where the density is outside what pianists play, the style's own patterns play.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

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
# Names in the weights that ship, and what they are called here; weights trained anew have the new names.
TENSOR_NAMES = MappingProxyType({
    "strikes.seen.weight": "onsets.history.weight",
    "strikes.known.weight": "onsets.context.weight",
    "strikes.known.bias": "onsets.context.bias",
    "strikes.inner.weight": "onsets.inner.weight",
    "strikes.inner.bias": "onsets.inner.bias",
    "strikes.out.weight": "onsets.out.weight",
    "strikes.out.bias": "onsets.out.bias",
    "known_mean": "context_mean",
    "known_scale": "context_scale",
    "manners": "section_features",
})  # fmt: skip

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]

SLOTS = ("sub", "bass", "octave", "tenor", "alto", "soprano")  # the voices that may have an onset, bit by bit of a mask
N_SLOTS, N_MASKS = len(SLOTS), 2 ** len(SLOTS)
MASK_BITS = (np.arange(N_MASKS)[:, None] >> np.arange(N_SLOTS)) & 1  # (64, 6)
PER_BEAT = 4  # positions a beat
N_PLACES = 16  # positions of a bar of four beats, to which those of other bars are mapped
# For the beats of a bar, the beat of a bar of four that has the same metrical weight.
METRICAL_BEATS = MappingProxyType({
    1: (0,), 2: (0, 1), 3: (0, 1, 3), 4: (0, 1, 2, 3), 5: (0, 1, 3, 2, 3), 6: (0, 1, 3, 2, 1, 3),
})  # fmt: skip
N_RECENT = 8  # the last positions, all of which are inputs
SAME_PLACE_OFFSETS = range(-1, 4)  # positions of the bar before that are inputs, from the same place
PREVIOUS_BAR = N_RECENT + 1  # column of the same place in the bar before
N_HISTORY = N_RECENT + len(SAME_PLACE_OFFSETS) + 3
LOOKAHEAD = 8  # later positions of its own bar that are inputs for a note
LENGTHS = np.array([1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16])  # of a note, in positions
TOUCH_SIGNS = "oxX"  # signs of styles, from soft to accented
SECTION_FEATURES = (
    "voices an onset", "off eighths", "odd sixteenths", "length", "overlap", "touch", "low", "density", "beat",
)  # fmt: skip
N_CONDITIONS = len(SECTION_FEATURES) - 2  # inputs of the networks; density and beat only serve to choose a section
N_FLAGS = N_PLACES + 8
N_CONTEXT = N_FLAGS + N_CONDITIONS + 2
N_NOTE_FEATURES = N_SLOTS + N_PLACES + N_SLOTS + 2 * LOOKAHEAD + 6 + N_CONDITIONS + 2

N_DRAWS = 4  # of each bar
DENSITY_TOLERANCE = 0.8  # notes a second by which a bar may miss the density without being drawn again
ATTEMPTS = 2
MAX_DENSITY_ERROR = 2.0  # notes a second; where all draws miss by more, the style's patterns play
# Added to the logit of a length, times its log: videos ask for more density than songs have, and held notes fill, too.
LENGTH_BIAS = 1.5
MAX_CARRY = 6.0  # notes that a bar may leave to the next
MIN_DENSITY_SHARE = 0.3  # share of its density that a bar gets at least, however much those before had too many
MIN_ODDS = 0.02  # masks less likely than this share of the likeliest are never drawn
HAND_SPAN, WHOLE_TONE = 14, 2  # semitones that a hand spans, and least distance of two keys struck together
N_NEAREST = 24  # sections of POP909 from which the features of one of ours are drawn
NEAREST_WEIGHTS = (1.0, 0.5)  # of log density and log beat in the distance to them
LEARNED_DENSITY = (2.5, 15.0)  # notes a second, the range that POP909's pianists play


@dataclass(frozen=True, eq=False)
class Lattice:
    """The P positions of a piece, four a beat, each array (P,) but `history` (P, N_HISTORY).

    step      the chord it belongs to
    bar       number of the bar, from 0; a pickup counts as one
    place     0..15, the position in a bar of four beats with the same metrical weight
    rest      positions left in the bar, this one among them
    history   positions whose onsets are inputs here; -1 is before the piece
    """

    step: Indices
    bar: Indices
    place: Indices
    rest: Indices
    history: Indices

    @classmethod
    def of(cls, step_beats: Indices, step_bar: Indices) -> "Lattice":
        """From the number of beats of each step, and the bar it belongs to."""
        step = np.repeat(np.arange(len(step_beats)), step_beats * PER_BEAT)
        _, bar = np.unique(step_bar[step], return_inverse=True)
        starts = np.searchsorted(bar, np.arange(bar[-1] + 2))
        lengths = np.diff(starts)
        within = np.arange(len(bar)) - starts[bar]
        places = [_places(length) for length in lengths.tolist()]
        place = np.array([places[of][at] for of, at in zip(bar.tolist(), within.tolist(), strict=True)])
        columns = [np.arange(len(bar)) - back for back in range(1, N_RECENT + 1)]
        for bars, offset in [*((1, offset) for offset in SAME_PLACE_OFFSETS), (2, 0), (2, 1), (4, 0)]:
            ago = np.maximum(bar - bars, 0)
            columns.append(np.where(bar < bars, -1, starts[ago] + (within + offset) % lengths[ago]))
        return cls(step, bar, place, lengths[bar] - within, np.maximum(np.stack(columns, axis=1), -1))

    def __len__(self) -> int:
        return len(self.step)


def _places(length: int) -> list[int]:
    """The place 0..15 of each position of a bar of `length` positions."""
    beats = METRICAL_BEATS.get(length // PER_BEAT, tuple(beat % 4 for beat in range(length // PER_BEAT)))
    return [PER_BEAT * beat + at for beat in beats for at in range(PER_BEAT)]


def context_flags(lattice: Lattice, changes: Flags, bass_only: Flags) -> Floats:
    """The inputs of the onset network that hold before anything is drawn, (P, N_FLAGS).

    `changes` (N,) says whether the harmony changes at a step, `bass_only` (N,) whether only low voices are there.
    """
    first = np.diff(lattice.step, prepend=-1) > 0
    changing = first & changes[lattice.step]
    columns = [changing, first, bass_only[lattice.step], lattice.bar % 2 == 1, *_beats_before(_until_next(changing))]
    return np.concatenate([np.eye(N_PLACES)[lattice.place], np.stack(columns, axis=1)], axis=1).astype(np.float32)


def _beats_before(left: Indices) -> list[Flags]:
    """Whether a change `left` positions away comes within the first beat, the second, the third, the fourth."""
    return [(left > beats * PER_BEAT) & (left <= (beats + 1) * PER_BEAT) for beats in range(4)]


def _until_next(flags: Flags) -> Indices:
    """Positions until the next flag after each, far away where there is none."""
    places = np.append(np.flatnonzero(flags), len(flags) + 4 * N_PLACES)
    here = np.arange(len(flags))
    return np.asarray(places[np.searchsorted(places, here, side="right")] - here, np.int64)


def note_features(
    lattice: Lattice,
    onsets: NDArray[Any],
    at: Indices,
    slot: Indices,
    conditions: Floats,
    next_changes: tuple[Indices, Flags],
) -> Floats:
    """The inputs of the note network for each note (n,) at position `at` in `slot`, shape (n, N_NOTE_FEATURES).

    `onsets` (P, 6) are those of the whole bar, `conditions` (n, N_CONDITIONS + 2) section features, density and beat;
    `next_changes` as of the function of this name.
    """
    ahead = at[:, None] + np.arange(1, LOOKAHEAD + 1)
    inside = ahead < (at + lattice.rest[at])[:, None]
    coming = onsets[np.minimum(ahead, len(onsets) - 1)] * inside[..., None]
    own = np.take_along_axis(coming, slot[:, None, None], axis=2)[..., 0]
    left, moves = next_changes
    columns = [np.eye(N_SLOTS)[slot], np.eye(N_PLACES)[lattice.place[at]], onsets[at], coming.any(2), own]
    columns += [
        np.stack([*_beats_before(left[at]), moves[at, slot], lattice.rest[at] / N_PLACES], axis=1),
        conditions,
    ]
    return np.concatenate(columns, axis=1).astype(np.float32)


def harmony_changes(pitches: Indices) -> Flags:
    """(N,) whether any of the pitches (N, 6) differs from the step before."""
    return np.append([True], (np.diff(pitches, axis=0) != 0).any(1))


def next_changes(lattice: Lattice, pitches: Indices) -> tuple[Indices, Flags]:
    """Positions until the harmony next changes (P,), and whether each slot's pitch is another one then (P, 6).

    `pitches` (N, 6) are those of each step, -1 where a slot is silent.
    """
    left = _until_next((np.diff(lattice.step, prepend=-1) > 0) & harmony_changes(pitches)[lattice.step])
    then = lattice.step[np.minimum(np.arange(len(lattice)) + left, len(lattice) - 1)]
    return left, pitches[then] != pitches[lattice.step]


@dataclass(frozen=True, eq=False)
class AccompanimentTask:
    """What is asked for, each (N,) for N steps.

    beats, bar, section, phase   beats of a step, its bar and section, steps since its section began
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


class BarNotes(NamedTuple):
    """The notes of a bar, each (n,): position, slot, length in positions, touch; and what they add to the density.

    `filled` counts each note once and once more for every second that it sounds (see `texture`).
    """

    at: Indices
    slot: Indices
    length: Indices
    touch: Indices
    filled: float


def load(folder: Path | None = None) -> "AccompanimentModel":
    """The trained networks, read once for each folder; without one those of `--weights` or that ship.

    Raises CheckpointError.
    """
    return _load(folder or checkpoint.weights_folder(WEIGHTS))


@lru_cache(maxsize=2)
def _load(folder: Path) -> "AccompanimentModel":
    found = checkpoint.load(folder, kind=KIND)
    return AccompanimentModel(found.tensors, found.sha256)


def weights_sha256() -> dict[str, str]:
    """The sha256 of the weights by the model's name, for the manifest; empty where they are missing."""
    try:
        return {KIND: load().sha256}
    except CheckpointError:
        return {}


class AccompanimentModel:
    """Both networks in numpy. `tensors` are their weights, the scaling of their inputs, and features of sections."""

    def __init__(self, tensors: Mapping[str, NDArray[Any]], sha256: str = "") -> None:
        self.sha256 = sha256
        # Layers are applied to rows from the right; contiguous, each takes microseconds.
        self._layers: dict[str, Floats] = {
            TENSOR_NAMES.get(name, name): np.ascontiguousarray(tensor.T, np.float32) for name, tensor in tensors.items()
        }
        self.section_features: Floats = self._layers["section_features"].T

    def patterns(self, task: AccompanimentTask, fallback: Sequence[Pattern], rng: np.random.Generator) -> list[Pattern]:
        """A pattern a step: drawn where the density is in the learned range, else that of `fallback`."""
        lattice = Lattice.of(task.beats, task.bar)
        sampler = _Sampler(self, task, lattice, rng)
        bars = np.searchsorted(lattice.bar, np.arange(lattice.bar[-1] + 2))
        for first, end in pairwise(bars.tolist()):
            steps = slice(int(lattice.step[first]), int(lattice.step[end - 1]) + 1)
            wanted = np.average(task.wanted[steps], weights=task.seconds[steps])
            if not (LEARNED_DENSITY[0] <= wanted <= LEARNED_DENSITY[1] and sampler.sample_bar(first, end)):
                sampler.set_bar(first, end, fallback)
        return sampler.patterns(fallback)

    def context_hidden(self, context: Floats) -> Floats:
        """What context rows (P, N_CONTEXT) add to the first hidden layer of the onset network, (P, width)."""
        t = self._layers
        scaled: Floats = (context - t["context_mean"]) / t["context_scale"]
        return scaled @ t["onsets.context.weight"] + t["onsets.context.bias"]

    def onset_logits(self, history: Floats, context_hidden: Floats) -> Floats:
        """Logits (K, 64) of the masks, from past onsets (K, N_HISTORY * 6) and a position's `context_hidden`."""
        t = self._layers
        hidden = np.maximum(history @ t["onsets.history.weight"] + context_hidden, 0)
        hidden = np.maximum(hidden @ t["onsets.inner.weight"] + t["onsets.inner.bias"], 0)
        return np.asarray(hidden @ t["onsets.out.weight"] + t["onsets.out.bias"], np.float32)

    def note_logits(self, features: Floats) -> Floats:
        """Logits (n, lengths and then touches), from note features (n, N_NOTE_FEATURES)."""
        t = self._layers
        scaled = (features - t["notes_mean"]) / t["notes_scale"]
        hidden = np.maximum(scaled @ t["touch.into.weight"] + t["touch.into.bias"], 0)
        return np.asarray(hidden @ t["touch.out.weight"] + t["touch.out.bias"], np.float32)


class _Sampler:
    """One piece while it is drawn, bar by bar."""

    def __init__(
        self, model: AccompanimentModel, task: AccompanimentTask, lattice: Lattice, rng: np.random.Generator
    ) -> None:
        self.model, self.task, self.lattice, self.rng = model, task, lattice, rng
        self.drawn: set[int] = set()  # steps
        self.carry = 0.0  # notes that the bars before have too few
        self.onsets = np.zeros((N_DRAWS, len(lattice) + 1, N_SLOTS), np.float32)  # the last row is before the piece
        self.length = np.zeros((len(lattice), N_SLOTS), np.int64)
        self.touch = np.zeros((len(lattice), N_SLOTS), np.int64)
        self.next_changes = next_changes(lattice, task.pitches)
        self.conditions = _conditions(task, lattice, model.section_features, rng)
        flags = context_flags(lattice, harmony_changes(task.pitches), np.any(task.pitches < 0, axis=1))
        context = np.concatenate([flags, self.conditions], axis=1)
        self.context = model.context_hidden(context)
        context[:1, -2] += 1  # the second column from the end is the log density
        # The layer is linear: what 1 more in log density adds is the same at every position.
        self.per_log_density = model.context_hidden(context[:1])[0] - self.context[0]
        self.penalty = np.where(_playable_masks(task, lattice), np.float32(0), np.float32(-np.inf))

    def sample_bar(self, first: int, end: int) -> bool:
        """Draw the bar of the positions from `first` until `end`; False if no draw is near the wanted density.

        What the draws of the first attempt miss by much is asked for on top in the next.
        """
        steps = np.unique(self.lattice.step[first:end])
        seconds = float(self.task.seconds[steps].sum())
        wanted = float((self.task.wanted * self.task.seconds)[steps].sum())
        asked = pushed = max(wanted + self.carry, MIN_DENSITY_SHARE * wanted)
        for _ in range(ATTEMPTS):
            self._draw_onsets(first, end, math.log(pushed / wanted))
            kept = self._nearest_draw(first, end, asked, DENSITY_TOLERANCE * seconds)
            if abs(kept.filled - asked) <= MAX_DENSITY_ERROR * seconds:
                self.onsets[:, first:end] = 0
                self.onsets[:, kept.at, kept.slot] = 1
                self.length[kept.at, kept.slot], self.touch[kept.at, kept.slot] = kept.length, kept.touch
                self.drawn.update(steps.tolist())
                self.carry = float(np.clip(asked - kept.filled, -MAX_CARRY, MAX_CARRY))
                return True
            pushed = max(pushed + asked - kept.filled, MIN_DENSITY_SHARE * wanted)
        return False

    def _draw_onsets(self, first: int, end: int, log_density: float) -> None:
        """Onsets of a bar, N_DRAWS times over, for a log density that is this much above what the steps want."""
        context = self.context[first:end] + self.per_log_density * np.float32(log_density)
        for at in range(first, end):
            history = self.onsets[:, self.lattice.history[at]].reshape(N_DRAWS, -1)
            logits = self.model.onset_logits(history, context[at - first])
            self.onsets[:, at] = MASK_BITS[_sample_masks(logits + self.penalty[at], self.rng)]

    def _nearest_draw(self, first: int, end: int, asked: float, tolerance: float) -> BarNotes:
        """The first draw of a bar that comes within the tolerance of what was asked for, or the nearest."""
        tried: list[BarNotes] = []
        for draw in range(N_DRAWS):
            tried.append(self._notes(draw, first, end))
            if abs(tried[-1].filled - asked) <= tolerance:
                break
        return min(tried, key=lambda notes: abs(notes.filled - asked))

    def _notes(self, draw: int, first: int, end: int) -> BarNotes:
        """The onsets of one draw of a bar with their lengths and touches, drawn by the Gumbel-max trick."""
        at, slot = np.nonzero(self.onsets[draw, first:end])
        at += first
        features = note_features(self.lattice, self.onsets[draw, :-1], at, slot, self.conditions[at], self.next_changes)
        logits = self.model.note_logits(features)
        logits[:, : len(LENGTHS)] += LENGTH_BIAS * np.log(LENGTHS)
        logits += self.rng.gumbel(size=logits.shape).astype(np.float32)
        left, moves = self.next_changes
        later = (at > at[:, None]) & (slot == slot[:, None])
        next_own = np.where(later, at - at[:, None], LENGTHS[-1]).min(1, initial=LENGTHS[-1])
        length = np.minimum(LENGTHS[logits[:, : len(LENGTHS)].argmax(1)], next_own)
        length = np.where(moves[at, slot], np.minimum(length, left[at]), length)
        step = self.lattice.step[at]
        held_s = length / PER_BEAT * self.task.beat_s[step] * self.task.length[step]
        return BarNotes(at, slot, length, logits[:, len(LENGTHS) :].argmax(1), len(at) + float(held_s.sum()))

    def set_bar(self, first: int, end: int, patterns: Sequence[Pattern]) -> None:
        """Use patterns of the style in a bar; what is drawn after it has their onsets in its history."""
        self.carry = 0.0
        self.onsets[:, first:end] = 0
        for step in np.unique(self.lattice.step[first:end]).tolist():
            begin = int(np.searchsorted(self.lattice.step, step))
            size = int(self.task.beats[step]) * PER_BEAT
            for slot, name in enumerate(SLOTS):
                columns = patterns[step].columns(name, int(self.task.phase[step]))
                places = [begin + at * size // len(columns) for at, sign in enumerate(columns) if sign in STRIKES]
                self.onsets[:, places, slot] = 1

    def patterns(self, fallback: Sequence[Pattern]) -> list[Pattern]:
        """The pattern of each step: the drawn one, or that of `fallback` where none was drawn."""
        signs = np.full(self.length.shape, SILENCE)  # (P, 6)
        onset = self.length > 0
        for at, slot in np.argwhere(onset).tolist():
            end = at + int(self.length[at, slot])
            signs[at, slot] = TOUCH_SIGNS[self.touch[at, slot]]
            free = ~np.maximum.accumulate(onset[at + 1 : end, slot])  # a hold ends where the slot's next note begins
            signs[at + 1 : end, slot][free] = HOLD
        edges = np.searchsorted(self.lattice.step, np.arange(len(fallback) + 1)).tolist()
        found = []
        for step, (first, end) in enumerate(pairwise(edges)):
            columns = signs[first:end].T.tolist()
            rows = {name: "".join(column) for name, column in zip(SLOTS, columns, strict=True)}
            drawn = Pattern("drawn", end - first, MappingProxyType(rows), fitted=True)
            found.append(drawn if step in self.drawn else fallback[step])
        return found


def _conditions(
    task: AccompanimentTask, lattice: Lattice, section_features: Floats, rng: np.random.Generator
) -> Floats:
    """Section features, log density and log beat of each position (P, N_CONDITIONS + 2).

    A section gets the features of one of those of POP909 that are nearest in density and tempo.
    """
    density, beat = np.log((task.wanted * task.beat_s).clip(0.25)), np.log(task.beat_s)
    features = np.zeros((len(density), N_CONDITIONS))
    for section in np.unique(task.section):
        here = task.section == section
        centre = [density[here].mean(), beat[here].mean()]
        distance = np.abs(section_features[:, N_CONDITIONS:] - centre) @ NEAREST_WEIGHTS
        nearest = np.argsort(distance, kind="stable")[:N_NEAREST]
        features[here] = section_features[rng.choice(nearest), :N_CONDITIONS]
    # Detached notes fill less of each second: as many are wanted as would fill it if they were held.
    held_s = np.exp(features[:, SECTION_FEATURES.index("length")]) / PER_BEAT * task.beat_s
    density += np.log((1 + held_s) / (1 + held_s * task.length))
    rows = np.concatenate([features, density[:, None], beat[:, None]], axis=1).astype(np.float32)
    return np.asarray(rows[lattice.step], np.float32)


def _playable_masks(task: AccompanimentTask, lattice: Lattice) -> Flags:
    """(P, 64) masks that two hands can play; with the bass on downbeats, and not empty where the harmony changes."""
    silent = task.pitches < 0
    allowed = np.array([_reachable_masks(tuple(row)) for row in task.pitches.tolist()])[lattice.step]
    changes = (np.diff(lattice.step, prepend=-1) > 0) & harmony_changes(task.pitches)[lattice.step]
    allowed[changes & ~np.all(silent, axis=1)[lattice.step], 0] = False
    downbeat = (np.diff(lattice.bar, prepend=-1) > 0) & ~silent[lattice.step, SLOTS.index("bass")]
    allowed[np.ix_(downbeat, MASK_BITS[:, SLOTS.index("bass")] == 0)] = False
    return np.asarray(allowed)


@lru_cache(maxsize=4096)
def _reachable_masks(pitches: tuple[int, ...]) -> Flags:
    """(64,) masks whose pitches are all there, a whole tone apart at least, and within the span of two hands."""
    return np.array([
        _in_two_hands([pitch for pitch, bit in zip(pitches, bits, strict=True) if bit]) for bits in MASK_BITS
    ])  # fmt: skip


def _in_two_hands(pitches: list[int]) -> bool:
    keys = sorted(pitches)
    apart = [high - low for low, high in pairwise(keys)]
    if -1 in keys or min(apart, default=WHOLE_TONE) < WHOLE_TONE:
        return False
    return not keys or any(
        keys[split - 1] - keys[0] <= HAND_SPAN and keys[-1] - keys[min(split, len(keys) - 1)] <= HAND_SPAN
        for split in range(1, len(keys) + 1)
    )


def _sample_masks(logits: Floats, rng: np.random.Generator) -> Indices:
    """One mask for each row of logits (K, 64), drawn from those of at least MIN_ODDS beside the likeliest."""
    odds = np.exp(logits - logits.max(1, keepdims=True))
    sums = (odds * (odds > MIN_ODDS)).cumsum(1)
    return np.asarray((sums <= rng.random((len(odds), 1), np.float32) * sums[:, -1:]).sum(1), np.int64)


def choose_patterns(
    grid: "Grid",
    pitches: Sequence[Mapping[str, int]],
    wanted: NDArray[np.float64],
    fallback: Sequence[Pattern],
    rng: np.random.Generator,
    *,
    length: NDArray[np.float64] | float = 1.0,
) -> list[Pattern]:
    """The pattern of each step, drawn; where the wanted density (N,) is outside the learned range, that of `fallback`.

    `pitches` are those of the voices at each step; `length` is the share of their written length that notes are held.
    Without weights `fallback` is played throughout, with a warning.
    """
    try:
        model = load()
    except CheckpointError as error:
        log.warning("%s; until then the style's own patterns are played", error)
        return list(fallback)
    table = np.array([[held.get(slot, -1) for slot in SLOTS] for held in pitches])
    played = np.stack([grid.doublings(slot) > 0 for slot in SLOTS], axis=1)
    table = np.where(played, table, -1)
    held = np.broadcast_to(np.asarray(length, float), len(grid))
    seconds = grid.ends_s - grid.starts_s
    task = AccompanimentTask(grid.beats, grid.bar, grid.section, grid.phase, seconds, wanted, table, held)
    return model.patterns(task, fallback, rng)
