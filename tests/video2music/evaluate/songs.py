"""Songs made up for the tests of evaluation, in memory and in MuVi-Sync's layout."""

import numpy as np

from emotion.affect import EMOTIONS
from video2music.chords import Chord
from video2music.data.muvi_sync import Song

LOOP = [Chord.parse(name).id for name in ("C", "C", "G:7", "G:7", "A:min", "A:min", "F:maj7", "N")]


def song(index: int, seconds: int = 24) -> Song:
    """A loop of chords with some that do not fit, and random rows."""
    rng = np.random.default_rng(index)
    chords = np.resize(np.roll(LOOP, index), seconds)
    chords[rng.random(seconds) < 0.15] = rng.integers(157)
    return Song(
        f"{index:03}",
        bool(index % 2),
        chords,
        rng.normal(size=(seconds, 768)).astype(np.float16),
        rng.dirichlet(np.ones(6), seconds).astype(np.float32),
        *(rng.random(seconds).astype(np.float32) for _ in range(2)),
        (20 * rng.random(seconds)).astype(np.float32),
        (rng.random(seconds) / 2).astype(np.float32),
    )


SPLITS = {"train": range(6), "val": range(6, 9), "test": range(9, 13)}


def write_muvi_sync(root):
    """A tiny MuVi-Sync whose songs have 20 s and more, no two of the same length."""
    for split, names in SPLITS.items():
        _write(root / f"vevo_meta/split/v1/{split}.txt", [f"{name:03}" for name in names])
        for name in names:
            _write_song(root, song(name, 20 + name))
    return root


def _write_song(root, one):
    def column(folder, values):
        _write(root / folder / f"all/{one.name}.lab", [f"{second} {value}" for second, value in enumerate(values)])

    labels = [str(Chord.from_id(index)) for index in one.chords.tolist()]
    rows = [f"{at} {label}" for at, label in enumerate(labels)]
    _write(root / f"vevo_chord/lab_v2_norm/all/{one.name}.lab", [f"key {('C major', 'A minor')[one.minor]}", *rows])
    rows = [" ".join(map(str, [at, *row])) for at, row in enumerate(one.emotion.tolist())]
    _write(root / f"vevo_emotion/6c_l14p/all/{one.name}.lab", ["time " + " ".join(EMOTIONS), *rows])
    column("vevo_motion", one.motion)
    column("vevo_scene_offset", one.scene_offset)
    column("vevo_note_density", one.density)
    column("vevo_loudness", one.loudness)
    path = root / f"vevo_semantic/all/2d/clip_l14p/{one.name}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, one.semantic)


def _write(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
