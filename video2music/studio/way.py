"""How much of a run is done, as one number that rises."""

from collections.abc import Sequence


class Way:
    """The way through the stages of a run: the first comes once, the others once for every variant."""

    def __init__(self, stages: Sequence[str], *, variants: int = 1) -> None:
        self._first, *self._each = stages
        self._variants, self._done, self._last = max(variants, 1), 0, -1

    def at(self, stage: str, fraction: float) -> float:
        """The share of the whole run, 0 to 1, that is done at a fraction of a stage."""
        steps = 1 + self._variants * len(self._each)
        if stage == self._first:
            return fraction / steps
        place = self._each.index(stage)
        self._done += place < self._last  # a stage comes again: the next variant has begun
        self._last = place
        return (1 + min(self._done, self._variants - 1) * len(self._each) + place + fraction) / steps
