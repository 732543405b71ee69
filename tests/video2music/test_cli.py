"""The command line as a user types it."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys

import pytest

from video2music import __version__

COLOR = ("--encoder", "color")


def run(*arguments, **options):
    command = [sys.executable, "-m", "video2music", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)


def plainly(done):
    """One sentence on stderr, no traceback, exit status not 0."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    sentences = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(sentences) == 1, done.stderr
    return sentences[0]


def test_help_lists_every_command():
    done = run("--help")
    assert done.returncode == 0
    for command in ("generate", "features", "download", "demo", "train", "doctor"):
        assert command in done.stdout


def test_help_imports_nothing_heavy():
    heavy = {"torch", "cv2", "av", "open_clip", "gradio", "scipy"}
    code = f"import sys, video2music.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_version_is_told():
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
    done = run("generate", "-o", "out", *COLOR, "--json", "report.json", "--", *inputs, cwd=folder)
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


def test_a_replay_takes_no_other_wishes(tried):
    folder, _, rows = tried
    assert "--seed" in plainly(run("generate", "--from", rows[4]["manifest"], "--seed", "3", "-o", "no", cwd=folder))


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
    ],
)
def test_a_wish_that_cannot_be_granted_is_told_in_a_sentence(clip, tmp_path, arguments, word):
    assert word in plainly(run("generate", clip, "-o", tmp_path / "out", *arguments))
    assert not list((tmp_path / "out").glob("*/*")) if (tmp_path / "out").exists() else True


def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(clip):
    assert "/proc/nowhere" in plainly(run("generate", clip, "-o", "/proc/nowhere", *COLOR))


def test_a_full_disk_is_told_in_a_sentence_and_leaves_nothing(clip, tmp_path):
    def little_room():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))  # bytes a file: the WAV does not fit

    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = run("generate", clip, "-o", tmp_path / "out", *COLOR, preexec_fn=little_room, env=environment)
    plainly(done)
    assert list((tmp_path / "out").iterdir()) == []


def test_features_are_told_and_saved(clip, tmp_path):
    from video2music import features

    done = run("features", clip, *COLOR, "-o", tmp_path / "seen.npz", "--json", "-")
    told = json.loads(done.stdout)
    assert len(told["motion"]) == 6 and told["encoder"] == "color" and len(told["cuts"]) == 2
    assert features.load(tmp_path / "seen.npz").duration_s == pytest.approx(6.0)


def test_doctor_names_what_it_looked_at():
    done = run("doctor", "--json", "-")
    names = " ".join(finding["name"] for finding in json.loads(done.stdout)["findings"]).lower()
    assert all(word in names for word in ("torch", "soundfont", "python"))


def test_an_unknown_encoder_cannot_be_downloaded():
    assert "eyes" in plainly(run("download", "eyes"))


def test_training_without_its_data_says_what_is_missing(tmp_path):
    assert "vevo" in plainly(run("train", "amt", "--data", tmp_path, "-o", tmp_path / "out"))
