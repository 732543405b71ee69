"""Cuts at the right time, and none where there are none."""

import numpy as np
import pytest

from video2music.features import extract
from video2music.features.scenes import CutDetector, scene_offsets
from video2music.values import Cut


def extract_color(path):
    return extract(path, encoder="color", cache=False)


def noisy(picture, seed):
    noise = np.random.default_rng(seed).integers(0, 6, picture.shape)
    return np.clip(picture.astype(int) + noise, 0, 255).astype(np.uint8)


def times_of(extracted):
    return [cut.time_s for cut in extracted.cuts]


def test_hard_cuts_are_found_when_the_new_scene_begins(write_video, textures):
    times_s = [index / 20 for index in range(140)]
    starts = (0, 33, 80, 111)
    pictures = [noisy(textures(sum(index >= start for start in starts)), index) for index in range(140)]
    extracted = extract_color(write_video(pictures, times_s))
    assert times_of(extracted) == pytest.approx([start / 20 for start in starts[1:]])
    assert all(3 <= cut.strength <= 255 for cut in extracted.cuts)


def test_the_strength_is_how_often_the_change_exceeds_its_neighbours(write_video, textures):
    times_s = [index / 20 for index in range(60)]
    faint, strong = (
        extract_color(
            write_video(
                [noisy(textures(index >= 30) // divisor, index) for index in range(60)], times_s, name=f"{divisor}.mkv"
            )
        )
        for divisor in (3, 1)
    )
    assert strong.cuts[0].strength > 1.5 * faint.cuts[0].strength > 3


def test_cuts_are_at_real_times_when_the_frame_rate_varies(write_video, textures):
    gaps = [0.02] * 40 + [0.25] * 12 + [0.02] * 40
    times_s = np.cumsum([0.0, *gaps]).tolist()
    pictures = [noisy(textures(index >= 45) if index < 70 else textures(2), index) for index in range(len(times_s))]
    extracted = extract_color(write_video(pictures, times_s))
    assert times_of(extracted) == pytest.approx([times_s[45], times_s[70]], abs=0.002)


def test_a_flashing_clip_has_no_cut_at_every_flash(write_video, textures):
    pictures = [textures(index % 2) for index in range(120)]
    assert len(extract_color(write_video(pictures, [index / 20 for index in range(120)])).cuts) <= 1


def test_a_slow_fade_is_no_cut(write_video, textures):
    weights = np.linspace(0, 1, 100)
    pictures = [
        noisy(((1 - weight) * textures(0) + weight * textures(1)).astype(np.uint8), index)
        for index, weight in enumerate(weights)
    ]
    assert extract_color(write_video(pictures, [index / 25 for index in range(100)])).cuts == ()


def test_offsets_count_whole_seconds_since_the_cut():
    cuts = [Cut(2.4, 9.0), Cut(5.0, 9.0)]
    times_s = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert scene_offsets(times_s, cuts).tolist() == [0, 1, 2, 0, 1, 0, 1]


def test_offsets_follow_the_frame_that_stands_for_the_second():
    # At 24000/1001 frames a second the first frame after 3 s comes at 3.003 s; a cut there belongs to that row.
    assert scene_offsets([0, 1.001, 2.002, 3.003, 4.004], [Cut(3.003, 9.0)]).tolist() == [0, 1, 2, 0, 1]


def test_offsets_of_a_clip_restart_at_its_cuts(write_video, textures):
    pictures = [noisy(textures(index >= 50), index) for index in range(100)]
    extracted = extract_color(write_video(pictures, [index / 20 for index in range(100)]))
    assert extracted.scene_offset.tolist() == [0, 1, 2, 0, 1]


def test_what_is_known_never_changes(textures):
    finder, promised = CutDetector(), 0.0
    for index in range(80):
        before = len(finder.cuts)
        finder.add(index / 20, textures(index // 20))
        assert all(cut.time_s > promised for cut in finder.cuts[before:])
        promised = finder.known_until_s
    assert len(finder.cuts) == 3
    assert promised == pytest.approx(77 / 20)
