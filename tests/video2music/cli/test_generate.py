"""The command line as a user types it."""

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from video2music import __version__, demo
from video2music.cli import app

COLOR = ("--encoder", "color")
PLAIN = (*COLOR, "--candidates", "1")


def start(*arguments, **options):
    """In a process of its own, which costs seconds: for what a process alone has."""
    command = [sys.executable, "-m", "video2music", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)


def run(*arguments, cwd="."):
    """In this process; an error that nobody caught, which a process would print as a traceback, is raised."""
    with contextlib.chdir(cwd):
        done = CliRunner().invoke(app, [str(word) for word in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


def plainly(done):
    """One sentence on stderr, no traceback, exit status not 0."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    sentences = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(sentences) == 1, done.stderr
    return sentences[0]


def test_help_lists_every_command():
    done = start("--help")
    assert done.returncode == 0
    for command in ("generate", "features", "download", "demo", "train", "doctor"):
        assert command in done.stdout


def test_the_version_is_printed():
    assert run("--version").stdout.strip() == __version__


@pytest.fixture(scope="module")
def tried(clip, tmp_path_factory):
    """One run over good and bad inputs with awkward names."""
    folder = tmp_path_factory.mktemp("run")
    awkward = [folder / 'it\'s "quoted" 100% ;$(x).mp4', folder / "-dash.mp4"]
    for path in awkward:
        shutil.copy(clip, path)
    (folder / "empty.mp4").touch()
    (folder / "page.mp4").write_text("<html>not found</html>")
    inputs = ["missing.mp4", "empty.mp4", "page.mp4", *(path.name for path in awkward)]
    done = start("generate", "-o", "out", *PLAIN, "--json", "report.json", "--", *inputs, cwd=folder)
    return folder, done, json.loads((folder / "report.json").read_text())["clips"]


def test_one_bad_clip_never_stops_the_others(tried):
    folder, done, rows = tried
    assert done.returncode == 1
    assert ["error" in row for row in rows] == [True, True, True, False, False]
    assert done.stdout.splitlines() == [row["video"] for row in rows[3:]]
    assert all((folder / row["video"]).stat().st_size > 1000 for row in rows[3:])


def test_each_bad_clip_has_a_sentence_that_names_it(tried):
    _, done, rows = tried
    for row in rows[:3]:
        assert row["clip"] in row["error"] and "\n" not in row["error"]
    assert "Traceback" not in done.stderr


def test_nothing_half_made_is_left(tried):
    folder, _, _ = tried
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["-dash", 'it\'s "quoted" 100% ;$(x)']


def test_a_piece_is_played_again_from_its_manifest_alone(tried):
    folder, _, rows = tried
    done = run("generate", "--from", rows[4]["manifest"], "-o", "again", "--json", "-", cwd=folder)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["clips"]
    assert (folder / row["midi"]).read_bytes() == (folder / rows[4]["midi"]).read_bytes()


def test_a_replay_takes_no_other_options(tried):
    folder, _, rows = tried
    for option in (("--seed", "3"), ("--metre", "3/4"), ("--redraw", "1", "--style", "strings")):
        reported = plainly(run("generate", "--from", rows[4]["manifest"], *option, "-o", "no", cwd=folder))
        assert "takes no --" in reported and option[-2] in reported


def test_a_section_is_redrawn_and_all_but_the_chords_in_another_style_and_metre(tried):
    folder, _, rows = tried
    was = json.loads((folder / rows[4]["manifest"]).read_text())
    command = ("generate", "--from", rows[4]["manifest"], "--json", "-", "-o")
    section = run(*command, "section", "--redraw", "1", "--seed", "4", cwd=folder)
    (row,) = json.loads(section.stdout)["clips"]
    assert len(json.loads((folder / row["manifest"]).read_text())["redraws"]) == 1
    locked = run(*command, "locked", "--lock", "chords", "--style", "strings", "--tempo", "100-110", cwd=folder)
    (row,) = json.loads(locked.stdout)["clips"]
    reported = json.loads((folder / row["manifest"]).read_text())
    assert reported["key"] == was["key"] and reported["options"]["style"] == "strings"
    assert all(100 <= tempo["bpm"] <= 110 for tempo in reported["form"]["tempi"])


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--emotion", "hungry"), "hungry"),
        (("--key", "H minor"), "H minor"),
        (("--primer", "Am X"), "X"),
        (("--curve", "nowhere.csv"), "nowhere.csv"),
        (("--valence", "0.5"), "arousal"),
        (("--style", "polka"), "polka"),
        (("--encoder", "eyes"), "eyes"),
        (("--from", "nowhere.json"), "nowhere.json"),
        (("--lock", "form"), "--from"),
        (("--tempo", "fast"), "fast"),
        (("--tempo", "120-80"), "120 to 80"),
        (("--metre", "6/8"), "6/8"),
        (("--without", "kazoo"), "kazoo"),
        (("--source", "loud"), "loud"),
        (("--audio-format", "mp3"), "mp3"),
        (("--variants", "0"), "variants"),
    ],
)
def test_an_option_that_cannot_be_met_is_refused_in_a_sentence(clip, tmp_path, arguments, word):
    assert word in plainly(run("generate", clip, "-o", tmp_path / "out", *arguments))
    assert not list((tmp_path / "out").glob("*/*")) if (tmp_path / "out").exists() else True


def test_a_folder_that_cannot_be_written_is_reported_in_a_sentence(clip):
    assert "/proc/nowhere" in plainly(run("generate", clip, "-o", "/proc/nowhere", *PLAIN))


def test_a_full_disk_is_reported_in_a_sentence_and_leaves_nothing(clip, tmp_path):
    def little_room():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))  # bytes a file: the WAV does not fit

    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = start("generate", clip, "-o", tmp_path / "out", *PLAIN, preexec_fn=little_room, env=environment)
    plainly(done)
    assert list((tmp_path / "out").iterdir()) == []


def test_features_are_printed_and_saved(clip, tmp_path):
    from video2music import features

    done = run("features", clip, *COLOR, "-o", tmp_path / "extracted.npz", "--json", "-")
    reported = json.loads(done.stdout)
    assert len(reported["motion"]) == 6 and reported["encoder"] == "color" and len(reported["cuts"]) == 2
    assert features.load(tmp_path / "extracted.npz").duration_s == pytest.approx(6.0)


def test_doctor_names_what_it_looked_at():
    done = run("doctor", "--json", "-")
    names = " ".join(finding["name"] for finding in json.loads(done.stdout)["findings"]).lower()
    assert all(word in names for word in ("torch", "soundfont", "python"))


@pytest.mark.parametrize("command", [("features", "CLIP"), ("generate", "CLIP", "-o", "out"), ("demo", "-o", "out")])
@pytest.mark.parametrize("target", [".", "/proc/report.json", "/proc/nowhere/report.json", "x" * 300])
def test_a_report_that_cannot_be_written_is_reported_before_the_work(clip, tmp_path, command, target):
    arguments = [clip if word == "CLIP" else word for word in command]
    reported = plainly(run(*arguments, "--json", target, cwd=tmp_path))
    assert target in reported and "partial" not in reported
    assert list(tmp_path.iterdir()) == []


def test_a_report_may_go_into_a_folder_that_is_not_there_yet(tmp_path):
    assert run("doctor", "--json", tmp_path / "new" / "report.json").returncode == 0
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.json"]


def test_a_report_may_go_into_a_pipe():
    done = start("doctor", "--json", "/dev/stdout")
    assert done.stdout.startswith("{") and json.JSONDecoder().raw_decode(done.stdout)[0]["findings"]


def test_a_name_that_is_no_text_is_printed_as_it_is(clip, tmp_path):
    shutil.copy(clip, os.fsencode(tmp_path) + b"/caf\xe9 [b].mp4")
    command = [
        sys.executable,
        "-m",
        "video2music",
        "generate",
        b"caf\xe9 [b].mp4",
        "-o",
        "out",
        *PLAIN,
        "--json",
        "r.json",
    ]
    strict = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, env=strict, timeout=300, check=True)
    assert done.stdout == b"out/caf\xe9 [b]/caf\xe9 [b].scored.mp4\n"
    assert b"error" not in done.stderr
    (row,) = json.loads((tmp_path / "r.json").read_text())["clips"]
    assert (tmp_path / row["video"]).is_file()


def test_a_name_of_only_dots_stays_in_the_folder(clip, tmp_path):
    shutil.copy(clip, tmp_path / "...mp4")
    done = run("generate", "./...mp4", "-o", "new/out", *PLAIN, cwd=tmp_path)
    assert done.stdout.splitlines() == ["new/out/clip/clip.scored.mp4"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out"]


@pytest.fixture
def brief(monkeypatch):
    """The demo clip with a fifth of a second of each scene."""
    monkeypatch.setattr(demo, "SCENES", tuple((scene, 5) for scene, _ in demo.SCENES))


def test_the_demo_keeps_its_clip_beside_its_score_and_replaces_only_its_own(brief, tmp_path):
    (tmp_path / "demo.mp4").write_text("mine")
    done = run("demo", "-o", tmp_path, "--json", tmp_path / "report.json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((tmp_path / "report.json").read_text())["clips"]
    assert row["video"] == str(tmp_path / "demo" / "demo.scored.mp4") and row["video"] in done.stdout
    names = {
        f"demo.{suffix}"
        for suffix in ("mp4", "scored.mp4", "mid", "wav", "chords.lab", "chords.txt", "musicxml", "json")
    }
    assert {path.name for path in (tmp_path / "demo").iterdir()} == names
    first = (tmp_path / "demo" / "demo.mid").read_bytes()
    assert run("demo", "-o", tmp_path, "--seed", 1).returncode == 0
    assert (tmp_path / "demo" / "demo.mid").read_bytes() != first
    assert {path.name for path in (tmp_path / "demo").iterdir()} == names
    assert (tmp_path / "demo.mp4").read_text() == "mine"


def test_the_demo_leaves_anybody_elses_folder_alone(brief, tmp_path):
    mine = tmp_path / "demo" / "demo.mp4"
    mine.parent.mkdir()
    mine.write_text("mine")
    done = run("demo", "-o", tmp_path)
    assert done.returncode == 1 and "holds no earlier demo" in done.stderr
    assert mine.read_text() == "mine" and len(list(mine.parent.iterdir())) == 1


def test_a_demo_that_broke_can_be_tried_again(brief, tmp_path, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr("video2music.arranging.midi.write", lambda *_: 1 / 0)
        assert run("demo", "-o", tmp_path).returncode == 1
    assert list((tmp_path / "demo").iterdir()) == []
    assert run("demo", "-o", tmp_path).returncode == 0


def test_a_download_reports_where_the_weights_are(monkeypatch, tmp_path):
    monkeypatch.setattr("video2music.features.semantic.download", lambda name, progress: tmp_path / f"{name}.pt")
    done = run("download", "clip-small", "--json", "-")
    assert json.loads(done.stdout) == {"encoder": "clip-small", "weights": str(tmp_path / "clip-small.pt")}


def test_an_unknown_encoder_cannot_be_downloaded():
    assert "eyes" in plainly(run("download", "eyes"))


def test_training_without_its_data_says_what_is_missing(tmp_path):
    words = ("train", "amt", "--data", tmp_path, "-o", tmp_path / "out")
    assert "chord lists" in plainly(run(*words))
    assert "vevo" in plainly(run(*words, "--chords", tmp_path))
    assert "shipped; no video" in plainly(run(*words, "--variant", "best"))


def test_rows_are_saved_only_under_a_name_that_says_what_they_are(clip, tmp_path):
    assert ".npz" in plainly(run("features", clip, *COLOR, "-o", tmp_path / "rows.csv"))


def test_a_clip_that_was_moved_is_asked_for(tried, tmp_path):
    _, _, rows = tried
    folder = tried[0]
    manifest = json.loads((folder / rows[4]["manifest"]).read_text())
    manifest["input"]["path"] = str(tmp_path / "gone.mp4")
    (tmp_path / "moved.json").write_text(json.dumps(manifest))
    assert "new place" in plainly(run("generate", "--from", tmp_path / "moved.json", "-o", tmp_path / "out"))
