"""Segments of music as PoolingVQ takes them: sound rows, compound tokens and descriptors, padded into batches."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotion.features import descriptors, sound
from emotion.midi import tokens as vocabulary
from emotion.midi.notes import Notes


class SegmentRows(NamedTuple):
    """One segment: sound (T, 96) in dB, compound tokens (N, 6), their times in s (N,), descriptors (D,).

    A medium that is missing has no rows; missing sound is None.
    """

    sound: NDArray[np.float32] | None
    tokens: NDArray[np.int64]
    times_s: NDArray[np.float32]
    descriptors: NDArray[np.float32]


class SegmentBatch(NamedTuple):
    """Segments, padded to the longest; a segment without sound or notes has an all-False mask.

    sound        (B, T, 96) in dB, or (B, T, 768) of MERT; sound_mask (B, T)
    tokens        (B, N, 6), their times in s (B, N), tokens_mask (B, N)
    descriptors  (B, D), meaningful where there are notes
    """

    sound: Tensor
    sound_mask: Tensor
    tokens: Tensor
    times_s: Tensor
    tokens_mask: Tensor
    descriptors: Tensor

    def to(self, device: torch.device | None) -> "SegmentBatch":
        """The same batch on a device."""
        return SegmentBatch(*(part.to(device) for part in self))


def rows_of(mel: NDArray[np.float32] | None, notes: Notes | None, *, max_tokens: int) -> SegmentRows:
    """A segment from its log-mel, its notes or both; of too many notes the first are kept."""
    if notes is None:
        tokens, times_s = np.zeros((0, len(vocabulary.COLUMNS)), np.int64), np.zeros(0, np.float32)
        return SegmentRows(mel, tokens, times_s, np.zeros(len(descriptors.NAMES), np.float32))
    tokens, times_s = vocabulary.tokenize(notes)
    return SegmentRows(mel, tokens[:max_tokens], times_s[:max_tokens], descriptors.describe(notes))


def collate(segments: Sequence[SegmentRows]) -> SegmentBatch:
    """Pad segments to the longest of each medium."""
    longest = max(1, *(len(rows.sound) if rows.sound is not None else 0 for rows in segments))
    width = next((rows.sound.shape[1] for rows in segments if rows.sound is not None), sound.BANDS)
    most = max(1, *(len(rows.tokens) for rows in segments))
    sounds, sound_mask = (
        torch.zeros(len(segments), longest, width),
        torch.zeros(len(segments), longest, dtype=torch.bool),
    )
    tokens = torch.zeros(len(segments), most, len(vocabulary.COLUMNS), dtype=torch.long)
    times_s, tokens_mask = torch.zeros(len(segments), most), torch.zeros(len(segments), most, dtype=torch.bool)
    for index, rows in enumerate(segments):
        if rows.sound is not None:
            sounds[index, : len(rows.sound)] = torch.from_numpy(rows.sound)
            sound_mask[index, : len(rows.sound)] = True
        tokens[index, : len(rows.tokens)] = torch.from_numpy(rows.tokens)
        times_s[index, : len(rows.tokens)] = torch.from_numpy(rows.times_s)
        tokens_mask[index, : len(rows.tokens)] = True
    described = torch.from_numpy(np.stack([rows.descriptors for rows in segments])).float()
    return SegmentBatch(sounds, sound_mask, tokens, times_s, tokens_mask, described)
