"""PoolingVQ (arXiv 2509.11976; Interspeech 2026): what a piece feels like, from its sound, its notes, or both.

Rows of notes and of sound (emotion.models.poolingvq.encoders) are pooled by the rule of emotion.models.poolingvq.quantizer and meet in two stages
of co-attention: sound asks the notes, then the notes ask what came of it. Beside the rows stand the descriptors.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from emotion.models.poolingvq.encoders import Encoded, EncodersConfig, pooled
from emotion.models.poolingvq.quantizer import VQPooling


class PoolingVQOutput(NamedTuple):
    """Logits of the quadrants (B, 4), valence and arousal (B, 2) in [-1, 1], VQ loss."""

    quadrants: Tensor
    affect: Tensor
    vq_loss: Tensor


class CoAttention(nn.Module):
    """Rows that ask others: attention, residual, norm, feed-forward."""

    def __init__(self, config: EncodersConfig) -> None:
        super().__init__()
        width = config.width
        self.attention = nn.MultiheadAttention(width, config.heads, dropout=config.dropout, batch_first=True)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, asking: Tensor, asked: Tensor, asked_mask: Tensor) -> Tensor:
        """(B, T, d) of rows (B, T, d) that ask rows (B, S, d); every stretch must have one that is there."""
        found, _ = self.attention(asking, asked, asked, key_padding_mask=~asked_mask, need_weights=False)
        rows = self.norms[0](asking + self.dropout(found))
        return self.norms[1](rows + self.dropout(self.feed(rows)))


class PoolingVQ(nn.Module):
    """The trained part: pooling, co-attention, heads."""

    def __init__(self, config: EncodersConfig) -> None:
        super().__init__()
        width = config.width
        self.pool_words = VQPooling(width, n_codes=config.n_codes, pooling=config.pooling)
        self.pool_sound = VQPooling(width, n_codes=config.n_codes, pooling=config.pooling)
        self.absent = nn.Parameter(0.02 * torch.randn(2, width))
        self.sound_asks, self.words_ask = CoAttention(config), CoAttention(config)
        self.described = nn.Sequential(
            nn.Dropout(config.dropout), nn.Linear(config.n_descriptors, width), nn.GELU(), nn.Dropout(config.dropout)
        )
        self.joined = nn.Sequential(
            nn.Dropout(config.dropout), nn.Linear(5 * width, width), nn.GELU(), nn.Dropout(config.dropout)
        )
        self.quadrants, self.affect = nn.Linear(width, 4), nn.Linear(width, 2)

    def forward(self, seen: Encoded) -> PoolingVQOutput:
        words, words_mask, words_loss = self.pool_words(seen.words, seen.words_mask)
        rows, rows_mask, rows_loss = self.pool_sound(seen.sound, seen.sound_mask)
        words, words_mask = _or_absent(words, words_mask, self.absent[0])
        rows, rows_mask = _or_absent(rows, rows_mask, self.absent[1])
        fused = self.sound_asks(rows, words, words_mask)
        answered = self.words_ask(words, fused, rows_mask)
        parts = [pooled(fused, rows_mask), pooled(answered, words_mask), self.described(seen.described)]
        joined = self.joined(torch.cat(parts, dim=1))
        return PoolingVQOutput(self.quadrants(joined), torch.tanh(self.affect(joined)), words_loss + rows_loss)


def _or_absent(rows: Tensor, mask: Tensor, absent: Tensor) -> tuple[Tensor, Tensor]:
    """The rows with one more in front, which is there where no other is."""
    row = absent.to(rows.dtype).expand(len(rows), 1, -1)
    return torch.cat([row, rows], dim=1), torch.cat([~mask.any(1, keepdim=True), mask], dim=1)
