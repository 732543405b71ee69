"""The numbers of a still: finite on anything, blind to mirrors and letterboxes, different where they should be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from video2music.features import still


def scene(height=256, width=320, seed=0):
    """Something like a landscape: gradients, blobs, noise."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    waves = [np.sin(6 * across * rng.random() + 9 * down * rng.random() + 6 * rng.random()) for _ in range(3)]
    levels = 128 + 90 * np.stack(waves, axis=2) + rng.normal(0, 8, (height, width, 3))
    return np.clip(levels, 0, 255).astype(np.uint8)


def group(numbers, name):
    sizes = still.group_sizes()
    start = sum(size for other, size in list(sizes.items())[: list(sizes).index(name)])
    return numbers[start : start + sizes[name]]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.sampled_from([0, 1, 255, None]))
def test_any_picture_gives_finite_numbers(height, width, level):
    rng = np.random.default_rng(height)
    shape = (height, width, 3)
    picture = rng.integers(0, 256, shape, dtype=np.uint8) if level is None else np.full(shape, level, np.uint8)
    numbers = still.describe(picture)
    assert numbers.shape == (sum(still.group_sizes().values()),)
    assert np.isfinite(numbers).all()


def test_a_picture_and_its_mirror_read_alike():
    picture = scene(still.HEIGHT, still.WIDTH)
    assert still.describe(picture[:, ::-1]) == pytest.approx(still.describe(picture), abs=0.06)
    assert np.abs(still.describe(picture[::-1]) - still.describe(picture)).max() > 0.1


def test_a_letterbox_is_not_seen():
    picture = scene()
    boxed = np.zeros((356, 400, 3), np.uint8)
    boxed[50:306, 40:360] = picture
    assert np.array_equal(still.fit(boxed), still.fit(picture))


def test_a_light_in_the_dark_is_no_letterbox():
    dark = np.zeros((240, 320, 3), np.uint8)
    dark[100:120, 150:170] = 255
    assert still.fit(dark).mean() < 5


def test_a_wide_picture_is_half_cropped_half_squeezed():
    wide = np.zeros((200, 1000, 3), np.uint8) + 99
    wide[:, :150] = wide[:, -150:] = 200  # the outer parts that half the crop takes away
    assert np.abs(still.fit(wide).astype(int) - 99).max() == 0
    wide[:, 300:310] = 200
    assert still.fit(wide).max() > 150


def test_a_vivid_picture_is_more_colourful_than_a_gray_one():
    picture = scene()
    gray = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    vivid, dull = (group(still.describe(one), "character")[0] for one in (picture, gray))
    assert vivid > dull + 0.1


def test_stripes_have_their_energy_in_their_orientation():
    rows = np.arange(still.HEIGHT)[:, None, None] // 4 % 2 * 255
    level = np.broadcast_to(rows, (still.HEIGHT, still.WIDTH, 3)).astype(np.uint8)
    across = np.broadcast_to(np.arange(still.WIDTH)[None, :, None] // 4 % 2 * 255, level.shape).astype(np.uint8)
    edges = {
        name: group(still.describe(picture), "edges")[:64].reshape(8, 8).mean(axis=0)
        for name, picture in (("level", level), ("upright", across))
    }
    assert edges["upright"].argmax() == 0  # the gradient points along x
    assert edges["level"].argmax() == 4  # a right angle is half of the eight bins


def test_binary_patterns_of_a_flat_picture_are_all_one():
    patterns = group(still.describe(np.full((128, 160, 3), 90, np.uint8)), "texture").reshape(9, 10)
    assert (patterns[:, 0] == 1).all()
    assert (patterns[:, 1:] == 0).all()
