"""The regressor: bidirectional GRUs that predict note density and loudness from the video.

After Kang, Poria and Herremans 2024 (arXiv 2311.00968); here an ensemble of small GRUs whose predictions are averaged.
`predict_dynamics` is what composing calls; the module itself predicts on MuVi-Sync's scale for training and evaluation.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from emotion.checkpoint import Checkpoint, save_module
from video2music.model import loading
from video2music.model.video import MODALITIES, VideoBatch
from video2music.values import Dynamics, Floats

KIND = "regressor"
WEIGHTS = loading.SHIPPED / KIND

SPANS = (5, 15, 45)  # seconds over which movement and emotion are averaged
NEAR = 8.0  # steps in which the nearness of an end falls by a factor of e
N_COMPONENTS = 32  # principal components of the semantic rows: with more, the model memorises the training songs
SEMANTIC_STRIDE = 7  # every seventh second is enough to estimate them
MARGIN = 100  # steps, about seconds: the beginnings and ends of MuVi-Sync's songs have an effect for less
LOWEST, HIGHEST = ((3.0, 0.03), (30.0, 0.5))  # notes and RMS: little music of MuVi-Sync is beyond


@dataclass(frozen=True)
class RegressorConfig:
    """Dimensions of the regressor; `members` GRUs, each with weights of its own, are averaged."""

    hidden: int = 64
    layers: int = 2
    members: int = 4
    dropout: float = 0.4


class RegressorInputs(nn.Module):
    """VideoBatch -> (B, T, WIDTH): z-scored rows, moving averages, which modalities there are, nearness of the ends."""

    WIDTH = N_COMPONENTS + (1 + len(SPANS)) * (MODALITIES["emotion"] + MODALITIES["movement"]) + len(MODALITIES) + 2

    def __init__(self) -> None:
        super().__init__()
        for name, size in MODALITIES.items():
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_scale", torch.ones(size))
        self.register_buffer("components", torch.eye(MODALITIES["semantic"], N_COMPONENTS))

    def set_statistics(self, rows: Mapping[str, Floats]) -> None:
        """Take means, deviations and the semantic rows' principal components from training rows (N, size)."""
        for name in MODALITIES:
            self.get_buffer(f"{name}_mean").copy_(torch.from_numpy(rows[name].mean(0, dtype=np.float64)))
            self.get_buffer(f"{name}_scale").copy_(torch.from_numpy(1 / (rows[name].std(0, dtype=np.float64) + 1e-3)))
        scored = self._scored("semantic", torch.from_numpy(rows["semantic"][::SEMANTIC_STRIDE].astype(np.float32)))
        _, deviations, directions = torch.linalg.svd(scored, full_matrices=False)
        spread = (deviations / math.sqrt(len(scored))).clamp(min=1e-3)
        found = (directions / spread[:, None])[:N_COMPONENTS].T
        self.get_buffer("components").zero_()[:, : found.shape[1]] = found  # fewer rows than components: the rest is 0

    def forward(self, video: VideoBatch) -> Tensor:
        semantic, emotion, moved = (
            self._scored(name, rows) * (video.present[:, index, None] & video.mask)[..., None]
            if (rows := getattr(video, name)).shape[-1]
            else video.mask[..., None].float().expand(-1, -1, size) * 0
            for index, (name, size) in enumerate(MODALITIES.items())
        )
        changing = torch.cat([emotion, moved], dim=-1)
        averages = [_moving_average(changing, video.mask, span) for span in SPANS]
        present = video.present[:, None, :].expand(-1, changing.shape[1], -1).float()
        components = semantic @ self.get_buffer("components")
        return torch.cat([components, changing, *averages, present, _nearness_of_ends(video.mask)], dim=-1)

    def _scored(self, name: str, rows: Tensor) -> Tensor:
        return (rows - self.get_buffer(f"{name}_mean")) * self.get_buffer(f"{name}_scale")


class EnsembleGRU(nn.Module):
    """One layer of the members' bidirectional GRUs, all of them and both directions at once.

    torch.nn.GRU would take each member and direction by itself; on a CPU the many small steps cost more than the
    arithmetic in them.
    """

    def __init__(self, members: int, size: int, hidden: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(hidden)

        def uniform(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(2 * members, *shape).uniform_(-bound, bound))

        self.inputs, self.states = uniform(size, 3 * hidden), uniform(hidden, 3 * hidden)
        self.offset, self.state_offset = uniform(1, 3 * hidden), uniform(1, 3 * hidden)
        self.hidden = hidden

    def forward(self, x: Tensor, backwards: Tensor) -> Tensor:
        """(M, B, T, size) -> (M, B, T, 2 · hidden); `backwards` (B, T) is each step's index in the reversed video."""
        both = torch.stack([x, _reorder(x, backwards)], dim=1).flatten(0, 1)
        projected = both.flatten(1, 2) @ self.inputs + self.offset
        states = self._through_time(projected.reshape(-1, *both.shape[1:3], 3 * self.hidden).unbind(2))
        forth, back = states.reshape(-1, 2, *states.shape[1:]).unbind(1)
        return torch.cat([forth, _reorder(back, backwards)], dim=-1)

    def _through_time(self, projected: Sequence[Tensor]) -> Tensor:
        """States (N, B, T, hidden) from the inputs' part of the gates, T times (N, B, 3 · hidden)."""
        gates = 2 * self.hidden
        state, states = projected[0].new_zeros(*projected[0].shape[:2], self.hidden), []
        for step in projected:
            recurrent = torch.baddbmm(self.state_offset, state, self.states)
            reset, keep = torch.sigmoid(step[..., :gates] + recurrent[..., :gates]).chunk(2, dim=-1)
            new = torch.tanh(step[..., gates:] + reset * recurrent[..., gates:])
            state = torch.lerp(new, state, keep)
            states.append(state)
        return torch.stack(states, dim=2)


class EnsembleLinear(nn.Module):
    """A linear layer of each member: (M, B, T, size) -> (M, B, T, out)."""

    def __init__(self, members: int, size: int, out: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(size)
        self.weight = nn.Parameter(torch.empty(members, size, out).uniform_(-bound, bound))
        self.offset = nn.Parameter(torch.empty(members, 1, out).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1, 2) @ self.weight + self.offset).reshape(*x.shape[:3], -1)


class Regressor(nn.Module):
    """VideoBatch -> density (notes) and loudness (linear RMS) of each step."""

    target_mean: Tensor
    target_scale: Tensor
    spread: Tensor

    def __init__(self, config: RegressorConfig) -> None:
        super().__init__()
        self.config = config
        self.inputs = RegressorInputs()
        self.join = EnsembleLinear(config.members, RegressorInputs.WIDTH, config.hidden)
        sizes = [config.hidden, *[2 * config.hidden] * (config.layers - 1)]
        self.layers = nn.ModuleList(EnsembleGRU(config.members, size, config.hidden) for size in sizes)
        self.head = EnsembleLinear(config.members, 2 * config.hidden, 2)
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("target_mean", torch.zeros(2))
        self.register_buffer("target_scale", torch.ones(2))
        self.register_buffer("spread", torch.ones(2))  # deviation of the truth over that of the predictions, on val

    def member_scores(self, video: VideoBatch) -> Tensor:
        """z-scores (members, B, T, 2) of density and loudness by each member; padded steps are 0."""
        rows, backwards = self.inputs(video), _reversed_indices(video.mask)
        x = self.join(rows.expand(self.config.members, *rows.shape)).relu()
        for layer in self.layers:
            x = layer(self.dropout(x), backwards)
        scores: Tensor = self.head(self.dropout(x)) * video.mask[..., None]
        return scores

    def scores(self, video: VideoBatch) -> Tensor:
        """z-scores (B, T, 2) of density and loudness, the members' mean."""
        return self.member_scores(video).mean(0)

    def forward(self, video: VideoBatch) -> Tensor:
        """Density and loudness (B, T, 2), at least 0; 0 on padded steps."""
        values = self.target_mean + self.scores(video) * self.target_scale
        return values.clamp(min=0) * video.mask[..., None]


@torch.inference_mode()
def predict_dynamics(model: Regressor, video: VideoBatch, *, offset: NDArray[np.floating]) -> Dynamics:
    """Density and loudness to play at each of N steps, raised by `offset` (N, 2) standard deviations of MuVi-Sync's.

    A song begins and ends softly, and the model has learnt that well; a short clip would be all beginning and end. So
    the clip is presented as the middle of a longer one, mirrored at both sides. A regression to the mean would play
    everything alike, so predictions are widened about the clip's own mean to the deviation of real music (`spread`,
    measured on val).
    """
    steps = video.mask.shape[1]
    predicted = model.scores(_mirrored(video, MARGIN))[0, MARGIN : MARGIN + steps]
    level = predicted.mean(0)
    scores = (level + (predicted - level) * model.spread).cpu().numpy() + offset
    values = model.target_mean.cpu().numpy() + scores * model.target_scale.cpu().numpy()
    density, loudness = np.clip(values, LOWEST, HIGHEST).astype(np.float32).T
    return Dynamics(density, loudness)


def _reversed_indices(mask: Tensor) -> Tensor:
    """(B, T): index of each step of a video when its real steps are reversed; padding stays behind."""
    steps = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    return torch.where(mask, mask.sum(1, keepdim=True) - 1 - steps, steps)


def _reorder(x: Tensor, indices: Tensor) -> Tensor:
    """The steps of x (M, B, T, D) in the order of `indices` (B, T)."""
    return x.gather(2, indices[None, :, :, None].expand(x.shape[0], -1, -1, x.shape[-1]))


def _nearness_of_ends(mask: Tensor) -> Tensor:
    """(B, T, 2): how near each step is to the beginning and to the end, 1 there and falling by e every NEAR steps."""
    since = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    left = mask.sum(1, keepdim=True) - 1 - since
    return torch.stack([since, left], dim=-1).clamp(min=0).div(-NEAR).exp()


def _moving_average(rows: Tensor, mask: Tensor, span: int) -> Tensor:
    """Mean of the real rows (B, T, D) within `span` seconds, centred."""
    weight = mask[..., None].to(rows.dtype)

    def total(values: Tensor) -> Tensor:
        return functional.avg_pool1d(values.transpose(1, 2), span, stride=1, padding=span // 2).transpose(1, 2)

    return total(rows * weight) / total(weight).clamp(min=1e-6) * weight


def _mirrored(video: VideoBatch, margin: int) -> VideoBatch:
    """The steps with `margin` more on both sides, going back and forth over the clip."""
    steps = video.mask.shape[1]
    phase = torch.arange(-margin, steps + margin, device=video.mask.device) % (2 * steps)
    order = torch.where(phase < steps, phase, 2 * steps - 1 - phase)
    rows = (video.semantic, video.emotion, video.movement, video.mask)
    semantic, emotion, moved, mask = (tensor[:, order] for tensor in rows)
    return VideoBatch(semantic, emotion, moved, video.present, mask)


def load(folder: Path | None = None, *, device: str | torch.device = "cpu") -> tuple[Regressor, Checkpoint]:
    """A trained regressor; without a folder the one in use. Raises CheckpointError."""
    return loading.load(KIND, RegressorConfig, Regressor, folder, device=device)


def save(model: Regressor, folder: Path, **card: object) -> None:
    """Write config and weights (float16) to `folder`, with anything else that the config should hold."""
    save_module(model, folder, kind=KIND, config={"model": asdict(model.config), **card})
