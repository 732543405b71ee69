"""`video2music evaluate music` as a user types it, on a folder with one clip, one text and nothing installed beside."""

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.video2music.evaluate.songs import write_muvi_sync
from video2music.chords import Chord
from video2music.cli import app
from video2music.evaluate.music import checks, cuts, ducking, muspy_metrics


def run(*arguments):
    return CliRunner().invoke(app, ["evaluate", "music", *map(str, arguments)])


@pytest.fixture(scope="module")
def clips(clip, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    shutil.copy(clip, folder / "three scenes.mp4")
    (folder / "inner").mkdir()
    (folder / "inner/notes.txt").write_text("no video at all")
    return folder


@pytest.fixture(scope="module")
def quick():
    """Few lists, and no program that speaks."""
    all_rows = cuts.cut_rows
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuts, "cut_rows", lambda seeds: all_rows(seeds, lists=5))
        patch.setattr(ducking, "espeak_path", lambda: None)
        yield


@pytest.fixture(scope="module")
def done(clips, quick, tmp_path_factory):
    """A run with everything written: its output, its report, its page and what was kept."""
    folder = tmp_path_factory.mktemp("music")
    page = folder / "page.md"
    page.write_text("# Page\n<!-- evaluate music -->\n<!-- end evaluate music -->\n")
    found = run("--clips", clips, "--json", folder / "new/report.json", "--into", page, "--keep", folder / "kept")
    assert found.exit_code == 0, found.output
    return found.stdout, json.loads((folder / "new/report.json").read_text()), page.read_text(), folder / "kept"


def test_a_run_shows_every_part_beside_its_bars(done):
    printed, report, page, kept = done
    head = {name: report[name] for name in ("task", "seeds")}
    assert head == {"task": "music", "seeds": [0]}
    parts = {name.split(": ")[0] for name in report["rows"]}
    assert parts == {"cuts", "clips", "measures", "speed"}
    for row in report["rows"].values():
        for figure in row.values():
            assert figure["low"] <= figure["mean"] <= figure["high"] and len(figure["seeds"]) == 1
    assert f"-->\n\n{printed}\n<!--" in page
    assert "| three scenes.mp4 |" in printed and "≥ 0.8:" in printed
    assert any("notes.txt" in sentence for sentence in report["notes"])
    assert any("espeak-ng is not installed" in sentence for sentence in report["notes"])
    assert list(kept.rglob("three scenes.scored.mp4"))


def test_the_clip_of_the_run_keeps_the_bars(done):
    _, report, _, _ = done
    row = report["rows"]["clips: three scenes.mp4"]
    assert abs(row["length_off_ms"]["mean"]) <= 20
    assert row["true_peak_dbtp"]["mean"] <= -1
    assert row["silent_for_s"]["mean"] > 0
    assert row == report["rows"]["clips: all clips, the worst"]
    for name, metrics in report["limits"].items():
        for metric, verdict in metrics.items():
            value = report["rows"][f"{name}: {verdict['row']}"][metric]["mean"]
            limit = float(verdict["limit"].split()[-1])
            holds = {"≥": value >= limit, "≤": value <= limit, "<": value < limit, ">": value > limit}
            met = holds.get(verdict["limit"][0], abs(value) <= limit)
            assert verdict["met"] == met


def test_a_part_that_fails_is_reported_and_stops_no_other(clips, quick, monkeypatch):
    def fails(seeds):
        raise RuntimeError("no cuts today")

    monkeypatch.setattr(cuts, "cut_rows", fails)
    monkeypatch.setattr(checks, "speed_rows", lambda work: iter(()))
    found = run("--clips", clips, "--json", "-")
    assert found.exit_code == 1
    report = json.loads(found.stdout)
    assert {name.split(": ")[0] for name in report["rows"]} == {"clips", "measures"}
    assert "no cuts today" in report["notes"][-1] and "Cuts on downbeats failed" in report["notes"][-1]


def test_mistakes_are_refused_in_a_sentence(tmp_path):
    for arguments, words in (
        (("--clips", tmp_path / "none"), "no clips at"),
        (("--clips", tmp_path, "--into", tmp_path / "none.md"), "cannot be read"),
        (("--clips", tmp_path, "--json", tmp_path), "is a folder"),
    ):
        found = run(*arguments)
        assert found.exit_code == 1 and words in found.stderr, found.output
        assert len(found.stderr.strip().splitlines()) == 1


def test_a_missed_bar_is_called_missed():
    rows = {"cuts: shipped": {"within_80ms": {"mean": 0.5, "low": 0.4, "high": 0.6, "seeds": [0.5]}}}
    verdicts = checks._verdicts(rows)
    assert verdicts == {"cuts": {"within_80ms": {"row": "shipped", "limit": "≥ 0.8", "met": False}}}
    predicted = checks.music_tables({"rows": rows, "limits": verdicts, "notes": []})
    assert "| limit | ≥ 0.8: missed |  |\n| shipped | 0.500 [0.400, 0.600] |  |" in predicted


def test_blocks_are_the_chord_of_each_second_in_root_position():
    found = muspy_metrics.blocks([Chord.parse("G:7"), Chord.parse("N"), Chord.parse("A:min")])
    struck = {}
    for note in found.tracks[0].notes:
        struck.setdefault(note.start_s, []).append(note.pitch)
        assert note.end_s == note.start_s + 1
    assert struck == {0.0: [67, 71, 74, 77], 2.0: [69, 72, 76]}
    assert found.form.bars_s.tolist() == [0.0] and len(found.form.beats_s) == 3


def test_songs_are_measured_through_the_arranger_and_as_blocks(tmp_path):
    rows = dict(muspy_metrics.song_rows(write_muvi_sync(tmp_path), seeds=1, songs=2))
    assert list(rows) == list(muspy_metrics.SYSTEMS)
    plain = rows["MuVi-Sync's chords, a block a second"]
    assert plain["groove_on_sixteenths"]["mean"] > 0.9  # a chord on each beat, but for the seconds without one
    for row in rows.values():
        assert 1 < row["pitch_class_entropy"]["mean"] < np.log2(12)
        assert {*row} == {"pitch_class_entropy", "scale_consistency", "groove_consistency", "groove_on_sixteenths"}
