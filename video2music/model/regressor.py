"""The bidirectional GRU that reads note density and loudness off the video (Kang, Poria, Herremans 2024)."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from emotion import checkpoint
from video2music.model.picture import Picture, PictureInput
from video2music.values import Dynamics

KIND = "regressor"
WEIGHTS = Path(__file__).parent.parent / "weights" / KIND


@dataclass(frozen=True)
class RegressorConfig:
    """Dimensions of the regressor."""

    width: int = 128
    hidden: int = 128
    layers: int = 2
    dropout: float = 0.3


class Regressor(nn.Module):
    """Picture -> density (notes) and loudness (linear RMS) of each step."""

    target_mean: Tensor
    target_scale: Tensor
    spread: Tensor

    def __init__(self, config: RegressorConfig) -> None:
        super().__init__()
        self.config = config
        self.picture = PictureInput(config.width)
        between = config.dropout if config.layers > 1 else 0.0
        self.gru = nn.GRU(
            config.width, config.hidden, config.layers, batch_first=True, bidirectional=True, dropout=between
        )
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(2 * config.hidden, 2)
        self.register_buffer("target_mean", torch.zeros(2))
        self.register_buffer("target_scale", torch.ones(2))
        self.register_buffer("spread", torch.ones(2))  # deviation of the truth over that of the predictions, on val

    def scores(self, picture: Picture) -> Tensor:
        """z-scores (B, T, 2) of density and loudness; padded steps are 0."""
        x = self.dropout(self.picture(picture))
        lengths = picture.mask.sum(1).cpu()
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        x, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=x.shape[1])
        return self.head(self.dropout(x)) * picture.mask[..., None]

    def forward(self, picture: Picture) -> Tensor:
        """Density and loudness (B, T, 2), at least 0; 0 on padded steps."""
        values = self.target_mean + self.scores(picture) * self.target_scale
        return values.clamp(min=0) * picture.mask[..., None]


@torch.inference_mode()
def dynamics(model: Regressor, picture: Picture, *, arousal: np.ndarray, strength: float) -> Dynamics:
    """Density and loudness to play at each of N steps, pulled by the target's arousal (N,).

    A song begins and ends softly, and the model has learnt that well; a short clip would be all beginning and end. So
    the clip is heard as the middle of a longer one, mirrored at both sides. A regression to the mean would play
    everything alike, so predictions are widened about the clip's own mean to the deviation of real music (`spread`,
    measured on val). The pull adds strength · 3 · arousal standard deviations.
    """
    steps = picture.mask.shape[1]
    heard = model.scores(_mirrored(picture, MARGIN))[0, MARGIN : MARGIN + steps]
    level = heard.mean(0)
    scores = (level + (heard - level) * model.spread).numpy() + PULL * strength * arousal[:, None]
    values = model.target_mean.numpy() + scores * model.target_scale.numpy()
    density, loudness = np.clip(values, LOWEST, HIGHEST).astype(np.float32).T
    return Dynamics(density, loudness)


MARGIN = 100  # steps, about seconds: beginnings and ends of MuVi-Sync's songs are felt for less
PULL = 3.0
LOWEST, HIGHEST = (
    (3.0, 0.03),
    (30.0, 0.5),
)  # notes and RMS: below there is hardly any music, above hardly any in MuVi-Sync


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
    model = Regressor(RegressorConfig(**found.config["model"]))
    checkpoint.fill(model, found)
    return model, found


def save(model: Regressor, folder: Path, **card: object) -> None:
    """Write config and weights (float16) to `folder`, with anything else the config should tell."""
    checkpoint.save_module(model, folder, kind=KIND, config={"model": asdict(model.config), **card})
