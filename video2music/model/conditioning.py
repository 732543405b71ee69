"""Conditioning of the AMT on the video: which chord qualities an emotion allows, and what that does to the next chord.

The table of allowed qualities is that of the published affective loss (Kang, Poria, Herremans 2024; arXiv 2311.00968).
`VideoConditioning` is applied after the decoder: it shifts the log-probabilities that the song's own past gives, in
three ways: when the chord changes, which quality it has, and that the song ends with the video. How much a cut or a
movement says of the moment of a change is little and the same in every song, so it goes through a narrow path, which
has little capacity to memorise the training songs.
"""

from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from emotion.affect import EMOTIONS
from video2music.chords import END, N_CHORDS, QUALITIES, VOCABULARY_SIZE
from video2music.model.video import EMOTION, VideoBatch, VideoEmbedding

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


WIDTH = 32
REACH = 7  # seconds of the video, centred, that may shift one chord
INPUTS = ("emotion", "movement")  # semantic rows only memorised the training songs (benchmarks/experiments.md)
N_CLASSES = 3 + len(QUALITIES)  # N, END, PAD, then the qualities
UNLIKELY = -5.8  # log-probability below which the emotion bias applies; some ten chords are above
STEEPNESS = 2.0  # of the sigmoid around it
GAIN = 4.0  # on the emotion bias, which has further to go than other outputs: a larger effective learning rate
REPEAT_HIDDEN = 24


class VideoContext:
    """B videos, encoded once, read step by step: `rows` (B, T, WIDTH), `emotion` (B, T, 6), `lengths` (B,) in steps."""

    def __init__(self, rows: Tensor, emotion: Tensor, lengths: Tensor) -> None:
        self.rows, self.emotion, self.lengths = rows, emotion, lengths

    def at(self, start: int, length: int) -> tuple[Tensor, Tensor, Tensor]:
        """Rows and emotions of the steps from `start`, zeros beyond the end, and whether each is beyond it (B, L)."""
        found = [values[:, start : start + length] for values in (self.rows, self.emotion)]
        rows, emotion = (functional.pad(values, (0, 0, 0, length - values.shape[1])) for values in found)
        steps = torch.arange(start, start + length, device=rows.device)
        return rows, emotion, steps >= self.lengths[:, None]


class VideoConditioning(nn.Module):
    """Shifts the distribution of the next chord by the video of the second that the chord is for."""

    is_end: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.embedding = VideoEmbedding(WIDTH, INPUTS)
        self.context = nn.Conv1d(WIDTH, WIDTH, REACH, padding=REACH // 2)
        last = nn.Linear(REPEAT_HIDDEN, 1)
        self.repeat_bias = nn.Sequential(nn.Linear(WIDTH + 3, REPEAT_HIDDEN), nn.GELU(), last)
        self.emotion_bias = EmotionBias()
        self.end_bias = nn.Parameter(torch.tensor([-4.0, 8.0]))  # nats on END while the video lasts, and after it
        is_end = torch.arange(VOCABULARY_SIZE) == END
        self.register_buffer("is_end", is_end.float(), persistent=False)
        nn.init.zeros_(last.weight)  # before training the video shifts no chord
        nn.init.zeros_(last.bias)

    def encode(self, video: VideoBatch) -> VideoContext:
        """Encode the videos, once for all steps."""
        x = self.embedding(video) * video.mask[..., None]
        rows = functional.gelu(self.context(x.transpose(1, 2)).transpose(1, 2))
        # A video without emotions has rows of zeros, to which the emotion bias is a constant.
        has_emotion = video.mask & video.present[:, EMOTION, None]
        emotion = video.emotion if video.emotion.shape[-1] else rows.new_zeros(*has_emotion.shape, len(EMOTIONS))
        return VideoContext(rows, emotion * has_emotion[..., None], video.mask.sum(1))

    def forward(self, log_probs: Tensor, previous: Tensor, context: VideoContext, start: int = 0) -> Tensor:
        """Logits (B, L, 159) from the log-probabilities (B, L, 159) without video, for the steps from `start` on.

        `previous` (B, L) are the chords before.
        """
        rows, emotion, beyond_end = context.at(start, log_probs.shape[1])
        end_nats = torch.where(beyond_end, self.end_bias[1], self.end_bias[0])
        log_probs = log_probs + self.is_end * end_nats[..., None]
        repeat_nats = self._repeat_nats(log_probs, previous, rows, start)
        log_probs = log_probs.scatter_add(-1, previous[..., None], repeat_nats)
        logits: Tensor = self.emotion_bias(log_probs.log_softmax(-1), emotion)
        return logits

    def _repeat_nats(self, log_probs: Tensor, previous: Tensor, rows: Tensor, start: int) -> Tensor:
        """Nats (B, L, 1) to add to the previous chord; 0 at the first step, which has no previous chord."""
        repeats = log_probs.gather(-1, previous[..., None]).exp()
        odds = torch.logit(repeats, eps=1e-3) / 2  # within +-3.5, about the scale of the rows beside it
        nats: Tensor = self.repeat_bias(torch.cat([rows, odds, odds.abs(), repeats], dim=-1))
        first = torch.arange(start, start + log_probs.shape[1], device=log_probs.device) == 0
        return nats.masked_fill(first[:, None], 0.0)


class EmotionBias(nn.Module):
    """Adds a bias by chord quality, from the video's emotion, to the chords that the song's past makes unlikely.

    The published affective loss counts every one of the 159 outputs alike, so most of it lies in chords that hardly
    ever come; biasing those leaves the likely ones, and with them what is composed, to the song.
    """

    class_of: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(len(EMOTIONS), 32), nn.GELU(), nn.Linear(32, N_CLASSES + 1))
        self.calibration = nn.Parameter(torch.tensor([0.35, 3.3]))  # scale and offset of the published loss's logits
        chords = 3 + torch.arange(N_CHORDS - 1) % len(QUALITIES)
        classes = torch.cat([torch.tensor([0]), chords, torch.tensor([1, 2])])  # by id: N, the chords, END, PAD
        self.register_buffer("class_of", classes, persistent=False)

    def forward(self, log_probs: Tensor, emotion: Tensor) -> Tensor:
        """Logits (B, L, 159) from log-probabilities (B, L, 159) and emotions (B, L, 6).

        A level common to all 159, which changes no probability, says how much the emotion allows at all; the affective
        loss, which is no softmax, reads it.
        """
        bias = self.mlp(emotion) * GAIN
        unlikely = torch.sigmoid((UNLIKELY - log_probs) * STEEPNESS)
        logits: Tensor = log_probs + unlikely * bias[..., self.class_of] + bias[..., N_CLASSES:]
        return logits
