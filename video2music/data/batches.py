"""MuVi-Sync songs as padded batches of tensors, for the training and the scoring of the AMT and the regressor."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from video2music.chords import END, PAD
from video2music.data.muvi_sync import Song
from video2music.model.video import VideoBatch, collate, movement


@dataclass(frozen=True)
class SongBatch:
    """B songs: names, previous and next chords (B, T + 1) with END and PAD, minor (B,), video, dynamics (B, T, 2)."""

    names: tuple[str, ...]
    previous: Tensor
    following: Tensor
    minor: Tensor
    video: VideoBatch
    dynamics: Tensor


def batch_of(songs: Sequence[Song]) -> SongBatch:
    """The songs padded to the longest of them."""
    longest = max(map(len, songs))
    previous = torch.full((len(songs), longest + 1), PAD)
    following = previous.clone()
    dynamics = torch.zeros(len(songs), longest, 2)
    for row, song in enumerate(songs):
        chords = torch.from_numpy(song.chords)
        previous[row, 1 : len(song) + 1] = chords
        following[row, : len(song)] = chords
        following[row, len(song)] = END
        dynamics[row, : len(song)] = torch.from_numpy(np.stack([song.density, song.loudness], axis=1))
    names, minor = tuple(song.name for song in songs), torch.tensor([song.minor for song in songs])
    return SongBatch(names, previous, following, minor, video_batch(songs), dynamics)


def video_batch(songs: Sequence[Song]) -> VideoBatch:
    """The features of these songs' videos, as the models take them."""
    return collate([(song.semantic, song.emotion, movement(song.motion, song.scene_offset)) for song in songs])


def on_device(video: VideoBatch, device: torch.device) -> VideoBatch:
    """The same features on a model's device."""
    return VideoBatch(*(each.to(device) for each in video))


def shuffled(songs: Sequence[Song], size: int, generator: torch.Generator) -> Iterator[SongBatch]:
    """One epoch in batches of `size` songs of similar length, in random order."""
    jitter = torch.rand(len(songs), generator=generator) * 40  # seconds, so that batches differ from epoch to epoch
    by_length = sorted(range(len(songs)), key=lambda index: len(songs[index]) + jitter[index].item())
    groups = [by_length[start : start + size] for start in range(0, len(songs), size)]
    for index in torch.randperm(len(groups), generator=generator).tolist():
        yield batch_of([songs[member] for member in groups[index]])


def drop_modalities(video: VideoBatch, rates: Sequence[float], generator: torch.Generator) -> VideoBatch:
    """Hide whole modalities of whole songs, each at its own rate (semantic, emotion, movement)."""
    keep = torch.rand(video.present.shape, generator=generator) >= torch.tensor(rates)
    return video._replace(present=video.present & keep)


def statistics(songs: Sequence[Song]) -> dict[str, np.ndarray]:
    """All rows of each modality, for VideoEmbedding.set_statistics."""
    return {
        "semantic": np.concatenate([song.semantic for song in songs]),
        "emotion": np.concatenate([song.emotion for song in songs]),
        "movement": np.concatenate([movement(song.motion, song.scene_offset) for song in songs]),
    }
