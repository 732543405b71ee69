"""Work for visitors: stopped when nobody wants it any more, told of in sentences, and gone with its folder."""

import asyncio
import os
import threading
import time

import pytest

from tests.pages import own_environment
from video2music.errors import MediaError, OptionError
from video2music.studio.jobs import STOPPED, JobCancelled, JobError, JobKey, JobRunner
from video2music.studio.serving import Settings

ANNAS = JobKey("anna", "compose")


@pytest.fixture
def runner(tmp_path):
    with own_environment():
        yield JobRunner(Settings(root=tmp_path / "root"))


def do(runner, work, *, progress=lambda stage, share: None, **more):
    """What an job_key gives."""
    given = {"upload": runner.kept.root / "letter.mp4", **more}
    return asyncio.run(runner.run(work, progress, ANNAS, **given))


def folders(runner):
    return list(runner.kept.root.glob("run-*"))


@pytest.mark.parametrize("keep", [True, False])
def test_work_has_a_folder_that_stays_where_it_is_to_be_kept(runner, keep):
    found = do(runner, lambda job: (job.folder / "a.mid").write_bytes(b"MThd") and job.folder, keep=keep)
    assert found.parent == runner.kept.root and found.exists() == keep


def test_what_nobody_foresaw_is_a_sentence_too(runner):
    with pytest.raises(JobError, match="ZeroDivisionError"):
        do(runner, lambda job: 1 / 0)
    assert folders(runner) == []


def test_an_upload_that_is_worked_on_is_not_old(runner):
    upload = runner.kept.root / ("ab" * 32) / "clip.mp4"
    upload.parent.mkdir()
    upload.write_bytes(b"film")
    for path in (upload, upload.parent):
        os.utime(path, (0, 0))
    assert do(runner, lambda job: runner.kept.clean(), upload=upload) == 0 and upload.exists()


def test_nothing_begins_after_the_end_and_what_is_under_way_ends(runner):
    def work(job):
        runner.shutdown()
        job.progress("watch", 0.5)

    for _ in range(2):
        with pytest.raises(JobError, match=STOPPED):
            do(runner, work)


def test_an_error_is_told_without_the_servers_folders(runner):
    upload = runner.kept.root / "letter.mp4"

    def work(job):
        raise MediaError(f"{upload} is not a video, and {job.folder}/x.mid is not there: try --help")

    with pytest.raises(JobError) as told:
        do(runner, work)
    assert str(told.value) == "letter.mp4 is not a video, and x.mid is not there"


def test_a_run_that_cannot_have_a_folder_is_refused(runner):
    runner.kept.root.rename(runner.kept.root.with_name("away"))
    with pytest.raises(JobError, match="the folder of this run"):
        do(runner, lambda job: None)


def test_progress_is_told_and_ends_the_work_of_one_who_left(runner):
    told = []

    def work(job):
        job.progress("watch", 0.5)
        runner.close_session("anna")
        job.progress("watch", 0.6)

    with pytest.raises(JobError, match=STOPPED):
        do(runner, work, progress=lambda *step: told.append(step))
    assert told == [("watch", 0.5)] and folders(runner) == []


def test_work_that_is_cancelled_is_told_and_waited_for(runner):
    told = []

    def work(stop: threading.Event) -> None:
        told.append("begun")
        assert stop.wait(20)
        time.sleep(0.2)
        told.append("back")

    async def session() -> None:
        task = asyncio.create_task(runner.run_stoppable(work, ANNAS))
        while not told:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.sleep(0.05)
        task.cancel()  # a second one does not free the place either
        with pytest.raises(asyncio.CancelledError):
            await task
        told.append("free")

    asyncio.run(session())
    assert told == ["begun", "back", "free"]


def test_work_gives_its_result_or_its_error(runner):
    assert asyncio.run(runner.run_stoppable(lambda stop: stop.is_set(), ANNAS)) is False
    with pytest.raises(OptionError, match="as it was"):
        asyncio.run(runner.run_stoppable(lambda stop: (_ for _ in ()).throw(OptionError("as it was")), ANNAS))


@pytest.mark.parametrize(
    ("stop", "stopped"),
    [
        (
            lambda runner: [runner.close_session(name) for name in ("anna", None, "nobody")],
            [True, True, False, False, False],
        ),
        (lambda runner: runner.cancel(JobKey("anna", "watch")), [False, True, False, False, False]),
    ],
    ids=["leave", "cancel"],
)
def test_who_leaves_or_cancels_stops_the_own_work_and_nobody_elses(runner, stop, stopped):
    def work(stop: threading.Event) -> bool:
        return stop.wait(1.0)

    async def visits() -> list[bool]:
        people = (ANNAS, JobKey("anna", "watch"), JobKey("bo", "compose"), JobKey("bo", "watch"), JobKey(None, "watch"))
        tasks = [asyncio.create_task(runner.run_stoppable(work, job_key)) for job_key in people]
        await asyncio.sleep(0.2)
        stop(runner)
        return await asyncio.gather(*tasks)

    assert asyncio.run(visits()) == stopped


def test_what_was_cancelled_on_its_way_here_does_not_begin_before_it_is_wanted_again(runner):
    runner.cancel(ANNAS)
    with pytest.raises(JobError, match=STOPPED):
        do(runner, lambda job: 1)
    assert asyncio.run(runner.run_stoppable(lambda stop: 2, JobKey("bo", "compose"))) == 2
    runner.request(ANNAS)
    assert do(runner, lambda job: 3) == 3


def test_an_errand_is_open_until_it_ends_or_is_cancelled_and_only_the_last_press_counts(runner):
    def asked_anew(job):
        runner.cancel(ANNAS)
        runner.request(ANNAS)
        job.progress("watch", 0.5)

    runner.request(ANNAS)
    with pytest.raises(JobCancelled):
        do(runner, asked_anew)
    assert runner.is_open(ANNAS) and not runner.is_cancelled(ANNAS)
    assert do(runner, lambda job: runner.is_open(ANNAS)) is True
    assert not runner.is_open(ANNAS)
    runner.request(ANNAS)
    runner.cancel(ANNAS)
    assert not runner.is_open(ANNAS) and runner.is_cancelled(ANNAS)


def test_nothing_is_kept_in_mind_of_those_who_have_gone(runner):
    do(runner, lambda job: 1)
    runner.request(ANNAS)
    runner.close_session("anna")
    do(runner, lambda job: 1)
    assert not runner._states


def test_many_workers_have_threads_for_all_their_work(tmp_path):
    with own_environment():
        runner = JobRunner(Settings(root=tmp_path / "root", workers=20))
    together = threading.Barrier(40, timeout=20)

    async def visits() -> list[int]:
        return await asyncio.gather(*(runner.run_stoppable(lambda stop: together.wait(), ANNAS) for _ in range(40)))

    assert sorted(asyncio.run(visits())) == list(range(40))
