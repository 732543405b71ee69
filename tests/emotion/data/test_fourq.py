"""Reading the 4Q set in its layout, and the folds that ship."""

import os
from pathlib import Path

import pytest

from emotion.data import cards, recordings
from emotion.data.pieces import read_folds
from emotion.errors import DataError

REAL = Path(os.environ.get("V2M_DATA", "../shared"), "data/fourq")


def write(folder, annotations="Song,Quadrant\nMT1,Q3\nMT2,Q1\n", metadata="Song,Artist\nMT2,Abba \nMT1,\n"):
    (folder / "audio").mkdir(parents=True)
    (folder / "annotations.csv").write_text(annotations)
    (folder / "metadata.csv").write_text(metadata)
    for name in ("MT1.opus", "MT2.mp3"):
        (folder / "audio" / name).touch()
    return folder


def test_excerpts_have_quadrant_sound_and_artist(tmp_path):
    first, second = recordings.read_fourq(write(tmp_path))
    assert (first.name, first.quadrant, first.artist) == ("MT1", 2, "")
    assert (second.quadrant, second.artist, second.path.name) == (0, "abba", "MT2.mp3")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"annotations": "Song,Quadrant\nMT9,Q1\n"}, "MT9"),
        ({"annotations": "Song,Quadrant\nMT1,Q7\n"}, "MT1"),
        ({"metadata": "Song,Title\nMT1,x\n"}, "Artist"),
        ({"annotations": ""}, "annotations.csv"),
    ],
)
def test_what_is_not_whole_is_refused_by_name(tmp_path, change, named):
    with pytest.raises(DataError, match=named):
        recordings.read_fourq(write(tmp_path, **change))


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"metadata\.csv is missing"):
        recordings.read_fourq(tmp_path)


@pytest.mark.skipif(not REAL.is_dir(), reason="the 4Q set is not at V2M_DATA")
def test_no_artist_is_in_two_folds():
    folds = read_folds(cards.folder("fourq") / "splits" / "folds.csv")
    found = {}
    for excerpt in recordings.read_fourq(REAL):
        if excerpt.artist:
            found.setdefault(excerpt.artist, set()).add(folds[excerpt.name])
    assert len(folds) == 900 and {len(each) for each in found.values()} == {1}
