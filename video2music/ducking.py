"""Music goes down before somebody speaks and comes back after it, too gently to be noticed.

The gain in dB falls along a raised cosine of ATTACK_S that ends when the speech begins, stays down until HOLD_S after
its end, and rises along one of RELEASE_S. Pauses in which it would hardly come back are passed over, so that it does
not pump between words.
"""

from collections.abc import Iterable

import numpy as np

from emotion.synthesis import SAMPLE_RATE
from video2music.loudness import SPAN, Curve
from video2music.speech import Stretch

DEPTH_DB = 12.0
ATTACK_S = 0.25
HOLD_S = 0.3
RELEASE_S = 0.7
SHORTEST_GAP_S = 1.5  # music that comes up for less than this is more of a disturbance than music that stays down


def curve(speech: Iterable[Stretch], spans: int, *, depth_db: float = DEPTH_DB) -> Curve:
    """Decibels (spans,) between -depth_db and 0 of music beside speech, one a span of 3.3 ms."""
    middles_s = (np.arange(spans) + 0.5) * SPAN / SAMPLE_RATE
    gain_db = np.zeros(spans)
    for start_s, end_s in _joined(speech):
        first, last = np.searchsorted(middles_s, [start_s - ATTACK_S, end_s + HOLD_S + RELEASE_S])
        near_s = middles_s[first:last]
        down = _eased((near_s - start_s + ATTACK_S) / ATTACK_S) * _eased(
            (end_s + HOLD_S + RELEASE_S - near_s) / RELEASE_S
        )
        gain_db[first:last] = np.minimum(gain_db[first:last], -depth_db * down)
    return gain_db


def _joined(speech: Iterable[Stretch]) -> list[Stretch]:
    """Stretches of speech, those with too short a gap between them made one."""
    joined: list[Stretch] = []
    for stretch in speech:
        if joined and stretch.start_s - joined[-1].end_s < SHORTEST_GAP_S:
            joined[-1] = Stretch(joined[-1].start_s, max(joined[-1].end_s, stretch.end_s))
        else:
            joined.append(stretch)
    return joined


def _eased(share: Curve) -> Curve:
    return 0.5 - 0.5 * np.cos(np.pi * np.clip(share, 0, 1))
