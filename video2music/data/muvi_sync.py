"""MuVi-Sync (Kang, Poria, Herremans 2024) in its official folder layout, one row a second.

    vevo_chord/lab_v2_norm/all/NNN.lab      `key C major`, then `second chord`, already in C major or A minor
    vevo_semantic/all/2d/clip_l14p/NNN.npy  (T, 768) CLIP ViT-L/14 336 px embeddings, not normalised
    vevo_emotion/6c_l14p/all/NNN.lab        a heading, then `second` and six probabilities
    vevo_{motion,scene_offset,note_density,loudness}/all/NNN.lab    `second value`
    vevo_meta/split/v1/{train,val,test}.txt
    vevo_meta/idlist.txt                    `NNN-name of the video<TAB>YouTube id`

The paths are read from datasets/muvi_sync/card.toml.
Chord rows and feature rows differ in number in 246 videos: every row beyond the shortest list is dropped.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.data import cards
from emotion.errors import DataError
from video2music.chords import Chord
from video2music.errors import ChordError

MAX_SECONDS = 300  # the published systems use no more of a song
SPLITS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Song:
    """One video, T rows: chord ids (T,), semantic (T, 768), emotion (T, 6), the rest (T,); `minor` is its mode."""

    name: str
    minor: bool
    chords: NDArray[np.int64]
    semantic: NDArray[np.float16]
    emotion: NDArray[np.float32]
    motion: NDArray[np.float32]
    scene_offset: NDArray[np.float32]
    density: NDArray[np.float32]
    loudness: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.chords)


def load_split(root: Path, split: str) -> list[Song]:
    """All songs of `train`, `val` or `test` of split v1. Raises DataError."""
    return [load_song(root, name) for name in _names(root, split)]


def titles(root: Path, split: str) -> list[str]:
    """The names of a split's videos, artist and title of the song among them. Raises DataError."""
    path = _path(root, "titles")
    listed = dict(_rows(path, lambda line: line.rpartition("\t")[0].partition("-")[::2]))
    names = _names(root, split)
    if unknown := set(names) - listed.keys():
        raise DataError(f"{path} has no line for song {min(unknown)}: unpack MuVi-Sync anew")
    return [listed[name] for name in names]


def load_song(root: Path, name: str) -> Song:
    """One song by its three-digit name. Raises DataError."""
    mode, *labels = _rows(_path(root, "chords", name), str.split)
    if mode[0] != "key" or mode[1:] not in (["C", "major"], ["A", "minor"]):
        raise DataError(f"song {name} says {' '.join(mode)!r} where 'key C major' or 'key A minor' was expected")
    try:
        chords = np.array([Chord.parse(label).id for _, label in labels], np.int64)
    except (ChordError, ValueError) as error:
        raise DataError(f"song {name} has an unreadable chord row: {error}") from None
    semantic_path = _path(root, "semantic", name)
    if not semantic_path.is_file():
        raise DataError(_missing(semantic_path))
    columns = {
        "chords": chords,
        "semantic": np.load(semantic_path, allow_pickle=False),
        "emotion": np.array(_rows(_path(root, "emotion", name), _numbers, skip=1), np.float32),
        **{field: np.array(_rows(_path(root, field, name), _numbers), np.float32)[:, 0] for field in _COLUMNS},
    }
    rows = min(MAX_SECONDS, *map(len, columns.values()))
    return Song(name, mode[2] == "minor", **{field: column[:rows] for field, column in columns.items()})


_COLUMNS = ("motion", "scene_offset", "density", "loudness")  # roles of files in the card, and fields of a Song


def _path(root: Path, role: str, name: str = "") -> Path:
    return root / cards.load("muvi_sync").file(role).of(name)


def _names(root: Path, split: str) -> list[str]:
    if split not in SPLITS:
        raise DataError(f"unknown split {split!r}: MuVi-Sync has {', '.join(SPLITS)}")
    return _rows(_path(root, "split", split), str.strip)


def _numbers(line: str) -> list[float]:
    return [float(word) for word in line.split()[1:]]


def _rows(path: Path, read: Callable[[str], Any], *, skip: int = 0) -> list[Any]:
    if not path.is_file():
        raise DataError(_missing(path))
    return [read(line) for line in path.read_text().splitlines()[skip:] if line.strip()]


def _missing(path: Path) -> str:
    return f"MuVi-Sync is not whole: {path} is missing; give the folder that holds vevo_chord and the others"
