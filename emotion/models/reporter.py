"""The judge that reports: kernel ridge on what sound alone tells (emotion.acoustics).

It shares neither data nor features with PoolingVQ, which selects: it was fitted on recordings of the 4Q set and on
YM2413-MDB's game music in many instruments, and never hears MIDI. Its scores, over a temperature fitted on pieces that
the fit had not seen (Guo and others, "On Calibration of Modern Neural Networks", 2017), are logits of the quadrants.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from emotion import acoustics, checkpoint
from emotion.affect import PLACES, QUADRANTS
from emotion.judge import AUDIO, Stretch
from emotion.models.kernel import KernelRidge

KIND = NAME = "reporter"
WEIGHTS = Path(__file__).parent.parent / "weights" / "reporter"
LONGEST_S = 60.0
_SIGNS = np.sign([PLACES[name] for name in QUADRANTS])  # (4, 2)


@dataclass(frozen=True)
class Config:
    """How many sounds it was fitted on, how many numbers tell of each, and the kernel's gamma."""

    n_points: int
    n_inputs: int
    gamma: float


class Reporter(nn.Module):
    """Probabilities of the quadrants of described sounds."""

    temperature: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.ridge = KernelRidge(config.n_points, config.n_inputs, len(QUADRANTS), gamma=config.gamma)
        self.register_buffer("temperature", torch.ones(1))

    def forward(self, described: Tensor) -> Tensor:
        """(B, 4) probabilities of (B, D) numbers."""
        return (self.ridge(described) / self.temperature).softmax(-1)


@dataclass(frozen=True)
class Listener:
    """A Reporter as a judge asks it (emotion.judge.Listener)."""

    model: Reporter
    sha256: str
    name: str = NAME
    hears: frozenset[str] = frozenset({AUDIO})
    longest_s: float = LONGEST_S

    @torch.inference_mode()
    def listen(self, stretches: Sequence[Stretch]) -> NDArray[np.float32]:
        """(S, 6): valence, arousal, probabilities of the quadrants."""
        described = np.stack([acoustics.describe(_sound_of(stretch)) for stretch in stretches])
        quadrants = self.model(torch.from_numpy(described)).numpy()
        return np.concatenate([quadrants @ _SIGNS, quadrants], axis=1).astype(np.float32)


def _sound_of(stretch: Stretch) -> NDArray[np.float32]:
    if stretch.mel is None:
        raise ValueError("the reporter was given a stretch without sound, which the judge should have kept back")
    return stretch.mel


def load(folder: Path = WEIGHTS) -> Listener:
    """The trained judge. Raises CheckpointError."""
    found = checkpoint.load(folder, kind=KIND)
    model = Reporter(checkpoint.dimensions(found, Config))
    checkpoint.fill(model, found)
    return Listener(model, found.sha256)
