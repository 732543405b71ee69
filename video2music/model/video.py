"""What both models see of the video: three modalities a step, any of which may be absent."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from video2music.values import VideoFeatures

MODALITIES = {"semantic": 768, "emotion": 6, "movement": 2}  # movement: motion and scene offset
SEMANTIC, EMOTION, MOVEMENT = range(3)


class Picture(NamedTuple):
    """A batch of videos, T steps each.

    rows     semantic (B, T, 768), emotion (B, T, 6), movement (B, T, 2) as `movement` makes it; a modality that no
             video of the batch has is (B, T, 0), because an hour of zeros is a lot of memory
    present  (B, 3) bool: which of the modalities are there
    mask     (B, T) bool: true on real steps, false on padding
    """

    semantic: Tensor
    emotion: Tensor
    movement: Tensor
    present: Tensor
    mask: Tensor

    def to(self, device: torch.device | str) -> "Picture":
        return Picture(*(tensor.to(device) for tensor in self))

    def window(self, start: int, length: int) -> "Picture":
        """The steps from `start`, at most `length` of them."""
        cut = slice(start, start + length)
        return Picture(
            self.semantic[:, cut], self.emotion[:, cut], self.movement[:, cut], self.present, self.mask[:, cut]
        )


def movement(motion: np.ndarray, scene_offset: np.ndarray) -> np.ndarray:
    """(T, 2): log(1 + motion) and log(1 + offset), the offset counted from 1 in the first second of a scene.

    Both are far from normal (motion has median 4.8 and maximum 241); trained with the offset plus 1, as MuVi-Sync's
    own models were.
    """
    return np.log1p(np.stack([motion, scene_offset + 1], axis=-1)).astype(np.float32)


def collate(videos: Sequence[tuple[np.ndarray | None, np.ndarray, np.ndarray]]) -> Picture:
    """Pad videos, each (semantic (T, 768) or None, emotion (T, 6), movement (T, 2)), to one batch with its mask."""
    lengths = [len(emotion) for _, emotion, _ in videos]
    present = torch.tensor([[values is not None for values in video] for video in videos])
    widths = [width * bool(there.any()) for width, there in zip(MODALITIES.values(), present.T, strict=True)]
    semantic, emotion, moved = (torch.zeros(len(videos), max(lengths), width) for width in widths)
    for row, video in enumerate(videos):
        for column, values in zip((semantic, emotion, moved), video, strict=True):
            if values is not None:
                column[row, : len(values)] = torch.from_numpy(values.astype(np.float32))
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return Picture(semantic, emotion, moved, present, mask)


def at_steps(features: VideoFeatures, starts_s: np.ndarray, ends_s: np.ndarray, emotion: np.ndarray) -> Picture:
    """The features resampled from seconds to the steps of a form, a batch of one.

    Each step takes the mean over its own stretch of time, except the scene offset, which is taken at its start.
    `emotion` (seconds, 6) is what the picture feels like, or the wish that replaces it.
    """

    def over(rows: np.ndarray) -> np.ndarray:
        return over_stretches(rows, starts_s, ends_s)

    at_start = np.minimum(starts_s.astype(int), len(features) - 1)
    moved = movement(over(features.motion[:, None])[:, 0], features.scene_offset[at_start])
    semantic = None if features.semantic is None else over(features.semantic)
    return collate([(semantic, over(emotion), moved)])


def over_stretches(rows: np.ndarray, starts_s: np.ndarray, ends_s: np.ndarray) -> np.ndarray:
    """Mean of piecewise constant rows (T, D), one a second, over each stretch; the last row goes on for ever."""
    total = np.vstack([np.zeros_like(rows[:1], float), np.cumsum(rows, axis=0, dtype=float)])

    def integral(time_s: np.ndarray) -> np.ndarray:
        whole = np.minimum(time_s.astype(int), len(rows) - 1)
        return total[whole] + (time_s - whole)[:, None] * rows[whole]

    return ((integral(ends_s) - integral(starts_s)) / (ends_s - starts_s)[:, None]).astype(np.float32)


class PictureInput(nn.Module):
    """Picture -> (B, T, width): the paper's Linear(776, width), split by modality.

    Each modality is z-scored with the statistics of the training rows, kept in the weights; one that is absent gives a
    learned vector instead, so that the default encoder, which has no semantic rows, is a case that was trained.
    """

    def __init__(self, width: int, names: Sequence[str] = tuple(MODALITIES)) -> None:
        super().__init__()
        self.names = tuple(names)
        self.linear = nn.ModuleList(nn.Linear(MODALITIES[name], width) for name in names)
        self.absent = nn.Parameter(torch.zeros(len(names), width))
        for name in names:
            size = MODALITIES[name]
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_scale", torch.ones(size))

    def set_statistics(self, rows: dict[str, np.ndarray]) -> None:
        """Take mean and deviation from training rows (N, size) by modality."""
        for name in self.names:
            self.get_buffer(f"{name}_mean").copy_(torch.from_numpy(rows[name].mean(0, dtype=np.float64)))
            self.get_buffer(f"{name}_scale").copy_(torch.from_numpy(1 / (rows[name].std(0, dtype=np.float64) + 1e-3)))

    def forward(self, picture: Picture) -> Tensor:
        parts = []
        for index, (name, linear) in enumerate(zip(self.names, self.linear, strict=True)):
            rows = getattr(picture, name)
            if not rows.shape[-1]:
                parts.append(self.absent[index].expand(*rows.shape[:2], -1))
                continue
            scored = (rows - self.get_buffer(f"{name}_mean")) * self.get_buffer(f"{name}_scale")
            here = picture.present[:, list(MODALITIES).index(name), None, None]
            parts.append(torch.where(here, linear(scored), self.absent[index]))
        return torch.stack(parts).sum(0)
