"""Train the AMT in three stages: on chord lists, on MuVi-Sync's chords, and last the part that watches the video.

The first two teach what a song says of its next chord; the last one learns, with all else at rest, what the picture
adds, so that a model that was never shown a picture differs from it in nothing but the picture.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from emotion import report
from emotion.errors import DataError
from emotion.train.loop import Recipe, fit
from video2music.chords import PAD
from video2music.data import chord_lists
from video2music.data.batches import Batch, drop_modalities, shuffled, statistics
from video2music.data.chord_lists import ChordList
from video2music.data.muvi_sync import Song, load_split, titles
from video2music.evaluate.models import chords
from video2music.evaluate.models.metrics import Calibration
from video2music.model.amt import AMT, save
from video2music.model.attention import CONFIGS, AMTConfig
from video2music.model.conditioning import Watching, allowed_chords
from video2music.model.video import MODALITIES, Picture
from video2music.train import card

log = logging.getLogger(__name__)

PRETRAINING = Recipe(epochs=3, batch=8, rate=1.5e-3, decay=0.05, last_rate=0.3)
RECIPE = Recipe(epochs=6, batch=8, rate=1.5e-3, decay=0.05)
WATCHING = Recipe(epochs=16, batch=32, rate=4e-3, warmup_steps=20, decay=0.05, patience=16)
LABEL_SMOOTHING = 0.05
SPEEDS = 0.15  # pre-training plays each song up to this much slower or faster, as a natural logarithm
BLIND = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Variant:
    """A model to compare: dimensions, recipe, the losses' weights, how often each modality is hidden from a song."""

    config: AMTConfig = CONFIGS["shipped"]
    recipe: Recipe = RECIPE
    chord_weight: float = 1.0
    affective_weight: float = 1.0
    drop_rates: tuple[float, float, float] = (0.0, 0.15, 0.1)  # the semantic rows are seen by the paper's model alone
    pretraining: bool = True


VARIANTS: Mapping[str, Variant] = MappingProxyType({
    "shipped": Variant(),
    "no video": Variant(drop_rates=BLIND),
    "affective 0, no video": Variant(affective_weight=0.0, drop_rates=BLIND),
    "no pretraining": Variant(pretraining=False),
    "affective 0": Variant(affective_weight=0.0),
    "affective 2": Variant(affective_weight=2.0),
    "affective 6": Variant(affective_weight=6.0),
    "reference": Variant(  # the paper's model and loss; its recipe (batch 1, 5 epochs) never leaves warm-up
        CONFIGS["paper"],
        Recipe(epochs=10, batch=16, rate=3e-4, warmup_steps=60),
        chord_weight=0.4,
        affective_weight=0.6,
        drop_rates=(0.0, 0.0, 0.0),
        pretraining=False,
    ),
})  # fmt: skip


def train(
    data: Path, out: Path, *, chord_data: Path | None = None, name: str = "shipped", seed: int = 0
) -> dict[str, Any]:
    """Train a variant on MuVi-Sync at `data`, write weights, config and card to `out`, return the report on test.

    `chord_data` holds chord lists for the pre-training of the variants that have it. The first two stages leave their
    state in `out`; a variant of the last stage alone may go on from a copy of them. Raises DataError.
    """
    variant = VARIANTS[name]
    if variant.pretraining and chord_data is None:
        raise DataError(f"the variant {name!r} begins with chord lists: give their folder, or train 'no pretraining'")
    recipe = replace(variant.recipe, seed=seed)
    songs, validation = load_split(data, "train"), load_split(data, "val")
    torch.manual_seed(seed)
    model = AMT(variant.config)
    model.eyes.set_statistics(statistics(songs))
    if variant.pretraining and chord_data is not None:
        _pretrain(model, _lists_apart(chord_data, data), validation, replace(PRETRAINING, seed=seed), out)
    history = _learn_songs(model, songs, validation, recipe, variant, out)
    stages = {"pretraining": asdict(PRETRAINING) if variant.pretraining else None, "recipe": asdict(recipe)}
    if model.watching is not None:
        stages["watching"] = asdict(replace(WATCHING, seed=seed))
        history += _watch(model, songs, validation, replace(WATCHING, seed=seed), variant, out)
    training = {
        "variant": name,
        **stages,
        "chord_weight": variant.chord_weight,
        "affective_weight": variant.affective_weight,
        "label_smoothing": LABEL_SMOOTHING,
        "drop_rates": variant.drop_rates,
        "validation": [round(row["validation"], 4) for row in history],
        "seconds": round(sum(row["seconds"] for row in history)),
    }
    scale, offset = (value.item() for value in model.calibration())
    save(model, out, training=training, calibration={"scale": scale, "offset": offset})
    reports = [_report(model, load_split(data, split), split, seed) for split in ("val", "test")]
    card.write(out, card.AMT, reports=reports, details=training)
    return reports[-1]


def _lists_apart(chord_data: Path, data: Path) -> list[ChordList]:
    """Chord lists of songs that are in neither val nor test of MuVi-Sync."""
    held_out = [*titles(data, "val"), *titles(data, "test")]
    lists = chord_lists.read(chord_data)
    apart = chord_lists.apart_from(lists, held_out)
    log.info("left out %d chord lists of songs that are in val or test", len(lists) - len(apart))
    if not apart:
        raise DataError(f"every chord list in {chord_data} is of a song in val or test: give others")
    return apart


def _pretrain(model: AMT, lists: Sequence[ChordList], validation: Sequence[Song], recipe: Recipe, out: Path) -> None:
    """Learn from songs that have no video, each epoch at other speeds; the epoch is chosen on MuVi-Sync's val."""
    log.info("pre-training on %d songs without video", len(lists))
    model.train()
    fit(
        model,
        lambda generator: shuffled(_played(lists, generator), recipe.batch, generator),
        lambda batch, _: surprise(model, batch, None),
        lambda: _validate(model, validation, see=False),
        recipe=recipe,
        n_batches=-(-len(lists) // recipe.batch),
        folder=out / "pretraining",
        dimensions=asdict(model.config),
    )


def _learn_songs(
    model: AMT, songs: Sequence[Song], validation: Sequence[Song], recipe: Recipe, variant: Variant, out: Path
) -> list[dict[str, float]]:
    """Learn MuVi-Sync's chords; a model that does not watch apart from that sees the video and feels as well."""
    sees = model.watching is None

    def loss(batch: Batch, generator: torch.Generator) -> Tensor:
        return watched(model, batch, generator, variant) if sees else surprise(model, batch, None)

    log.info("learning from %d songs", len(songs))
    model.train()
    return fit(
        model,
        lambda generator: shuffled(songs, recipe.batch, generator),
        loss,
        lambda: _validate(model, validation, see=sees),
        recipe=recipe,
        n_batches=-(-len(songs) // recipe.batch),
        folder=out / "songs",
        dimensions=asdict(model.config) | {"pretraining": variant.pretraining},
    )


def _watch(
    model: AMT, songs: Sequence[Song], validation: Sequence[Song], recipe: Recipe, variant: Variant, out: Path
) -> list[dict[str, float]]:
    """Learn what the picture adds to what the song says, which is worked out once."""
    log.info("watching")
    heard = chords.logits_of(model, songs, see=False)
    said = {song.name: torch.from_numpy(logits) for song, logits in zip(songs, heard, strict=True)}
    heard = chords.logits_of(model, validation, see=False)
    watching = cast(Watching, model.watching)
    watching.train()

    def loss(batch: Batch, generator: torch.Generator) -> Tensor:
        picture = drop_modalities(batch.picture, variant.drop_rates, generator)
        previous, following = _inputs(model, batch)
        past = pad_sequence([said[name] for name in batch.names], batch_first=True)
        logits = model.watch(past, previous, picture)
        felt = affective_loss(_calibrated(model, logits), batch.picture) if variant.affective_weight else 0.0
        return _cross_entropy(logits, following) + variant.affective_weight * felt

    return fit(
        watching,
        lambda generator: shuffled(songs, recipe.batch, generator),
        loss,
        lambda: _validate(model, validation, see=True, heard=heard, feel=variant.affective_weight),
        recipe=recipe,
        n_batches=-(-len(songs) // recipe.batch),
        folder=out / "watching",
        dimensions=asdict(model.config)
        | {"affective_weight": variant.affective_weight, "drop_rates": variant.drop_rates},
    )


def _played(lists: Sequence[ChordList], generator: torch.Generator) -> list[Song]:
    """Each song at a speed and with a start of its own."""
    speeds = ((torch.rand(len(lists), generator=generator) * 2 - 1) * SPEEDS).exp().tolist()
    phases = torch.rand(len(lists), generator=generator).tolist()
    return [chords.song(speed, phase) for chords, speed, phase in zip(lists, speeds, phases, strict=True)]


def surprise(model: AMT, batch: Batch, picture: Picture | None) -> Tensor:
    """Mean cross-entropy a chord, END among them, with labels smoothed."""
    previous, following = _inputs(model, batch)
    return _cross_entropy(model(previous, batch.minor, picture), following, label_smoothing=LABEL_SMOOTHING)


def watched(model: AMT, batch: Batch, generator: torch.Generator, variant: Variant) -> Tensor:
    """The paper's loss: cross-entropy and affective loss of a model that sees the video all along."""
    previous, following = _inputs(model, batch)
    logits = model(previous, batch.minor, drop_modalities(batch.picture, variant.drop_rates, generator))
    told = _cross_entropy(logits, following, label_smoothing=LABEL_SMOOTHING)
    felt = affective_loss(_calibrated(model, logits), batch.picture)
    return variant.chord_weight * told + variant.affective_weight * felt


def _inputs(model: AMT, batch: Batch) -> tuple[Tensor, Tensor]:
    limit = model.config.max_steps
    return batch.previous[:, :limit], batch.following[:, :limit]


def _cross_entropy(logits: Tensor, following: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    targets = following.flatten()
    return functional.cross_entropy(logits.flatten(0, 1), targets, ignore_index=PAD, label_smoothing=label_smoothing)


def _calibrated(model: AMT, logits: Tensor) -> Tensor:
    scale, offset = model.calibration()
    return logits * scale + offset


def affective_loss(logits: Tensor, picture: Picture) -> Tensor:
    """Binary cross-entropy of the outputs against the chords that the step's strongest emotion allows, on any root.

    As published (arXiv 2311.00968), but over real steps only.
    """
    steps = min(logits.shape[1], picture.mask.shape[1])
    allowed = torch.from_numpy(allowed_chords(picture.emotion[:, :steps].numpy()))
    each = functional.binary_cross_entropy_with_logits(logits[:, :steps], allowed, reduction="none").mean(-1)
    mask = picture.mask[:, :steps]
    return (each * mask).sum() / mask.sum()


def _validate(
    model: AMT, songs: Sequence[Song], *, see: bool, heard: Sequence[chords.Logits] | None = None, feel: float = 0.0
) -> float:
    """Negative log-likelihood of chords; with `feel` the BCE of the affective loss counts as much as in training."""
    calibration = Calibration(*(value.item() for value in model.calibration()))
    row = report.means(chords.amt(model, songs, see=see, heard=heard, calibration=calibration))
    log.info("val  hits@1 {hits@1:.4f}  nll {nll:.4f}  bce {bce:.4f}".format(**row))
    return row["nll"] + feel * row["bce"]


def _report(model: AMT, songs: Sequence[Song], split: str, seed: int) -> dict[str, Any]:
    heard, calibration = chords.heard(model, songs), Calibration(*(value.item() for value in model.calibration()))
    rows = {
        "repeat previous": chords.repeat_previous(songs),
        "AMT": chords.amt(model, songs, heard=heard, calibration=calibration),
        "AMT, no video": chords.amt(model, songs, hide=tuple(MODALITIES), heard=heard, calibration=calibration),
    }
    return report.build("chords", "muvi_sync", split, [seed], {name: [songs] for name, songs in rows.items()})
