"""Notes and sound to rows: the encoders that PoolingVQ leaves as they are, as the paper freezes MIDI-BERT and MERT.

Notes go through a small BERT over compound words, MIDI-BERT's way; sound goes through convolutions over log-mel, or
comes as MERT's rows. Both are pre-trained on music without labels (emotion.models.poolingvq.pretrain_masked_tokens, emotion.models.poolingvq.pretrain_audio_encoder); what
the sound encoder learns by is to tell the descriptors of the notes that are played, which stand in for them where there
are no notes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from emotion.features import descriptors, sound
from emotion.models.poolingvq.segments import SegmentBatch
from emotion.runtime import make_torchvision_importable

CHUNK = 192  # words that the BERT sees at once
POSITIONS_PER_S = 2
LAST_POSITION = 64 * POSITIONS_PER_S
CLIP = 4.0  # standard deviations beyond which a descriptor counts as no further away
CLIP_DB = 60.0  # below the loudest rows of a stretch


@dataclass(frozen=True)
class EncodersConfig:
    """Width of rows, layers and heads of the BERT, channels of the convolutions, codes, and how rows are pooled.

    `frontend` is `mel` or `mert` (768 numbers a row, made by emotion.features.mert). `sizes` are the vocabulary's.
    """

    width: int = 96
    layers: int = 2
    heads: int = 4
    channels: tuple[int, ...] = (16, 32, 64, 96)
    n_codes: int = 64
    pooling: str = "adaptive"
    frontend: str = "mel"
    dropout: float = 0.2
    longest_s: float = 120.0
    most_words: int = 2048
    n_descriptors: int = len(descriptors.NAMES)
    sizes: tuple[int, ...] = ()


class TokenEncoder(nn.Module):
    """Compound words to rows: each column's embedding, concatenated and mixed, then BERT."""

    def __init__(self, config: EncodersConfig) -> None:
        super().__init__()
        each = config.width // 4
        self.tables = nn.ModuleList(nn.Embedding(size, each) for size in config.sizes)
        self.mix = nn.Linear(each * len(config.sizes), config.width)
        self.width = config.width
        self.bert = _bert(config)

    def forward(self, words: Tensor, times_s: Tensor, mask: Tensor) -> Tensor:
        """(B, N, d) of words (B, N, 6) at times (B, N), each CHUNK of them by itself, as in pre-training."""
        size, length = mask.shape
        parts = [_chunks(rows) for rows in (words, times_s, mask)]
        there = parts[2].any(1)
        rows = torch.zeros(*parts[2].shape, self.width)
        if there.any():
            rows[there] = self._chunk(*(part[there] for part in parts))
        return rows.unflatten(0, (size, -1)).flatten(1, 2)[:, :length]

    def _chunk(self, words: Tensor, times_s: Tensor, mask: Tensor) -> Tensor:
        """A word's position is its half second in the chunk, not its number."""
        embedded = torch.cat([table(words[..., column]) for column, table in enumerate(self.tables)], dim=-1)
        positions = ((times_s - times_s[:, :1]) * POSITIONS_PER_S).long().clamp(0, LAST_POSITION)
        hidden = self.bert(inputs_embeds=self.mix(embedded), attention_mask=mask.long(), position_ids=positions)
        return hidden.last_hidden_state


def _bert(config: EncodersConfig) -> nn.Module:
    """transformers' BertModel at the config's size; words come in as embeddings."""
    make_torchvision_importable()
    from transformers import BertConfig, BertModel

    shape = BertConfig(
        vocab_size=1,
        hidden_size=config.width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        intermediate_size=4 * config.width,
        max_position_embeddings=LAST_POSITION + 1,
        hidden_dropout_prob=config.dropout / 2,
        attention_probs_dropout_prob=config.dropout / 2,
    )
    return BertModel(shape, add_pooling_layer=False)


class AudioEncoder(nn.Module):
    """Log-mel (B, T, 96) to rows (B, T/16, d), three a second: convolutions that also halve the bands four times."""

    STRIDES = ((4, 2), (2, 2), (2, 2), (1, 2))  # in time and in bands
    EACH = 16
    ROWS_PER_S = sound.ROWS_PER_S / EACH

    def __init__(self, config: EncodersConfig) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        before = 1
        for channels, stride in zip(config.channels, self.STRIDES, strict=True):
            size = (stride[0] + 1 if stride[0] > 2 else 3, 3)
            convolution = nn.Conv2d(before, channels, size, stride=stride, padding=(size[0] // 2, 1), bias=False)
            blocks += [convolution, nn.BatchNorm2d(channels), nn.GELU()]
            before = channels
        self.blocks = nn.Sequential(*blocks)
        self.out = nn.Sequential(nn.Linear(before * sound.BANDS // 16, config.width), nn.LayerNorm(config.width))

    def forward(self, rows: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Rows and their mask; the loudest rows of a stretch are its zero, so that gain is not heard."""
        quiet = rows.masked_fill(~mask.unsqueeze(-1), sound.FLOOR_DB)
        loudest = quiet.amax(dim=(1, 2), keepdim=True)
        seen = ((quiet - loudest).clamp_min(-CLIP_DB) / CLIP_DB + 0.5) * 2
        hidden = seen.unsqueeze(1)
        for at, (halving, _) in enumerate(self.STRIDES):  # what is padded is zero to every layer, as beyond an end
            hidden = self.blocks[3 * at : 3 * at + 3](hidden * mask[:, None, :, None])
            mask = mask[:, ::halving]
        return self.out(hidden.permute(0, 2, 3, 1).flatten(2)), mask


class MertRows(nn.Module):
    """MERT's rows (B, T, 768), eight averaged to one, to rows of the model's width."""

    WIDTH, EACH = 768, 8
    ROWS_PER_S = 75 / EACH

    def __init__(self, config: EncodersConfig) -> None:
        super().__init__()
        self.out = nn.Sequential(nn.Linear(self.WIDTH, config.width), nn.LayerNorm(config.width))

    def forward(self, rows: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Rows and their mask."""
        there = mask.unsqueeze(-1).to(rows.dtype)
        total, count = (_eights(part, self.EACH) for part in (rows * there, there))
        return self.out(total / count.clamp_min(1)), mask[:, :: self.EACH]


def _eights(rows: Tensor, each: int) -> Tensor:
    """Sums (B, T/each, D) of every `each` rows (B, T, D)."""
    padded = nn.functional.pad(rows, [0, 0, 0, -rows.shape[1] % each])
    return padded.unflatten(1, (-1, each)).sum(2)


FRONTENDS: Mapping[str, type[AudioEncoder] | type[MertRows]] = MappingProxyType({
    "mel": AudioEncoder,
    "mert": MertRows,
})  # fmt: skip


class Encoded(NamedTuple):
    """What the encoders, which training leaves as they are, make of a batch.

    words (B, N, d) and their mask, sound (B, T, d) and its mask, z-scored descriptors (B, D): measured, or told.
    """

    words: Tensor
    words_mask: Tensor
    sound: Tensor
    sound_mask: Tensor
    described: Tensor


class Encoders(nn.Module):
    """Notes and sound to rows, and descriptors told from sound; pre-trained on music without labels."""

    centre: Tensor
    scale: Tensor

    def __init__(self, config: EncodersConfig) -> None:
        super().__init__()
        self.words, self.sound = TokenEncoder(config), FRONTENDS[config.frontend](config)
        self.sound_rows_per_s = FRONTENDS[config.frontend].ROWS_PER_S
        self.tell = nn.Linear(2 * config.width, config.n_descriptors)
        self.register_buffer("centre", torch.zeros(config.n_descriptors))
        self.register_buffer("scale", torch.ones(config.n_descriptors))

    def forward(self, batch: SegmentBatch) -> Encoded:
        words = self.words(batch.words, batch.times_s, batch.words_mask)
        sound_rows, sound_mask = self.sound(batch.sound, batch.sound_mask)
        measured = self.standard(batch.descriptors)
        described = torch.where(batch.words_mask.any(1, keepdim=True), measured, self.told(sound_rows, sound_mask))
        return Encoded(words, batch.words_mask, sound_rows, sound_mask, described)

    def told(self, rows: Tensor, mask: Tensor) -> Tensor:
        """z-scores of descriptors as rows of sound tell them."""
        return self.tell(pooled(rows, mask)).clamp(-CLIP, CLIP)

    def standard(self, described: Tensor) -> Tensor:
        """z-scores of descriptors."""
        return ((described - self.centre) / self.scale).clamp(-CLIP, CLIP)


def pooled(rows: Tensor, mask: Tensor) -> Tensor:
    """Mean and standard deviation (B, 2d) of the rows that are there."""
    weight = mask.unsqueeze(-1).to(rows.dtype)
    count = weight.sum(1).clamp_min(1)
    middle = (rows * weight).sum(1) / count
    spread = (((rows - middle.unsqueeze(1)) ** 2 * weight).sum(1) / count + 1e-5).sqrt()
    return torch.cat([middle, spread], dim=1)


def _chunks(rows: Tensor) -> Tensor:
    """(B, N, ...) as (B * C, CHUNK, ...), the last chunk filled up with zeros."""
    missing = -rows.shape[1] % CHUNK
    padded = nn.functional.pad(rows, [0, 0] * (rows.ndim - 2) + [0, missing])
    return padded.unflatten(1, (-1, CHUNK)).flatten(0, 1)
