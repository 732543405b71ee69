"""The data sets that can be read here, one record each: reader, kinds of labels, and part in training and evaluation.

The key of a record is the name of the set's folder below `datasets/` (card and splits), its `reader` in the catalogue
that `emotion datasets` lists, and its folder below `--data DIR`. emotion.train.dataset and the evaluations take all
that differs between sets from here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from emotion.data import cards, pieces, recordings
from emotion.data.cards import Card


@dataclass(frozen=True)
class TrainingRole:
    """How the judges of sound (ADFF, unified) use a set.

    kind       of music; numbers are standardised among the pieces of a kind, because recordings and renders differ
    n_folds    of the set's splits/folds.csv
    longest_s  of a piece is used
    versions   of each piece are made: a recording has one, MIDI can be rendered in several ways
    groups     what must stay on one side of a split, of an item that the reader gave
    """

    kind: str
    n_folds: int
    longest_s: float
    versions: int
    groups: Callable[[Any], frozenset[str]]


@dataclass(frozen=True)
class Dataset:
    """A data set: its title in tables, its reader, and which of quadrant, affect and tags its items are labelled with.

    `read` takes the set's folder, gives items with `name`, `path`, `quadrant` and `affect`, and raises DataError.
    `training` is None for sets that no shipped model is trained on.
    """

    key: str
    title: str
    read: Callable[[Path], Sequence[Any]]
    labels: tuple[str, ...]
    training: TrainingRole | None = None

    @property
    def card(self) -> Card:
        """Citation, licence and files. Raises DataError."""
        return cards.load(self.key)

    @property
    def role(self) -> TrainingRole:
        """The part in training of a set that has one. Raises ValueError."""
        if self.training is None:
            raise ValueError(f"no model here is trained on {self.title}")
        return self.training

    def folds(self) -> Mapping[str, int]:
        """The fold of each piece by name, where the set has folds of its own here. Raises DataError."""
        return pieces.read_folds(cards.folder(self.key) / "splits" / "folds.csv")


_ALL = (
    Dataset(
        "fourq",
        "4Q",
        recordings.read_fourq,
        ("quadrant",),
        TrainingRole(
            "recordings",
            n_folds=10,
            longest_s=30.0,
            versions=1,
            groups=lambda each: frozenset({f"artist {each.artist}"} if each.artist else {f"song {each.name}"}),
        ),
    ),
    Dataset(
        "ym2413",
        "YM2413-MDB",
        pieces.read_ym2413,
        ("quadrant", "tags"),
        TrainingRole(
            "game music",
            n_folds=10,
            longest_s=24.0,
            versions=2,
            # the tune as well: games that were published for two machines share tunes under other names
            groups=lambda each: frozenset({f"tune {each.title}", *([f"game {each.game}"] if each.game else [])}),
        ),
    ),
    Dataset(
        "emopia",
        "EMOPIA",
        pieces.read_emopia,
        ("quadrant",),
        TrainingRole(
            "piano", n_folds=5, longest_s=24.0, versions=2, groups=lambda each: frozenset({f"song {each.group}"})
        ),
    ),
    Dataset(
        "vgmidi",
        "VGMIDI",
        pieces.read_vgmidi,
        ("affect",),
        TrainingRole(
            "piano", n_folds=5, longest_s=400.0, versions=2, groups=lambda each: frozenset({f"game {each.group}"})
        ),
    ),
    Dataset("deam", "DEAM", recordings.read_deam, ("affect",)),
    Dataset("emomusic", "emoMusic", recordings.read_emomusic, ("affect",)),
    Dataset("pmemo", "PMEmo", recordings.read_pmemo, ("affect",)),
    Dataset("mtg_jamendo", "MTG-Jamendo mood/theme", recordings.read_mtg_jamendo, ("tags",)),
)
DATASETS: Mapping[str, Dataset] = MappingProxyType({each.key: each for each in _ALL})
TRAINING_SETS = tuple(each.key for each in _ALL if each.training is not None)
