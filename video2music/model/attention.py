"""Attention and decoder layers of the AMT, their dimensions, and the key-value cache of step-by-step decoding.

Self-attention has the relative positions of the Music Transformer (Huang et al. 2019, arXiv 1809.04281). Tensors are
(B, L, width) between layers and (B, heads, L, head width) within attention.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class AMTConfig:
    """Dimensions of an AMT.

    max_steps  longest sequence that fits its tables of positions, in steps (about seconds)
    copying    with the copy mechanism and pre-norm layers, and conditioned on the video after the decoder; without, it
               is the paper's encoder-decoder
    """

    width: int = 160
    heads: int = 5
    feedforward: int = 320
    encoder_layers: int = 0
    decoder_layers: int = 4
    dropout: float = 0.15
    max_steps: int = 300
    copying: bool = True

    @property
    def head_width(self) -> int:
        return self.width // self.heads


CONFIGS: Mapping[str, AMTConfig] = MappingProxyType({
    "shipped": AMTConfig(),
    "paper": AMTConfig(512, 8, 1024, encoder_layers=6, decoder_layers=6, dropout=0.1, copying=False),
    "tiny": AMTConfig(width=32, heads=2, feedforward=64, decoder_layers=2),
})  # fmt: skip


class LayerCache:
    """Keys and values of one decoder layer, each (B, heads, steps, head width), written in place as steps arrive.

    `distances` (max_steps, head width) is the layer's table of relative positions, scaled, the present step last.
    """

    def __init__(self, distances: Tensor, batch: int, heads: int) -> None:
        self.distances = distances
        self.keys = distances.new_empty(batch, heads, *distances.shape)
        self.values = torch.empty_like(self.keys)

    def append(self, keys: Tensor, values: Tensor, start: int) -> tuple[Tensor, Tensor]:
        """Store those of the steps from `start` on; returns all up to the last of them."""
        end = start + keys.shape[2]
        self.keys[:, :, start:end] = keys
        self.values[:, :, start:end] = values
        return self.keys[:, :, :end], self.values[:, :, :end]


class RelativeSelfAttention(nn.Module):
    """Causal attention whose logits add query · table[distance]; the table is shared by the heads of a layer."""

    def __init__(self, config: AMTConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.scale = 1 / math.sqrt(config.head_width)
        self.inputs = nn.Linear(config.width, 3 * config.width)
        self.output = nn.Linear(config.width, config.width)
        self.table = nn.Parameter(torch.randn(config.max_steps, config.head_width) * 0.02)  # row d: d steps back

    def forward(
        self, x: Tensor, matches: Tensor | None = None, cache: LayerCache | None = None, start: int = 0
    ) -> Tensor:
        """(B, L, width) of the steps from `start` on; with a cache they also attend to the steps before.

        `matches` (B, heads, L, steps) are attention biases from how well each earlier step matches the present one.
        """
        projected = self.inputs(x).reshape(*x.shape[:-1], 3, self.heads, -1)
        queries, keys, values = projected.permute(2, 0, 3, 1, 4).unbind(0)
        if cache is not None:
            keys, values = cache.append(keys, values, start)
        if cache is not None and x.shape[1] == 1:
            bias = queries @ cache.distances[-keys.shape[2] :].T  # one query, the last: nothing to skew or to mask
        else:
            bias = self._bias(queries, keys.shape[2])
        if matches is not None:
            bias = bias + matches
        attended = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=bias)
        output: Tensor = self.output(_join_heads(attended))
        return output

    def distances(self) -> Tensor:
        """The table at the scale of the logits, in the order of the keys: its last row is the distance 0."""
        return (self.table * self.scale).flip(0)

    def _bias(self, queries: Tensor, n_keys: int) -> Tensor:
        """(B, heads, L, keys): relative logits at the scale of the others, minus infinity on later steps.

        The L queries are the last of the keys' steps. Column d of `by_distance` belongs to the distance
        keys - 1 - d. Padding by a column and reading each row one entry later than the one before turns distances
        into keys (the "skewing" of Huang et al. 2019).
        """
        length = queries.shape[2]
        by_distance = queries @ (self.table[:n_keys] * self.scale).flip(0).T
        skewed = functional.pad(by_distance, (1, 0)).flatten(2)[..., length:].reshape(by_distance.shape)
        steps = torch.arange(n_keys, device=queries.device)
        future = steps > steps[-length:, None]
        masked: Tensor = skewed + torch.zeros_like(future, dtype=queries.dtype).masked_fill(future, -math.inf)
        return masked


class CrossAttention(nn.Module):
    """Attention of the chords over the video."""

    def __init__(self, config: AMTConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query = nn.Linear(config.width, config.width)
        self.memory = nn.Linear(config.width, 2 * config.width)
        self.output = nn.Linear(config.width, config.width)

    def project(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of the memory (B, T, width), each (B, heads, T, head width)."""
        keys, values = self.memory(memory).chunk(2, dim=-1)
        return _split_heads(keys, self.heads).contiguous(), _split_heads(values, self.heads).contiguous()

    def forward(self, x: Tensor, memory: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        queries = _split_heads(self.query(x), self.heads)
        attended = functional.scaled_dot_product_attention(queries, *memory, attn_mask=mask)
        output: Tensor = self.output(_join_heads(attended))
        return output


class DecoderLayer(nn.Module):
    """Self-attention, cross-attention and feed-forward, each with its residual, dropout and layer norm.

    The paper's layer normalises after each part (post-norm). With `copying` it normalises before (pre-norm), which
    trains at a higher rate, and has no cross-attention: the video is taken into account after the decoder.
    """

    def __init__(self, config: AMTConfig) -> None:
        super().__init__()
        self.norm_first = config.copying
        self.self_attention = RelativeSelfAttention(config)
        self.cross_attention = None if config.copying else CrossAttention(config)
        self.feedforward = nn.Sequential(
            nn.Linear(config.width, config.feedforward),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.feedforward, config.width),
        )
        self.norms = nn.ModuleList(nn.LayerNorm(config.width) for _ in range(3 - config.copying))
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        memory: tuple[Tensor, Tensor] | None,
        mask: Tensor | None,
        matches: Tensor | None,
        cache: LayerCache | None = None,
        start: int = 0,
    ) -> Tensor:
        x = self._residual(self.norms[0], x, lambda x: self.self_attention(x, matches, cache, start))
        if (cross := self.cross_attention) is not None and memory is not None:
            x = self._residual(self.norms[1], x, lambda x: cross(x, memory, mask))
        return self._residual(self.norms[-1], x, self.feedforward)

    def project(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """The memory's keys and values for the cross-attention, which a copying layer has not."""
        return cast(CrossAttention, self.cross_attention).project(memory)

    def _residual(self, norm: nn.Module, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        y = sublayer(norm(x) if self.norm_first else x)
        x = x + (self.dropout(y) if self.training else y)  # the call of an idle module costs, step by step on a CPU
        normed: Tensor = x if self.norm_first else norm(x)
        return normed


def _split_heads(x: Tensor, heads: int) -> Tensor:
    return x.reshape(*x.shape[:-1], heads, -1).transpose(1, 2)


def _join_heads(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)
