"""Trained models to evaluate: the shipped weights, and the checkpoints that training left in a folder.

A checkpoint's config says under `training` which variant it is (`variant`, the shipped recipe where missing) and with
which seed it was trained (`recipe.seed`).
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emotion.checkpoint import CONFIG, Checkpoint
from emotion.errors import CheckpointError, DataError
from video2music.errors import OptionError
from video2music.model.picture import MODALITIES

log = logging.getLogger(__name__)

SHIPPED = "shipped"


@dataclass(frozen=True)
class Run:
    """A trained model, where it lay in the folder of runs, and what its config says."""

    model: Any
    name: str
    config: Mapping[str, Any]
    sha256: str

    @property
    def variant(self) -> str:
        return " ".join(str(self.training.get("variant", SHIPPED)).replace("|", "/").split())

    @property
    def seed(self) -> int:
        return int(self.recipe.get("seed", 0))

    @property
    def training(self) -> Mapping[str, Any]:
        return self.config.get("training", {})

    @property
    def recipe(self) -> Mapping[str, Any]:
        return self.training.get("recipe", {})

    @property
    def unseen(self) -> tuple[str, ...]:
        """The modalities that were hidden in all of its training: shown now they would only be noise."""
        rates = self.training.get("drop_rates", ())
        return tuple(name for name, rate in zip(MODALITIES, rates, strict=False) if rate >= 1)

    def card(self) -> dict[str, Any]:
        """What a report tells of it."""
        return {"run": self.name, "seed": self.seed, "sha256": self.sha256}


Loader = Callable[[Path], tuple[Any, Checkpoint]]


def gather(kind: str, load: Loader, shipped: Path, folder: Path | None, *, seeds: int) -> dict[str, list[Run]]:
    """By variant its runs, lowest seed first, the shipped variant leading with the shipped weights.

    Of that variant exactly `seeds` are taken. A run that repeats variant and seed of another, or is called shipped and
    was trained with another recipe or other dimensions, is left out and told of. Raises OptionError, DataError and
    CheckpointError.
    """
    if seeds < 1:
        raise OptionError(f"--seeds {seeds} leaves nothing to evaluate: give 1 or more")
    first = _read(load, shipped, "shipped weights")
    found: dict[str, list[Run]] = {SHIPPED: [first]}
    for path in _checkpoints(kind, folder):
        run = _read(load, path, path.relative_to(folder or path).as_posix())
        reason = _reason_against(run, found)
        if reason:
            log.warning("%s is left out: %s", path, reason)
        else:
            found.setdefault(run.variant, []).append(run)
    by_variant = {
        variant: sorted(runs, key=lambda run: (run is not first, run.seed)) for variant, runs in found.items()
    }
    _demand(seeds, by_variant[SHIPPED], kind, folder)
    return by_variant | {SHIPPED: by_variant[SHIPPED][:seeds]}


def _read(load: Loader, folder: Path, name: str) -> Run:
    model, found = load(folder)
    run = Run(model, name, found.config, found.sha256)
    if not isinstance(run.recipe.get("seed", 0), int):
        raise CheckpointError(f"{folder} was trained with a seed that is no whole number: train it anew")
    return run


def _checkpoints(kind: str, folder: Path | None) -> list[Path]:
    """Sub-folders, at any depth, that hold a model of that kind, in the order of their names."""
    if folder is None:
        return []
    if not folder.is_dir():
        raise DataError(f"no runs at {folder}: give the folder that training wrote to, or leave --runs out")
    return sorted(path.parent for path in folder.rglob(CONFIG) if _kind_of(path) == kind)


def _kind_of(config: Path) -> str | None:
    try:
        found = json.loads(config.read_text())
    except (OSError, ValueError):
        raise CheckpointError(f"{config} cannot be read: train that run anew, or remove its folder") from None
    return found.get("kind") if isinstance(found, dict) else None


def _reason_against(run: Run, found: Mapping[str, Sequence[Run]]) -> str | None:
    first = found[SHIPPED][0]
    twin = next((other for other in found.get(run.variant, ()) if other.seed == run.seed), None)
    if twin:
        return f"{twin.name} is the same variant ({run.variant}) with the same seed ({run.seed})"
    if run.variant == SHIPPED and _recipe(run) != _recipe(first):
        return "it was trained with another recipe or other dimensions than the shipped weights"
    return None


def _recipe(run: Run) -> tuple[Any, dict[str, Any]]:
    return run.config.get("model"), {name: value for name, value in run.recipe.items() if name != "seed"}


def _demand(seeds: int, runs: Sequence[Run], kind: str, folder: Path | None) -> None:
    if len(runs) >= seeds:
        return
    have = [run.seed for run in runs]
    missing = next(seed for seed in range(len(have) + 1) if seed not in have)
    root = folder or Path("runs")
    raise OptionError(
        f"--seeds {seeds} wants {seeds} runs of the shipped recipe, but there are {len(have)} "
        f"(seed {', '.join(map(str, have))}): run 'video2music train {kind} --data MUVI_SYNC --seed {missing} "
        f"-o {root / kind / f'seed-{missing}'}', and give --runs {root}"
    )
