"""Training of ADFF: stretches of pieces, mixed with one another, for quadrants, for the plane or for both.

Of a batch all stretches have as many rows, drawn anew for each: one row is three seconds, so that the judge's windows
of 8 s are as familiar as a whole piece. The sets count alike in a batch; of a set, rare quadrants count for more.
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
from emotion.models.adff import ADFF, ADFFConfig, Ensemble, padded
from emotion.train.dataset import SourceRows, TrainingPiece, part

BOTH = ("quadrants", "affect")
MOST_ROWS = 5  # of a stretch that is learnt: 30 s of the published levels
PART_S = 10.0  # of each version that is learnt beside the whole
CROP = 1200  # log-mel rows of a stretch where the blocks are our own


@dataclass(frozen=True)
class ADFFTrainConfig:
    """steps of `batch` stretches; AdamW at `rate` with one cycle; `mix` is mixup's alpha.

    `smooth` goes to all quadrants. `tasks` are what is learnt of BOTH: who was not rated is at the quadrant's place.
    """

    steps: int = 400
    batch: int = 32
    rate: float = 2e-3
    decay: float = 0.05
    mix: float = 0.4
    smooth: float = 0.1
    tasks: tuple[str, ...] = BOTH


@dataclass(frozen=True, eq=False)
class ADFFTrainingSet:
    """What is learnt of a piece: every version and a part of each, the first one first, and numbers (K, D) of all."""

    piece: TrainingPiece
    stretches: Sequence[Segment]
    numbers: NDArray[np.float32]


def lesson(heard: SourceRows) -> ADFFTrainingSet:
    """A piece as it is learnt and asked about."""
    rng = np.random.default_rng(heard.piece.number)
    stretches = [cut for each in heard.versions for cut in (each, part(each, PART_S, rng))]
    described = [acoustics.describe(each.mel) for each in stretches if each.mel is not None]
    return ADFFTrainingSet(heard.piece, stretches, np.stack(described))


def trained(lessons: Sequence[ADFFTrainingSet], config: ADFFConfig, recipe: ADFFTrainConfig, *, seed: int) -> Ensemble:
    """Networks of these pieces. Raises DataError."""
    if not lessons:
        raise DataError("there is nothing to train on: give at least one of the sets")
    model = Ensemble(config)
    if config.numbers:
        numbers = torch.from_numpy(np.concatenate([each.numbers for each in lessons]))
        model.centre, model.scale = numbers.mean(0), numbers.std(0) + 1e-3
    for number in range(config.members):
        torch.manual_seed(seed * 100 + number)
        model.networks[number] = ADFF(config)
        _fit(model, number, lessons, recipe, np.random.default_rng([seed, number]))
    return model.eval()


@torch.inference_mode()
def ask(model: Ensemble, lessons: Sequence[ADFFTrainingSet]) -> tuple[NDArray, NDArray]:
    """Probabilities (N, 4) and places (N, 2) of every piece's first version."""
    found = []
    for each in lessons:
        rows, mask = padded([_of(each.stretches[0], model.config)])
        found.append(model(rows, mask, torch.from_numpy(each.numbers[:1])))
    logits, affect = (torch.cat(parts) for parts in zip(*found, strict=True))
    return logits.softmax(1).numpy(), affect.numpy()


def _of(stretch: Segment, config: ADFFConfig) -> NDArray[np.float32]:
    """The rows that the config's networks look at."""
    if not config.cuts:
        return stretch.rows["vgg"]
    assert stretch.mel is not None  # of a recording or a render
    return stretch.mel


def _label(piece: TrainingPiece, smooth: float) -> NDArray[np.float32]:
    label = np.eye(len(QUADRANTS), dtype=np.float32)[piece.quadrant or 0]
    return label * (1 - smooth) + smooth / len(QUADRANTS)


def _place(piece: TrainingPiece) -> NDArray[np.float32]:
    return np.array(piece.affect or VA_ANCHORS[QUADRANTS[piece.quadrant or 0]], np.float32)


def _fit(
    model: Ensemble, number: int, lessons: Sequence[ADFFTrainingSet], recipe: ADFFTrainConfig, rng: np.random.Generator
) -> None:
    network = model.networks[number]
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=recipe.steps, pct_start=0.2)
    chances = _chances(lessons)
    network.train()
    for _ in range(recipe.steps):
        picked = [lessons[index] for index in rng.choice(len(lessons), recipe.batch, p=chances)]
        loss = _loss(model, network, picked, recipe, rng)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()


def _chances(lessons: Sequence[ADFFTrainingSet]) -> NDArray[np.float64]:
    """How likely each is drawn: every set as likely; of a set a quadrant by the square root of its size."""
    kinds = np.array([f"{each.piece.source} {each.piece.quadrant}" for each in lessons])
    sets = np.array([each.piece.source for each in lessons])
    names, counts = np.unique(kinds, return_counts=True)
    share = {name: count**-0.5 for name, count in zip(names, counts, strict=True)}
    within = np.array([share[kind] for kind in kinds])
    for name in np.unique(sets):
        within[sets == name] /= within[sets == name].sum()
    return within / within.sum()


def _loss(
    model: Ensemble,
    network: torch.nn.Module,
    lessons: Sequence[ADFFTrainingSet],
    recipe: ADFFTrainConfig,
    rng: np.random.Generator,
) -> Tensor:
    chosen = [(each, int(rng.integers(len(each.stretches)))) for each in lessons]
    rows = _rows([_of(each.stretches[index], model.config) for each, index in chosen], rng)
    numbers = torch.from_numpy(np.stack([each.numbers[index] for each, index in chosen]))
    numbers = model.standard(numbers)
    order, share = rng.permutation(len(lessons)), float(rng.beta(recipe.mix, recipe.mix))
    labels = torch.from_numpy(np.stack([_label(each.piece, recipe.smooth) for each in lessons]))
    places = torch.from_numpy(np.stack([_place(each.piece) for each in lessons]))
    given = (rows, numbers, labels, places)
    rows, numbers, labels, places = (share * each + (1 - share) * each[order] for each in given)
    logits, affect = network(rows, torch.ones(rows.shape[:2], dtype=torch.bool), numbers)
    parts = {
        "quadrants": -(labels * logits.log_softmax(1)).sum(1).mean(),
        "affect": functional.mse_loss(affect, places),
    }
    return torch.stack([parts[task] for task in recipe.tasks]).sum()


def _rows(versions: Sequence[NDArray[np.float32]], rng: np.random.Generator) -> Tensor:
    """As many rows of each: some of the published levels in their order, or a run of log-mel rows."""
    if versions[0].ndim == 3:
        count = int(rng.integers(1, MOST_ROWS + 1))
        return torch.from_numpy(np.stack([_some(rows, count, rng) for rows in versions]))
    return torch.from_numpy(np.stack([_run(rows, rng) for rows in versions]))


def _some(rows: NDArray[np.float32], count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    places = np.sort(rng.choice(len(rows), count, replace=count > len(rows)))
    return rows[places]


def _run(rows: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    if len(rows) < CROP:
        return np.tile(rows, (-(-CROP // len(rows)), 1))[:CROP]
    start = int(rng.integers(len(rows) - CROP + 1))
    return rows[start : start + CROP]
