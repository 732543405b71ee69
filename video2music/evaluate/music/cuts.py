"""How well strong cuts coincide with downbeats: the planned form on random cut lists, beside simpler grids.

A list has 4 to 12 cuts at uniform times within 20 to 120 s, with strengths distributed as the detector's, and a random
arousal and style. Every strong cut counts, also one so near to the end that no bar can start there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from video2music import styles
from video2music.composing import form
from video2music.evaluate.tables import Summaries, Values, pooled
from video2music.values import Cut

LISTS = 200
MIN_CUTS, MAX_CUTS = 4, 12  # cuts
SHORTEST_S, LONGEST_S = 20.0, 120.0
MIN_STRENGTH, MEAN_EXCESS = 3.0, 4.0  # strength: the detector's threshold, and the mean of what is beyond it
NEAR_MS = 80.0
FIXED_BPM = 120.0

Times = NDArray[np.float64]


@dataclass(frozen=True)
class CutList:
    """A clip without pictures: its length, its cuts in order, arousal in [-1, 1] and the name of a style."""

    duration_s: float
    cuts: tuple[Cut, ...]
    arousal: float
    style: str

    def strong_s(self) -> Times:
        """Times of the strong cuts."""
        return np.array([cut.time_s for cut in form.strong_cuts(self.duration_s, self.cuts)])


def random_cut_list(rng: np.random.Generator) -> CutList:
    """A random list."""
    duration_s = float(rng.uniform(SHORTEST_S, LONGEST_S))
    count = int(rng.integers(MIN_CUTS, MAX_CUTS + 1))
    times_s = np.sort(rng.uniform(0, duration_s, count)).tolist()
    strengths = (MIN_STRENGTH + rng.exponential(MEAN_EXCESS, count)).tolist()
    style = str(rng.choice(styles.names()))
    return CutList(duration_s, tuple(map(Cut, times_s, strengths)), float(rng.uniform(-1, 1)), style)


def cut_rows(seeds: int, *, lists: int = LISTS) -> dict[str, Summaries]:
    """For each kind of grid the share of strong cuts with a downbeat within 80 ms, and their median error in ms."""
    errors: dict[str, list[list[Values]]] = {name: [] for name in GRIDS}
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        drawn = [random_cut_list(rng) for _ in range(lists)]
        for name, downbeats_of in GRIDS.items():
            errors[name].append([errors_ms(each.strong_s(), downbeats_of(each, rng)) for each in drawn])
    return {name: summarise(found) for name, found in errors.items()}


def summarise(seeds: Sequence[Sequence[Values]]) -> Summaries:
    """Both metrics of signed errors in ms, an array an item for each seed; empty where there is no cut at all."""
    if not any(len(errors) for seed in seeds for errors in seed):
        return {}
    return {
        "within_80ms": pooled(seeds, lambda errors: float((np.abs(errors) <= NEAR_MS).mean())),
        "median_error_ms": pooled(seeds, lambda errors: float(np.median(np.abs(errors)))),
    }


def errors_ms(cuts_s: Times, downbeats_s: Times) -> Values:
    """Time of the nearest downbeat minus that of the cut, in ms, for each cut, shape (n,)."""
    off = np.asarray(downbeats_s)[None, :] - np.asarray(cuts_s)[:, None]
    nearest = np.abs(off).argmin(1) if len(off) else np.zeros(0, int)
    result: Values = 1000 * off[np.arange(len(off)), nearest]
    return result


def _planned(given: CutList, _: np.random.Generator) -> Times:
    style = styles.load_style(given.style)
    return form.plan(given.duration_s, given.cuts, arousal=given.arousal, style=style).bars_s


def _one_tempo(given: CutList, _: np.random.Generator) -> Times:
    style = styles.load_style(given.style)
    return form.plan(given.duration_s, given.cuts, arousal=given.arousal, style=style, bend=0.0).bars_s


def _fixed(given: CutList, _: np.random.Generator) -> Times:
    bar_s = styles.load_style(given.style).beats_per_bar * 60 / FIXED_BPM
    return np.arange(0, given.duration_s, bar_s)


def _at_random(given: CutList, rng: np.random.Generator) -> Times:
    """The planned bars, all delayed by the same random part of a bar."""
    bars_s = _planned(given, rng)
    bar_s = float(np.median(np.diff(np.append(bars_s, given.duration_s))))
    late_s = bars_s + rng.uniform(0, bar_s)
    return np.append(np.arange(late_s[0] - bar_s, -bar_s, -bar_s)[::-1], late_s)


GRIDS: Mapping[str, Callable[[CutList, np.random.Generator], Times]] = MappingProxyType({
    "shipped": _planned,
    "one tempo for the whole clip": _one_tempo,
    "fixed 120 bpm": _fixed,
    "shipped, at a random offset": _at_random,
})  # fmt: skip
