"""Loading of the AMT and the regressor: config, weights, and the names of tensors that changed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import torch
from torch import nn

from emotion import checkpoint

SHIPPED = Path(__file__).parent.parent / "weights"

# Prefixes of tensors' names in the weights that ship, and what they are called in the modules. The weights were trained
# before the modules got these names; the files stay as they are, because cards and manifests hold their sha256.
RENAMED = MappingProxyType({
    "watching.picture.": "conditioning.embedding.",
    "watching.around.": "conditioning.context.",
    "watching.when.": "conditioning.repeat_bias.",
    "watching.tilt.wish.": "conditioning.emotion_bias.mlp.",
    "watching.tilt.": "conditioning.emotion_bias.",
    "watching.ends": "conditioning.end_bias",
    "encoder.picture.": "encoder.embedding.",
    "rows.": "inputs.",
})  # fmt: skip

Config = TypeVar("Config")
Model = TypeVar("Model", bound=nn.Module)


def load(
    kind: str,
    config_type: Callable[..., Config],
    build: Callable[[Config], Model],
    folder: Path | None = None,
    *,
    device: str | torch.device = "cpu",
) -> tuple[Model, checkpoint.Checkpoint]:
    """A trained model on a device, ready for inference, and its checkpoint. Inputs must be on the same device.

    Without a folder it is the user's own (`--weights`) or the shipped one. Raises CheckpointError.
    """
    found = checkpoint.load(folder or checkpoint.weights_folder(SHIPPED / kind), kind=kind)
    tensors = {}
    for name, tensor in found.tensors.items():
        old = next((prefix for prefix in RENAMED if name.startswith(prefix)), "")  # in order: the longer one is first
        tensors[RENAMED.get(old, "") + name.removeprefix(old)] = tensor
    found = replace(found, tensors=tensors)
    model = build(checkpoint.dimensions(found, config_type))
    checkpoint.fill(model, found)
    return model.to(device), found
