"""How much of a run is done, as one number that rises."""

from collections.abc import Mapping


class RunProgress:
    """The stages of a run as one bar: the first comes once, the others once for every variant.

    `shares` are the stages in order, each with about how much of the time it takes.
    """

    def __init__(self, shares: Mapping[str, float], *, variants: int = 1) -> None:
        self._once, *self._each = shares
        self._shares, self._variants = shares, max(variants, 1)
        self._variant, self._last = 0, (0, 0.0)

    def at(self, stage: str, fraction: float) -> float:
        """The share of the whole run, 0 to 1, that is done at a fraction of a stage."""
        once, each = self._shares[self._once], sum(self._shares[name] for name in self._each)
        whole = once + self._variants * each
        if stage == self._once:
            return fraction * once / whole
        place = self._each.index(stage)
        self._variant += (place, fraction) < self._last  # a stage comes again: the next variant has begun
        self._last = place, fraction
        before = once + min(self._variant, self._variants - 1) * each
        before += sum(self._shares[name] for name in self._each[:place])
        return (before + fraction * self._shares[stage]) / whole
