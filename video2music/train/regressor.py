"""Train the regressor on MuVi-Sync: z-scored density and loudness, each song's RMSE and a correlation term."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emotion import report
from emotion.train.loop import Recipe, fit
from video2music.data.batches import Batch, batch_of, drop_modalities, shuffled, statistics
from video2music.data.muvi_sync import Song, load_split
from video2music.evaluate.models import dynamics
from video2music.model.regressor import Regressor, RegressorConfig, save
from video2music.model.video import MODALITIES
from video2music.train import card

RECIPE = Recipe(epochs=12, batch=16, rate=2e-3, warmup_steps=50, decay=0.05, patience=5)
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
    model = Regressor(RegressorConfig())
    model.rows.set_statistics(statistics(songs))
    truth = _truth(songs)
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
    batch: Batch,
    generator: torch.Generator,
    *,
    drop_rates: Sequence[float] = VARIANTS["shipped"],
) -> Tensor:
    """Mean over songs of the RMSE of the z-scores, as it is reported, and 1 - Pearson's r against collapse.

    Each member has its own: the mean of members that were trained to be good as a mean generalises worse.
    """
    predicted = model.each(drop_modalities(batch.picture, drop_rates, generator))
    mask = batch.picture.mask[..., None].float()
    truth = (batch.dynamics - model.target_mean) / model.target_scale * mask
    squared = ((predicted - truth) ** 2 * mask).sum(-2) / mask.sum(-2)
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
    rows = [report.means(dynamics.regressor(model, songs, hide=(*never, *hide))) for hide in ((), ("semantic",))]
    errors = [(row["density_rmse_padded"] / scale[0], row["loudness_rmse_padded"] / scale[1]) for row in rows]
    return float(np.mean(errors))


@torch.inference_mode()
def _spread(model: Regressor, songs: Sequence[Song]) -> Tensor:
    """Deviation of the true z-scores over that of the predicted ones, without semantic rows, at least 1, (2,)."""
    batch = batch_of(songs)
    present = batch.picture.present.clone()
    present[:, 0] = False
    predicted = model.scores(batch.picture._replace(present=present))[batch.picture.mask]
    truth = (batch.dynamics[batch.picture.mask] - model.target_mean) / model.target_scale
    return (truth.std(0) / predicted.std(0)).clamp(min=1)


def _report(model: Regressor, mean: np.ndarray, songs: Sequence[Song], split: str, seed: int) -> dict[str, Any]:
    rows = {
        "train mean": dynamics.constant(mean, songs),
        "shipped": dynamics.regressor(model, songs),
        "shipped, no semantic rows": dynamics.regressor(model, songs, hide=("semantic",)),
    }
    return report.build("dynamics", "muvi_sync", split, [seed], {name: [songs] for name, songs in rows.items()})


def _truth(songs: Sequence[Song]) -> np.ndarray:
    return np.concatenate([np.stack([song.density, song.loudness], axis=1) for song in songs])
