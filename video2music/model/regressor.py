"""Bidirectional GRUs that read note density and loudness off the video (Kang, Poria, Herremans 2024)."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from emotion import checkpoint
from video2music.model.video import MODALITIES, Picture
from video2music.values import Dynamics

KIND = "regressor"
WEIGHTS = Path(__file__).parent.parent / "weights" / KIND

SPANS = (5, 15, 45)  # seconds over which movement and emotion are averaged
NEAR = 8.0  # steps
N_COMPONENTS = 32  # principal components of the semantic rows: the rest tells the training songs apart by heart


@dataclass(frozen=True)
class RegressorConfig:
    """Dimensions of the regressor; `members` GRUs, each with weights of its own, are averaged."""

    hidden: int = 64
    layers: int = 2
    members: int = 4
    dropout: float = 0.4


class Rows(nn.Module):
    """Picture -> (B, T, WIDTH): z-scored rows, their averages, which modalities are there, how near the ends are."""

    WIDTH = N_COMPONENTS + (1 + len(SPANS)) * (MODALITIES["emotion"] + MODALITIES["movement"]) + len(MODALITIES) + 2

    def __init__(self) -> None:
        super().__init__()
        for name, size in MODALITIES.items():
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_scale", torch.ones(size))
        self.register_buffer("components", torch.eye(MODALITIES["semantic"], N_COMPONENTS))

    def set_statistics(self, rows: dict[str, np.ndarray]) -> None:
        """Take means, deviations and the semantic rows' principal components from training rows (N, size)."""
        for name in MODALITIES:
            self.get_buffer(f"{name}_mean").copy_(torch.from_numpy(rows[name].mean(0, dtype=np.float64)))
            self.get_buffer(f"{name}_scale").copy_(torch.from_numpy(1 / (rows[name].std(0, dtype=np.float64) + 1e-3)))
        scored = self._scored("semantic", torch.from_numpy(rows["semantic"][::SEMANTIC_STRIDE].astype(np.float32)))
        _, deviations, directions = torch.linalg.svd(scored, full_matrices=False)
        spread = (deviations / math.sqrt(len(scored))).clamp(min=1e-3)
        found = (directions / spread[:, None])[:N_COMPONENTS].T
        self.get_buffer("components").zero_()[:, : found.shape[1]] = found  # fewer rows than components: the rest is 0

    def forward(self, picture: Picture) -> Tensor:
        semantic, emotion, moved = (
            self._scored(name, rows) * (picture.present[:, index, None] & picture.mask)[..., None]
            if (rows := getattr(picture, name)).shape[-1]
            else picture.mask[..., None].float().expand(-1, -1, size) * 0
            for index, (name, size) in enumerate(MODALITIES.items())
        )
        changing = torch.cat([emotion, moved], dim=-1)
        averages = [_average(changing, picture.mask, span) for span in SPANS]
        present = picture.present[:, None, :].expand(-1, changing.shape[1], -1).float()
        components = semantic @ self.get_buffer("components")
        return torch.cat([components, changing, *averages, present, _nearness(picture.mask)], dim=-1)

    def _scored(self, name: str, rows: Tensor) -> Tensor:
        return (rows - self.get_buffer(f"{name}_mean")) * self.get_buffer(f"{name}_scale")


class SideBySideGRU(nn.Module):
    """One layer of the members' bidirectional GRUs, all of them and both directions at once.

    torch.nn.GRU would take each member and direction by itself; on a CPU the many small steps cost more than what they
    compute.
    """

    def __init__(self, members: int, size: int, hidden: int) -> None:
        super().__init__()
        reach = 1 / math.sqrt(hidden)

        def drawn(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(2 * members, *shape).uniform_(-reach, reach))

        self.inputs, self.states = drawn(size, 3 * hidden), drawn(hidden, 3 * hidden)
        self.offset, self.state_offset = drawn(1, 3 * hidden), drawn(1, 3 * hidden)
        self.hidden = hidden

    def forward(self, x: Tensor, backwards: Tensor) -> Tensor:
        """(M, B, T, size) -> (M, B, T, 2 · hidden); `backwards` (B, T) are each step's places in the reversed video."""
        both = torch.stack([x, _reordered(x, backwards)], dim=1).flatten(0, 1)
        heard = both.flatten(1, 2) @ self.inputs + self.offset
        out = self._through_time(heard.unflatten(1, both.shape[1:3]).unbind(2))
        forth, back = out.unflatten(0, (-1, 2)).unbind(1)
        return torch.cat([forth, _reordered(back, backwards)], dim=-1)

    def _through_time(self, heard: Sequence[Tensor]) -> Tensor:
        """States (N, B, T, hidden) from the inputs' part of the gates, T times (N, B, 3 · hidden)."""
        gates = 2 * self.hidden
        state, states = heard[0].new_zeros(*heard[0].shape[:2], self.hidden), []
        for now in heard:
            recalled = torch.baddbmm(self.state_offset, state, self.states)
            reset, keep = torch.sigmoid(now[..., :gates] + recalled[..., :gates]).chunk(2, dim=-1)
            new = torch.tanh(now[..., gates:] + reset * recalled[..., gates:])
            state = torch.lerp(new, state, keep)
            states.append(state)
        return torch.stack(states, dim=2)


class SideBySideLinear(nn.Module):
    """A linear layer of each member: (M, B, T, size) -> (M, B, T, out)."""

    def __init__(self, members: int, size: int, out: int) -> None:
        super().__init__()
        reach = 1 / math.sqrt(size)
        self.weight = nn.Parameter(torch.empty(members, size, out).uniform_(-reach, reach))
        self.offset = nn.Parameter(torch.empty(members, 1, out).uniform_(-reach, reach))

    def forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1, 2) @ self.weight + self.offset).unflatten(1, x.shape[1:3])


class Regressor(nn.Module):
    """Picture -> density (notes) and loudness (linear RMS) of each step."""

    target_mean: Tensor
    target_scale: Tensor
    spread: Tensor

    def __init__(self, config: RegressorConfig) -> None:
        super().__init__()
        self.config = config
        self.rows = Rows()
        self.join = SideBySideLinear(config.members, Rows.WIDTH, config.hidden)
        sizes = [config.hidden, *[2 * config.hidden] * (config.layers - 1)]
        self.layers = nn.ModuleList(SideBySideGRU(config.members, size, config.hidden) for size in sizes)
        self.head = SideBySideLinear(config.members, 2 * config.hidden, 2)
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("target_mean", torch.zeros(2))
        self.register_buffer("target_scale", torch.ones(2))
        self.register_buffer("spread", torch.ones(2))  # deviation of the truth over that of the predictions, on val

    def each(self, picture: Picture) -> Tensor:
        """z-scores (members, B, T, 2) of density and loudness by each member; padded steps are 0."""
        rows, backwards = self.rows(picture), _backwards(picture.mask)
        x = self.join(rows.expand(self.config.members, *rows.shape)).relu()
        for layer in self.layers:
            x = layer(self.dropout(x), backwards)
        return self.head(self.dropout(x)) * picture.mask[..., None]

    def scores(self, picture: Picture) -> Tensor:
        """z-scores (B, T, 2) of density and loudness, the members' mean."""
        return self.each(picture).mean(0)

    def forward(self, picture: Picture) -> Tensor:
        """Density and loudness (B, T, 2), at least 0; 0 on padded steps."""
        values = self.target_mean + self.scores(picture) * self.target_scale
        return values.clamp(min=0) * picture.mask[..., None]


@torch.inference_mode()
def dynamics(model: Regressor, picture: Picture, *, lift: np.ndarray) -> Dynamics:
    """Density and loudness to play at each of N steps, lifted by `lift` (N, 2) standard deviations of MuVi-Sync's.

    A song begins and ends softly, and the model has learnt that well; a short clip would be all beginning and end. So
    the clip is heard as the middle of a longer one, mirrored at both sides. A regression to the mean would play
    everything alike, so predictions are widened about the clip's own mean to the deviation of real music (`spread`,
    measured on val).
    """
    steps = picture.mask.shape[1]
    heard = model.scores(_mirrored(picture, MARGIN))[0, MARGIN : MARGIN + steps]
    level = heard.mean(0)
    scores = (level + (heard - level) * model.spread).numpy() + lift
    values = model.target_mean.numpy() + scores * model.target_scale.numpy()
    density, loudness = np.clip(values, LOWEST, HIGHEST).astype(np.float32).T
    return Dynamics(density, loudness)


MARGIN = 100  # steps, about seconds: beginnings and ends of MuVi-Sync's songs are felt for less
LOWEST, HIGHEST = (
    (3.0, 0.03),
    (30.0, 0.5),
)  # notes and RMS: below there is hardly any music, above hardly any in MuVi-Sync


SEMANTIC_STRIDE = 7  # every seventh second is enough for principal components


def _backwards(mask: Tensor) -> Tensor:
    """(B, T): where each step of a video lies when its real steps are reversed; padding stays behind."""
    steps = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    return torch.where(mask, mask.sum(1, keepdim=True) - 1 - steps, steps)


def _reordered(x: Tensor, places: Tensor) -> Tensor:
    """The steps of x (M, B, T, D) in the order of `places` (B, T)."""
    return x.gather(2, places[None, :, :, None].expand(x.shape[0], -1, -1, x.shape[-1]))


def _nearness(mask: Tensor) -> Tensor:
    """(B, T, 2): how near each step is to the beginning and to the end, 1 there and falling by e every NEAR steps."""
    since = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    left = mask.sum(1, keepdim=True) - 1 - since
    return torch.stack([since, left], dim=-1).clamp(min=0).div(-NEAR).exp()


def _average(rows: Tensor, mask: Tensor, span: int) -> Tensor:
    """Mean of the real rows (B, T, D) within `span` seconds, centred."""
    there = mask[..., None].to(rows.dtype)

    def total(values: Tensor) -> Tensor:
        return functional.avg_pool1d(values.transpose(1, 2), span, stride=1, padding=span // 2).transpose(1, 2)

    return total(rows * there) / total(there).clamp(min=1e-6) * there


def _mirrored(picture: Picture, margin: int) -> Picture:
    """The steps with `margin` more on both sides, going back and forth over the clip."""
    steps = picture.mask.shape[1]
    there_and_back = torch.arange(-margin, steps + margin) % (2 * steps)
    order = torch.where(there_and_back < steps, there_and_back, 2 * steps - 1 - there_and_back)
    rows = (picture.semantic, picture.emotion, picture.movement, picture.mask)
    semantic, emotion, moved, mask = (tensor[:, order] for tensor in rows)
    return Picture(semantic, emotion, moved, picture.present, mask)


def load(folder: Path = WEIGHTS) -> tuple[Regressor, checkpoint.Checkpoint]:
    """A trained regressor. Raises CheckpointError."""
    found = checkpoint.load(folder, kind=KIND)
    model = Regressor(checkpoint.dimensions(found, RegressorConfig))
    checkpoint.fill(model, found)
    return model, found


def save(model: Regressor, folder: Path, **card: object) -> None:
    """Write config and weights (float16) to `folder`, with anything else the config should tell."""
    checkpoint.save_module(model, folder, kind=KIND, config={"model": asdict(model.config), **card})
