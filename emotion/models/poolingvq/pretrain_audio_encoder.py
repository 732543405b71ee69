"""Self-supervised pre-training of the sound encoder: it hears renders and tells the descriptors of what was played."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from emotion.features import sound
from emotion.models.poolingvq.augmentation import AugmentedPieces
from emotion.models.poolingvq.encoders import AudioEncoder, EncodersConfig, pooled
from emotion.models.poolingvq.segments import SegmentBatch, collate
from emotion.train.loop import LoopConfig, fit

EQ_DB = 9.0  # sd of a smooth random change of the bands' levels
BANDS_HIDDEN, ROWS_HIDDEN = 12, 50  # at most, in each of two stripes

RECIPE = LoopConfig(epochs=22, batch=16, rate=2e-3, warmup_steps=100, patience=22)


class DescriptorHead(nn.Module):
    """A sound encoder and a head that tells z-scored descriptors (B, D) from the mean and spread of its rows."""

    centre: Tensor
    scale: Tensor

    def __init__(self, config: EncodersConfig, described: np.ndarray) -> None:
        super().__init__()
        self.encoder = AudioEncoder(config)
        self.tell = nn.Linear(2 * config.width, config.n_descriptors)
        self.register_buffer("centre", torch.from_numpy(described.mean(0)).float())
        self.register_buffer("scale", torch.from_numpy(described.std(0) + 1e-3).float())

    def loss(self, batch: SegmentBatch) -> Tensor:
        """Mean Huber loss of what is told."""
        told = self.tell(pooled(*self.encoder(batch.sound, batch.sound_mask)))
        truth = ((batch.descriptors - self.centre) / self.scale).clamp(-4, 4)
        return functional.smooth_l1_loss(told, truth)


def coloured(rows: Tensor, generator: torch.Generator) -> Tensor:
    """Log-mel (B, T, 96) as another room and microphone would give it, with stripes of time and pitch hidden."""
    size, length, bands = rows.shape
    shape = functional.interpolate(torch.randn(size, 1, 7, generator=generator), bands, mode="linear")
    rows = rows + EQ_DB * shape
    for _ in range(2):
        rows = rows.masked_fill(_stripes(size, bands, BANDS_HIDDEN, generator).unsqueeze(1), sound.FLOOR_DB)
        rows = rows.masked_fill(_stripes(size, length, ROWS_HIDDEN, generator).unsqueeze(2), sound.FLOOR_DB)
    return rows.clamp_min(sound.FLOOR_DB)


def _stripes(size: int, length: int, widest: int, generator: torch.Generator) -> Tensor:
    """(B, length): one stripe of random place and width each."""
    width = torch.randint(0, widest + 1, (size, 1), generator=generator)
    start = torch.randint(0, length, (size, 1), generator=generator)
    places = torch.arange(length)
    return (places >= start) & (places < start + width)


def pretrain(
    takes: AugmentedPieces, config: EncodersConfig, *, folder: Path, recipe: LoopConfig = RECIPE, version: int = 1
) -> DescriptorHead:
    """The sound encoder and its telling head after training on one version of the pieces; one in twenty validates."""
    indices = np.arange(len(takes.pieces))
    held, used = indices[::20], np.delete(indices, np.s_[::20])
    limits: dict[str, Any] = {"longest_s": config.longest_s, "most_words": config.most_words}
    described = np.stack([takes.whole(int(index), version=version, **limits).descriptors for index in used])
    torch.manual_seed(recipe.seed)
    model = DescriptorHead(config, described)

    def batches(generator: torch.Generator) -> Iterator[SegmentBatch]:
        rng = np.random.default_rng(int(torch.randint(2**31, (), generator=generator)))
        order = rng.permutation(used)
        for start in range(0, len(order) - recipe.batch + 1, recipe.batch):
            chosen = order[start : start + recipe.batch].tolist()
            batch = collate([takes.crop(index, version, rng, **limits) for index in chosen])
            yield batch._replace(sound=coloured(batch.sound, generator))

    @torch.inference_mode()
    def validate() -> float:
        rows = [takes.whole(int(index), version=version, **limits) for index in held]
        return float(np.mean([model.loss(collate(rows[at : at + 16])).item() for at in range(0, len(rows), 16)]))

    fit(
        model,
        batches,
        lambda batch, _: model.loss(batch),
        validate,
        recipe=recipe,
        n_batches=len(used) // recipe.batch,
        folder=folder,
        dimensions={"channels": config.channels, "width": config.width},
    )
    return model
