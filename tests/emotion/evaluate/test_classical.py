"""The classical row: its features against signals that are known, and that no fold is trained on what it predicts."""

import csv
from pathlib import Path

import numpy as np
import pytest

from emotion import metrics
from emotion.data import cards, pieces, recordings
from emotion.data.pieces import read_folds
from emotion.errors import DataError
from emotion.evaluate import classical
from emotion.features import sound
from tests.emotion.waves import sine, wav

RATE = sound.SAMPLE_RATE


def value(samples: np.ndarray, name: str) -> float:
    return float(classical.describe(samples.astype(np.float32))[classical.NAMES.index(name)])


def test_there_are_94_features_with_names_of_their_own():
    described = classical.describe(np.random.default_rng(0).normal(0, 0.1, 3 * RATE).astype(np.float32))
    assert described.shape == (94,) == (len(set(classical.NAMES)),)
    assert np.isfinite(described).all()
    assert np.isfinite(classical.describe(np.zeros(3 * RATE, np.float32))).all()


def test_the_features_of_a_sine_are_those_of_a_sine():
    """A 880: the centroid is its pitch, its class is A, its level that of a sine, and nothing changes."""
    tone = sine(4.0, RATE, 880.0, 0.5)
    steady = tone[RATE // 2 : -RATE // 2]
    assert value(steady, "centroid mean") == pytest.approx(880, rel=0.1)
    assert value(steady, "zero crossings mean") == pytest.approx(2 * 880 / RATE, rel=0.05)
    assert value(steady, "level mean") == pytest.approx(np.log10(0.5 / np.sqrt(2)), abs=0.05)
    classes = [value(steady, f"chroma {number} mean") for number in range(12)]
    assert int(np.argmax(classes)) == 9
    noise = np.random.default_rng(0).normal(0, 0.1, len(steady))
    assert value(noise, "flatness mean") > 20 * value(steady, "flatness mean")


@pytest.mark.parametrize("per_minute", [90, 120])
def test_the_tempo_is_that_of_clicks(per_minute):
    rng, samples = np.random.default_rng(0), np.zeros(12 * RATE)
    for start in np.arange(0, 11.8, 60 / per_minute):
        samples[round(start * RATE) :][:1200] += rng.normal(0, 0.3, 1200) * np.exp(-np.arange(1200) / 200)
    assert 2 ** value(samples, "tempo mean") == pytest.approx(per_minute, rel=0.08)


def labelled(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Four clouds (N, 6) on the plane of two columns, their quadrants, and three folds."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, count)
    centres = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * 1.5
    inputs = rng.normal(0, 1, (count, 6))
    inputs[:, :2] += centres[truth]
    return inputs * [1, 100, 1, 1, 0.01, 1] + 7, truth, np.arange(count) % 3


@pytest.fixture
def small_grid(monkeypatch):
    monkeypatch.setattr(classical, "C_GRID", (1.0, 8.0))
    monkeypatch.setattr(classical, "GAMMA_GRID", (0.02, 0.2))


def test_clouds_are_separated_whatever_the_columns_units(small_grid):
    inputs, truth, fold = labelled(200, 0)
    predicted = classical.out_of_fold(inputs, truth, fold)
    np.testing.assert_allclose(predicted.sum(1), 1)
    assert metrics.of_quadrants(predicted, truth)["macro_f1"] > 0.75
    shuffled = np.random.default_rng(1).permutation(truth)
    assert metrics.of_quadrants(classical.out_of_fold(inputs, shuffled, fold), shuffled)["accuracy"] < 0.4


def test_predictions_for_a_fold_do_not_depend_on_its_labels_or_on_its_other_rows(small_grid):
    inputs, truth, fold = labelled(120, 2)
    predicted = classical.out_of_fold(inputs, truth, fold)
    held = fold == 2
    other, shifted = truth.copy(), inputs.copy()
    other[held] = (truth[held] + 1) % 4
    first = np.flatnonzero(held)[0]
    shifted[held] += 1000
    shifted[first] = inputs[first]
    np.testing.assert_array_equal(classical.out_of_fold(inputs, other, fold)[held], predicted[held])
    np.testing.assert_allclose(classical.out_of_fold(shifted, truth, fold)[first], predicted[first])


def test_features_are_kept_by_content(tmp_path, monkeypatch):
    one = wav(tmp_path / "one.wav", sine(2.0, RATE, 440.0), RATE)
    two = wav(tmp_path / "two.wav", sine(2.0, RATE, 660.0), RATE)
    first = classical.extract([one, two], tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2
    np.testing.assert_allclose(first[0], classical.describe(np.concatenate(list(sound.read(one)))))
    renamed = one.rename(tmp_path / "renamed.wav")
    monkeypatch.setattr(classical, "describe", lambda samples: pytest.fail("was computed again"))
    np.testing.assert_array_equal(classical.extract([two, renamed], tmp_path / "cache"), first[::-1])


def written(folder: Path, songs: dict[str, str]) -> Path:
    """A 4Q set of these songs and their artists, a second of sound each."""
    (folder / "audio").mkdir(parents=True)
    for name in songs:
        wav(folder / "audio" / f"{name}.wav", sine(1.0, RATE), RATE)
    rows = [METADATA | {"Song": name, "Artist": artist} for name, artist in songs.items()]
    for name, columns in (("annotations.csv", ("Song", "Quadrant")), ("metadata.csv", tuple(METADATA))):
        with (folder / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
    return folder


METADATA = {"Song": "", "Artist": "", "Title": "", "Quadrant": "Q1", "PQuad": "1", "Moods": "", "GenresStr": ""}


def test_an_excerpt_without_a_fold_is_refused(tmp_path):
    with pytest.raises(DataError, match="have no fold, such as MT1"):
        classical.predict_fourq(written(tmp_path / "set", {"MT1": "somebody"}), tmp_path / "cache")


def test_an_artist_in_two_folds_is_refused(tmp_path, monkeypatch):
    folder = written(tmp_path / "set", {"MT1": "abba", "MT2": "Abba", "MT3": "queen"})
    monkeypatch.setattr(pieces, "read_folds", lambda path: {"MT1": 0, "MT2": 1, "MT3": 1})
    with pytest.raises(DataError, match="both sides of the split, such as the artist abba"):
        classical.predict_fourq(folder, tmp_path / "cache")


def test_every_excerpt_of_the_set_has_a_fold_and_no_artist_two(shared: Path):
    excerpts = recordings.read_fourq(shared / "data" / "fourq")
    folds = read_folds(cards.folder("fourq") / "splits" / "folds.csv")
    assert {folds[excerpt.name] for excerpt in excerpts} == set(range(10))
    at = {(excerpt.artist, folds[excerpt.name]) for excerpt in excerpts if excerpt.artist}
    assert len(at) == len({artist for artist, _ in at})


@pytest.mark.slow
def test_features_of_real_excerpts_show_arousal(shared, tmp_path, small_grid):
    """Twenty excerpts of Q2 and twenty of Q4, separated far above chance."""
    some = [
        [e for e in recordings.read_fourq(shared / "data" / "fourq") if e.quadrant == quadrant][:20]
        for quadrant in (1, 3)
    ]
    excerpts = [*some[0], *some[1]]
    inputs = classical.extract([excerpt.path for excerpt in excerpts], tmp_path)
    truth = np.repeat([0, 1], 20)
    predicted = classical.out_of_fold(inputs, truth, np.arange(40) % 5)
    assert (predicted.argmax(1) == truth).mean() > 0.7
