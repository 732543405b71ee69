"""Symbolic descriptors of a piece, named as in music theory: density, register, dynamics, articulation, mode, harmony.

The cues are those that experiments found to carry emotion (Gabrielsson and Lindström, "The role of structure in the
musical expression of emotions", in: Handbook of Music and Emotion, 2010); the key profiles are those of C. Krumhansl,
Cognitive Foundations of Musical Pitch (1990), p. 30.
"""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.midi.notes import Notes

Floats = NDArray[np.float64]

MAJOR_PROFILE = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR_PROFILE = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
_MAJOR, _MINOR = (np.array(profile) for profile in (MAJOR_PROFILE, MINOR_PROFILE))

TIE = 1e-9  # correlations that are nearer are equal but for rounding
SHORT_GAPS_S = (0.15, 0.3, 0.6)
CHORD_S = 0.035  # onsets within this time are one chord
CHROMA_S, CLEAR = 0.5, 0.5  # harmony is sampled this often; a triad is clear above this correlation
SOUNDING_AT_S = 0.25  # how often polyphony and harmony are sampled


def describe(notes: Notes) -> NDArray[np.float32]:
    """The descriptors (D,) of a piece in the order of NAMES; drums count as rhythm only. No notes: all zero."""
    if not len(notes):
        return np.zeros(len(NAMES), np.float32)
    piece = _Piece(notes)
    rows = [measure(piece) for measure in _MEASURES]
    return np.nan_to_num(np.concatenate(rows)).astype(np.float32)


def key_correlations(pitch_classes: NDArray[Any]) -> tuple[int, Floats, Floats]:
    """Tonic, and the profile correlations (12,) with each major and each minor key, of pitch-class weights (12,)."""
    turned = np.stack([np.roll(pitch_classes, -tonic) for tonic in range(12)])
    major, minor = (_correlation(turned, profile) for profile in (_MAJOR, _MINOR))
    tonic = int(np.argmax(np.maximum(major, minor)))
    return tonic, major, minor


def _correlation(rows: Floats, profile: Floats) -> Floats:
    centred = rows - rows.mean(1, keepdims=True)
    ideal = profile - profile.mean()
    scale = np.sqrt((centred**2).sum(1) * (ideal**2).sum())
    correlation: Floats = np.divide(centred @ ideal, scale, out=np.zeros(len(rows)), where=scale > 0)
    return correlation


class _Piece:
    """What several measures need, computed once."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.seconds = max(float(notes.end_s.max() - notes.start_s[0]), 1.0)
        self.onsets_s = notes.start_s[np.append(True, np.diff(notes.start_s) > CHORD_S)]
        self.gaps_s = np.clip(np.diff(self.onsets_s), 0, 4)
        pitched = ~notes.drums if not notes.drums.all() else np.zeros(len(notes), bool)
        self.pitch = notes.pitch[pitched].astype(float)
        self.length_s = np.clip(notes.end_s - notes.start_s, 0.01, 8)[pitched]
        self.start_s, self.end_s = notes.start_s[pitched], notes.end_s[pitched]
        self.velocity = notes.velocity.astype(float)
        self.classes = np.bincount(self.pitch.astype(int) % 12, self.length_s, 12)
        self.tonic, self.major, self.minor = key_correlations(self.classes)
        at_s = np.arange(self.notes.start_s[0], self.notes.end_s.max(), SOUNDING_AT_S)
        self.sounding = (self.start_s[:, None] <= at_s) & (self.end_s[:, None] > at_s)
        self.top, self.bass = self._line(np.argmax), self._line(np.argmin)

    def _line(self, choose: Callable[..., Any]) -> Floats:
        """Highest or lowest pitch at each strike."""
        if not len(self.pitch):
            return np.zeros(1)
        strike = np.cumsum(np.append(True, np.diff(self.start_s) > CHORD_S)) - 1
        groups = np.split(self.pitch, np.flatnonzero(np.diff(strike)) + 1)
        return np.array([group[choose(group)] for group in groups])


def _spread(values: Floats, *points: float) -> Floats:
    """Mean, standard deviation and quantiles."""
    if not len(values):
        return np.zeros(2 + len(points))
    return np.array([values.mean(), values.std(), *np.quantile(values, points)])


def _events(piece: _Piece) -> Floats:
    per_s = np.array([len(piece.notes), len(piece.onsets_s)]) / piece.seconds
    seconds = np.bincount(np.maximum(piece.notes.start_s - piece.notes.start_s[0], 0).astype(int))
    return np.array(
        [*np.log(per_s), per_s[0] / per_s[1], seconds.std() / max(seconds.mean(), 1e-9), np.log(seconds.max())]
    )


def _rhythm(piece: _Piece) -> Floats:
    if not len(piece.gaps_s):
        return np.zeros(7)
    log = np.log(np.maximum(piece.gaps_s, 0.03))
    short = [(piece.gaps_s < limit).mean() for limit in SHORT_GAPS_S]
    return np.array([log.mean(), log.std(), np.median(log), *short, np.abs(np.diff(log)).mean() if len(log) > 1 else 0])


def _pulse(piece: _Piece) -> Floats:
    """How strongly the strikes repeat at the best lag between .25 and 1.5 s, that lag, and the mean over all lags."""
    train = np.bincount((np.maximum(piece.notes.start_s - piece.notes.start_s[0], 0) / 0.05).astype(int)).astype(float)
    train = np.minimum(train, 4)
    train -= train.mean()
    size = 1 << (2 * len(train)).bit_length()
    auto = np.fft.irfft(np.abs(np.fft.rfft(train, size)) ** 2)[:31]
    if len(train) < 31 or auto[0] <= 0:
        return np.zeros(3)
    strength = auto[5:31] / auto[0]
    lag = int(np.argmax(strength))
    return np.array([strength[lag], np.log(0.05 * (lag + 5)), strength.mean()])


def _dynamics(piece: _Piece) -> Floats:
    velocity = piece.velocity
    steps = np.abs(np.diff(velocity)).mean() if len(velocity) > 1 else 0.0
    return np.append(_spread(velocity, 0.1, 0.9), steps)


def _articulation(piece: _Piece) -> Floats:
    log = np.log(piece.length_s)
    held = piece.notes.pedal_s
    down = (held[:, 1] - held[:, 0]).sum() / piece.seconds if len(held) else 0.0
    filled = piece.length_s.sum() / piece.seconds
    return np.array(
        [*_spread(log, 0.1, 0.5, 0.9), min(down, 1.0), np.log(len(held) / piece.seconds + 0.01), np.log(filled + 0.01)]
    )


def _register(piece: _Piece) -> Floats:
    bands = [
        ((piece.pitch >= low) & (piece.pitch < low + 12)).mean() if len(piece.pitch) else 0
        for low in (24, 36, 48, 60, 72, 84)
    ]
    return np.array([*_spread(piece.pitch, 0.05, 0.5, 0.95), *_spread(piece.top), *_spread(piece.bass), *bands])


def _polyphony(piece: _Piece) -> Floats:
    together = piece.sounding.sum(0)
    return np.array([together.mean(), together.std(), (together == 0).mean()])


def _mode(piece: _Piece) -> Floats:
    best_major, best_minor = piece.major.max(), piece.minor.max()
    parallel = piece.major[piece.tonic] - piece.minor[piece.tonic]
    return np.array([best_major, best_minor, best_major - best_minor, parallel])


def _scale(piece: _Piece) -> Floats:
    """Weights of the pitch classes from the tonic up, and their entropy."""
    weights = np.roll(piece.classes, -piece.tonic) / max(piece.classes.sum(), 1e-9)
    return np.append(weights, -(weights * np.log(weights + 1e-9)).sum())


def _mode_over_time(piece: _Piece) -> Floats:
    """Mode of segments of 8 s: mean and spread of major minus minor, and how often the tonic changes."""
    found, edges = [], np.arange(0, piece.seconds, 8.0)
    for edge in edges:
        inside = (piece.start_s - piece.notes.start_s[0] >= edge) & (piece.start_s - piece.notes.start_s[0] < edge + 8)
        if inside.sum() > 4:
            tonic, major, minor = key_correlations(
                np.bincount(piece.pitch[inside].astype(int) % 12, piece.length_s[inside], 12)
            )
            found.append((major.max() - minor.max(), tonic, max(major.max(), minor.max())))
    if not found:
        return np.zeros(4)
    difference, tonics, clear = np.array(found).T
    moves = (np.diff(tonics) != 0).mean() if len(tonics) > 1 else 0.0
    return np.array([difference.mean(), difference.std(), moves, clear.mean()])


def _intervals(piece: _Piece) -> Floats:
    """Of the upper line: size, direction, shares of repeats, steps, thirds and leaps; then those of the bass."""
    out = []
    for line in (piece.top, piece.bass):
        moves = np.diff(line)
        if not len(moves):
            out += [0.0] * 6
            continue
        size = np.abs(moves)
        shares = [((size >= low) & (size <= high)).mean() for low, high in ((0, 0), (1, 2), (3, 4), (5, 11))]
        out += [size.mean(), moves.mean(), *shares]
    return np.array(out)


def _harmony(piece: _Piece) -> Floats:
    """Shares of simultaneous intervals by their class 1..6 (minor second .. tritone), and of triads by kind."""
    columns = piece.sounding[:, :: max(1, piece.sounding.shape[1] // 400)]
    present = (np.eye(12)[:, piece.pitch.astype(int) % 12] @ columns) > 0
    pairs = np.array([(present & np.roll(present, -step, axis=0)).sum() for step in range(1, 7)], float)
    pairs[5] /= 2
    kinds = []
    for third, fifth in ((4, 7), (3, 7), (3, 6), (4, 8), (5, 7)):
        kinds.append(
            (present & np.roll(present, -third, 0) & np.roll(present, -fifth, 0)).any(0).mean() if present.size else 0
        )
    return np.array([*(pairs / max(pairs.sum(), 1)), *kinds, present.sum(0).mean()])


def _triads(piece: _Piece) -> Floats:
    """Of half seconds: major over minor likeness, share of the clearly major, of clear triads, how often they change.

    Then how the scale colours the key: weights of the major over the minor third, sixth and seventh.
    """
    scale = np.roll(piece.classes, -piece.tonic) / max(piece.classes.sum(), 1e-9)
    colours = [np.log((scale[high] + 0.01) / (scale[high - 1] + 0.01)) for high in (4, 9, 11)]
    likeness = _likeness(_chroma(piece))
    clear = likeness.max(1) > CLEAR
    major, minor = likeness[:, :12].max(1), likeness[:, 12:].max(1)
    if not clear.any():
        return np.array([0.0, 0.5, 0.0, 0.0, *colours])
    names = likeness.argmax(1)[clear]
    changes = (np.diff(names) != 0).mean() if len(names) > 1 else 0.0
    return np.array([(major - minor).mean(), (major > minor + TIE)[clear].mean(), clear.mean(), changes, *colours])


def _chroma(piece: _Piece) -> Floats:
    """(B, 12): how many notes of each pitch class sound in each half second; long notes count for 1.5 s."""
    first = ((piece.start_s - piece.notes.start_s[0]) / CHROMA_S).astype(int)
    last = np.minimum(((piece.end_s - piece.notes.start_s[0]) / CHROMA_S).astype(int), first + 3)
    chroma = np.zeros((int(last.max(initial=0)) + 1, 12))
    for later in range(4):
        sounding = first + later <= last
        np.add.at(chroma, ((first + later)[sounding], piece.pitch[sounding].astype(int) % 12), 1)
    return chroma


def _likeness(chroma: Floats) -> Floats:
    """(B, 24): correlation of each row with the 12 major and the 12 minor triads."""
    triads = np.stack([np.roll(np.isin(range(12), (0, third, 7)), root) for third in (4, 3) for root in range(12)])
    rows, ideal = (part - part.mean(1, keepdims=True) for part in (chroma, triads.astype(float)))
    scale = np.linalg.norm(rows, axis=1, keepdims=True) * np.linalg.norm(ideal, axis=1)
    likeness: Floats = np.divide(rows @ ideal.T, scale, out=np.zeros_like(scale), where=scale > 0)
    return likeness


def _numbered(name: str, count: int) -> tuple[str, ...]:
    return tuple(f"{name} {number}" for number in range(count))


def _shape(name: str, *points: str) -> tuple[str, ...]:
    return tuple(f"{name} {point}" for point in ("mean", "sd", *points))


_LINE = ("size", "direction", "repeats", "steps", "thirds", "leaps")
_MEASURES = MappingProxyType(
    {
        _events: ("log notes a second", "log strikes a second", "notes a strike", "unevenness", "log most in a second"),
        _rhythm: (
            "log gap mean",
            "log gap sd",
            "log gap median",
            *(f"gaps below {limit} s" for limit in SHORT_GAPS_S),
            "log gap change",
        ),
        _pulse: ("pulse strength", "log pulse period", "pulse mean"),
        _dynamics: (*_shape("velocity", "low", "high"), "velocity change"),
        _articulation: (
            *_shape("log length", "low", "median", "high"),
            "pedal down",
            "log pedals a second",
            "log keys down",
        ),
        _register: (
            *_shape("pitch", "low", "median", "high"),
            *_shape("top"),
            *_shape("bass"),
            *_numbered("octave", 6),
        ),
        _polyphony: ("keys down", "keys down sd", "silence"),
        _mode: ("major", "minor", "major - minor", "major - minor of the tonic"),
        _scale: (*_numbered("degree", 12), "degrees' entropy"),
        _mode_over_time: ("major - minor of 8 s", "its sd", "moves of the tonic", "clearness of the key"),
        _intervals: tuple(f"{line} {what}" for line in ("top", "bass") for what in _LINE),
        _harmony: (
            *_numbered("interval class", 6),
            "major triads",
            "minor triads",
            "diminished triads",
            "augmented triads",
            "suspended triads",
            "pitch classes at once",
        ),
        _triads: (
            "major - minor likeness",
            "major of clear",
            "clear triads",
            "changes of triad",
            "third",
            "sixth",
            "seventh",
        ),
    }
)
NAMES = tuple(name for names in _MEASURES.values() for name in names)
