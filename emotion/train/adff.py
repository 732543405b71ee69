"""Training of ADFF on segments of pieces with mixup, for quadrants, for the affect plane or for both.

All segments of a batch have the same random number of rows. A row is three seconds, so the judge's windows of 8 s are
as frequent as whole pieces. Every set has the same weight in a batch; within a set, rare quadrants weigh more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from emotion.affect import QUADRANTS, VA_ANCHORS
from emotion.errors import DataError
from emotion.features import acoustics
from emotion.judge import Segment
from emotion.models.adff import ADFF, ADFFConfig, ADFFEnsemble, padded
from emotion.runtime import resolve_device
from emotion.train.dataset import PieceVersions, TrainingPiece, random_part

BOTH = ("quadrants", "affect")
MOST_ROWS = 5  # of a segment in a batch
PART_S = 10.0  # of the part of each version that is trained on beside the whole
CROP = 1200  # log-mel rows of a segment where the blocks are trained here


@dataclass(frozen=True)
class ADFFTrainConfig:
    """steps of `batch` segments; AdamW at `rate` with one cycle; `mix` is mixup's alpha.

    `smooth` is label smoothing. `tasks` are those of BOTH that are trained: a piece without ratings gets the anchor of
    its quadrant.
    """

    steps: int = 400
    batch: int = 32
    rate: float = 2e-3
    decay: float = 0.05
    mix: float = 0.4
    smooth: float = 0.1
    tasks: tuple[str, ...] = BOTH


@dataclass(frozen=True, eq=False)
class ADFFTrainingPiece:
    """A piece's segments (every version and a part of each, the first version first), and descriptors (K, D) of all."""

    piece: TrainingPiece
    segments: Sequence[Segment]
    numbers: NDArray[np.float32]


def prepare(versions: PieceVersions) -> ADFFTrainingPiece:
    """A piece as ADFF is trained and tested on it."""
    rng = np.random.default_rng(versions.piece.number)
    segments = [cut for each in versions.versions for cut in (each, random_part(each, PART_S, rng))]
    described = [acoustics.describe(each.mel) for each in segments if each.mel is not None]
    return ADFFTrainingPiece(versions.piece, segments, np.stack(described))


def train(
    pieces: Sequence[ADFFTrainingPiece], config: ADFFConfig, recipe: ADFFTrainConfig, *, seed: int
) -> ADFFEnsemble:
    """An ensemble trained on these pieces, on the device of V2M_DEVICE (`--device`). Raises DataError."""
    if not pieces:
        raise DataError("there is nothing to train on: give at least one of the sets")
    model, device = ADFFEnsemble(config), resolve_device()
    if config.numbers:
        numbers = torch.from_numpy(np.concatenate([each.numbers for each in pieces]))
        # 1e-3: a descriptor that never changes has no deviation
        model.centre, model.scale = numbers.mean(0), numbers.std(0) + 1e-3
    model.to(device)
    for number in range(config.members):
        torch.manual_seed(seed * 100 + number)  # another one for every network of every seed
        model.networks[number] = ADFF(config).to(device)
        _fit(model, number, pieces, recipe, np.random.default_rng([seed, number]))
    return model.eval()


@torch.inference_mode()
def predict(
    model: ADFFEnsemble, pieces: Sequence[ADFFTrainingPiece]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Probabilities (N, 4) and points (N, 2) of every piece's first version."""
    found, device = [], model.temperature.device
    for each in pieces:
        inputs = (*padded([_inputs(each.segments[0], model.config)]), torch.from_numpy(each.numbers[:1]))
        found.append(model(*(part.to(device) for part in inputs)))
    logits, affect = (torch.cat(parts) for parts in zip(*found, strict=True))
    return logits.softmax(1).cpu().numpy(), affect.cpu().numpy()


def _inputs(segment: Segment, config: ADFFConfig) -> NDArray[np.float32]:
    """The rows that networks of the config take: published VGG levels, or log-mel."""
    if not config.cuts:
        return segment.rows["vgg"]
    assert segment.mel is not None  # of a recording or a render
    return segment.mel


def _label(piece: TrainingPiece, smooth: float) -> NDArray[np.float32]:
    label: NDArray[np.float32] = np.eye(len(QUADRANTS), dtype=np.float32)[piece.quadrant or 0]
    return label * np.float32(1 - smooth) + np.float32(smooth / len(QUADRANTS))


def _point(piece: TrainingPiece) -> NDArray[np.float32]:
    return np.array(piece.affect or VA_ANCHORS[QUADRANTS[piece.quadrant or 0]], np.float32)


def _fit(
    model: ADFFEnsemble,
    number: int,
    pieces: Sequence[ADFFTrainingPiece],
    recipe: ADFFTrainConfig,
    rng: np.random.Generator,
) -> None:
    network = model.networks[number]
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=recipe.steps, pct_start=0.2)
    weights = _weights(pieces)
    network.train()
    for _ in range(recipe.steps):
        picked = [pieces[index] for index in rng.choice(len(pieces), recipe.batch, p=weights)]
        loss = _loss(model, network, picked, recipe, rng)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        # gradients of recurrent layers can explode (Pascanu and others 2013)
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()


def _weights(pieces: Sequence[ADFFTrainingPiece]) -> NDArray[np.float64]:
    """Sampling probabilities: sets are equally likely, quadrants of a set by the square root of their sizes."""
    kinds = np.array([f"{each.piece.source} {each.piece.quadrant}" for each in pieces])
    sets = np.array([each.piece.source for each in pieces])
    names, counts = np.unique(kinds, return_counts=True)
    share = {name: count**-0.5 for name, count in zip(names, counts, strict=True)}
    within: NDArray[np.float64] = np.array([share[kind] for kind in kinds])
    for name in np.unique(sets):
        within[sets == name] /= within[sets == name].sum()
    within /= within.sum()
    return within


def _loss(
    model: ADFFEnsemble,
    network: torch.nn.Module,
    pieces: Sequence[ADFFTrainingPiece],
    recipe: ADFFTrainConfig,
    rng: np.random.Generator,
) -> Tensor:
    chosen = [(each, int(rng.integers(len(each.segments)))) for each in pieces]
    rows = _rows([_inputs(each.segments[index], model.config) for each, index in chosen], rng)
    numbers = torch.from_numpy(np.stack([each.numbers[index] for each, index in chosen]))
    order, share = rng.permutation(len(pieces)), float(rng.beta(recipe.mix, recipe.mix))
    labels = torch.from_numpy(np.stack([_label(each.piece, recipe.smooth) for each in pieces]))
    points = torch.from_numpy(np.stack([_point(each.piece) for each in pieces]))
    rows, numbers, labels, points = (each.to(model.temperature.device) for each in (rows, numbers, labels, points))
    given = (rows, model.standard(numbers), labels, points)
    rows, numbers, labels, points = (share * each + (1 - share) * each[order] for each in given)
    mask = torch.ones(rows.shape[:2], dtype=torch.bool, device=rows.device)
    logits, affect = network(rows, mask, numbers)
    parts = {
        "quadrants": -(labels * logits.log_softmax(1)).sum(1).mean(),
        "affect": functional.mse_loss(affect, points),
    }
    return torch.stack([parts[task] for task in recipe.tasks]).sum()


def _rows(versions: Sequence[NDArray[np.float32]], rng: np.random.Generator) -> Tensor:
    """The same number of rows of each: random ones of the published levels in order, or a crop of log-mel."""
    if versions[0].ndim == 3:
        count = int(rng.integers(1, MOST_ROWS + 1))
        return torch.from_numpy(np.stack([_subset(rows, count, rng) for rows in versions]))
    return torch.from_numpy(np.stack([_crop(rows, rng) for rows in versions]))


def _subset(rows: NDArray[np.float32], count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    # in order, with repetition where a segment is too short
    points = np.sort(rng.choice(len(rows), count, replace=count > len(rows)))
    return rows[points]


def _crop(rows: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    if len(rows) < CROP:
        return np.tile(rows, (-(-CROP // len(rows)), 1))[:CROP]
    start = int(rng.integers(len(rows) - CROP + 1))
    return rows[start : start + CROP]
