"""`video2music batch` as a user types it: tables of options, real clips, and the same when it is killed."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from typer.main import get_command

from emotion.files import PARTIAL
from tests.video2music.conftest import draw_clip
from video2music import styles
from video2music.batch.jobs import plan
from video2music.batch.scoring import Scorer
from video2music.cli import app
from video2music.cli.jobs_table import read_table
from video2music.cli.option_parameters import parsed
from video2music.composing import manifest
from video2music.errors import OptionError
from video2music.options import SPECS, Options
from video2music.pipeline import compose

ROOT = Path(__file__).resolve().parents[3]
PLAIN = ("--encoder", "color", "--candidates", "1")
DEFAULTS = {name: spec.default for name, spec in SPECS.items()}


def command(*arguments):
    return [sys.executable, "-m", "video2music", *map(str, arguments)]


def run(*arguments, **options):
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=300, cwd=ROOT, **options)


@pytest.fixture
def table(tmp_path):
    """Writes a table of rows, with a clip to name in them."""
    (tmp_path / "a.mp4").write_text("a clip")

    def write(*rows):
        path = tmp_path / "jobs.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows(
                [[cell.replace("CLIP", str(tmp_path / "a.mp4")) for cell in row] for row in rows]
            )
        return path

    return write


def test_every_option_of_generate_is_one_of_batch():
    commands = get_command(app).commands
    generate, batch = ({name for one in commands[name].params for name in one.opts} for name in ("generate", "batch"))
    assert generate - batch == {"clips", "--from", "--lock", "--redraw"}
    assert batch - generate == {"inputs", "--jobs", "--workers", "--ray", "--shard", "--timeout", "--retry"}


def test_without_options_a_clip_is_scored_as_generate_would():
    arguments = {one.name: one.default for one in get_command(app).commands["batch"].params if one.name in SPECS}
    assert arguments.keys() == SPECS.keys() and Options(**parsed(arguments)) == Options()


def test_a_row_says_what_the_command_line_does_not(table):
    path = table(
        ["clip", "style", "tempo", "metre", "hit", "without", "stems", "audio-format", "preview", "seed"],
        ["CLIP", "piano", "80-110", "3/4", "1.5; 3", "", "yes", "flac", "4.5", "7"],
        ["", "", "", "", "", "", "", "", "", ""],
        ["CLIP"],
    )
    first, second = read_table(path, {**DEFAULTS, "encoder": "color", "seed": 3})
    assert first.clip == path.parent / "a.mp4" and first.previous is None
    assert first.options == Options(
        encoder="color", tempo=(80.0, 110.0), beats_per_bar=3, hits=(1.5, 3.0), stems=True, audio_format="flac",
        preview_s=4.5, seed=7,
    )  # fmt: skip
    assert second.options == Options(encoder="color", seed=3)


def test_a_row_s_mood_takes_the_place_of_the_command_line_s(table):
    path = table(["clip", "emotion", "valence", "arousal"], ["CLIP", "sad", "", ""], ["CLIP", "", "0.5", "-0.5"])
    sad, point = read_table(path, {**DEFAULTS, "emotion": "tense"})
    assert sad.options == Options(emotion="sad") and point.options == Options(valence=0.5, arousal=-0.5)


@pytest.mark.parametrize(
    ("rows", "parts"),
    [
        ([["clip", "stile"], ["CLIP", "piano"]], ["row 1", "'stile'", "no such option", "audio-format"]),
        ([["clip", "from"], ["CLIP", "x.json"]], ["row 2", "'from'", "x.json"]),
        ([["clip", "lock"], ["CLIP", "chords"]], ["row 2", "'lock'", "'from'"]),
        ([["clip", "redraw"], ["CLIP", "1"]], ["row 2", "'redraw'", "'from'"]),
        ([["clip", "from", "redraw"], ["CLIP", "x.json", "first"]], ["row 2", "'redraw'", "not a whole number"]),
        ([["clip", "seed", "seed"], ["CLIP", "1", "2"]], ["row 1", "'seed'", "twice"]),
        ([["seed"], ["1"]], ["no column 'clip'"]),
        ([], ["no column 'clip'"]),
        ([["clip", "seed"], ["CLIP", "1"], ["CLIP", "one"]], ["row 3", "'seed'", "'one' is not a whole number"]),
        ([["clip", "seed"], ["CLIP", "-1"]], ["row 2", "'seed'", "between 0"]),
        ([["clip", "strength"], ["CLIP", "nan"]], ["row 2", "'strength'"]),
        ([["clip", "hit"], ["CLIP", "1;x"]], ["row 2", "'hit'", "'x' is not a number"]),
        ([["clip", "stems"], ["CLIP", "maybe"]], ["row 2", "'stems'", "yes or no"]),
        ([["clip", "tempo"], ["CLIP", "fast"]], ["row 2", "'tempo'", "'fast'"]),
        ([["clip", "key", "seed"], ["CLIP", "H minor", "1"]], ["row 2", "'key'", "H minor"]),
        ([["clip", "seed", "style"], ["CLIP", "1", "polka"]], ["row 2", "'style'", "polka"]),
        ([["clip", "encoder"], ["CLIP", "eyes"]], ["row 2", "'encoder'", "eyes"]),
        ([["clip", "curve"], ["CLIP", "none.csv"]], ["row 2", "'curve'", "none.csv"]),
        ([["clip", "emotion", "valence"], ["CLIP", "sad", "1"]], ["row 2", "'emotion' and 'valence'"]),
        ([["clip", "seed"], ["gone.mp4", "1"]], ["row 2", "'clip'", "gone.mp4"]),
        ([["clip", "seed"], ["CLIP", "1", "2"]], ["row 2", "column 3"]),
    ],
)
def test_a_table_with_a_mistake_is_refused_by_row_and_column(table, rows, parts):
    with pytest.raises(OptionError) as caught:
        read_table(table(*rows), DEFAULTS)
    assert all(text in str(caught.value) for text in parts), caught.value
    assert "\n" not in str(caught.value)


def test_paths_in_a_table_are_relative_to_its_folder(tmp_path, monkeypatch):
    folder, elsewhere = tmp_path / "tables", tmp_path / "elsewhere"
    (folder / "clips").mkdir(parents=True)
    elsewhere.mkdir()
    (folder / "clips" / "a.mp4").write_text("a clip")
    (folder / "mood.csv").write_text("t_s,valence,arousal\n0,0.5,0.5\n")
    (folder / "mine.toml").write_text(styles.read("piano"))
    (folder / "jobs.csv").write_text("clip,curve,style\nclips/a.mp4,mood.csv,mine.toml\nclips/a.mp4,,strings\n")
    monkeypatch.chdir(elsewhere)
    one, two = read_table(Path("../tables/jobs.csv"), DEFAULTS)
    assert [job.clip.resolve() for job in (one, two)] == [(folder / "clips" / "a.mp4").resolve()] * 2
    assert Path(one.options.curve).samefile(folder / "mood.csv") and Path(one.options.curve).is_absolute()
    assert Path(one.options.style).samefile(folder / "mine.toml") and two.options.style == "strings"


@pytest.fixture(scope="module")
def piece(tmp_path_factory):
    """A scored clip of four seconds."""
    folder = tmp_path_factory.mktemp("piece")
    clip = draw_clip(folder / "short.mp4", seconds=4, size=(64, 48))
    return compose(clip, folder / "out", Options(encoder="color", candidates=1, seed=3))


def replayed(tmp_path, piece, head, *lines, **command_line):
    """The jobs of a table whose column `from` leads to the piece from the table's own folder."""
    path = tmp_path / "jobs.csv"
    manifest = os.path.relpath(piece.manifest, tmp_path)
    path.write_text("\n".join([f"from,{head}", *(f"{manifest},{line}" for line in lines)]) + "\n")
    return read_table(path, {**DEFAULTS, **command_line}, frozenset(command_line))


def test_a_row_may_begin_from_an_earlier_piece(tmp_path, piece):
    before = manifest.read(piece.manifest)
    plain, loud, locked, anew = replayed(
        tmp_path, piece, "lock,redraw,style,stems,seed", ",,,,", ",,,yes,", "chords;form,,strings,,7", ",1,,,9"
    )
    assert {job.clip for job in (plain, loud, locked, anew)} == {before.clip}
    assert plain.options == before.options and loud.options == replace(before.options, stems=True)
    assert locked.options == replace(before.options, style="strings", seed=7)
    assert locked.previous.replay().locks == {"chords", "form"}
    assert anew.previous.replay().redraw == 1 and anew.options.seed == 9
    assert len({job.key() for job in (plain, loud, locked, anew)}) == 4


def test_an_earlier_piece_takes_from_the_command_line_what_it_leaves_room_for(tmp_path, piece):
    command_line = {"style": "strings", "key": "C major", "stems": True}
    plain, locked = replayed(tmp_path, piece, "lock", "", "chords", **command_line)
    before = manifest.read(piece.manifest).options
    assert plain.options == replace(before, stems=True)
    assert locked.options == replace(before, stems=True, style="strings")


@pytest.mark.parametrize(
    ("head", "line", "parts"),
    [
        ("lock", "rhythm", ["'from'", "rhythm"]),
        ("redraw", "99", ["'from'", "99"]),
        ("style", "strings", ["'style'", "--lock"]),
        ("lock,key", "chords,C minor", ["'key'", "locked chords"]),
        ("clip", "other.mp4", ["'clip'", "no file"]),
        ("clip", "jobs.csv", ["'clip'", "not the clip of the manifest"]),
    ],
)
def test_a_row_with_an_earlier_piece_is_refused_by_row_and_column(tmp_path, piece, head, line, parts):
    with pytest.raises(OptionError) as caught:
        replayed(tmp_path, piece, head, line)
    assert all(text in str(caught.value) for text in ["row 2", *parts]), caught.value


def test_a_worker_plays_an_earlier_piece_again_byte_for_byte(tmp_path, piece):
    (job,) = plan(replayed(tmp_path, piece, "source", "replace"))
    result = Scorer(lambda threads: compose, 1).compose(job, job.key(), tmp_path / "scratch")
    assert result.status == "done", result.error
    assert (tmp_path / "scratch" / result.files["midi"]).read_bytes() == piece.midi.read_bytes()


def test_the_program_that_hands_out_the_clips_needs_no_torch(tmp_path):
    (tmp_path / "a.mp4").write_text("a clip")
    code = f"""
import sys
from video2music.batch import running, workers
from video2music.cli import batch
from video2music.options import SPECS
jobs = batch._jobs([{str(tmp_path)!r}], None, {tmp_path!r} / "out", {{
    name: spec.default for name, spec in SPECS.items()}}, set())
start_worker, count = batch._worker_pool(None, 2)
print(len(jobs), count, *{{"torch", "scipy", "transformers"}} & set(sys.modules))
""".replace(repr(tmp_path), f"__import__('pathlib').Path({str(tmp_path)!r})")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["1", "2"], done.stderr


@pytest.mark.parametrize("arguments", [(), ("nowhere.mp4",), ("--jobs", "none.csv"), ("--shard", "3/2", "README.md")])
def test_a_batch_that_cannot_begin_says_so_and_makes_nothing(tmp_path, arguments):
    done = run("batch", "-o", tmp_path / "out", *arguments)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("error: ")]) == 1
    assert not (tmp_path / "out").exists()


def test_a_table_of_clips_becomes_what_generate_makes_of_them(tmp_path, table):
    clip = draw_clip(tmp_path / "short.mp4", seconds=2, size=(64, 48))
    path = table(["clip", "seed"], [str(clip), "5"], ["CLIP", ""])
    done = run("batch", "--jobs", path, "-o", tmp_path / "out", *PLAIN, "--workers", 1, "--json", tmp_path / "all.json")
    assert done.returncode == 1, done.stderr
    assert done.stdout.split() == [str(tmp_path / "out" / "short" / "short.scored.mp4")]
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "a.mp4 is not a video" in errors[0]
    with (tmp_path / "out" / "summary.csv").open(newline="") as file:
        assert [(row["status"], row["folder"]) for row in csv.DictReader(file)] == [("failed", ""), ("done", "short")]
    assert "1 of 2 clips scored" in (tmp_path / "out" / "summary.html").read_text()
    parts = json.loads((tmp_path / "all.json").read_text())["clips"]
    assert [row["status"] for row in parts] == ["failed", "done"]

    alone = run("generate", clip, "-o", tmp_path / "alone", *PLAIN, "--seed", 5)
    assert alone.returncode == 0, alone.stderr
    made, expected = (tmp_path / folder / "short" for folder in ("out", "alone"))
    assert (made / "short.mid").read_bytes() == (expected / "short.mid").read_bytes()
    assert {path.name for path in made.iterdir()} == {path.name for path in expected.iterdir()}


@pytest.fixture
def films(tmp_path):
    """A folder with eight short clips, one of which is damaged."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(7):
        draw_clip(folder / f"c{number}.mp4", seconds=1 + number % 3, size=(48 + 16 * number, 48))
    (folder / "bad.mp4").write_bytes((folder / "c0.mp4").read_bytes()[:200])
    return folder


def statuses(out):
    return [json.loads(line)["status"] for line in (out / "batch.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_real_clips_come_out_the_same_after_kills(films, tmp_path):
    undisturbed, out, rng = tmp_path / "undisturbed", tmp_path / "out", random.Random(3)
    arguments = ("batch", films, *PLAIN, "--workers", 2)
    assert run(*arguments, "-o", undisturbed).returncode == 1
    for count in (1, 3, 5):
        process = subprocess.Popen(command(*arguments, "-o", out), cwd=ROOT, start_new_session=True)
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if (out / "batch.jsonl").exists() and len(statuses(out)) >= count:
                break
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 2))
        os.killpg(process.pid, signal.SIGKILL) if rng.random() < 0.5 else process.kill()
        process.wait()
    assert run(*arguments, "-o", out).returncode == 1
    midi = [
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.mid")} for folder in (undisturbed, out)
    ]
    assert midi[0] == midi[1] and len(midi[0]) == 7
    assert sorted(statuses(out)) == ["done"] * 7 + ["failed"]
    assert not list(out.rglob(f"{PARTIAL}*"))


@pytest.mark.slow
def test_the_terminate_signal_ends_a_batch_in_a_sentence(films, tmp_path):
    out = tmp_path / "out"
    process = subprocess.Popen(
        command("batch", films, *PLAIN, "-o", out), cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    while not (out / "batch.jsonl").exists() or not statuses(out):
        assert process.poll() is None
        time.sleep(0.05)
    process.terminate()
    _, parts = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in parts
    assert "stopped: what is finished stays" in parts and "waiting" in parts
    assert (out / "summary.html").exists() and not list(out.rglob(f"{PARTIAL}*"))
