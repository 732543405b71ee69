"""MusPy's measures of pieces: what the product composes, what it plays to real chords, and what chords alone would be.

MuVi-Sync's chords are those of published songs, one a second. They go through the same arranger, in a form of the same
style, with the songs' own density and loudness; composed beside them is a piece for the same video. The plain row has
each second's chord struck as a block in root position from the octave of middle C.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from emotion.errors import DataError
from emotion.evaluate import report
from video2music import arrange, form, pipeline, styles
from video2music.chords import Chord
from video2music.composition import Composition
from video2music.data.muvi_sync import Song, load_split
from video2music.draft import score_of
from video2music.evaluate import muspy_measures
from video2music.evaluate.figures import Row
from video2music.evaluate.guidance import seen_of
from video2music.options import Options
from video2music.values import Dynamics, Form, Key, Note, Section, Track

SONGS = 20  # of the test split's that have enough chords, evenly spread over them
WITH_CHORDS = 0.75  # share of a song's first seconds: what has no chord has no pitch as a block, and a bass for us
SHORTEST_S, LONGEST_S = 5, 60  # a shorter piece has hardly two bars to compare
STYLE = "piano"
BLOCK_VELOCITY = 80
BLOCK_BEATS = 4  # seconds, and chords, in a bar of blocks
MIDDLE_C = 60


class Piece(NamedTuple):
    """What sounds, and the grid that its measures are counted on."""

    tracks: Sequence[Track]
    form: Form


def composed(composition: Composition) -> Piece:
    """A composition as it is played."""
    return Piece(score_of(composition).tracks, composition.form)


def blocks(chords: Iterable[Chord]) -> Piece:
    """A chord a second, each struck once in root position; nothing sounds where there is none."""
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
    return Piece((Track("piano", 0, tuple(notes)),), grid)


def by_second(composition: Composition) -> list[Chord]:
    """The chord at the middle of each second, in the sounding key."""
    steps = np.searchsorted(composition.form.steps_s, np.arange(int(composition.form.end_s)) + 0.5) - 1
    chords = composition.sounding
    return [chords[max(step, 0)].transpose(composition.key.shift) for step in steps.tolist()]


def arranged(song: Song, seconds: int, rng: np.random.Generator) -> Piece:
    """The first seconds of a song's own chords, with its own density and loudness, as our arranger plays them."""
    style = styles.load_style(STYLE)
    grid = form.plan(float(seconds), (), arousal=0.0, style=style)
    rows = np.minimum((grid.steps_s + grid.step_ends_s) // 2, seconds - 1).astype(int)
    dynamics = Dynamics(song.density[rows], song.loudness[rows])
    chords = [Chord.from_id(int(number)) for number in song.chords[rows]]
    key = Key(9, "minor") if song.minor else Key(0, "major")
    return Piece(arrange.arrange(chords, dynamics, grid, style, key=key, rng=rng).tracks, grid)


def for_video(song: Song, seconds: int, seed: int) -> Piece:
    """What the product composes for the first seconds of a song's video."""
    options = Options(style=STYLE, candidates=1, seed=seed)
    return composed(pipeline.write(seen_of(song, 0, seconds), options).composition)


SYSTEMS: Mapping[str, Callable[[Song, int, int], Piece]] = MappingProxyType({
    "composed for MuVi-Sync's videos": for_video,
    "MuVi-Sync's chords, our arranger": lambda song, seconds, seed: arranged(
        song, seconds, np.random.default_rng(seed)
    ),
    "MuVi-Sync's chords, a block a second": lambda song, seconds, _: blocks(
        Chord.from_id(int(number)) for number in song.chords[:seconds]
    ),
})  # fmt: skip


def rows_of_songs(folder: Path, *, seeds: int, songs: int = SONGS) -> Iterator[tuple[str, Row]]:
    """A row for each of SYSTEMS over songs of MuVi-Sync's test split. Raises DataError."""
    every = [song for song in load_split(folder, "test") if (song.chords[:LONGEST_S] > 0).mean() >= WITH_CHORDS]
    if not every:
        raise DataError(f"no song at {folder} has chords for most of its first {LONGEST_S} s: give all of MuVi-Sync")
    chosen = [every[place] for place in np.unique(np.linspace(0, len(every) - 1, songs).round().astype(int))]
    for name, system in SYSTEMS.items():
        runs = [[system(song, min(len(song), LONGEST_S), seed) for song in chosen] for seed in range(seeds)]
        yield name, _row(runs)


def rows_of_clips(compositions: Sequence[Sequence[Composition]]) -> Iterator[tuple[str, Row]]:
    """A row for compositions, a list a seed in one order, and one for their chords as blocks; not of short ones."""
    compositions = [[each for each in seed if each.form.duration_s >= SHORTEST_S] for seed in compositions]
    if not any(compositions):
        return
    yield "composed for the clips", _row([[composed(each) for each in seed] for seed in compositions])
    yield (
        "the same chords, a block a second",
        _row([[blocks(by_second(each)) for each in seed] for seed in compositions]),
    )


def _row(runs: Sequence[Sequence[Piece]]) -> Row:
    measured = [report.by_metric([muspy_measures.of_tracks(*piece) for piece in pieces]) for pieces in runs]
    return report.summaries(measured)
