"""Training of the AMT in three stages: on chord lists, on MuVi-Sync's chords, and last its video conditioning.

The first two stages train the next-chord model without video. The last one trains the video conditioning with all other
weights frozen, so that a model trained without video differs from the shipped one in nothing but the conditioning.
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
from emotion.runtime import resolve_device
from emotion.train.loop import LoopConfig, fit
from video2music.chords import PAD
from video2music.data import chord_lists
from video2music.data.batches import SongBatch, drop_modalities, on_device, shuffled, statistics
from video2music.data.chord_lists import ChordList
from video2music.data.muvi_sync import Song, load_split, titles
from video2music.evaluate.models import scores
from video2music.evaluate.models.metrics import Calibration
from video2music.model.amt import AMT, save
from video2music.model.attention import CONFIGS, AMTConfig
from video2music.model.conditioning import VideoConditioning, allowed_chords
from video2music.model.video import MODALITIES, VideoBatch
from video2music.train import card

log = logging.getLogger(__name__)

PRETRAINING = LoopConfig(epochs=3, batch=8, rate=1.5e-3, decay=0.05, last_rate=0.3)
RECIPE = LoopConfig(epochs=6, batch=8, rate=1.5e-3, decay=0.05)
CONDITIONING = LoopConfig(epochs=16, batch=32, rate=4e-3, warmup_steps=20, decay=0.05, patience=16)
LABEL_SMOOTHING = 0.05
MAX_LOG_SPEED = 0.15  # pre-training changes each song's speed by up to this factor, as a natural logarithm
ALL_HIDDEN = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class AMTVariant:
    """A model to compare: dimensions, recipe, weights of the losses, and how often each modality is hidden."""

    config: AMTConfig = CONFIGS["shipped"]
    recipe: LoopConfig = RECIPE
    chord_weight: float = 1.0
    affective_weight: float = 1.0
    drop_rates: tuple[float, float, float] = (0.0, 0.15, 0.1)  # semantic rows are an input of the paper's model alone
    pretraining: bool = True


VARIANTS: Mapping[str, AMTVariant] = MappingProxyType({
    "shipped": AMTVariant(),
    "no video": AMTVariant(drop_rates=ALL_HIDDEN),
    "affective 0, no video": AMTVariant(affective_weight=0.0, drop_rates=ALL_HIDDEN),
    "no pretraining": AMTVariant(pretraining=False),
    "affective 0": AMTVariant(affective_weight=0.0),
    "affective 2": AMTVariant(affective_weight=2.0),
    "affective 6": AMTVariant(affective_weight=6.0),
    "reference": AMTVariant(  # the paper's model and loss; its recipe (batch 1, 5 epochs) never leaves warm-up
        CONFIGS["paper"],
        LoopConfig(epochs=10, batch=16, rate=3e-4, warmup_steps=60),
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
    state in `out`; a variant that differs in the last stage alone may go on from a copy of them. Raises DataError.
    """
    variant = VARIANTS[name]
    if variant.pretraining and chord_data is None:
        raise DataError(f"the variant {name!r} begins with chord lists: give their folder, or train 'no pretraining'")
    recipe = replace(variant.recipe, seed=seed)
    songs, validation = load_split(data, "train"), load_split(data, "val")
    torch.manual_seed(seed)
    model = AMT(variant.config).to(resolve_device())
    model.video_embedding.set_statistics(statistics(songs))
    if variant.pretraining and chord_data is not None:
        _pretrain(model, _separate_lists(chord_data, data), validation, replace(PRETRAINING, seed=seed), out)
    history = _train_on_songs(model, songs, validation, recipe, variant, out)
    stages = {"pretraining": asdict(PRETRAINING) if variant.pretraining else None, "recipe": asdict(recipe)}
    if model.conditioning is not None:
        stages["conditioning"] = asdict(replace(CONDITIONING, seed=seed))
        history += _train_conditioning(model, songs, validation, replace(CONDITIONING, seed=seed), variant, out)
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
    model.cpu()
    scale, offset = (value.item() for value in model.calibration())
    save(model, out, training=training, calibration={"scale": scale, "offset": offset})
    reports = [_report(model, load_split(data, split), split, seed) for split in ("val", "test")]
    card.write(out, card.AMT, reports=reports, details=training)
    return reports[-1]


def _separate_lists(chord_data: Path, data: Path) -> list[ChordList]:
    """Chord lists of songs that are in neither val nor test of MuVi-Sync."""
    held_out = [*titles(data, "val"), *titles(data, "test")]
    lists = chord_lists.read(chord_data)
    apart = chord_lists.apart_from(lists, held_out)
    log.info("left out %d chord lists of songs that are in val or test", len(lists) - len(apart))
    if not apart:
        raise DataError(f"every chord list in {chord_data} is of a song in val or test: give others")
    return apart


def _pretrain(
    model: AMT, lists: Sequence[ChordList], validation: Sequence[Song], recipe: LoopConfig, out: Path
) -> None:
    """Train on songs without video, at new random speeds each epoch; the epoch is chosen on MuVi-Sync's val."""
    log.info("pre-training on %d songs without video", len(lists))
    model.train()
    fit(
        model,
        lambda generator: shuffled(_at_random_speed(lists, generator), recipe.batch, generator),
        lambda batch, _: song_loss(model, batch, None),
        lambda: _validate(model, validation, use_video=False),
        recipe=recipe,
        n_batches=-(-len(lists) // recipe.batch),
        folder=out / "pretraining",
        dimensions=asdict(model.config),
    )


def _train_on_songs(
    model: AMT, songs: Sequence[Song], validation: Sequence[Song], recipe: LoopConfig, variant: AMTVariant, out: Path
) -> list[dict[str, float]]:
    """Train on MuVi-Sync's chords; a model without a conditioning part of its own gets the video and both losses."""
    uses_video = model.conditioning is None

    def loss(batch: SongBatch, generator: torch.Generator) -> Tensor:
        return video_loss(model, batch, generator, variant) if uses_video else song_loss(model, batch, None)

    log.info("learning from %d songs", len(songs))
    model.train()
    return fit(
        model,
        lambda generator: shuffled(songs, recipe.batch, generator),
        loss,
        lambda: _validate(model, validation, use_video=uses_video),
        recipe=recipe,
        n_batches=-(-len(songs) // recipe.batch),
        folder=out / "songs",
        dimensions=asdict(model.config) | {"pretraining": variant.pretraining},
    )


def _train_conditioning(
    model: AMT, songs: Sequence[Song], validation: Sequence[Song], recipe: LoopConfig, variant: AMTVariant, out: Path
) -> list[dict[str, float]]:
    """Train the video conditioning on top of the logits from the songs' past, which are computed once."""
    log.info("conditioning")
    song_logits = scores.amt_logits(model, songs, use_video=False)
    past_logits = {song.name: torch.from_numpy(logits) for song, logits in zip(songs, song_logits, strict=True)}
    song_logits = scores.amt_logits(model, validation, use_video=False)
    conditioning = cast(VideoConditioning, model.conditioning)
    conditioning.train()

    def loss(batch: SongBatch, generator: torch.Generator) -> Tensor:
        video = drop_modalities(batch.video, variant.drop_rates, generator)
        previous, following = _inputs(model, batch)
        past = pad_sequence([past_logits[name] for name in batch.names], batch_first=True)
        logits = model.condition(past.to(previous.device), previous, on_device(video, previous.device))
        affective = affective_loss(_calibrated(model, logits), batch.video) if variant.affective_weight else 0.0
        return _cross_entropy(logits, following) + variant.affective_weight * affective

    return fit(
        conditioning,
        lambda generator: shuffled(songs, recipe.batch, generator),
        loss,
        lambda: _validate(
            model, validation, use_video=True, song_logits=song_logits, affective_weight=variant.affective_weight
        ),
        recipe=recipe,
        n_batches=-(-len(songs) // recipe.batch),
        folder=out / "conditioning",
        dimensions=asdict(model.config)
        | {"affective_weight": variant.affective_weight, "drop_rates": variant.drop_rates},
    )


def _at_random_speed(lists: Sequence[ChordList], generator: torch.Generator) -> list[Song]:
    """Each song at a random speed and with a random phase of its seconds."""
    speeds = ((torch.rand(len(lists), generator=generator) * 2 - 1) * MAX_LOG_SPEED).exp().tolist()
    phases = torch.rand(len(lists), generator=generator).tolist()
    return [chords.song(speed, phase) for chords, speed, phase in zip(lists, speeds, phases, strict=True)]


def song_loss(model: AMT, batch: SongBatch, video: VideoBatch | None) -> Tensor:
    """Mean cross-entropy a chord, END among them, with labels smoothed."""
    previous, following = _inputs(model, batch)
    return _cross_entropy(
        model(previous, batch.minor.to(previous.device), video), following, label_smoothing=LABEL_SMOOTHING
    )


def video_loss(model: AMT, batch: SongBatch, generator: torch.Generator, variant: AMTVariant) -> Tensor:
    """The paper's loss: cross-entropy and affective loss, of a model that takes the video in every stage."""
    previous, following = _inputs(model, batch)
    video = on_device(drop_modalities(batch.video, variant.drop_rates, generator), previous.device)
    logits = model(previous, batch.minor.to(previous.device), video)
    likelihood = _cross_entropy(logits, following, label_smoothing=LABEL_SMOOTHING)
    affective = affective_loss(_calibrated(model, logits), batch.video)
    return variant.chord_weight * likelihood + variant.affective_weight * affective


def _inputs(model: AMT, batch: SongBatch) -> tuple[Tensor, Tensor]:
    """Previous and next chords on the model's device, as long as its context."""
    limit, device = model.config.max_steps, next(model.parameters()).device
    return batch.previous[:, :limit].to(device), batch.following[:, :limit].to(device)


def _cross_entropy(logits: Tensor, following: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    targets = following.flatten()
    return functional.cross_entropy(logits.flatten(0, 1), targets, ignore_index=PAD, label_smoothing=label_smoothing)


def _calibrated(model: AMT, logits: Tensor) -> Tensor:
    scale, offset = model.calibration()
    return logits * scale + offset


def affective_loss(logits: Tensor, video: VideoBatch) -> Tensor:
    """Binary cross-entropy of the outputs against the chords that the step's strongest emotion allows, on any root.

    As published (arXiv 2311.00968), but over real steps only.
    """
    steps = min(logits.shape[1], video.mask.shape[1])
    allowed = torch.from_numpy(allowed_chords(video.emotion[:, :steps].cpu().numpy())).to(logits.device)
    each = functional.binary_cross_entropy_with_logits(logits[:, :steps], allowed, reduction="none").mean(-1)
    mask = video.mask[:, :steps].to(logits.device)
    return (each * mask).sum() / mask.sum()


def _validate(
    model: AMT,
    songs: Sequence[Song],
    *,
    use_video: bool,
    song_logits: Sequence[scores.Logits] | None = None,
    affective_weight: float = 0.0,
) -> float:
    """Negative log-likelihood of chords; the BCE of the affective loss counts as in training."""
    calibration = Calibration(*(value.item() for value in model.calibration()))
    row = report.means(
        scores.amt_scores(model, songs, use_video=use_video, song_logits=song_logits, calibration=calibration)
    )
    log.info("val  hits@1 {hits@1:.4f}  nll {nll:.4f}  bce {bce:.4f}".format(**row))
    return row["nll"] + affective_weight * row["bce"]


def _report(model: AMT, songs: Sequence[Song], split: str, seed: int) -> dict[str, Any]:
    song_logits = scores.song_only_logits(model, songs)
    calibration = Calibration(*(value.item() for value in model.calibration()))
    rows = {
        "repeat previous": scores.repeat_previous(songs),
        "AMT": scores.amt_scores(model, songs, song_logits=song_logits, calibration=calibration),
        "AMT, no video": scores.amt_scores(
            model, songs, hide=tuple(MODALITIES), song_logits=song_logits, calibration=calibration
        ),
    }
    return report.build("chords", "muvi_sync", split, [seed], {name: [songs] for name, songs in rows.items()})
