"""Labelled recordings and renders as segments for the judges of sound (ADFF, unified), kept on disk for the next run.

At most the first 30 s of a recording are used. MIDI is rendered: game music as it was written and in other instruments,
piano pieces plainly and with other instruments, SoundFonts, reverb, keys and tempi; of EMOPIA's clips and of games the
beginnings, VGMIDI's pieces whole. The variation of a version depends on the piece alone, so a cache can be filled in
any order. Lengths, versions and groups of each set are in emotion.data.registry.
"""

import logging
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from emotion.data import renders
from emotion.data.registry import DATASETS
from emotion.data.renders import render_samples, variation
from emotion.errors import DataError
from emotion.features import sound
from emotion.features.frontends import FRONTENDS
from emotion.features.sound import Samples
from emotion.files import atomic_write
from emotion.judge import Segment
from emotion.midi import notes, performance, synthesis
from emotion.midi.notes import Notes

log = logging.getLogger(__name__)

MEL = "mel"
TAIL_S = 0.5  # of ringing after the last event of a piece of game music


@dataclass(frozen=True)
class TrainingPiece:
    """A labelled piece of a data set.

    source    key of its data set; `groups` are what must stay on one side of a split (artist, game, song, tune)
    fold      of its set's folds; None: it is used for training only
    quadrant  0..3, or None; affect in [-1, 1], or None
    number    its place in the set, the seed of its random choices
    """

    source: str
    name: str
    groups: frozenset[str]
    fold: int | None
    quadrant: int | None
    affect: tuple[float, float] | None
    path: Path
    number: int


class OfPiece(Protocol):
    """Anything that was made of a training piece."""

    @property
    def piece(self) -> TrainingPiece: ...


Made = TypeVar("Made", bound=OfPiece)


@dataclass(frozen=True, eq=False)
class PieceVersions:
    """A piece and its versions, the first as it was recorded or written, with its notes where it is MIDI."""

    piece: TrainingPiece
    versions: Sequence[Segment]


def read_pieces(source: str, folder: Path) -> list[TrainingPiece]:
    """All pieces of a set in the order of its reader. Raises DataError, also for a piece that should have a fold."""
    dataset, folds = DATASETS[source], DATASETS[source].folds()
    return [
        _with_fold(
            TrainingPiece(
                source, each.name, dataset.role.groups(each), None, each.quadrant, each.affect, each.path, number
            ),
            folds,
        )
        for number, each in enumerate(dataset.read(folder))
    ]


def _with_fold(piece: TrainingPiece, folds: Mapping[str, int]) -> TrainingPiece:
    """The piece with its fold; music of unknown games has none, because it may share a game with any other."""
    if piece.name in folds:
        return replace(piece, fold=folds[piece.name])
    if all(group.startswith("tune ") for group in piece.groups):
        return piece
    raise DataError(f"{piece.name} has no fold: the data are of another edition than the split")


def samples(piece: TrainingPiece, version: int) -> Iterator[Samples]:
    """Blocks of mono samples at 24 kHz of a piece's version. Raises SoundError."""
    longest_s = DATASETS[piece.source].role.longest_s
    if piece.path.suffix != ".mid":
        return first_seconds(sound.read(piece.path), longest_s)
    if piece.source == "ym2413":  # several instruments: these are exchanged, not set to one
        return render_game_music(piece.path, piece.number, version, longest_s)
    return render_samples(piece.path, variation(piece.name, version), longest_s=longest_s)


def first_seconds(blocks: Iterable[Samples], longest_s: float) -> Iterator[Samples]:
    """The blocks up to `longest_s` seconds."""
    left = round(longest_s * sound.SAMPLE_RATE)
    for block in blocks:
        yield block[:left]
        left -= len(block)
        if left <= 0:
            return


def render_game_music(path: Path, number: int, version: int, longest_s: float) -> Iterator[Samples]:
    """An excerpt of a game's piece: the beginning in even versions, anywhere in odd ones; version 0 as written."""
    whole = performance.read(path)
    onsets_s = [event.time_s for event in whole.events if event.kind == "note_on"]
    if not onsets_s:
        raise DataError(f"{path} has no notes: fetch YM2413-MDB again")
    ends_s = max(event.time_s for event in whole.events if event.kind.startswith("note"))
    rng = np.random.default_rng([number, version])
    start_s = rng.uniform(0, max(ends_s - longest_s, 0)) if version % 2 else min(onsets_s)
    *_, chosen = renders.reorchestrations(version + 1, np.random.default_rng([number]))
    part = renders.reorchestrate(renders.excerpt(whole, start_s, start_s + longest_s), chosen, rng)
    duration_s = min(longest_s, max(event.time_s for event in part.events) + TAIL_S) if part.events else 1.0
    blocks = synthesis.play(part, duration_s=duration_s, sample_rate=sound.SAMPLE_RATE)
    return (block.mean(1) for block in blocks)


@dataclass(frozen=True)
class SegmentCache:
    """Rows of pieces below `folder`, in `<set>/<piece>.<version>.<front end>.npy`, float16."""

    folder: Path
    frontends: tuple[str, ...] = ("musicnn", "vgg", "chroma")

    def read(self, source: str, folder: Path, names: Container[str] | None = None) -> list[PieceVersions]:
        """Every piece of a set, or those of some names, in its versions. Raises DataError and SoundError."""
        pieces = [piece for piece in read_pieces(source, folder) if names is None or piece.name in names]
        found: list[PieceVersions] = []
        for piece in pieces:
            first, *others = (self.segment(piece, version) for version in range(DATASETS[source].role.versions))
            if piece.path.suffix == ".mid":
                first = replace(first, notes=_notes(piece, first.duration_s))
            found.append(PieceVersions(piece, (first, *others)))
            if len(found) % 100 == 0:
                log.info("%d of %d pieces of %s read", len(found), len(pieces), source)
        return found

    def segment(self, piece: TrainingPiece, version: int) -> Segment:
        """A version with rows of every front end, computed where they are not in the cache."""
        folder, names = self.folder / piece.source, (MEL, *self.frontends)
        paths = {name: folder / f"{piece.name}.{version}.{name}.npy" for name in names}
        missing = [name for name, path in paths.items() if not path.is_file()]
        if missing:
            folder.mkdir(parents=True, exist_ok=True)
            blocks = list(samples(piece, version))
            for name in missing:
                rows = sound.log_mel(blocks) if name == MEL else FRONTENDS[name].of(blocks)
                with atomic_write(paths[name]) as partial, partial.open("wb") as file:
                    np.save(file, rows.astype(np.float16))
        rows_of = {name: np.load(path, allow_pickle=False).astype(np.float32) for name, path in paths.items()}
        mel = rows_of.pop(MEL)
        return Segment(mel, None, (len(mel) - 1) / sound.ROWS_PER_S, rows_of)


def _notes(piece: TrainingPiece, duration_s: float) -> Notes:
    """The notes of a piece's first version; that of game music begins with the first note."""
    found = notes.read(piece.path)
    start_s = float(found.start_s.min()) if piece.source == "ym2413" and len(found) else 0.0
    return found.within(start_s, start_s + duration_s)


def random_part(whole: Segment, seconds: float, rng: np.random.Generator) -> Segment:
    """So many seconds from anywhere in a segment; the whole where those would be silent."""
    start_s = float(rng.uniform(0, max(whole.duration_s - seconds, 0)))
    found = whole.cut(start_s, min(start_s + seconds, whole.duration_s))
    return whole if found.mel is None else found


def without_groups_of(everything: Sequence[Made], held: Sequence[OfPiece]) -> list[Made]:
    """Those of `everything` that share no group with those held out."""
    groups = set(chain.from_iterable(each.piece.groups for each in held))
    return [each for each in everything if not groups & each.piece.groups]
