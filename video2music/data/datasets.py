"""The data sets of the models for video, one record each, as `emotion.data.registry` has those of the judges.

The key is the name of the set's folder below `datasets/` (card and splits). `read` gives the items that the training
commands use; readers are imported when they are called, for that of OASIS needs OpenCV.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from emotion.data.registry import Dataset


def _muvi_sync(root: Path) -> Sequence[Any]:
    from video2music.data import muvi_sync

    return [song for split in muvi_sync.SPLITS for song in muvi_sync.load_split(root, split)]


def _chord_lists(root: Path) -> Sequence[Any]:
    from video2music.data import chord_lists

    return chord_lists.read(root)


def _pop909(root: Path) -> Sequence[Any]:
    from video2music.data import pop909

    return list(pop909.load_all(root, pop909.song_names(root)))


def _oasis(root: Path) -> Sequence[Any]:
    from video2music.data import oasis

    return oasis.load(root)


_ALL = (
    Dataset("muvi_sync", "MuVi-Sync", _muvi_sync, ("chords", "density", "loudness", "emotion")),
    Dataset("chord_lists", "chord lists", _chord_lists, ("chords",)),
    Dataset("pop909", "POP909", _pop909, ("accompaniment", "chords")),
    Dataset("oasis", "OASIS", _oasis, ("affect",)),
)
DATASETS: Mapping[str, Dataset] = MappingProxyType({each.key: each for each in _ALL})
