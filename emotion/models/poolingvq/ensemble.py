"""The model of the judge `poolingvq`: PoolingVQ networks of a few seeds and kernel ridge over descriptors.

Each network gives logits of the quadrants and a point on the affect plane, and their means are taken. Where there are
notes, kernel ridge on their descriptors is added: its scores times SHARPNESS to the logits, and its point with the
weight POINT_SHARE. The logits are then divided by a temperature that was fitted on validation (Guo and others, "On
Calibration of Modern Neural Networks", 2017), one for audio, one for MIDI and one for both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from emotion import checkpoint
from emotion.judge import Segment
from emotion.models.kernel import KernelRidge
from emotion.models.poolingvq.encoders import Encoded, Encoders, EncodersConfig
from emotion.models.poolingvq.network import PoolingVQ
from emotion.models.poolingvq.segments import SegmentBatch, collate, rows_of
from emotion.runtime import resolve_device
from emotion.values import MEDIA

KIND, NAME = "poolingvq", "poolingvq"
WEIGHTS = checkpoint.SHIPPED / "poolingvq"
SHARPNESS = 8.0  # nats a unit of kernel ridge's score, where a certain quadrant has 1 and the others 0: chosen on val
POINT_SHARE = 0.75  # chosen on VGMIDI's held fold

# Parts of tensors' names in the weights that ship, and what the modules call them now. The file stays as it is, because
# reports and manifests hold its sha256.
RENAMED = MappingProxyType({
    "encoders.words.": "encoders.tokens.",
    "encoders.tell.": "encoders.descriptor_head.",
    ".pool_words.": ".pool_tokens.",
    ".sound_asks.": ".sound_attends.",
    ".words_ask.": ".tokens_attend.",
})  # fmt: skip


@dataclass(frozen=True)
class EnsembleConfig:
    """How many networks there are, and how many points the two kernel ridges were fitted on, with their gammas."""

    members: int
    quadrant_points: int
    affect_points: int
    quadrant_gamma: float = 0.004
    affect_gamma: float = 0.002


class PoolingVQEnsemble(nn.Module):
    """Encoders, networks and kernel ridges."""

    temperature: Tensor

    def __init__(self, config: EncodersConfig, ensemble: EnsembleConfig) -> None:
        super().__init__()
        self.config, self.ensemble = config, ensemble
        self.encoders = Encoders(config)
        self.networks = nn.ModuleList(PoolingVQ(config) for _ in range(ensemble.members))
        inputs = config.n_descriptors
        self.by_quadrant = KernelRidge(ensemble.quadrant_points, inputs, 4, gamma=ensemble.quadrant_gamma)
        self.by_affect = KernelRidge(ensemble.affect_points, inputs, 2, gamma=ensemble.affect_gamma)
        self.register_buffer("temperature", torch.ones(len(MEDIA)))

    def forward(self, batch: SegmentBatch) -> tuple[Tensor, Tensor]:
        """Probabilities of the quadrants (B, 4); valence and arousal (B, 2) in [-1, 1]."""
        encoded = self.encoders(batch)
        logits, affect = self.logits(encoded)
        has_notes, has_sound = encoded.tokens_mask.any(1), encoded.sound_mask.any(1)
        media = torch.where(has_notes & has_sound, 2, torch.where(has_notes, 1, 0))  # as MEDIA counts
        return (logits / self.temperature[media].unsqueeze(1)).softmax(-1), affect

    def logits(self, encoded: Encoded) -> tuple[Tensor, Tensor]:
        """Logits before calibration (B, 4); valence and arousal (B, 2)."""
        outputs = [network(encoded) for network in self.networks]
        logits = torch.stack([each.quadrants for each in outputs]).mean(0)
        affect = torch.stack([each.affect for each in outputs]).mean(0)
        measured = encoded.tokens_mask.any(
            1, keepdim=True
        )  # descriptors predicted from sound are too vague for distances
        described = encoded.described * self.encoders.scale + self.encoders.centre
        point = self.by_affect(described).clamp(-1, 1)
        affect = torch.where(measured, affect + POINT_SHARE * (point - affect), affect)
        return logits + SHARPNESS * self.by_quadrant(described) * measured, affect


@dataclass(frozen=True)
class PoolingVQModel:
    """A PoolingVQEnsemble behind the interface of a judge (emotion.judge.EmotionModel)."""

    model: PoolingVQEnsemble
    sha256: str
    name: str = NAME
    modalities: frozenset[str] = frozenset(MEDIA[:2])

    @property
    def longest_s(self) -> float:
        """Of one segment."""
        return self.model.config.longest_s

    @property
    def frontends(self) -> tuple[str, ...]:
        """`mert` where it is the front end: rows of sound that the judge has to provide beside log-mel."""
        frontend = self.model.config.frontend
        return () if frontend == "mel" else (frontend,)

    @torch.inference_mode()
    def predict(self, segments: Sequence[Segment]) -> NDArray[np.float32]:
        """(S, 6): valence, arousal, probabilities of the quadrants."""
        rows = []
        for segment in segments:
            sound = segment.rows[self.frontends[0]] if self.frontends and segment.mel is not None else segment.mel
            rows.append(rows_of(sound, segment.notes, max_tokens=self.model.config.max_tokens))
        quadrants, affect = self.model(collate(rows).to(next(self.model.parameters()).device))
        return torch.cat([affect, quadrants], dim=1).cpu().numpy()


def load(folder: Path | None = None, *, device: str | None = None) -> PoolingVQModel:
    """The trained model on a device. Raises CheckpointError."""
    found = checkpoint.load(folder or checkpoint.weights_folder(WEIGHTS), kind=KIND)
    tensors = {_current_name(name): tensor for name, tensor in found.tensors.items()}

    def config_of(**given: Any) -> EncodersConfig:
        values: dict[str, Any] = {key: tuple(each) if isinstance(each, list) else each for key, each in given.items()}
        return EncodersConfig(**values)  # JSON has lists where the config has tuples

    config = checkpoint.dimensions(found, config_of)
    model = PoolingVQEnsemble(config, checkpoint.dimensions(found, EnsembleConfig, part="ensemble"))
    checkpoint.fill(model, replace(found, tensors=tensors))
    return PoolingVQModel(model.to(resolve_device(device)), found.sha256)


def _current_name(name: str) -> str:
    for old, new in RENAMED.items():
        name = name.replace(old, new)
    return name
