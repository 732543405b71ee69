"""Copying from the song's own past: how well each earlier moment matches now, a pointer to what came next then.

Music repeats itself. Position p of a song is worth copying at position i when the chords before p are those up to i;
the length of that common history goes to every attention head and to the pointer as a learned bias. The pointer shares
its probability with the vocabulary through a sentinel (Merity et al. 2017, "Pointer Sentinel Mixture Models").
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

THRESHOLDS = (1, 2, 4, 8, 16)  # of the length of the common history, in steps
N_FEATURES = len(THRESHOLDS) + 1
LONGEST = 64  # steps of history that are compared


class History:
    """The chords a model has been fed, (B, steps), and the latest row of match lengths, so that both can grow."""

    def __init__(self, batch: int, device: torch.device) -> None:
        self.ids = torch.zeros(batch, 0, dtype=torch.long, device=device)
        self._row = torch.zeros(batch, 0, dtype=torch.long, device=device)

    def extend(self, chords: Tensor) -> Tensor:
        """Add inputs (B, L); returns the match features (B, L, steps, N_FEATURES) of the new ones with all so far."""
        start, ids = self.ids.shape[1], torch.cat([self.ids, chords], dim=1)
        row = functional.pad(self._row, (0, chords.shape[1]))
        rows = []
        for position in range(start, ids.shape[1]):
            follows = functional.pad(row[:, :-1], (1, 0)) + 1  # the match at p - 1 goes on at p
            row = follows * (ids == ids[:, position : position + 1])
            rows.append(row)
        self.ids, self._row = ids, row.clamp(max=LONGEST)
        return match_features(torch.stack(rows, dim=1))


def match_features(ending: Tensor) -> Tensor:
    """Features (B, L, K, N_FEATURES) of the history that position i shares with what came before p.

    `ending` (B, L, K) is the length of the history that ends at i and, the same, at p; before p it ends at p - 1.
    """
    before = functional.pad(ending[:, :, :-1], (1, 0)).clamp(max=LONGEST)
    return _FEATURES.to(ending.device)[before]


def _features_of_lengths() -> Tensor:
    """(LONGEST + 1, N_FEATURES): whether a length reaches each threshold, and its logarithm over the longest's."""
    length = torch.arange(LONGEST + 1.0)
    reached = [(length >= threshold).float() for threshold in THRESHOLDS]
    return torch.stack([*reached, torch.log1p(length) / math.log1p(LONGEST)], dim=1)


_FEATURES = _features_of_lengths()


class Pointer(nn.Module):
    """Mixes the vocabulary's distribution with copies of earlier chords."""

    def __init__(self, width: int, max_steps: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.sentinel = nn.Parameter(torch.zeros(width))
        self.by_match = nn.Parameter(torch.zeros(N_FEATURES))
        self.by_distance = nn.Parameter(torch.zeros(max_steps))

    def forward(self, x: Tensor, keys: Tensor, logits: Tensor, ids: Tensor, matches: Tensor) -> Tensor:
        """Log-probabilities (B, L, V) from hidden states x (B, L, width) of the last L of K steps.

        `keys` (B, K, width) come from `key` of all K steps, `logits` (B, L, V) from the vocabulary; `ids` (B, K) are
        the inputs. Position 0 is the start and nothing to copy.
        """
        queries = self.query(x) / math.sqrt(x.shape[-1])
        scores = queries @ keys.transpose(1, 2) + matches @ self.by_match
        positions = torch.arange(ids.shape[1], device=ids.device)
        distance = positions[-x.shape[1] :, None] - positions
        scores = scores + self.by_distance[distance.clamp(min=0)]
        scores = scores.masked_fill((distance < 0) | (positions == 0), -math.inf)
        shares = torch.cat([queries @ self.sentinel[:, None], scores], dim=-1).log_softmax(-1)
        copied = torch.zeros_like(logits).scatter_add(-1, ids[:, None].expand_as(scores), shares[..., 1:].exp())
        return torch.logaddexp(shares[..., :1] + logits.log_softmax(-1), copied.clamp(min=1e-9).log())
