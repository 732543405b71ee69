"""What every encoder does: look at a picture, embed what it saw, read the rows of a whole clip."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from video2music.features.pixels import Pixels
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
