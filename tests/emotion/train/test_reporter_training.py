"""Training of the reporter: what is held out is unknown, temperatures are likeliest, and the whole command."""

import csv
import json

import mido
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from emotion.cli import app
from emotion.data import cards, ym2413
from emotion.models import reporter as shipped
from emotion.train import reporter
from emotion.train.reporter import Recipe, Sound
from tests.emotion.waves import sine, wav

SHARP = Recipe(width=6.0, ridge=0.01)


def made(number, fold, *, quadrant, like=None, title="", source="fourq"):
    """A sound of chance numbers that depend on `like` alone."""
    rng = np.random.default_rng(number if like is None else like)
    return Sound(source, f"s{number}", quadrant, fold, title, rng.normal(size=(1, 6)).astype(np.float32))


def crowd(count=40):
    return [made(number, number % 10, quadrant=number % 4) for number in range(count)]


def told(extra, name="s100"):
    return int(reporter.out_of_fold([*crowd(), *extra], SHARP)[name][0].argmax())


def test_a_twin_in_another_fold_teaches_its_quadrant():
    held = made(100, 0, quadrant=0, like=7000)
    for quadrant in range(4):
        assert told([held, made(101, 1, quadrant=quadrant, like=7000)]) == quadrant


def test_twins_in_the_same_fold_or_of_the_same_title_teach_nothing():
    held = made(100, 0, quadrant=0, like=7000, title="title screen")
    for quadrant in range(4):
        same_fold = [held, *(made(101 + n, 0, quadrant=quadrant, like=7000) for n in range(3))]
        same_title = [
            held,
            *(made(101 + n, None, quadrant=quadrant, like=7000, title="title screen") for n in range(3)),
        ]
        assert told(same_fold) == told(same_title) == told([held])


def test_sounds_without_a_fold_teach_and_are_never_told():
    held = made(100, 0, quadrant=0, like=7000)
    scores = reporter.out_of_fold([*crowd(), held, made(101, None, quadrant=3, like=7000)], SHARP)
    assert int(scores["s100"][0].argmax()) == 3 and "s101" not in scores


@pytest.mark.parametrize("true_temperature", [0.1, 0.5])
def test_the_temperature_that_made_the_answers_is_found(true_temperature):
    rng = np.random.default_rng(0)
    sounds, scores = [], {}
    for number in range(3000):
        row = rng.normal(0, 0.5, 4)
        chances = np.exp(row / true_temperature)
        quadrant = int(rng.choice(4, p=chances / chances.sum()))
        sounds.append(made(number, 0, quadrant=quadrant, source=("fourq", "ym2413")[number % 2]))
        scores[f"s{number}"] = torch.tensor(row[None])
    assert reporter.best_temperature(scores, sounds) == pytest.approx(true_temperature, rel=0.15)


QUADRANTS = ("Q1", "Q2", "Q3", "Q4")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Twenty sounds and twenty pieces of game music in their sets' layouts, with cards and ten folds."""
    root = tmp_path_factory.mktemp("data")
    names = {"fourq": [f"MT{n:02}" for n in range(20)], "ym2413": [f"Game {n} (FM) - 01 - Tune {n}" for n in range(20)]}
    for source, own in names.items():
        splits = root / "datasets" / source / "splits"
        splits.mkdir(parents=True)
        (splits.parent / "card.toml").write_text(f'name = "{source}"\n')
        _table(splits / "folds.csv", [("piece", "fold"), *((name, n // 2) for n, name in enumerate(own))])
    _write_fourq(root / "fourq", names["fourq"])
    _write_ym2413(root / "ym2413", [*names["ym2413"], "09 Nobody knows"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cards, "PLACES", (root / "datasets",))
        yield root


def _table(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def _write_fourq(folder, names):
    labels = [(name, QUADRANTS[n % 4]) for n, name in enumerate(names)]
    _table(folder / "annotations.csv", [("Song", "Quadrant"), *labels])
    _table(folder / "metadata.csv", [("Song", "Artist"), *((name, f"artist {name}") for name in names)])
    (folder / "audio").mkdir()
    for n, name in enumerate(names):
        wav(folder / "audio" / f"{name}.wav", sine(3.0, 24_000, 200.0 * (1 + n % 4)), 24_000)


def _write_ym2413(folder, names):
    head = ("fname", "verified_tags", "toptag_eng_verified", "4Q")
    _table(
        folder / ym2413.LABELS, [head, *((f"{name}.wav", "a", "a", QUADRANTS[n % 4]) for n, name in enumerate(names))]
    )
    (folder / ym2413.MIDI).mkdir(parents=True)
    for n, name in enumerate(names):
        file, track = mido.MidiFile(ticks_per_beat=480), mido.MidiTrack()
        for step in range(4):
            track.append(mido.Message("note_on", note=48 + 6 * (n % 4) + step, velocity=90, time=0))
            track.append(mido.Message("note_off", note=48 + 6 * (n % 4) + step, time=240))
        file.tracks.append(track)
        file.save(folder / ym2413.MIDI / f"{name}.mid")


def train(data, out, *more):
    arguments = ["--fourq", data / "fourq", "--ym2413", data / "ym2413", "-o", out, "--cache", data / "cache", *more]
    return CliRunner().invoke(app, ["train", "reporter", *map(str, arguments)])


@pytest.mark.slow
def test_the_command_writes_weights_card_and_report_and_uses_its_cache(data, tmp_path):
    done = train(data, tmp_path / "one", "--json", tmp_path / "report.json")
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["task"] == "reporter" and len(report["rows"]) == 5
    card = (tmp_path / "one/README.md").read_text()
    assert "research use only" in card and "| 4Q set, ten folds by artist, 30 s |" in card
    first = shipped.load(tmp_path / "one")
    versions = [reporter.VERSIONS[n % 4] for n in range(21)]
    assert first.model.config.n_points == 20 * (1 + len(reporter.CROPS_S)) + sum(versions)
    assert 0.005 < float(first.model.temperature) < 4
    for path in (data / "fourq/audio").iterdir():
        path.write_bytes(b"")  # a second run reads no sound again
    assert train(data, tmp_path / "two").exit_code == 0
    assert shipped.load(tmp_path / "two").sha256 == first.sha256


def test_a_folder_that_holds_something_else_is_refused_in_a_sentence(data, tmp_path):
    done = train(data, tmp_path, "--fourq", data / "ym2413")
    assert done.exit_code == 1 and "metadata.csv is missing" in done.stderr
