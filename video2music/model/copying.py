"""Copying from the song's own past: features of the chords so far, attention biases from them, and a pointer.

Music repeats itself. Position p of a song is worth copying at position i when the chords before p match those up to i.
`RepeatMatcher` measures how far they agree: in steps, exactly, and in whole runs of a chord, however long each lasted,
because a bar is no whole number of seconds. With how long the current chord has lasted here and there, these select a
row of a table of learned biases (`MatchBias`), one for every attention head and one for `Pointer`. The pointer shares
its probability with the vocabulary through a sentinel (Merity et al. 2017, "Pointer Sentinel Mixture Models").

`HarmonicRhythm` estimates how likely the chord changes at the next step, from when it changed before. Chords change on
a grid of bars whose length is no whole number of seconds, so changes sampled once a second come in patterns like
3 2 3 3 2. Hypotheses (period, phase) are weighted by how well each explains the changes so far, older evidence fading;
the weighted hypotheses say whether a line of the grid falls into the next step.

Everything grows step by step, for B songs at once, and gives the same as all steps at once.
"""

import functools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

PERIODS = (1.0, 10.0, 128)  # steps: shortest, longest, how many on a logarithmic scale
PHASES = 24
RHYTHM_MODELS = ((0.8, 0.2, 0.97), (0.9, 0.1, 0.985), (0.85, 0.25, 0.93))
"""Each (P(change | a line in this step), P(change | none), share of a step's evidence that is left a step later)."""
N_RHYTHMS = len(RHYTHM_MODELS)
PRIOR = 0.45  # P(change) before there is evidence: the share in MuVi-Sync
_MARGIN = 0.02  # no probability is nearer to 0 or 1


class HarmonicRhythm:
    """Posterior over grids of chord changes for B songs, under each of RHYTHM_MODELS."""

    def __init__(self, batch: int, device: torch.device) -> None:
        self.steps = 0
        chances = torch.tensor(RHYTHM_MODELS, device=device)
        self._on, self._off, self._decay = chances[:, None].unbind(-1)
        self._weights = torch.zeros(batch, N_RHYTHMS, PERIODS[2] * PHASES, device=device)  # log, not normalised

    def extend(self, changed: Tensor) -> Tensor:
        """Log odds (B, L, N_RHYTHMS) of a change at the next step, after each of `changed` (B, L) bool.

        Entry i says whether chord i differs from chord i - 1; the first two entries of a song are no evidence (its
        first input is the start token, and the first chord follows no other).
        """
        return torch.stack([self._step(column) for column in changed.unbind(1)], dim=1)

    def _step(self, changed: Tensor) -> Tensor:
        lines = grid_lines(self._weights.device)  # read modulo its length: a longer song starts over
        if self.steps >= 2:
            chance = torch.where(lines[(self.steps - 2) % len(lines)], self._on, self._off)
            evidence = torch.where(changed[:, None, None], chance, 1 - chance).log()
            self._weights = self._decay * self._weights + evidence
        if self.steps == 0:
            odds = torch.full((len(changed), N_RHYTHMS), math.log(PRIOR / (1 - PRIOR)), device=changed.device)
        else:
            share = (self._weights.softmax(-1) * lines[(self.steps - 1) % len(lines)]).sum(-1)
            odds = torch.logit(self._off[:, 0] + (self._on - self._off)[:, 0] * share, eps=_MARGIN)
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


LONGEST = 64  # steps of history that are compared
MOST_RUNS = 16  # runs of history that are compared
MOST_AGE_DIFFERENCE = 3  # steps by which a chord's age here and there may differ
STEP_CLASSES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64)  # lower edges; 0 is a class of its own, below
RUN_CLASSES = (1, 2, 3, 4, 5, 7, 10)
AGES = 2 * MOST_AGE_DIFFERENCE + 1
N_EXACT, N_RUNS = len(STEP_CLASSES) + 1, (len(RUN_CLASSES) + 1) * AGES
N_MATCHES = N_EXACT * N_RUNS
GAIN = 3.0  # on the table: biases of logits have further to go than other weights; a larger effective learning rate


class RepeatMatcher:
    """The chords so far, and the class of the match between the chords before each of them and the latest ones.

    `ids` (B, steps) are the chords, `age` (B, steps) counts the steps that each has lasted, from 1; the start token has
    age 0.
    """

    def __init__(self, batch: int, device: torch.device) -> None:
        self.ids = torch.zeros(batch, 0, dtype=torch.long, device=device)
        self.age = self.ids
        # (B, steps): how long the histories that end at the latest step and at each step are equal, in steps and in
        # runs; and in runs from the last step of the run before the latest.
        self._exact = self._runs = self._runs_before = self.ids

    def extend(self, chords: Tensor) -> Tensor:
        """Append inputs (B, L); returns the classes (B, L, steps), below N_MATCHES, of their matches with all."""
        start, end = self.ids.shape[1], self.ids.shape[1] + chords.shape[1]
        self.ids = torch.cat([self.ids, chords], dim=1)
        for position in range(start, end):
            if position == 0:
                self.age = torch.zeros_like(self.ids[:, :1])
                continue
            lasts = self.ids[:, position] == self.ids[:, position - 1]
            self.age = torch.cat([self.age, (self.age[:, -1] * lasts + 1)[:, None]], dim=1)
        before = (torch.arange(end, device=chords.device) - self.age).clamp(min=0)  # the last step of the run before
        self._exact, self._runs, self._runs_before = (
            functional.pad(row, (0, chords.shape[1])) for row in (self._exact, self._runs, self._runs_before)
        )
        exact, runs = zip(*(self._match(position, before) for position in range(start, end)), strict=True)
        return self._classes(torch.stack(exact, dim=1), torch.stack(runs, dim=1), start)

    def _match(self, position: int, before: Tensor) -> tuple[Tensor, Tensor]:
        """Lengths (B, steps) in steps and in runs of the histories that end at `position` and at each step."""
        same = self.ids == self.ids[:, position : position + 1]
        self._exact = ((functional.pad(self._exact[:, :-1], (1, 0)) + 1) * same).clamp(max=LONGEST)
        began = self.age[:, position, None] == 1
        self._runs_before = torch.where(began, self._runs, self._runs_before)
        earlier = self._runs_before.gather(1, before) * (before > 0)
        self._runs = ((earlier + 1) * same).clamp(max=MOST_RUNS)
        return self._exact, self._runs

    def _classes(self, exact: Tensor, runs: Tensor, start: int) -> Tensor:
        """The class of each pair: for copying p, the match of what ends at p - 1 counts, hence the shift by one."""
        here = self.age[:, start:, None]
        age = (here - self.age[:, None, :]).clamp(-MOST_AGE_DIFFERENCE, MOST_AGE_DIFFERENCE) + MOST_AGE_DIFFERENCE
        exact, runs, age = (functional.pad(rows[:, :, :-1], (1, 0)) for rows in (exact, runs, age))
        by_steps = torch.bucketize(exact, torch.tensor(STEP_CLASSES, device=exact.device), right=True)
        by_runs = torch.bucketize(runs, torch.tensor(RUN_CLASSES, device=runs.device), right=True)
        return by_steps * N_RUNS + by_runs * AGES + age * (runs > 0)


class MatchBias(nn.Module):
    """Learned biases of C attention heads and pointers for each class of a match."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.by_steps = nn.Parameter(torch.zeros(N_EXACT, 1, channels))
        self.by_runs = nn.Parameter(torch.zeros(1, N_RUNS, channels))

    def table(self) -> Tensor:
        """(N_MATCHES, C), computed once for many steps."""
        return (self.by_steps + self.by_runs).flatten(0, 1) * GAIN

    def forward(self, matches: Tensor, table: Tensor) -> Tensor:
        """(B, C, L, steps) for the classes (B, L, steps)."""
        return functional.embedding(matches, table).permute(0, 3, 1, 2)


class Pointer(nn.Module):
    """Mixes the vocabulary's distribution with a distribution over earlier chords."""

    def __init__(self, width: int, max_steps: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.sentinel = nn.Parameter(torch.zeros(width))
        self.by_distance = nn.Parameter(torch.zeros(max_steps))

    def forward(self, x: Tensor, keys: Tensor, logits: Tensor, ids: Tensor, bias: Tensor) -> Tensor:
        """Log-probabilities (B, L, V) from hidden states x (B, L, width) of the last L of K steps.

        `keys` (B, K, width) come from `key` of all K steps, `logits` (B, L, V) from the vocabulary, `bias` (B, L, K)
        from the matches; `ids` (B, K) are the inputs. Position 0 is the start token and nothing to copy.
        """
        queries = self.query(x) / math.sqrt(x.shape[-1])
        positions = torch.arange(ids.shape[1], device=ids.device)
        distance = positions[-x.shape[1] :, None] - positions
        scores = queries @ keys.transpose(1, 2) + bias + self.by_distance[distance.clamp(min=0)]
        scores = scores.masked_fill((distance < 0) | (positions == 0), -math.inf)
        shares = torch.cat([queries @ self.sentinel[:, None], scores], dim=-1).log_softmax(-1)
        copied = torch.zeros_like(logits).scatter_add(-1, ids[:, None].expand_as(scores), shares[..., 1:].exp())
        # The clamp keeps the logarithm, and its gradient, finite for chords that are nowhere in the past.
        return torch.logaddexp(shares[..., :1] + logits.log_softmax(-1), copied.clamp(min=1e-9).log())
