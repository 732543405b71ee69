"""OASIS's layout, its scale, and what is said when it is not there."""

import cv2
import numpy as np
import pytest

from emotion.errors import DataError
from video2music.data import oasis

HEADING = "image,category,valence_mean,valence_sd,arousal_mean,arousal_sd"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images/acorns_1.jpg"), np.full((128, 160, 3), (250, 120, 10), np.uint8))
    rows = ("acorns_1.jpg,Object,7.0,1,1.0,1", "acorns_2.jpg,Object,4.0,1,5.5,1", "war_12.jpg,Scene,1.0,1,4.0,1")
    (tmp_path / "norms.csv").write_text("\n".join((HEADING, *rows)))
    return tmp_path


def test_ratings_from_1_to_7_become_minus_1_to_1(folder):
    assert [(still.valence, still.arousal) for still in oasis.load(folder)] == [(1, -1), (0, 0.5), (-1, 0)]


def test_stills_of_one_kind_share_a_theme(folder):
    assert [still.theme for still in oasis.load(folder)] == ["acorns", "acorns", "war"]


def test_a_still_is_read_as_rgb(folder):
    red, green, blue = oasis.load(folder)[0].read().reshape(-1, 3).mean(axis=0)
    assert (red, green, blue) == pytest.approx((10, 120, 250), abs=4)


def test_a_missing_still_is_named(folder):
    with pytest.raises(DataError, match=r"acorns_2\.jpg"):
        oasis.load(folder)[1].read()


def test_a_folder_without_norms_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"norms\.csv is missing"):
        oasis.load(tmp_path)


def test_another_layout_is_refused(folder):
    (folder / "norms.csv").write_text("image,valence\nacorns_1.jpg,3\n")
    with pytest.raises(DataError, match="layout"):
        oasis.load(folder)


def test_the_real_set_is_whole(shared):
    stills = oasis.load(shared / "data/oasis")
    assert len(stills) == 841
    assert stills[0].read().shape == (128, 160, 3)
    assert max(abs(value) for still in stills for value in (still.valence, still.arousal)) <= 1
