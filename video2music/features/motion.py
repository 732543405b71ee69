"""Which picture stands for each second, and how much it moved, as MuVi-Sync counts it."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from video2music.features.pixels import Pixels, Scaler, mean_difference
from video2music.media.clip import Frame

EPS_S = 1e-6  # a frame this much early still counts as on the second: times are sums of fractions


@dataclass(frozen=True, eq=False)
class Second:
    """One row: the picture that stands for the second `index`, and the frame just before it.

    `shown` is the first frame at or after the second, if one begins within it; otherwise the picture stands still, so
    it is the one on the screen, and there is no `before`. `time_s` is when that is seen.
    """

    index: int
    time_s: float
    shown: Frame
    before: Frame | None


def seconds(frames: Iterable[Frame]) -> Iterator[Second]:
    """The seconds 0, 1, 2.. before the end of the last frame, at least one; holds two frames at most."""
    due, last = 0, None
    for frame in frames:
        while due <= frame.time_s + EPS_S:
            begins_here = frame.time_s < due + 1 - EPS_S or last is None
            if begins_here:
                yield Second(due, max(float(due), frame.time_s), frame, last)
            elif last is not None:
                yield Second(due, float(due), last, None)
            due += 1
        last = frame
    if last is not None:
        for index in range(due, math.ceil(last.end_s - EPS_S)):
            yield Second(index, float(index), last, None)


def motion(second: Second, picture: Pixels, scaler: Scaler) -> float:
    """Mean absolute RGB difference of the second's `picture` (H, W, 3) to the frame before it at full size, 0..255.

    0 in second 0 and where the picture stands still.
    """
    if second.before is None:
        return 0.0
    return mean_difference(scaler.full(second.before.picture), picture)
