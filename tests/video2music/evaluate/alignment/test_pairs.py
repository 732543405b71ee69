"""What a user names becomes pairs of video and music; what holds none is reported in its place."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from video2music import Options, compose
from video2music.errors import ManifestError, OptionError
from video2music.evaluate.alignment.pairs import FailedPair, VideoMusicPair, find_pairs, labels, manifest_target


def files(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def names(found):
    return {one.video.name: one.music and one.music.name for one in found}


def test_a_video_stands_for_itself_and_may_be_given_music(tmp_path):
    clip, song = Path("a.mp4"), Path("song.mid")
    assert find_pairs([clip]) == [VideoMusicPair(clip)]
    assert find_pairs([clip], music=song) == [VideoMusicPair(clip, song)]


def test_in_a_folder_music_of_the_same_stem_belongs_to_a_video_and_sound_goes_before_midi(tmp_path):
    files(tmp_path, "a.mp4", "a.mid", "a.wav", "deep/b.WEBM", "deep/b.MIDI", "c.mov", "other.flac", "notes.txt")
    assert names(find_pairs([tmp_path])) == {"a.mp4": "a.wav", "b.WEBM": "b.MIDI", "c.mov": None}


def test_hidden_files_and_folders_are_passed_over(tmp_path):
    files(tmp_path, ".a.mp4", ".partial-1/b.mp4", "c.mp4")
    assert names(find_pairs([tmp_path])) == {"c.mp4": None}


def test_music_in_another_folder_is_not_beside(tmp_path):
    files(tmp_path, "one/a.mp4", "two/a.wav")
    assert names(find_pairs([tmp_path])) == {"a.mp4": None}


def test_a_table_names_pairs_from_where_it_lies(tmp_path):
    table = tmp_path / "list.csv"
    table.write_text("\ufeffmusic, video ,\nx/a.wav, clips/a.mp4,\n,clips/b.mp4,\n", encoding="utf-8")
    found = find_pairs([table])
    assert found == [
        VideoMusicPair(tmp_path / "clips/a.mp4", tmp_path / "x/a.wav"),
        VideoMusicPair(tmp_path / "clips/b.mp4"),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("video\na.mp4\n", "no column music"),
        ("video,music\n", "in every row"),
        ("video,music\n,a.wav\n", "in every row"),
        ("", "no column video"),
        (b"video,music\n\xff.mp4,\n", "UTF-8"),
        (None, "no table at"),
    ],
)
def test_a_table_that_names_nothing_is_reported(tmp_path, text, told):
    table = tmp_path / "list.csv"
    if text is not None:
        table.write_bytes(text if isinstance(text, bytes) else text.encode())
    (found,) = find_pairs([table])
    assert isinstance(found, FailedPair) and told in found.error and str(table) in found.error


def test_a_folder_without_videos_is_reported_in_its_place(tmp_path):
    files(tmp_path, "empty/song.wav", "full/a.mp4")
    first, second = find_pairs([tmp_path / "empty", tmp_path / "full"])
    assert isinstance(first, FailedPair) and "no video" in first.error
    assert second == VideoMusicPair(tmp_path / "full/a.mp4")


def test_a_pair_that_is_named_twice_is_judged_once(tmp_path):
    files(tmp_path, "a.mp4")
    assert len(find_pairs([tmp_path, tmp_path / "a.mp4", tmp_path / "." / "a.mp4"])) == 1


@pytest.mark.parametrize("given", [["a.mp4", "b.mp4"], ["."], ["list.csv"]])
def test_music_for_more_than_one_video_is_refused(given):
    with pytest.raises(OptionError, match="--music"):
        find_pairs([Path(name) for name in given], music=Path("a.wav"))


@given(st.lists(st.tuples(*[st.sampled_from(["x", "y", "z"])] * 3), unique=True, min_size=1, max_size=8))
def test_labels_are_all_different(found):
    given_pairs = [
        VideoMusicPair(Path(folder, f"{stem}.mp4"), Path(folder, f"{music}.wav")) for folder, stem, music in found
    ]
    told = labels(given_pairs)
    assert len(set(told)) == len(given_pairs)
    assert all(pair.video.name in label for pair, label in zip(given_pairs, told, strict=True))


def test_a_label_is_no_longer_than_it_must_be():
    assert labels([VideoMusicPair(Path("x/a.mp4")), VideoMusicPair(Path("x/b.mp4"))]) == ["a.mp4", "b.mp4"]
    assert labels([VideoMusicPair(Path("x/a.mp4")), VideoMusicPair(Path("y/a.mp4"))]) == ["x/a.mp4", "y/a.mp4"]
    one = Path("x/a.mp4")
    assert labels([VideoMusicPair(one, Path("s.wav")), VideoMusicPair(one)]) == [
        "a.mp4 with s.wav",
        "a.mp4 with its own sound",
    ]


@pytest.fixture(scope="module")
def scored(clip, tmp_path_factory):
    options = Options(encoder="color", candidates=1, emotion="q4", audio_format="flac")
    return compose(clip, tmp_path_factory.mktemp("ours"), options)


def test_our_manifest_names_the_music_and_the_target(scored):
    found = manifest_target(scored.video)
    assert found.music == scored.audio and found.encoder == "color" and found.target.source == "q4"
    assert found.target.valence.tolist() == pytest.approx([0.6] * 6)


def test_videos_of_others_have_no_manifest_of_ours(scored, clip):
    assert manifest_target(clip) is None
    assert manifest_target(scored.video.with_name("another.scored.mp4")) is None
    assert manifest_target(scored.video.with_name("three scenes.mp4")) is None


def test_music_that_is_gone_is_none_and_a_broken_manifest_is_reported(scored, tmp_path):
    stem = scored.video.name.removesuffix(".scored.mp4")
    told = tmp_path / f"{stem}.json"
    told.write_bytes(scored.manifest.read_bytes())
    assert manifest_target(tmp_path / scored.video.name).music is None
    told.write_text("{}")
    with pytest.raises(ManifestError, match="no manifest"):
        manifest_target(tmp_path / scored.video.name)
