"""Each distinct picture is embedded once, and never across a cut."""

import numpy as np
import pytest

from video2music.features.rows import BATCH, HARDLY, Reading, Rows
from video2music.features.scenes import CutFinder
from video2music.values import Cut


class Recorder:
    """An encoder whose row is the picture's mean, and which remembers the batches it was asked for."""

    def __init__(self):
        self.batches = []

    def look(self, picture):
        return np.array([picture.mean()], np.float32)

    def embed(self, looks):
        self.batches.append(len(looks))
        return np.stack(looks)

    def read(self, rows, motion, scene_offset):
        return Reading(rows, rows)


def flat(level):
    return np.full((8, 8, 3), level, np.uint8)


def rows_of(levels, cuts=()):
    encoder, finder = Recorder(), CutFinder()
    finder.cuts = [Cut(time_s, 9.0) for time_s in cuts]
    rows = Rows(encoder)
    for second, level in enumerate(levels):
        rows.add(float(second), flat(level), flat(level))
    return rows.finish(finder)[:, 0].tolist(), encoder.batches


def test_pictures_that_hardly_differ_are_embedded_once():
    assert rows_of([10, 11, 10, 40, 41]) == ([10, 10, 10, 40, 40], [2])


def test_pictures_that_differ_are_all_embedded():
    assert rows_of([10, 20, 10, 20]) == ([10, 20, 10, 20], [4])


def test_a_slow_drift_does_not_run_away_from_its_first_picture():
    found, _ = rows_of(range(10, 20))
    assert max(abs(row - level) for row, level in zip(found, range(10, 20), strict=True)) < HARDLY


def test_the_same_picture_is_embedded_anew_behind_a_cut():
    assert rows_of([10, 10, 10, 10], cuts=[2.0]) == ([10, 10, 10, 10], [2])


def test_pictures_are_embedded_in_batches():
    levels = [10 * (second % 20) for second in range(2 * BATCH + 3)]
    found, batches = rows_of(levels)
    assert found == levels
    assert batches == [BATCH, BATCH, 3]


def test_a_repeated_second_takes_the_row_before():
    rows, finder = Rows(Recorder()), CutFinder()
    rows.add(0.0, flat(10), flat(10))
    rows.repeat()
    rows.add(2.0, flat(30), flat(30))
    rows.repeat()
    assert rows.finish(finder)[:, 0].tolist() == [10, 10, 30, 30]


def test_a_picture_waits_until_its_scene_is_sure():
    encoder, finder = Recorder(), CutFinder()
    rows = Rows(encoder)
    for second in range(BATCH):
        rows.add(float(second), flat(25 * second), flat(25 * second))
    rows.settle(finder)
    assert encoder.batches == []
    for index in range(BATCH + 2):
        finder.see(float(index), flat(0))
    rows.settle(finder)
    assert encoder.batches == [BATCH]
    assert rows.finish(finder).shape == (BATCH, 1)


def test_rows_are_only_kept_waiting_for_two_frames():
    finder = CutFinder()
    assert finder.known_until_s < 0
    for index in range(5):
        finder.see(index / 10, flat(0))
    assert finder.known_until_s == pytest.approx(0.2)
