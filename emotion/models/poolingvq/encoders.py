"""The frozen encoders of PoolingVQ: notes and sound to rows, as the paper freezes MIDI-BERT and MERT.

Notes go through a small BERT over compound tokens, as in MIDI-BERT; sound goes through convolutions over log-mel, or
comes as MERT's rows. Both are pre-trained on music without labels (emotion.models.poolingvq.pretraining). The audio
encoder is trained to predict the descriptors of the notes that are played; its predictions replace the descriptors
where there are no notes.
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

CHUNK = 192  # tokens in the context of the BERT
POSITIONS_PER_S = 2
LAST_POSITION = 64 * POSITIONS_PER_S  # tokens of a sparse chunk that come later share it
CLIP = 4.0  # standard deviations beyond which a descriptor counts as no further away
CLIP_DB = 60.0  # below the loudest rows of a segment


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
    max_tokens: int = 2048
    n_descriptors: int = len(descriptors.NAMES)
    sizes: tuple[int, ...] = ()


class TokenEncoder(nn.Module):
    """Compound tokens to rows: each column's embedding, concatenated and mixed, then BERT."""

    def __init__(self, config: EncodersConfig) -> None:
        super().__init__()
        each = config.width // 4
        self.tables = nn.ModuleList(nn.Embedding(size, each) for size in config.sizes)
        self.mix = nn.Linear(each * len(config.sizes), config.width)
        self.width = config.width
        self.bert = _bert(config)

    def forward(self, tokens: Tensor, times_s: Tensor, mask: Tensor) -> Tensor:
        """(B, N, d) of tokens (B, N, 6) at times (B, N), each CHUNK of them by itself, as in pre-training."""
        size, length = mask.shape
        parts = [_chunks(rows) for rows in (tokens, times_s, mask)]
        there = parts[2].any(1)  # chunks of padding alone would have no key to attend to
        rows = torch.zeros(*parts[2].shape, self.width, device=mask.device)
        if there.any():
            rows[there] = self._chunk(*(part[there] for part in parts))
        return rows.reshape(size, -1, self.width)[:, :length]

    def _chunk(self, tokens: Tensor, times_s: Tensor, mask: Tensor) -> Tensor:
        """BERT over one chunk; a token's position is its half second in the chunk, not its index."""
        embedded = torch.cat([table(tokens[..., column]) for column, table in enumerate(self.tables)], dim=-1)
        positions = ((times_s - times_s[:, :1]) * POSITIONS_PER_S).long().clamp(0, LAST_POSITION)
        output = self.bert(inputs_embeds=self.mix(embedded), attention_mask=mask.long(), position_ids=positions)
        hidden: Tensor = output.last_hidden_state
        return hidden


def _bert(config: EncodersConfig) -> nn.Module:
    """transformers' BertModel at the config's size; tokens come in as embeddings."""
    make_torchvision_importable()
    from transformers import BertConfig, BertModel

    shape = BertConfig(
        vocab_size=1,
        hidden_size=config.width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        intermediate_size=4 * config.width,  # as in BERT
        max_position_embeddings=LAST_POSITION + 1,
        hidden_dropout_prob=config.dropout / 2,
        attention_probs_dropout_prob=config.dropout / 2,
    )
    return BertModel(shape, add_pooling_layer=False)


class AudioEncoder(nn.Module):
    """Log-mel (B, T, 96) to rows (B, T/16, d), three a second: convolutions that also halve the bands four times."""

    STRIDES = ((4, 2), (2, 2), (2, 2), (1, 2))  # in time and in bands
    EACH = 16  # rows of log-mel that become one: the product of the strides in time
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
        """Rows and their mask; levels are relative to the loudest row of a segment, so that gain has no effect."""
        quiet = rows.masked_fill(~mask.unsqueeze(-1), sound.FLOOR_DB)
        loudest = quiet.amax(dim=(1, 2), keepdim=True)
        hidden = (((quiet - loudest).clamp_min(-CLIP_DB) / CLIP_DB + 0.5) * 2).unsqueeze(1)
        for at, (halving, _) in enumerate(self.STRIDES):  # padding is zero to every layer, like what is beyond the end
            hidden = self.blocks[3 * at : 3 * at + 3](hidden * mask[:, None, :, None])
            mask = mask[:, ::halving]
        return self.out(hidden.permute(0, 2, 3, 1).flatten(2)), mask


class MertRows(nn.Module):
    """MERT's rows (B, T, 768), eight averaged to one, to rows of the model's width."""

    WIDTH, EACH = 768, 8
    ROWS_PER_S = 75 / EACH  # MERT has 75 rows a second

    def __init__(self, config: EncodersConfig) -> None:
        super().__init__()
        self.out = nn.Sequential(nn.Linear(self.WIDTH, config.width), nn.LayerNorm(config.width))

    def forward(self, rows: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (B, T/8, d) and their mask."""
        there = mask.unsqueeze(-1).to(rows.dtype)
        total, count = (_eights(part, self.EACH) for part in (rows * there, there))
        return self.out(total / count.clamp_min(1)), mask[:, :: self.EACH]


def _eights(rows: Tensor, each: int) -> Tensor:
    """Sums (B, T/each, D) of every `each` rows (B, T, D)."""
    padded = nn.functional.pad(rows, [0, 0, 0, -rows.shape[1] % each])
    return padded.reshape(len(padded), -1, each, padded.shape[2]).sum(2)


FRONTENDS: Mapping[str, type[AudioEncoder] | type[MertRows]] = MappingProxyType({
    "mel": AudioEncoder,
    "mert": MertRows,
})  # fmt: skip


class Encoded(NamedTuple):
    """A batch as the frozen encoders give it.

    tokens (B, N, d) and their mask, sound (B, T, d) and its mask, z-scored descriptors (B, D), measured on the
    notes, or predicted from the sound where there are none.
    """

    tokens: Tensor
    tokens_mask: Tensor
    sound: Tensor
    sound_mask: Tensor
    described: Tensor


class Encoders(nn.Module):
    """Both encoders, and a head that predicts descriptors from sound; pre-trained on music without labels."""

    centre: Tensor
    scale: Tensor

    def __init__(self, config: EncodersConfig) -> None:
        super().__init__()
        self.tokens, self.sound = TokenEncoder(config), FRONTENDS[config.frontend](config)
        self.sound_rows_per_s = FRONTENDS[config.frontend].ROWS_PER_S
        self.descriptor_head = nn.Linear(2 * config.width, config.n_descriptors)
        self.register_buffer("centre", torch.zeros(config.n_descriptors))
        self.register_buffer("scale", torch.ones(config.n_descriptors))

    def forward(self, batch: SegmentBatch) -> Encoded:
        tokens = self.tokens(batch.tokens, batch.times_s, batch.tokens_mask)
        sound_rows, sound_mask = self.sound(batch.sound, batch.sound_mask)
        measured = self.standard(batch.descriptors)
        described = torch.where(
            batch.tokens_mask.any(1, keepdim=True), measured, self.predicted(sound_rows, sound_mask)
        )
        return Encoded(tokens, batch.tokens_mask, sound_rows, sound_mask, described)

    def predicted(self, rows: Tensor, mask: Tensor) -> Tensor:
        """z-scores (B, D) of descriptors, predicted from rows of sound (B, T, d)."""
        found: Tensor = self.descriptor_head(mean_and_sd(rows, mask)).clamp(-CLIP, CLIP)
        return found

    def standard(self, described: Tensor) -> Tensor:
        """z-scores of descriptors (B, D), none beyond CLIP."""
        return ((described - self.centre) / self.scale).clamp(-CLIP, CLIP)


def mean_and_sd(rows: Tensor, mask: Tensor) -> Tensor:
    """Mean and standard deviation (B, 2d) of the rows that are there."""
    weight = mask.unsqueeze(-1).to(rows.dtype)
    count = weight.sum(1).clamp_min(1)
    middle = (rows * weight).sum(1) / count
    # 1e-5: the root has a finite gradient where all rows are alike
    spread = (((rows - middle.unsqueeze(1)) ** 2 * weight).sum(1) / count + 1e-5).sqrt()
    return torch.cat([middle, spread], dim=1)


def _chunks(rows: Tensor) -> Tensor:
    """(B, N, ...) as (B * C, CHUNK, ...), the last chunk filled up with zeros."""
    missing = -rows.shape[1] % CHUNK
    padded = nn.functional.pad(rows, [0, 0] * (rows.ndim - 2) + [0, missing])
    return padded.reshape(-1, CHUNK, *padded.shape[2:])
