"""ADFF and the unified model as they ship: temperatures that are likeliest, and the whole commands on tiny sets."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import log_loss
from typer.testing import CliRunner

from emotion import judge, metrics
from emotion.cli import app
from emotion.data.registry import DATASETS
from emotion.models import adff as adff_model
from emotion.models import unified as unified_model
from emotion.train import adff, crossval, shipped, unified
from emotion.train.crossval import HeldOutPredictions
from emotion.train.dataset import TrainingPiece
from tests.emotion.plain_model import midi_file
from tests.emotion.train import four_sets
from tests.emotion.train.four_sets import NAMES

MODELS = {"adff": adff_model, "unified": unified_model}


def answers(count, true_temperature, *, source="fourq", seed=0):
    """Probabilities of which those over a temperature came true."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (count, 4))
    chances = softmax(logits / true_temperature)
    truth = [int(rng.choice(4, p=row)) for row in chances]
    pieces = [
        TrainingPiece(source, f"p{n}", frozenset(), 0, label, None, Path("p"), n) for n, label in enumerate(truth)
    ]
    return HeldOutPredictions(pieces, softmax(logits), np.zeros((count, 2)))


def softmax(logits):
    rows = np.exp(logits - logits.max(1, keepdims=True))
    return rows / rows.sum(1, keepdims=True)


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_predictions_is_found(true_temperature):
    found = shipped.best_temperature(answers(3000, true_temperature))
    assert found == pytest.approx(true_temperature, rel=0.15)


def test_every_set_counts_the_same_however_many_pieces_it_has():
    parts = [answers(1500, 0.5), answers(150, 3.0, source="ym2413", seed=1)]
    both = HeldOutPredictions([*parts[0].pieces, *parts[1].pieces], *(
        np.concatenate([getattr(part, name) for part in parts]) for name in ("quadrants", "affect")
    ))  # fmt: skip

    def loss(log_temperature):
        return sum(
            log_loss(
                [each.quadrant for each in part.pieces],
                softmax(np.log(part.quadrants) / np.exp(log_temperature)),
                labels=range(4),
            )
            for part in parts
        )

    expected = np.exp(minimize_scalar(loss, bounds=(-2.3, 2.3), method="bounded").x)
    assert shipped.best_temperature(both) == pytest.approx(expected, rel=0.03)  # a step of the grid
    assert shipped.best_temperature(both) > 1.3 * shipped.best_temperature(parts[0])


def test_the_report_is_of_calibrated_predictions_that_show_the_same_quadrants(monkeypatch):
    monkeypatch.setattr(metrics, "RESAMPLES", 50)
    predicted, row = answers(200, 0.5), replace(crossval.ADFF, sets=("fourq",))
    cool, plain = (shipped.metrics_by_set(row, [predicted], temperature)["4Q"] for temperature in (0.5, 1.0))
    assert cool["accuracy"] == plain["accuracy"]
    assert plain["accuracy"]["mean"] == pytest.approx(
        np.mean(predicted.quadrants.argmax(1) == [each.quadrant for each in predicted.pieces])
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The four sets, two folds of each, and recipes of two steps."""
    root = four_sets.write(tmp_path_factory.mktemp("data"))
    with four_sets.with_folds(root), pytest.MonkeyPatch.context() as patch:
        four_sets.two_folds(patch)
        patch.setattr(metrics, "RESAMPLES", 50)
        patch.setattr(crossval, "ADFFTrainConfig", partial(adff.ADFFTrainConfig, steps=2, batch=4))
        patch.setattr(crossval, "UnifiedTrainConfig", partial(unified.UnifiedTrainConfig, steps=2, batch=4))
        yield root


def train(name, data, out):
    arguments = ["train", name, "--data", str(data), "-o", str(out), "--runs", str(data / "runs")]
    return CliRunner().invoke(app, arguments)


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")  # draws of one piece have no R²
@pytest.mark.parametrize("name", MODELS)
def test_the_command_writes_weights_and_a_card_and_a_second_run_computes_nothing(name, data, tmp_path, monkeypatch):
    done = train(name, data, tmp_path / "one")
    assert done.exit_code == 0, done.output
    sets = shipped.EXPERIMENTS[name].sets
    card = (tmp_path / "one/README.md").read_text()
    for source in sets:
        assert f"| {DATASETS[source].title} |" in done.stdout and f"| {DATASETS[source].title} |" in card
    assert "research use only" in card and f"python -m emotion train {name}" in card and '"temperature"' in card
    first = MODELS[name].load(tmp_path / "one")
    assert 0.09 < float(first.model.temperature) < 11
    tune = midi_file(tmp_path / "a.mid", *((n / 2, n / 2 + 0.4, 60 + n) for n in range(12)))
    sound_path = next((data / "fourq/audio").glob("*.wav"))
    for given in [sound_path] if name == "adff" else [sound_path, None]:
        heard = judge.Judge(first).predict(given, None if given else tune).whole
        assert np.isfinite([heard.valence, heard.arousal, *heard.quadrants]).all()

    def deaf(*_):
        raise AssertionError("a sound is heard again")

    monkeypatch.setattr("emotion.train.dataset.samples", deaf)
    assert train(name, data, tmp_path / "two").exit_code == 0
    assert MODELS[name].load(tmp_path / "two").sha256 == first.sha256


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")  # draws of one piece have no R²
def test_the_unified_model_never_learns_emopia_s_test_clips_and_adff_neither_piano_set(data, tmp_path, monkeypatch):
    given = {}
    for module, name in ((adff, "adff"), (unified, "unified")):

        def noting(material, *others, own=module.train, name=name, **named):
            given[name] = [each.piece for each in material]  # the last is what ships
            return own(material, *others, **named)

        monkeypatch.setattr(module, "train", noting)
        assert train(name, data, tmp_path / name).exit_code == 0
    names = {name: {piece.name for piece in pieces} for name, pieces in given.items()}
    assert names["unified"].isdisjoint(NAMES["emopia"][2:]) and names["unified"] >= set(NAMES["emopia"][:2])
    assert {piece.source for piece in given["adff"]} == {"fourq", "ym2413"}
    assert {piece.source for piece in given["unified"]} == set(NAMES)


@pytest.mark.parametrize("name", MODELS)
def test_a_folder_without_the_sets_is_refused_in_a_sentence(name, data, tmp_path):
    done = train(name, tmp_path, tmp_path / "out")
    assert done.exit_code == 1 and len(done.stderr.strip().splitlines()) == 1
    assert str(tmp_path / "fourq") in done.stderr and "missing" in done.stderr
