"""MusPy's metrics of what the product composes, of what it plays to real chords, and of chords alone.

Pitch-class entropy, scale consistency and groove consistency are computed exactly as MusPy 0.5 defines them
(https://muspy.readthedocs.io/en/stable/metrics.html; Dong, Chen, McAuley, Berg-Kirkpatrick, "MusPy: A Toolkit for
Symbolic Music Generation", ISMIR 2020), after S.-L. Wu and Y.-H. Yang, "The Jazz Transformer on the Front Line", ISMIR
2020, and O. Mogren, "C-RNN-GAN", 2016. Drums have no pitch and count for the groove. Time is counted in whole steps;
MusPy takes every measure to have the same number of them, so that a shorter bar is padded with steps without an onset.

MuVi-Sync's chords are those of published songs, one a second. They go through the same arranger, in a form of the same
style, with the songs' own density and loudness; beside them is a composition for the same video. In the row of blocks
each second's chord is a block in root position from middle C up.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion import report
from emotion.errors import DataError
from video2music import pipeline, styles
from video2music.arranging import arrange
from video2music.chords import Chord
from video2music.composing import form
from video2music.composing.composition import Composition
from video2music.composing.draft import arrange_score
from video2music.data.muvi_sync import Song, load_split
from video2music.evaluate.music.guidance import features_of
from video2music.evaluate.tables import Summaries
from video2music.options import Options
from video2music.values import Dynamics, Form, Key, Note, Section, Track

STEPS_PER_BEAT = 24  # MusPy's own resolution
SIXTEENTHS = 4  # steps a beat of the second groove metric: on MusPy's fine grid nearly every step is empty

_MAJOR, _MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)

Steps = NDArray[np.int64]


def muspy_metrics(tracks: Sequence[Track], form: Form) -> dict[str, float]:
    """All three metrics of a piece, the groove on MusPy's grid and on sixteenths; NaN where one has no value."""
    pitches = np.array([note.pitch for track in tracks if not track.drums for note in track.notes], int)
    starts_s, ends_s = np.array([(n.start_s, n.end_s) for track in tracks for n in track.notes]).reshape(-1, 2).T
    found = {"pitch_class_entropy": pitch_class_entropy(pitches), "scale_consistency": scale_consistency(pitches)}
    for name, per_beat in (("groove_consistency", STEPS_PER_BEAT), ("groove_on_sixteenths", SIXTEENTHS)):
        measure = int(np.bincount(form.bar_beats).argmax()) * per_beat
        onsets, ends = (steps(times_s, form, measure, per_beat) for times_s in (starts_s, ends_s))
        found[name] = groove_consistency(onsets, ends, measure)
    return found


def pitch_class_entropy(pitches: NDArray[np.integer]) -> float:
    """Shannon entropy in bits of the pitch classes of notes (n,), 0 to 3.58."""
    if not len(pitches):
        return float("nan")
    share = np.bincount(pitches % 12, minlength=12) / len(pitches)
    some = share[share > 0]
    return float(-(some * np.log2(some)).sum())


def scale_consistency(pitches: NDArray[np.integer]) -> float:
    """The largest share of notes (n,) that any of the 24 major and natural minor scales holds."""
    if not len(pitches):
        return float("nan")
    count = np.bincount(pitches % 12, minlength=12)
    held = [count[(np.array(scale) + root) % 12].sum() for scale in (_MAJOR, _MINOR) for root in range(12)]
    return float(max(held) / len(pitches))


def groove_consistency(onsets: Steps, ends: Steps, measure: int) -> float:
    """1 less the mean share of a measure's steps at which it and the next differ in whether a note begins.

    `measure` is a measure's length in steps; the last is the one in which, or at whose beginning, the last note ends.
    """
    if not len(onsets) or (count := int(ends.max()) // measure + 1) < 2:
        return float("nan")
    onset_grid = np.zeros((count, measure), bool)
    onset_grid.flat[onsets] = True
    return float(1 - (onset_grid[1:] != onset_grid[:-1]).mean())


def steps(times_s: NDArray[np.floating], form: Form, measure: int, per_beat: int) -> Steps:
    """The step (n,) nearest to each time, each bar of the form starting at a multiple of `measure`, a pickup before."""
    last_s = form.beats_s[-1] - form.beats_s[-2] if len(form.beats_s) > 1 else form.end_s
    beats_s = np.append(form.beats_s, form.beats_s[-1] + last_s)
    place = np.rint(_beat_at(np.asarray(times_s, float), beats_s) * per_beat).astype(int)
    heads = np.searchsorted(form.beats_s, form.bars_s - 1e-6) * per_beat
    bar = np.searchsorted(heads, place, "right") - 1
    pickup = 1 if heads[0] else 0
    result: Steps = np.where(bar < 0, measure + place - heads[0], (bar + pickup) * measure + place - heads[bar])
    return result


def _beat_at(times_s: NDArray[np.float64], beats_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Beats since the first one; beyond the last the tempo stays."""
    inside = np.interp(times_s, beats_s, np.arange(len(beats_s)))
    result: NDArray[np.float64] = inside + np.maximum(times_s - beats_s[-1], 0) / (beats_s[-1] - beats_s[-2])
    return result


SONGS = 20  # of the test split's that have enough chords, evenly spread over them
MIN_CHORD_SHARE = 0.75  # share of a song's first seconds: N is silent as a block but has a bass in our arrangement
SHORTEST_S, LONGEST_S = 5, 60  # a shorter piece has hardly two bars to compare
STYLE = "piano"
BLOCK_VELOCITY = 80
BLOCK_BEATS = 4  # seconds, and chords, in a bar of blocks
MIDDLE_C = 60


class NotesOnGrid(NamedTuple):
    """Tracks of notes, and the form whose bars are their measures."""

    tracks: Sequence[Track]
    form: Form


def composed(composition: Composition) -> NotesOnGrid:
    """The notes of a composition."""
    return NotesOnGrid(arrange_score(composition).tracks, composition.form)


def blocks(chords: Iterable[Chord]) -> NotesOnGrid:
    """One chord a second as a block in root position; silence for N."""
    chords = list(chords)
    notes = [
        Note(float(second), second + 1.0, MIDDLE_C + chord.root + (tone - chord.root) % 12, BLOCK_VELOCITY)
        for second, chord in enumerate(chords)
        if chord.root is not None
        for tone in chord.pitch_classes
    ]
    length_s, seconds = float(len(chords)), np.arange(float(len(chords)))
    sections = (Section(0.0, length_s, 60.0),)
    grid = Form(length_s, length_s, seconds, seconds[::BLOCK_BEATS], seconds, sections)
    return NotesOnGrid((Track("piano", 0, tuple(notes)),), grid)


def chords_by_second(composition: Composition) -> list[Chord]:
    """The chord at the middle of each second, in the sounding key."""
    steps = np.searchsorted(composition.form.steps_s, np.arange(int(composition.form.end_s)) + 0.5) - 1
    chords = composition.final_chords
    return [chords[max(step, 0)].transpose(composition.key.shift) for step in steps.tolist()]


def arranged(song: Song, seconds: int, rng: np.random.Generator) -> NotesOnGrid:
    """The first seconds of a song's own chords, density and loudness through our arranger."""
    style = styles.load_style(STYLE)
    grid = form.plan(float(seconds), (), arousal=0.0, style=style)
    rows = np.minimum((grid.steps_s + grid.step_ends_s) // 2, seconds - 1).astype(int)
    dynamics = Dynamics(song.density[rows], song.loudness[rows])
    chords = [Chord.from_id(int(number)) for number in song.chords[rows]]
    key = Key(9, "minor") if song.minor else Key(0, "major")
    return NotesOnGrid(arrange.arrange(chords, dynamics, grid, style, key=key, rng=rng).tracks, grid)


def for_video(song: Song, seconds: int, seed: int) -> NotesOnGrid:
    """What the product composes for the first seconds of a song's video."""
    options = Options(style=STYLE, candidates=1, seed=seed)
    return composed(pipeline.compose_piece(features_of(song, 0, seconds), options).composition)


SYSTEMS: Mapping[str, Callable[[Song, int, int], NotesOnGrid]] = MappingProxyType({
    "composed for MuVi-Sync's videos": for_video,
    "MuVi-Sync's chords, our arranger": lambda song, seconds, seed: arranged(
        song, seconds, np.random.default_rng(seed)
    ),
    "MuVi-Sync's chords, a block a second": lambda song, seconds, _: blocks(
        Chord.from_id(int(number)) for number in song.chords[:seconds]
    ),
})  # fmt: skip


def song_rows(folder: Path, *, seeds: int, songs: int = SONGS) -> Iterator[tuple[str, Summaries]]:
    """A row for each of SYSTEMS over songs of MuVi-Sync's test split. Raises DataError."""
    every = [song for song in load_split(folder, "test") if (song.chords[:LONGEST_S] > 0).mean() >= MIN_CHORD_SHARE]
    if not every:
        raise DataError(f"no song at {folder} has chords for most of its first {LONGEST_S} s: give all of MuVi-Sync")
    chosen = [every[place] for place in np.unique(np.linspace(0, len(every) - 1, songs).round().astype(int))]
    for name, system in SYSTEMS.items():
        runs = [[system(song, min(len(song), LONGEST_S), seed) for song in chosen] for seed in range(seeds)]
        yield name, _summaries(runs)


def composition_rows(compositions: Sequence[Sequence[Composition]]) -> Iterator[tuple[str, Summaries]]:
    """A row for compositions, a list for each seed in one order, and one for their chords as blocks.

    Pieces shorter than SHORTEST_S are left out.
    """
    compositions = [[each for each in seed if each.form.duration_s >= SHORTEST_S] for seed in compositions]
    if not any(compositions):
        return
    yield "composed for the clips", _summaries([[composed(each) for each in seed] for seed in compositions])
    yield (
        "the same chords, a block a second",
        _summaries([[blocks(chords_by_second(each)) for each in seed] for seed in compositions]),
    )


def _summaries(runs: Sequence[Sequence[NotesOnGrid]]) -> Summaries:
    measured = [report.by_metric([muspy_metrics(*piece) for piece in pieces]) for pieces in runs]
    return report.summaries(measured)
