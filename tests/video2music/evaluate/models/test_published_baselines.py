"""The baselines on the real test split, against what was counted from the released labels before this code was."""

import io
import zipfile

import numpy as np
import pytest

from emotion import report
from video2music.chords import Chord
from video2music.data.muvi_sync import MAX_SECONDS, Song
from video2music.evaluate.models import scores
from video2music.evaluate.models.baselines import NGramMixture

LABELS = "data/muvi_sync/labels.zip"


@pytest.fixture(scope="module")
def songs(shared):
    """Songs by split with the columns that need no picture: a row is kept where chord and emotion both have it."""
    if not (shared / LABELS).is_file():
        pytest.skip(f"needs MuVi-Sync's labels at {shared / LABELS}")
    with zipfile.ZipFile(shared / LABELS) as labels:

        def lines(path):
            return io.TextIOWrapper(labels.open(path), "utf-8").read().splitlines()

        def song(name):
            ids = [Chord.parse(row.split()[1]).id for row in lines(f"vevo_chord/lab_v2_norm/all/{name}.lab")[1:]]
            emotion = [row.split()[1:] for row in lines(f"vevo_emotion/6c_l14p/all/{name}.lab")[1:]]
            rows = min(MAX_SECONDS, len(ids), len(emotion))
            nothing = np.zeros(rows, np.float32)
            emotion = np.array(emotion[:rows], np.float32)
            return Song(name, False, np.array(ids[:rows]), np.zeros((rows, 0)), emotion, *[nothing] * 4)

        splits = ("train", "val", "test")
        return {split: [song(name) for name in lines(f"vevo_meta/split/v1/{split}.txt")] for split in splits}


def test_repeating_the_previous_chord(songs):
    found = report.means(scores.repeat_previous(songs["test"]))
    assert [found[f"hits@{k}"] for k in (1, 3, 5)] == pytest.approx([0.5458, 0.7471, 0.8509], abs=0.004)


def test_a_constant_per_class(songs):
    assert report.means(scores.constant_per_class(songs["test"], songs["train"]))["bce"] == pytest.approx(
        0.435, abs=1e-3
    )


@pytest.mark.slow
def test_counting_with_an_in_song_cache_is_no_weaker_than_was_counted_before(songs):
    model = NGramMixture([song.chords for song in songs["train"]])
    model.fit([song.chords for song in songs["val"]])
    said = [model.log_probabilities(song.chords) for song in songs["test"]]
    found = report.means(scores.chord_scores(songs["test"], said))
    assert found["hits@1"] > 0.6512 and found["hits@3"] > 0.8658 and found["hits@5"] > 0.9193
    assert found["nll"] < 1.25
