"""Which chord qualities an emotion allows, as the published AMT's affective loss has it (arXiv 2311.00968)."""

from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

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

FIRST_SHARE = -3.5  # log odds of the emotion's share before training: 3 %


class AffectiveShare(nn.Module):
    """Lets the picture's emotion speak beside the song: a small share of the probability goes to chords by quality.

    Mixing leaves the order of the likely chords alone where the share is small, while the unlikely ones, which the
    published affective loss counts as much as any, are ordered by the emotion.
    """

    def __init__(self) -> None:
        super().__init__()
        self.said = nn.Sequential(nn.Linear(len(EMOTIONS), 32), nn.GELU(), nn.Linear(32, len(QUALITIES) + 2))
        self.roots = nn.Parameter(torch.zeros(2, 12))  # major, minor
        self.calibration = nn.Parameter(torch.tensor([1.0, 5.0]))  # scale and offset of the published loss's logits
        with torch.no_grad():
            self.said[-1].bias[-2] = FIRST_SHARE

    def forward(self, log_probabilities: Tensor, emotion: Tensor, minor: Tensor) -> Tensor:
        """Logits (B, L, 159) from log-probabilities (B, L, 159), emotions (B, L, 6) and modes (B,).

        Their softmax is the mixture; a level that is common to all 159 says how much the emotion allows at all.
        """
        said = self.said(emotion)
        share, level = said[..., -2, None], said[..., -1, None]
        by_quality = said[..., : len(QUALITIES)].log_softmax(-1)[:, :, None, :]
        by_root = self.roots[minor.long()].log_softmax(-1)[:, None, :, None]
        of_emotion = log_probabilities.new_full((*log_probabilities.shape[:2], VOCABULARY_SIZE), -1e4)
        of_emotion[..., 1:N_CHORDS] = (by_quality + by_root).flatten(2)
        logsigmoid = nn.functional.logsigmoid
        return torch.logaddexp(logsigmoid(-share) + log_probabilities, logsigmoid(share) + of_emotion) + level
