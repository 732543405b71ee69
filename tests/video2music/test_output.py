import json
from pathlib import Path

import pytest

from video2music.errors import MediaError, OptionError
from video2music.output import atomic_output_dir, claim, folder_names, stem_of

DISK_FULL_ADVICE = "make room"


def finish(output, text="done", scored="mp4"):
    files = [f"{output.stem}.wav", f"{output.stem}.scored.{scored}"]
    with atomic_output_dir(output) as folder:
        for name in files:
            (folder / name).write_text(text)
        manifest = {"input": {"path": "x"}, "files": [*files, output.manifest.name]}
        (folder / output.manifest.name).write_text(json.dumps(manifest))


def entries(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_clips_of_one_stem_get_names_of_their_own():
    found = folder_names([Path("a/clip.mp4"), Path("b/clip.mp4"), Path("other.mp4")])
    assert found[2] == "other"
    assert len(set(found)) == 3
    assert all(len(name.removeprefix("clip-")) == 6 for name in found[:2])


def test_what_is_whole_is_published_and_nothing_is_left_beside_it(tmp_path):
    finish(claim(tmp_path / "new", tmp_path / "clip.mp4"))
    assert entries(tmp_path) == ["clip", "clip.json", "clip.scored.mp4", "clip.wav", "new"]


@pytest.mark.parametrize("name", ["...mp4", "..mp4", "....mp4", ".mp4", "a.mp4", "a.b.mp4", "über \udce9.mp4"])
def test_no_name_leads_out_of_the_folder_of_its_own(name, tmp_path):
    out = tmp_path / "new" / "out"
    finish(claim(out, tmp_path / name))
    (folder,) = out.iterdir()
    assert entries(tmp_path / "new") == sorted(["out", folder.name, *entries(folder)])
    assert len(entries(folder)) == 3


def test_names_of_only_dots_are_kept_apart():
    first, second, other = folder_names([Path("a/...mp4"), Path("..mp4"), Path("dots.mp4")])
    assert first != second and first.startswith("clip-") and second.startswith("clip-") and other == "dots"


@pytest.mark.parametrize("letter", ["x", "ü", "音"])
def test_the_longest_name_leaves_room_for_every_suffix(letter, tmp_path):
    longest = letter * (251 // len(letter.encode()))
    one, other = (claim(tmp_path, Path(folder, f"{longest}{end}.mp4")) for folder, end in (("a", ""), ("b", "")))
    for output in (one, claim(tmp_path, Path("c.mp4"), name=folder_names([one.clip, other.clip])[0])):
        with atomic_output_dir(output) as folder:
            for suffix in ("scored.webm", "chords.lab", "json"):
                (folder / f"{one.stem}.{suffix}").write_text("")
    assert longest.startswith(one.stem) and len(one.stem) > 70


def test_a_short_name_is_kept_as_it_is():
    assert stem_of(Path("a/b/my holiday.2024.mp4")) == "my holiday.2024"


def test_files_of_an_earlier_run_go_and_others_stay(tmp_path):
    clip = tmp_path / "out" / "clip" / "clip.mp4"
    output = claim(tmp_path / "out", clip, name="clip")
    finish(output, scored="webm")
    foreign = [clip, clip.with_name("mine.scored.mp4"), tmp_path / "out" / "outside.scored.mp4"]
    for path in foreign:
        path.write_text("mine")
    manifest = json.loads(output.manifest.read_text())
    manifest["files"] += ["clip.mp4", "../outside.scored.mp4", str(foreign[1]), "..", "", 7]
    output.manifest.write_text(json.dumps(manifest))
    finish(claim(tmp_path / "out", clip, name="clip", overwrite=True), "second")
    assert [path.read_text() for path in foreign] == ["mine"] * 3
    made = {"clip.json", "clip.scored.mp4", "clip.wav"}
    assert set(entries(output.folder)) == made | {"clip.mp4", "mine.scored.mp4"}


@pytest.mark.parametrize("told", ["[]", "{", '{"files": 3, "input": 4}', '{"files": ["\\u0000"], "input": {}}'])
def test_a_file_in_the_manifest_s_place_need_not_be_one(told, tmp_path):
    output = claim(tmp_path, Path("clip.mp4"))
    output.folder.mkdir()
    output.manifest.write_text(told)
    (output.folder / "clip.scored.mkv").write_text("mine")
    finish(claim(tmp_path, Path("clip.mp4"), overwrite=True))
    assert (output.folder / "clip.scored.mkv").read_text() == "mine"


def test_a_clip_is_never_replaced_by_its_own_score(tmp_path):
    clip = tmp_path / "clip" / "clip.wav"
    clip.parent.mkdir()
    clip.write_text("a video under a wrong name")
    with pytest.raises(MediaError, match=r"is where its own clip\.wav must go"):
        finish(claim(tmp_path, clip, overwrite=True))
    assert clip.read_text() == "a video under a wrong name"
    assert entries(tmp_path) == ["clip", "clip.wav"]


def test_what_broke_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), atomic_output_dir(claim(tmp_path, tmp_path / "clip.mp4")) as folder:
        (folder / "clip.wav").write_text("half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_what_broke_leaves_the_former_piece_alone(tmp_path):
    output = claim(tmp_path, tmp_path / "clip.mp4")
    finish(output, "first")
    with pytest.raises(MediaError, match="No space"), atomic_output_dir(output):
        raise OSError(28, "No space left on device")
    assert (output.folder / "clip.wav").read_text() == "first"


def test_a_taken_folder_is_refused_unless_it_may_be_replaced(tmp_path):
    finish(claim(tmp_path, Path("x")))
    with pytest.raises(OptionError, match="--overwrite"):
        claim(tmp_path, Path("x"), name="x")
    assert claim(tmp_path, Path("x"), name="x", overwrite=True).folder == tmp_path / "x"


def test_another_clip_of_the_same_stem_gets_a_folder_of_its_own(tmp_path):
    finish(claim(tmp_path, Path("a/clip.mp4")))
    other = claim(tmp_path, Path("b/clip.mp4"))
    assert other.folder.name.startswith("clip-") and other.stem == "clip"


def test_a_folder_that_cannot_be_made_is_reported_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(MediaError, match="cannot be written") as told,
        atomic_output_dir(claim(tmp_path / "file" / "deeper", Path("c.mp4"))),
    ):
        pass
    assert DISK_FULL_ADVICE not in str(told.value)


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), PermissionError(13, "Permission denied", "a.mp4")])
def test_an_unreadable_source_is_not_reported_as_an_unwritable_folder(error, tmp_path):
    with pytest.raises(MediaError) as told, atomic_output_dir(claim(tmp_path, Path("a.mp4"))):
        raise error
    assert "writ" not in str(told.value) and DISK_FULL_ADVICE not in str(told.value)
    assert error.filename is None or str(told.value).startswith("a.mp4 cannot be read")


@pytest.mark.parametrize("strange", ["file", "link"])
def test_a_blocked_folder_is_reported_before_any_previous_file_goes(tmp_path, strange):
    output = claim(tmp_path / "out", Path("clip.mp4"))
    finish(output, "first")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    stems = output.folder / "stems"
    stems.write_text("mine") if strange == "file" else stems.symlink_to(elsewhere)
    before = {path.name: path.read_bytes() for path in output.folder.iterdir() if path.is_file()}
    with pytest.raises(MediaError, match="something else is there"), atomic_output_dir(output) as folder:
        (folder / "stems").mkdir()
        (folder / "stems" / "piano.wav").write_text("new")
        (folder / output.manifest.name).write_text("{}")
    assert {path.name: path.read_bytes() for path in output.folder.iterdir() if path.is_file()} == before
    assert not list(elsewhere.iterdir())
