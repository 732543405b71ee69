"""Each distinct picture is embedded once, and never across a cut."""

import numpy as np
import pytest

from video2music.features.embedding import BATCH_SIZE, SAME_PICTURE_BELOW, EncoderOutput, FrameEmbedder
from video2music.features.scenes import CutDetector
from video2music.values import Cut


class Recorder:
    """An encoder whose row is the picture's mean, and which remembers the batches it was asked for."""

    def __init__(self):
        self.batches = []

    def preprocess(self, picture):
        return np.array([picture.mean()], np.float32)

    def embed(self, inputs):
        self.batches.append(len(inputs))
        return np.stack(inputs)

    def predict(self, rows, motion, scene_offset):
        return EncoderOutput(rows, rows)


def flat(level):
    return np.full((8, 8, 3), level, np.uint8)


def rows_of(levels, cuts=()):
    encoder, cuts_found = Recorder(), CutDetector()
    cuts_found.cuts = [Cut(time_s, 9.0) for time_s in cuts]
    rows = FrameEmbedder(encoder)
    for second, level in enumerate(levels):
        rows.add(float(second), flat(level), flat(level))
    return rows.finish(cuts_found)[:, 0].tolist(), encoder.batches


def test_pictures_that_differ_little_are_embedded_once():
    assert rows_of([10, 11, 10, 40, 41]) == ([10, 10, 10, 40, 40], [2])


def test_pictures_that_differ_are_all_embedded():
    assert rows_of([10, 20, 10, 20]) == ([10, 20, 10, 20], [4])


def test_a_slow_drift_does_not_run_away_from_its_first_picture():
    found, _ = rows_of(range(10, 20))
    assert max(abs(row - level) for row, level in zip(found, range(10, 20), strict=True)) < SAME_PICTURE_BELOW


def test_the_same_picture_is_embedded_again_after_a_cut():
    assert rows_of([10, 10, 10, 10], cuts=[2.0]) == ([10, 10, 10, 10], [2])


def test_pictures_are_embedded_in_batches():
    levels = [10 * (second % 20) for second in range(2 * BATCH_SIZE + 3)]
    found, batches = rows_of(levels)
    assert found == levels
    assert batches == [BATCH_SIZE, BATCH_SIZE, 3]


def test_a_repeated_second_takes_the_row_before():
    rows, cuts_found = FrameEmbedder(Recorder()), CutDetector()
    rows.add(0.0, flat(10), flat(10))
    rows.repeat()
    rows.add(2.0, flat(30), flat(30))
    rows.repeat()
    assert rows.finish(cuts_found)[:, 0].tolist() == [10, 10, 30, 30]


def test_a_picture_waits_until_its_scene_is_settled():
    encoder, cuts_found = Recorder(), CutDetector()
    rows = FrameEmbedder(encoder)
    for second in range(BATCH_SIZE):
        rows.add(float(second), flat(25 * second), flat(25 * second))
    rows.embed_settled(cuts_found)
    assert encoder.batches == []
    for index in range(BATCH_SIZE + 2):
        cuts_found.add(float(index), flat(0))
    rows.embed_settled(cuts_found)
    assert encoder.batches == [BATCH_SIZE]
    assert rows.finish(cuts_found).shape == (BATCH_SIZE, 1)


def test_rows_are_only_kept_waiting_for_two_frames():
    cuts_found = CutDetector()
    assert cuts_found.known_until_s < 0
    for index in range(5):
        cuts_found.add(index / 10, flat(0))
    assert cuts_found.known_until_s == pytest.approx(0.2)
