"""Training of the colour encoder: arithmetic against plain definitions, no leak, a whole run on drawn data."""

import json

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose

from emotion import report as reports
from emotion.affect import EMOTIONS
from emotion.errors import DataError
from video2music.features import still
from video2music.features.color import Color, Scale, squared_distances
from video2music.train import color
from video2music.train.color import KernelSettings, StillFeatures


@pytest.fixture
def problem():
    """Points, their distances and two ratings of which the first depends on them."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(40, 3))
    ratings = np.stack([np.sin(points[:, 0]) + 0.1 * rng.normal(size=40), rng.normal(size=40)], axis=1)
    return squared_distances(points, points), ratings


def left_out_error(distances, ratings, choice):
    """The definition: fit without each row in turn, on ratings about the mean of all."""
    centred = ratings - ratings.mean()
    errors = []
    for out in range(len(ratings)):
        rest = np.delete(np.arange(len(ratings)), out)
        kernel = np.exp(-choice.gamma * distances[np.ix_(rest, rest)])
        alpha = np.linalg.solve(kernel + choice.ridge * np.eye(len(rest)), centred[rest])
        errors.append((centred[out] - np.exp(-choice.gamma * distances[out, rest]) @ alpha) ** 2)
    return np.mean(errors)


def test_settings_are_those_of_the_least_leave_one_out_error(problem):
    distances, ratings = problem
    for axis, found in enumerate(color.choose(distances, ratings)):
        errors = {
            choice: left_out_error(distances, ratings[:, axis], choice)
            for choice in (KernelSettings(gamma, ridge) for gamma in color.GAMMAS for ridge in color.RIDGES)
        }
        assert errors[found] == pytest.approx(min(errors.values()))


@pytest.mark.parametrize("make", [lambda seed: color.random_folds(53, seed)])
def test_each_row_is_held_out_once(make):
    folds = list(make(0))
    assert sorted(np.concatenate([held_out for _, held_out in folds])) == list(range(53))
    assert all(set(known) | set(held_out) == set(range(53)) for known, held_out in folds)
    assert not any(set(known) & set(held_out) for known, held_out in folds)


def test_a_theme_is_never_on_both_sides():
    themes = np.array([f"theme {index // 4}" for index in range(80)])
    for known, held_out in color.theme_folds(themes, 0):
        assert not set(themes[known]) & set(themes[held_out])


def test_held_out_predictions_of_noise_are_worth_nothing_and_of_a_pattern_much(monkeypatch):
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(200, 10))
    ratings = np.stack([numbers[:, 0] + 0.3 * rng.normal(size=200), rng.normal(size=200)], axis=1)
    monkeypatch.setattr(color, "_group_sizes", lambda: [2, 8])
    predicted = color.predict_held_out(StillFeatures(numbers, ratings, np.arange(200)), color.random_folds(200, 0))
    pattern, noise = (np.corrcoef(predicted[:, axis], ratings[:, axis])[0, 1] for axis in range(2))
    assert pattern > 0.7
    assert abs(noise) < 0.25


def test_correlation_is_pearsons_with_an_interval_around_it():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=300)
    predictions = np.stack([truth + rng.normal(size=300) for _ in range(2)])
    found = color.correlation(predictions, truth, np.arange(300))
    expected = [np.corrcoef(rows, truth)[0, 1] for rows in predictions]
    assert found["seeds"] == pytest.approx(expected)
    assert found["mean"] == pytest.approx(np.mean(expected))
    assert found["low"] < found["mean"] < found["high"]
    assert found["high"] - found["low"] < 0.2


def test_the_interval_is_wider_where_rows_come_in_fewer_units():
    rng = np.random.default_rng(0)
    video = np.repeat(np.arange(20), 30)
    offset = np.repeat(rng.normal(size=20), 30)
    truth = offset + 0.3 * rng.normal(size=600)
    prediction = (offset * np.repeat(rng.integers(0, 2, 20), 30))[None] + 0.3 * rng.normal(size=600)
    by_video, by_row = (color.correlation(prediction, truth, unit) for unit in (video, np.arange(600)))
    assert by_video["high"] - by_video["low"] > 1.5 * (by_row["high"] - by_row["low"])


def test_figures_that_are_no_mean_make_the_same_report_as_others():
    values = np.array([[0.1, 0.4], [0.3, 0.2]])
    built = reports.build("task", "data", "split", (0, 1), {"one": [{"r": row} for row in values]})
    assert reports.from_summaries("task", "data", "split", (0, 1), {"one": {"r": reports.summary(values)}}) == built


def test_arousals_middle_is_that_of_the_third_nearest_to_neutral():
    ratings = np.array([(-0.9, 0.6), (-0.1, -0.3), (0.0, -0.5), (0.8, 0.4), (0.5, 0.2), (-0.6, 0.2)])
    assert color.neutral_arousal(ratings) == pytest.approx((-0.4 - 0.1) / ratings[:, 1].std())


def test_the_usual_motion_is_what_videos_cut_as_films_are_would_show():
    rates = np.array([0.1, 0.3, 0.5])
    observed = np.stack([np.repeat(1.2 + 0.5 * rates, (10, 20, 30)), np.repeat(rates, (10, 20, 30))], axis=1)
    assert color.typical_motion(observed, np.repeat(np.arange(3), (10, 20, 30))) == pytest.approx([1.3, 0.2])


def test_entropy_is_in_nats():
    assert color.mean_entropy(np.array([[0.5, 0.5], [1, 0]])) == pytest.approx(np.log(2) / 2)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A little OASIS whose bright stills are liked, and a little MuVi-Sync whose fast videos are loud."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    (folder / "oasis/images").mkdir(parents=True)
    rows = ["image,category,valence_mean,valence_sd,arousal_mean,arousal_sd"]
    for index in range(60):
        bright, fine = rng.random(2)
        noise = rng.normal(0, 1 + 40 * fine, (128, 160, 3))
        picture = np.clip(40 + 160 * bright + noise, 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"oasis/images/kind{index // 3}_{index % 3 + 1}.jpg"), picture)
        rows.append(f"kind{index // 3}_{index % 3 + 1}.jpg,Object,{1 + 6 * bright},1,{1 + 6 * fine},1")
    (folder / "oasis/norms.csv").write_text("\n".join(rows))
    write_muvi_sync(folder / "muvi_sync", rng)
    return folder


def write_muvi_sync(root, rng):
    for split, names in (("train", range(6)), ("val", range(6, 9)), ("test", range(9, 12))):
        path = root / f"vevo_meta/split/v1/{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{name:03d}\n" for name in names))
        for name in names:
            write_video_rows(root, f"{name:03d}", rng)


def write_video_rows(root, name, rng):
    wild = np.repeat(rng.random(6), 12)
    offset = np.concatenate([np.arange(12) % (2 if level > 0.5 else 12) for level in wild[::12]])
    emotion = rng.dirichlet(np.ones(6), len(wild))
    columns = {
        "vevo_motion": 1 + 30 * wild,
        "vevo_scene_offset": offset,
        "vevo_loudness": 0.1 + 0.3 * wild + 0.01 * rng.random(len(wild)),
        "vevo_note_density": np.ones(len(wild)),
    }
    for folder, column in columns.items():
        write_rows(root / folder / f"all/{name}.lab", [f"{at} {value:.4f}" for at, value in enumerate(column)])
    heading = "time " + " ".join(f"{word}_prob" for word in EMOTIONS)
    rows = [f"{at} " + " ".join(f"{value:.4f}" for value in row) for at, row in enumerate(emotion)]
    write_rows(root / f"vevo_emotion/6c_l14p/all/{name}.lab", [heading, *rows])
    chords = [f"{at} C" for at in range(len(wild))]
    write_rows(root / f"vevo_chord/lab_v2_norm/all/{name}.lab", ["key C major", *chords])
    path = root / f"vevo_semantic/all/2d/clip_l14p/{name}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.zeros((len(wild), 768), np.float16))


def write_rows(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n")


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("color")
    return out, color.train(data, out, seeds=(0,))


def test_training_learns_what_the_features_show(trained):
    _, report = trained
    shipped = report["rows"]["shipped"]
    assert shipped["r_valence"]["mean"] > 0.8
    assert shipped["r_arousal"]["mean"] > 0.6
    assert report == reports.from_summaries("picture affect", "OASIS", "ten folds", [0], report["rows"])


def test_what_was_trained_can_be_loaded_and_predicts(trained, data):
    from emotion import checkpoint

    out, _ = trained
    encoder = Color(checkpoint.load(out, kind="color"))
    stills = color.read_stills(data / "oasis")
    scores = encoder.scores(stills.features)
    for axis in range(2):
        assert np.corrcoef(scores[:, axis], stills.ratings[:, axis])[0, 1] > 0.8
    assert (
        encoder.energy(np.full(20, 30.0), np.arange(20) % 2).mean() > encoder.energy(np.ones(20), np.arange(20)).mean()
    )


def test_the_emotions_are_as_undecided_as_muvi_syncs(trained, data):
    from emotion.affect import emotions_at

    config = json.loads((trained[0] / "config.json").read_text())
    rng = np.random.default_rng(0)
    points = rng.normal(size=(500, 2)) * 0.3
    temperature = color.temperature_for(points, data / "muvi_sync")
    dirichlet = rng.dirichlet(np.ones(6), 5000)  # what the drawn MuVi-Sync's emotions came from
    assert color.mean_entropy(emotions_at(points, temperature)) == pytest.approx(
        color.mean_entropy(dirichlet), abs=0.06
    )
    assert config["temperature"] > 0


def test_the_card_names_data_command_and_figures(trained):
    card = (trained[0] / "README.md").read_text()
    for words in ("OASIS", "MuVi-Sync", "video2music train color", "r_valence", "themes apart", "cut rate"):
        assert words in card


def test_data_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match="unpacked MuVi-Sync"):
        color.train(tmp_path, tmp_path / "out")


def test_the_scale_of_the_shipped_weights_fits_the_numbers(trained):
    sizes = list(still.group_sizes().values())
    numbers = np.random.default_rng(0).random((30, sum(sizes)))
    points = Scale.of(numbers, sizes).apply(numbers)
    assert_allclose((points**2).sum(axis=1).mean(), 1, rtol=0.01)
