"""Tiny copies of the four sets that the judges of sound are trained on, with folds of their own: four pieces each."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from emotion.data import cards, pieces, registry
from emotion.train import crossval
from tests.emotion.data.samples import table
from tests.emotion.plain_model import midi_file
from tests.emotion.waves import sine, wav

NAMES = {
    "fourq": [f"MT{n:04}" for n in range(4)],
    "ym2413": [f"Game {n} (FM) - 01 - Tune {n}" for n in range(4)],
    "emopia": [f"Q{n + 1}_song{n}_0" for n in range(4)],
    "vgmidi": [f"Series_N64_Game{n}_Tune" for n in range(4)],
}
NOBODY = "09 Nobody knows"  # game music without a game: it has no fold
RATINGS = ((0.5, 0.6), (-0.4, 0.7), (-0.6, -0.3), (0.2, -0.8))
SECONDS = 3.0


def write(root: Path) -> Path:
    """Sets below `root`, cards and folds (two, of two pieces each) in `root/cards`."""
    for source, names in NAMES.items():
        folder = root / "cards" / source
        table(folder / "splits/folds.csv", ("piece", "fold"), *((name, n // 2) for n, name in enumerate(names)))
        (folder / "card.toml").touch()
    _fourq(root / "fourq")
    _ym2413(root / "ym2413")
    _emopia(root / "emopia")
    _vgmidi(root / "vgmidi")
    return root


@contextmanager
def with_folds(root: Path) -> Iterator[None]:
    """The folds of `root` in place of those that ship."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cards, "PLACES", (root / "cards",))
        yield


def two_folds(patch: pytest.MonkeyPatch) -> None:
    """Every set is taken to have two folds."""
    fewer = {
        key: replace(each, training=each.training and replace(each.training, n_folds=2))
        for key, each in registry.DATASETS.items()
    }
    patch.setattr(crossval, "DATASETS", fewer)


def _fourq(folder: Path) -> None:
    names = NAMES["fourq"]
    table(folder / "annotations.csv", ("Song", "Quadrant"), *((name, f"Q{n + 1}") for n, name in enumerate(names)))
    rows = [(name, f"artist {n // 2}" if n < 2 else f"artist {n}", "t") for n, name in enumerate(names)]
    table(folder / "metadata.csv", ("Song", "Artist", "Title"), *rows)
    (folder / "audio").mkdir(parents=True)
    for n, name in enumerate(names):
        wav(folder / "audio" / f"{name}.wav", sine(SECONDS, 24_000, 200.0 * (n + 1)), 24_000)


def _ym2413(folder: Path) -> None:
    names = [*NAMES["ym2413"], NOBODY]
    head = ("fname", "verified_tags", "toptag_eng_verified", "4Q")
    rows = [(f"{name}.wav", "a", "a", f"Q{n % 4 + 1}") for n, name in enumerate(names)]
    table(folder / pieces.YM2413_LABELS, head, *rows)
    for n, name in enumerate(names):
        _tune(folder / pieces.YM2413_MIDI / f"{name}.mid", n, late_s=1.0)


def _emopia(folder: Path) -> None:
    train, val, *test = ((name, name[:2]) for name in NAMES["emopia"])
    for side, rows in {"train": [train], "val": [val], "test": test}.items():
        table(folder / f"split/{side}.csv", ("fname", "label"), *rows)
    for n, name in enumerate(NAMES["emopia"]):
        _tune(folder / f"midis/{name}.mid", n)


def _vgmidi(folder: Path) -> None:
    predicted = []
    for n, (name, (valence, arousal)) in enumerate(zip(NAMES["vgmidi"], RATINGS, strict=True)):
        _tune(folder / f"labelled/midi/{name}.mid", n)
        predicted.append({"midi": f"{name}.mid", "valence": [valence, valence], "arousal": [arousal, arousal]})
    (folder / "derived_piece_va_timeseries.json").write_text(json.dumps(predicted))


def _tune(path: Path, number: int, *, late_s: float = 0.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beat_s = 0.5 / (1 + number % 2)
    starts = [late_s + beat_s * step for step in range(int(2.0 / beat_s))]
    midi_file(path, *((start, start + 0.9 * beat_s, 50 + 5 * number + step % 4) for step, start in enumerate(starts)))
