import numpy as np
import pytest

from emotion.errors import DataError
from video2music.chords import END, PAD, Chord
from video2music.data.batches import batch_of
from video2music.data.muvi_sync import load_song, load_split, titles


@pytest.fixture
def root(tmp_path):
    """A song in the official layout with one chord row more than features."""

    def write(path, text):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    write("vevo_meta/split/v1/train.txt", "007\n")
    write("vevo_chord/lab_v2_norm/all/007.lab", "key A minor\n0 A:min\n1 A:min\n2 F:maj7\n3 N\n")
    write(
        "vevo_emotion/6c_l14p/all/007.lab",
        "time a b c d e f\n0 .1 .1 .1 .1 .1 .5\n1 .5 .1 .1 .1 .1 .1\n2 .1 .5 .1 .1 .1 .1\n",
    )
    for folder, values in {
        "motion": "0 11.5 14",
        "scene_offset": "0 1 0",
        "note_density": "5 8 4",
        "loudness": ".1 .2 .3",
    }.items():
        write(f"vevo_{folder}/all/007.lab", "".join(f"{t} {value}\n" for t, value in enumerate(values.split())))
    folder = tmp_path / "vevo_semantic/all/2d/clip_l14p"
    folder.mkdir(parents=True)
    np.save(folder / "007.npy", np.ones((3, 768), np.float16))
    return tmp_path


def test_a_song_is_cut_to_its_shortest_column(root):
    (song,) = load_split(root, "train")
    assert len(song) == 3 and song.minor
    assert [str(Chord.from_id(i)) for i in song.chords] == ["A:min", "A:min", "F:maj7"]
    assert song.semantic.shape == (3, 768) and song.emotion.shape == (3, 6)
    assert song.density.tolist() == [5, 8, 4]


def test_a_batch_starts_from_pad_and_ends_with_end(root):
    batch = batch_of(load_split(root, "train"))
    ids = [Chord.parse(name).id for name in ("A:min", "A:min", "F:maj7")]
    assert batch.previous.tolist() == [[PAD, *ids]]
    assert batch.following.tolist() == [[*ids, END]]


@pytest.mark.parametrize("missing", ["vevo_motion/all/007.lab", "vevo_semantic/all/2d/clip_l14p/007.npy"])
def test_a_missing_file_is_named(root, missing):
    (root / missing).unlink()
    with pytest.raises(DataError, match="007"):
        load_song(root, "007")


def test_a_row_that_is_no_chord_is_named(root):
    (root / "vevo_chord/lab_v2_norm/all/007.lab").write_text("key A minor\n0 X:min\n")
    with pytest.raises(DataError, match="X:min"):
        load_song(root, "007")


def test_a_splits_videos_have_their_titles(root):
    (root / "vevo_meta/idlist.txt").write_text("006-Some One - Else\tabc\n007-Nobody - In-Between (live)\tx-Y_z\n")
    assert titles(root, "train") == ["Nobody - In-Between (live)"]
    with pytest.raises(DataError, match="unknown split"):
        titles(root, "all")
