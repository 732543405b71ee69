"""Which frame represents each second, and how much it moved, as MuVi-Sync counts it. Used by `extraction`."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from video2music.features.pixels import Pixels, Scaler, mean_difference
from video2music.media.clip import Frame

EPS_S = 1e-6  # a frame this much early still counts as on the second: times are sums of fractions


@dataclass(frozen=True, eq=False)
class SampledSecond:
    """The frame that represents the second `index`, and the frame just before it.

    `frame` is the first one at or after the second, if one begins within it; otherwise the picture is frozen, so it is
    the one on the screen, and there is no `previous`. `time_s` is when that is shown.
    """

    index: int
    time_s: float
    frame: Frame
    previous: Frame | None


def sample_seconds(frames: Iterable[Frame]) -> Iterator[SampledSecond]:
    """The seconds 0, 1, 2.. before the end of the last frame, at least one; holds two frames at most."""
    due = 0
    last: Frame | None = None
    for frame in frames:
        while due <= frame.time_s + EPS_S:
            begins_here = frame.time_s < due + 1 - EPS_S or last is None
            if begins_here:
                yield SampledSecond(due, max(float(due), frame.time_s), frame, last)
            elif last is not None:
                yield SampledSecond(due, float(due), last, None)
            due += 1
        last = frame
    if last is not None:
        for index in range(due, math.ceil(last.end_s - EPS_S)):
            yield SampledSecond(index, float(index), last, None)


def motion(second: SampledSecond, picture: Pixels, scaler: Scaler) -> float:
    """Mean absolute RGB difference of the second's `picture` (H, W, 3) to the frame before it at full size, 0..255.

    0 in second 0 and where the picture is frozen.
    """
    if second.previous is None:
        return 0.0
    return mean_difference(scaler.full(second.previous.picture), picture)
