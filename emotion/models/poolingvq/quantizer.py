"""Vector quantisation that decides how rows are pooled: PoolingVQ's codebook and window rule (arXiv 2509.11976).

Every row is assigned to its nearest code by cosine. A window of 5 rows moves by 3; U is the number of distinct
codes in it. U = 1: all rows are alike, so their mean represents them. U = 2 or 3: a weighted mean in which a row of
a code that is rare in the window weighs more (inverse frequency; the paper leaves the weights open). More: the maximum.
The rule is applied to the rows themselves, not to their codes.
"""

from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional

WINDOW, STRIDE = 5, 3
MOST_WEIGHTED = 3  # distinct codes up to which the mean is weighted
COMMITMENT = 0.25  # as in VQ-VAE (van den Oord and others 2017)


class Codebook(nn.Module):
    """K codes of width d; `forward` assigns rows and gives the VQ loss."""

    codes: Tensor

    def __init__(self, n_codes: int, width: int) -> None:
        super().__init__()
        self.codes = nn.Parameter(torch.randn(n_codes, width))

    def assign(self, rows: Tensor) -> Tensor:
        """The code of each row (..., d) by cosine, (...) long."""
        return (functional.normalize(rows, dim=-1) @ functional.normalize(self.codes, dim=-1).T).argmax(-1)

    def loss(self, rows: Tensor, assigned: Tensor, mask: Tensor) -> Tensor:
        """Codes drawn to their rows, and rows, more gently, to their codes: 1 - cosine over the rows that are there."""
        codes = self.codes[assigned]
        apart = 1 - functional.cosine_similarity(codes, rows.detach(), dim=-1)
        committed = 1 - functional.cosine_similarity(codes.detach(), rows, dim=-1)
        return ((apart + COMMITMENT * committed) * mask).sum() / mask.sum().clamp_min(1)

    @torch.no_grad()
    def start(self, rows: Tensor, generator: torch.Generator, *, rounds: int = 10) -> None:
        """Spherical k-means over rows (N, d), from distinct rows drawn by the generator."""
        unit = functional.normalize(rows, dim=-1)
        drawn = torch.randperm(len(unit), generator=generator)[: len(self.codes)]
        self.codes[: len(drawn)] = unit[drawn]
        for _ in range(rounds):
            assigned = self.assign(unit)
            sums = torch.zeros_like(self.codes).index_add_(0, assigned, unit)
            # a code that is nearest to no row stays where it was
            met = torch.bincount(assigned, minlength=len(self.codes)) > 0
            self.codes[met] = functional.normalize(sums[met], dim=-1)


def windows(rows: Tensor) -> Tensor:
    """Windows (B, W, 5, ...) of rows (B, T, ...), moved by 3; the last ones reach beyond the end, into zeros."""
    count = max(0, -(-(rows.shape[1] - WINDOW) // STRIDE)) + 1
    missing = (count - 1) * STRIDE + WINDOW - rows.shape[1]
    padded = functional.pad(rows, [0, 0] * (rows.ndim - 2) + [0, missing])
    return padded.unfold(1, WINDOW, STRIDE).movedim(-1, 2)


def adaptive(rows: Tensor, codes: Tensor, mask: Tensor) -> Tensor:
    """Rows (B, W, 5, d) pooled by the rule of their codes (B, W, 5); mask (B, W, 5) says which are there: (B, W, d)."""
    same = (codes.unsqueeze(-1) == codes.unsqueeze(-2)) & mask.unsqueeze(-1) & mask.unsqueeze(-2)
    alike = same.sum(-1).clamp_min(1)  # rows of the window with the same code, itself included
    share = mask / alike  # sums to the number of distinct codes, each code's rows to 1
    distinct = share.sum(-1, keepdim=True).round()
    # every rule is computed for every window: branches would cost more than the sums
    pooled = torch.where(distinct > MOST_WEIGHTED, maximum(rows, codes, mask), _weighted(rows, share))
    return torch.where(distinct <= 1, mean(rows, codes, mask), pooled)


def mean(rows: Tensor, codes: Tensor, mask: Tensor) -> Tensor:
    """Mean of the rows that are there, (B, W, d); none gives zeros."""
    return _weighted(rows, mask.to(rows.dtype))


def maximum(rows: Tensor, codes: Tensor, mask: Tensor) -> Tensor:
    """Greatest value of each column among the rows that are there, (B, W, d); none gives zeros."""
    greatest = rows.masked_fill(~mask.unsqueeze(-1), -torch.inf).amax(2)
    return greatest.masked_fill(~mask.any(-1, keepdim=True), 0.0)


def _weighted(rows: Tensor, weights: Tensor) -> Tensor:
    weights = weights.to(rows.dtype)
    return (rows * weights.unsqueeze(-1)).sum(2) / weights.sum(-1, keepdim=True).clamp_min(1e-6)


def _needed(there: Tensor) -> Tensor:
    """(B, W): windows that hold a row which no window before them holds, so that padding never adds one."""
    new = there[..., WINDOW - STRIDE :].any(-1)
    return torch.cat([there[:, :1].any(-1), new[:, 1:]], dim=1)


RULES = MappingProxyType({"adaptive": adaptive, "mean": mean, "max": maximum})
"""How windows of rows become one row each; `none` leaves the rows as they are."""


class VQPooling(nn.Module):
    """Rows (B, T, d) to fewer rows: a codebook and the rule named `pooling`, one of RULES or `none`."""

    def __init__(self, width: int, *, n_codes: int, pooling: str) -> None:
        super().__init__()
        self.codebook = Codebook(n_codes, width)
        self.pooling = pooling

    def forward(self, rows: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pooled rows, their mask (B, W), and the VQ loss, from rows and their mask (B, T)."""
        if self.pooling == "none":
            return rows, mask, rows.new_zeros(())
        codes = self.codebook.assign(rows)
        loss = self.codebook.loss(rows, codes, mask) if self.training else rows.new_zeros(())
        there = windows(mask.unsqueeze(-1)).squeeze(-1)
        pooled = RULES[self.pooling](windows(rows), windows(codes.unsqueeze(-1)).squeeze(-1), there)
        return pooled, _needed(there), loss
