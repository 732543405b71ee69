"""The training loop shared by the AMT, the regressor and PoolingVQ: AdamW, warm-up, cosine decay, best epoch.

It can be stopped at any time: after each epoch the whole state goes to `resume.pt` in the folder, and the same command
goes on from there. The model stays on the device it is on; batches have to be on the same one.
"""

import copy
import json
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from emotion.errors import DataError
from emotion.files import atomic_write

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoopConfig:
    """How to train: epochs, songs a batch, peak learning rate, steps of warm-up, weight decay, patience in epochs.

    The rate falls to the share `last_rate` of its peak. Weight decay spares biases, norms and other vectors.
    """

    epochs: int
    batch: int = 16
    rate: float = 5e-4
    warmup_steps: int = 100
    decay: float = 0.01
    patience: int = 6
    seed: int = 0
    last_rate: float = 0.02


def fit(
    model: nn.Module,
    batches: Callable[[torch.Generator], Iterable[Any]],
    loss: Callable[[Any, torch.Generator], Tensor],
    validate: Callable[[], float],
    *,
    recipe: LoopConfig,
    n_batches: int,
    folder: Path,
    dimensions: Mapping[str, Any],
) -> list[dict[str, float]]:
    """Train in place and leave the weights of the epoch with the lowest `validate()`; returns a row an epoch.

    `batches(generator)` gives one epoch, `loss(batch, generator)` a scalar; all randomness comes from the generator and
    torch's own seed, both set from the recipe. A folder that holds another run (another recipe, other `dimensions` of
    the model) is refused with a DataError.
    """
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    groups = [{"params": matrices, "weight_decay": recipe.decay}, {"params": vectors, "weight_decay": 0.0}]
    # betas as usual for transformers (Vaswani et al. 2017)
    optimizer = torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.98))
    # by step, not by epoch: some recipes have two epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _warmup_cosine(recipe, recipe.epochs * n_batches))
    run = json.dumps({"recipe": asdict(recipe), "dimensions": dict(dimensions)})
    history, best = _resume(folder / "resume.pt", run, model, optimizer, schedule, generator)
    for epoch in range(len(history), recipe.epochs):
        validations = [row["validation"] for row in history]
        if len(history) > recipe.patience and min(validations[-recipe.patience :]) > min(validations):
            break
        started = time.perf_counter()
        losses = [_update(model, optimizer, schedule, loss(batch, generator)) for batch in batches(generator)]
        model.eval()
        validation = validate()
        model.train()
        if validation <= min(validations, default=math.inf):
            best = copy.deepcopy(model.state_dict())
        seconds = time.perf_counter() - started
        history.append(
            {"epoch": epoch, "loss": sum(losses) / len(losses), "validation": validation, "seconds": seconds}
        )
        log.info("epoch %(epoch)d  loss %(loss).4f  validation %(validation).4f  %(seconds).0f s", history[-1])
        _save(folder / "resume.pt", run, model, optimizer, schedule, generator, history, best)
    model.load_state_dict(best)
    model.eval()
    return history


def _update(
    model: nn.Module, optimizer: torch.optim.Optimizer, schedule: torch.optim.lr_scheduler.LRScheduler, loss: Tensor
) -> float:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # one odd batch must not undo an epoch
    optimizer.step()
    schedule.step()
    return loss.item()


def _warmup_cosine(recipe: LoopConfig, steps: int) -> Callable[[int], float]:
    def factor(step: int) -> float:
        if step < recipe.warmup_steps:
            return (step + 1) / recipe.warmup_steps
        fallen = 0.5 * (1 + math.cos(math.pi * min(step / steps, 1)))
        return recipe.last_rate + (1 - recipe.last_rate) * fallen

    return factor


def _save(
    path: Path,
    run: str,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    generator: torch.Generator,
    history: list[dict[str, float]],
    best: Mapping[str, Tensor],
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}
    # dropout draws from torch's own generator, batches from ours
    random = {"generator": generator.get_state(), "torch": torch.get_rng_state()}
    with atomic_write(path) as partial:
        torch.save({**state, **random, "history": history, "best": best, "run": run}, partial)


def _resume(
    path: Path,
    run: str,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    generator: torch.Generator,
) -> tuple[list[dict[str, float]], dict[str, Tensor]]:
    if not path.is_file():
        return [], copy.deepcopy(model.state_dict())
    state = torch.load(path, weights_only=True)
    if state["run"] != run:
        raise DataError(
            f"{path.parent} holds another run ({state['run']}): give another -o, or remove it to start anew"
        )
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    generator.set_state(state["generator"])
    torch.set_rng_state(state["torch"])
    log.info("resuming after epoch %d", len(state["history"]))
    return state["history"], state["best"]
