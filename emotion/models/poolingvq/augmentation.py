"""Pieces in several versions as training sees them: crops of renders, of the notes played, and descriptors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from emotion.data.pieces import LabelledPiece
from emotion.data.renders import Renders, Variation, to_decibels, variation
from emotion.features import descriptors, sound
from emotion.midi import notes, tokens
from emotion.midi.notes import Notes
from emotion.models.poolingvq.segments import SegmentRows

CROP_SHARE = 0.7  # of the takes are crops, the others as long as the model can take
CROPS_S = (8.0, 30.0)


@dataclass(frozen=True, eq=False)
class AugmentedPiece:
    """One version of a piece: its log-mel as bytes, its notes, its words and their times."""

    mel: NDArray[np.uint8] | None
    notes: Notes
    words: NDArray[np.int64]
    times_s: NDArray[np.float32]

    @property
    def duration_s(self) -> float:
        """How long all of it lasts; a render may be shorter than its piece."""
        rendered_s = len(self.mel) / sound.ROWS_PER_S if self.mel is not None else math.inf
        return min(self.notes.duration_s, rendered_s)

    def rows(self, start_s: float, end_s: float, *, most_words: int) -> SegmentRows:
        """What sounds between two times."""
        first, last = np.searchsorted(self.times_s, (start_s, end_s))
        last = min(last, first + most_words)
        place = slice(round(start_s * sound.ROWS_PER_S), round(end_s * sound.ROWS_PER_S))
        mel = None if self.mel is None else to_decibels(self.mel[place])
        described = descriptors.describe(self.notes.within(start_s, end_s))
        return SegmentRows(mel, self.words[first:last], self.times_s[first:last] - np.float32(start_s), described)


class AugmentedPieces:
    """The takes of pieces, made when they are asked for first and then kept."""

    def __init__(self, pieces: Sequence[LabelledPiece], renders: Renders | None) -> None:
        self.pieces, self.renders = pieces, renders
        self.take = lru_cache(maxsize=None)(self._take)

    def _take(self, index: int, version: int) -> AugmentedPiece:
        piece = self.pieces[index]
        played = varied(notes.read(piece.midi), variation(piece.name, version))
        words, times_s = tokens.tokenize(played)
        mel = self.renders.mel(piece.midi, piece.name, version) if self.renders else None
        return AugmentedPiece(mel, played, words, times_s)

    def whole(self, index: int, *, longest_s: float, most_words: int, version: int = 0) -> SegmentRows:
        """The first `longest_s` seconds of a version."""
        return self.take(index, version).rows(0.0, longest_s, most_words=most_words)

    def crop(
        self, index: int, version: int, rng: np.random.Generator, *, longest_s: float, most_words: int
    ) -> SegmentRows:
        """A random crop."""
        take = self.take(index, version)
        length_s = float(rng.uniform(*CROPS_S)) if rng.random() < CROP_SHARE else longest_s
        latest_s = max(take.duration_s - length_s, 0.0)
        start_s = round(float(rng.uniform(0, latest_s)), 2)
        return take.rows(start_s, start_s + length_s, most_words=most_words)


def varied(played: Notes, change: Variation) -> Notes:
    """The notes as a variation plays them."""
    return Notes(
        played.start_s / change.tempo,
        played.end_s / change.tempo,
        np.where(played.drums, played.pitch, np.clip(played.pitch + change.semitones, 0, 127)),
        np.clip(np.round(played.velocity * change.velocity), 1, 127).astype(np.int64),
        played.program if change.program is None else np.full(len(played), change.program),
        played.drums,
        played.pedal_s / change.tempo,
    )
