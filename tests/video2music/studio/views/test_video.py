"""The analysis of a clip: pictures of their times, curves at their values, cuts where they are."""

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from emotion.affect import emotions_at
from tests.video2music.studio.views.svg_reading import (
    NASTY,
    labelled,
    marks,
    points,
    read,
    said,
    shares,
    styled,
    value_at,
)
from tests.video2music.video_files import EVEN_MS, brightness, film
from video2music import features
from video2music.studio.views import video
from video2music.values import Cut, VideoFeatures


def seen(affect, *, duration_s=None, cuts=(), motion=None):
    """Features of a clip of this emotion, (T, 2)."""
    affect = np.asarray(affect, np.float32).reshape(-1, 2)
    rows = len(affect)
    moved = np.zeros(rows, np.float32) if motion is None else np.asarray(motion, np.float32)
    return VideoFeatures(
        duration_s=float(rows) if duration_s is None else duration_s, encoder="color", emotion=emotions_at(affect),
        motion=moved, scene_offset=np.arange(rows, dtype=np.float32), affect=affect, cuts=tuple(cuts),
    )  # fmt: skip


def drawn(count, seed=0):
    rng = np.random.default_rng(seed)
    return seen(rng.uniform(-1, 1, (count, 2)), motion=rng.uniform(0, 200, count))


@settings(deadline=None)
@given(count=st.integers(1, 300), seed=st.integers(0, 99))
def test_curves_have_the_values_of_their_seconds(count, seed):
    clip = drawn(count, seed)
    tree = read(video.view(clip))
    for name, row in zip(("valence", "arousal"), clip.affect.T, strict=True):
        (line,) = [points(each) for each in styled(tree, name) if each.tag == "polyline"]
        found = [value_at(line, 1000 * (second + 0.5) / count) for second in range(count)]
        assert found == pytest.approx(row, abs=0.002 + 2e-4 * count)  # places are told to a tenth of a unit
        assert line[0, 0] == 0 and line[-1, 0] == 1000


@given(st.lists(st.floats(0, 255, width=32), min_size=1, max_size=50))
def test_the_motion_fills_its_lane_up_to_its_greatest(motion):
    (area,) = styled(read(video.view(seen(np.zeros((len(motion), 2)), motion=motion))), "moved")[1:]
    corners = points(area)
    assert corners[0].tolist() == [0, 100] and corners[-1].tolist() == [1000, 100]
    heights = 100 - corners[2:-2, 1]
    assert heights == pytest.approx(100 * np.array(motion) / max(video.STILL, *motion), abs=0.06)


def test_cuts_are_marked_at_their_times_with_the_strongest_named():
    cuts = [Cut(2.0, 3.0), Cut(2.5, 9.0), Cut(16.0, 4.0)]
    tree = read(video.view(seen(np.zeros((20, 2)), cuts=cuts)))
    (path,) = [each for each in styled(tree, "cut") if each.tag == "path"]
    assert marks(path) == [100, 125, 800]
    named = labelled(tree, "cuts at")
    assert named.get("aria-label") == "cuts at 0:02.0, 0:02.5, 0:16.0"
    assert [each.text for each in named] == ["0:02.5", "0:16.0"] and shares(list(named)) == [0.125, 0.8]
    assert "20 s with 3 cuts" in said(tree)


def test_a_clip_without_cuts_says_so():
    tree = read(video.view(seen([[0.5, -0.5]] * 4)))
    assert "4 s with no cuts" in said(tree) and "pleasant and calm" in said(tree)
    assert [each for each in styled(tree, "cut") if each.tag == "path"] == []


@pytest.mark.parametrize("duration_s", [0.04, 1.0])
def test_a_clip_of_one_row_has_a_level_line(duration_s):
    tree = read(video.view(seen([[0.5, -0.5]], duration_s=duration_s)))
    (line,) = [points(each) for each in styled(tree, "valence") if each.tag == "polyline"]
    assert line.tolist() == [[0, 25], [1000, 25]]


def test_six_hours_with_a_cut_a_second_stay_small():
    clip = replace(drawn(21_600), cuts=tuple(Cut(float(second), 1 + second % 7) for second in range(1, 21_600)))
    text = video.view(clip)
    assert len(text) < 120_000
    (path,) = [each for each in styled(read(text), "cut") if each.tag == "path"]
    assert np.diff(marks(path)).max() < 0.7 and marks(path)[-1] > 999
    assert len(video.view(drawn(3600))) < 40_000


def test_the_encoder_cannot_become_markup():
    assert "<script>alert(1)</script>" in said(read(video.view(replace(seen([[0, 0]]), encoder=NASTY))))


def picture(thumbnail):
    return Image.open(io.BytesIO(thumbnail.jpeg))


@pytest.mark.parametrize("most", [1, 5, 12])
def test_thumbnails_are_the_pictures_of_their_times(tmp_path, most):
    clip = film(tmp_path / "a.mkv", "ffv1", pixels="bgr0")
    found = video.thumbnails(clip, seen([[0, 0]]), most=most)
    assert [each.start_s for each in found] == pytest.approx([place / most for place in range(most)])
    for each in found:
        middle_s = (each.start_s + each.end_s) / 2
        index = max(number for number, time_ms in enumerate(EVEN_MS) if time_ms / 1000 <= middle_s + 1e-9)
        assert np.asarray(picture(each)).mean() == pytest.approx(brightness(index), abs=1.5)


def test_making_the_strip_can_be_followed_and_stopped(clip):
    told = []
    video.thumbnails(clip, drawn(6), progress=told.append)
    assert told == sorted(told) and told[0] == 0 and 0.5 < told[-1] <= 1 and len(told) >= 3

    def stop(fraction):
        if fraction > 0.4:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        video.thumbnails(clip, drawn(6), progress=stop)


@settings(deadline=None)
@given(
    duration_s=st.floats(0.1, 5000),
    cuts=st.lists(st.tuples(st.floats(0, 1), st.floats(1, 9)), max_size=30),
    most=st.integers(1, 16),
)
def test_a_strip_is_divided_at_cuts(duration_s, cuts, most):
    made = [Cut(share * duration_s, strength) for share, strength in sorted(cuts)]
    found = np.array(video.edges(seen([[0, 0]], duration_s=duration_s, cuts=made), most))
    assert len(found) == most + 1 and found[0] == 0 and found[-1] == duration_s
    assert (np.diff(found) > 0).all()
    if made and most >= 2:
        strongest = max(made, key=lambda cut: cut.strength)
        inside = video.SLIVER * duration_s <= strongest.time_s <= (1 - video.SLIVER) * duration_s
        assert not inside or np.abs(found - strongest.time_s).min() == pytest.approx(0)


def test_thumbnails_stand_upright(tmp_path):
    clip = film(tmp_path / "a.mp4", rotation=90, size=(64, 48))
    (found,) = video.thumbnails(clip, seen([[0, 0]]), most=1)
    assert picture(found).size[0] < picture(found).size[1]


def test_a_preview_shows_the_analysis(tmp_path):
    clip = film(tmp_path / "a.mkv", "ffv1", pixels="bgr0")
    found = video.thumbnails(clip, seen([[0, 0]], duration_s=0.2), most=4)
    means = [np.asarray(picture(each)).mean() for each in found]
    assert means == pytest.approx([brightness(index) for index in (0, 1, 3, 4)], abs=1.5)


def test_the_strip_holds_the_pictures(clip):
    features_of_clip = features.extract(clip, encoder="color", cache=False)
    found = video.thumbnails(clip, features_of_clip)
    text = video.view(features_of_clip, found)
    pictures = list(read(text).iter("img"))
    assert [base64.b64decode(each.get("src").partition(",")[2]) for each in pictures] == [one.jpeg for one in found]
    assert pictures[0].get("alt") == "at 0:00.2" and len(found) == video.MOST
    widths = [float(each.get("style").removeprefix("flex-grow:")) for each in pictures]
    assert sum(widths) == pytest.approx(1000, abs=1)
    assert set(np.round(np.cumsum(widths) * 6e-3, 2)) >= {2.0, 4.0}  # the cuts of the clip lie between pictures
    assert len(text) < 120_000
