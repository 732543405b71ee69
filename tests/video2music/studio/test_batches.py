"""Batches of uploads: scored by a fake worker where the order of events matters, once by the program itself."""

import asyncio
import csv
import zipfile
from pathlib import Path

import pytest

from tests.pages import own_environment
from tests.video2music.conftest import draw_clip
from tests.video2music.studio.fake_worker import FakeWorker
from video2music import Options
from video2music.errors import OptionError
from video2music.studio import batches
from video2music.studio.batches import BatchRun
from video2music.studio.jobs import JobKey, JobRunner, JobStopped
from video2music.studio.score_form import ScoreForm
from video2music.studio.serving import Settings
from video2music.studio.text import BATCH_COLUMNS


@pytest.fixture
def uploads(tmp_path):
    """Three files in folders of their own, as they come in; two share a name."""
    places = [tmp_path / "a" / "one.mp4", tmp_path / "b" / "one.mp4", tmp_path / "c" / "bad.mp4"]
    for number, path in enumerate(places):
        path.parent.mkdir()
        path.write_bytes(bytes([number]) * 9)
    return places


def settled(running):
    """The batch's end."""
    while running.wait():
        pass
    return running.results


def test_every_clip_comes_to_a_row_and_one_that_fails_stops_no_other(uploads, tmp_path):
    running = BatchRun(uploads, Options(), tmp_path / "run" / "scored", start_worker=FakeWorker)
    rows, sentence = batches.progress_of(settled(running))
    assert sorted((row[0], row[1]) for row in rows) == [("bad.mp4", "failed"), ("one.mp4", "done"), ("one.mp4", "done")]
    assert all(len(row) == len(BATCH_COLUMNS) for row in rows)
    assert sentence == "2 of 3 clips scored, 1 failed."


def test_no_row_and_no_paper_names_a_folder_of_the_server(uploads, tmp_path):
    running = BatchRun(uploads, Options(), tmp_path / "run" / "scored", start_worker=FakeWorker)
    results = settled(running)
    downloads = batches.write_downloads(results, running.out)
    told = str(batches.progress_of(results)) + downloads.csv.read_text() + downloads.html.read_text()
    assert str(tmp_path) not in told and "bad.mp4 is not a video" in told


def test_the_zip_holds_the_tables_and_all_that_was_made_where_the_page_links_to(uploads, tmp_path):
    running = BatchRun(uploads, Options(), tmp_path / "run" / "scored", start_worker=FakeWorker)
    downloads = batches.write_downloads(settled(running), running.out)
    with zipfile.ZipFile(downloads.zip) as archive:
        names = set(archive.namelist())
        manifests = [archive.read(name).decode() for name in names if name.endswith(".json")]
    assert len(manifests) == 2 and str(tmp_path) not in "".join(manifests)
    assert {"summary.csv", "summary.html"} <= names and len(names) == 2 + 2 * 7
    links = [row["video"] for row in csv.DictReader(downloads.csv.open()) if row["video"]]
    assert len(links) == 2 and set(links) <= names


def test_a_batch_that_is_stopped_ends_at_once_and_the_rest_waits(uploads, tmp_path):
    fake_worker = FakeWorker(gate=True)
    running = BatchRun(uploads, Options(), tmp_path / "run" / "scored", start_worker=lambda: fake_worker)
    while not any(result.is_done or result.error for result in running.results):
        running.wait()
    running.stop()
    with pytest.raises(JobStopped):
        settled(running)
    assert fake_worker.killed.is_set()
    assert sorted(row[1] for row in batches.progress_of(running.results).rows).count("waiting") == 2


@pytest.fixture
def runner(tmp_path):
    with own_environment():
        yield JobRunner(Settings(root=tmp_path / "root"))


@pytest.fixture
def films(tmp_path):
    """Two clips, and a letter by the name of a third."""
    clips = [draw_clip(tmp_path / f"{name}.mp4", seconds=1, size=(64, 48)) for name in ("one", "two")]
    (tmp_path / "letter.mp4").write_text("Dear film,")
    return [clips[0], tmp_path / "letter.mp4", clips[1]]


BOS = JobKey("bo", "batch")


def test_a_visitor_is_told_of_every_clip_and_one_that_is_no_film_stops_no_other(runner, films, monkeypatch):
    monkeypatch.setattr(batches, "LocalWorker", lambda threads: FakeWorker())

    async def session():
        return [update async for update in batches.score(runner, films, ScoreForm(), BOS)]

    *under_way, last = asyncio.run(session())
    assert [row[:2] for row in under_way[0].progress.rows] == [
        ["one.mp4", "waiting"], ["letter.mp4", "failed"], ["two.mp4", "waiting"],
    ]  # fmt: skip
    assert [row[1] for row in last.progress.rows] == ["done", "failed", "done"]
    assert "not a video" in last.progress.rows[1][-1] and all(update.downloads is None for update in under_way)
    assert last.downloads.zip.is_file() and last.downloads.zip.is_relative_to(runner.kept.root)


@pytest.mark.parametrize("end", ["cancelled", "cancelled twice", "left alone"])
def test_a_batch_that_nobody_waits_for_ends_its_worker_and_leaves_no_folder(runner, films, monkeypatch, end):
    fake_worker = FakeWorker(gate=True)
    monkeypatch.setattr(batches, "LocalWorker", lambda threads: fake_worker)

    async def session():
        update = batches.score(runner, films, ScoreForm(), BOS)
        while not any(row[1] == "done" for row in (await anext(update)).progress.rows):
            pass
        if end == "left alone":
            await update.aclose()
            return
        waiting = asyncio.ensure_future(anext(update))
        await asyncio.sleep(0.1)
        for _ in range(2 if "twice" in end else 1):
            waiting.cancel()
            await asyncio.sleep(0.01)
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(session())
    assert fake_worker.killed.is_set() and list(runner.kept.root.glob("run-*")) == []


def test_wishes_that_no_clip_could_be_granted_are_refused_before_anything_begins(uploads, tmp_path):
    hired = []
    with pytest.raises(OptionError, match="no curve"):
        BatchRun(
            uploads, Options(curve=str(tmp_path / "none.csv")), tmp_path / "out", start_worker=lambda: hired.append(1)
        )
    assert not hired and not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_program_itself_scores_a_batch_in_a_process_of_its_own(tmp_path):
    clips = [draw_clip(tmp_path / f"{name}.mp4", seconds=3) for name in ("one", "two")]
    running = BatchRun(clips, Options(encoder="color", candidates=1), tmp_path / "run" / "scored")
    results = settled(running)
    assert [result.status for result in results] == ["done", "done"]
    downloads = batches.write_downloads(results, running.out)
    with zipfile.ZipFile(downloads.zip) as archive:
        assert {Path(name).suffix for name in archive.namelist()} >= {".mp4", ".wav", ".mid", ".json", ".csv", ".html"}
