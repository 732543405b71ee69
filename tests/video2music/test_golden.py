"""The MIDI of fixed video features, byte for byte: a change that is not meant to change the music does not.

The files in tests/golden were written by `write_all` below. A change that is meant to change the music writes them anew
with `python -m tests.video2music.test_golden --write`, and says so in its commit.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch

from video2music import pipeline
from video2music.arranging import midi
from video2music.composing.draft import LockedParts, arrange_score, redraw_section
from video2music.options import Options
from video2music.values import Cut, VideoFeatures

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
SECONDS = 24
CUTS = ((7.2, 20.0), (13.9, 9.0), (18.4, 2.0))  # s and strength: two strong ones, a weak one


@dataclass(frozen=True)
class Case:
    """Options beside `encoder`, and what is done with the first composition: nothing, or a part drawn anew."""

    options: dict[str, Any]
    semantic: bool = False
    redraw: int | None = None
    locks: frozenset[str] = field(default_factory=frozenset)


CASES = MappingProxyType({
    "acoustic": Case({"style": "acoustic", "seed": 0}),
    "ambient": Case({"style": "ambient", "seed": 1}),
    "corporate": Case({"style": "corporate", "seed": 2}),
    "lofi": Case({"style": "lofi", "seed": 3}),
    "piano": Case({"style": "piano", "seed": 4}, semantic=True),
    "pop": Case({"style": "pop", "seed": 5}),
    "strings": Case({"style": "strings", "seed": 6}),
    "tension": Case({"style": "tension", "seed": 7}),
    "emotion": Case({"style": "pop", "seed": 11, "emotion": "q2", "strength": 0.9}),
    "point": Case({"style": "acoustic", "seed": 12, "valence": 0.5, "arousal": -0.7}),
    "key-primer-waltz": Case(
        {"style": "strings", "seed": 13, "key": "A minor", "primer": "Am F C G", "beats_per_bar": 3}
    ),
    "tempo-hits": Case({"style": "tension", "seed": 14, "tempo": (80, 110), "hits": (9.3,), "intensity": 0.7}),
    "two-candidates": Case({"style": "lofi", "seed": 15, "emotion": "sad", "candidates": 2}),
    "likeliest-one-instrument": Case({"style": "pop", "seed": 16, "temperature": 0.0, "only": ("electric grand",)}),
    "section-redrawn": Case({"style": "piano", "seed": 17}, redraw=2),
    "chords-locked": Case({"style": "corporate", "seed": 18, "tempo": (70, 90)}, locks=frozenset({"chords"})),
})  # fmt: skip


def video_features(*, semantic: bool = False) -> VideoFeatures:
    """Features of a clip of three scenes, from formulas, so that they need neither a file nor an encoder."""
    second = np.arange(SECONDS, dtype=float)
    emotion = 1 + np.sin(second[:, None] / (2 + np.arange(6)) + np.arange(6)) ** 3
    cuts_s = [0.0, *(time_s for time_s, _ in CUTS)]
    offset = [time_s - max(int(cut_s) for cut_s in cuts_s if int(cut_s) <= time_s) for time_s in second]
    return VideoFeatures(
        float(SECONDS), "synthetic",
        emotion=(emotion / emotion.sum(1, keepdims=True)).astype(np.float32),
        motion=(6 + 5 * np.sin(second / 3)).astype(np.float32),
        scene_offset=np.array(offset, np.float32),
        affect=np.stack([0.6 * np.sin(second / 7), 0.5 * np.cos(second / 5)], axis=1).astype(np.float32),
        cuts=tuple(Cut(*cut) for cut in CUTS),
        semantic=np.sin(second[:, None] + np.arange(768)).astype(np.float32) if semantic else None,
    )  # fmt: skip


def write_midi(case: Case, path: Path) -> None:
    """Compose and arrange a case into a MIDI file."""
    features = video_features(semantic=case.semantic)
    options = Options(**({"candidates": 1} | case.options))
    composition = pipeline.compose_piece(features, options).composition
    if case.locks:
        options = Options(candidates=1, style="acoustic", seed=99)
        locked = LockedParts(composition, case.locks)
        composition = pipeline.compose_piece(features, options, locked=locked).composition
    if case.redraw is not None:
        composition = redraw_section(composition, case.redraw, features, options, 99)
    midi.write(arrange_score(composition), path)


@pytest.fixture(autouse=True)
def one_thread_on_the_cpu(monkeypatch):
    """The order in which floats are added, and so their last bit, depends on the device and the number of threads."""
    monkeypatch.setenv("V2M_DEVICE", "cpu")
    monkeypatch.delenv("V2M_WEIGHTS", raising=False)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", CASES)
def test_the_music_is_the_same_byte_for_byte(name, tmp_path):
    write_midi(CASES[name], tmp_path / "now.mid")
    same = (tmp_path / "now.mid").read_bytes() == (GOLDEN / f"{name}.mid").read_bytes()
    assert same, (
        f"the music of {name} has changed: if that is meant, write the golden files anew with "
        "`python -m tests.video2music.test_golden --write`"
    )


def test_every_golden_file_has_its_case():
    assert {path.stem for path in GOLDEN.glob("*.mid")} == set(CASES)


def write_all() -> None:
    """Replace the golden files by the music of today."""
    torch.set_num_threads(1)
    GOLDEN.mkdir(exist_ok=True)
    for name, case in CASES.items():
        write_midi(case, GOLDEN / f"{name}.mid")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python -m tests.video2music.test_golden --write")
    write_all()
