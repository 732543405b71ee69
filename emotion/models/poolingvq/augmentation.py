"""Labelled pieces in several versions (emotion.data.renders.Variation), as crops of renders, notes and descriptors.

Used by training alone: emotion.models.poolingvq.pretraining and .training.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from emotion.data.pieces import LabelledPiece
from emotion.data.renders import RenderCache, Variation, to_decibels, variation
from emotion.features import descriptors, sound
from emotion.midi import notes
from emotion.midi import tokens as vocabulary
from emotion.midi.notes import Notes
from emotion.models.poolingvq.segments import SegmentRows

CROP_SHARE = 0.7  # of the examples are crops, the others as long as the model allows
CROPS_S = (8.0, 30.0)  # from the judge's window to the length of a clip


@dataclass(frozen=True, eq=False)
class AugmentedPiece:
    """One version of a piece: log-mel (T, 96) as bytes, notes, compound tokens (N, 6) and their times in s (N,)."""

    mel: NDArray[np.uint8] | None
    notes: Notes
    tokens: NDArray[np.int64]
    times_s: NDArray[np.float32]

    @property
    def duration_s(self) -> float:
        """How long both last; a render may be shorter than its piece."""
        rendered_s = len(self.mel) / sound.ROWS_PER_S if self.mel is not None else math.inf
        return min(self.notes.duration_s, rendered_s)

    def rows(self, start_s: float, end_s: float, *, max_tokens: int) -> SegmentRows:
        """The segment between two times."""
        first, last = np.searchsorted(self.times_s, (start_s, end_s))
        last = min(last, first + max_tokens)
        place = slice(round(start_s * sound.ROWS_PER_S), round(end_s * sound.ROWS_PER_S))
        mel = None if self.mel is None else to_decibels(self.mel[place])
        described = descriptors.describe(self.notes.within(start_s, end_s))
        return SegmentRows(mel, self.tokens[first:last], self.times_s[first:last] - np.float32(start_s), described)


class AugmentedPieces:
    """Versions of pieces by index, made at first use and then kept in memory."""

    def __init__(self, pieces: Sequence[LabelledPiece], renders: RenderCache | None) -> None:
        self.pieces, self.renders = pieces, renders
        self.version = lru_cache(maxsize=None)(self._version)

    def _version(self, index: int, version: int) -> AugmentedPiece:
        piece = self.pieces[index]
        varied = apply_variation(notes.read(piece.path), variation(piece.name, version))
        tokens, times_s = vocabulary.tokenize(varied)
        mel = self.renders.mel(piece.path, piece.name, version) if self.renders else None
        return AugmentedPiece(mel, varied, tokens, times_s)

    def whole(self, index: int, *, longest_s: float, max_tokens: int, version: int = 0) -> SegmentRows:
        """The first `longest_s` seconds of a version."""
        return self.version(index, version).rows(0.0, longest_s, max_tokens=max_tokens)

    def crop(
        self, index: int, version: int, rng: np.random.Generator, *, longest_s: float, max_tokens: int
    ) -> SegmentRows:
        """A random crop, or the whole with the chance 1 - CROP_SHARE."""
        piece = self.version(index, version)
        length_s = float(rng.uniform(*CROPS_S)) if rng.random() < CROP_SHARE else longest_s
        latest_s = max(piece.duration_s - length_s, 0.0)
        start_s = round(float(rng.uniform(0, latest_s)), 2)
        return piece.rows(start_s, start_s + length_s, max_tokens=max_tokens)


def apply_variation(original: Notes, change: Variation) -> Notes:
    """The notes as a variation plays them: the counterpart in memory of what emotion.data.renders writes to a .mid."""
    return Notes(
        original.start_s / change.tempo,
        original.end_s / change.tempo,
        np.where(original.drums, original.pitch, np.clip(original.pitch + change.semitones, 0, 127)),
        np.clip(np.round(original.velocity * change.velocity), 1, 127).astype(np.int64),
        original.program if change.program is None else np.full(len(original), change.program),
        original.drums,
        original.pedal_s / change.tempo,
    )
