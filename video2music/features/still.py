"""Descriptors of a still picture: colour, light and texture, nothing that was learnt from other pictures.

Five groups, each mirrored left to right so that a picture and its reflection read alike:

layout     mean and spread of Lab colour on a 4 x 4 grid
palette    histograms of colour, lightness, hue and chroma, for the top, middle and bottom of the picture
character  colourfulness (Hasler and Süsstrunk, 2003), entropies, skin, sky, greenery, sharpness, symmetry, spectrum
edges      orientation energies on a 4 x 4 grid at three scales
texture    rotation-invariant uniform local binary patterns (Ojala et al., 2002) at three scales

Histograms are taken as square roots (Hellinger's distance). About 5 ms a picture on one core.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 160, 128  # of OASIS's stills
THIRDS = (43, 86)  # rows where the middle and the bottom begin
BLACK = 20  # a row or column that nowhere exceeds this (of 255) belongs to a letterbox
GRID, ORIENTATIONS, SCALES = 4, 8, 3
BANDS = (0.01, 0.03, 0.06, 0.1, 0.16, 0.25, 0.5)  # borders of the spectrum's bands in cycles a pixel
NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))  # clockwise
LIGHTER = 3  # a neighbour counts as lighter from this many of 255 levels on; less is noise of the codec
EPS = 1e-3

Picture = NDArray[np.uint8]
Numbers = NDArray[np.float32]


def describe(picture: Picture) -> Numbers:
    """The five groups of a picture (H, W, 3) RGB in one row, in the order of `group_sizes`."""
    scaled = _Picture(fit(picture))
    return np.concatenate([group(scaled) for group in _GROUPS.values()]).astype(np.float32)


def fit(picture: Picture) -> Picture:
    """A picture of any shape as (128, 160, 3), without its letterbox.

    Half of what its shape differs from 5:4 is cropped from the longer side and half is squeezed, so that neither much
    of the content nor the proportions are lost.
    """
    picture = _without_bars(picture)
    height, width = picture.shape[:2]
    shape = (width / height * WIDTH / HEIGHT) ** 0.5
    wide, high = min(width, round(height * shape)), min(height, round(width / shape))
    left, top = (width - wide) // 2, (height - high) // 2
    cropped = np.ascontiguousarray(picture[top : top + max(high, 1), left : left + max(wide, 1)])
    shrinks = cropped.shape[0] > HEIGHT and cropped.shape[1] > WIDTH
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(cropped, (WIDTH, HEIGHT), interpolation=how), np.uint8)


def _without_bars(picture: Picture) -> Picture:
    sampled = np.ascontiguousarray(picture[::2, ::2])
    rows = np.flatnonzero(sampled.reshape(len(sampled), -1).max(axis=1) > BLACK)
    if not len(rows):
        return picture
    columns = np.flatnonzero(sampled.max(axis=0).max(axis=1) > BLACK)
    (top, bottom), (left, right) = rows[[0, -1]], columns[[0, -1]]
    if bottom - top < sampled.shape[0] / 2 or right - left < sampled.shape[1] / 2:
        return picture  # a light spot in the dark, not bars
    return picture[2 * top : 2 * bottom + 2, 2 * left : 2 * right + 2]


@dataclass(frozen=True)
class _Picture:
    """One picture (128, 160, 3) in the colour spaces that the groups share."""

    rgb: Picture

    @cached_property
    def scaled(self) -> Numbers:
        return self.rgb.astype(np.float32) / np.float32(255)

    @cached_property
    def lab(self) -> Picture:
        """Lightness 0..255 and the two opponent colours around 128."""
        return np.asarray(cv2.cvtColor(self.rgb, cv2.COLOR_RGB2LAB), np.uint8)

    @cached_property
    def hsv(self) -> Numbers:
        """Hue in degrees, saturation and value 0..1, shape (3, 128, 160)."""
        return np.stack(cv2.split(cv2.cvtColor(self.scaled, cv2.COLOR_RGB2HSV)), dtype=np.float32)

    @cached_property
    def grays(self) -> list[Picture]:
        """Grey at full, half and quarter size."""
        levels = [np.asarray(cv2.cvtColor(self.rgb, cv2.COLOR_RGB2GRAY), np.uint8)]
        while len(levels) < SCALES:
            levels.append(np.asarray(cv2.pyrDown(levels[-1]), np.uint8))
        return levels

    @cached_property
    def gray(self) -> Numbers:
        return self.grays[0].astype(np.float32) / np.float32(255)


def _layout(picture: _Picture) -> Numbers:
    lab = picture.lab.astype(np.float32)
    mean, square = (cv2.resize(values, (GRID, GRID), interpolation=cv2.INTER_AREA) for values in (lab, lab * lab))
    cells = np.concatenate([mean, np.sqrt(np.maximum(square - mean * mean, 0))], axis=2)
    return np.asarray((cells + cells[:, ::-1]) / 2, np.float32)[:, : GRID // 2].ravel()


def _palette(picture: _Picture) -> Numbers:
    light, red, blue = (picture.lab[..., channel] for channel in range(3))
    place_of, chroma_of = _opponents()
    opponents = red.astype(np.int32) * 256 + blue
    colours = np.bincount(place_of[opponents].ravel(), minlength=144).reshape(12, 12).astype(np.float32) / red.size
    hue, saturation, value = picture.hsv
    vivid = saturation * value
    return np.concatenate([
        np.sqrt(cv2.GaussianBlur(colours, (3, 3), 0.7)).ravel(),
        _histogram_by_third(light // 32, 8),
        _histogram_by_third(chroma_of[opponents], 6),
        _histogram_by_third(np.minimum(hue / 30, 11).astype(np.int32), 12, vivid),
    ])  # fmt: skip


@cache
def _opponents() -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """For every pair of opponent colours, red * 256 + blue, its place on a 12 x 12 plane and its chroma 0..5."""
    red, blue = np.divmod(np.arange(256 * 256, dtype=np.int32), 256)
    place = np.clip((red - 56) // 12, 0, 11) * 12 + np.clip((blue - 56) // 12, 0, 11)
    return place, np.minimum(np.hypot(red - 128, blue - 128) / 10, 5).astype(np.int32)


def _histogram_by_third(codes: NDArray[np.integer], bins: int, weights: Numbers | None = None) -> NDArray[np.float64]:
    """Square-rooted histograms of integer codes for the top, middle and bottom, shape (3 * bins,)."""
    third = np.searchsorted(THIRDS, np.arange(HEIGHT), side="right")[:, None]
    counts = np.bincount(
        (codes + third * bins).ravel(), None if weights is None else weights.ravel(), minlength=3 * bins
    )
    return np.sqrt(counts * 3 / codes.size)


def _character(picture: _Picture) -> Numbers:
    return np.concatenate(
        [_colour(picture), _content(picture), _sharpness(picture), _composition(picture), _spectrum(picture.gray)]
    )


def _colour(picture: _Picture) -> NDArray[np.float64]:
    red, green, blue = cv2.split(picture.scaled)
    hue, saturation, value = picture.hsv
    vivid = saturation * value
    opponents = np.stack([red - green, (red + green) / 2 - blue]).reshape(2, -1)
    spread, mean = np.linalg.norm(opponents.std(axis=1)), np.linalg.norm(opponents.mean(axis=1))
    hues = np.bincount((hue / 15).astype(np.int32).ravel() % 24, vivid.ravel(), minlength=24)
    warmth = (np.cos(np.deg2rad(hue - 40)) * vivid).mean()
    return np.array([
        spread + 0.3 * mean, _entropy(hues), warmth, vivid.mean(),
        saturation.mean(), saturation.std(), np.quantile(saturation[::3, ::3], 0.9), value.mean(), value.std(),
    ])  # fmt: skip


def _content(picture: _Picture) -> NDArray[np.float64]:
    """Share of skin, sky, greenery, blood, dark and glare at the top, middle, bottom and centre."""
    hue, saturation, value = picture.hsv
    _, cr, cb = cv2.split(cv2.cvtColor(picture.rgb, cv2.COLOR_RGB2YCrCb))
    masks = (
        (cr > 133) & (cr < 173) & (cb > 77) & (cb < 127) & (value > 0.2),  # skin, Chai and Ngan (1999)
        (hue > 180) & (hue < 250) & (saturation > 0.15) & (value > 0.4),
        (hue > 70) & (hue < 160) & (saturation > 0.2) & (value > 0.15),
        ((hue < 15) | (hue > 345)) & (saturation > 0.5) & (value > 0.25),
        value < 0.15,
        (value > 0.9) & (saturation < 0.15),
    )
    return np.array([part.mean() for mask in masks for part in (*_thirds(mask), _centre(mask))])


def _sharpness(picture: _Picture) -> NDArray[np.float64]:
    """How sharp the picture is, and its centre, top and bottom beside the whole: depth of field and horizon."""
    detail = np.abs(cv2.Laplacian(picture.gray, cv2.CV_32F))
    top, _, bottom = _thirds(detail)
    whole, *parts = (np.log(part.mean() + EPS) for part in (detail, _centre(detail), top, bottom))
    return np.array([whole, *(part - whole for part in parts)])


def _composition(picture: _Picture) -> NDArray[np.float64]:
    """The centre against the whole, light from above, symmetry, contrast."""
    _, saturation, value = picture.hsv
    _, red, blue = (picture.lab[..., channel].astype(np.float32) for channel in range(3))
    planes = (value, saturation, red / 100, blue / 100)
    top, _, bottom = _thirds(value)
    small = cv2.resize(picture.gray, (32, 32), interpolation=cv2.INTER_AREA)
    flat = (small - small.mean()) / (small.std() + EPS)
    levels = np.bincount((picture.grays[0] >> 3).ravel(), minlength=32)
    dark, light = np.searchsorted(np.cumsum(levels) / levels.sum(), (0.05, 0.95)) / 32
    return np.array([
        *(_centre(plane).mean() - plane.mean() for plane in planes), top.mean() - bottom.mean(),
        (flat * flat[:, ::-1]).mean(), (flat * flat[::-1]).mean(),
        picture.gray.std(), _entropy(levels), dark, light,
    ])  # fmt: skip


def _spectrum(gray: Numbers) -> NDArray[np.float64]:
    """Log power in six bands beside their mean, the mean, and horizontal beside vertical detail."""
    window, band, upright, level = _frequencies()
    power = np.abs(np.fft.rfft2((gray - gray.mean()) * window)) ** 2
    sums = np.bincount(band, power.ravel(), minlength=len(BANDS) + 1)[1 : len(BANDS)]
    bands = np.log(sums / np.bincount(band, minlength=len(BANDS) + 1)[1 : len(BANDS)] + EPS)
    tilt = np.log(power[upright].mean() + EPS) - np.log(power[level].mean() + EPS)
    return np.array([*(bands - bands.mean()), bands.mean(), tilt])


@cache
def _frequencies() -> tuple[Numbers, NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Hann window, the band of each coefficient, and which are mostly horizontal and mostly vertical."""
    vertical, horizontal = np.abs(np.fft.fftfreq(HEIGHT))[:, None], np.fft.rfftfreq(WIDTH)[None]
    radius = np.hypot(vertical, horizontal)
    fine = radius > BANDS[1]
    window = np.outer(np.hanning(HEIGHT), np.hanning(WIDTH)).astype(np.float32)
    band = np.searchsorted(BANDS, radius, side="right").ravel()
    return window, band, fine & (horizontal > 2 * vertical), fine & (vertical > 2 * horizontal)


def _orientations(gray: Picture) -> Numbers:
    """Edge energy by orientation on the grid, mirrored, square-rooted, shape (4 * 2 * 8,)."""
    across, down = (cv2.Sobel(gray, cv2.CV_32F, *axis, scale=1 / 255) for axis in ((1, 0), (0, 1)))
    energy, angle = cv2.cartToPolar(across, down)
    place = angle * np.float32(ORIENTATIONS / np.pi)
    lower = place.astype(np.int32)
    share = place - lower
    cell = _cells(*gray.shape) * ORIENTATIONS
    counts = sum(
        np.bincount((cell + bins % ORIENTATIONS).ravel(), weights.ravel(), minlength=GRID * GRID * ORIENTATIONS)
        for bins, weights in ((lower, energy * (1 - share)), (lower + 1, energy * share))
    )
    cells = np.asarray(counts).reshape(GRID, GRID, ORIENTATIONS) * (GRID * GRID / gray.size)
    mirrored = np.roll(cells[:, ::-1, ::-1], 1, axis=2)  # an angle a becomes pi - a
    return np.sqrt((cells + mirrored)[:, : GRID // 2] / 2).ravel()


@cache
def _cells(height: int, width: int) -> NDArray[np.int32]:
    """The index of the grid cell of each pixel."""
    row, column = (np.arange(size) * GRID // size for size in (height, width))
    return (row[:, None] * GRID + column[None]).astype(np.int32)


def _binary_patterns(gray: Picture) -> Numbers:
    """Square-rooted histograms of the ten patterns for the top, middle and bottom, shape (30,)."""
    height, width = gray.shape
    limit = gray[1:-1, 1:-1].astype(np.int16) + LIGHTER
    code = np.zeros(limit.shape, np.uint8)
    for bit, (down, right) in enumerate(NEIGHBOURS):
        neighbour = gray[1 + down : height - 1 + down, 1 + right : width - 1 + right]
        code |= (neighbour >= limit).view(np.uint8) << bit
    pattern = _uniform()[code]
    third = len(pattern) // 3
    counts = [np.bincount(part.ravel(), minlength=10) / part.size for part in np.split(pattern, [third, 2 * third])]
    return np.sqrt(np.concatenate(counts))


@cache
def _uniform() -> NDArray[np.int64]:
    """For each of 256 neighbourhoods how many are lighter, 0..8, or 9 where light and dark change more than twice."""
    codes = np.arange(256)
    bits = (codes[:, None] >> np.arange(8)) & 1
    changes = (bits != np.roll(bits, 1, axis=1)).sum(axis=1)
    return np.where(changes <= 2, bits.sum(axis=1), 9)


def _thirds(plane: NDArray[Any]) -> list[NDArray[Any]]:
    return np.split(plane, THIRDS)


def _centre(plane: NDArray[Any]) -> NDArray[Any]:
    return plane[HEIGHT // 4 : 3 * HEIGHT // 4, WIDTH // 4 : 3 * WIDTH // 4]


def _entropy(counts: NDArray[Any]) -> float:
    """In nats."""
    share = counts / max(counts.sum(), EPS)
    return float(-(share[share > 0] * np.log(share[share > 0])).sum())


_GROUPS: Mapping[str, Callable[[_Picture], NDArray[Any]]] = MappingProxyType({
    "layout": _layout,
    "palette": _palette,
    "character": _character,
    "edges": lambda picture: np.concatenate([_orientations(gray) for gray in picture.grays]),
    "texture": lambda picture: np.concatenate([_binary_patterns(gray) for gray in picture.grays]),
})  # fmt: skip


@cache
def group_sizes() -> dict[str, int]:
    """How many numbers each group has, in the order of `describe`."""
    grey = _Picture(np.full((HEIGHT, WIDTH, 3), 128, np.uint8))
    return {name: len(group(grey)) for name, group in _GROUPS.items()}
