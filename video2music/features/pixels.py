"""Decoded pictures as arrays. Opens no file: `media` does."""

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

SMALL_SIDE = 160  # the longer side: enough for cuts, and half the cost of PySceneDetect's own 256

Pixels = NDArray[np.uint8]

_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


class Scaler:
    """Makes arrays of one clip's pictures; keeps swscale's contexts, which take 4 ms each to set up."""

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._small, self._full = VideoReformatter(), VideoReformatter()
        self._size = 0, 0

    def small(self, picture: "VideoFrame") -> Pixels:
        """(h, w, 3) BGR, the longer side SMALL_SIDE, always of the size that the first picture gave."""
        if not all(self._size):
            scale = SMALL_SIDE / max(picture.width, picture.height)
            self._size = max(2, round(picture.width * scale)), max(2, round(picture.height * scale))
        width, height = self._size
        scaled = self._small.reformat(
            picture, width=width, height=height, format="bgr24", interpolation="FAST_BILINEAR"
        )
        return np.asarray(scaled.to_ndarray(), np.uint8)

    def full(self, picture: "VideoFrame") -> Pixels:
        """(H, W, 3) RGB at full size, as stored."""
        return np.asarray(self._full.reformat(picture, format="rgb24").to_ndarray(), np.uint8)


def upright(pixels: Pixels, rotation: int) -> Pixels:
    """A picture turned clockwise by 0, 90, 180 or 270 degrees."""
    return np.asarray(cv2.rotate(pixels, _TURNS[rotation]), np.uint8) if rotation else pixels


def mean_difference(before: Pixels, after: Pixels) -> float:
    """Mean absolute difference, 0..255; a picture that changed its size is scaled to the new one first."""
    if before.shape != after.shape:
        size = after.shape[1], after.shape[0]
        before = np.asarray(cv2.resize(before, size, interpolation=cv2.INTER_AREA), np.uint8)
    return float(cv2.norm(before, after, cv2.NORM_L1)) / after.size
