"""`video2music evaluate listening` as a user types it: a kit is made, answered and analysed."""

import csv
import json

import pytest
from typer.testing import CliRunner

from tests.video2music.evaluate.listening.kits import rows, table
from tests.video2music.evaluate.listening.test_kit import scored
from video2music.cli import app
from video2music.evaluate.listening.trials import ANSWER_COLUMNS, read_key


def command(*arguments):
    return CliRunner().invoke(app, ["evaluate", "listening", *map(str, arguments)])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("folders")
    for seed, folder in enumerate(("ours", "theirs")):
        for number in range(2):
            scored(root / folder, f"clip{number}", 0.1, seed=seed)
    scored(root / "theirs", "more", 0.1)
    return root / "ours", root / "theirs"


def test_a_kit_is_made_and_its_answers_are_analysed(folders, tmp_path):
    out = tmp_path / "kit"
    done = command(*folders, "-o", out, "--seed", 5, "--json", tmp_path / "made.json")
    assert done.exit_code == 0, done.output
    assert "3 pairs of 2 clips" in done.stdout and f"keep {out / 'key.json'} to yourself" in done.stdout
    assert "more is left out: only" in done.stderr
    key = read_key(out)
    assert json.loads((tmp_path / "made.json").read_text())["kit"] == key.kit
    for name in ("anna", "bo"):
        table(tmp_path / f"{name}.csv", rows(key, name, lambda trial, question: "b"))
    answers = ("--answers", tmp_path / "anna.csv", "--answers", tmp_path / "bo.csv")
    done = command(*folders, "-o", out, *answers, "--json", tmp_path / "found.json")
    assert done.exit_code == 0, done.output
    assert f"Kit {key.kit}: ours against theirs, 2 listeners." in done.stdout
    assert "| all answers | 0 | 4 | 0 | 0.00 [0.00, 0.49] | 0.125 |" in done.stdout
    report = json.loads((tmp_path / "found.json").read_text())
    assert report["seeds"] == [5] and report["rows"]["nicer"]["wins_b"]["mean"] == 4
    assert set(report) >= {"task", "data", "split", "seeds", "commit", "rows"}
    assert json.loads(command("-o", out, *answers, "--json", "-").stdout) == report


def test_what_is_wrong_is_one_sentence(folders, tmp_path):
    out = tmp_path / "kit"
    assert command(*folders, "-o", out).exit_code == 0
    with (tmp_path / "foreign.csv").open("w") as file:
        csv.writer(file).writerows([ANSWER_COLUMNS, ["other", "anna", 1, 1, 1, 1, "sure", ""]])
    wrong = {
        (): "give A_DIR and B_DIR",
        (folders[0],): "give A_DIR and B_DIR",
        (*folders, "-o", out): "is there already",
        (folders[0], folders[0], "-o", tmp_path / "x"): "compared with itself",
        ("-o", tmp_path, "--answers", tmp_path / "foreign.csv"): "no key.json",
        ("-o", out, "--answers", tmp_path / "foreign.csv"): "line 2 belongs to kit 'other'",
        (*folders[::-1], "-o", out, "--answers", tmp_path / "foreign.csv"): "compares ours with theirs",
    }
    for arguments, words in wrong.items():
        done = command(*arguments)
        assert done.exit_code == 1 and words in done.stderr and done.stderr.startswith("error: "), arguments
        assert done.stderr.count("\n") == 1
