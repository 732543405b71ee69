"""`video2music evaluate` on a tiny MuVi-Sync with tiny models, as a user types it."""

import csv
import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from tests.video2music.evaluate.songs import write_muvi_sync
from video2music.cli import app
from video2music.model import amt, regressor
from video2music.model.attention import CONFIGS


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_muvi_sync(tmp_path_factory.mktemp("muvi_sync"))


def write_models(folder, *, seed=0, **training):
    torch.manual_seed(seed)
    card = {"training": {"recipe": {"seed": seed}, **training}}
    amt.save(amt.AMT(CONFIGS["tiny"]), folder / "amt", calibration={"scale": 0.2, "offset": -1.0}, **card)
    small = regressor.RegressorConfig(hidden=8, layers=1)
    model = regressor.Regressor(small)
    model.target_mean.copy_(torch.tensor([10.0, 0.25]))
    model.target_scale.copy_(torch.tensor([5.0, 0.1]))
    regressor.save(model, folder / "regressor", **card)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_models(folder / "shipped")
    write_models(folder / "runs/one", seed=1)
    write_models(folder / "runs/blind", variant="no video", drop_rates=[1, 1, 1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(amt, "WEIGHTS", folder / "shipped/amt")
        patch.setattr(regressor, "WEIGHTS", folder / "shipped/regressor")
        yield folder


def run(*arguments):
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def refusal(*arguments):
    done = run(*arguments)
    sentences = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.exit_code == 1 and len(sentences) == 1, done.output
    return sentences[0]


@pytest.fixture(scope="module", params=["chords", "dynamics"])
def done(request, data, models, tmp_path_factory):
    """A whole run of two seeds with everything written: its task, standard output, JSON, CSV rows and page."""
    folder = tmp_path_factory.mktemp(request.param)
    pages = [folder / "one.md", folder / "two.md"]
    for page in pages:
        page.write_text(f"# Page\n<!-- evaluate {request.param} -->\n<!-- end evaluate {request.param} -->\nend\n")
    found = run(
        request.param, "--data", data, "--runs", models / "runs", "--seeds", 2, "--json", folder / "new/report.json",
        "--predictions", folder / "new/all.csv", "--into", pages[0], "--into", pages[1],
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    report = json.loads((folder / "new/report.json").read_text())
    with (folder / "new/all.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return request.param, found.stdout, report, rows, [page.read_text() for page in pages]


MODEL_ROWS = [
    "shipped", "shipped, no semantic rows", "shipped, emotion only", "shipped, motion only", "shipped, no video",
    "shipped, another song's video", "trained: no video",
]  # fmt: skip
BASELINES = {
    "chords": [
        "the songs themselves", "constant per class", "unigram", "repeat previous", "counts with in-song cache",
    ],
    "dynamics": ["train mean"],
}  # fmt: skip


def test_the_report_has_every_row_in_the_agreed_form(done):
    task, _, report, _, _ = done
    head = {name: report[name] for name in ("task", "data", "split", "seeds", "songs")}
    assert head == {"task": task, "data": "muvi_sync", "split": "test", "seeds": [0, 1], "songs": 4}
    assert list(report["rows"]) == [*BASELINES[task], *MODEL_ROWS]
    for name, row in report["rows"].items():
        for figure in row.values():
            assert figure["low"] <= figure["mean"] <= figure["high"]
            assert len(figure["seeds"]) == (2 if name.startswith("shipped") else 1)
    assert set(report["differences"]) == {"another song's video", "no video", "trained without video"}


def test_what_was_evaluated_is_named(done):
    task, _, report, _, _ = done
    kind = {"chords": "amt", "dynamics": "regressor"}[task]
    names = {variant: [model["run"] for model in models] for variant, models in report["models"].items()}
    assert names == {"shipped": ["shipped weights", f"one/{kind}"], "no video": [f"blind/{kind}"]}


def test_a_run_that_never_saw_video_is_not_shown_any(done):
    """The blind run has the shipped weights' seed, so that it is their row without video."""
    _, _, report, _, _ = done
    blind, hidden = report["rows"]["trained: no video"], report["rows"]["shipped, no video"]
    for metric in blind:
        assert blind[metric]["mean"] == pytest.approx(hidden[metric]["seeds"][0], abs=1e-6)


def test_pages_hold_what_was_printed(done):
    task, printed, _, _, pages = done
    for page in pages:
        assert page == f"# Page\n<!-- evaluate {task} -->\n\n{printed}\n<!-- end evaluate {task} -->\nend\n"
    for name in [*BASELINES[task], *MODEL_ROWS]:
        assert f"| {name} |" in printed


def test_predictions_give_back_the_figures(done):
    task, _, report, rows, _ = done
    shipped = report["rows"]["shipped"]
    for index, seed in enumerate(("0", "1")):
        songs = {}
        for row in rows:
            if row["seed"] == seed:
                songs.setdefault(row["song"], []).append(row)
        assert set(songs) == {"009", "010", "011", "012"}
        if task == "chords":
            hits = [np.mean([int(row["rank"]) <= 3 for row in song]) for song in songs.values()]
            assert np.mean(hits) == pytest.approx(shipped["hits@3"]["seeds"][index])
            assert all(song[-1]["chord"] == "END" for song in songs.values())
            best = [row for song in songs.values() for row in song]
            assert all((row["rank"] == "1") == (row["chord"] == row["predicted"]) for row in best)
        else:
            errors = [
                [float(row["density"]) - float(row["predicted_density"]) for row in song] for song in songs.values()
            ]
            found = np.mean([np.sqrt(np.mean(np.square(error))) for error in errors])
            assert found == pytest.approx(shipped["density_rmse"]["seeds"][index], rel=1e-5)


def test_chords_are_steered_and_dynamics_have_histograms(done):
    task, printed, report, _, _ = done
    if task == "chords":
        assert set(report["steering"]) == {"exciting", "fearful", "tense", "sad", "relaxing"}
        assert "| sad |" in printed
    else:
        assert [len(report["histograms"]["density"][key]) for key in ("bounds", "data", "shipped")] == [11, 10, 10]


def test_a_second_run_says_the_same(done, data, models):
    task, _, report, _, _ = done
    again = run(task, "--data", data, "--runs", models / "runs", "--seeds", 2, "--json", "-")
    assert json.loads(again.stdout) == report


@pytest.mark.parametrize("task", ["chords", "dynamics"])
def test_mistakes_are_refused_in_a_sentence(task, data, models, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("no place\n")
    good = (task, "--data", data)
    assert "unknown split 'dev'" in refusal(*good, "--split", "dev")
    assert "is missing" in refusal(task, "--data", tmp_path)
    assert "--seeds 0" in refusal(*good, "--seeds", 0)
    assert "video2music train" in refusal(*good, "--seeds", 3, "--runs", models / "runs")
    assert "no runs at" in refusal(*good, "--runs", tmp_path / "none")
    assert f"<!-- evaluate {task} -->" in refusal(*good, "--into", page)
    assert "is a folder" in refusal(*good, "--predictions", tmp_path)
    assert "is a folder" in refusal(*good, "--json", tmp_path)
    assert "cannot be" in refusal(*good, "--predictions", page / "under.csv")
    assert page.read_text() == "no place\n"
