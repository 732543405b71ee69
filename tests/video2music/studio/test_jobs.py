"""Work for visitors: stopped when nobody wants it any more, told of in sentences, and gone with its folder."""

import asyncio
import os
import threading
import time

import pytest

from tests.pages import own_environment
from video2music.errors import MediaError, OptionError
from video2music.studio.jobs import STOPPED, Cancelled, Errand, Errands, Refusal
from video2music.studio.serving import Settings

ANNAS = Errand("anna", "compose")


@pytest.fixture
def errands(tmp_path):
    with own_environment():
        yield Errands(Settings(root=tmp_path / "root"))


def do(errands, work, *, tell=lambda stage, share: None, **more):
    """What an errand gives."""
    given = {"upload": errands.kept.root / "letter.mp4", **more}
    return asyncio.run(errands.run(work, tell, ANNAS, **given))


def folders(errands):
    return list(errands.kept.root.glob("run-*"))


@pytest.mark.parametrize("keep", [True, False])
def test_work_has_a_folder_that_stays_where_it_is_to_be_kept(errands, keep):
    found = do(errands, lambda job: (job.folder / "a.mid").write_bytes(b"MThd") and job.folder, keep=keep)
    assert found.parent == errands.kept.root and found.exists() == keep


def test_what_nobody_foresaw_is_a_sentence_too(errands):
    with pytest.raises(Refusal, match="ZeroDivisionError"):
        do(errands, lambda job: 1 / 0)
    assert folders(errands) == []


def test_an_upload_that_is_worked_on_is_not_old(errands):
    upload = errands.kept.root / ("ab" * 32) / "clip.mp4"
    upload.parent.mkdir()
    upload.write_bytes(b"film")
    for path in (upload, upload.parent):
        os.utime(path, (0, 0))
    assert do(errands, lambda job: errands.kept.clean(), upload=upload) == 0 and upload.exists()


def test_nothing_begins_after_the_end_and_what_is_under_way_ends(errands):
    def work(job):
        errands.close()
        job.tell("watch", 0.5)

    for _ in range(2):
        with pytest.raises(Refusal, match=STOPPED):
            do(errands, work)


def test_an_error_is_told_without_the_servers_folders(errands):
    upload = errands.kept.root / "letter.mp4"

    def work(job):
        raise MediaError(f"{upload} is not a video, and {job.folder}/x.mid is not there: try --help")

    with pytest.raises(Refusal) as told:
        do(errands, work)
    assert str(told.value) == "letter.mp4 is not a video, and x.mid is not there"


def test_a_run_that_cannot_have_a_folder_is_refused(errands):
    errands.kept.root.rename(errands.kept.root.with_name("away"))
    with pytest.raises(Refusal, match="the folder of this run"):
        do(errands, lambda job: None)


def test_progress_is_told_and_ends_the_work_of_one_who_left(errands):
    told = []

    def work(job):
        job.tell("watch", 0.5)
        errands.leave("anna")
        job.tell("watch", 0.6)

    with pytest.raises(Refusal, match=STOPPED):
        do(errands, work, tell=lambda *step: told.append(step))
    assert told == [("watch", 0.5)] and folders(errands) == []


def test_work_that_is_cancelled_is_told_and_waited_for(errands):
    told = []

    def work(stop: threading.Event) -> None:
        told.append("begun")
        assert stop.wait(20)
        time.sleep(0.2)
        told.append("back")

    async def visit() -> None:
        task = asyncio.create_task(errands.stoppable(work, ANNAS))
        while not told:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.sleep(0.05)
        task.cancel()  # a second one does not free the place either
        with pytest.raises(asyncio.CancelledError):
            await task
        told.append("free")

    asyncio.run(visit())
    assert told == ["begun", "back", "free"]


def test_work_gives_its_result_or_its_error(errands):
    assert asyncio.run(errands.stoppable(lambda stop: stop.is_set(), ANNAS)) is False
    with pytest.raises(OptionError, match="as it was"):
        asyncio.run(errands.stoppable(lambda stop: (_ for _ in ()).throw(OptionError("as it was")), ANNAS))


@pytest.mark.parametrize(
    ("stop", "stopped"),
    [
        (lambda errands: [errands.leave(name) for name in ("anna", None, "nobody")], [True, True, False, False, False]),
        (lambda errands: errands.cancel(Errand("anna", "watch")), [False, True, False, False, False]),
    ],
    ids=["leave", "cancel"],
)
def test_who_leaves_or_cancels_stops_the_own_work_and_nobody_elses(errands, stop, stopped):
    def work(stop: threading.Event) -> bool:
        return stop.wait(1.0)

    async def visits() -> list[bool]:
        people = (ANNAS, Errand("anna", "watch"), Errand("bo", "compose"), Errand("bo", "watch"), Errand(None, "watch"))
        tasks = [asyncio.create_task(errands.stoppable(work, errand)) for errand in people]
        await asyncio.sleep(0.2)
        stop(errands)
        return await asyncio.gather(*tasks)

    assert asyncio.run(visits()) == stopped


def test_what_was_cancelled_on_its_way_here_does_not_begin_before_it_is_wanted_again(errands):
    errands.cancel(ANNAS)
    with pytest.raises(Refusal, match=STOPPED):
        do(errands, lambda job: 1)
    assert asyncio.run(errands.stoppable(lambda stop: 2, Errand("bo", "compose"))) == 2
    errands.want(ANNAS)
    assert do(errands, lambda job: 3) == 3


def test_an_errand_is_open_until_it_ends_or_is_cancelled_and_only_the_last_press_counts(errands):
    def asked_anew(job):
        errands.cancel(ANNAS)
        errands.want(ANNAS)
        job.tell("watch", 0.5)

    errands.want(ANNAS)
    with pytest.raises(Cancelled):
        do(errands, asked_anew)
    assert errands.is_open(ANNAS) and not errands.is_cancelled(ANNAS)
    assert do(errands, lambda job: errands.is_open(ANNAS)) is True
    assert not errands.is_open(ANNAS)
    errands.want(ANNAS)
    errands.cancel(ANNAS)
    assert not errands.is_open(ANNAS) and errands.is_cancelled(ANNAS)


def test_nothing_is_kept_in_mind_of_those_who_have_gone(errands):
    do(errands, lambda job: 1)
    errands.want(ANNAS)
    errands.leave("anna")
    do(errands, lambda job: 1)
    assert not errands._known


def test_many_workers_have_threads_for_all_their_work(tmp_path):
    with own_environment():
        errands = Errands(Settings(root=tmp_path / "root", workers=20))
    together = threading.Barrier(40, timeout=20)

    async def visits() -> list[int]:
        return await asyncio.gather(*(errands.stoppable(lambda stop: together.wait(), ANNAS) for _ in range(40)))

    assert sorted(asyncio.run(visits())) == list(range(40))
