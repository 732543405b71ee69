"""Uploads with common wishes: scored by a stand-in where the order of things matters, once by the program itself."""

import asyncio
import csv
import zipfile
from pathlib import Path

import pytest

from tests.pages import own_environment
from tests.video2music.conftest import draw_clip
from tests.video2music.studio.clerk import Clerk
from video2music import Options
from video2music.errors import OptionError
from video2music.studio import batches
from video2music.studio.batches import Running
from video2music.studio.jobs import Errand, Errands, Stopped
from video2music.studio.serving import Settings
from video2music.studio.text import BATCH_COLUMNS
from video2music.studio.wishes import Wishes


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
    while running.news():
        pass
    return running.outcomes


def test_every_clip_comes_to_a_row_and_one_that_fails_stops_no_other(uploads, tmp_path):
    running = Running(uploads, Options(), tmp_path / "run" / "scored", hire=Clerk)
    rows, sentence = batches.standing(settled(running))
    assert sorted((row[0], row[1]) for row in rows) == [("bad.mp4", "failed"), ("one.mp4", "done"), ("one.mp4", "done")]
    assert all(len(row) == len(BATCH_COLUMNS) for row in rows)
    assert sentence == "2 of 3 clips scored, 1 failed."


def test_no_row_and_no_paper_names_a_folder_of_the_server(uploads, tmp_path):
    running = Running(uploads, Options(), tmp_path / "run" / "scored", hire=Clerk)
    outcomes = settled(running)
    papers = batches.handed_out(outcomes, running.out)
    told = str(batches.standing(outcomes)) + papers.csv.read_text() + papers.html.read_text()
    assert str(tmp_path) not in told and "bad.mp4 is not a video" in told


def test_the_zip_holds_the_tables_and_all_that_was_made_where_the_page_links_to(uploads, tmp_path):
    running = Running(uploads, Options(), tmp_path / "run" / "scored", hire=Clerk)
    papers = batches.handed_out(settled(running), running.out)
    with zipfile.ZipFile(papers.zip) as archive:
        names = set(archive.namelist())
        manifests = [archive.read(name).decode() for name in names if name.endswith(".json")]
    assert len(manifests) == 2 and str(tmp_path) not in "".join(manifests)
    assert {"summary.csv", "summary.html"} <= names and len(names) == 2 + 2 * 7
    links = [row["video"] for row in csv.DictReader(papers.csv.open()) if row["video"]]
    assert len(links) == 2 and set(links) <= names


def test_a_batch_that_is_stopped_ends_at_once_and_the_rest_waits(uploads, tmp_path):
    clerk = Clerk(gate=True)
    running = Running(uploads, Options(), tmp_path / "run" / "scored", hire=lambda: clerk)
    while not any(outcome.is_done or outcome.sentence for outcome in running.outcomes):
        running.news()
    running.stop()
    with pytest.raises(Stopped):
        settled(running)
    assert clerk.killed.is_set()
    assert sorted(row[1] for row in batches.standing(running.outcomes).rows).count("to come") == 2


@pytest.fixture
def errands(tmp_path):
    with own_environment():
        yield Errands(Settings(root=tmp_path / "root"))


@pytest.fixture
def films(tmp_path):
    """Two clips, and a letter by the name of a third."""
    clips = [draw_clip(tmp_path / f"{name}.mp4", seconds=1, size=(64, 48)) for name in ("one", "two")]
    (tmp_path / "letter.mp4").write_text("Dear film,")
    return [clips[0], tmp_path / "letter.mp4", clips[1]]


BOS = Errand("bo", "batch")


def test_a_visitor_is_told_of_every_clip_and_one_that_is_no_film_stops_no_other(errands, films, monkeypatch):
    monkeypatch.setattr(batches, "LocalWorker", lambda threads: Clerk())

    async def visit():
        return [news async for news in batches.score(errands, films, Wishes(), BOS)]

    *under_way, last = asyncio.run(visit())
    assert [row[:2] for row in under_way[0].standing.rows] == [
        ["one.mp4", "to come"], ["letter.mp4", "failed"], ["two.mp4", "to come"],
    ]  # fmt: skip
    assert [row[1] for row in last.standing.rows] == ["done", "failed", "done"]
    assert "not a video" in last.standing.rows[1][-1] and all(news.papers is None for news in under_way)
    assert last.papers.zip.is_file() and last.papers.zip.is_relative_to(errands.kept.root)


@pytest.mark.parametrize("end", ["cancelled", "cancelled twice", "left alone"])
def test_a_batch_that_nobody_waits_for_ends_its_worker_and_leaves_no_folder(errands, films, monkeypatch, end):
    clerk = Clerk(gate=True)
    monkeypatch.setattr(batches, "LocalWorker", lambda threads: clerk)

    async def visit():
        news = batches.score(errands, films, Wishes(), BOS)
        while not any(row[1] == "done" for row in (await anext(news)).standing.rows):
            pass
        if end == "left alone":
            await news.aclose()
            return
        waiting = asyncio.ensure_future(anext(news))
        await asyncio.sleep(0.1)
        for _ in range(2 if "twice" in end else 1):
            waiting.cancel()
            await asyncio.sleep(0.01)
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(visit())
    assert clerk.killed.is_set() and list(errands.kept.root.glob("run-*")) == []


def test_wishes_that_no_clip_could_be_granted_are_refused_before_anything_begins(uploads, tmp_path):
    hired = []
    with pytest.raises(OptionError, match="no curve"):
        Running(uploads, Options(curve=str(tmp_path / "none.csv")), tmp_path / "out", hire=lambda: hired.append(1))
    assert not hired and not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_program_itself_scores_a_batch_in_a_process_of_its_own(tmp_path):
    clips = [draw_clip(tmp_path / f"{name}.mp4", seconds=3) for name in ("one", "two")]
    running = Running(clips, Options(encoder="color", candidates=1), tmp_path / "run" / "scored")
    outcomes = settled(running)
    assert [outcome.status for outcome in outcomes] == ["done", "done"]
    papers = batches.handed_out(outcomes, running.out)
    with zipfile.ZipFile(papers.zip) as archive:
        assert {Path(name).suffix for name in archive.namelist()} >= {".mp4", ".wav", ".mid", ".json", ".csv", ".html"}
