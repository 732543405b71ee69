"""How a process runs: the device that models compute on, whose weights and SoundFont are used, cores and threads.

`--device`, `--weights` and `--soundfont` of the command lines end up in environment variables, so that worker processes
and libraries that start their own have them as well. Whatever loads a model asks here (or `checkpoint.weights_folder`).
"""

import importlib.util
import logging
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from emotion.errors import UserError

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

DEVICES = ("auto", "cpu", "cuda", "mps")
DEVICE_VARIABLE, WEIGHTS_VARIABLE, SOUNDFONT_VARIABLE = "V2M_DEVICE", "V2M_WEIGHTS", "V2M_SOUNDFONT"

# transformers and open_clip import torchvision. Where it and torch come from different indexes (PyPI's torchvision and
# PyTorch's own CPU build of torch), its import ends with "operator torchvision::nms does not exist", because its
# compiled operators could not be loaded. Nothing here uses those operators, so declaring them is enough.

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@lru_cache(maxsize=1)
def make_torchvision_importable() -> None:
    """Declare the operators that torchvision's import asks for, where it is installed and its import lacks them."""
    if importlib.util.find_spec("torchvision") is None:
        return
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        log.debug("torchvision does not fit torch (%s): its operators are declared", error)
        _declare()


@lru_cache(maxsize=1)
def _declare() -> object:
    """The library must outlive its declarations, so it is kept."""
    import torch

    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for schema in SCHEMAS:
        library.define(schema)  # type: ignore[no-untyped-call]
    return library


def wait_quietly() -> None:
    """Let OpenMP's threads sleep while they wait, unless the user says otherwise; before torch is imported.

    By default they spin, which multiplies the time of small operations on a machine whose cores are busy with something
    else. See OMP_WAIT_POLICY in https://gcc.gnu.org/onlinedocs/libgomp/.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def available_cores() -> int:
    """Cores that this process may use; fewer than the machine has under taskset or a scheduler."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def configure(*, device: str | None = None, weights: Path | None = None, soundfont: Path | None = None) -> None:
    """Set what a command line asks for, for this process and those that it starts; None leaves a setting as it is.

    Raises UserError for a device that is unknown or not there, and for files that are not.
    """
    if weights is not None and not weights.is_dir():
        raise UserError(f"there is no folder {weights}: --weights takes a folder that holds one folder a model")
    if soundfont is not None and not soundfont.is_file():
        raise UserError(f"there is no file {soundfont}: --soundfont takes a SoundFont such as FluidR3_GM.sf2")
    if device is not None:
        if device not in DEVICES:
            raise UserError(f"unknown device {device!r}: choose one of {', '.join(DEVICES)}")
        if device in ("cuda", "mps"):
            resolve_device(device)  # "auto" and "cpu" exist everywhere, so that torch need not be imported for them
        os.environ[DEVICE_VARIABLE] = device
    for variable, path in ((WEIGHTS_VARIABLE, weights), (SOUNDFONT_VARIABLE, soundfont)):
        if path is not None:
            os.environ[variable] = str(path.absolute())


def resolve_device(name: "str | torch.device | None" = None) -> "torch.device":
    """The device of a name in DEVICES; without one that of V2M_DEVICE, or `auto`: CUDA, else MPS, else the CPU.

    Raises UserError for a name that is unknown or a device that this machine has not.
    """
    import torch

    if isinstance(name, torch.device):
        return name
    name = name or os.environ.get(DEVICE_VARIABLE) or "auto"
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if available[kind]))
    if name not in available:
        raise UserError(f"unknown device {name!r}: choose one of {', '.join(DEVICES)}")
    if not available[name]:
        raise UserError(f"this machine, or its build of torch, has no {name} device: choose auto or cpu")
    return torch.device(name)
