"""Which chord qualities an emotion allows, as the published AMT's affective loss has it (arXiv 2311.00968)."""

from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from emotion.affect import EMOTIONS
from video2music.chords import QUALITIES

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
