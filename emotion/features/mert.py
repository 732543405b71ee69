"""MERT's rows of sound, the other front end: 75 rows a second, 768 wide, from one of its hidden layers.

Y. Li et al., "MERT: Acoustic Music Understanding Model with Large-Scale Self-supervised Training" (2023),
arXiv 2306.00107. The weights are fetched by transformers from https://huggingface.co/m-a-p/MERT-v1-95M when they are
first needed, 380 MB, under CC BY-NC 4.0: not for commercial use.

The model as published is HuBERT's to the last tensor (its additions, CQT features, DeepNorm and relaxed attention, are
off in its config). So its config and model are registered here as transformers' own classes, and none of the code in
the repository on the hub is run.
"""

import logging
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.errors import CheckpointError
from emotion.features.sound import SAMPLE_RATE, Samples
from emotion.runtime import make_torchvision_importable

log = logging.getLogger(__name__)

MODEL, REVISION = "m-a-p/MERT-v1-95M", "12af15fef9d0ac838c3f475bfbbf26d2060dd4f5"
KIND = "mert_model"  # as its config calls it
HOP = 320  # samples, 13.3 ms
FIELD = 400  # receptive field of a row before attention, in samples
ROWS_PER_S = SAMPLE_RATE // HOP
WIDTH = 768
LAYER = 6  # of 12; Kang and Herremans (2025) find the middle ones best for emotion
CHUNK_S, CONTEXT_S = 20, 1  # s of one forward pass, and s of context on either side of it

# Fields of the config that make another model of it, with the values under which it is HuBERT.
AS_HUBERT = MappingProxyType({"feature_extractor_cqt": False, "deepnorm": False, "attention_relax": -1.0})

Rows = NDArray[np.float32]


class Mert:
    """A frozen MERT that gives the rows of one hidden layer: 0 is what the first block takes, n what the nth gives."""

    def __init__(self, model: Any, *, layer: int = LAYER) -> None:
        if not 0 <= layer <= model.config.num_hidden_layers:
            raise CheckpointError(f"MERT has the layers 0 to {model.config.num_hidden_layers}, not {layer}: choose one")
        self._model = model
        self._layer = layer

    def rows(self, blocks: Iterable[Samples], *, rows_per_s: int = ROWS_PER_S) -> Rows:
        """(T, 768) rows of mono samples at 24 kHz; block lengths do not matter.

        Row t is of the t-th part of a second of 1 / rows_per_s; fewer rows than MERT's are means over time. Each chunk
        of CHUNK_S is encoded by itself with CONTEXT_S around it, so that memory does not grow but by the rows.
        """
        if not 1 <= rows_per_s <= ROWS_PER_S:
            raise CheckpointError(f"MERT gives up to {ROWS_PER_S} rows a second, not {rows_per_s}: ask for fewer")
        parts = [
            at_rate(self._encode(samples)[first : first + count], rows_per_s)
            for samples, first, count in _chunks(blocks)
        ]
        return np.concatenate([np.zeros((0, self._model.config.hidden_size), np.float32), *parts])

    def _encode(self, samples: Samples) -> Rows:
        """The layer's rows of a chunk, brought to mean 0 and variance 1 as MERT was trained."""
        import torch

        inputs = torch.from_numpy((samples - samples.mean()) / np.sqrt(samples.var() + 1e-7))
        with torch.inference_mode():
            found = self._model(inputs[None].to(self._model.device, torch.float32), output_hidden_states=True)
        rows: Rows = found.hidden_states[self._layer][0].float().cpu().numpy()
        return rows


@lru_cache(maxsize=2)
def load(model: str | Path = MODEL, *, layer: int = LAYER, revision: str = REVISION, device: str = "cpu") -> Mert:
    """MERT from the hub, or from a folder that transformers saved. Raises CheckpointError."""
    make_torchvision_importable()
    from transformers import AutoConfig, AutoModel

    _register()
    try:
        config = AutoConfig.from_pretrained(model, revision=revision, trust_remote_code=False)
        _check(config, model)
        found, report = AutoModel.from_pretrained(
            model, config=config, revision=revision, trust_remote_code=False, output_loading_info=True
        )
    except CheckpointError:
        raise
    except Exception as error:  # the library fails in a dozen ways, of network, hub, config and weights
        log.debug("loading %s", model, exc_info=error)
        reason = " ".join(str(error).split())[:200]
        advice = "connect to the internet once, or use the front end mel"
        raise CheckpointError(f"MERT's weights cannot be had from {model} ({reason}): {advice}") from None
    missing = set(report["missing_keys"]) - {"masked_spec_embed"}  # only training masks
    if missing or report["mismatched_keys"]:
        raise CheckpointError(
            f"the weights at {model} are not MERT's ({len(missing)} tensors are missing): give others"
        )
    return Mert(found.to(device).eval(), layer=layer)


@lru_cache(maxsize=1)
def _register() -> None:
    """Register MERT with transformers' Auto classes as a HuBERT."""
    from transformers import AutoConfig, AutoModel, HubertConfig, HubertModel

    class MertConfig(HubertConfig):  # type: ignore[no-untyped-call]  # transformers has no types for it
        model_type = KIND

    class MertModel(HubertModel):  # type: ignore[no-untyped-call]
        config_class = MertConfig

    AutoConfig.register(KIND, MertConfig, exist_ok=True)
    AutoModel.register(MertConfig, MertModel, exist_ok=True)


def _check(config: Any, model: str | Path) -> None:
    """Refuse a config of which HuBERT's classes would make another model. Raises CheckpointError."""
    if config.model_type != KIND:
        raise CheckpointError(f"{model} holds a {config.model_type}, not MERT: give {MODEL} or a copy of it")
    for name, needed in AS_HUBERT.items():
        if (given := getattr(config, name, needed)) != needed:
            raise CheckpointError(f"{model} is a MERT with {name} = {given}, which is not supported: give {MODEL}")
    if tuple(config.conv_stride) != (5, 2, 2, 2, 2, 2, 2) or not config.feat_proj_layer_norm:
        raise CheckpointError(f"{model} does not make {ROWS_PER_S} rows a second: give {MODEL}")


def _chunks(blocks: Iterable[Samples]) -> Iterator[tuple[Samples, int, int]]:
    """Samples with what is around them, the first row that counts, and how many do."""
    chunk, context, tail = CHUNK_S * SAMPLE_RATE, CONTEXT_S * SAMPLE_RATE, FIELD - HOP
    held, before = np.zeros(0, np.float32), 0
    for block in blocks:
        held = np.concatenate([held, np.asarray(block, np.float32)])
        while len(held) >= before + chunk + context + tail:
            yield held[: before + chunk + context + tail], before // HOP, chunk // HOP
            held, before = held[before + chunk - context :], context
    if count := (len(held) - before) // HOP:
        yield np.pad(held, (0, tail)), before // HOP, count


def at_rate(rows: Rows, rows_per_s: int) -> Rows:
    """Rows (T, W) at ROWS_PER_S averaged over the parts of a second at another rate; the last part may be shorter."""
    if rows_per_s == ROWS_PER_S:
        return rows
    until = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0, dtype=np.float64)])
    edges = np.arange(-(-len(rows) * rows_per_s // ROWS_PER_S) + 1) * (ROWS_PER_S / rows_per_s)
    edges[-1] = len(rows)
    whole = np.minimum(edges.astype(int), len(rows) - 1)
    area = until[whole] + (edges - whole)[:, None] * rows[whole]
    means: Rows = (np.diff(area, axis=0) / np.diff(edges)[:, None]).astype(np.float32)
    return means
