"""Folders of requests: closed to others, never mistaken for anything else, gone in time."""

import os
import stat
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from video2music.errors import OptionError
from video2music.studio.runs import FEATURES, Runs

DAY_S = 24 * 3600


@pytest.fixture
def kept(tmp_path):
    return Runs(tmp_path / "root", keep_s=DAY_S)


def aged(path: Path, seconds: float) -> Path:
    """The path, last changed so long ago, and with it all that is in it."""
    then_s = time.time() - seconds
    for one in [*path.rglob("*"), path] if path.is_dir() and not path.is_symlink() else [path]:
        os.utime(one, (then_s, then_s), follow_symlinks=False)
    return path


def test_a_run_is_the_servers_alone_and_no_two_are_alike(kept):
    folders = [kept.new() for _ in range(50)]
    assert len(set(folders)) == 50
    for folder in (*folders, kept.root):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert all(folder.parent == kept.root and list(folder.iterdir()) == [] for folder in folders)


def test_no_character_of_a_name_is_the_same_in_all_runs(kept):
    drawn = [kept.new().name.removeprefix("run-") for _ in range(60)]
    assert all(len(set(column)) > 15 for column in zip(*(name[:42] for name in drawn), strict=True))


def test_an_empty_root_that_others_could_read_is_closed_and_taken_again_later(tmp_path):
    (tmp_path / "root").mkdir(mode=0o755)
    run = Runs(tmp_path / "root").new()
    kept = Runs(tmp_path / "root")
    (run / "clip.mp4").write_bytes(b"film")
    assert kept.serves(run / "clip.mp4") and stat.S_IMODE(kept.root.stat().st_mode) == 0o700


def test_a_folder_with_other_things_in_it_is_no_root_and_stays_as_it_was(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o755)
    (folder / "tmpabcd_123").write_text("somebody's")
    with pytest.raises(OptionError, match="new or empty folder with --root"):
        Runs(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert [path.name for path in folder.iterdir()] == ["tmpabcd_123"]


def test_a_root_that_is_a_link_or_a_file_is_refused(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "other")
    (tmp_path / "file").write_text("mine")
    for name in ("link", "file"):
        with pytest.raises(OptionError, match=f"{name}.*--root"):
            Runs(tmp_path / name)
    assert stat.S_IMODE((tmp_path / "other").stat().st_mode) != 0o700


def test_a_root_whose_parent_is_a_link_is_taken_where_it_lies(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    kept = Runs(tmp_path / "link" / "root")
    assert kept.root == tmp_path / "disk" / "root"
    (run := kept.new()).joinpath("clip.mp4").write_bytes(b"film")
    assert kept.serves(run / "clip.mp4")


def test_files_of_runs_and_uploads_are_served_and_nothing_else(kept, tmp_path):
    run, upload, short = kept.new(), kept.root / ("0f" * 32), kept.root / "run-short"
    others = (kept.root / "examples", kept.root / FEATURES, short)
    for folder in (upload, *others, run / ".partial-x", run / "v 1"):
        folder.mkdir()
    for folder in (run, run / "v 1", upload, *others, run / ".partial-x", kept.root, tmp_path):
        (folder / "clip.mp4").write_bytes(b"film")
        (folder / ".hidden").write_bytes(b"not yet")
    (run / "link.mp4").symlink_to(tmp_path / "clip.mp4")
    (run / "up").symlink_to(kept.root)
    (upload / "link.mp4").symlink_to(run / "clip.mp4")
    (upload / "hard.mp4").hardlink_to(run / "clip.mp4")
    for path in (run / "clip.mp4", run / "v 1" / "clip.mp4", str(upload / "clip.mp4"), upload / "hard.mp4"):
        assert kept.serves(path), path
    for path in (
        run, upload, kept.root, *(folder / "clip.mp4" for folder in others), kept.root / "clip.mp4",
        run / ".partial-x" / "clip.mp4", run / ".hidden", tmp_path / "clip.mp4",
        run / "link.mp4", run / "up", run / "up" / run.name / "clip.mp4", upload / "link.mp4",
        upload / ".." / run.name / "clip.mp4", f"{run}/v 1/../clip.mp4", f"{run}/../../clip.mp4",
        f"{run}//clip.mp4/", f"{run}/./clip.mp4",
        "/etc/passwd", "clip.mp4", "", ".", "\0", f"{run}/no.mp4", f"{run}/clip.mp4\0",
    ):  # fmt: skip
        assert not kept.serves(path), path


@given(st.lists(st.sampled_from(["..", ".", "", "run", "a", "%2e%2e", "\0", "~"]), max_size=6).map("/".join))
def test_no_way_of_writing_a_path_leads_out_of_the_run(tmp_path_factory, tail):
    kept = _shared(tmp_path_factory)
    run = next(kept.root.glob("run-*"))
    path = f"{run}/{tail}"
    if kept.serves(path):
        assert Path(path).resolve().is_relative_to(run)


def _shared(factory, made=[]):  # noqa: B006 one folder for all examples
    if not made:
        made.append(Runs(factory.mktemp("shared") / "root"))
        for folder in (made[0].new(), made[0].root, made[0].root.parent):
            (folder / "a").write_bytes(b"film")
            (folder / "run").mkdir()
            (folder / "run" / "a").write_bytes(b"film")
    return made[0]


def test_a_run_is_forgotten_whole_and_what_is_no_run_stays(kept, tmp_path):
    run, other, upload = kept.new(), kept.new(), kept.root / ("ab" * 32)
    upload.mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    (run / "stems").mkdir()
    (run / "stems" / "bass.wav").write_bytes(b"RIFF")
    (run / "link").symlink_to(tmp_path / "mine")
    link = kept.root / ("run-" + "A" * 43)
    link.symlink_to(tmp_path / "mine")
    (run / "inner").mkdir()
    for path in (
        None,
        "",
        "/",
        kept.root,
        upload,
        link,
        other / "..",
        run / "stems",
        tmp_path / "mine",
        f"{other}/../x",
    ):
        kept.forget(path)
    assert (run / "stems" / "bass.wav").exists() and other.exists() and upload.exists() and link.is_symlink()
    kept.forget(run)
    kept.forget(run)
    assert not run.exists() and (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_cleaning_takes_what_is_old_of_runs_and_uploads_and_nothing_else(kept, tmp_path):
    old, young, fed = kept.new(), kept.new(), kept.new()
    upload, under_way = kept.root / ("cd" * 32), kept.root / "tmpabcd_123"
    upload.mkdir()
    under_way.write_bytes(b"half")
    (upload / "clip.mp4").write_bytes(b"film")
    strangers = [kept.root / name for name in ("notes.txt", "run-me", "examples", "RUN-" + "A" * 43, "tmp")]
    for stranger in strangers:
        stranger.mkdir()
    (tmp_path / "mine").mkdir()
    (old / "link").symlink_to(tmp_path / "mine")
    features = kept.root / FEATURES
    features.mkdir()
    (seen := features / "ab.npz").write_bytes(b"rows")
    for path in (old, young, fed, upload, under_way, *strangers, seen, tmp_path / "mine"):
        aged(path, DAY_S + 60)
    (fresh := features / "cd.npz").write_bytes(b"rows")
    (fed / "deep").mkdir()
    (fed / "deep" / "new.wav").write_bytes(b"RIFF")
    aged(fed / "deep", DAY_S + 60)
    os.utime(fed / "deep" / "new.wav")
    aged(young, DAY_S - 60)
    assert kept.clean() == 4
    assert not any(path.exists() for path in (old, upload, under_way, seen)) and fresh.exists()
    assert young.exists() and fed.exists() and all(path.exists() for path in strangers) and (tmp_path / "mine").exists()


def test_a_link_in_the_root_is_never_cleaned_nor_followed(kept, tmp_path):
    (tmp_path / "mine").mkdir()
    link = kept.root / ("run-" + "B" * 43)
    link.symlink_to(tmp_path / "mine")
    aged(link, 9 * DAY_S)
    aged(tmp_path / "mine", 9 * DAY_S)
    assert kept.clean() == 0
    assert link.is_symlink() and (tmp_path / "mine").is_dir()


def test_a_run_or_upload_that_is_touched_lives_on(kept, tmp_path):
    run, upload, other = kept.new(), kept.root / ("ab" * 32), tmp_path / "other"
    for folder in (upload, other):
        folder.mkdir()
        (folder / "clip.mp4").write_bytes(b"film")
    for folder in (run, upload, other):
        aged(folder, DAY_S + 60)
    for path in (run, upload / "clip.mp4", other / "clip.mp4", f"{upload}/../../other/clip.mp4", "", "/etc/passwd"):
        kept.touch(path)
    assert kept.clean() == 0 and run.exists() and upload.exists()
    assert time.time() - other.stat().st_mtime > DAY_S


def test_what_is_old_goes_in_the_background_and_a_lost_disk_does_not_end_that(tmp_path):
    kept = Runs(tmp_path / "root", keep_s=DAY_S)
    kept.root.rename(tmp_path / "away")
    stop = kept.clean_in_background(every_s=0.02)
    time.sleep(0.1)
    (tmp_path / "away").rename(kept.root)
    run = aged(kept.new(), DAY_S + 60)
    deadline = time.monotonic() + 10
    while run.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    stop.set()
    assert not run.exists()


def test_a_root_that_cannot_be_written_is_told_of(tmp_path):
    if os.getuid() == 0:
        pytest.skip("root may write anywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(OptionError, match="cannot be written"):
        Runs(tmp_path / "root")


def test_files_are_served_where_the_system_has_no_user_ids(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "getuid")
    kept = Runs(tmp_path / "root")
    path = kept.new() / "clip.mp4"
    path.write_bytes(b"film")
    assert kept.serves(path)
