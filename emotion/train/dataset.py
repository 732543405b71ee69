"""Labelled recordings and renders as the judges that hear sound alone take them, kept for the next run.

A recording is heard for at most 30 s. MIDI is rendered: game music as it was written and in other instruments, piano
pieces as they are and by other instruments and SoundFonts, in other rooms, keys and tempi; of EMOPIA's clips and of
games the beginnings, VGMIDI's pieces whole. Which version is which depends on the piece alone.
"""

import logging
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from emotion.data import cards, recordings, renders
from emotion.data.pieces import read_emopia, read_folds, read_vgmidi, read_ym2413
from emotion.data.renders import rendered, variation
from emotion.errors import DataError
from emotion.features import sound
from emotion.features.frontends import FRONTENDS, Rows
from emotion.features.sound import Samples
from emotion.files import atomic_write
from emotion.judge import Segment
from emotion.midi import notes, performance, synthesis
from emotion.midi.notes import Notes

log = logging.getLogger(__name__)

MEL = "mel"
LONGEST_S = {"fourq": 30.0, "ym2413": 24.0, "emopia": 24.0, "vgmidi": 400.0}
VERSIONS = {"fourq": 1, "ym2413": 2, "emopia": 2, "vgmidi": 2}
TAIL_S = 0.5


@dataclass(frozen=True)
class TrainingPiece:
    """A labelled piece and how to hear it.

    source    its data set; `groups` are what must stay on one side of a split (artist, game, song, tune)
    fold      of its set's folds, or None: then it is only trained on
    quadrant  0..3, or None; affect in [-1, 1], or None
    """

    source: str
    name: str
    groups: frozenset[str]
    fold: int | None
    quadrant: int | None
    affect: tuple[float, float] | None
    path: Path
    number: int


@dataclass(frozen=True, eq=False)
class SourceRows:
    """A piece and its versions, the first as it was played or written, with its notes where it is MIDI."""

    piece: TrainingPiece
    versions: Sequence[Segment]


def pieces(source: str, folder: Path) -> list[TrainingPiece]:
    """All pieces of one of the four sets. Raises DataError."""
    folds = read_folds(cards.folder(source) / "splits" / "folds.csv")
    return [_with_fold(each, folds) for each in _READERS[source](folder)]


def _with_fold(piece: TrainingPiece, folds: Any) -> TrainingPiece:
    """The piece with its fold; music of games that nobody knows has none, and is only trained on."""
    if piece.name in folds:
        return replace(piece, fold=folds[piece.name])
    if all(group.startswith("tune ") for group in piece.groups):
        return piece
    raise DataError(f"{piece.name} has no fold: the data are of another edition than the split")


def _fourq(folder: Path) -> Iterator[TrainingPiece]:
    for number, each in enumerate(recordings.load_fourq(folder)):
        groups = frozenset({f"artist {each.artist}"} if each.artist else {f"song {each.name}"})
        yield TrainingPiece("fourq", each.name, groups, None, each.quadrant, None, each.path, number)


def _ym2413(folder: Path) -> Iterator[TrainingPiece]:
    for number, each in enumerate(read_ym2413(folder)):
        groups = frozenset({f"tune {each.title}", *([f"game {each.game}"] if each.game else [])})
        yield TrainingPiece("ym2413", each.name, groups, None, each.quadrant, None, each.path, number)


def _emopia(folder: Path) -> Iterator[TrainingPiece]:
    for number, each in enumerate(read_emopia(folder)):
        groups = frozenset({f"song {each.group}"})
        yield TrainingPiece("emopia", each.name, groups, None, each.quadrant, None, each.midi, number)


def _vgmidi(folder: Path) -> Iterator[TrainingPiece]:
    for number, each in enumerate(read_vgmidi(folder)):
        groups = frozenset({f"game {each.group}"})
        yield TrainingPiece("vgmidi", each.name, groups, None, each.quadrant, each.affect, each.midi, number)


_READERS: dict[str, Callable[[Path], Iterator[TrainingPiece]]] = {
    "fourq": _fourq,
    "ym2413": _ym2413,
    "emopia": _emopia,
    "vgmidi": _vgmidi,
}


def samples(piece: TrainingPiece, version: int) -> Iterator[Samples]:
    """Mono samples of a piece's version at 24 kHz. Raises SoundError."""
    longest_s = LONGEST_S[piece.source]
    if piece.source == "fourq":
        return first(sound.read(piece.path), longest_s)
    if piece.source == "ym2413":
        return played(piece.path, piece.number, version, longest_s)
    return rendered(piece.path, variation(piece.name, version), longest_s=longest_s)


def first(blocks: Iterable[Samples], longest_s: float) -> Iterator[Samples]:
    """The same blocks until they have lasted so long."""
    left = round(longest_s * sound.SAMPLE_RATE)
    for block in blocks:
        yield block[:left]
        left -= len(block)
        if left <= 0:
            return


def played(path: Path, number: int, version: int, longest_s: float) -> Iterator[Samples]:
    """A stretch of a game's piece: its beginning in even versions, anywhere in odd ones; as written in version 0."""
    read = performance.read(path)
    struck = [event.time_s for event in read.events if event.kind == "note_on"]
    if not struck:
        raise DataError(f"{path} has no notes: fetch YM2413-MDB anew")
    ends_s = max(event.time_s for event in read.events if event.kind.startswith("note"))
    rng = np.random.default_rng([number, version])
    start_s = rng.uniform(0, max(ends_s - longest_s, 0)) if version % 2 else min(struck)
    *_, last = renders.versions(version + 1, np.random.default_rng([number]))
    part = renders.play_as(renders.stretch(read, start_s, start_s + longest_s), last, rng)
    duration_s = min(longest_s, max(event.time_s for event in part.events) + TAIL_S) if part.events else 1.0
    blocks = synthesis.play(part, duration_s=duration_s, sample_rate=sound.SAMPLE_RATE)
    return (block.mean(1) for block in blocks)


@dataclass(frozen=True)
class SourceCache:
    """Rows of pieces, kept below `folder` in `<set>/<piece>.<version>.<front>.npy`."""

    folder: Path
    frontends: tuple[str, ...] = ("musicnn", "vgg", "chroma")

    def heard(self, source: str, folder: Path, names: Container[str] | None = None) -> list[SourceRows]:
        """Every piece of a set, or those of some names, in its versions. Raises DataError and SoundError."""
        wanted = [piece for piece in pieces(source, folder) if names is None or piece.name in names]
        found: list[SourceRows] = []
        for piece in wanted:
            found.append(self._heard(piece))
            if len(found) % 100 == 0:
                log.info("%d of %d pieces of %s heard", len(found), len(wanted), source)
        return found

    def _heard(self, piece: TrainingPiece) -> SourceRows:
        first, *others = (self.stretch(piece, version) for version in range(VERSIONS[piece.source]))
        if piece.path.suffix == ".mid":
            first = replace(first, notes=_notes(piece, first.duration_s))
        return SourceRows(piece, (first, *others))

    def stretch(self, piece: TrainingPiece, version: int) -> Segment:
        """A version with rows of every front end, made where they are not there yet."""
        folder, names = self.folder / piece.source, (MEL, *self.frontends)
        paths = {name: folder / f"{piece.name}.{version}.{name}.npy" for name in names}
        missing = [name for name, path in paths.items() if not path.is_file()]
        if missing:
            blocks = list(samples(piece, version))
            for name in missing:
                _keep(paths[name], sound.log_mel(blocks) if name == MEL else FRONTENDS[name].of(blocks))
        rows = {name: np.load(path, allow_pickle=False).astype(np.float32) for name, path in paths.items()}
        mel = rows.pop(MEL)
        return Segment(mel, None, (len(mel) - 1) / sound.ROWS_PER_S, rows)


def _notes(piece: TrainingPiece, duration_s: float) -> Notes:
    """The notes of a piece's first version, which begins with the first one where it is game music."""
    found = notes.read(piece.path)
    start_s = float(found.start_s.min()) if piece.source == "ym2413" and len(found) else 0.0
    return found.within(start_s, start_s + duration_s)


def _keep(path: Path, rows: Rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as partial, partial.open("wb") as file:
        np.save(file, rows.astype(np.float16))


def part(whole: Segment, seconds: float, rng: np.random.Generator) -> Segment:
    """So many seconds from anywhere in a stretch; the whole where those would be silent."""
    start_s = float(rng.uniform(0, max(whole.duration_s - seconds, 0)))
    found = whole.cut(start_s, min(start_s + seconds, whole.duration_s))
    return whole if found.mel is None else found


def apart(heard: Sequence[Any], held: Sequence[Any]) -> list[Any]:
    """Those of `heard` (anything with a `piece`) that share no group with those held."""
    groups = set(chain.from_iterable(each.piece.groups for each in held))
    return [each for each in heard if not groups & each.piece.groups]
