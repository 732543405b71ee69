"""Training of the regressor on MuVi-Sync: z-scored density and loudness, loss of RMSE per song and correlation."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotion import report
from emotion.runtime import resolve_device
from emotion.train.loop import LoopConfig, fit
from video2music.data.batches import SongBatch, batch_of, drop_modalities, on_device, shuffled, statistics
from video2music.data.muvi_sync import Song, load_split
from video2music.evaluate.models import scores
from video2music.model.regressor import Regressor, RegressorConfig, save
from video2music.model.video import MODALITIES
from video2music.train import card

RECIPE = LoopConfig(epochs=12, batch=16, rate=2e-3, warmup_steps=50, decay=0.05, patience=5)
CORRELATION_WEIGHT = 0.1
VARIANTS: Mapping[str, tuple[float, float, float]] = MappingProxyType({
    "shipped": (0.3, 0.05, 0.05),
    "no video": (1.0, 1.0, 1.0),
})  # fmt: skip
"""How often each modality is hidden from a song in training."""


def train(data: Path, out: Path, *, name: str = "shipped", seed: int = 0) -> dict[str, Any]:
    """Train a variant on MuVi-Sync at `data`, write weights, config and card to `out`, return the report on test."""
    drop_rates = VARIANTS[name]
    recipe = replace(RECIPE, seed=seed)
    songs, validation = load_split(data, "train"), load_split(data, "val")
    torch.manual_seed(recipe.seed)
    model = Regressor(RegressorConfig()).to(resolve_device())
    model.inputs.set_statistics(statistics(songs))
    truth = np.concatenate([scores.true_dynamics(song) for song in songs])
    model.target_mean.copy_(torch.from_numpy(truth.mean(0)))
    model.target_scale.copy_(torch.from_numpy(truth.std(0)))
    model.train()
    history = fit(
        model,
        lambda generator: shuffled(songs, recipe.batch, generator),
        lambda batch, generator: loss(model, batch, generator, drop_rates=drop_rates),
        lambda: _validate(model, validation, drop_rates),
        recipe=recipe,
        n_batches=-(-len(songs) // recipe.batch),
        folder=out,
        dimensions=asdict(model.config) | {"drop_rates": drop_rates},
    )
    model.cpu()
    model.spread.copy_(_spread(model, validation))
    reports = [_report(model, truth.mean(0), load_split(data, split), split, recipe.seed) for split in ("val", "test")]
    training = {
        "variant": name,
        "recipe": asdict(recipe),
        "correlation_weight": CORRELATION_WEIGHT,
        "drop_rates": drop_rates,
        "validation": [round(row["validation"], 4) for row in history],
        "seconds": round(sum(row["seconds"] for row in history)),
    }
    save(model, out, training=training)
    card.write(out, card.REGRESSOR, reports=reports, details=training)
    return reports[-1]


def loss(
    model: Regressor,
    batch: SongBatch,
    generator: torch.Generator,
    *,
    drop_rates: Sequence[float] = VARIANTS["shipped"],
) -> Tensor:
    """Mean over songs of the RMSE of the z-scores, as it is reported, and 1 - Pearson's r against collapse.

    Every member of the ensemble has its own loss: trained for the loss of their mean they generalise worse.
    """
    device = model.target_mean.device
    video = on_device(drop_modalities(batch.video, drop_rates, generator), device)
    predicted = model.member_scores(video)
    mask = video.mask[..., None].float()
    truth = (batch.dynamics.to(device) - model.target_mean) / model.target_scale * mask
    squared = ((predicted - truth) ** 2 * mask).sum(-2) / mask.sum(-2)
    # 1e-4: the root has a finite gradient at 0
    return (squared + 1e-4).sqrt().mean() + CORRELATION_WEIGHT * (1 - _correlation(predicted, truth, mask).mean())


def _correlation(a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
    """Pearson's r (..., B, 2) over the real rows of each song."""
    n = mask.sum(-2)
    a = (a - ((a * mask).sum(-2) / n).unsqueeze(-2)) * mask
    b = (b - ((b * mask).sum(-2) / n).unsqueeze(-2)) * mask
    return (a * b).sum(-2) / ((a**2).sum(-2) * (b**2).sum(-2)).clamp(min=1e-6).sqrt()


def _validate(model: Regressor, songs: Sequence[Song], drop_rates: Sequence[float]) -> float:
    """Padded errors in units of the targets' deviation, with and without the semantic rows, the two ways it is used.

    Modalities that are hidden throughout training stay hidden.
    """
    scale = model.target_scale.tolist()
    never = tuple(name for name, rate in zip(MODALITIES, drop_rates, strict=True) if rate == 1)
    rows = [report.means(scores.regressor_scores(model, songs, hide=(*never, *hide))) for hide in ((), ("semantic",))]
    errors = [(row["density_rmse_padded"] / scale[0], row["loudness_rmse_padded"] / scale[1]) for row in rows]
    return float(np.mean(errors))


@torch.inference_mode()
def _spread(model: Regressor, songs: Sequence[Song]) -> Tensor:
    """Deviation of the true z-scores over that of the predicted ones, without semantic rows, at least 1, (2,)."""
    batch = batch_of(songs)
    present = batch.video.present.clone()
    present[:, 0] = False  # the semantic rows, which the encoder that needs no download does not have
    predicted = model.scores(batch.video._replace(present=present))[batch.video.mask]
    truth = (batch.dynamics[batch.video.mask] - model.target_mean) / model.target_scale
    return (truth.std(0) / predicted.std(0)).clamp(min=1)


def _report(
    model: Regressor, mean: NDArray[np.float32], songs: Sequence[Song], split: str, seed: int
) -> dict[str, Any]:
    rows = {
        "train mean": scores.constant_dynamics_scores(mean, songs),
        "shipped": scores.regressor_scores(model, songs),
        "shipped, no semantic rows": scores.regressor_scores(model, songs, hide=("semantic",)),
    }
    return report.build("dynamics", "muvi_sync", split, [seed], {name: [songs] for name, songs in rows.items()})
