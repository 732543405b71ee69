"""Kernel ridge regression on descriptors: beside PoolingVQ's networks, and as teacher of the unified model.

f(x) = mean + sum_i weight_i exp(-gamma |x - x_i|^2) over the pieces it was fitted on, all z-scored; the weights solve
(K + ridge I) weights = y - mean. With a few hundred pieces this is as good as anything deep on the same numbers.
"""

import torch
from torch import Tensor, nn

CLIP = 4.0  # standard deviations beyond which a descriptor is no further away


class KernelRidge(nn.Module):
    """`n_pieces` points of `n_inputs` numbers and their weights for `n_outputs`; zeros until it is fitted or loaded."""

    centre: Tensor
    scale: Tensor
    points: Tensor
    weights: Tensor
    mean: Tensor

    def __init__(self, n_pieces: int, n_inputs: int, n_outputs: int, *, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma
        self.register_buffer("centre", torch.zeros(n_inputs))
        self.register_buffer("scale", torch.ones(n_inputs))
        self.register_buffer("points", torch.zeros(n_pieces, n_inputs))
        self.register_buffer("weights", torch.zeros(n_pieces, n_outputs))
        self.register_buffer("mean", torch.zeros(n_outputs))

    def standard(self, inputs: Tensor) -> Tensor:
        """z-scores (B, D) of inputs (B, D), none beyond CLIP."""
        return ((inputs - self.centre) / self.scale).clamp(-CLIP, CLIP)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, outputs) of inputs (B, D)."""
        return self.mean + self._kernel(self.standard(inputs), self.points) @ self.weights

    @torch.no_grad()
    def fit(self, inputs: Tensor, targets: Tensor, *, ridge: float) -> None:
        """Fit to inputs (N, D) and targets (N, outputs)."""
        self.centre, self.scale = inputs.mean(0), inputs.std(0) + 1e-3  # a constant descriptor divides by no zero
        self.points, self.mean = self.standard(inputs), targets.mean(0)
        # in double precision: kernels of similar pieces are nearly singular
        kernel = self._kernel(self.points, self.points).double()
        eye = torch.eye(len(inputs), dtype=torch.float64)
        self.weights = torch.linalg.solve(kernel + ridge * eye, (targets - self.mean).double()).float()

    def _kernel(self, one: Tensor, other: Tensor) -> Tensor:
        return torch.exp(-self.gamma * torch.cdist(one, other).square())
