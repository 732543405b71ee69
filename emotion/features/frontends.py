"""Front ends: representations of audio beside log-mel, as rows at a constant rate.

mert      (M, 768) rows of MERT, 75 a second; its weights are fetched from the hub
musicnn   (M, 200) rows of MusiCNN, one every 6 s; its weights ship
vgg       (M, 36, 128) levels of the VGG beside it, one every 6 s; its weights ship
chroma    (M, 12) weights of the pitch classes, 10 a second
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from emotion.features.sound import Samples
from emotion.runtime import resolve_device

Rows = NDArray[np.float32]

PATCH_S = 3
PATCH_EVERY_S = 6  # a tagger's row; three of ten patches of 30 s classify quadrants as well as all of them


@dataclass(frozen=True)
class Frontend:
    """Rows of mono samples at 24 kHz: hop `every_s` and duration `lasts_s` of a row, in s."""

    every_s: float
    lasts_s: float
    of: Callable[[Iterable[Samples]], Rows]


def cut(name: str, rows: Rows, start_s: float, end_s: float) -> Rows:
    """The rows of a front end between two times, or, where none does, the one nearest to their middle."""
    every_s, lasts_s = FRONTENDS[name].every_s, FRONTENDS[name].lasts_s
    first, last = math.ceil(start_s / every_s - 1e-6), math.floor((end_s - lasts_s) / every_s + 1e-6) + 1
    if first < min(last, len(rows)):
        return rows[first:last]
    nearest = min(max(round(((start_s + end_s - lasts_s) / 2) / every_s), 0), len(rows) - 1)
    return rows[nearest : nearest + 1]


def _mert(blocks: Iterable[Samples]) -> Rows:
    from emotion.features import mert

    return mert.load(device=str(resolve_device())).rows(blocks)


def _tagger(name: str, blocks: Iterable[Samples]) -> Rows:
    from emotion.features import taggers

    return taggers.load(name).rows(blocks, PATCH_EVERY_S)


def _chroma(blocks: Iterable[Samples]) -> Rows:
    from emotion.features import harmony

    return harmony.chroma(blocks)


FRONTENDS = MappingProxyType({
    "mert": Frontend(1 / 75, 1 / 75, _mert),
    "musicnn": Frontend(PATCH_EVERY_S, PATCH_S, partial(_tagger, "musicnn")),
    "vgg": Frontend(PATCH_EVERY_S, PATCH_S, partial(_tagger, "vgg")),
    "chroma": Frontend(0.1, 0.1, _chroma),
})  # fmt: skip
