"""A checkpoint is a folder: `config.json` (what the model is), `model.safetensors` (weights), `README.md` (its card).

The config carries `kind` and `version`; both are checked before a tensor is read, so that weights of one model never
end up in another. Nothing is unpickled.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save as serialize

from emotion.errors import CheckpointError
from emotion.files import atomic_write
from emotion.runtime import WEIGHTS_VARIABLE

if TYPE_CHECKING:
    from torch.nn import Module

CONFIG, WEIGHTS = "config.json", "model.safetensors"
SHIPPED = Path(__file__).parent / "weights"  # of this package; video2music has a folder of its own
Dimensions = TypeVar("Dimensions")


@dataclass(frozen=True)
class Checkpoint:
    """Config and tensors (numpy) of a model, and the sha256 of its weights file."""

    config: Mapping[str, Any]
    tensors: Mapping[str, np.ndarray]
    sha256: str


def weights_folder(shipped: Path) -> Path:
    """The folder of a model: of its name in V2M_WEIGHTS (`--weights`) where there is one, else the shipped one.

    Every loader asks anew at each call, and caches by the answer, so that the setting holds whenever it is made.
    """
    own = os.environ.get(WEIGHTS_VARIABLE)
    return Path(own) / shipped.name if own and (Path(own) / shipped.name).is_dir() else shipped


def load(folder: Path, *, kind: str, version: int = 1) -> Checkpoint:
    """Read the checkpoint in `folder`; float16 tensors come back as float32. Raises CheckpointError."""
    config_path, weights_path = folder / CONFIG, folder / WEIGHTS
    for path in (config_path, weights_path):
        if not path.is_file():
            raise CheckpointError(f"no {kind} weights at {folder}: {path.name} is missing; train them or reinstall")
    try:
        config = json.loads(config_path.read_text())
        tensors = load_file(weights_path)
    except (ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"the {kind} weights at {folder} are damaged ({error}); train them anew or reinstall"
        ) from None
    found = (config.get("kind"), config.get("version"))
    if found != (kind, version):
        raise CheckpointError(f"{folder} holds {found[0]} version {found[1]}, but {kind} version {version} is needed")
    return Checkpoint(config, {name: _widen(tensor) for name, tensor in tensors.items()}, file_sha256(weights_path))


def save(
    folder: Path, *, kind: str, config: Mapping[str, Any], tensors: Mapping[str, np.ndarray], version: int = 1
) -> None:
    """Write config and tensors; each file appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / WEIGHTS) as partial:
        partial.write_bytes(serialize({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}))
    with atomic_write(folder / CONFIG) as partial:
        partial.write_text(json.dumps({"kind": kind, "version": version, **config}, indent=2) + "\n")


def save_module(module: "Module", folder: Path, *, kind: str, config: Mapping[str, Any]) -> None:
    """Write a torch module's weights as float16."""
    tensors = {name: tensor.detach().cpu().numpy().astype(np.float16) for name, tensor in module.state_dict().items()}
    save(folder, kind=kind, config=config, tensors=tensors)


def dimensions(found: Checkpoint, kind: Callable[..., Dimensions], *, part: str = "model") -> Dimensions:
    """The dimensions that a checkpoint's config holds under `part`, as `kind`. Raises CheckpointError."""
    try:
        return kind(**found.config[part])
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"the config of the weights is of another model ({error}): train them anew") from None


def fill(module: "Module", found: Checkpoint) -> None:
    """Put the tensors of a checkpoint into a torch module and make it ready for inference. Raises CheckpointError."""
    import torch

    try:
        module.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in found.tensors.items()})
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(f"the weights do not fit the model of their config ({reason}): train them anew") from None
    module.eval()


def file_sha256(path: Path) -> str:
    """Hexadecimal sha256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _widen(tensor: np.ndarray) -> np.ndarray:
    return tensor.astype(np.float32) if tensor.dtype == np.float16 else tensor
