"""Key and chords of audio or notes: chroma, chord templates smoothed over time, and features relative to the tonic.

The filters from spectrum to pitch classes are those of D. Ellis, "Chroma feature analysis and synthesis" (2007), as in
librosa, but in numpy alone: librosa compiles for seconds at its first call.

Chroma is the strength of each of the twelve pitch classes (T. Fujishima, "Realtime Chord Recognition of Musical
Sound", ICMC 1999), here of the peaks of spectra. Chords are the likeliest path through templates that know a tone's
overtones (A. Sheh, D. Ellis, "Chord Segmentation and Recognition using EM-Trained Hidden Markov Models", ISMIR 2003);
the key is the one whose profile is most like the whole (C. Krumhansl, Cognitive Foundations of Musical Pitch, 1990).
Pitch classes count from C.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emotion.features.descriptors import key_correlations
from emotion.features.sound import SAMPLE_RATE, Samples
from emotion.midi.notes import Notes

if TYPE_CHECKING:
    from torch import Tensor

LOWEST_A_HZ = 27.5


def filters(
    window: int, rate_hz: float, *, classes: int, tuning: float, middle: float, wide: float, norm: int
) -> NDArray[np.float64]:
    """(classes, window // 2 + 1), from C on: what each bin of a transform of `window` samples gives to each class.

    A class is a bump around its pitches in every octave; before the octaves are weighed, a bin's classes have a `norm`,
    the first or the second, of one. `classes` is 12 or a multiple. `tuning` is how many classes the pitches lie above
    those of A 440. What lies `middle` octaves above 27.5 Hz counts fully, what lies `wide` octaves from there 0.61.
    """
    hertz = np.arange(1, window // 2 + 1) * rate_hz / window
    steps = classes * np.log2(hertz / LOWEST_A_HZ) - tuning
    steps = np.concatenate([[steps[0] - 1.5 * classes], steps])  # 0 Hz has no pitch: it is put far from its neighbour
    width = np.maximum(np.diff(steps, append=steps[-1]), 1)
    apart = (steps - np.arange(classes)[:, None] + classes / 2) % classes - classes / 2
    bumps = np.exp(-0.5 * (2 * apart / width) ** 2)
    octaves = np.exp(-0.5 * ((steps / classes - middle) / wide) ** 2)
    return np.roll(bumps / np.linalg.norm(bumps, norm, axis=0) * octaves, -3 * classes // 12, axis=0)


Floats = NDArray[np.float64]
Chroma = NDArray[np.float32]

CHROMA_PER_S = 10
HOP = SAMPLE_RATE // CHROMA_PER_S
WINDOW = 8192  # samples, .34 s: neighbouring semitones part from 150 Hz up
PADDED = 2 * WINDOW  # zero padding refines the peaks' frequencies
CHUNK_ROWS = 300  # of spectra in memory at once
LOWEST_HZ, HIGHEST_HZ = 55.0, 2100.0
FINE = 10  # bins a semitone until the tuning is known
SILENT = 1e-3  # linear; rows whose RMS is below this (-60 dB) hold no pitch
PEAK_FLOOR = 0.02  # of a row's highest peak; what is lower is side lobes and noise
LOUDNESS_POWER = 0.5  # compresses magnitudes: inner voices count beside the loudest

OVERTONES = ((0, 1.0), (7, 0.25), (4, 0.05))  # semitones above a tone, and how strongly it sounds there
SHORTEST_S = 1e-6  # what rounding leaves of no time
NO_CHORD_LIKENESS = 0.45  # a row that is less like any chord than this holds none
SELF_TRANSITION = 0.9  # from row to row
SHARPNESS = 6.0  # log-likelihood of a row that is just like its template

QUALITIES = MappingProxyType({
    "maj": (0, 4, 7),
    "min": (0, 3, 7),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
    "sus4": (0, 5, 7),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "min7": (0, 3, 7, 10),
})  # fmt: skip
"""Semitones above the root, by quality. A sus2 is the sus4 a fifth above it; augmented chords have three roots."""

RARITY = MappingProxyType({
    "maj": 0.0, "min": 0.0, "dim": 0.6, "aug": 0.8, "sus4": 0.9, "7": 0.7, "maj7": 0.25, "min7": 0.25,
})  # fmt: skip
"""By how much log-likelihood a row must favour a quality over a plain triad; chosen on POP909."""
CONSONANCES = (1.24, -1.428, -0.582, 0.594, 0.386, 1.24, -0.453)
"""Of interval classes 1 to 6 by D. Huron, "Interval-Class Content in Equally Tempered Pitch-Class Sets", Music
Perception 11 (1994), after the unison, which counts as a fifth."""


@dataclass(frozen=True)
class Span:
    """A chord from start_s until before end_s: root 0..11 with one of QUALITIES, or None and None for no chord."""

    start_s: float
    end_s: float
    root: int | None
    quality: str | None


@dataclass(frozen=True)
class Harmony:
    """Chords without gaps from 0 to the end, and the key of the whole: tonic 0..11 and "major" or "minor".

    `key_confidence` 0..1 is by how much the key's profile is more alike than the best other one's, `mode_evidence`
    -2..2 the correlation of the best major key less that of the best minor one. `profile` (12,) is the share of each
    pitch class from C; `dissonance` the mean of the intervals' dissonance over the time that sounds, and its deviation.
    """

    chords: tuple[Span, ...]
    tonic: int
    mode: str
    key_confidence: float
    mode_evidence: float
    profile: tuple[float, ...]
    dissonance: tuple[float, float]


def chroma(blocks: Iterable[Samples]) -> Chroma:
    """(T, 12), C first, of mono samples at 24 kHz: row t is centred on the middle of t / 10 to (t + 1) / 10 s.

    Rows sum to 1, those of silence to 0. The tuning is estimated over the whole. Blocks may have any lengths; no more
    than some 30 s of samples beyond a block are held.
    """
    rows, tuning = [np.zeros((0, 12 * FINE), np.float32)], 0j
    for samples in _chunks(blocks):
        fine, turned = _fine(samples)
        rows.append(fine)
        tuning += turned
    folded = np.concatenate(rows) @ _fold(float(np.angle(tuning)) / (2 * math.pi))
    return _shares(folded)


def _chunks(blocks: Iterable[Samples]) -> Iterator[Samples]:
    """Samples for CHUNK_ROWS rows at a time, zeros around the whole so that each row has its window."""
    held, count, done = np.zeros((WINDOW - HOP) // 2, np.float32), 0, 0
    for block in blocks:
        count += len(block)
        held = np.concatenate([held, np.asarray(block, np.float32)])
        while len(held) >= CHUNK_ROWS * HOP + WINDOW:
            yield held[: (CHUNK_ROWS - 1) * HOP + WINDOW]
            held, done = held[CHUNK_ROWS * HOP :], done + CHUNK_ROWS
    held, left = np.pad(held, (0, WINDOW)), -(-count // HOP) - done
    for first in range(0, left, CHUNK_ROWS):
        last = min(first + CHUNK_ROWS, left) - 1
        yield held[first * HOP : last * HOP + WINDOW]


def _fine(samples: Samples) -> tuple[Chroma, complex]:
    """Rows (R, 12 * FINE) of a chunk's spectral peaks, and the sum of their deviations from the semitones as phases."""
    import torch

    window, (first, last), weighting = _analysis()
    framed = torch.from_numpy(samples).unfold(0, WINDOW, HOP)
    sounding = framed.square().mean(1, keepdim=True).sqrt() > SILENT
    spectrum = torch.fft.rfft(framed * window, n=PADDED)[:, first - 1 : last + 1].abs()
    below, here, above = spectrum[:, :-2], spectrum[:, 1:-1], spectrum[:, 2:]
    peaks = (here > below) & (here >= above) & (here > PEAK_FLOOR * here.amax(1, keepdim=True)) & sounding
    weights = torch.where(peaks, here, 0.0).pow(LOUDNESS_POWER)
    return (weights @ weighting).numpy(), _tuning(below, here, above, weights, first)


def _tuning(below: "Tensor", here: "Tensor", above: "Tensor", weights: "Tensor", first: int) -> complex:
    """The peaks' distances from the nearest semitone of A 440, as the sum of unit phases that a semitone turns once."""
    rows, columns = weights.nonzero(as_tuple=True)
    low, top, high = (part[rows, columns] for part in (below, here, above))
    offset = 0.5 * (low - high) / (low - 2 * top + high)  # the top of the parabola through the three
    hertz = (columns + first + offset).double() * SAMPLE_RATE / PADDED
    semitones = 12 * (hertz / 440.0).log2()
    turned = weights[rows, columns] * (2j * math.pi * semitones).exp()
    return complex(turned.sum())


@lru_cache(maxsize=1)
def _analysis() -> "tuple[Tensor, tuple[int, int], Tensor]":
    """The window, the bins from the lowest to the highest pitch, and the filters of pitch classes (bins, 12 * FINE)."""
    import torch

    first, last = (round(hertz * PADDED / SAMPLE_RATE) for hertz in (LOWEST_HZ, HIGHEST_HZ))
    found = filters(PADDED, SAMPLE_RATE, classes=12 * FINE, tuning=0.0, middle=4.0, wide=1.5, norm=1)
    return torch.hann_window(WINDOW), (first, last), torch.from_numpy(found[:, first:last].T.astype(np.float32))


def _fold(tuning: float) -> Chroma:
    """(12 * FINE, 12): each pitch class gathers what lies within a semitone of it, in a tuning in semitones."""
    classes = np.arange(12 * FINE)[:, None] / FINE - tuning
    distance = np.abs((classes - np.arange(12) + 6) % 12 - 6)
    return np.where(distance < 1, np.cos(np.pi / 2 * np.minimum(distance, 1)) ** 2, 0.0).astype(np.float32)


def _shares(rows: NDArray[Any]) -> Chroma:
    total = rows.sum(1, keepdims=True)
    shares: Chroma = np.divide(rows, total, out=np.zeros_like(rows), where=total > 0).astype(np.float32)
    return shares


def chroma_of_notes(notes: Notes, duration_s: float) -> Chroma:
    """The same (T, 12) of notes: how long each pitch class sounds in a row's window, with the overtones it would have.

    Times are compressed as loudness is in sound; drums have no pitch, and sustained notes end at their
    note-off.
    """
    middles_s = (np.arange(math.ceil(round(duration_s * CHROMA_PER_S, 6))) + 0.5) / CHROMA_PER_S
    half_s = WINDOW / SAMPLE_RATE / 2
    found = np.zeros((len(middles_s), 12))
    for pitch_class in range(12):
        ours = ~notes.drums & (notes.pitch % 12 == pitch_class)
        until = [_sounded_s(notes.start_s[ours], notes.end_s[ours], middles_s + side) for side in (-half_s, half_s)]
        found[:, pitch_class] = until[1] - until[0]
    found = np.where(found > SHORTEST_S, found, 0.0) ** LOUDNESS_POWER
    return _shares(found @ _overtones())


def _sounded_s(start_s: Floats, end_s: Floats, times_s: Floats) -> Floats:
    """How long notes have sounded in all until each time, those at once counted one by one."""
    sums = np.zeros(len(times_s))
    for sign, edges in ((1, np.sort(start_s)), (-1, np.sort(end_s))):
        before = np.searchsorted(edges, times_s)
        sums += sign * (before * times_s - np.append(0.0, np.cumsum(edges))[before])
    return sums


def _overtones() -> Floats:
    """(12, 12): where the tones of each pitch class sound."""
    return sum((share * np.roll(np.eye(12), above, axis=1) for above, share in OVERTONES), np.zeros((12, 12)))


def recognise(chroma: NDArray[Any]) -> Harmony:
    """Chords and key of chroma (T, 12) at CHROMA_PER_S. No row that sounds: no chord, C major, confidence 0."""
    rows = np.asarray(chroma, float)
    path = _path(_scores(rows))
    sounding = rows[rows.sum(1) > 0]
    profile = sounding.mean(0) if len(sounding) else np.zeros(12)
    tonic, major, minor = key_correlations(profile)
    clashes = _dissonance(sounding) if len(sounding) else np.zeros(1)
    return Harmony(
        tuple(_spans(path)),
        tonic,
        "major" if major[tonic] >= minor[tonic] else "minor",
        _confidence(major, minor),
        float(major.max() - minor.max()),
        tuple(profile.tolist()),
        (float(clashes.mean()), float(clashes.std())),
    )


def _confidence(major: Floats, minor: Floats) -> float:
    best, second = sorted([*major, *minor])[:-3:-1]
    return float(min(max(best - second, 0.0), 1.0))


@lru_cache(maxsize=1)
def _templates() -> Floats:
    """(96, 12): the chords of every quality, roots within qualities, as unit vectors about their mean."""
    tones = np.zeros((len(QUALITIES), 12, 12))
    for place, intervals in enumerate(QUALITIES.values()):
        for root in range(12):
            tones[place, root, [(root + interval) % 12 for interval in intervals]] = 1
    return _centred(tones.reshape(-1, 12) @ _overtones())


def _centred(rows: Floats) -> Floats:
    """Rows less their mean, of length 1; even rows stay 0."""
    rows = rows - rows.mean(1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Floats = np.divide(rows, length, out=np.zeros_like(rows), where=length > 1e-9)
    return unit


def _scores(rows: Floats) -> Floats:
    """(T, 97) log-likelihoods of each chord and, last, of none, up to a constant."""
    likeness = _centred(rows) @ _templates().T
    scores = SHARPNESS * likeness - np.repeat([RARITY[quality] for quality in QUALITIES], 12)
    none = np.where(rows.sum(1) > 0, SHARPNESS * NO_CHORD_LIKENESS, SHARPNESS)
    return np.column_stack([scores, none])


def _path(scores: Floats) -> NDArray[np.int64]:
    """(T,) the likeliest states (Viterbi): every state stays with SELF_TRANSITION, or goes to any other alike."""
    count, states = scores.shape
    stay, go = math.log(SELF_TRANSITION), math.log((1 - SELF_TRANSITION) / (states - 1))
    came = np.zeros((count, states), np.int64)
    reached = np.zeros(states)
    for row, score in enumerate(scores):
        best = int(reached.argmax())
        kept, left = reached + stay, reached[best] + go
        came[row] = np.where(kept >= left, np.arange(states), best)
        reached = np.maximum(kept, left) + score
    path = np.zeros(count, np.int64)
    state = int(reached.argmax())
    for row in range(count - 1, -1, -1):
        path[row] = state
        state = came[row, state]
    return path


def _spans(path: NDArray[np.int64]) -> Iterator[Span]:
    edges = np.flatnonzero(np.diff(path, prepend=-1, append=-1))
    names = tuple(QUALITIES)
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        quality, root = divmod(int(path[start]), 12)
        chord = (root, names[quality]) if quality < len(names) else (None, None)
        yield Span(start / CHROMA_PER_S, end / CHROMA_PER_S, *chord)


def _dissonance(rows: Floats) -> Floats:
    """(T,) how dissonant two tones drawn by each row's shares are: 0 for unisons and fifths, 1 for minor seconds."""
    table = (max(CONSONANCES) - np.array(CONSONANCES)) / (max(CONSONANCES) - min(CONSONANCES))
    steps = np.abs(np.subtract.outer(np.arange(12), np.arange(12)))
    means: Floats = np.einsum("ti,ij,tj->t", rows, table[np.minimum(steps, 12 - steps)], rows)
    return means


def features(harmony: Harmony) -> NDArray[np.float32]:
    """(K,) in the order of NAMES: statistics of chords, key and moves relative to the tonic. No rows: zeros."""
    stats = _ChordStatistics(harmony)
    numbers = np.concatenate([measure(stats) for measure in _MEASURES])
    finite: NDArray[np.float32] = np.nan_to_num(numbers).astype(np.float32)
    return finite


class _ChordStatistics:
    """Shared by the measures: chords relative to the tonic, their seconds, and the moves between them."""

    def __init__(self, harmony: Harmony) -> None:
        self.harmony = harmony
        self.seconds = np.array([span.end_s - span.start_s for span in harmony.chords])
        self.total_s = max(float(self.seconds.sum()), 1e-9)
        self.named = [
            (span, seconds) for span, seconds in zip(harmony.chords, self.seconds, strict=True) if span.quality
        ]
        pairs = zip(harmony.chords[:-1], harmony.chords[1:], strict=True)
        self.moves = [(a, b) for a, b in pairs if a.quality and b.quality]

    def degree(self, span: Span) -> int:
        """Semitones from the tonic up to the root."""
        return ((span.root or 0) - self.harmony.tonic) % 12

    def share(self, *qualities: str) -> float:
        """Of all the time, that of chords of these qualities."""
        return float(sum(seconds for span, seconds in self.named if span.quality in qualities)) / self.total_s


def _degrees(stats: _ChordStatistics) -> Floats:
    """Share of the time of each degree (12) by third: major or suspended, minor, and diminished or augmented."""
    found = np.zeros((len(_FAMILIES), 12))
    for row, family in zip(found, _FAMILIES.values(), strict=True):
        for span, seconds in stats.named:
            row[stats.degree(span)] += seconds * (span.quality in family)
    return found.ravel() / stats.total_s


def _kinds(stats: _ChordStatistics) -> Floats:
    """Share of the time of each quality, and of no chord."""
    shares = [stats.share(quality) for quality in QUALITIES]
    return np.array([*shares, 1 - sum(shares) if len(stats.seconds) else 0.0])


def _pace(stats: _ChordStatistics) -> Floats:
    named = [seconds for _, seconds in stats.named] or [0.0]
    different = len({(span.root, span.quality) for span, _ in stats.named})
    return np.array([len(stats.moves) / stats.total_s, np.log1p(np.mean(named)), np.log1p(different)])


def _tonality(stats: _ChordStatistics) -> Floats:
    """Mode and key: evidence for major, 1 or 0 for major, how clear the key is; minor over major chords; dissonance."""
    found = stats.harmony
    minor, major = (stats.share(*_FAMILIES[family]) for family in ("minor", "major"))
    mode = float(found.mode == "major") if stats.named else 0.0
    return np.array([found.mode_evidence, mode, found.key_confidence, minor - major, *found.dissonance])


def _motion(stats: _ChordStatistics) -> Floats:
    """Of the moves between chords: shares by the interval of the root, and of named cadences."""
    if not stats.moves:
        return np.zeros(len(_ROOT_MOTIONS) + len(_CADENCES))
    steps = [((b.root or 0) - (a.root or 0)) % 12 for a, b in stats.moves]
    motions = [np.isin(steps, motion).mean() for motion in _ROOT_MOTIONS.values()]
    degrees = [(stats.degree(a), stats.degree(b)) for a, b in stats.moves]
    return np.array([*motions, *(np.mean([pair == cadence for pair in degrees]) for cadence in _CADENCES.values())])


def _scale(stats: _ChordStatistics) -> Floats:
    """Shares of the pitch classes from the tonic up."""
    return np.roll(stats.harmony.profile, -stats.harmony.tonic)


_FAMILIES = MappingProxyType({
    "major": ("maj", "7", "maj7", "sus4"),
    "minor": ("min", "min7"),
    "altered": ("dim", "aug"),
})  # fmt: skip
_ROOT_MOTIONS = MappingProxyType({
    "same root": (0,),
    "fifth down": (5,),
    "fifth up": (7,),
    "third down": (8, 9),
    "third up": (3, 4),
    "step down": (10, 11),
    "step up": (1, 2),
    "tritone": (6,),
})  # fmt: skip
_CADENCES = MappingProxyType({"V-I": (7, 0), "IV-I": (5, 0), "V-vi": (7, 9), "VII-I": (10, 0), "V-VI": (7, 8)})
_DEGREES = tuple(f"{family} on {degree}" for family in _FAMILIES for degree in range(12))
_MEASURES = MappingProxyType({
    _degrees: _DEGREES,
    _kinds: (*(f"share of {quality}" for quality in QUALITIES), "share of no chord"),
    _pace: ("changes a second", "log seconds a chord", "log different chords"),
    _tonality: ("major - minor", "major key", "key confidence", "minor - major chords", "dissonance", "dissonance sd"),
    _motion: (*_ROOT_MOTIONS, *_CADENCES),
    _scale: tuple(f"pitch class {degree}" for degree in range(12)),
})  # fmt: skip
NAMES = tuple(name for names in _MEASURES.values() for name in names)
