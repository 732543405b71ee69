"""The same batch with Ray actors for workers, on a cluster of one machine that the test starts."""

import json
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.video2music import composers
from tests.video2music.conftest import draw_clip
from video2music.batch.jobs import BatchError, Job, plan
from video2music.batch.journal import DONE, FAILED
from video2music.batch.running import Batch
from video2music.batch.workers import RayWorker, actor_environment, connect
from video2music.options import Options

ray = pytest.importorskip("ray", reason="needs Ray: pip install 'video2music[ray]'")
pytestmark = pytest.mark.slow  # a cluster takes some seconds to come up
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def address(own_cache):
    """Where a cluster of two cores listens."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")  # otherwise Ray puts a token into the home folder
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=80_000_000)
        yield ray.get_runtime_context().gcs_address
        ray.shutdown()


def test_actors_score_and_are_replaced_when_they_are_lost(address, tmp_path):
    texts = {"a": "one", "b": "crash", "c": "fail", "d": "hang", "e": "two"}
    for name, text in texts.items():
        (tmp_path / f"{name}.mp4").write_text(text)
    start_worker = partial(RayWorker, threads=1, load=composers.quick)
    jobs = plan(Job(clip, Options()) for clip in sorted(tmp_path.glob("*.mp4")))
    batch = Batch(jobs, tmp_path / "out", start_worker=start_worker, workers=2, timeout_s=3)
    batch.run()
    found = {Path(result.clip).stem: result for result in batch.results}
    assert [name for name, result in found.items() if result.status == DONE] == ["a", "e"]
    errors = {name: result.error for name, result in found.items() if result.status == FAILED}
    assert "was lost" in errors["b"] and "too sad" in errors["c"] and "longer than 3 s" in errors["d"]
    assert not [error for error in errors.values() if "\n" in error]


def test_an_actor_that_cannot_start_ends_the_batch_in_a_sentence(address, tmp_path):
    (tmp_path / "a.mp4").write_text("one")
    start_worker = partial(RayWorker, threads=1, load=composers.broken)
    with pytest.raises(BatchError, match="a worker cannot start"):
        Batch(plan([Job(tmp_path / "a.mp4", Options())]), tmp_path / "out", start_worker=start_worker).run()


def test_the_cluster_s_cores_are_counted(address):
    assert connect(address) == (2, 2)


def test_the_command_scores_on_a_cluster_what_it_scores_here(address, tmp_path):
    clip = draw_clip(tmp_path / "short.mp4", seconds=2, size=(64, 48))
    plain = ("batch", clip, "--encoder", "color", "--candidates", "1", "--workers", "1")
    for out, more in (("here", ()), ("there", ("--ray", address))):
        command = [sys.executable, "-m", "video2music", *map(str, plain), "-o", str(tmp_path / out), *more]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    rows = [json.loads((tmp_path / out / "batch.jsonl").read_text()) for out in ("here", "there")]
    assert rows[0]["key"] == rows[1]["key"]
    made = [(tmp_path / out / "short" / "short.mid").read_bytes() for out in ("here", "there")]
    assert made[0] == made[1]


def test_where_no_cluster_is_the_error_says_so():
    with socket.socket() as free, pytest.raises(BatchError, match="there is no Ray cluster at"):
        free.bind(("127.0.0.1", 0))  # taken, and nobody listens
        connect_afresh(f"127.0.0.1:{free.getsockname()[1]}")


def connect_afresh(address):
    """`connect` as in a process that is in no cluster yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray, "is_initialized", lambda: False)
        return connect(address)


def test_an_actor_gets_the_settings_of_the_run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("V2M_DEVICE", "cpu")
    monkeypatch.setenv("V2M_WEIGHTS", "mine")
    monkeypatch.delenv("V2M_SOUNDFONT", raising=False)
    environment = actor_environment(3)
    assert environment["V2M_DEVICE"] == "cpu" and environment["V2M_WEIGHTS"] == str(tmp_path / "mine")
    assert "V2M_SOUNDFONT" not in environment and environment["OMP_NUM_THREADS"] == "3"
