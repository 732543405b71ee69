"""POP909 (Wang et al. 2020): pop songs as piano arrangements by musicians, with beats and chords.

Either of two layouts, `DIR` being the folder that is given:

    DIR/NNN.mid   DIR/NNN.beats.txt       DIR/NNN.chords.txt or ../chords/pop909/NNN.txt beside DIR
    DIR/NNN/NNN.mid   DIR/NNN/beat_midi.txt   DIR/NNN/chord_midi.txt     as it was published

A line of beats is `seconds, 1 on a downbeat of two, 1 on a downbeat of four`, one of chords `start end chord`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError
from emotion.midi import notes
from emotion.midi.notes import Notes
from video2music.chords import NO_CHORD, Chord
from video2music.data.chord_lists import ChordSpan, parse_harte

TRACK = "PIANO"  # the accompaniment; MELODY and BRIDGE are the sung melody and a second one
MIN_BARS = 8  # shorter songs are left out


@dataclass(frozen=True, eq=False)
class PianoSong:
    """The piano accompaniment of one song, with its beats and chords.

    piano     the notes of the PIANO track
    beats_s   (K,) onset of every beat
    downbeat  (K,) bool: whether a bar begins there
    chords    start, end in s and chord of the song, in order, in the sounding key
    """

    name: str
    piano: Notes
    beats_s: NDArray[np.float64]
    downbeat: NDArray[np.bool_]
    chords: tuple[ChordSpan, ...]


def song_names(root: Path) -> tuple[str, ...]:
    """The numbers of the songs in the folder, in order. Raises DataError."""
    found = sorted(
        {path.stem for pattern in ("*.mid", "*/*.mid") for path in root.glob(pattern) if path.stem.isdigit()}
    )
    if not found:
        raise DataError(f"no songs of POP909 in {root}: give the folder that holds 001.mid or 001/001.mid")
    return tuple(found)


def load(root: Path, name: str) -> PianoSong:
    """One song by its number, such as `001`. Raises DataError."""
    # the flat layout first, then the published one
    midi = _first(root / f"{name}.mid", root / name / f"{name}.mid")
    beats = _beats(_first(root / f"{name}.beats.txt", root / name / "beat_midi.txt"))
    chords = _first(
        root / f"{name}.chords.txt",
        root / name / "chord_midi.txt",
        root.resolve().parent / "chords" / "pop909" / f"{name}.txt",
    )
    return PianoSong(name, _piano(midi), beats[:, 0], beats[:, -1] > 0.5, tuple(_chords(chords)))


def load_all(root: Path, names: Sequence[str]) -> Iterator[PianoSong]:
    """The songs that have MIN_BARS bars, one at a time. Raises DataError."""
    for name in names:
        song = load(root, name)
        if song.downbeat.sum() >= MIN_BARS and len(song.piano) and song.chords:
            yield song


def chords_at(song: PianoSong, starts_s: NDArray[np.float64], ends_s: NDArray[np.float64]) -> list[Chord]:
    """The chord that sounds longest within each span of time; N where none does."""
    begin, end = (np.array([span[side] for span in song.chords]) for side in (0, 1))
    shared = np.minimum(ends_s[:, None], end) - np.maximum(starts_s[:, None], begin)
    longest = shared.argmax(1)
    return [song.chords[at][2] if shared[row, at] > 0 else NO_CHORD for row, at in enumerate(longest.tolist())]


def _first(*paths: Path) -> Path:
    for path in paths:
        if path.is_file():
            return path
    raise DataError(
        f"POP909 is incomplete: {' and '.join(map(str, paths))} are missing; give its folder with all files"
    )


def _beats(path: Path) -> NDArray[np.float64]:
    try:
        rows = np.loadtxt(path, ndmin=2)
    except ValueError:
        raise DataError(f"{path} has no beats in the format of POP909: a line is `seconds 1.0 0.0`") from None
    if rows.shape[1] < 3 or (np.diff(rows[:, 0]) <= 0).any():
        raise DataError(f"{path} has no beats in the format of POP909: times must rise, with two columns of downbeats")
    return rows


def _chords(path: Path) -> Iterator[ChordSpan]:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split()
        try:
            yield float(words[0]), float(words[1]), parse_harte(words[2])
        except (ValueError, IndexError):
            raise DataError(f"{path} has the line {line!r} where `start end chord` was expected") from None


def _piano(path: Path) -> Notes:
    import symusic

    try:
        score: Any = symusic.Score.from_midi(path.read_bytes(), ttype="second")
    except (OSError, RuntimeError, ValueError):
        raise DataError(f"{path} cannot be read as a MIDI file: download POP909 again") from None
    return notes.of_tracks([track for track in score.tracks if track.name.strip() == TRACK])
