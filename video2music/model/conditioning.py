"""Which chord qualities an emotion allows, as the published AMT's affective loss has it (arXiv 2311.00968).

What the picture changes of the next chord: when it comes, what quality it has, and that the song ends with it.

All of it moves the distribution that the song's own past suggests. How much a cut or a movement says of the moment of a
change is little and the same in every song, so it goes through a narrow path of its own, which has little room to learn
the songs by heart.
"""

from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from emotion.affect import EMOTIONS
from video2music.chords import END, N_CHORDS, QUALITIES, VOCABULARY_SIZE
from video2music.model.video import EMOTION, Picture, PictureInput

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
REACH = 7  # seconds of the picture, centred, that may move one chord
SEEN = ("emotion", "movement")  # semantic rows only told the training songs apart (benchmarks/experiments.md)
N_KINDS = 3 + len(QUALITIES)  # N, END, PAD, then the qualities
UNLIKELY = -5.8  # log-probability below which the emotion has its say; some ten chords are above
STEEPNESS = 2.0
GAIN = 4.0  # on what the emotion wishes: it has further to go than other weights


class Glimpses:
    """What was read of B videos once, to be taken step by step: `rows` (B, T, WIDTH), `emotion` (B, T, 6), lengths."""

    def __init__(self, rows: Tensor, emotion: Tensor, lengths: Tensor) -> None:
        self.rows, self.emotion, self.lengths = rows, emotion, lengths

    def at(self, start: int, length: int) -> tuple[Tensor, Tensor, Tensor]:
        """Rows and emotions of the steps from `start`, zeros beyond the end, and whether each is beyond it (B, L)."""
        rows, emotion = (_steps(values, start, length) for values in (self.rows, self.emotion))
        steps = torch.arange(start, start + length, device=rows.device)
        return rows, emotion, steps >= self.lengths[:, None]


class Watching(nn.Module):
    """Moves the distribution of the next chord by what is seen in the second it is for."""

    is_end: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.picture = PictureInput(WIDTH, SEEN)
        self.around = nn.Conv1d(WIDTH, WIDTH, REACH, padding=REACH // 2)
        last = nn.Linear(24, 1)
        self.when = nn.Sequential(nn.Linear(WIDTH + 3, 24), nn.GELU(), last)
        self.tilt = AffectiveTilt()
        self.ends = nn.Parameter(torch.tensor([-4.0, 8.0]))  # nats for END while the picture lasts, and after it
        is_end = torch.arange(VOCABULARY_SIZE) == END
        self.register_buffer("is_end", is_end.float(), persistent=False)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def look(self, picture: Picture) -> Glimpses:
        """Read the videos."""
        x = self.picture(picture) * picture.mask[..., None]
        rows = functional.gelu(self.around(x.transpose(1, 2)).transpose(1, 2))
        there = picture.mask & picture.present[:, EMOTION, None]
        emotion = picture.emotion if picture.emotion.shape[-1] else rows.new_zeros(*there.shape, len(EMOTIONS))
        return Glimpses(rows, emotion * there[..., None], picture.mask.sum(1))

    def forward(self, said: Tensor, previous: Tensor, seen: Glimpses, start: int = 0) -> Tensor:
        """Logits (B, L, 159) from the song's log-probabilities `said` (B, L, 159) for the steps from `start` on.

        `previous` (B, L) are the chords before.
        """
        rows, emotion, over = seen.at(start, said.shape[1])
        ends = torch.where(over, self.ends[1], self.ends[0])
        said = said + self.is_end * ends[..., None]
        said = said.scatter_add(-1, previous[..., None], self._stay(said, previous, rows, start))
        return self.tilt(said.log_softmax(-1), emotion)

    def _stay(self, said: Tensor, previous: Tensor, rows: Tensor, start: int) -> Tensor:
        """Nats (B, L, 1) to add to the chord before; none at the first step, which follows no chord."""
        stays = said.gather(-1, previous[..., None]).exp()
        odds = torch.logit(stays, eps=1e-3) / 2
        nats = self.when(torch.cat([rows, odds, odds.abs(), stays], dim=-1))
        first = torch.arange(start, start + said.shape[1], device=said.device) == 0
        return nats.masked_fill(first[:, None], 0.0)


class AffectiveTilt(nn.Module):
    """Lets the picture's emotion order the chords that the song finds unlikely, by their quality.

    The published affective loss counts every one of the 159 outputs alike, so most of it lies in chords that hardly
    ever come; tilting those leaves the likely ones, and with them what is composed, to the song.
    """

    kind_of: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.wish = nn.Sequential(nn.Linear(len(EMOTIONS), 32), nn.GELU(), nn.Linear(32, N_KINDS + 1))
        self.calibration = nn.Parameter(torch.tensor([0.35, 3.3]))  # scale and offset of the published loss's logits
        chords = 3 + torch.arange(N_CHORDS - 1) % len(QUALITIES)
        self.register_buffer("kind_of", torch.cat([torch.tensor([0]), chords, torch.tensor([1, 2])]), persistent=False)

    def forward(self, said: Tensor, emotion: Tensor) -> Tensor:
        """Logits (B, L, 159) from log-probabilities (B, L, 159) and emotions (B, L, 6).

        A level that is common to all 159, and changes no probability, says how much the emotion allows at all.
        """
        wish = self.wish(emotion) * GAIN
        unlikely = torch.sigmoid((UNLIKELY - said) * STEEPNESS)
        return said + unlikely * wish[..., self.kind_of] + wish[..., N_KINDS:]


def _steps(rows: Tensor, start: int, length: int) -> Tensor:
    """Rows (B, length, D) of the steps from `start`, zeros beyond the last."""
    found = rows[:, start : start + length]
    return functional.pad(found, (0, 0, 0, length - found.shape[1]))
