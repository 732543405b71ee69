"""Train the AMT: first on chord lists without video, then on MuVi-Sync, by next-chord and affective loss."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from video2music.chords import N_CHORDS, PAD, QUALITIES, VOCABULARY_SIZE
from video2music.data import chord_lists
from video2music.data.batches import Batch, drop_modalities, shuffled, statistics
from video2music.data.chord_lists import ChordList
from video2music.data.muvi_sync import Song, load_split
from video2music.evaluate import chords, report
from video2music.model.affect import ALLOWED_MATRIX
from video2music.model.amt import AMT, CONFIGS, AMTConfig, save
from video2music.model.picture import Picture
from video2music.train import card
from video2music.train.fit import Recipe, fit

log = logging.getLogger(__name__)

RECIPE = Recipe(epochs=6, batch=8, rate=1.5e-3, warmup_steps=100, decay=0.05)
PRETRAINING = Recipe(epochs=3, batch=8, rate=1.5e-3, warmup_steps=100, decay=0.05, last_rate=0.3)
LABEL_SMOOTHING = 0.05
SPEEDS = 0.15  # pre-training plays each song up to this much slower or faster, as a natural logarithm
NOT_SEEN = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Variant:
    """A model to compare: dimensions, recipe, the losses' weights, how often each modality is hidden from a song.

    Semantic rows are absent with the default encoder, so they are hidden most often.
    """

    config: AMTConfig = CONFIGS["shipped"]
    recipe: Recipe = RECIPE
    chord_weight: float = 1.0
    affective_weight: float = 1.0
    drop_rates: tuple[float, float, float] = (0.4, 0.15, 0.15)
    pretraining: bool = True


VARIANTS: Mapping[str, Variant] = MappingProxyType({
    "shipped": Variant(),
    "no video": Variant(drop_rates=NOT_SEEN),
    "no pretraining": Variant(pretraining=False),
    "affective 0": Variant(affective_weight=0.0),
    "affective 0.3": Variant(affective_weight=0.3),
    "affective 3": Variant(affective_weight=3.0),
    "reference": Variant(  # the paper's model and loss; its recipe (batch 1, 5 epochs) never leaves warm-up
        CONFIGS["paper"],
        Recipe(epochs=4, batch=16, rate=3e-4, warmup_steps=60, decay=0.01),
        chord_weight=0.4,
        affective_weight=0.6,
        drop_rates=(0.0, 0.0, 0.0),
        pretraining=False,
    ),
    "tiny": Variant(CONFIGS["tiny"]),
})  # fmt: skip


def train(
    data: Path, out: Path, *, chord_data: Path | None = None, name: str = "shipped", seed: int = 0,
    epochs: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Train a variant on MuVi-Sync at `data`, write weights, config and card to `out`, return the report on test.

    `chord_data` holds chord lists for the pre-training of the variants that have it. Raises DataError.
    """
    variant = VARIANTS[name]
    recipe = replace(variant.recipe, seed=seed, epochs=epochs or variant.recipe.epochs)
    songs, validation = load_split(data, "train"), load_split(data, "val")
    torch.manual_seed(seed)
    model = AMT(variant.config)
    model.picture.set_statistics(statistics(songs))
    if variant.pretraining and chord_data is not None:
        _pretrain(model, chord_lists.read(chord_data), validation, replace(PRETRAINING, seed=seed), out)
    model.train()
    history = fit(
        model,
        lambda generator: shuffled(songs, recipe.batch, generator),
        lambda batch, generator: loss(model, batch, generator, variant=variant),
        lambda: _validate(model, validation, hide_all=variant.drop_rates == NOT_SEEN),
        recipe=recipe,
        n_batches=-(-len(songs) // recipe.batch),
        folder=out,
        dimensions=asdict(model.config),
    )
    training = {
        "variant": name if chord_data or not variant.pretraining else "no pretraining",
        "recipe": asdict(recipe),
        "pretraining": asdict(PRETRAINING) if variant.pretraining and chord_data else None,
        "chord_weight": variant.chord_weight,
        "affective_weight": variant.affective_weight,
        "label_smoothing": LABEL_SMOOTHING,
        "drop_rates": variant.drop_rates,
        "validation": [round(row["validation"], 4) for row in history],
        "seconds": round(sum(row["seconds"] for row in history)),
    }
    scale, offset = map(float, model.calibration())
    save(model, out, training=training, calibration={"scale": scale, "offset": offset})
    reports = [_report(model, load_split(data, split), split, seed) for split in ("val", "test")]
    card.write(out, card.AMT, reports=reports, details=training)
    return reports[-1]


def _pretrain(model: AMT, lists: Sequence[ChordList], validation: Sequence[Song], recipe: Recipe, out: Path) -> None:
    """Learn from songs that have no video, each epoch at other speeds; the epoch is chosen on MuVi-Sync's val."""
    log.info("pre-training on %d songs without video", len(lists))
    unseen = replace(VARIANTS["shipped"], affective_weight=0.0, drop_rates=NOT_SEEN)
    model.train()
    fit(
        model,
        lambda generator: shuffled(_played(lists, generator), recipe.batch, generator),
        lambda batch, generator: loss(model, batch, generator, variant=unseen),
        lambda: _validate(model, validation, hide_all=True),
        recipe=recipe,
        n_batches=-(-len(lists) // recipe.batch),
        folder=out / "pretraining",
        dimensions=asdict(model.config),
    )


def _played(lists: Sequence[ChordList], generator: torch.Generator) -> list[Song]:
    """Each song at a speed and with a start of its own."""
    speeds = ((torch.rand(len(lists), generator=generator) * 2 - 1) * SPEEDS).exp().tolist()
    phases = torch.rand(len(lists), generator=generator).tolist()
    return [chords.song(speed, phase) for chords, speed, phase in zip(lists, speeds, phases, strict=True)]


def loss(model: AMT, batch: Batch, generator: torch.Generator, *, variant: Variant = VARIANTS["shipped"]) -> Tensor:
    """Mean cross-entropy a chord and the affective loss, each with its weight."""
    limit = model.config.max_steps
    previous, following = batch.previous[:, :limit], batch.following[:, :limit]
    logits = model(previous, batch.minor, drop_modalities(batch.picture, variant.drop_rates, generator))
    surprise = functional.cross_entropy(
        logits.flatten(0, 1), following.flatten(), ignore_index=PAD, label_smoothing=LABEL_SMOOTHING
    )
    if not variant.affective_weight:
        return variant.chord_weight * surprise
    scale, offset = model.calibration()
    affective = affective_loss(logits * scale + offset, batch.picture)
    return variant.chord_weight * surprise + variant.affective_weight * affective


def affective_loss(logits: Tensor, picture: Picture) -> Tensor:
    """Binary cross-entropy of the outputs against the chords that the step's strongest emotion allows, on any root.

    As published (arXiv 2311.00968), but over real steps only.
    """
    steps = min(logits.shape[1], picture.mask.shape[1])
    allowed = allowed_chords(picture.emotion[:, :steps])
    each = functional.binary_cross_entropy_with_logits(logits[:, :steps], allowed, reduction="none").mean(-1)
    mask = picture.mask[:, :steps]
    return (each * mask).sum() / mask.sum()


def allowed_chords(emotion: Tensor) -> Tensor:
    """(..., 159): 1 for the chords whose quality the strongest of the emotions (..., 6) allows."""
    by_quality = torch.from_numpy(ALLOWED_MATRIX).to(emotion.device)[emotion.argmax(-1)]
    n_roots = (N_CHORDS - 1) // len(QUALITIES)
    return functional.pad(by_quality.repeat(*[1] * (by_quality.ndim - 1), n_roots), (1, VOCABULARY_SIZE - N_CHORDS))


def _validate(model: AMT, songs: Sequence[Song], *, hide_all: bool = False) -> float:
    """Negative log-likelihood with all modalities and without the semantic rows, the two ways it is used."""
    ways = [("semantic", "emotion", "movement")] if hide_all else [(), ("semantic",)]
    figures = [report.means(chords.amt(model, songs, hide=hide)) for hide in ways]
    log.info("val  " + "  ".join("hits@1 {hits@1:.4f} nll {nll:.4f}".format(**row) for row in figures))
    return sum(row["nll"] for row in figures) / len(figures)


def _report(model: AMT, songs: Sequence[Song], split: str, seed: int) -> dict[str, Any]:
    rows = {
        "repeat previous": chords.repeat_previous(songs),
        "AMT": chords.amt(model, songs),
        "AMT, no semantic rows": chords.amt(model, songs, hide=("semantic",)),
        "AMT, no video": chords.amt(model, songs, hide=("semantic", "emotion", "movement")),
    }
    return report.build("chords", "muvi_sync", split, [seed], {name: [songs] for name, songs in rows.items()})
