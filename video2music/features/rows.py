"""What every encoder does: look at a picture, embed what it saw, read the rows of a whole clip.

One row a second, each distinct picture embedded once.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from video2music.features.pixels import Pixels, mean_difference
from video2music.features.scenes import CutFinder
from video2music.values import Floats


class Reading(NamedTuple):
    """emotion (T, 6), affect (T, 2) and semantic (T, 768) or None, as in VideoFeatures."""

    emotion: Floats
    affect: Floats
    semantic: Floats | None = None


class Encoder(Protocol):
    """An encoder with its weights."""

    def look(self, picture: Pixels) -> Floats:
        """Whatever the encoder needs of an upright picture (H, W, 3) RGB, as small as it can be."""

    def embed(self, looks: Sequence[Floats]) -> Floats:
        """Rows (B, D) of a batch of looks."""

    def read(self, rows: Floats, motion: Floats, scene_offset: Floats) -> Reading:
        """The clip's features from its rows (T, D), with its motion (T,) and scene offset (T,)."""


HARDLY = 2.0  # mean difference of the small pictures, of 255: what a codec's noise makes of a still picture is about 1
BATCH = 8  # pictures embedded at once


class Rows:
    """Collects the pictures of a clip's seconds and has the distinct ones embedded in batches.

    A picture counts as the one before if it differs from the last embedded one by less than HARDLY and lies in the same
    scene. As cuts are known two frames late, pictures wait until it is sure which scene they belong to.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._waiting: deque[_Waiting] = deque()
        self._anchor: tuple[int, Pixels] | None = None
        self._batch: list[Floats] = []
        self._embedded: list[Floats] = []
        self._distinct = 0
        self._row_of: list[int] = []

    def add(self, time_s: float, small: Pixels, picture: Pixels) -> None:
        """The next second's picture: when it is seen, scaled down, and upright at full size, RGB."""
        self._waiting.append(_Waiting(time_s, small, self._encoder.look(picture)))

    def repeat(self) -> None:
        """The next second still shows the last one's frame."""
        self._waiting.append(self._waiting[-1]._replace(look=None) if self._waiting else _SAME)

    def settle(self, cuts: CutFinder) -> None:
        """Embed what waits and is sure of its scene."""
        while self._waiting and self._waiting[0].time_s <= cuts.known_until_s:
            self._place(self._waiting.popleft(), cuts)

    def finish(self, cuts: CutFinder) -> Floats:
        """Rows (T, D) of all seconds."""
        while self._waiting:
            self._place(self._waiting.popleft(), cuts)
        self._embed()
        return np.concatenate(self._embedded)[self._row_of]

    def _place(self, waiting: "_Waiting", cuts: CutFinder) -> None:
        if waiting.look is not None and not self._seen_before(waiting, cuts):
            self._batch.append(waiting.look)
            self._distinct += 1
            if len(self._batch) == BATCH:
                self._embed()
        self._row_of.append(self._distinct - 1)

    def _seen_before(self, waiting: "_Waiting", cuts: CutFinder) -> bool:
        scene = cuts.scene(waiting.time_s)
        if self._anchor and self._anchor[0] == scene and mean_difference(self._anchor[1], waiting.small) < HARDLY:
            return True
        self._anchor = scene, waiting.small
        return False

    def _embed(self) -> None:
        if self._batch:
            self._embedded.append(self._encoder.embed(self._batch))
            self._batch = []


class _Waiting(NamedTuple):
    """A second whose scene is not sure yet; no look where it repeats the second before."""

    time_s: float
    small: Pixels
    look: Floats | None


_SAME = _Waiting(-1.0, np.zeros((1, 1, 3), np.uint8), None)
