"""PoolingVQ (arXiv 2509.11976; Interspeech 2026): emotion of a piece from its sound, its notes, or both.

Rows of notes and of sound (emotion.models.poolingvq.encoders) are pooled by emotion.models.poolingvq.quantizer and
fused by two stages of co-attention: sound attends to the notes, then the notes attend to the result. Descriptors of the
notes are a third input. Shapes: B segments, T or N rows, width d.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from emotion.models.poolingvq.encoders import Encoded, EncodersConfig, mean_and_sd
from emotion.models.poolingvq.quantizer import VQPooling


class PoolingVQOutput(NamedTuple):
    """Logits of the quadrants (B, 4), valence and arousal (B, 2) in [-1, 1], VQ loss."""

    quadrants: Tensor
    affect: Tensor
    vq_loss: Tensor


class CoAttention(nn.Module):
    """Cross-attention of one medium to the other: attention, residual, norm, feed-forward."""

    def __init__(self, config: EncodersConfig) -> None:
        super().__init__()
        width = config.width
        self.attention = nn.MultiheadAttention(width, config.heads, dropout=config.dropout, batch_first=True)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, queries: Tensor, context: Tensor, context_mask: Tensor) -> Tensor:
        """(B, T, d) of queries (B, T, d) over a context (B, S, d); every segment needs one row that is not masked."""
        found, _ = self.attention(queries, context, context, key_padding_mask=~context_mask, need_weights=False)
        rows = self.norms[0](queries + self.dropout(found))
        fed: Tensor = self.norms[1](rows + self.dropout(self.feed(rows)))
        return fed


class PoolingVQ(nn.Module):
    """The trained part: pooling, co-attention, heads."""

    def __init__(self, config: EncodersConfig) -> None:
        super().__init__()
        width = config.width
        self.pool_tokens = VQPooling(width, n_codes=config.n_codes, pooling=config.pooling)
        self.pool_sound = VQPooling(width, n_codes=config.n_codes, pooling=config.pooling)
        self.absent = nn.Parameter(0.02 * torch.randn(2, width))
        self.sound_attends, self.tokens_attend = CoAttention(config), CoAttention(config)
        self.described = nn.Sequential(
            nn.Dropout(config.dropout), nn.Linear(config.n_descriptors, width), nn.GELU(), nn.Dropout(config.dropout)
        )
        self.joined = nn.Sequential(
            nn.Dropout(config.dropout), nn.Linear(5 * width, width), nn.GELU(), nn.Dropout(config.dropout)
        )
        self.quadrants, self.affect = nn.Linear(width, 4), nn.Linear(width, 2)

    def forward(self, encoded: Encoded) -> PoolingVQOutput:
        tokens, tokens_mask, tokens_loss = self.pool_tokens(encoded.tokens, encoded.tokens_mask)
        rows, rows_mask, rows_loss = self.pool_sound(encoded.sound, encoded.sound_mask)
        tokens, tokens_mask = _or_absent(tokens, tokens_mask, self.absent[0])
        rows, rows_mask = _or_absent(rows, rows_mask, self.absent[1])
        fused = self.sound_attends(rows, tokens, tokens_mask)
        attended = self.tokens_attend(tokens, fused, rows_mask)
        parts = [mean_and_sd(fused, rows_mask), mean_and_sd(attended, tokens_mask), self.described(encoded.described)]
        joined = self.joined(torch.cat(parts, dim=1))
        return PoolingVQOutput(self.quadrants(joined), torch.tanh(self.affect(joined)), tokens_loss + rows_loss)


def _or_absent(rows: Tensor, mask: Tensor, absent: Tensor) -> tuple[Tensor, Tensor]:
    """The rows with a learnt one in front that is unmasked only where no other is, so that attention has a key."""
    row = absent.to(rows.dtype).expand(len(rows), 1, -1)
    return torch.cat([row, rows], dim=1), torch.cat([~mask.any(1, keepdim=True), mask], dim=1)
