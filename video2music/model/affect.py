"""Which chord qualities an emotion allows, as the published AMT's affective loss has it (arXiv 2311.00968)."""

from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from emotion.affect import EMOTIONS
from video2music.chords import N_CHORDS, QUALITIES, VOCABULARY_SIZE

ALLOWED = MappingProxyType({
    "exciting": ("maj", "sus4", "7"),
    "fearful": ("dim", "min7", "dim7", "hdim7"),
    "tense": ("dim", "sus4", "min7", "7"),
    "sad": ("min7", "min", "sus2"),
    "relaxing": ("maj", "maj6", "maj7"),
    "neutral": (),
})  # fmt: skip

ALLOWED_MATRIX: NDArray[np.float32] = np.array(
    [[quality in ALLOWED[emotion] for quality in QUALITIES] for emotion in EMOTIONS], np.float32
)
"""(6, 13): 1 where the emotion allows the quality."""


def allowed_chords(emotion: NDArray[np.floating]) -> NDArray[np.float32]:
    """(..., 159): 1 for each chord whose quality the strongest emotion (..., 6) allows, on any root; never N or END."""
    allowed = np.zeros((*emotion.shape[:-1], VOCABULARY_SIZE), np.float32)
    by_quality = ALLOWED_MATRIX[emotion.argmax(-1)]
    allowed[..., 1:N_CHORDS] = np.concatenate([by_quality] * ((N_CHORDS - 1) // len(QUALITIES)), axis=-1)
    return allowed
