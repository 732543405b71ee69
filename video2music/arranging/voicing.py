"""Voice leading: four voices that hold every pitch class of each chord and move as little as they can.

The bass, and then the three voices above it, are shortest paths (Viterbi) through all voicings that fit the registers,
so the movement over the whole piece is the least possible, not only the next step's. The costs follow four-part
writing: common tones stay, inner voices step, no parallel fifths or octaves, no leap of all voices in one direction.
All costs are in semitones of movement that they outweigh.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from video2music.chords import Chord
from video2music.values import Key

Span = tuple[int, int]
Voicing = tuple[int, ...]

WIDEST = 16  # semitones between the lowest and the highest of the three upper voices
WIDEST_GAP = 9  # between two neighbours among them
NO_INVERSION = frozenset({"dim", "sus4", "sus2", "aug", "dim7", "hdim7", "maj6", "min6"})  # the bass stays on the root
THIRD_IN_BASS = 3.0  # semitones of movement that the bass must save to leave the root
LEAP = 5  # semitones; what goes beyond counts twice
PARALLEL = 4.0  # cost of two voices that go from fifth to fifth or octave to octave
SAME_WAY = 1000.0  # cost of all four voices leaping in one direction: never, where there is any other way
CLUSTER = 2.0  # cost of a semitone between neighbours
DRIFT = 0.15  # per semitone between the middle of the voices and the middle of the register
_PAIRS = tuple(combinations(range(4), 2))
_SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
_RAISED = (4, 7, 8, 11)  # semitones above a root of the key: foreign tones there are sharpened, the others flattened


def carried_through(chords: Sequence[Chord], default: Chord) -> list[Chord]:
    """The chords with each N replaced by the one before it; at the start by the first chord, else by `default`."""
    sounding = next((chord for chord in chords if chord.root is not None), default)
    harmony = []
    for chord in chords:
        sounding = sounding if chord.root is None else chord
        harmony.append(sounding)
    return harmony


@lru_cache(maxsize=4096)  # few chords in one key, asked for at every step
def scale(chord: Chord, key: Key) -> frozenset[int]:
    """The pitch classes a melody may pass through over a chord in a key, both as they sound.

    Those of the key, minor as it is without accidentals, where a foreign tone of the chord takes the place of the one
    that it alters: over E major in A minor G sharp stands for G.
    """
    home = {(key.tonic + degree) % 12 for degree in _SCALES[key.mode]}
    tones = set(chord.pitch_classes)
    altered = set()
    for tone in tones - home:
        above = (tone - chord.pitch_classes[0]) % 12
        raised = above in _RAISED if chord.pitch_classes[0] in home else above == 0 and "dim" in str(chord.quality)
        altered.add((tone + (-1 if raised else 1)) % 12)
    return frozenset(home - altered | tones)


def voice(
    chords: Sequence[Chord],
    *,
    bass: Span = (36, 52),
    upper: Span = (52, 76),
    inversions: bool = False,
    shifts: Sequence[int] = (),
) -> list[Voicing]:
    """Pitches (bass, tenor, alto, soprano) of each chord, rising and all different; () for N, which moves nothing.

    `bass` and `upper` are the registers. With `inversions` the third may lie in the bass where that smooths its line,
    but neither at the start nor in the last two chords. `shifts` move both registers, by semitones for each chord.
    """
    places = [place for place, chord in enumerate(chords) if chord.root is not None]
    sounding = [chords[place] for place in places]
    moved = [shifts[place] if shifts else 0 for place in places]
    basses = _bass_line(sounding, [(bass[0] + by, bass[1] + by) for by in moved], inversions)
    uppers = [(upper[0] + by, upper[1] + by) for by in moved]
    voiced: list[Voicing] = [()] * len(chords)
    for place, pitches in zip(places, _upper_voices(sounding, basses, uppers), strict=True):
        voiced[place] = pitches
    return voiced


def _bass_line(chords: Sequence[Chord], registers: Sequence[Span], inversions: bool) -> list[int]:
    """The cheapest bass. The first chord and the last two, the cadence, keep their roots in it."""
    layers, costs = [], []
    for place, (chord, register) in enumerate(zip(chords, registers, strict=True)):
        free = inversions and 0 < place < len(chords) - 2 and chord.quality not in NO_INVERSION
        classes = chord.pitch_classes[: 2 if free else 1]
        pitches = np.array([pitch for pitch_class in classes for pitch in _of_class(pitch_class, register)])
        inverted = pitches % 12 != classes[0]
        layers.append(pitches)
        costs.append(THIRD_IN_BASS * inverted + DRIFT * np.abs(pitches - sum(register) / 2))
    path = _shortest(costs, lambda place: _leaping(layers[place][None, :] - layers[place - 1][:, None]))
    return [int(layer[index]) for layer, index in zip(layers, path, strict=True)]


def _of_class(pitch_class: int, register: Span) -> Iterator[int]:
    low, high = register
    return iter(range(low + (pitch_class - low) % 12, high + 1, 12))


def _leaping(moves: NDArray[np.int64]) -> NDArray[np.float64]:
    """Semitones of movement, those beyond LEAP twice."""
    size = np.abs(moves)
    return np.asarray(size + np.maximum(size - LEAP, 0.0), float)


def _upper_voices(chords: Sequence[Chord], basses: Sequence[int], registers: Sequence[Span]) -> list[Voicing]:
    keys = list(zip(chords, basses, registers, strict=True))
    layers = [_voicings(*key) for key in keys]
    costs = [_vertical_cost(*key) for key in keys]
    path = _shortest(costs, lambda place: _transition_cost(keys[place - 1], keys[place]))
    return [tuple(map(int, layer[index])) for layer, index in zip(layers, path, strict=True)]


@lru_cache(maxsize=4096)
def _voicings(chord: Chord, bass: int, register: Span) -> NDArray[np.int64]:
    """(A, 4) every voicing over a bass: with it the three upper voices make the chord complete and double no third."""
    root, third, *rest = chord.pitch_classes
    upper = [c for c in chord.pitch_classes if c != bass % 12] if len(rest) == 2 else [root, third, *rest]
    wanted = [sorted(upper)]
    # A triad over its third: the doubled note is the root or the fifth, never the third.
    if bass % 12 == third:
        wanted = [sorted([root, root, rest[0]]), sorted([root, rest[0], rest[0]])] if len(rest) == 1 else wanted
    pool = sorted(p for c in set(chord.pitch_classes) for p in _of_class(c, register) if p > bass)
    found = [
        (bass, *pitches)
        for pitches in combinations(pool, 3)
        if pitches[2] - pitches[0] <= WIDEST
        and max(pitches[1] - pitches[0], pitches[2] - pitches[1]) <= WIDEST_GAP
        and sorted(pitch % 12 for pitch in pitches) in wanted
    ]
    return np.array(found)


@lru_cache(maxsize=4096)
def _vertical_cost(chord: Chord, bass: int, register: Span) -> NDArray[np.float64]:
    """(A,) what a voicing costs by itself: clusters and distance from the middle of the register."""
    upper = _voicings(chord, bass, register)[:, 1:]
    clusters = (np.diff(upper, axis=1) == 1).sum(1)
    return np.asarray(CLUSTER * clusters + DRIFT * np.abs(upper.mean(1) - sum(register) / 2), float)


@lru_cache(maxsize=4096)
def _transition_cost(before: tuple[Chord, int, Span], after: tuple[Chord, int, Span]) -> NDArray[np.float64]:
    """(A, B) what it costs to go from each voicing of one chord to each of the next."""
    old, new = _voicings(*before)[:, None, :], _voicings(*after)[None, :, :]
    moves = new - old
    cost = _leaping(moves[:, :, 1:]).sum(2)
    for low, high in _PAIRS:
        interval = (new[..., high] - new[..., low]) % 12
        kept = interval == (old[..., high] - old[..., low]) % 12
        together = kept & (moves[..., low] != 0) & (moves[..., high] != 0)
        cost += PARALLEL * (together & ((interval == 0) | (interval == 7)))
    leaps = moves * (np.abs(moves) > 2)  # more than a whole tone
    return np.asarray(cost + SAME_WAY * ((leaps > 0).all(2) | (leaps < 0).all(2)), float)


def _shortest(costs: Sequence[NDArray[np.float64]], step_cost: Callable[[int], NDArray[np.float64]]) -> list[int]:
    """Index into each layer along the cheapest path; `step_cost(place)` gives (A, B) from the layer before."""
    if not costs:
        return []
    total, backs = costs[0], []
    for place in range(1, len(costs)):
        through = total[:, None] + step_cost(place)
        backs.append(through.argmin(0))
        total = through.min(0) + costs[place]
    path = [int(total.argmin())]
    for back in reversed(backs):
        path.append(int(back[path[-1]]))
    return path[::-1]
