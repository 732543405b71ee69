"""The judge that ships: PoolingVQ networks of a few seeds and kernel ridge over descriptors, heard together.

Each network gives logits of the quadrants and a point on the plane, and their mean is taken. Where there are notes,
kernel ridge on their descriptors joins in: its scores times SHARPNESS are added to the logits, and POINT_SHARE of the
point is its own. The logits are then divided by a temperature that was fitted on validation (Guo and others, "On
Calibration of Modern Neural Networks", 2017), one for each of what can be heard.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
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
from emotion.values import MEDIA

KIND, NAME = "poolingvq", "poolingvq"
WEIGHTS = Path(__file__).parent.parent.parent / "weights" / "poolingvq"
SHARPNESS = 8.0  # nats a unit of kernel ridge's score, where a certain quadrant has 1 and the others 0: chosen on val
POINT_SHARE = 0.75  # chosen on VGMIDI's held fold


@dataclass(frozen=True)
class ExpertsConfig:
    """How many networks there are, and how many pieces the two kernel ridges were fitted on, with their gammas."""

    members: int
    quadrant_points: int
    affect_points: int
    quadrant_gamma: float = 0.004
    affect_gamma: float = 0.002


class Experts(nn.Module):
    """Encoders, networks and kernel ridges."""

    temperature: Tensor

    def __init__(self, config: EncodersConfig, experts: ExpertsConfig) -> None:
        super().__init__()
        self.config, self.experts = config, experts
        self.encoders = Encoders(config)
        self.networks = nn.ModuleList(PoolingVQ(config) for _ in range(experts.members))
        inputs = config.n_descriptors
        self.by_quadrant = KernelRidge(experts.quadrant_points, inputs, 4, gamma=experts.quadrant_gamma)
        self.by_affect = KernelRidge(experts.affect_points, inputs, 2, gamma=experts.affect_gamma)
        self.register_buffer("temperature", torch.ones(len(MEDIA)))

    def forward(self, batch: SegmentBatch) -> tuple[Tensor, Tensor]:
        """Probabilities of the quadrants (B, 4); valence and arousal (B, 2) in [-1, 1]."""
        seen = self.encoders(batch)
        logits, affect = self.judge(seen)
        return (logits / self._temperatures(seen)).softmax(-1), affect

    def judge(self, seen: Encoded) -> tuple[Tensor, Tensor]:
        """Logits that are not calibrated yet (B, 4), and the plane (B, 2)."""
        heard = [network(seen) for network in self.networks]
        logits = torch.stack([each.quadrants for each in heard]).mean(0)
        affect = torch.stack([each.affect for each in heard]).mean(0)
        measured = seen.words_mask.any(1, keepdim=True)  # descriptors told from sound are too vague for distances
        described = seen.described * self.encoders.scale + self.encoders.centre
        point = self.by_affect(described).clamp(-1, 1)
        affect = torch.where(measured, affect + POINT_SHARE * (point - affect), affect)
        return logits + SHARPNESS * self.by_quadrant(described) * measured, affect

    def _temperatures(self, seen: Encoded) -> Tensor:
        has_words, has_sound = seen.words_mask.any(1), seen.sound_mask.any(1)
        media = torch.where(has_words & has_sound, 2, torch.where(has_words, 1, 0))  # as MEDIA counts
        return self.temperature[media].unsqueeze(1)


@dataclass(frozen=True)
class ExpertsModel:
    """Experts as a judge asks them (emotion.judge.EmotionModel)."""

    model: Experts
    sha256: str
    name: str = NAME
    hears: frozenset[str] = frozenset(MEDIA[:2])

    @property
    def longest_s(self) -> float:
        return self.model.config.longest_s

    @property
    def frontends(self) -> tuple[str, ...]:
        """`mert` where it is the front end: rows of sound that the judge is to bring beside log-mel."""
        frontend = self.model.config.frontend
        return () if frontend == "mel" else (frontend,)

    @torch.inference_mode()
    def predict(self, stretches: Sequence[Segment]) -> NDArray[np.float32]:
        """(S, 6): valence, arousal, probabilities of the quadrants."""
        most = self.model.config.most_words
        heard = [
            stretch.rows[self.frontends[0]] if self.frontends and stretch.mel is not None else stretch.mel
            for stretch in stretches
        ]
        rows = [rows_of(own, stretch.notes, most_words=most) for own, stretch in zip(heard, stretches, strict=True)]
        quadrants, affect = self.model(collate(rows))
        return torch.cat([affect, quadrants], dim=1).numpy()


def load(folder: Path = WEIGHTS) -> ExpertsModel:
    """The trained judge. Raises CheckpointError."""
    found = checkpoint.load(folder, kind=KIND)
    config = checkpoint.dimensions(found, _config)
    experts = checkpoint.dimensions(found, ExpertsConfig, part="experts")
    model = Experts(config, experts)
    checkpoint.fill(model, found)
    return ExpertsModel(model, found.sha256)


def _config(**found: Any) -> EncodersConfig:
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
    return EncodersConfig(**values)
