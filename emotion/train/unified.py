"""Training of the unified model: every batch draws from each set, and teachers of single sets may be distilled.

A teacher is kernel ridge on the same numbers, fitted on one set. Its predictions for its own set are out of folds by
group; those for other sets are not restricted, which is how pieces without ratings get a guess of valence and arousal
from VGMIDI's raters. They are distilled into the student: Bernoulli KL on the quadrants and KL of Gaussians on both
axes, beside the loss on true labels. No group of a held-out piece (artist, song, game, tune) is trained on.
"""

import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from emotion.data.pieces import connected
from emotion.data.registry import DATASETS
from emotion.errors import DataError
from emotion.files import atomic_write
from emotion.models.kernel import KernelRidge
from emotion.models.unified import FRONTEND_ROWS, GROUPS, Unified, UnifiedConfig, describe, sizes_of
from emotion.runtime import resolve_device
from emotion.train.dataset import PieceVersions, SegmentCache, TrainingPiece, random_part, read_pieces

log = logging.getLogger(__name__)

CACHE_VERSION = "numbers-3"  # count up when `describe`, its front ends or the versions of pieces change
PARTS_S = (16.0, 8.0)  # parts of each piece that are trained on beside the whole; 8 s is a judge's window
INNER_FOLDS = 5
RIDGE_OF_KINDS = 30.0
SMALLEST_SD = 0.05  # of a teacher's error on an axis


@dataclass(frozen=True)
class UnifiedTrainConfig:
    """steps of `batch` pieces of each set; AdamW at `rate` with one cycle; `mix` is mixup's alpha, `smooth` is label
    smoothing, `noise` is added in standard deviations, a group of numbers is dropped with probability `hide`.

    `distil` is the weight of the teachers' predictions, the labels have the rest; 0 trains without teachers. `affect`
    is the weight of valence and arousal beside the quadrants. `use` are the groups of numbers that are not dropped.
    The teachers have the gamma `width` over the count of numbers, and `ridge`. `frontend` gives the embedding: mel or
    mert.
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
        if self.frontend not in FRONTEND_ROWS:
            raise DataError(f"there is no front end {self.frontend}: choose from {', '.join(FRONTEND_ROWS)}")


@dataclass(frozen=True, eq=False)
class UnifiedTrainingPiece:
    """A piece in numbers: rows (K, D) and which groups are known (K, 4).

    Row 0 is of the whole first version, with its notes where it is MIDI; row 1 of its sound alone; the others of other
    versions and of parts.
    """

    piece: TrainingPiece
    values: NDArray[np.float32]
    known: NDArray[np.bool_]


def prepare(versions: PieceVersions, frontend: str = "mel") -> UnifiedTrainingPiece:
    """A piece as the model is trained and tested on it."""
    whole, others = versions.versions[0], versions.versions[1:]
    rng = np.random.default_rng(versions.piece.number)  # a piece's parts do not depend on the other pieces
    segments = [whole, replace(whole, notes=None), *others, *(random_part(whole, seconds, rng) for seconds in PARTS_S)]
    found = [describe(segment, frontend) for segment in segments]
    values, known = np.stack([each.values for each in found]), np.stack([each.known for each in found])
    return UnifiedTrainingPiece(versions.piece, values, known)


def prepare_all(cache: SegmentCache, source: str, folder: Path, *, frontend: str = "mel") -> list[UnifiedTrainingPiece]:
    """Every piece of a set in numbers, kept beside its rows in the cache. Raises DataError and SoundError."""
    path = cache.folder / source / f"{CACHE_VERSION}-{frontend}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as kept:
            values, known = kept["values"].astype(np.float32), kept["known"]
        return [UnifiedTrainingPiece(*each) for each in zip(read_pieces(source, folder), values, known, strict=True)]
    segments = replace(cache, frontends=(FRONTEND_ROWS[frontend], "chroma"))
    found = [prepare(each, frontend) for each in segments.read(source, folder)]
    with atomic_write(path) as partial, partial.open("wb") as file:
        np.savez(file, values=np.stack([each.values for each in found]), known=np.stack([each.known for each in found]))
    return found


@dataclass(frozen=True, eq=False)
class UnifiedTable:
    """N rows of all pieces: standardised inputs (N, D + 4), quadrants (N,), points (N, 2) and which are rated (N,),
    data set and piece of each (N,), and which are of a whole piece in its first version (N,)."""

    inputs: Tensor
    quadrants: Tensor
    affect: Tensor
    rated: Tensor
    source: NDArray[np.str_]
    piece: NDArray[np.int64]
    whole: NDArray[np.bool_]


def train(pieces: Sequence[UnifiedTrainingPiece], recipe: UnifiedTrainConfig, *, seed: int) -> Unified:
    """The model trained on these pieces, on the device of V2M_DEVICE (`--device`). Raises DataError."""
    if not pieces:
        raise DataError("there is nothing to train on: give at least one of the sets")
    torch.manual_seed(seed)
    kinds = {DATASETS[each.piece.source].role.kind for each in pieces}
    config = UnifiedConfig(sizes_of(recipe.frontend), len(kinds), recipe.frontend, recipe.members)
    model = Unified(config)
    table = _table(model, pieces, recipe)
    teacher = _teacher_targets(table, pieces, recipe) if recipe.distil else None
    _fit(model.to(resolve_device()), table, teacher, recipe, seed)
    return model.eval()


def predict(
    model: Unified, pieces: Sequence[UnifiedTrainingPiece], *, row: int = 0, use: Sequence[str] = GROUPS
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Probabilities (N, 4) and points (N, 2) of one row of every piece."""
    values = torch.from_numpy(np.stack([each.values[row] for each in pieces]))
    known = torch.from_numpy(np.stack([each.known[row] for each in pieces]))
    known &= group_mask(use)
    with torch.inference_mode():
        quadrants, affect = model.judge(*(each.to(model.temperature.device) for each in (values, known)))
    return quadrants.cpu().numpy(), affect.cpu().numpy()


def _fit_standardisation(model: Unified, values: Tensor, known: Tensor, kinds: NDArray[np.str_]) -> None:
    """Set means and deviations of each kind's known numbers; a number that a kind never has gets those of all pieces.

    The classifier of kinds is ridge regression on scores by the means of all pieces.
    """
    there = known[:, model.group[: values.shape[1]]]
    nothing = values.new_zeros(values.shape[1])
    model.all_centre, model.all_scale = _moments(values, there, nothing, nothing + 1)
    names, place = np.unique(kinds, return_inverse=True)
    for row in range(len(names)):
        own = torch.from_numpy(place == row)
        model.centre[row], model.scale[row] = _moments(values[own], there[own], model.all_centre, model.all_scale)
    inputs, truth = model.overall(values, known), torch.from_numpy(np.eye(len(names), dtype=np.float32)[place])
    # a linear classifier is enough, and ships as one matrix
    penalty = RIDGE_OF_KINDS * torch.eye(inputs.shape[1])
    model.sorting = torch.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ truth)


def _moments(values: Tensor, there: Tensor, centre: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation (D,) of the values that are known, the given ones where there are none."""
    count = there.sum(0)
    mean = (values * there).sum(0) / count.clamp_min(1)
    deviation = (((values - mean) * there).square().sum(0) / count.clamp_min(1)).sqrt() + 1e-3
    return torch.where(count > 0, mean, centre), torch.where(count > 0, deviation, scale)


def group_mask(groups: Sequence[str]) -> Tensor:
    """(4,) bool: which of GROUPS are among `groups`."""
    return torch.tensor([name in groups for name in GROUPS])


def _table(model: Unified, pieces: Sequence[UnifiedTrainingPiece], recipe: UnifiedTrainConfig) -> UnifiedTable:
    values = torch.from_numpy(np.concatenate([each.values for each in pieces]))
    known = torch.from_numpy(np.concatenate([each.known for each in pieces]))
    known &= group_mask(recipe.use)
    counts = [len(each.values) for each in pieces]
    piece = np.repeat(np.arange(len(pieces)), counts)
    kinds = np.array([DATASETS[each.piece.source].role.kind for each in pieces])[piece]
    _fit_standardisation(model, values, known, kinds)
    points = [each.piece.affect or (np.nan, np.nan) for each in pieces]
    affect = torch.tensor(points, dtype=torch.float32)[piece]
    return UnifiedTable(
        model.standard(values, known),
        torch.tensor([each.piece.quadrant for each in pieces])[piece],
        affect.nan_to_num(),
        ~affect[:, 0].isnan(),
        np.array([each.piece.source for each in pieces])[piece],
        piece,
        # rows 0 and 1 of a piece are of its whole first version
        np.concatenate([np.arange(count) < 2 for count in counts]),
    )


@dataclass(frozen=True, eq=False)
class TeacherTargets:
    """The teachers' predictions for each row: probabilities (N, 4), points (N, 2); sd of errors on the axes (2,)."""

    quadrants: Tensor
    affect: Tensor
    deviation: Tensor


def _teacher_targets(
    table: UnifiedTable, pieces: Sequence[UnifiedTrainingPiece], recipe: UnifiedTrainConfig
) -> TeacherTargets:
    """Quadrants by each set's teacher for its own pieces; valence and arousal by that of the rated pieces for all."""
    labels = functional.one_hot(table.quadrants, 4).float()
    quadrants, affect, deviation = torch.zeros_like(labels), table.affect.clone(), torch.ones(2)
    folds = _inner_folds(pieces)[table.piece]
    for source in np.unique(table.source):
        own = table.source == source
        quadrants[own] = _out_of_fold(table, labels, own, folds, recipe)
    if (rated := table.rated.numpy()).any():
        affect = _fit_teacher(table, table.affect, rated, recipe)(table.inputs)
        affect[rated] = _out_of_fold(table, table.affect, rated, folds, recipe)
        deviation = (affect - table.affect)[rated].std(0).clamp_min(SMALLEST_SD)
    quadrants = quadrants.clamp_min(0.01)  # kernel ridge may predict shares of 0 or less
    return TeacherTargets(quadrants / quadrants.sum(1, keepdim=True), affect.clamp(-1, 1), deviation)


def _inner_folds(pieces: Sequence[UnifiedTrainingPiece]) -> NDArray[np.int64]:
    """(P,) a fold of each piece; pieces that share a group, directly or through others, share the fold."""
    folds = np.zeros(len(pieces), np.int64)
    for component in connected([each.piece.groups for each in pieces]):
        folds[component] = zlib.crc32(min(pieces[place].piece.name for place in component).encode()) % INNER_FOLDS
    return folds


def _out_of_fold(
    table: UnifiedTable, targets: Tensor, own: NDArray[np.bool_], folds: NDArray[np.int64], recipe: UnifiedTrainConfig
) -> Tensor:
    """Predictions for the rows `own` of the table, by teachers that were not fitted on their pieces."""
    predicted = targets.clone()
    for fold in range(INNER_FOLDS):
        held, known = own & (folds == fold), own & (folds != fold)
        # a small set may have no piece in a fold
        if held.any() and (known & table.whole).any():
            predicted[held] = _fit_teacher(table, targets, known, recipe)(table.inputs[held])
    return predicted[own]


def _fit_teacher(
    table: UnifiedTable, targets: Tensor, rows: NDArray[np.bool_], recipe: UnifiedTrainConfig
) -> KernelRidge:
    """Kernel ridge fitted on those of the rows that are of whole pieces."""
    chosen = rows & table.whole
    inputs = table.inputs[chosen]
    ridge = KernelRidge(len(inputs), inputs.shape[1], targets.shape[1], gamma=recipe.width / inputs.shape[1])
    ridge.fit(inputs, targets[chosen], ridge=recipe.ridge)
    return ridge


def _fit(
    model: Unified, table: UnifiedTable, teacher: TeacherTargets | None, recipe: UnifiedTrainConfig, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=recipe.steps)
    pools = [np.flatnonzero(table.source == source) for source in np.unique(table.source)]
    device, group = model.temperature.device, model.group.cpu()
    for _ in range(recipe.steps):
        rows = np.concatenate([rng.choice(pool, (recipe.members, recipe.batch)) for pool in pools], 1)
        batch = _batch(table, teacher, rows, recipe, rng)
        batch = replace(batch, inputs=_augmented(batch.inputs, group, recipe, rng)).to(device)
        loss = _loss(model, batch, recipe)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()


@dataclass(frozen=True, eq=False)
class UnifiedBatch:
    """Rows (M, B) after mixup: inputs, and quadrants and points by the labels and by the teachers."""

    inputs: Tensor
    quadrants: Tensor
    affect: Tensor
    rated: Tensor
    teacher: TeacherTargets | None

    def to(self, device: torch.device) -> "UnifiedBatch":
        """The same batch on a device."""
        teacher = self.teacher and TeacherTargets(
            self.teacher.quadrants.to(device), self.teacher.affect.to(device), self.teacher.deviation.to(device)
        )
        inputs, quadrants, affect, rated = (
            each.to(device) for each in (self.inputs, self.quadrants, self.affect, self.rated)
        )
        return UnifiedBatch(inputs, quadrants, affect, rated, teacher)


def _batch(
    table: UnifiedTable,
    teacher: TeacherTargets | None,
    rows: NDArray[np.int64],
    recipe: UnifiedTrainConfig,
    rng: np.random.Generator,
) -> UnifiedBatch:
    """Rows (M, B) of the table, each mixed with another one of the same member."""
    others = rng.permuted(rows, axis=1)
    share = torch.from_numpy(rng.beta(recipe.mix, recipe.mix, (*rows.shape, 1)).astype(np.float32))

    def mixed(values: Tensor) -> Tensor:
        return share * values[rows] + (1 - share) * values[others]

    labels = functional.one_hot(table.quadrants, 4) * (1 - recipe.smooth) + recipe.smooth / 4
    targets = teacher and TeacherTargets(mixed(teacher.quadrants), mixed(teacher.affect), teacher.deviation)
    # a mixture with a piece without ratings has no point
    rated = (table.rated[rows] & table.rated[others]).unsqueeze(2)
    return UnifiedBatch(mixed(table.inputs), mixed(labels), mixed(table.affect), rated, targets)


def _augmented(inputs: Tensor, group: Tensor, recipe: UnifiedTrainConfig, rng: np.random.Generator) -> Tensor:
    """Inputs with noise, some groups of some rows set to zero."""
    noisy = inputs + recipe.noise * torch.from_numpy(rng.standard_normal(inputs.shape, np.float32))
    kept = torch.from_numpy(rng.random((*inputs.shape[:2], int(group.max()) + 1)) >= recipe.hide)
    return noisy * kept[:, :, group]


def _loss(model: Unified, batch: UnifiedBatch, recipe: UnifiedTrainConfig) -> Tensor:
    logits, affect = model(batch.inputs)
    log_probs = logits.log_softmax(2)
    deviation = batch.teacher.deviation if batch.teacher else affect.new_full((2,), 0.3)
    hard: Tensor = -(batch.quadrants * log_probs).sum(2).mean()
    off = gaussian(affect, batch.affect, deviation)
    hard = hard + recipe.affect * (off * batch.rated).sum() / batch.rated.sum().clamp_min(1)
    if batch.teacher is None:
        return hard
    soft = bernoulli(log_probs.exp(), batch.teacher.quadrants).mean()
    soft = soft + recipe.affect * gaussian(affect, batch.teacher.affect, deviation).mean()
    total: Tensor = (1 - recipe.distil) * hard + recipe.distil * soft
    return total


def gaussian(one: Tensor, other: Tensor, deviation: Tensor) -> Tensor:
    """KL (..., 1) of Gaussians of the same deviation (2,) at points (..., 2), both axes together."""
    divergence: Tensor = ((one - other) / deviation).square().sum(-1, keepdim=True) / 2
    return divergence


def bernoulli(one: Tensor, other: Tensor) -> Tensor:
    """KL (..., 1) from probabilities `one` to `other` (..., K), each class as a Bernoulli variable of its own."""
    # clamped, so that the logarithms are finite
    one, other = one.clamp(1e-4, 1 - 1e-4), other.clamp(1e-4, 1 - 1e-4)
    parts = other * (other / one).log() + (1 - other) * ((1 - other) / (1 - one)).log()
    divergence: Tensor = parts.sum(-1, keepdim=True)
    return divergence
