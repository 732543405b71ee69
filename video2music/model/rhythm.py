"""Harmonic rhythm: how likely the chord changes at the next step, from when it changed before.

Chords change on a grid of bars whose length is no whole number of seconds, so changes seen once a second come in
patterns like 3 2 3 3 2. A grid of hypotheses (period, phase) is weighed by how well each explains the changes so far,
with older evidence fading; the weighed hypotheses then say whether a line of the grid falls into the next step.
"""

import functools
import math

import torch
from torch import Tensor

PERIODS = (1.0, 10.0, 128)  # steps: shortest, longest, how many on a logarithmic scale
PHASES = 24
BELIEFS = ((0.8, 0.2, 0.97), (0.9, 0.1, 0.985), (0.85, 0.25, 0.93))
"""Each (P(change | a line in this step), P(change | none), what a step's evidence keeps a step later)."""
N_BELIEFS = len(BELIEFS)
UNKNOWN = 0.45  # P(change) while nothing was seen: the share in MuVi-Sync
_KEPT = 0.02  # no probability is nearer to 0 or 1


class HarmonicRhythm:
    """The beliefs about B songs; grows step by step."""

    def __init__(self, batch: int, device: torch.device) -> None:
        self.steps = 0
        chances = torch.tensor(BELIEFS, device=device)
        self._on, self._off, self._keep = chances[:, None].unbind(-1)
        self._weights = torch.zeros(batch, N_BELIEFS, PERIODS[2] * PHASES, device=device)  # log, not normalised

    def extend(self, changed: Tensor) -> Tensor:
        """Log odds (B, L, N_BELIEFS) of a change at the next step, after each of `changed` (B, L) bool.

        Entry i tells whether chord i differs from chord i - 1; the first two entries of a song are no news (its first
        input is the start, and the first chord follows nothing).
        """
        return torch.stack([self._step(column) for column in changed.unbind(1)], dim=1)

    def _step(self, changed: Tensor) -> Tensor:
        lines = grid_lines(self._weights.device)
        if self.steps >= 2:
            chance = torch.where(lines[(self.steps - 2) % len(lines)], self._on, self._off)
            evidence = torch.where(changed[:, None, None], chance, 1 - chance).log()
            self._weights = self._keep * self._weights + evidence
        if self.steps == 0:
            odds = torch.full((len(changed), N_BELIEFS), _log_odds(UNKNOWN), device=changed.device)
        else:
            share = (self._weights.softmax(-1) * lines[(self.steps - 1) % len(lines)]).sum(-1)
            odds = torch.logit(self._off[:, 0] + (self._on - self._off)[:, 0] * share, eps=_KEPT)
        self.steps += 1
        return odds


@functools.cache
def grid_lines(device: torch.device, steps: int = 300) -> Tensor:
    """(steps, hypotheses) bool: whether a line of each hypothesis falls between step n and n + 1."""
    shortest, longest, count = PERIODS
    period = torch.exp(torch.linspace(math.log(shortest), math.log(longest), count)).repeat_interleave(PHASES)
    phase = ((torch.arange(PHASES) + 0.5) / PHASES).repeat(count)
    lines_before = torch.floor(torch.arange(steps + 1.0)[:, None] / period - phase)
    return (lines_before[1:] != lines_before[:-1]).to(device)


def _log_odds(chance: float) -> float:
    return math.log(chance / (1 - chance))
