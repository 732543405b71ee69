"""Stretches of music as a model takes them: sound rows, compound words and descriptors, padded into batches."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotion.features import descriptors, sound
from emotion.midi import tokens
from emotion.midi.notes import Notes


class SegmentRows(NamedTuple):
    """One stretch: sound (T, 96) decibels, words (N, 6), their times in s (N,), descriptors (D,).

    What was not given has no rows, or None.
    """

    sound: NDArray[np.float32] | None
    words: NDArray[np.int64]
    times_s: NDArray[np.float32]
    descriptors: NDArray[np.float32]


class SegmentBatch(NamedTuple):
    """Stretches of music, padded; a stretch without sound or notes has no row that is there.

    sound        (B, T, 96) decibels, or (B, T, 768) of MERT; sound_mask (B, T)
    words        (B, N, 6), their times in s (B, N), words_mask (B, N)
    descriptors  (B, D), meaningful where there are notes
    """

    sound: Tensor
    sound_mask: Tensor
    words: Tensor
    times_s: Tensor
    words_mask: Tensor
    descriptors: Tensor


def rows_of(mel: NDArray[np.float32] | None, notes: Notes | None, *, most_words: int) -> SegmentRows:
    """A stretch from its log-mel, its notes or both; of too many notes the first are kept."""
    if notes is None:
        words, times_s = np.zeros((0, len(tokens.COLUMNS)), np.int64), np.zeros(0, np.float32)
        return SegmentRows(mel, words, times_s, np.zeros(len(descriptors.NAMES), np.float32))
    words, times_s = tokens.tokenize(notes)
    return SegmentRows(mel, words[:most_words], times_s[:most_words], descriptors.describe(notes))


def collate(stretches: Sequence[SegmentRows]) -> SegmentBatch:
    """Pad stretches to the longest of each kind."""
    longest = max(1, *(len(rows.sound) if rows.sound is not None else 0 for rows in stretches))
    width = next((rows.sound.shape[1] for rows in stretches if rows.sound is not None), sound.BANDS)
    most = max(1, *(len(rows.words) for rows in stretches))
    heard, sound_mask = (
        torch.zeros(len(stretches), longest, width),
        torch.zeros(len(stretches), longest, dtype=torch.bool),
    )
    words = torch.zeros(len(stretches), most, len(tokens.COLUMNS), dtype=torch.long)
    times_s, words_mask = torch.zeros(len(stretches), most), torch.zeros(len(stretches), most, dtype=torch.bool)
    for index, rows in enumerate(stretches):
        if rows.sound is not None:
            heard[index, : len(rows.sound)] = torch.from_numpy(rows.sound)
            sound_mask[index, : len(rows.sound)] = True
        words[index, : len(rows.words)] = torch.from_numpy(rows.words)
        times_s[index, : len(rows.words)] = torch.from_numpy(rows.times_s)
        words_mask[index, : len(rows.words)] = True
    described = torch.from_numpy(np.stack([rows.descriptors for rows in stretches])).float()
    return SegmentBatch(heard, sound_mask, words, times_s, words_mask, described)
