"""`python -m emotion datasets` as a user types it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emotion.cli import app
from emotion.data import catalogue

ROOT = Path(__file__).parents[3]


def run(*arguments):
    return CliRunner().invoke(app, ["datasets", *map(str, arguments)])


def test_the_table_has_a_line_for_each_set_and_fits_80_columns():
    done = run()
    head, *lines, last = done.stdout.splitlines()
    assert done.exit_code == 0 and head.split() == ["set", "year", "items", "media", "labels", "reader"]
    assert len(lines) == 47 and max(map(len, [head, *lines, last])) <= 80
    assert last.startswith("47 of 47 sets, 8 with a reader")
    starts = {name: head.index(name) for name in ("media", "labels", "reader")}
    for entry, line in zip(catalogue.read(), lines, strict=True):
        assert line[: starts["media"]].split()[-2:] == [str(entry.year), str(entry.instances)]
        assert entry.name.startswith(line[:21].rstrip("… ")) and line[starts["reader"] :].strip() == entry.reader


def test_filters_leave_fewer_lines():
    done = run("--media", "midi", "--labels", "dimensional")
    assert [line.split()[0] for line in done.stdout.splitlines()[1:-1]] == ["VGMIDI"]
    assert "1 of 47 sets, 1 with a reader" in done.stdout


def test_json_on_stdout_is_all_there_is_on_it():
    (found,) = json.loads(run("--media", "MIDI", "--labels", "dimensional", "--json", "-").stdout)["sets"]
    assert found["name"] == "VGMIDI" and found["media"] == ["MIDI"] and found["reader"] == "vgmidi"
    assert found["time"] == "dynamic" and found["url"].startswith("https://")


def test_json_in_a_file_comes_beside_the_table(tmp_path):
    done = run("--json", tmp_path / "new/sets.json")
    assert len(json.loads((tmp_path / "new/sets.json").read_text())["sets"]) == 47 and "XMIDI" in done.stdout


@pytest.mark.parametrize(
    ("option", "word", "choices"),
    [("--media", "vinyl", "MIDI, MP3"), ("--labels", "moods", "dimensional, categorical")],
)
def test_an_unknown_word_is_refused_in_a_sentence_with_the_choices(option, word, choices):
    done = run(option, word)
    assert done.exit_code == 1 and done.stdout == "" and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ") and word in done.stderr and choices in done.stderr


def test_an_installed_package_finds_the_catalogue_inside_itself(tmp_path):
    """As the wheel lays it out: no `datasets` beside the package, one in it."""
    leave = shutil.ignore_patterns("weights", "__pycache__")
    shutil.copytree(ROOT / "emotion", tmp_path / "emotion", ignore=leave)
    shutil.copytree(ROOT / "datasets", tmp_path / "emotion/datasets")
    command = [sys.executable, "-m", "emotion", "datasets", "--media", "MIDI"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "XMIDI" in done.stdout, done.stderr
    shutil.rmtree(tmp_path / "emotion/datasets")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and "catalogue.csv is not among" in done.stderr
