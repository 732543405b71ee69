"""Cross-validation of the judges of sound: trains a model per fold, and keeps its predictions on disk.

No artist, known game, song or tune is on both sides of a fold. emotion.evaluate.sound compares many experiments;
emotion.train.shipped calibrates and describes the weights that ship by theirs.
"""

import hashlib
import itertools
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emotion import metrics
from emotion.affect import quadrants_at
from emotion.data.registry import DATASETS, TRAINING_SETS
from emotion.errors import DataError
from emotion.files import atomic_write
from emotion.models.adff import ADFFConfig
from emotion.models.kernel import KernelRidge
from emotion.train import adff, unified
from emotion.train.adff import ADFFTrainConfig, ADFFTrainingPiece
from emotion.train.dataset import SegmentCache, TrainingPiece, without_groups_of
from emotion.train.unified import UnifiedTrainConfig, UnifiedTrainingPiece

log = logging.getLogger(__name__)

SPLIT = "out of ten folds by artist (4Q) and game (YM2413-MDB), five by song (EMOPIA) and game (VGMIDI)"


@dataclass(frozen=True, eq=False)
class Experiment:
    """A model that is trained on folds of some sets and tested on their held-out pieces.

    model   "adff", "unified" or "kernel"; `config` and `recipe` are changes of its defaults
    folds, seeds   how many at most are run
    """

    name: str
    model: str
    sets: tuple[str, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    folds: int = 10
    seeds: int = 10

    def settings(self) -> tuple[Any, Any]:
        """Config (None for models that have none) and recipe."""
        if self.model == "adff":
            return replace(ADFFConfig(), **self.config), replace(ADFFTrainConfig(), **self.recipe)
        return None, replace(UnifiedTrainConfig(), **self.recipe)


ADFF = Experiment("ADFF, 4Q and YM2413-MDB (shipped)", "adff", ("fourq", "ym2413"))
UNIFIED = Experiment("unified, all sets (shipped)", "unified", TRAINING_SETS)
ALSO_FROM_SOUND = ("unified, this set alone", UNIFIED.name, "kernel ridge on the same numbers")  # experiments by name


@dataclass(frozen=True, eq=False)
class HeldOutPredictions:
    """Predictions for pieces that a model was not trained on: probabilities (N, 4) and points (N, 2)."""

    pieces: Sequence[TrainingPiece]
    quadrants: NDArray[np.floating[Any]]
    affect: NDArray[np.floating[Any]]

    def of_set(self, source: str) -> "HeldOutPredictions":
        """Those for the pieces of one set."""
        return self.select([index for index, piece in enumerate(self.pieces) if piece.source == source])

    def select(self, indices: Sequence[int]) -> "HeldOutPredictions":
        """Those of some indices."""
        return HeldOutPredictions([self.pieces[i] for i in indices], self.quadrants[indices], self.affect[indices])


def summarise(seeds: Sequence[HeldOutPredictions]) -> dict[str, Any]:
    """Metrics over the seeds' predictions for the same pieces: of points where pieces are rated, else of quadrants."""
    pieces = seeds[0].pieces
    if pieces[0].affect:
        points = np.array([piece.affect for piece in pieces])
        return metrics.summaries(metrics.of_affect, [each.affect for each in seeds], points)
    quadrants = np.array([piece.quadrant for piece in pieces])
    found = metrics.summaries(metrics.of_quadrants, [each.quadrants for each in seeds], quadrants)
    del found["ece"]  # these probabilities are not calibrated
    return found


def save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays as an .npz that appears whole or not at all, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as partial_path, partial_path.open("wb") as file:
        np.savez(file, **arrays)


class CrossValidation:
    """Trains the models of experiments on folds of the sets below `data`, and keeps their predictions below `runs`."""

    def __init__(self, data: Path, runs: Path) -> None:
        self.data, self.runs = data, runs
        self.cache = SegmentCache(runs / "segments")
        self.fold_s: dict[Experiment, list[float]] = defaultdict(list)
        self._pieces: dict[tuple[str, str], Sequence[Any]] = {}

    def by_title(self, experiment: Experiment, seeds: int) -> Iterator[tuple[str, Sequence[HeldOutPredictions]]]:
        """Titles and the seeds' predictions, for each set of an experiment, and from sound alone where it has those."""
        runs = (self.predictions(experiment, seed) for seed in range(min(seeds, experiment.seeds)))
        whole, from_sound = zip(*runs, strict=True)
        for source, (kind, suffix) in itertools.product(experiment.sets, ((whole, ""), (from_sound, ", sound alone"))):
            kept = [each.of_set(source) for each in kind if each is not None]
            if kept and kept[0].pieces:
                yield f"{DATASETS[source].title}: {experiment.name}{suffix}", kept

    def predictions(
        self, experiment: Experiment, seed: int = 0
    ) -> tuple[HeldOutPredictions, HeldOutPredictions | None]:
        """For all held-out pieces; and from their sound alone, for the MIDI sets of experiments that have that too."""
        n_folds = max(DATASETS[name].role.n_folds for name in experiment.sets)
        parts = [self._fold(experiment, seed, fold) for fold in range(min(experiment.folds, n_folds))]
        from_sound = [part for _, part in parts if part is not None]
        return _concatenate([part for part, _ in parts]), _concatenate(from_sound) if from_sound else None

    def _fold(
        self, experiment: Experiment, seed: int, fold: int
    ) -> tuple[HeldOutPredictions, HeldOutPredictions | None]:
        everything = self.pieces(experiment)
        held = [each for each in everything if each.piece.fold == fold]
        path = self.runs / "predictions" / f"{_slug(experiment, seed)}-{fold}.npz"
        if not path.is_file():
            started = time.perf_counter()
            arrays = _PREDICTORS[experiment.model](experiment, without_groups_of(everything, held), held, seed)
            save_arrays(path, {**arrays, "taken_s": np.array(time.perf_counter() - started)})
            log.info("%s on %s, seed %d, fold %d", experiment.name, ", ".join(experiment.sets), seed, fold)
        with np.load(path, allow_pickle=False) as kept:
            found = dict(kept)
        if len(found["quadrants"]) != len(held):
            raise DataError(f"{path} is of other data: remove it")
        self.fold_s[experiment].append(float(found["taken_s"]))
        pieces = [each.piece for each in held]
        whole = HeldOutPredictions(pieces, found["quadrants"], found["affect"])
        midi = [index for index, piece in enumerate(pieces) if piece.path.suffix == ".mid"]
        if "quadrants_from_sound" not in found or not midi:
            return whole, None
        from_sound = HeldOutPredictions(pieces, found["quadrants_from_sound"], found["affect_from_sound"])
        return whole, from_sound.select(midi)

    def training_s(self) -> dict[str, float]:
        """Mean time of a fold in s, by set and experiment with ADFF."""
        return {
            f"{', '.join(DATASETS[name].title for name in experiment.sets)}: {experiment.name}": float(np.mean(taken))
            for experiment, taken in self.fold_s.items()
            if experiment.model == "adff"
        }

    def pieces(self, experiment: Experiment) -> list[Any]:
        """Every piece of an experiment's sets, as its model takes it: ADFFTrainingPiece or UnifiedTrainingPiece."""
        kind = "adff" if experiment.model == "adff" else experiment.settings()[1].frontend
        for name in experiment.sets:
            if (kind, name) not in self._pieces:
                folder = self.data / name
                self._pieces[kind, name] = (
                    [adff.prepare(each) for each in self.cache.read(name, folder)]
                    if kind == "adff"
                    else unified.prepare_all(self.cache, name, folder, frontend=kind)
                )
        return [each for name in experiment.sets for each in self._pieces[kind, name]]


def _concatenate(parts: Sequence[HeldOutPredictions]) -> HeldOutPredictions:
    pieces = [piece for part in parts for piece in part.pieces]
    quadrants, affect = (np.concatenate([getattr(part, name) for part in parts]) for name in ("quadrants", "affect"))
    return HeldOutPredictions(pieces, quadrants, affect)


def _slug(experiment: Experiment, seed: int) -> str:
    """A file name of predictions that is another one whenever settings, or versions and lengths of a set, change."""
    roles = [(name, DATASETS[name].role.versions, DATASETS[name].role.longest_s) for name in experiment.sets]
    settings = (experiment.settings(), roles, unified.CACHE_VERSION, experiment.name in ALSO_FROM_SOUND)
    digest = hashlib.sha256(repr(settings).encode()).hexdigest()[:10]
    return "-".join([experiment.model, *experiment.sets, digest, str(seed)])


def _adff(
    experiment: Experiment, known: Sequence[ADFFTrainingPiece], held: Sequence[ADFFTrainingPiece], seed: int
) -> dict[str, Any]:
    config, recipe = experiment.settings()
    quadrants, affect = adff.predict(adff.train(known, config, recipe, seed=seed), held)
    if "quadrants" in recipe.tasks:
        return {"quadrants": quadrants, "affect": affect}
    return {"quadrants": quadrants_at(affect), "affect": affect}


def _unified(
    experiment: Experiment, known: Sequence[UnifiedTrainingPiece], held: Sequence[UnifiedTrainingPiece], seed: int
) -> dict[str, Any]:
    _, recipe = experiment.settings()
    model = unified.train(known, recipe, seed=seed)
    quadrants, affect = unified.predict(model, held, use=recipe.use)
    found = {"quadrants": quadrants, "affect": affect}
    if experiment.name in ALSO_FROM_SOUND:
        from_sound = unified.predict(model, held, row=1, use=recipe.use)
        found |= dict(zip(("quadrants_from_sound", "affect_from_sound"), from_sound, strict=True))
    return found


def _kernel(
    experiment: Experiment, known: Sequence[UnifiedTrainingPiece], held: Sequence[UnifiedTrainingPiece], seed: int
) -> dict[str, Any]:
    """The teachers by themselves: kernel ridge on whole pieces of one set; the same for every seed."""
    recipe, found = experiment.settings()[1], dict[str, Any]()
    inputs = np.stack([each.values[0] for each in known])
    truth = np.array([[*np.eye(4)[each.piece.quadrant], *(each.piece.affect or (0, 0))] for each in known])
    ridge = KernelRidge(len(inputs), inputs.shape[1], 6, gamma=recipe.width / inputs.shape[1])
    ridge.fit(torch.from_numpy(inputs), torch.from_numpy(truth).float(), ridge=recipe.ridge)
    for row, suffix in ((0, ""), (1, "_from_sound")):
        predicted = ridge(torch.from_numpy(np.stack([each.values[row] for each in held]))).numpy()
        found |= {"quadrants" + suffix: predicted[:, :4], "affect" + suffix: predicted[:, 4:]}
    return found


_PREDICTORS: Mapping[str, Callable[[Experiment, Sequence[Any], Sequence[Any], int], dict[str, Any]]] = MappingProxyType(
    {"adff": _adff, "unified": _unified, "kernel": _kernel}
)
