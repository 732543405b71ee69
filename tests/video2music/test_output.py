import json
from pathlib import Path

import pytest

from video2music.errors import MediaError, OptionError
from video2music.output import claim, names, workshop


def finish(output, text="done"):
    with workshop(output) as folder:
        (folder / f"{output.stem}.wav").write_text(text)
        (folder / output.manifest.name).write_text(json.dumps({"input": {"path": "x"}}))


def test_clips_of_one_stem_get_names_of_their_own():
    found = names([Path("a/clip.mp4"), Path("b/clip.mp4"), Path("other.mp4")])
    assert found[2] == "other"
    assert len(set(found)) == 3
    assert all(len(name.removeprefix("clip-")) == 6 for name in found[:2])


def test_what_is_whole_is_published_and_nothing_is_left_beside_it(tmp_path):
    finish(claim(tmp_path / "new", tmp_path / "clip.mp4"))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["clip", "clip.json", "clip.wav", "new"]


def test_what_broke_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), workshop(claim(tmp_path, tmp_path / "clip.mp4")) as folder:
        (folder / "clip.wav").write_text("half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_what_broke_leaves_the_former_piece_alone(tmp_path):
    output = claim(tmp_path, tmp_path / "clip.mp4")
    finish(output, "first")
    with pytest.raises(MediaError, match="No space"), workshop(output):
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


def test_a_folder_that_cannot_be_made_is_told_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(MediaError, match="cannot write to"),
        workshop(claim(tmp_path / "file" / "deeper", Path("c.mp4"))),
    ):
        pass
