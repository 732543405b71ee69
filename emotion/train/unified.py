"""Training of the unified model: every batch draws from each set, and teachers of single sets may be asked as well.

A teacher is kernel ridge on the same numbers, fitted on one set. It is asked about its own set on folds by group, so
that it never knows the answer, and about the others as it is: what only VGMIDI's raters said, valence and arousal, is
so guessed for all. Their answers are distilled into the student: Bernoulli KL on the quadrants and KL of Gaussians on
both axes, beside the loss on true labels. No group of a held piece (artist, song, game, tune) is trained on.
"""

import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from emotion.data.pieces import tied
from emotion.errors import DataError
from emotion.files import atomic_write
from emotion.models.kernel import KernelRidge
from emotion.models.unified import FRONT_OF, GROUPS, Unified, UnifiedConfig, describe, sizes_of
from emotion.train.dataset import SourceCache, SourceRows, TrainingPiece, part, pieces

log = logging.getLogger(__name__)

NUMBERS = "numbers-3"  # count up when `describe`, its front ends or the versions of pieces change
PARTS_S = (16.0, 8.0)  # stretches of each piece that are learnt beside the whole
INNER_FOLDS = 5
RIDGE_OF_KINDS = 30.0
KINDS = MappingProxyType({"fourq": "recordings", "ym2413": "game music", "emopia": "piano", "vgmidi": "piano"})
SMALLEST_SD = 0.05  # of a teacher's error on an axis


@dataclass(frozen=True)
class UnifiedTrainConfig:
    """steps of `batch` pieces of each set; AdamW at `rate` with one cycle; `mix` is mixup's alpha, `smooth` goes to all
    quadrants, `noise` is added in standard deviations, a group is hidden with the chance `hide`.

    `distil` is the weight of the teachers' answers, the labels have the rest; 0 asks none. `affect` is the weight of
    the plane beside the quadrants. `use` are the groups of numbers that are looked at. `width` over the count of
    numbers is the teachers' gamma, `ridge` theirs. `frontend` gives the embedding: mel or mert.
    """

    steps: int = 600
    batch: int = 24
    rate: float = 1e-3
    decay: float = 0.1
    mix: float = 0.4
    smooth: float = 0.1
    noise: float = 0.2
    hide: float = 0.1
    distil: float = 0.0
    affect: float = 0.1
    use: tuple[str, ...] = GROUPS
    members: int = 6
    width: float = 0.6
    ridge: float = 1.0
    frontend: str = "mel"

    def __post_init__(self) -> None:
        if self.frontend not in FRONT_OF:
            raise DataError(f"there is no front end {self.frontend}: choose from {', '.join(FRONT_OF)}")


@dataclass(frozen=True, eq=False)
class UnifiedItem:
    """A piece in numbers: rows (K, D) and which groups are known (K, 4).

    Row 0 is of the whole as it is played, with its notes where there are some; row 1 of its sound alone; the others of
    other versions and of parts.
    """

    piece: TrainingPiece
    values: NDArray[np.float32]
    known: NDArray[np.bool_]


def item(heard: SourceRows, frontend: str = "mel") -> UnifiedItem:
    """A piece as it is learnt and asked about."""
    whole, others = heard.versions[0], heard.versions[1:]
    rng = np.random.default_rng(heard.piece.number)
    stretches = [whole, replace(whole, notes=None), *others, *(part(whole, seconds, rng) for seconds in PARTS_S)]
    told = [describe(stretch, frontend) for stretch in stretches]
    return UnifiedItem(heard.piece, np.stack([each.values for each in told]), np.stack([each.known for each in told]))


def items(library: SourceCache, source: str, folder: Path, *, frontend: str = "mel") -> list[UnifiedItem]:
    """Every piece of a set in numbers, kept beside its rows in the library. Raises DataError and SoundError."""
    path = library.folder / source / f"{NUMBERS}-{frontend}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as kept:
            values, known = kept["values"].astype(np.float32), kept["known"]
        return [UnifiedItem(*each) for each in zip(pieces(source, folder), values, known, strict=True)]
    hearing = replace(library, frontends=(FRONT_OF[frontend], "chroma"))
    found = [item(each, frontend) for each in hearing.heard(source, folder)]
    with atomic_write(path) as partial, partial.open("wb") as file:
        np.savez(file, values=np.stack([each.values for each in found]), known=np.stack([each.known for each in found]))
    return found


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of pieces (N): standard inputs (N, D + 4), quadrants (N,), places (N, 2) and which rows have one (N,), the
    set (N,) and the piece (N,) of each, and which are of a whole piece in its first version (N,)."""

    inputs: Tensor
    quadrants: Tensor
    affect: Tensor
    rated: Tensor
    source: NDArray[np.str_]
    piece: NDArray[np.int64]
    whole: NDArray[np.bool_]


def trained(items: Sequence[UnifiedItem], recipe: UnifiedTrainConfig, *, seed: int) -> Unified:
    """The student of these pieces. Raises DataError."""
    if not items:
        raise DataError("there is nothing to train on: give at least one of the sets")
    torch.manual_seed(seed)
    kinds = {KINDS[each.piece.source] for each in items}
    config = UnifiedConfig(sizes_of(recipe.frontend), len(kinds), recipe.frontend, recipe.members)
    model = Unified(config)
    table = _table(model, items, recipe)
    told = _taught(table, items, recipe) if recipe.distil else None
    _fit(model, table, told, recipe, seed)
    return model.eval()


def ask(
    model: Unified, items: Sequence[UnifiedItem], *, row: int = 0, use: Sequence[str] = GROUPS
) -> tuple[NDArray, NDArray]:
    """Probabilities (N, 4) and places (N, 2) of a row of every piece."""
    values = torch.from_numpy(np.stack([each.values[row] for each in items]))
    known = torch.from_numpy(np.stack([each.known[row] for each in items]))
    known &= used(use)
    with torch.inference_mode():
        quadrants, affect = model.judge(values, known)
    return quadrants.numpy(), affect.numpy()


def _measure(model: Unified, values: Tensor, known: Tensor, kinds: NDArray[np.str_]) -> None:
    """Means and deviations of each kind's numbers, of those that are there; where none is, of all pieces'.

    What tells the kinds apart is ridge regression on the scores by all pieces' means.
    """
    there = known[:, model.group[: values.shape[1]]]
    nothing = values.new_zeros(values.shape[1])
    model.all_centre, model.all_scale = _moments(values, there, nothing, nothing + 1)
    names, place = np.unique(kinds, return_inverse=True)
    for row in range(len(names)):
        own = torch.from_numpy(place == row)
        model.centre[row], model.scale[row] = _moments(values[own], there[own], model.all_centre, model.all_scale)
    inputs, truth = model.overall(values, known), torch.from_numpy(np.eye(len(names), dtype=np.float32)[place])
    penalty = RIDGE_OF_KINDS * torch.eye(inputs.shape[1])
    model.sorting = torch.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ truth)


def _moments(values: Tensor, there: Tensor, centre: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation (D,) of the values that are there, the given ones where there are none."""
    count = there.sum(0)
    mean = (values * there).sum(0) / count.clamp_min(1)
    deviation = (((values - mean) * there).square().sum(0) / count.clamp_min(1)).sqrt() + 1e-3
    return torch.where(count > 0, mean, centre), torch.where(count > 0, deviation, scale)


def used(groups: Sequence[str]) -> Tensor:
    """(4,) which of GROUPS are among some."""
    return torch.tensor([name in groups for name in GROUPS])


def _table(model: Unified, items: Sequence[UnifiedItem], recipe: UnifiedTrainConfig) -> Table:
    values = torch.from_numpy(np.concatenate([each.values for each in items]))
    known = torch.from_numpy(np.concatenate([each.known for each in items]))
    known &= used(recipe.use)
    counts = [len(each.values) for each in items]
    piece = np.repeat(np.arange(len(items)), counts)
    kinds = np.array([KINDS[each.piece.source] for each in items])[piece]
    _measure(model, values, known, kinds)
    places = [each.piece.affect or (np.nan, np.nan) for each in items]
    affect = torch.tensor(places, dtype=torch.float32)[piece]
    return Table(
        model.standard(values, known),
        torch.tensor([each.piece.quadrant for each in items])[piece],
        affect.nan_to_num(),
        ~affect[:, 0].isnan(),
        np.array([each.piece.source for each in items])[piece],
        piece,
        np.concatenate([np.arange(count) < 2 for count in counts]),
    )


@dataclass(frozen=True, eq=False)
class Taught:
    """What teachers say of each row: probabilities (N, 4), places (N, 2); how far they are off on the axes (2,)."""

    quadrants: Tensor
    affect: Tensor
    deviation: Tensor


def _taught(table: Table, items: Sequence[UnifiedItem], recipe: UnifiedTrainConfig) -> Taught:
    """Every set's teacher of quadrants about its own pieces; the teacher of the rated pieces about all."""
    labels = functional.one_hot(table.quadrants, 4).float()
    quadrants, affect, deviation = torch.zeros_like(labels), table.affect.clone(), torch.ones(2)
    folds = _inner_folds(items)[table.piece]
    for source in np.unique(table.source):
        own = table.source == source
        quadrants[own] = _unknowing(table, labels, own, folds, recipe)
    if (rated := table.rated.numpy()).any():
        affect = _teacher(table, table.affect, rated, recipe)(table.inputs)
        affect[rated] = _unknowing(table, table.affect, rated, folds, recipe)
        deviation = (affect - table.affect)[rated].std(0).clamp_min(SMALLEST_SD)
    quadrants = quadrants.clamp_min(0.01)
    return Taught(quadrants / quadrants.sum(1, keepdim=True), affect.clamp(-1, 1), deviation)


def _inner_folds(items: Sequence[UnifiedItem]) -> NDArray[np.int64]:
    """(P,) a fold of each piece; pieces that share a group, be it through others, share it."""
    folds = np.zeros(len(items), np.int64)
    for bunch in tied([each.piece.groups for each in items]):
        folds[bunch] = zlib.crc32(min(items[place].piece.name for place in bunch).encode()) % INNER_FOLDS
    return folds


def _unknowing(
    table: Table, targets: Tensor, own: NDArray[np.bool_], folds: NDArray[np.int64], recipe: UnifiedTrainConfig
) -> Tensor:
    """What teachers say of the rows `own` of the table whose piece they were not fitted on."""
    told = targets.clone()
    for fold in range(INNER_FOLDS):
        held, known = own & (folds == fold), own & (folds != fold)
        if held.any() and (known & table.whole).any():
            told[held] = _teacher(table, targets, known, recipe)(table.inputs[held])
    return told[own]


def _teacher(table: Table, targets: Tensor, rows: NDArray[np.bool_], recipe: UnifiedTrainConfig) -> KernelRidge:
    """Kernel ridge on those of the rows that are of whole pieces."""
    chosen = rows & table.whole
    inputs = table.inputs[chosen]
    ridge = KernelRidge(len(inputs), inputs.shape[1], targets.shape[1], gamma=recipe.width / inputs.shape[1])
    ridge.fit(inputs, targets[chosen], ridge=recipe.ridge)
    return ridge


def _fit(model: Unified, table: Table, told: Taught | None, recipe: UnifiedTrainConfig, seed: int) -> None:
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=recipe.steps)
    pools = [np.flatnonzero(table.source == source) for source in np.unique(table.source)]
    for _ in range(recipe.steps):
        rows = np.concatenate([rng.choice(pool, (recipe.members, recipe.batch)) for pool in pools], 1)
        batch = _batch(table, told, rows, recipe, rng)
        loss = _loss(model, replace(batch, inputs=_hidden(batch.inputs, model.group, recipe, rng)), recipe)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()


@dataclass(frozen=True, eq=False)
class UnifiedBatch:
    """Mixed rows (M, B): inputs, and quadrants and places as the labels and as the teachers have them."""

    inputs: Tensor
    quadrants: Tensor
    affect: Tensor
    rated: Tensor
    told: Taught | None


def _batch(
    table: Table, told: Taught | None, rows: NDArray[np.int64], recipe: UnifiedTrainConfig, rng: np.random.Generator
) -> UnifiedBatch:
    """Rows (M, B) of the table, each mixed with another one of its member."""
    others = rng.permuted(rows, axis=1)
    share = torch.from_numpy(rng.beta(recipe.mix, recipe.mix, (*rows.shape, 1)).astype(np.float32))

    def mixed(values: Tensor) -> Tensor:
        return share * values[rows] + (1 - share) * values[others]

    labels = functional.one_hot(table.quadrants, 4) * (1 - recipe.smooth) + recipe.smooth / 4
    taught = told and Taught(mixed(told.quadrants), mixed(told.affect), told.deviation)
    rated = (table.rated[rows] & table.rated[others]).unsqueeze(2)
    return UnifiedBatch(mixed(table.inputs), mixed(labels), mixed(table.affect), rated, taught)


def _hidden(inputs: Tensor, group: Tensor, recipe: UnifiedTrainConfig, rng: np.random.Generator) -> Tensor:
    """Inputs with noise, some groups of some rows hidden."""
    noisy = inputs + recipe.noise * torch.from_numpy(rng.standard_normal(inputs.shape, np.float32))
    seen = torch.from_numpy(rng.random((*inputs.shape[:2], int(group.max()) + 1)) >= recipe.hide)
    return noisy * seen[:, :, group]


def _loss(model: Unified, batch: UnifiedBatch, recipe: UnifiedTrainConfig) -> Tensor:
    logits, affect = model(batch.inputs)
    chances = logits.log_softmax(2)
    deviation = batch.told.deviation if batch.told else torch.full((2,), 0.3)
    hard = -(batch.quadrants * chances).sum(2).mean()
    off = gaussian(affect, batch.affect, deviation)
    hard = hard + recipe.affect * (off * batch.rated).sum() / batch.rated.sum().clamp_min(1)
    if batch.told is None:
        return hard
    soft = bernoulli(chances.exp(), batch.told.quadrants).mean()
    soft = soft + recipe.affect * gaussian(affect, batch.told.affect, deviation).mean()
    return (1 - recipe.distil) * hard + recipe.distil * soft


def gaussian(one: Tensor, other: Tensor, deviation: Tensor) -> Tensor:
    """KL (..., 1) of Gaussians of the same deviation (2,) at places (..., 2), both axes together."""
    return ((one - other) / deviation).square().sum(-1, keepdim=True) / 2


def bernoulli(one: Tensor, other: Tensor) -> Tensor:
    """KL (..., 1) from chances `one` to chances `other` (..., K) of events that are told one by one."""
    one, other = one.clamp(1e-4, 1 - 1e-4), other.clamp(1e-4, 1 - 1e-4)
    parts = other * (other / one).log() + (1 - other) * ((1 - other) / (1 - one)).log()
    return parts.sum(-1, keepdim=True)
