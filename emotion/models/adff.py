"""ADFF: emotion from a log-mel by several levels of a VGG (Huang and others, Interspeech 2022, arXiv 2204.05649).

At the last levels of a VGG over a log-mel, squeeze-and-excitation (Hu and others, CVPR 2018) weighs the channels, and a
recurrent layer with attention pools over time. The levels and descriptors of the log-mel (emotion.features.acoustics)
are fused to a quadrant and a point on the affect plane. The paper cuts a clip into parts that become the channels of
one shorter picture, and gives no sizes. Here the blocks are either trained with the rest (`cuts` of 1 or more, small
enough for a CPU) or, which is far better with a few hundred clips, those of a published tagger, frozen
(emotion.features.taggers.VGG; `cuts` 0). Shapes: B segments, T rows, M patches of 3 s.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import rnn

from emotion import checkpoint
from emotion.affect import QUADRANTS
from emotion.features import acoustics
from emotion.features.taggers import LEVEL_ROWS, LEVEL_WIDTH, LEVELS
from emotion.judge import AUDIO, Segment
from emotion.runtime import resolve_device

KIND = NAME = "adff"
WEIGHTS = checkpoint.SHIPPED / "adff"
LONGEST_S = 60.0
DEEPEST_DB = 60.0  # below the loud rows of a sound; what is fainter counts as this faint
CLIP = 4.0  # standard deviations beyond which a number is no further away
EVERY = 4  # log-mel rows that are averaged to one before blocks of our own
SMALLEST = 2**5  # rows that five halvings leave one of
RECURRENT = MappingProxyType({"lstm": nn.LSTM, "gru": nn.GRU})


@dataclass(frozen=True)
class ADFFConfig:
    """cuts      into how many parts the rows are cut, stacked as channels; 0: the published blocks
    widths    channels of our own blocks
    levels    which blocks' outputs are used, counted from 1
    squeeze   by how much squeeze-and-excitation narrows; 0 leaves it out
    recurrent "lstm" or "gru", `hidden` wide in each direction
    numbers   how many numbers of the log-mel are fused with the levels; 0 leaves them out
    width     of what all that is fused to
    members   networks of other seeds whose outputs are averaged
    """

    cuts: int = 0
    widths: tuple[int, ...] = (8, 16, 24, 32, 48)
    levels: tuple[int, ...] = LEVELS
    squeeze: int = 16
    recurrent: str = "lstm"
    hidden: int = 48
    numbers: int = 176
    width: int = 128
    dropout: float = 0.5
    members: int = 2


class Level(nn.Module):
    """The temporal module of one level: (B, 2H) of rows (B, T, C), those of mask (B, T)."""

    def __init__(self, width: int, config: ADFFConfig) -> None:
        super().__init__()
        self.normal = nn.LayerNorm(width)
        self.squeeze = _squeeze(width, config.squeeze) if config.squeeze else None
        self.drop = nn.Dropout(config.dropout / 2)
        self.recurrent = RECURRENT[config.recurrent](width, config.hidden, batch_first=True, bidirectional=True)
        self.attend = nn.Linear(2 * config.hidden, 1)

    def forward(self, rows: Tensor, mask: Tensor) -> Tensor:
        rows = self.normal(rows)
        if self.squeeze is not None:
            whole = (rows * mask.unsqueeze(2)).sum(1) / mask.sum(1, keepdim=True)
            rows = rows * self.squeeze(whole).unsqueeze(1)
        states = self._recurrent_rows(self.drop(rows), mask)
        weights = self.attend(states).masked_fill(~mask.unsqueeze(2), -torch.inf).softmax(1)
        pooled: Tensor = (weights * states).sum(1)
        return pooled

    def _recurrent_rows(self, rows: Tensor, mask: Tensor) -> Tensor:
        """States (B, T, 2H) without influence of padding, which the backward direction would otherwise begin with."""
        if mask.all():
            states: Tensor = self.recurrent(rows)[0]
        else:
            lengths = mask.sum(1).cpu()  # torch takes them from the CPU alone
            packed = rnn.pack_padded_sequence(rows, lengths, batch_first=True, enforce_sorted=False)
            found = self.recurrent(packed)[0]
            states = rnn.pad_packed_sequence(found, batch_first=True, total_length=mask.shape[1])[0]
        return states


def _squeeze(width: int, by: int) -> nn.Module:
    narrow = max(width // by, 4)  # a floor for the narrow blocks of our own
    return nn.Sequential(nn.Linear(width, narrow), nn.ReLU(), nn.Linear(narrow, width), nn.Sigmoid())


class Blocks(nn.Module):
    """Blocks of our own: the levels (B, T, C) of log-mel rows (B, T, 96), each the mean over bands."""

    def __init__(self, config: ADFFConfig) -> None:
        super().__init__()
        self.config = config
        given = (config.cuts, *config.widths)
        self.filters = nn.ModuleList(
            nn.Conv2d(*pair, 3, padding=1, bias=False) for pair in zip(given, config.widths, strict=False)
        )
        self.normals = nn.ModuleList(nn.BatchNorm2d(width) for width in config.widths)

    def forward(self, mel: Tensor) -> list[Tensor]:
        rows, found = stack_cuts(relative(mel), self.config.cuts), []
        for number, (filters, normal) in enumerate(zip(self.filters, self.normals, strict=True), 1):
            rows = functional.max_pool2d(normal(filters(rows)).relu(), 2)
            if number in self.config.levels:
                found.append(rows.mean(3).transpose(1, 2))
        return found


class ADFF(nn.Module):
    """One network: logits of the quadrants and a point on the affect plane."""

    def __init__(self, config: ADFFConfig) -> None:
        super().__init__()
        self.config = config
        self.blocks = Blocks(config) if config.cuts else None
        widths = [config.widths[level - 1] if config.cuts else LEVEL_WIDTH for level in config.levels]
        self.levels = nn.ModuleList(Level(width, config) for width in widths)
        self.describe: nn.Module | None = None
        if config.numbers:
            self.describe = nn.Sequential(
                nn.Dropout(config.dropout / 2), nn.Linear(config.numbers, config.width), nn.ReLU()
            )
        fused = 2 * config.hidden * len(widths) + (config.width if config.numbers else 0)
        self.fuse = nn.Sequential(
            nn.Dropout(config.dropout), nn.Linear(fused, config.width), nn.ReLU(), nn.Dropout(config.dropout)
        )
        self.quadrants = nn.Linear(config.width, len(QUADRANTS))
        self.affect = nn.Linear(config.width, 2)

    def forward(self, rows: Tensor, mask: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 4) logits and (B, 2) valence and arousal, of published levels (B, M, 36, 128), those of mask (B, M).

        `numbers` (B, D) are standard scores, and not used where the config has none. With blocks of our own,
        `rows` are log-mel (B, T, 96), all of one length, and the mask is ignored.
        """
        if self.blocks is None:
            levels = [found for number, found in zip(LEVELS, split(rows), strict=True) if number in self.config.levels]
            masks = [mask.repeat_interleave(found.shape[1] // mask.shape[1], 1) for found in levels]
        else:
            levels = self.blocks(rows)
            masks = [torch.ones(found.shape[:2], dtype=torch.bool, device=found.device) for found in levels]
        outputs = [level(*each) for level, *each in zip(self.levels, levels, masks, strict=True)]
        if self.describe is not None:
            outputs.append(self.describe(numbers))
        fused = self.fuse(torch.cat(outputs, 1))
        return self.quadrants(fused), self.affect(fused).tanh()


def split(rows: Tensor) -> Sequence[Tensor]:
    """The levels (B, M t, 128) of published rows (B, M, 36, 128), t moments a patch: 11, 5 and 2."""
    levels = torch.split(rows, list(LEVEL_ROWS), 2)
    thin = [functional.avg_pool2d(level, (2, 1)) if level.shape[2] > 2 else level for level in levels]
    return [level.flatten(1, 2) for level in thin]


def relative(mel: Tensor) -> Tensor:
    """Rows (B, T, 96) of decibels as -1 to about 1, whatever the level of the whole: 0 is half of DEEPEST_DB down."""
    # a quantile rather than the maximum: one click must not move the reference
    loud = torch.quantile(mel.amax(2), 0.95, dim=1)[:, None, None]
    return ((mel - loud) / (DEEPEST_DB / 2) + 1).clamp(-1, 2)


def stack_cuts(rows: Tensor, cuts: int) -> Tensor:
    """(B, cuts, T', 96) of rows (B, T, 96): averaged in time, repeated where there are too few, cut and stacked."""
    thin = functional.avg_pool2d(rows, (EVERY, 1))
    least = cuts * SMALLEST
    if thin.shape[1] < least:
        thin = thin.repeat(1, -(-least // thin.shape[1]), 1)[:, :least]
    length = thin.shape[1] // cuts
    return thin[:, : length * cuts].reshape(len(thin), cuts, length, -1)


class ADFFEnsemble(nn.Module):
    """Networks of several seeds, and the temperature that calibrates their logits."""

    temperature: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(self, config: ADFFConfig) -> None:
        super().__init__()
        self.config = config
        self.networks = nn.ModuleList(ADFF(config) for _ in range(config.members))
        self.register_buffer("temperature", torch.ones(1))
        self.register_buffer("centre", torch.zeros(config.numbers))
        self.register_buffer("scale", torch.ones(config.numbers))

    def standard(self, numbers: Tensor) -> Tensor:
        """Scores (B, D) of numbers (B, D) of emotion.features.acoustics, none beyond CLIP."""
        return ((numbers - self.centre) / self.scale).clamp(-CLIP, CLIP) if self.config.numbers else numbers

    def forward(self, rows: Tensor, mask: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 4) logits and (B, 2) points: the networks' means; numbers as of emotion.features.acoustics."""
        outputs = [network(rows, mask, self.standard(numbers)) for network in self.networks]
        logits, affect = (torch.stack(each).mean(0) for each in zip(*outputs, strict=True))
        return logits / self.temperature, affect


@dataclass(frozen=True)
class ADFFModel:
    """An ADFFEnsemble behind the interface of a judge (emotion.judge.EmotionModel)."""

    model: ADFFEnsemble
    sha256: str
    name: str = NAME
    modalities: frozenset[str] = frozenset({AUDIO})
    longest_s: float = LONGEST_S
    frontends: tuple[str, ...] = ("vgg",)

    @torch.inference_mode()
    def predict(self, segments: Sequence[Segment]) -> NDArray[np.float32]:
        """(S, 6): valence, arousal, probabilities of the quadrants."""
        numbers = torch.from_numpy(np.stack([acoustics.describe(_mel(segment)) for segment in segments]))
        device = next(self.model.parameters()).device
        inputs = (*padded([segment.rows["vgg"] for segment in segments]), numbers)
        logits, affect = self.model(*(each.to(device) for each in inputs))
        return torch.cat([affect, logits.softmax(1)], 1).cpu().numpy()


def _mel(segment: Segment) -> NDArray[np.float32]:
    if segment.mel is None:
        raise ValueError("ADFF was given a segment without sound, which the judge should have left out")
    return segment.mel


def padded(rows: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
    """Rows (M, 36, 128) of several segments as one batch, and the mask (M, patches)."""
    longest = max(map(len, rows))
    batch, mask = torch.zeros(len(rows), longest, *rows[0].shape[1:]), torch.zeros(len(rows), longest, dtype=torch.bool)
    for index, each in enumerate(rows):
        batch[index, : len(each)] = torch.from_numpy(each)
        mask[index, : len(each)] = True
    return batch, mask


def load(folder: Path | None = None, *, device: str | None = None) -> ADFFModel:
    """The trained judge on a device. Raises CheckpointError."""
    found = checkpoint.load(folder or checkpoint.weights_folder(WEIGHTS), kind=KIND)

    def config_of(widths: Sequence[int], levels: Sequence[int], **others: Any) -> ADFFConfig:
        return ADFFConfig(widths=tuple(widths), levels=tuple(levels), **others)  # JSON has lists

    model = ADFFEnsemble(checkpoint.dimensions(found, config_of))
    # the layer's name in the weights that ship is older
    tensors = {name.replace(".follow.", ".recurrent."): tensor for name, tensor in found.tensors.items()}
    checkpoint.fill(model, replace(found, tensors=tensors))
    return ADFFModel(model.to(resolve_device(device)), found.sha256)
