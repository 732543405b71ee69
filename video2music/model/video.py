"""The video as input of the AMT and the regressor: three modalities a step, any of which may be absent.

`resample_to_steps` makes the batch of one clip on the steps of its form, `collate` that of many, padded with a mask.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from video2music.values import Floats, VideoFeatures

MODALITIES = {"semantic": 768, "emotion": 6, "movement": 2}  # movement: motion and scene offset
SEMANTIC, EMOTION, MOVEMENT = range(3)


class VideoBatch(NamedTuple):
    """B videos of T steps each.

    semantic, emotion, movement  (B, T, 768), (B, T, 6), (B, T, 2) as `movement` makes it; a modality that no video of
                                 the batch has is (B, T, 0), because an hour of zeros takes a lot of memory
    present                      (B, 3) bool: which of the modalities each video has
    mask                         (B, T) bool: true on real steps, false on padding
    """

    semantic: Tensor
    emotion: Tensor
    movement: Tensor
    present: Tensor
    mask: Tensor

    def to(self, device: torch.device | str) -> "VideoBatch":
        return VideoBatch(*(tensor.to(device) for tensor in self))

    def window(self, start: int, length: int) -> "VideoBatch":
        """The steps from `start`, at most `length` of them."""
        semantic, emotion, moved, mask = (
            rows[:, start : start + length] for rows in (self.semantic, self.emotion, self.movement, self.mask)
        )
        return VideoBatch(semantic, emotion, moved, self.present, mask)


def movement(motion: Floats, scene_offset: Floats) -> Floats:
    """(T, 2): log(1 + motion) and log(1 + offset), the offset counted from 1 in the first second of a scene.

    In logarithms, because both have long tails (motion has median 4.8 and maximum 241); with the offset plus 1, because
    the models of MuVi-Sync were trained so.
    """
    rows: Floats = np.log1p(np.stack([motion, scene_offset + 1], axis=-1)).astype(np.float32)
    return rows


def collate(videos: Sequence[tuple[NDArray[Any] | None, NDArray[Any], NDArray[Any]]]) -> VideoBatch:
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
    return VideoBatch(semantic, emotion, moved, present, mask)


def resample_to_steps(
    features: VideoFeatures, starts_s: NDArray[np.float64], ends_s: NDArray[np.float64], emotion: Floats
) -> VideoBatch:
    """The features resampled from seconds to the steps of a form, a batch of one.

    Each step takes the mean over its own interval, except the scene offset, which is taken at its start. `emotion`
    (seconds, 6) is the video's own or that of the requested target.
    """
    at_start = np.minimum(starts_s.astype(int), len(features) - 1)
    motion = interval_means(features.motion[:, None], starts_s, ends_s)[:, 0]
    semantic = None if features.semantic is None else interval_means(features.semantic, starts_s, ends_s)
    moved = movement(motion, features.scene_offset[at_start])
    return collate([(semantic, interval_means(emotion, starts_s, ends_s), moved)])


def interval_means(rows: NDArray[np.floating], starts_s: NDArray[np.float64], ends_s: NDArray[np.float64]) -> Floats:
    """Mean (N, D) of piecewise constant rows (T, D), one a second, over N intervals; the last row lasts for ever."""
    total = np.vstack([np.zeros_like(rows[:1], float), np.cumsum(rows, axis=0, dtype=float)])

    def integral(time_s: NDArray[np.float64]) -> NDArray[np.float64]:
        whole = np.minimum(time_s.astype(int), len(rows) - 1)
        up_to: NDArray[np.float64] = total[whole] + (time_s - whole)[:, None] * rows[whole]
        return up_to

    means: Floats = ((integral(ends_s) - integral(starts_s)) / (ends_s - starts_s)[:, None]).astype(np.float32)
    return means


class VideoEmbedding(nn.Module):
    """VideoBatch -> (B, T, width): the paper's Linear(776, width), split by modality.

    Each modality is z-scored with the statistics of the training rows, which are buffers of the weights; one that is
    absent gives a learned vector instead, so that encoders without semantic rows are a case that was trained.
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

    def set_statistics(self, rows: Mapping[str, Floats]) -> None:
        """Take mean and deviation from training rows (N, size) by modality."""
        for name in self.names:
            self.get_buffer(f"{name}_mean").copy_(torch.from_numpy(rows[name].mean(0, dtype=np.float64)))
            self.get_buffer(f"{name}_scale").copy_(torch.from_numpy(1 / (rows[name].std(0, dtype=np.float64) + 1e-3)))

    def forward(self, video: VideoBatch) -> Tensor:
        parts = []
        for index, (name, linear) in enumerate(zip(self.names, self.linear, strict=True)):
            rows = getattr(video, name)
            if not rows.shape[-1]:
                parts.append(self.absent[index].expand(*rows.shape[:2], -1))
                continue
            scored = (rows - self.get_buffer(f"{name}_mean")) * self.get_buffer(f"{name}_scale")
            present = video.present[:, list(MODALITIES).index(name), None, None]
            parts.append(torch.where(present, linear(scored), self.absent[index]))
        return torch.stack(parts).sum(0)
