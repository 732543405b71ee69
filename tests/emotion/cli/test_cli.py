"""`python -m emotion analyse` as a user types it, with a small listener in place of the trained one."""

import csv
import json
import subprocess
import sys
import time
import tracemalloc

import mido
import numpy as np
import pytest
from typer.testing import CliRunner

from emotion import judge
from emotion.cli import app
from emotion.judge import Judge
from tests.emotion.plain_model import Plain, midi_file, register_judge
from tests.emotion.waves import encoded, float_wav, sine, wav
from tests.video2music.video_files import film

TUNE = [(index / 2, index / 2 + 0.45, 48 + 5 * (index % 5)) for index in range(40)]


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """The judge of every test here is the plain model."""
    register_judge(monkeypatch, unified=Plain)
    judge._load.cache_clear()
    yield
    judge._load.cache_clear()


def run(*arguments):
    return CliRunner().invoke(app, ["analyse", *map(str, arguments)])


def chord(seconds: float, rate: int = 44_100) -> np.ndarray:
    return sine(seconds, rate, 262, 0.3) + sine(seconds, rate, 330, 0.2) + sine(seconds, rate, 1047, 0.05)


@pytest.fixture
def tune(tmp_path):
    return midi_file(tmp_path / "tune.mid", *TUNE)


@pytest.fixture
def song(tmp_path):
    return wav(tmp_path / "song.wav", chord(20))


def test_help_is_printed_at_once_and_imports_nothing_heavy():
    heavy = {"torch", "numpy", "av", "symusic", "matplotlib", "transformers", "scipy"}
    code = f"import sys, emotion.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    started = time.process_time()
    done = subprocess.run([sys.executable, "-m", "emotion", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "analyse" in done.stdout
    assert time.process_time() - started < 0.5  # of this process; the other one's time depends on the machine's load


def test_a_report_reads_like_one(tune):
    done = run(tune)
    first, whole, shares, heading, *windows = done.stdout.splitlines()
    found = Judge(Plain()).predict(midi=tune)
    assert (
        first == f"{tune}: 19.9 s, analysed as MIDI by plain" or first == f"{tune}: 20.0 s, analysed as MIDI by plain"
    )
    assert f"valence {found.whole.valence:+.2f}" in whole and f"arousal {found.whole.arousal:+.2f}" in whole
    assert found.whole.quadrant in whole and f"({found.whole.confidence:.0%})" in whole
    assert shares.split() == [word for name, share in zip(("q1", "q2", "q3", "q4"), found.whole.quadrants, strict=True)
                              for word in (name, f"{share:.0%}")]  # fmt: skip
    assert heading.split() == ["from", "to", "valence", "arousal"] and len(windows) == len(found.windows) == 4
    assert [float(row.split()[0]) for row in windows] == pytest.approx([w.start_s for w in found.windows], abs=0.06)
    assert done.exit_code == 0 and done.stderr == ""


def test_json_on_stdout_is_all_there_is_on_it(tune, song):
    done = run(song, tune, "--json", "-")
    first, second = json.loads(done.stdout)["files"]
    found = Judge(Plain()).predict(song)
    assert first["file"] == str(song) and first["heard"] == "audio" and second["heard"] == "MIDI"
    assert first["judge"] == "plain" and first["sha256"] == "0" * 64 and first["remarks"] == []
    assert first["whole"]["valence"] == pytest.approx(found.whole.valence, abs=1e-6)
    for row, window in zip(first["windows"], found.windows, strict=True):
        assert (row["start_s"], row["end_s"]) == pytest.approx((window.start_s, window.end_s))
        assert [row[name] for name in ("q1", "q2", "q3", "q4")] == pytest.approx(window.quadrants, abs=1e-6)
        assert row["quadrant"] == window.quadrant and row["confidence"] == pytest.approx(window.confidence, abs=1e-6)


def test_a_sound_is_analysed_together_with_its_midi(song, tune):
    (row,) = json.loads(run(song, "--midi", tune, "--json", "-").stdout)["files"]
    found = Judge(Plain()).predict(song, tune)
    assert row["heard"] == "audio and MIDI" and row["midi"] == str(tune)
    assert row["whole"]["arousal"] == pytest.approx(found.whole.arousal, abs=1e-6)


@pytest.mark.parametrize("many", [True, False])
def test_a_midi_goes_with_one_sound_only(many, song, tune):
    done = run(*([song, song] if many else [tune]), "--midi", tune)
    assert done.exit_code == 1 and done.stderr.count("error: ") == 1 and "one sound file" in done.stderr


def test_csv_has_a_row_for_each_window(song, tune, tmp_path):
    assert run(song, tune, "--csv", tmp_path / "new" / "rows.csv").exit_code == 0
    with (tmp_path / "new" / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    hearing = Judge(Plain())
    windows = [(str(path), one) for path, found in ((song, hearing.predict(song)), (tune, hearing.predict(midi=tune)))
               for one in found.windows]  # fmt: skip
    assert [row["file"] for row in rows] == [name for name, _ in windows]
    for row, (_, window) in zip(rows, windows, strict=True):
        numbers = [float(row[name]) for name in ("start_s", "end_s", "valence", "arousal", "q1", "q2", "q3", "q4")]
        expected = [window.start_s, window.end_s, window.valence, window.arousal, *window.quadrants]
        assert numbers == pytest.approx(expected, abs=1e-6) and row["quadrant"] == window.quadrant


def test_a_picture_is_drawn_of_all_files(song, tune, tmp_path):
    assert run(song, tune, "--plot", tmp_path / "out.png").exit_code == 0
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_needs_a_picture_s_name(tune, tmp_path):
    done = run(tune, "--plot", tmp_path / "out.txt")
    assert done.exit_code == 1 and ".png" in done.stderr and not (tmp_path / "out.txt").exists()


@pytest.mark.parametrize("option", ["--json", "--csv", "--plot"])
def test_a_place_that_cannot_be_written_is_reported_before_the_work(option, tune, monkeypatch):
    monkeypatch.setattr(Judge, "predict", lambda *_, **__: pytest.fail("began to work"))
    done = run(tune, option, "/proc/nowhere/a.png")
    assert done.exit_code == 1 and "/proc/nowhere" in done.stderr and done.stderr.count("error: ") == 1


def test_an_unknown_judge_is_reported(tune):
    done = run(tune, "--judge", "nobody")
    assert done.exit_code == 1 and "unknown judge 'nobody'" in done.stderr


def test_an_error_that_nobody_foresaw_is_reported_without_a_traceback(tune, song, monkeypatch):
    read = Judge.read
    monkeypatch.setattr(Judge, "read", lambda self, audio, midi: 1 / 0 if midi else read(self, audio, midi))
    done = run(tune, song)
    assert done.exit_code == 1 and "something unforeseen" in done.stderr and "Traceback" not in done.output
    assert "analysed as audio" in done.stdout


def no_sound(folder, name):
    """Files without sound or notes, by the bar's list and beyond it."""
    path = folder / name
    if name == "text.mid":
        path.write_text("Dear diary")
    elif name.startswith("empty"):
        path.touch()
    elif name.startswith("folder"):
        path.mkdir()
    elif name == "picture.mp4":
        film(path)
    elif name == "page.mp3":
        path.write_text("<html>not found</html>")
    return path


BAD = ("text.mid", "empty.mid", "empty.wav", "folder.wav", "folder.mid", "missing.wav", "missing.mid", "picture.mp4",
       "page.mp3")  # fmt: skip


def test_each_bad_file_has_its_sentence_and_stops_no_other(tmp_path, tune):
    files = [no_sound(tmp_path, name) for name in BAD]
    done = run(*files, tune, "--json", tmp_path / "report.json")
    assert done.exit_code == 1
    lines = done.stderr.splitlines()
    assert len(lines) == len(BAD)
    for line, path in zip(lines, files, strict=True):
        assert line.startswith("error: ") and str(path) in line
    rows = json.loads((tmp_path / "report.json").read_text())["files"]
    assert ["error" in row for row in rows] == [True] * len(BAD) + [False]
    assert str(tune) in done.stdout


def quiet_wav(folder):
    return wav(folder / "silence.wav", np.zeros(20 * 44_100))


def noise_wav(folder):
    return wav(folder / "noise.wav", np.random.default_rng(0).normal(0, 0.2, 20 * 44_100).clip(-1, 1))


def second_wav(folder):
    return wav(folder / "second.wav", chord(1))


def notes_without(folder):
    file = mido.MidiFile()
    file.tracks.append(mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=400_000), mido.Message("program_change")]))
    file.save(folder / "none.mid")
    return folder / "none.mid"


@pytest.mark.parametrize(
    ("make", "remark", "known"),
    [
        (quiet_wav, "the sound is silent: its emotion is unknown", False),
        (notes_without, "the MIDI has no notes: its emotion is unknown", False),
        (noise_wav, "it sounds like noise, and the judge was trained on music alone", True),
        (second_wav, "it lasts 1.0 s: less than 5 s says little", True),
    ],
)
def test_what_says_little_is_reported_with_how_little(make, remark, known, tmp_path):
    path = make(tmp_path)
    (row,) = json.loads(run(path, "--json", "-").stdout)["files"]
    assert row["remarks"] == [remark]
    assert (row["whole"]["quadrant"] is not None) == known
    if not known:
        assert (row["whole"]["valence"], row["whole"]["arousal"], row["whole"]["confidence"]) == (0, 0, 0.25)
    predicted = run(path)
    assert f"note: {remark}" in predicted.stdout and predicted.exit_code == 0
    assert ("unknown" in predicted.stdout) != known


@pytest.mark.parametrize("kind", ["mono", "96 kHz", "8 bit", "damaged mp3", "no numbers", "film"])
def test_odd_files_are_analysed(kind, tmp_path):
    if kind == "damaged mp3":
        path = encoded(tmp_path / "tail.mp3", chord(20), "mp3")
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2] + np.random.default_rng(0).bytes(len(data) // 2))
    elif kind == "no numbers":
        samples = chord(20)
        samples[44_100:50_000] = np.nan
        samples[60_000] = np.inf
        path = float_wav(tmp_path / "odd.wav", samples)
    elif kind == "film":
        path = encoded(tmp_path / "film.mkv", chord(20), "aac")
    else:
        rate, width = {"mono": (44_100, 2), "96 kHz": (96_000, 2), "8 bit": (11_025, 1)}[kind]
        path = wav(tmp_path / "odd.wav", chord(20, rate), rate, width=width)
    (row,) = json.loads(run(path, "--json", "-").stdout)["files"]
    assert len(row["windows"]) >= 2 and row["whole"]["quadrant"] is not None and row["heard"] == "audio"


@pytest.mark.slow
def test_an_hour_is_analysed(tmp_path):
    hour = wav(tmp_path / "hour.wav", np.tile(chord(60, 8000), 60), 8000)
    (row,) = json.loads(run(hour, "--json", "-").stdout)["files"]
    assert len(row["windows"]) == 899 and row["windows"][-1]["end_s"] == 3600
    assert "mean of 60 segments of 60 s" in row["remarks"][0]


def test_memory_hardly_grows_with_length(tmp_path):
    peaks = []
    for minutes in (2, 6):
        path = wav(tmp_path / "long.wav", np.tile(chord(60, 8000), minutes), 8000)
        tracemalloc.start()
        try:
            assert run(path, "--json", "-").exit_code == 0
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] - peaks[0] < 4 * 60 * 50 * 96 * 4 * 3  # what four minutes of rows take, three times


def test_three_hours_of_midi_with_a_note_at_the_end(tmp_path):
    path = midi_file(tmp_path / "late.mid", (3 * 3600 - 1, 3 * 3600, 60))
    (row,) = json.loads(run(path, "--json", "-").stdout)["files"]
    assert len(row["windows"]) == 2699 and row["windows"][-1]["quadrant"] is not None
    assert "2698 of 2699 windows are silent: their emotion is unknown" in row["remarks"]


def test_a_name_that_is_no_text_is_printed_and_written(tmp_path):
    path = midi_file(tmp_path / "tune.mid", *TUNE).rename(tmp_path / "t\udcff$x_y.mid")
    done = run(path, "--json", "-", "--csv", tmp_path / "a.csv", "--plot", tmp_path / "a.svg")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["files"][0]["file"] == str(path)
    assert str(path).encode(errors="surrogateescape") in (tmp_path / "a.csv").read_bytes()


def invoke(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture
def evaluations(monkeypatch):
    """An evaluation with one row of one set, whose metrics are made up; yields the arguments of each call."""
    from emotion.evaluate import sound
    from emotion.report import Evaluation, from_summaries

    values = {"accuracy": {"mean": 0.625, "low": 0.5, "high": 0.75, "seeds": [0.625]}}
    report = from_summaries("sound", "made up", "none", [0], {"4Q: a row": values})
    report |= {"agreement": {"one and other": {"kappa": {**values["accuracy"]}}}, "seconds": {"one": 0.25}}
    report["training_s"] = {"4Q: a row": 2.5}
    predictions = [["4Q: a row", "fourq", 0, "MT1", 1, 0.7, 0.1, 0.1, 0.1, 0.5, 0.5, "", ""]]
    calls = []

    def evaluate(data, *, runs, seeds):
        calls.append((data, runs, seeds))
        return Evaluation(report, predictions)

    monkeypatch.setattr(sound, "evaluate", evaluate)
    return calls


def test_the_tables_of_sound_go_where_they_are_requested(evaluations, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- evaluate sound -->\nwhat stood here\n<!-- end evaluate sound -->\nafter\n")
    done = invoke(
        "evaluate", "sound", "--data", tmp_path, "--runs", tmp_path / "runs", "--json", tmp_path / "a.json",
        "--predictions", tmp_path / "a.csv", "--into", page,
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert evaluations == [(tmp_path, tmp_path / "runs", 1)]
    assert "| a row |" in done.stdout and "| one | 0.25 |" in done.stdout
    text = page.read_text()
    assert done.stdout.strip() in text and "what stood here" not in text
    assert text.startswith("before\n") and text.endswith("after\n")
    report = json.loads((tmp_path / "a.json").read_text())
    assert report["rows"]["4Q: a row"]["accuracy"]["mean"] == 0.625 and report["seconds"] == {"one": 0.25}
    head, row = csv.reader((tmp_path / "a.csv").open(newline=""))
    assert head[:5] == ["row", "set", "seed", "piece", "truth"] and row[3] == "MT1" and len(row) == len(head)


def test_a_report_of_sound_on_the_screen_is_all_that_is_printed(evaluations, tmp_path):
    done = invoke("evaluate", "sound", "--data", tmp_path, "--json", "-")
    assert json.loads(done.stdout)["task"] == "sound"


def test_a_page_without_a_place_for_the_tables_is_refused_before_anything_is_trained(evaluations, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing here\n")
    done = invoke("evaluate", "sound", "--data", tmp_path, "--into", page)
    assert done.exit_code == 1 and not evaluations and str(page) in done.stderr and page.read_text() == "nothing here\n"


@pytest.mark.parametrize("command", [("train", "adff"), ("train", "unified"), ("evaluate", "sound")])
def test_the_commands_of_the_judges_of_sound_say_what_they_need(command):
    done = invoke(*command)
    assert done.exit_code == 2 and "--data" in done.stderr
    predicted = invoke(*command, "--help").stdout
    assert "--runs" in predicted and "fourq" in predicted
