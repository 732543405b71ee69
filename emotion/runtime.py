"""torchvision beside a torch of another build: what makes it importable.

transformers and open_clip import torchvision. Where it and torch come from different indexes (PyPI's torchvision beside
PyTorch's own CPU build of torch), its import ends with "operator torchvision::nms does not exist", because its compiled
operators could not be loaded. Nothing here uses those operators, so declaring them is enough.

How threads behave that share a machine with others.
"""

import importlib.util
import logging
import os
from functools import lru_cache

log = logging.getLogger(__name__)

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

    library = torch.library.Library("torchvision", "DEF")
    for schema in SCHEMAS:
        library.define(schema)
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
