"""A batch from its first clip to its last, and after it was killed; the composer is a quick one (see composers.py)."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from emotion.files import PARTIAL
from tests.video2music import composers
from tests.video2music.video_files import film
from video2music.batch import journal, scoring
from video2music.batch.jobs import BatchError, Job, Shard, plan
from video2music.batch.journal import DONE, FAILED, WAITING, JobResult
from video2music.batch.running import Batch
from video2music.batch.scoring import Scorer
from video2music.batch.workers import LocalWorker, thread_limit
from video2music.errors import MediaError
from video2music.options import Options

ROOT = Path(__file__).resolve().parents[3]
QUICK = partial(LocalWorker, threads=1, load=composers.quick)


@pytest.fixture
def clips(tmp_path):
    """Writes clips that are text: name -> what the quick composer shall do with it."""

    def write(**texts):
        folder = tmp_path / "in"
        folder.mkdir(exist_ok=True)
        for name, text in texts.items():
            (folder / f"{name}.mp4").write_text(text)
        return sorted(folder.glob("*.mp4"))

    return write


def run(found, out, **more):
    batch = Batch(plan(Job(clip, Options()) for clip in found), out, **{"start_worker": QUICK, **more})
    batch.run()
    return {Path(result.clip).stem: result for result in batch.results}


def lines(out):
    return [json.loads(line) for path in sorted(out.glob("batch*.jsonl")) for line in path.read_text().splitlines()]


def midi(out):
    """Name -> bytes of every MIDI file that was made."""
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.mid")}


def test_every_clip_gets_its_folder_and_its_line(clips, tmp_path):
    found = run(clips(a="one", b="two", c="three"), tmp_path / "out", workers=2)
    assert {name: result.status for name, result in found.items()} == dict.fromkeys("abc", DONE)
    assert sorted(midi(tmp_path / "out")) == ["a/a.mid", "b/b.mid", "c/c.mid"]
    assert sorted(line["name"] for line in lines(tmp_path / "out")) == ["a", "b", "c"]
    assert not list((tmp_path / "out").rglob(f"{PARTIAL}*"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("fail", "the clip is too sad to be scored: choose another"),
        ("stumble", "something unforeseen happened (ZeroDivisionError, division by zero): give this clip alone"),
        ("crash", "the worker that scored it crashed (SIGSEGV)"),
        ("exit", "the worker that scored it ended (exit status 3)"),
    ],
)
def test_one_bad_clip_is_reported_in_a_sentence_and_stops_none(clips, tmp_path, text, sentence):
    found = run(clips(a="one", bad=text, c="three", d="four"), tmp_path / "out")
    assert found["bad"].status == FAILED and sentence in found["bad"].error
    assert [found[name].status for name in "acd"] == [DONE] * 3
    assert Counter(line["name"] for line in lines(tmp_path / "out")) == Counter("acd") + Counter(["bad"])


def test_the_time_left_is_estimated_once_clips_are_done(clips, tmp_path):
    states = []
    run(clips(**{f"c{number}": f"clip {number}" for number in range(6)}), tmp_path / "out", progress=states.append)
    assert [state.left_s is None for state in states] == [True, True, False, False, False, False, False]
    assert all(0 < state.left_s < 30 for state in states[2:-1]) and states[-1].left_s == 0
    assert [state.now for state in states] == list(range(7)) and {state.clips for state in states} == {6}


def test_a_clip_that_takes_too_long_is_given_up(clips, tmp_path):
    found = run(clips(a="hang", b="two"), tmp_path / "out", timeout_s=1.5)
    assert found["a"].status == FAILED and "took longer than 1.5 s" in found["a"].error
    assert found["b"].status == DONE


def test_a_worker_that_cannot_start_ends_the_batch_in_a_sentence(clips, tmp_path):
    with pytest.raises(BatchError, match="a worker cannot start: ImportError: no model here"):
        run(clips(a="one"), tmp_path / "out", start_worker=partial(LocalWorker, threads=1, load=composers.broken))


def test_a_disk_that_is_full_is_reported_and_the_worker_stays(clips, tmp_path, monkeypatch):
    def full(scratch, result):
        raise OSError(errno.ENOSPC, "No space left on device")

    (job,) = plan([Job(clip, Options()) for clip in clips(a="one")])
    scorer, scratch = Scorer(composers.quick, 1), tmp_path / "scratch"
    with monkeypatch.context() as patch:
        patch.setattr(scoring, "write_result", full)
        result = scorer.compose(job, job.key(), scratch / "0")
    assert result.status == FAILED and "make room on the disk" in result.error
    assert scorer.compose(job, job.key(), scratch / "1").status == DONE


def test_a_worker_does_not_import_the_program_that_starts_it(tmp_path):
    """The page's program imports Gradio, which takes seconds and has no business in a worker."""
    program = tmp_path / "page.py"
    program.write_text(f"""
import sys
from pathlib import Path
if __name__ == "__main__":
    sys.path.insert(0, {str(ROOT)!r})
    from tests.video2music import composers
    from video2music.batch.workers import LocalWorker
    worker = LocalWorker(threads=1, load=composers.quick)
    worker._await_ready()
    worker.kill()
    print(Path(__file__).name)
else:
    Path("imported").touch()
""")
    done = subprocess.run([sys.executable, program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["page.py"] and not (tmp_path / "imported").exists()


def test_a_worker_keeps_to_its_threads_while_it_decodes_and_detects_speech(tmp_path):
    if not Path("/proc/self/task").is_dir():
        pytest.skip("needs /proc to look at threads")
    clip = film(tmp_path / "a.mp4", "mpeg4", times_ms=range(0, 4000, 40), size=(320, 240))
    code = f"""
import os
from pathlib import Path
import numpy as np
from video2music.media import clip
from video2music.mixing import speech
from video2music.batch.scoring import load_pipeline
load_pipeline(1)
count = lambda: len(os.listdir("/proc/self/task"))
before = most = count()
for frame in clip.frames(Path({str(clip)!r})):
    most = max(most, count())
noise = np.random.default_rng(0).normal(size=(44100, 2)).astype(np.float32)
speech.likelihood([0.1 * noise])
print(most - before, count() - before)
"""
    with thread_limit(1):
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["0", "0"], done.stderr


def never(**_):
    raise AssertionError("a worker was started although every clip has a result")


def test_what_has_a_result_is_left_alone(clips, tmp_path):
    found = clips(a="one", b="fail")
    first = run(found, tmp_path / "out")
    assert run(found, tmp_path / "out", start_worker=never) == first
    assert len(lines(tmp_path / "out")) == 2


def test_a_failed_clip_is_tried_again_with_retry_or_when_it_changed(clips, tmp_path):
    found = clips(a="fail", b="fail:")
    run(found, tmp_path / "out")
    again = run(found, tmp_path / "out", retry=True)
    assert [line["name"] for line in lines(tmp_path / "out")] == ["a", "b", "a", "b"]
    assert {result.status for result in again.values()} == {FAILED}
    mended = run(clips(a="mended"), tmp_path / "out")
    assert (mended["a"].status, mended["b"].status) == (DONE, FAILED)
    assert len(lines(tmp_path / "out")) == 5


def test_other_options_are_other_work(clips, tmp_path):
    (clip,) = clips(a="one")
    jobs = plan([Job(clip, Options()), Job(clip, Options(seed=1)), Job(clip, Options(seed=1))])
    batch = Batch(jobs, tmp_path / "out", start_worker=QUICK)
    batch.run()
    assert len(jobs) == 2 and {result.status for result in batch.results} == {DONE}
    assert len(set(midi(tmp_path / "out").values())) == 2


def test_what_was_made_and_then_removed_is_made_again(clips, tmp_path):
    found, out = clips(a="one", b="two"), tmp_path / "out"
    run(found, out)
    before = midi(out)
    (out / "a" / "a.json").unlink()
    (out / "a" / "a.mid").unlink()
    again = run(found, out, overwrite=True)
    assert midi(out) == before and again["a"].status == DONE
    assert [line["name"] for line in lines(out)] == ["a", "b", "a"]


def test_a_folder_of_another_origin_is_left_alone_without_overwrite(clips, tmp_path):
    found, out = clips(a="one"), tmp_path / "out"
    (out / "a").mkdir(parents=True)
    (out / "a" / "mine.txt").write_text("precious")
    refused = run(found, out)["a"]
    assert refused.status == FAILED and "--overwrite" in refused.error
    assert [path.name for path in (out / "a").iterdir()] == ["mine.txt"]
    assert run(found, out, overwrite=True)["a"].status == DONE  # without --retry: no worker had begun it
    assert (out / "a" / "mine.txt").read_text() == "precious" and (out / "a" / "a.mid").exists()
    assert not list(out.rglob(f"{PARTIAL}*"))


def test_variants_replace_those_of_an_earlier_run_and_its_other_files_are_removed(tmp_path):
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    for number in (1, 2):
        for folder, names in ((out, ("a.mid", "a.wav")), (scratch, ("a.mid", "a.flac"))):
            variant = folder / "a" / f"v{number}"
            variant.mkdir(parents=True)
            for name in names:
                (variant / name).write_text(f"{folder.name} {number}")
            (variant / "a.json").write_text(json.dumps({"files": ["a.json", *names]}))
    manifests = ("a/v1/a.json", "a/v2/a.json")
    result = JobResult(DONE, str(tmp_path / "a.mp4"), "a", manifests=manifests)
    with pytest.raises(MediaError, match="made meanwhile"):
        scoring.publish(out, scratch, result, overwrite=False)
    scoring.publish(out, scratch, result, overwrite=True)
    for number in (1, 2):
        assert (out / "a" / f"v{number}" / "a.mid").read_text() == f"scratch {number}"
        assert {path.name for path in (out / "a" / f"v{number}").iterdir()} == {"a.mid", "a.flac", "a.json"}


def test_two_clips_of_one_name_or_one_content_both_have_a_folder(tmp_path):
    for folder, text in (("x", "one"), ("y", "one"), ("z", "other")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.mp4").write_text(text)
    found = sorted(tmp_path.glob("*/a.mp4"))
    batch = Batch(plan(Job(clip, Options()) for clip in found), tmp_path / "out", start_worker=QUICK, workers=2)
    batch.run()
    assert len({result.name for result in batch.results}) == 3
    assert {result.status for result in batch.results} == {DONE}


def test_a_clip_keeps_its_folder_when_another_of_its_name_joins(clips, tmp_path):
    found, out = clips(a="one"), tmp_path / "out"
    run(found, out)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.mp4").write_text("another")
    batch = Batch(plan(Job(clip, Options()) for clip in [*found, tmp_path / "more" / "a.mp4"]), out, start_worker=QUICK)
    batch.run()
    assert [result.status for result in batch.results] == [DONE, DONE]
    assert len(lines(out)) == 2 and "a/a.mid" in midi(out)


def test_a_clip_that_is_not_there_is_reported_and_tried_again(clips, tmp_path):
    missing = tmp_path / "in" / "later.mp4"
    found = [*clips(a="one"), missing]
    first = run(found, tmp_path / "out")
    assert first["later"].status == FAILED and "no such file" in first["later"].error
    missing.write_text("here now")
    assert run(found, tmp_path / "out")["later"].status == DONE


def test_what_a_worker_finished_before_its_run_was_killed_is_taken_over(clips, tmp_path):
    (clip,), out = clips(a="one"), tmp_path / "out"
    (job,) = plan([Job(clip, Options())])
    scratch = scoring.new_run_scratch(out, Shard()) / "0"
    Scorer(composers.quick, 1).compose(job, job.key(), scratch)  # and here the run ends: not published, not recorded
    assert run([clip], out, start_worker=never)["a"].status == DONE
    assert sorted(midi(out)) == ["a/a.mid"] and len(lines(out)) == 1


def test_what_was_published_before_its_run_was_killed_is_recorded_once(clips, tmp_path):
    (clip,), out = clips(a="one"), tmp_path / "out"
    (job,) = plan([Job(clip, Options())])
    scratch = scoring.new_run_scratch(out, Shard()) / "0"
    result = Scorer(composers.quick, 1).compose(job, job.key(), scratch)
    scoring.publish(out, scratch, result, overwrite=False)  # and here the run ends: not recorded
    assert run([clip], out, start_worker=never)["a"].status == DONE
    assert len(lines(out)) == 1


def test_a_scratch_folder_without_a_result_is_removed(clips, tmp_path):
    (clip,), out = clips(a="one"), tmp_path / "out"
    half = scoring.new_run_scratch(out, Shard()) / "0" / "a"
    half.mkdir(parents=True)
    (half / "a.mid").write_bytes(b"half")
    assert run([clip], out)["a"].status == DONE
    assert not half.exists() and not list(out.rglob(f"{PARTIAL}*"))


def test_shards_share_a_folder_and_do_each_clip_once(clips, tmp_path):
    found = clips(**{f"c{number:02}": f"clip {number}" for number in range(7)})
    for number in (1, 2, 3):
        run(found, tmp_path / "out", shard=Shard(number, 3))
    assert Counter(line["clip"] for line in lines(tmp_path / "out")) == Counter(map(str, found))
    assert {path.name for path in (tmp_path / "out").glob("*.jsonl")} == {f"batch-{n}-of-3.jsonl" for n in (1, 2, 3)}
    assert {result.status for result in run(found, tmp_path / "out", start_worker=never).values()} == {DONE}


def test_a_second_run_into_the_same_journal_is_refused(clips, tmp_path):
    found, out = clips(a="one"), tmp_path / "out"
    with journal.open_journal(out, Shard()), pytest.raises(BatchError, match="another run is writing"):
        run(found, out)


def test_an_interrupted_run_ends_its_workers_and_goes_on_later(clips, tmp_path):
    found, out = clips(a="one", b="hang", c="three"), tmp_path / "out"
    main = threading.main_thread().ident
    ended = threading.Event()

    def press():
        wait_s = 0.5
        while not ended.wait(wait_s):  # again where Python lost the first in a callback, as it may
            signal.pthread_kill(main, signal.SIGINT)
            wait_s = 10.0

    interrupt = threading.Thread(target=press, daemon=True)

    def progress(state):
        if state.latest and not interrupt.ident:  # once, although a slow machine may report more by then
            interrupt.start()

    batch = Batch(plan(Job(clip, Options()) for clip in found), out, start_worker=QUICK, progress=progress)
    with pytest.raises(KeyboardInterrupt):
        batch.run()
    ended.set()
    assert [result.status for result in batch.results] == [DONE, WAITING, WAITING]
    assert not list(out.rglob(f"{PARTIAL}*"))
    found[1].write_text("patient now")
    assert {result.status for result in run(found, out).values()} == {DONE}
    assert sorted(line["name"] for line in lines(out)) == ["a", "b", "c"]


def begun(clips_folder, out):
    """The batch of composers.main as a process group of its own."""
    command = [sys.executable, "-m", "tests.video2music.composers", str(clips_folder), str(out)]
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True)


def finished_lines(out):
    """How many lines the journals have."""
    return sum(path.read_bytes().count(b"\n") for path in out.glob("batch*.jsonl"))


def kill_after(process, out, count, delay_s, *, group):
    """kill -9 once the journal has so many lines and a moment passed: the run alone, or its workers, too."""
    deadline = time.monotonic() + 60
    while finished_lines(out) < count and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(delay_s)
    if group:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def test_killed_ten_times_it_ends_as_if_nothing_had_happened(clips, tmp_path):
    found = clips(
        **{f"c{number:02}": f"fail:{number}" if number % 9 == 4 else f"clip {number}" for number in range(60)}
    )
    undisturbed, out, rng = tmp_path / "undisturbed", tmp_path / "out", random.Random(8)
    run(found, undisturbed, workers=2)
    reached = []
    for count in sorted(rng.sample(range(1, 55), 10)):
        kill_after(begun(tmp_path / "in", out), out, count, rng.uniform(0, 0.05), group=rng.random() < 0.5)
        reached.append(finished_lines(out))
    assert reached == sorted(reached) and reached[0] >= 1 and reached[-1] < 60, "no kill came in the middle"
    assert begun(tmp_path / "in", out).wait(120) == 0
    assert midi(out) == midi(undisturbed) and len(midi(out)) == 53
    states = lines(out)
    assert Counter(line["clip"] for line in states) == Counter(map(str, found)), "a clip was lost, or recorded twice"
    assert len({line["task"] for line in states}) == len(states)
    assert not list(out.rglob(f"{PARTIAL}*"))


def test_workers_end_with_a_run_that_is_killed(clips, tmp_path):
    clips(a="hang", b="hang:")
    process = begun(tmp_path / "in", tmp_path / "out")
    deadline = time.monotonic() + 60
    while len(children(process.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.5)
    workers = children(process.pid)
    process.kill()
    process.wait()
    assert len(workers) >= 2
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in workers if alive(pid)]


def children(pid):
    """The processes that a process began."""
    tasks = Path(f"/proc/{pid}/task")
    if not tasks.exists():
        pytest.skip("needs /proc to look at processes")
    return {int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()}


def alive(pid):
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
