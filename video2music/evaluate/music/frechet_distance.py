"""Fréchet distance between accompaniments: our arranger beside POP909's pianists, same chords, same bars.

A bar of four beats has 19 features (`FEATURES`), z-scored on the human bars of one half of the songs. The distance
between two sets of bars is Fréchet's, between the Gaussians fitted to them. It compares statistics of bars and does not
say whether they sound well, so look at scores and listen, too. `train.accompaniment` learns from the other half.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError
from video2music.arranging.arrange import arrange
from video2music.chords import Chord
from video2music.data import pop909
from video2music.data.pop909 import PianoSong
from video2music.styles import Style, load_style
from video2music.values import Dynamics, Form, Key, Note, Score, Section

Matrix = NDArray[np.float64]

FEATURES = (
    "notes",
    "positions struck, of 16",
    "notes per struck position",
    "lowest pitch",
    "highest pitch",
    "mean pitch",
    "sd of pitch",
    "mean length in beats",
    "sd of length",
    "mean velocity",
    "sd of velocity",
    "struck positions shared with the bar before, of those of either",
    "mean distance from the grid of sixteenths, in sixteenths",
    "notes on the downbeat",
    "notes on the third beat",
    "notes on the second and fourth beat",
    "notes on the off eighths",
    "notes on odd sixteenths",
    "pitch classes",
)
BAR_BEATS, BEAT_POSITIONS = 4, 4
POSITIONS = BAR_BEATS * BEAT_POSITIONS
SPLIT_SEED = 909  # of the two halves of POP909
BASELINE_VELOCITY = 80  # of the two baselines
SECTION_BARS = 16  # as form.plan divides a long piece


class ValueRange(NamedTuple):
    """Distribution of a value: mean, standard deviations between songs and between sections, and limits."""

    mean: float
    songs: float
    sections: float
    low: float
    high: float


# What the shipped regressor gives on MuVi-Sync's test split: mean and spread of the histograms on its card.
DENSITY = ValueRange(10.1, 1.3, 1.8, 2.0, 20.0)
LOUDNESS = ValueRange(0.173, 0.04, 0.04, 0.03, 0.4)


class NoteArrays(Protocol):
    """Notes as arrays (N,): emotion.midi.notes.Notes is one."""

    @property
    def start_s(self) -> NDArray[np.float64]: ...
    @property
    def end_s(self) -> NDArray[np.float64]: ...
    @property
    def pitch(self) -> NDArray[np.int64]: ...
    @property
    def velocity(self) -> NDArray[np.int64]: ...


@dataclass(frozen=True, eq=False)
class ScoreNotes:
    """Notes of a score as arrays (N,)."""

    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    pitch: NDArray[np.int64]
    velocity: NDArray[np.int64]

    @classmethod
    def of(cls, notes: Iterable[Note]) -> "ScoreNotes":
        rows = sorted(notes)
        return cls(
            np.array([note.start_s for note in rows]),
            np.array([note.end_s for note in rows]),
            np.array([note.pitch for note in rows], np.int64),
            np.array([note.velocity for note in rows], np.int64),
        )


def is_measured(name: str) -> bool:
    """Whether a song, by its number, is in the half that is measured; only the other half may be trained on."""
    return bool(np.random.default_rng(SPLIT_SEED).permutation(1000)[int(name) % 1000] % 2)


def whole_bar_features(song: PianoSong) -> NDArray[np.int64]:
    """Number of the first beat of every bar that has four beats."""
    downbeats = np.flatnonzero(song.downbeat)
    result: NDArray[np.int64] = downbeats[:-1][np.diff(downbeats) == BAR_BEATS]
    return result


def features(notes: NoteArrays, beats_s: NDArray[np.float64], bars: NDArray[np.int64]) -> Matrix:
    """FEATURES of every bar in which something is onsets, shape (B, 19).

    `bars` are the numbers of the beats in `beats_s` on which bars of four beats begin. A note belongs to the sixteenth
    that it is nearest to, so one that comes a little early belongs to the bar that it leads into.
    """
    inside = (notes.start_s >= beats_s[0] - 0.1) & (notes.start_s < beats_s[-1])
    start_s, end_s, pitch, velocity = (
        column[inside] for column in (notes.start_s, notes.end_s, notes.pitch, notes.velocity)
    )
    place = in_beats(start_s, beats_s) * BEAT_POSITIONS
    length = in_beats(end_s, beats_s) - place / BEAT_POSITIONS
    nearest = np.rint(place).astype(int)
    onsets = np.zeros((len(beats_s) + BAR_BEATS) * BEAT_POSITIONS, bool)
    onsets[nearest.clip(0)] = True
    columns = np.stack([nearest, pitch, length, velocity, np.abs(place - nearest)], axis=1)
    columns = columns[np.argsort(nearest, kind="stable")]
    edges = np.searchsorted(columns[:, 0], (bars[:, None] + [0, BAR_BEATS]) * BEAT_POSITIONS)
    rows = [
        _features_of_bar(columns[first:last], int(bar) * BEAT_POSITIONS, onsets)
        for bar, (first, last) in zip(bars, edges, strict=True)
        if last > first
    ]
    return np.array(rows).reshape(-1, len(FEATURES))


def in_beats(times_s: NDArray[np.float64], beats_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Time in beats since the first; the last beat's length goes on after it."""
    last_s = beats_s[-1] - beats_s[-2]
    inside = np.interp(times_s, beats_s, np.arange(len(beats_s)))
    early_s, late_s = np.minimum(times_s - beats_s[0], 0), np.maximum(times_s - beats_s[-1], 0)
    result: NDArray[np.float64] = inside + early_s / (beats_s[1] - beats_s[0]) + late_s / last_s
    return result


def _features_of_bar(columns: Matrix, first: int, onsets: NDArray[np.bool_]) -> list[float]:
    """The features of one bar from its notes: position, pitch, length in beats, velocity, distance from the grid."""
    nearest, pitch, length, velocity, away = columns.T
    counts = np.bincount((nearest - first).astype(int), minlength=POSITIONS)
    here = onsets[first : first + POSITIONS]
    before = onsets[first - POSITIONS : first] if first >= POSITIONS else np.zeros_like(here)
    shared = (here & before).sum() / (here | before).sum()
    spread = [pitch.min(), pitch.max(), pitch.mean(), pitch.std(), length.mean(), length.std()]
    on = [counts[0], counts[8], counts[4] + counts[12], counts[2::4].sum(), counts[1::2].sum()]
    touch = [velocity.mean(), velocity.std(), shared, away.mean()]
    return [len(pitch), here.sum(), len(pitch) / here.sum(), *spread, *touch, *on, len(np.unique(pitch % 12))]


def frechet_distance(one: Matrix, other: Matrix) -> float:
    """Fréchet distance between the Gaussians that fit two sets of rows (B, D); 0 where they are alike."""
    means, spreads = [rows.mean(0) for rows in (one, other)], [np.cov(rows, rowvar=False) for rows in (one, other)]
    # trace of the root of a product that is not symmetric, by the eigenvalues of a symmetric one; small negative
    # eigenvalues are rounding
    values, vectors = np.linalg.eigh(spreads[0])
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    both = np.sqrt(np.linalg.eigvalsh(root @ spreads[1] @ root).clip(0)).sum()
    return float(((means[0] - means[1]) ** 2).sum() + np.trace(spreads[0]) + np.trace(spreads[1]) - 2 * both)


def form_of(song: PianoSong) -> Form:
    """The grid of a song from its own beats, as form.plan lays one: steps of the number of beats nearest to a second.

    A bar counts as many beats as its song has it; a step begins with every bar. The last bar holds one chord.
    """
    downbeats = np.flatnonzero(song.downbeat)
    beats_s = song.beats_s[: downbeats[-1]]
    end_s = float(song.beats_s[downbeats[-1]])
    beat_s = float(np.median(np.diff(beats_s)))
    step_beats = min((1, 2, 4), key=lambda beats: abs(beats * beat_s - 1))
    numbers = np.arange(len(beats_s))
    in_bar = numbers - downbeats[np.searchsorted(downbeats, numbers, side="right") - 1].clip(0)
    in_bar[: downbeats[0]] += downbeats[0] % step_beats
    onsets = in_bar % step_beats == 0
    onsets[0] = True
    onsets[downbeats[-2] + 1 :] = False
    bars_s = beats_s[downbeats[:-1]]
    edges_s = [*bars_s[::SECTION_BARS].tolist(), end_s]
    sections = tuple(Section(start, end, 60 / beat_s) for start, end in pairwise(edges_s))
    return Form(end_s, end_s, beats_s, bars_s, beats_s[onsets], sections)


def dynamics_of(form: Form, rng: np.random.Generator) -> Dynamics:
    """Density and loudness independent of the song: drawn for the piece and each section as MuVi-Sync's spread."""
    section = np.searchsorted([part.start_s for part in form.sections], form.steps_s, side="right").clip(1) - 1
    rows = []
    for spread in (DENSITY, LOUDNESS):
        parts = rng.normal(spread.mean, spread.songs) + rng.normal(0, spread.sections, len(form.sections))
        rows.append(parts.clip(spread.low, spread.high)[section].astype(np.float32))
    return Dynamics(*rows)


def arranged(song: PianoSong, style: Style, rng: np.random.Generator) -> Score:
    """A song's chords through our arranger, in the song's own bars and key."""
    form = form_of(song)
    chords = pop909.chords_at(song, form.steps_s, form.step_ends_s)
    return arrange(chords, dynamics_of(form, rng), form, style, key=Key(0, "major"), rng=rng)


def arpeggio(song: PianoSong) -> list[Note]:
    """Baseline: broken chords in eighths from the bass up, all with one velocity."""
    eighths_s = np.interp(np.arange(0, 2 * len(song.beats_s) - 1) / 2, np.arange(len(song.beats_s)), song.beats_s)
    chords = pop909.chords_at(song, eighths_s[:-1], eighths_s[1:])
    first = 2 * int(np.flatnonzero(song.downbeat)[0])
    return [
        Note(start_s, end_s, _open_voicing(chord)[(number - first) % 4], BASELINE_VELOCITY)
        for number, ((start_s, end_s), chord) in enumerate(zip(pairwise(eighths_s.tolist()), chords, strict=True))
        if chord.root is not None
    ]


def blocks(song: PianoSong) -> list[Note]:
    """Baseline: the chord of each step (the number of beats nearest to a second) as a block."""
    form = form_of(song)
    chords = pop909.chords_at(song, form.steps_s, form.step_ends_s)
    return [
        Note(start_s, end_s, pitch, BASELINE_VELOCITY)
        for start_s, end_s, chord in zip(form.steps_s.tolist(), form.step_ends_s.tolist(), chords, strict=True)
        if chord.root is not None
        for pitch in _open_voicing(chord)
    ]


def _open_voicing(chord: Chord) -> list[int]:
    """The root in the bass, and above it all tones within one octave, ascending."""
    bass = 40 + (chord.pitch_classes[0] - 40) % 12
    return [bass, *sorted(55 + (pitch - 55) % 12 for pitch in chord.pitch_classes)]


def distance_rows(
    folder: Path, *, songs: int = 300, style: str = "piano", seed: int = 0
) -> dict[str, dict[str, float]]:
    """`{row: {"distance": x}}` of the half of the first `songs` songs of POP909 in `folder` that is measured.

    Human bars of the measured half are what everything is z-scored on and compared with: the other half's human bars,
    what our arranger plays in `style` to the measured half's chords in the same bars, and two plain accompaniments.
    `seed` is of the arranger and its dynamics. Raises DataError and StyleError.
    """
    drawn = load_style(style)
    found = list(pop909.load_all(folder, pop909.song_names(folder)[:songs]))
    measured = [song for song in found if is_measured(song.name)]
    others = [song for song in found if not is_measured(song.name)]
    if min(len(measured), len(others)) < 2:
        raise DataError(f"{folder} has {len(found)} songs among the first {songs}: a few of either half are needed")
    performers: dict[str, Callable[[int, PianoSong], NoteArrays]] = {
        f"ours, {drawn.name}": lambda at, song: ScoreNotes.of(
            note for track in arranged(song, drawn, np.random.default_rng([seed, at])).tracks for note in track.notes
        ),
        "arpeggio in eighths": lambda _, song: ScoreNotes.of(arpeggio(song)),
        "block chord every second": lambda _, song: ScoreNotes.of(blocks(song)),
    }
    human = _bar_features(measured, lambda _, song: song.piano)
    sets = {"human, the other half": _bar_features(others, lambda _, song: song.piano)}
    sets |= {name: _bar_features(measured, performer) for name, performer in performers.items()}
    mean, spread = human.mean(0), human.std(0)
    spread[spread == 0] = 1  # of a few songs that are all alike in something
    return {
        name: {"distance": frechet_distance((bars - mean) / spread, (human - mean) / spread)}
        for name, bars in sets.items()
    }


def _bar_features(songs: Sequence[PianoSong], performer: Callable[[int, PianoSong], NoteArrays]) -> Matrix:
    """The features of all bars of four beats that `performer(number, song)` plays."""
    performed = ((song, performer(number, song)) for number, song in enumerate(songs))
    return np.concatenate([features(notes, song.beats_s, whole_bar_features(song)) for song, notes in performed])
