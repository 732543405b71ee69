"""Chord annotations of songs without video, for pre-training: harmony and its rhythm are similar in all pop songs.

Read from any folder, at any depth:

    *.lab, *.txt         `start end chord` in seconds and Harte's syntax: POP909, RWC, US pop (Ellis), Isophonics
    salami_chords.txt    McGill Billboard: a line a phrase, `seconds<TAB>A, verse, | C:maj | F:maj . G:maj |`
"""

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotion.affect import EMOTIONS
from emotion.errors import DataError
from video2music.chords import INTERVALS, NO_CHORD, Chord
from video2music.data.muvi_sync import MAX_SECONDS, Song

MIN_CHORDS = 20  # shorter lists are skipped: excerpts and damaged files
SALAMI = "salami_chords.txt"
_BAR = re.compile(r"\|([^|]*)(?=\|)")
_HEADING = re.compile(r"^# (artist|title): (.*)$", re.MULTILINE)
_NUMBERED = re.compile(r"\d+-(.*)")
_TIMES = re.compile(r"\bx(\d+)\b")

# The triads and seventh chords of C major, which is A minor as well.
_DIATONIC = tuple(
    Chord.parse(name)
    for name in ("C", "D:min", "E:min", "F", "G", "A:min", "B:dim", "C:maj7", "D:min7", "E:min7", "F:maj7", "G:7",
                 "A:min7", "B:hdim7")
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class ChordList:
    """Chord ids (N,) in C major or A minor, the second each starts at (N,) and where the last one ends.

    `name` is its file; artist and title are empty where they are not known.
    """

    name: str
    artist: str
    title: str
    minor: bool
    ids: NDArray[np.int64]
    starts_s: NDArray[np.float64]
    end_s: float

    def song(self, speed: float = 1.0, phase_s: float = 0.0) -> Song:
        """One row a second as MuVi-Sync has it, played `speed` times as slowly, read `phase_s` after each second.

        The video's rows are zeros: hide them.
        """
        seconds = np.arange(max(1, min(MAX_SECONDS, int(self.end_s * speed))))
        at = np.searchsorted(self.starts_s * speed, seconds + phase_s, side="right") - 1
        nothing = np.zeros(len(seconds), np.float32)
        semantic = np.broadcast_to(np.float16(0), (len(seconds), 768))
        emotion = np.zeros((len(seconds), len(EMOTIONS)), np.float32)
        return Song(self.name, self.minor, self.ids[at.clip(0)], semantic, emotion, *[nothing] * 4)


def read(root: Path) -> list[ChordList]:
    """Every song below `root`, in order of path, each once. Raises DataError where there is none."""
    found: dict[tuple[Chord, ...], ChordList] = {}
    for path in sorted(path for path in root.rglob("*") if path.suffix in (".lab", ".txt")):
        spans = list((_salami if path.name == SALAMI else _spans)(path))
        chords = tuple(chord for _, _, chord in spans)
        if len(spans) >= MIN_CHORDS:
            # several collections annotate the same songs: of equal chords the first list counts
            found.setdefault(chords, _chord_list(path, root, spans))
    if not found:
        raise DataError(f"no chord lists in {root}: give a folder with .lab files, POP909's or McGill Billboard's")
    return list(found.values())


def apart_from(lists: Sequence[ChordList], videos: Sequence[str]) -> list[ChordList]:
    """Lists of songs that are not in these videos, by the videos' names such as `Artist - Title (video)`.

    A list is in one of them if a name contains its whole title and the last word of its artist.
    """
    names = [f" {_normalised(video)} " for video in videos]

    def known(song: ChordList) -> bool:
        title, artist = _normalised(song.title), _normalised(song.artist).rpartition(" ")[2]
        return bool(title and artist) and any(f" {title} " in name and f" {artist} " in name for name in names)

    return [song for song in lists if not known(song)]


def _normalised(name: str) -> str:
    """Lower-case words of letters and digits, accents gone."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return " ".join(re.findall("[a-z0-9]+", ascii_only.lower().replace("_", " ")))


ChordSpan = tuple[float, float, Chord]


def _spans(path: Path) -> Iterator[ChordSpan]:
    """Start, end and chord of each line that has them."""
    for line in _text(path).splitlines():
        words = line.split()
        try:
            start, end, label = float(words[0]), float(words[1]), words[2]
        except (ValueError, IndexError):
            continue
        if end > start:
            yield start, end, parse_harte(label)


def _salami(path: Path) -> Iterator[ChordSpan]:
    """The bars of each phrase share its time evenly, the chords of a bar share the bar; a dot repeats the chord."""
    rows = [line.partition("\t") for line in _text(path).splitlines() if line.strip() and line[0] != "#"]
    try:
        lines = [(float(start), text) for start, _, text in rows]
    except ValueError:
        raise DataError(f"{path} is no {SALAMI} as McGill Billboard has it: a line begins with no time") from None
    for (start, text), (end, _) in pairwise(lines):
        bars = _BAR.findall(text) or ["N"]
        if times := _TIMES.search(text.rpartition("|")[2]):
            bars *= int(times[1])
        length, label = (end - start) / len(bars), "N"  # a phrase that begins with a dot has nothing to repeat
        for bar_at, bar in enumerate(bars):
            words = [word for word in bar.split() if word[0] != "("] or ["N"]
            for word_at, word in enumerate(words):
                label = label if word == "." else word
                begin = start + length * (bar_at + word_at / len(words))
                if length > 0:
                    yield begin, begin + length / len(words), parse_harte(label)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


@functools.cache
def parse_harte(label: str) -> Chord:
    """The chord of the vocabulary that is nearest to a label in Harte's syntax; N where it names none.

    Nearest is the quality with most tones in common and fewest others, of equals the dominant seventh; mir_eval
    gives a label's tones.
    """
    import mir_eval

    try:
        root, tones, _ = mir_eval.chord.encode(label, reduce_extended_chords=True)
    except mir_eval.chord.InvalidChordException:
        return NO_CHORD
    if root < 0 or not tones.any():
        return NO_CHORD
    return Chord(int(root), max(INTERVALS, key=lambda quality: (_similarity(tones, quality), quality == "7")))


def _similarity(tones: NDArray[np.int_], quality: str) -> float:
    own = np.isin(np.arange(12), INTERVALS[quality])
    # below 1, so that a tone in common outweighs one that is not
    return float((tones.astype(bool) & own).sum() - 0.6 * (tones.astype(bool) != own).sum())


def _artist_and_title(path: Path) -> tuple[str, str]:
    """From Billboard's heading or US pop's folders, `artist/album/NN-Title.lab`; empty for the others."""
    if path.name == SALAMI:
        heading = dict(_HEADING.findall(_text(path)))
        return heading.get("artist", ""), heading.get("title", "")
    numbered = _NUMBERED.fullmatch(path.stem)
    return (path.parent.parent.name, numbered[1]) if numbered else ("", "")


def _chord_list(path: Path, root: Path, spans: Sequence[ChordSpan]) -> ChordList:
    """Transposed to C major or A minor: the seven notes that fit its chords best, and the longer of the two tonics."""
    durations: dict[Chord, float] = {}
    for start, end, chord in spans:
        durations[chord] = durations.get(chord, 0.0) + end - start
    shift = max(range(12), key=lambda up: sum(durations.get(chord.transpose(up), 0.0) for chord in _DIATONIC))
    tonics = [sum(s for chord, s in durations.items() if chord.root == (tonic + shift) % 12) for tonic in (0, 9)]
    ids = np.array([chord.transpose(-shift).id for _, _, chord in spans], np.int64)
    starts = np.array([start for start, _, _ in spans])
    name, minor = path.relative_to(root).as_posix(), tonics[1] > tonics[0]
    return ChordList(name, *_artist_and_title(path), minor, ids, starts, spans[-1][1])
