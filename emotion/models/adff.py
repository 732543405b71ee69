"""ADFF: what a log-mel alone tells, at several levels of a VGG (Huang and others, Interspeech 2022, arXiv 2204.05649).

Blocks of a VGG look at a log-mel; at the last levels squeeze-and-excitation (Hu and others, CVPR 2018) weighs the
channels, a recurrent layer follows time and attention keeps the moments that count; the levels, and numbers of what the
log-mel does (emotion.features.acoustics), are fused to a quadrant and a place on the plane. The paper cuts a clip into stretches
that become the channels of one shorter picture, and gives no sizes. Here the blocks are either trained with the rest
(`cuts` of 1 or more, small enough for no GPU) or, what is better by far with a few hundred clips, those of a published
tagger (emotion.features.taggers.VGG), as they are (`cuts` 0).
"""

from collections.abc import Sequence
from dataclasses import dataclass
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

KIND = NAME = "adff"
WEIGHTS = Path(__file__).parent.parent / "weights" / "adff"
LONGEST_S = 60.0
DEEPEST_DB = 60.0  # below the loud rows of a sound; what is fainter counts as this faint
CLIP = 4.0  # standard deviations beyond which a number is no further away
EVERY = 4  # log-mel rows that are averaged to one before blocks of our own
SMALLEST = 2**5  # rows that five halvings leave one of
RECURRENT = MappingProxyType({"lstm": nn.LSTM, "gru": nn.GRU})


@dataclass(frozen=True)
class ADFFConfig:
    """cuts      into how many stretches the rows are cut, stacked as channels; 0: the published blocks
    widths    channels of our own blocks
    levels    which blocks' output is listened to, counted from 1
    squeeze   by how much squeeze-and-excitation narrows; 0 leaves it out
    recurrent "lstm" or "gru", `hidden` wide in each direction
    numbers   how many numbers of the log-mel are fused with the levels; 0 leaves them out
    width     of what all that is fused to
    members   networks of other seeds whose answers are averaged
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
        self.follow = RECURRENT[config.recurrent](width, config.hidden, batch_first=True, bidirectional=True)
        self.attend = nn.Linear(2 * config.hidden, 1)

    def forward(self, seen: Tensor, mask: Tensor) -> Tensor:
        seen = self.normal(seen)
        if self.squeeze is not None:
            whole = (seen * mask.unsqueeze(2)).sum(1) / mask.sum(1, keepdim=True)
            seen = seen * self.squeeze(whole).unsqueeze(1)
        followed = self._followed(self.drop(seen), mask)
        weights = self.attend(followed).masked_fill(~mask.unsqueeze(2), -torch.inf).softmax(1)
        return (weights * followed).sum(1)

    def _followed(self, seen: Tensor, mask: Tensor) -> Tensor:
        """Each as if it were alone: coming from behind, a recurrent layer would begin with what only pads."""
        if mask.all():
            return self.follow(seen)[0]
        packed = rnn.pack_padded_sequence(seen, mask.sum(1), batch_first=True, enforce_sorted=False)
        return rnn.pad_packed_sequence(self.follow(packed)[0], batch_first=True, total_length=mask.shape[1])[0]


def _squeeze(width: int, by: int) -> nn.Module:
    narrow = max(width // by, 4)
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
        seen, found = cut(relative(mel), self.config.cuts), []
        for number, (filters, normal) in enumerate(zip(self.filters, self.normals, strict=True), 1):
            seen = functional.max_pool2d(normal(filters(seen)).relu(), 2)
            if number in self.config.levels:
                found.append(seen.mean(3).transpose(1, 2))
        return found


class ADFF(nn.Module):
    """Logits of the quadrants and a place on the plane."""

    def __init__(self, config: ADFFConfig) -> None:
        super().__init__()
        self.config = config
        self.blocks = Blocks(config) if config.cuts else None
        widths = [config.widths[level - 1] if config.cuts else LEVEL_WIDTH for level in config.levels]
        self.levels = nn.ModuleList(Level(width, config) for width in widths)
        self.describe = _describe(config) if config.numbers else None
        fused = 2 * config.hidden * len(widths) + (config.width if config.numbers else 0)
        self.fuse = nn.Sequential(
            nn.Dropout(config.dropout), nn.Linear(fused, config.width), nn.ReLU(), nn.Dropout(config.dropout)
        )
        self.quadrants = nn.Linear(config.width, len(QUADRANTS))
        self.affect = nn.Linear(config.width, 2)

    def forward(self, rows: Tensor, mask: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 4) logits and (B, 2) valence and arousal, of published levels (B, M, 36, 128), those of mask (B, M).

        `numbers` (B, D) are standard scores, and not looked at where the config has none. Where the blocks are our own:
        of log-mel rows (B, T, 96), all of one length; the mask says nothing then.
        """
        if self.blocks is None:
            levels = [found for number, found in zip(LEVELS, split(rows), strict=True) if number in self.config.levels]
            masks = [mask.repeat_interleave(found.shape[1] // mask.shape[1], 1) for found in levels]
        else:
            levels = self.blocks(rows)
            masks = [torch.ones(found.shape[:2], dtype=torch.bool) for found in levels]
        told = [level(*each) for level, *each in zip(self.levels, levels, masks, strict=True)]
        if self.describe is not None:
            told.append(self.describe(numbers))
        fused = self.fuse(torch.cat(told, 1))
        return self.quadrants(fused), self.affect(fused).tanh()


def _describe(config: ADFFConfig) -> nn.Module:
    return nn.Sequential(nn.Dropout(config.dropout / 2), nn.Linear(config.numbers, config.width), nn.ReLU())


def split(rows: Tensor) -> Sequence[Tensor]:
    """The levels (B, M t, 128) of published rows (B, M, 36, 128), t moments a patch: 11, 5 and 2."""
    levels = rows.split(LEVEL_ROWS, 2)
    thin = [functional.avg_pool2d(level, (2, 1)) if level.shape[2] > 2 else level for level in levels]
    return [level.flatten(1, 2) for level in thin]


def relative(mel: Tensor) -> Tensor:
    """Rows (B, T, 96) of decibels as -1 to about 1, whatever the level of the whole: 0 is half of DEEPEST_DB down."""
    loud = torch.quantile(mel.amax(2), 0.95, dim=1)[:, None, None]
    return ((mel - loud) / (DEEPEST_DB / 2) + 1).clamp(-1, 2)


def cut(rows: Tensor, cuts: int) -> Tensor:
    """(B, cuts, T', 96) of rows (B, T, 96): averaged in time, repeated where there are too few, cut and stacked."""
    thin = functional.avg_pool2d(rows, (EVERY, 1))
    least = cuts * SMALLEST
    if thin.shape[1] < least:
        thin = thin.repeat(1, -(-least // thin.shape[1]), 1)[:, :least]
    length = thin.shape[1] // cuts
    return thin[:, : length * cuts].unflatten(1, (cuts, length))


class Ensemble(nn.Module):
    """Networks of several seeds, and what their logits are to be divided by to be probabilities that hold."""

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
        """(B, 4) logits and (B, 2) places: the networks' means. The numbers are as emotion.features.acoustics gives them."""
        told = [network(rows, mask, self.standard(numbers)) for network in self.networks]
        logits, affect = (torch.stack(each).mean(0) for each in zip(*told, strict=True))
        return logits / self.temperature, affect


@dataclass(frozen=True)
class ADFFModel:
    """An Ensemble as a judge asks it (emotion.judge.EmotionModel)."""

    model: Ensemble
    sha256: str
    name: str = NAME
    hears: frozenset[str] = frozenset({AUDIO})
    longest_s: float = LONGEST_S
    frontends: tuple[str, ...] = ("vgg",)

    @torch.inference_mode()
    def predict(self, stretches: Sequence[Segment]) -> NDArray[np.float32]:
        """(S, 6): valence, arousal, probabilities of the quadrants."""
        numbers = torch.from_numpy(np.stack([acoustics.describe(_mel(stretch)) for stretch in stretches]))
        logits, affect = self.model(*padded([stretch.rows["vgg"] for stretch in stretches]), numbers)
        return torch.cat([affect, logits.softmax(1)], 1).numpy()


def _mel(stretch: Segment) -> NDArray[np.float32]:
    if stretch.mel is None:
        raise ValueError("ADFF was given a stretch without sound, which the judge should have kept back")
    return stretch.mel


def padded(rows: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
    """Rows (M, 36, 128) of several stretches as one batch, and which of them are there."""
    longest = max(map(len, rows))
    batch, mask = torch.zeros(len(rows), longest, *rows[0].shape[1:]), torch.zeros(len(rows), longest, dtype=torch.bool)
    for index, each in enumerate(rows):
        batch[index, : len(each)] = torch.from_numpy(each)
        mask[index, : len(each)] = True
    return batch, mask


def load(folder: Path = WEIGHTS) -> ADFFModel:
    """The trained judge. Raises CheckpointError."""
    found = checkpoint.load(folder, kind=KIND)
    model = Ensemble(checkpoint.dimensions(found, _config))
    checkpoint.fill(model, found)
    return ADFFModel(model, found.sha256)


def _config(widths: Sequence[int], levels: Sequence[int], **others: Any) -> ADFFConfig:
    return ADFFConfig(widths=tuple(widths), levels=tuple(levels), **others)
