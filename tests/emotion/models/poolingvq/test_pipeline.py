"""The whole training on a data set drawn here: major and minor, fast and slow, in the layouts of EMOPIA and VGMIDI."""

import csv
import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pretty_midi
import pytest
import torch

from emotion.data import cards
from emotion.data.pieces import RATINGS, assert_disjoint, read_emopia, read_vgmidi
from emotion.data.renders import PLAIN, RenderCache, to_bytes, to_decibels, variation
from emotion.errors import DataError
from emotion.evaluate import poolingvq as evaluation
from emotion.judge import Judge
from emotion.midi import tokens as vocabulary
from emotion.models.poolingvq import ensemble, pipeline
from emotion.models.poolingvq.encoders import EncodersConfig
from emotion.models.poolingvq.pipeline import PipelineConfig, Sources
from emotion.models.poolingvq.training import EncodedPiece
from emotion.train.loop import LoopConfig
from tests.emotion.features.test_descriptors import MAJOR, MINOR, scale

TINY = EncodersConfig(
    width=16, layers=1, heads=2, channels=(4, 4, 4, 4), n_codes=4, sizes=vocabulary.sizes(), longest_s=20.0
)
QUICK = PipelineConfig(
    LoopConfig(1, batch=2), LoopConfig(1, batch=2), LoopConfig(3, batch=8, rate=2e-3, warmup_steps=2), versions=2
)
MODES = {1: (MAJOR, 0.12), 2: (MINOR, 0.12), 3: (MINOR, 0.6), 4: (MAJOR, 0.6)}


def write(path: Path, quadrant: int, tonic: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mode, gap_s = MODES[quadrant]
    notes = scale(mode, tonic=tonic, gap_s=gap_s, velocity=100 if quadrant < 3 else 50)
    midi = pretty_midi.PrettyMIDI()
    piano = pretty_midi.Instrument(0)
    for start, end, pitch, velocity in zip(notes.start_s, notes.end_s, notes.pitch, notes.velocity, strict=True):
        piano.notes.append(pretty_midi.Note(int(velocity), int(pitch), float(start), float(end)))
    midi.instruments.append(piano)
    midi.write(str(path))


def write_csv(path: Path, columns: tuple[str, ...], rows: list[tuple]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EMOPIA of 5 songs a quadrant, VGMIDI of 10 pieces, unlabelled pieces, and folds of both in `cards`."""
    folder = tmp_path_factory.mktemp("data")
    folds: dict[str, list[tuple[str, int]]] = {"emopia": [], "vgmidi": []}
    splits: dict[str, list[tuple[str]]] = {"train": [], "val": [], "test": []}
    for quadrant, song in itertools.product(MODES, range(5)):
        name = f"Q{quadrant}_song{quadrant}{song}_0"
        write(folder / "emopia" / "midis" / f"{name}.mid", quadrant, 55 + song)
        splits[("train", "train", "train", "val", "test")[song]].append((name,))
        folds["emopia"].append((name, song))
    for side, names in splits.items():
        write_csv(folder / "emopia" / "split" / f"{side}.csv", ("fname",), names)
    ratings = []
    for number in range(10):
        name, quadrant = f"Series_SNES_Game{number % 5}_Piece{number}", 1 + number % 4
        write(folder / "vgmidi" / "labelled" / "midi" / f"{name}.mid", quadrant, 57 + number % 5)
        sign = {1: (1, 1), 2: (-1, 1), 3: (-1, -1), 4: (1, -1)}[quadrant]
        ratings.append({"midi": f"{name}.mid", "valence": [0.3 * sign[0]] * 2, "arousal": [0.2 * sign[1]] * 2})
        folds["vgmidi"].append((name, number % 5))
    (folder / "vgmidi" / RATINGS).write_text(json.dumps(ratings))
    for number in range(16):
        write(folder / "pop909" / f"{number:03}.mid", 1 + number % 4, 50 + number % 12)
    for name, rows in folds.items():
        write_csv(folder / "cards" / name / "splits" / "folds.csv", ("piece", "fold"), rows)
        (folder / "cards" / name / "card.toml").touch()
    return folder


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory):
    """Folder of a judge trained on the drawn data."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cards, "PLACES", (data / "cards",))
        pipeline.run(Sources(data, folder / "renders"), folder, seeds=range(2), config=TINY, recipes=QUICK)
    return folder


def test_the_trained_judge_distinguishes_fast_from_slow(trained: Path, data: Path) -> None:
    prediction = Judge(ensemble.load(trained))
    fast, slow = (data / "emopia" / "midis" / f"Q{quadrant}_song{quadrant}4_0.mid" for quadrant in (1, 3))
    arousal = [sum(prediction.predict(midi=path).whole.quadrants[:2]) for path in (fast, slow)]
    assert arousal[0] > arousal[1]


def test_training_again_takes_up_what_was_done(trained: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "PLACES", (data / "cards",))
    before = (trained / "model.safetensors").read_bytes()
    pipeline.run(Sources(data, trained / "renders"), trained, seeds=range(2), config=TINY, recipes=QUICK)
    assert (trained / "model.safetensors").read_bytes() == before


@pytest.mark.slow
def test_the_evaluation_prints_every_table(
    trained: Path, data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cards, "PLACES", (data / "cards",))
    sources = Sources(data, trained / "renders")
    done = evaluation.evaluate(sources, runs=tmp_path, seeds=range(2), weights=trained, recipe=QUICK.networks)
    rows = done.report["rows"]
    assert {"shipped", "shipped, MIDI alone", "shipped, audio alone"} <= set(rows)
    assert len(rows["shipped, one network at a time"]["accuracy"]["seeds"]) == 2
    assert "ece" in rows["shipped"] and "ece" not in rows["pooling mean"]
    assert {f"pooling {name}" for name in ("none", "mean", "max", "adaptive")} <= set(rows)
    assert len(rows["pooling mean"]["accuracy"]["seeds"]) == 2
    assert len(rows["pooling none"]["accuracy"]["seeds"]) == 1
    assert all(
        0 <= row["accuracy"]["low"] <= row["accuracy"]["high"] <= 1 for row in rows.values() if "accuracy" in row
    )
    assert done.report["pooling"]["none"]["rows_before"] == done.report["pooling"]["none"]["rows_after"]
    assert done.report["pooling"]["adaptive"]["rows_after"] < 0.5 * done.report["pooling"]["adaptive"]["rows_before"]
    text = evaluation.as_text(done.report)
    assert all(name.split(": ")[-1] in text for name in rows)
    ours = [row for row in done.predictions if row[0] == "shipped"]
    assert len(ours) == 4 and all(len(row) == len(evaluation.COLUMNS) for row in ours)
    accuracy = np.mean([int(np.argmax(row[4:8])) + 1 == row[3] for row in ours])
    assert accuracy == pytest.approx(rows["shipped"]["accuracy"]["mean"])


def test_a_group_on_both_sides_is_refused(data: Path) -> None:
    pieces = read_emopia(data / "emopia")
    with pytest.raises(DataError, match="both sides"):
        assert_disjoint(pieces[:3], pieces[2:])


def test_what_is_not_emopia_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no EMOPIA at"):
        read_emopia(tmp_path)
    with pytest.raises(DataError, match="no VGMIDI at"):
        read_vgmidi(tmp_path)


def test_the_plain_version_is_plain_and_others_differ() -> None:
    assert variation("piece", 0) == PLAIN
    drawn = [variation("piece", version) for version in range(1, 9)]
    assert len(set(drawn)) == 8 and drawn == [variation("piece", version) for version in range(1, 9)]
    assert all(abs(change.semitones) <= 5 and 0.9 < change.tempo < 1.1 for change in drawn)


def test_a_render_is_made_once_and_lasts_as_long_as_its_piece(data: Path, tmp_path: Path) -> None:
    path = data / "emopia" / "midis" / "Q1_song10_0.mid"
    renders = RenderCache(tmp_path, 30.0)
    rows = renders.mel(path, "one", 0)
    length_s = pretty_midi.PrettyMIDI(str(path)).get_end_time()
    assert len(rows) == pytest.approx((length_s + 1) * 50, abs=3)
    np.testing.assert_array_equal(renders.mel(Path("nowhere.mid"), "one", 0), rows)


def test_bytes_keep_decibels_within_a_sixth() -> None:
    rows = np.random.default_rng(0).uniform(-80, 0, (50, 96)).astype(np.float32)
    assert np.abs(to_decibels(to_bytes(rows)) - rows).max() <= 1 / 6 + 1e-5


def test_a_rated_piece_has_soft_quadrants_and_a_chosen_one_has_not(data: Path) -> None:
    empty = torch.zeros(0, 4)
    rated, chosen = read_vgmidi(data / "vgmidi")[0], read_emopia(data / "emopia")[0]
    soft, hard = (EncodedPiece(piece, empty, empty, empty, ()).target for piece in (rated, chosen))
    assert rated.group == "Game0" and rated.quadrant == 0
    assert soft.sum().item() == pytest.approx(1) and 0.5 < soft[0] < 1 and (soft > 0).all()
    assert hard.tolist() == [1, 0, 0, 0]


def test_a_game_on_both_sides_is_refused(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(data / "cards", tmp_path / "cards")
    folds = tmp_path / "cards" / "vgmidi" / "splits" / "folds.csv"
    folds.write_text(folds.read_text().replace("Game4_Piece9,4", "Game4_Piece9,0"))
    monkeypatch.setattr(cards, "PLACES", (tmp_path / "cards",))
    with pytest.raises(DataError, match="both sides"):
        pipeline.official_split(Sources(data, tmp_path))


def test_a_folder_of_another_run_is_refused(trained: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "PLACES", (data / "cards",))
    other = replace(QUICK, tokens=LoopConfig(2, batch=2))
    with pytest.raises(DataError, match="another run"):
        pipeline.run(Sources(data, trained / "renders"), trained, seeds=[0], config=TINY, recipes=other)
    fewer = replace(QUICK, versions=1)
    with pytest.raises(DataError, match="another run"):
        pipeline.run(Sources(data, trained / "renders"), trained, seeds=[0], config=TINY, recipes=fewer)
