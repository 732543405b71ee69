"""What the picture changes of the next chord: when it comes, what quality it has, and that the song ends with it.

All of it moves the distribution that the song's own past suggests. How much a cut or a movement says of the moment of a
change is little and the same in every song, so it goes through a narrow path of its own, which has no room to learn the
songs by heart; a decoder that attends to the picture learns little else (Video2Music's has 32 million ways to do so).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from emotion.affect import EMOTIONS
from video2music.chords import END, N_CHORDS, QUALITIES, VOCABULARY_SIZE
from video2music.model.picture import EMOTION, Picture, PictureInput

WIDTH = 32
REACH = 7  # seconds of the picture, centred, that may move one chord
FIRST_SHARE = -3.5  # log odds of the emotion's share before training: 3 %
IMPOSSIBLE = -1e4


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
        self.picture = PictureInput(WIDTH)
        self.around = nn.Conv1d(WIDTH, WIDTH, REACH, padding=REACH // 2)
        last = nn.Linear(24, 1)
        self.when = nn.Sequential(nn.Linear(WIDTH + 3, 24), nn.GELU(), last)
        self.share = AffectiveShare()
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
        emotion = picture.emotion if picture.emotion.shape[-1] else rows[..., : len(EMOTIONS)]
        return Glimpses(rows, emotion * there[..., None], picture.mask.sum(1))

    def forward(self, said: Tensor, previous: Tensor, seen: Glimpses, minor: Tensor, start: int = 0) -> Tensor:
        """Logits (B, L, 159) from the song's log-probabilities `said` (B, L, 159) for the steps from `start` on.

        `previous` (B, L) are the chords before, `minor` (B,) the modes.
        """
        rows, emotion, over = seen.at(start, said.shape[1])
        ends = torch.where(over, self.ends[1], self.ends[0])
        said = said + self.is_end * ends[..., None]
        said = said.scatter_add(-1, previous[..., None], self._stay(said, previous, rows, start))
        return self.share(said.log_softmax(-1), emotion, minor)

    def _stay(self, said: Tensor, previous: Tensor, rows: Tensor, start: int) -> Tensor:
        """Nats (B, L, 1) to add to the chord before; none at the first step, which follows no chord."""
        stays = said.gather(-1, previous[..., None]).exp()
        odds = torch.logit(stays, eps=1e-3) / 2
        nats = self.when(torch.cat([rows, odds, odds.abs(), stays], dim=-1))
        first = torch.arange(start, start + said.shape[1], device=said.device) == 0
        return nats.masked_fill(first[:, None], 0.0)


class AffectiveShare(nn.Module):
    """Lets the picture's emotion speak beside the song: a small share of the probability goes to chords by quality.

    Mixing leaves the order of the likely chords alone where the share is small, while the unlikely ones, which the
    published affective loss counts as much as any, are ordered by the emotion.
    """

    def __init__(self) -> None:
        super().__init__()
        last = nn.Linear(32, len(QUALITIES) + 2)
        self.said = nn.Sequential(nn.Linear(len(EMOTIONS), 32), nn.GELU(), last)
        self.roots = nn.Parameter(torch.zeros(2, 12))  # major, minor
        self.calibration = nn.Parameter(torch.tensor([1.0, 5.0]))  # scale and offset of the published loss's logits
        with torch.no_grad():
            last.bias[-2:] = torch.tensor([FIRST_SHARE, 0.0])

    def forward(self, said: Tensor, emotion: Tensor, minor: Tensor) -> Tensor:
        """Logits (B, L, 159) from log-probabilities (B, L, 159), emotions (B, L, 6) and modes (B,).

        Their softmax is the mixture; a level that is common to all 159 says how much the emotion allows at all.
        """
        wanted = self.said(emotion)
        share, level = wanted[..., -2, None], wanted[..., -1, None]
        by_quality = wanted[..., : len(QUALITIES)].log_softmax(-1)[:, :, None, :]
        by_root = self.roots[minor.long()].log_softmax(-1)[:, None, :, None]
        chords = (by_quality + by_root).flatten(2)
        chords = functional.pad(chords, (1, VOCABULARY_SIZE - N_CHORDS), value=IMPOSSIBLE)
        log_share = functional.logsigmoid
        return torch.logaddexp(log_share(-share) + said, log_share(share) + chords) + level


def _steps(rows: Tensor, start: int, length: int) -> Tensor:
    """Rows (B, length, D) of the steps from `start`, zeros beyond the last."""
    found = rows[:, start : start + length]
    return functional.pad(found, (0, 0, 0, length - found.shape[1]))
