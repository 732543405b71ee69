"""Train the AMT on MuVi-Sync: next-chord cross-entropy plus the affective loss on real positions."""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from emotion.affect import EMOTIONS
from video2music.chords import N_CHORDS, PAD, QUALITIES
from video2music.data.batches import Batch, drop_modalities, shuffled, statistics
from video2music.data.muvi_sync import Song, load_split
from video2music.evaluate import chords, report
from video2music.model.affect import ALLOWED_MATRIX
from video2music.model.amt import AMT, CONFIGS, save
from video2music.model.picture import Picture
from video2music.train import card
from video2music.train.fit import Recipe, fit

log = logging.getLogger(__name__)

RECIPE = Recipe(epochs=10, batch=8, rate=8e-4, warmup_steps=100, decay=0.05)
AFFECTIVE_WEIGHT = 0.05
LABEL_SMOOTHING = 0.05
DROP_RATES = (0.4, 0.15, 0.15)  # semantic rows are absent with the default encoder, so they go most often


def train(data: Path, out: Path, *, config: str = "shipped", recipe: Recipe = RECIPE) -> dict[str, Any]:
    """Train on MuVi-Sync at `data`, write weights, config and card to `out`, return the report on test."""
    songs, validation = load_split(data, "train"), load_split(data, "val")
    torch.manual_seed(recipe.seed)
    model = AMT(CONFIGS[config])
    model.picture.set_statistics(statistics(songs))
    model.train()
    history = fit(
        model,
        lambda generator: shuffled(songs, recipe.batch, generator),
        lambda batch, generator: loss(model, batch, generator),
        lambda: _validate(model, validation),
        recipe=recipe,
        n_batches=-(-len(songs) // recipe.batch),
        folder=out,
        dimensions=asdict(model.config),
    )
    reports = [_report(model, load_split(data, split), split, recipe.seed, config) for split in ("val", "test")]
    training = {
        "recipe": asdict(recipe),
        "affective_weight": AFFECTIVE_WEIGHT,
        "label_smoothing": LABEL_SMOOTHING,
        "drop_rates": DROP_RATES,
        "epochs_run": len(history),
    }
    save(model, out, training=training)
    card.write(out, card.AMT, reports=reports, details=training)
    return reports[-1]


def loss(model: AMT, batch: Batch, generator: torch.Generator) -> Tensor:
    """Mean cross-entropy a chord, plus the weighted affective loss."""
    limit = model.config.max_steps
    previous, following = batch.previous[:, :limit], batch.following[:, :limit]
    logits = model(previous, batch.minor, drop_modalities(batch.picture, DROP_RATES, generator))
    surprise = functional.cross_entropy(
        logits.flatten(0, 1), following.flatten(), ignore_index=PAD, label_smoothing=LABEL_SMOOTHING
    )
    return surprise + AFFECTIVE_WEIGHT * affective_loss(logits, batch.picture)


def affective_loss(logits: Tensor, picture: Picture) -> Tensor:
    """Mean of -log P(a quality that the step's strongest emotion allows), over real steps with such an emotion.

    This is the Kullback-Leibler divergence from the model's own distribution restricted to the allowed qualities, on
    the 13 qualities' marginal, where the published loss takes a BCE of all 159 logits, padding included.
    """
    steps = min(logits.shape[1], picture.mask.shape[1])
    by_quality = logits[:, :steps, 1:N_CHORDS].unflatten(-1, (-1, len(QUALITIES))).logsumexp(2).log_softmax(-1)
    strongest = picture.emotion[:, :steps].argmax(-1)
    allowed = torch.from_numpy(ALLOWED_MATRIX).to(logits.device)[strongest]
    counted = picture.mask[:, :steps] & (strongest != EMOTIONS.index("neutral"))
    surprise = -by_quality.masked_fill(allowed == 0, -1e9).logsumexp(-1)
    return (surprise * counted).sum() / counted.sum().clamp(min=1)


def _validate(model: AMT, songs: Sequence[Song]) -> float:
    """Negative log-likelihood with all modalities and without the semantic rows, the two ways it is used."""
    with_all, without = (report.means(chords.amt(model, songs, hide=hide)) for hide in ((), ("semantic",)))
    log.info("val  hits@1 %.4f  without semantics %.4f", with_all["hits@1"], without["hits@1"])
    return float(np.mean([with_all["nll"], without["nll"]]))


def _report(model: AMT, songs: Sequence[Song], split: str, seed: int, name: str) -> dict[str, Any]:
    rows = {
        "repeat previous": chords.repeat_previous(songs),
        name: chords.amt(model, songs),
        f"{name}, no semantic rows": chords.amt(model, songs, hide=("semantic",)),
        f"{name}, no video": chords.amt(model, songs, hide=("semantic", "emotion", "movement")),
    }
    return report.build("chords", "muvi_sync", split, [seed], {name: [songs] for name, songs in rows.items()})
