"""Figures of errors that are pooled over items, such as a median over all cuts of many clips, with their intervals."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.report import RESAMPLES

Errors = NDArray[np.floating]
Figure = Mapping[str, Any]
Row = Mapping[str, Figure]
"""Metric -> mean, low, high, and the figure of each seed."""


def pooled(seeds: Sequence[Sequence[Errors]], figure: Callable[[Errors], float]) -> Figure:
    """The figure of all errors together, and 95 % of what it is when the items are drawn anew 2000 times (seed 0).

    For each seed an array (n,) an item, the same items in the same order; an item may have none.
    """
    items = [np.concatenate(same) for same in zip(*seeds, strict=True)]
    draws = np.random.default_rng(0).integers(len(items), size=(RESAMPLES, len(items)))
    again = [figure(some) for draw in draws if len(some := np.concatenate([items[place] for place in draw]))]
    low, high = np.nanpercentile(again, (2.5, 97.5))
    each = [figure(np.concatenate(seed)) for seed in seeds]
    return {"mean": figure(np.concatenate(items)), "low": float(low), "high": float(high), "seeds": each}


def extreme(seeds: Sequence[Errors], furthest: Callable[[Errors], float]) -> Figure:
    """The worst of all items, (n,) a seed, where one item that fails fails the bar: it has no interval of its own."""
    worst = [float(furthest(values)) for values in seeds]
    whole = float(furthest(np.array(worst)))
    return {"mean": whole, "low": whole, "high": whole, "seeds": worst}


def single(value: float) -> Figure:
    """One number that was measured once."""
    return {"mean": value, "low": value, "high": value, "seeds": [value]}
