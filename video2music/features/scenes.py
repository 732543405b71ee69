"""Hard cuts, by PySceneDetect's AdaptiveDetector on frames scaled down once, and the seconds since them."""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from scenedetect import FrameTimecode
from scenedetect.detectors import AdaptiveDetector

from video2music.features.pixels import Pixels
from video2music.values import Cut, Floats

MIN_SCENE_S = 0.5  # PySceneDetect's 15 frames at 30 fps, as a time, so that it means the same at every frame rate
WINDOW = 2  # frames before and after that a change is compared with
TICKS = 1e6  # a second in the detector's count: it counts times, not frames, and so follows a variable frame rate
EPS_S = 1e-6  # times are sums of fractions


class CutDetector:
    """Is given every frame of a clip and knows its cuts, two frames late.

    A cut's time is that of the new scene's first frame. Its strength is the detector's adaptive ratio: how many times
    the frame's change exceeds the mean change of the two frames before and the two after, 3 to 255.
    """

    def __init__(self) -> None:
        self._detector = _RatioDetector(min_scene_len=round(MIN_SCENE_S * TICKS), window_width=WINDOW)
        self._recent: list[float] = []
        self.cuts: list[Cut] = []

    def add(self, time_s: float, small: Pixels) -> None:
        """The next frame, BGR."""
        found = self._detector.process_frame(FrameTimecode(round(time_s * TICKS), TICKS), small)
        self._recent = [*self._recent[-WINDOW:], time_s]
        self.cuts += [Cut(self._recent[0], self._detector.ratio) for _ in found]

    @property
    def known_until_s(self) -> float:
        """No cut will be found before or at this time any more."""
        return self._recent[0] if len(self._recent) > WINDOW else -1.0

    def scene(self, time_s: float) -> int:
        """How many cuts lie at or before a time."""
        return scene_index(self.cuts, time_s)


class _RatioDetector(AdaptiveDetector):  # type: ignore[misc]  # scenedetect has no types
    """Gives the ratio of the last cut, which the detector itself only computes along with a costly edge map."""

    @property
    def ratio(self) -> float:
        scores = [score for _, score in self._buffer]  # the detector's own, of 2 * WINDOW + 1 frames
        change = scores.pop(WINDOW)
        around = float(np.mean(scores))
        return min(float(change) / around, 255.0) if around > 1e-5 else 255.0


def scene_index(cuts: Sequence[Cut], time_s: float) -> int:
    """How many cuts lie at or before a time."""
    return bisect_right(cuts, time_s + EPS_S, key=lambda cut: cut.time_s)


def scene_offsets(times_s: Sequence[float], cuts: Sequence[Cut]) -> Floats:
    """Whole seconds since the last cut, or since the beginning, at each row's time, shape (T,)."""
    starts = np.array([0.0, *(cut.time_s for cut in cuts)])
    scenes = [scene_index(cuts, time_s) for time_s in times_s]
    return np.asarray(np.floor(np.asarray(times_s) - starts[scenes] + EPS_S), np.float32)
