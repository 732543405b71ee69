"""Sampling of chords from the AMT, one a step, under rules, each rule a small filter of the logits.

A filter takes the logits (159,) of a step and the chord ids so far and returns logits of which some are lower, higher
or minus infinity. Filters run in the order given; one that would leave nothing to sample from is skipped. The model may
be on any device; filters and sampling run on the CPU, so that a seed does not depend on the device.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from video2music.chords import END, N_CHORDS, PAD, QUALITIES, Chord
from video2music.model.amt import AMT
from video2music.model.conditioning import ALLOWED_MATRIX
from video2music.model.video import VideoBatch

LogitFilter = Callable[[Tensor, Sequence[int]], Tensor]
"""(logits of one step (159,), chord ids so far) -> logits (159,)."""

EMOTION_NATS = 6.0  # that full strength adds to a quality which an emotion of probability 1 allows
WINDOW_OVERLAP = 2  # a new window of the video starts with the latter half of the steps before: one part in so many

BRIGHTNESS = MappingProxyType({
    "maj": 1.0, "maj6": 1.0, "maj7": 0.75, "7": 0.25, "sus4": 0.0, "sus2": 0.0, "aug": -0.25,
    "min7": -0.75, "min": -1.0, "min6": -1.0, "hdim7": -1.0, "dim": -1.0, "dim7": -1.0,
})  # fmt: skip
"""How happy a chord quality is perceived to be, -1 to 1: major against minor, sevenths and fourths in between."""

SCALES = (frozenset((0, 2, 4, 5, 7, 9, 11)), frozenset((0, 2, 4, 5, 7, 8, 9, 11)))  # C major; A minor with its G sharp
IN_KEY = tuple(
    np.array([set(Chord.from_id(chord).pitch_classes) <= scale for chord in range(N_CHORDS)], np.float32)
    for scale in SCALES
)
"""By mode: 1 for each of the 157 chords all of whose tones are in C major, or in A minor."""

CADENCES = tuple(
    tuple([Chord.parse(name).id for name in names.split()] for names in (approach, tonic))
    for approach, tonic in (("G G:7 F", "C"), ("E E:7 E:min D:min G", "A:min"))
)
"""By mode: ids that may come before the last chord, ids of the last one."""


@dataclass(frozen=True)
class OnlyChords:
    """No END and no PAD inside the piece, and no N: silence is not composed."""

    def __call__(self, logits: Tensor, history: Sequence[int]) -> Tensor:
        logits = logits.clone()
        logits[[0, END, PAD]] = -math.inf  # id 0 is N
        return logits


@dataclass(frozen=True)
class MaxRepeat:
    """A chord lasts at most `steps` steps."""

    steps: int

    def __call__(self, logits: Tensor, history: Sequence[int]) -> Tensor:
        last = list(history[-self.steps :])
        if len(last) < self.steps or len(set(last)) > 1:
            return logits
        logits = logits.clone()
        logits[last[-1]] = -math.inf
        return logits


@dataclass(frozen=True)
class FrequencyPenalty:
    """Lower a chord by its share, beyond a quarter, of the last 8 steps: 8 nats where it takes all of them.

    A model that has learnt that songs repeat themselves otherwise falls into a loop.
    """

    steps: int = 8
    share: float = 0.25
    nats: float = 8.0

    def __call__(self, logits: Tensor, history: Sequence[int]) -> Tensor:
        if len(history) < self.steps:
            return logits
        logits = logits.clone()
        for chord, count in Counter(history[-self.steps :]).items():
            logits[chord] -= self.nats * max(0.0, count / self.steps - self.share)
        return logits


@dataclass(frozen=True)
class RepeatBias:
    """Raise or lower the previous chord by `nats` (N,), one for each step: slower or faster harmonic rhythm."""

    nats: Tensor

    def __call__(self, logits: Tensor, history: Sequence[int]) -> Tensor:
        if not history:
            return logits
        logits = logits.clone()
        logits[history[-1]] += self.nats[len(history)]
        return logits


@dataclass(frozen=True)
class ChordBias:
    """Add `nats` (N, 157) to the chords, one row for each step, as `emotion_bias` and `brightness_bias` make them."""

    nats: Tensor

    def __call__(self, logits: Tensor, history: Sequence[int]) -> Tensor:
        logits = logits.clone()
        logits[:N_CHORDS] += self.nats[len(history)]
        return logits


@dataclass(frozen=True)
class Cadence:
    """The last step is the tonic triad; the step before leads to it: dominant or subdominant of C major or A minor."""

    steps: int
    minor: bool

    def __call__(self, logits: Tensor, history: Sequence[int]) -> Tensor:
        left = self.steps - len(history)
        if left > 2:
            return logits
        allowed = CADENCES[self.minor][left == 1]
        kept = torch.full_like(logits, -math.inf)
        kept[allowed] = logits[allowed]
        return kept


@dataclass(frozen=True)
class Temperature:
    """Flatten (above 1) or sharpen (below 1) the distribution; 0 leaves only the likeliest chord."""

    value: float

    def __call__(self, logits: Tensor, history: Sequence[int]) -> Tensor:
        return logits / max(self.value, 1e-4)  # 0 would divide by zero; so small, the rest underflows


@dataclass(frozen=True)
class TopP:
    """Keep the smallest set of chords that holds `mass` of the probability (Holtzman et al. 2020)."""

    mass: float

    def __call__(self, logits: Tensor, history: Sequence[int]) -> Tensor:
        ordered, order = logits.sort(descending=True)
        probability = ordered.softmax(-1)
        mass_before = probability.cumsum(-1) - probability  # of likelier chords, so that the likeliest always stays
        logits = logits.clone()
        logits[order[mass_before >= self.mass]] = -math.inf
        return logits


def emotion_bias(emotion: NDArray[np.floating], strength: float, *, minor: bool) -> Tensor:
    """Nats (N, 157) to add to each chord under the emotions (N, 6): strength · 6 · P(an emotion that allows it).

    Only chords of the key are raised: asking for major qualities should bring C and F, not turn A minor into A major.
    """
    by_quality = emotion.astype(np.float32) @ ALLOWED_MATRIX
    by_chord = np.concatenate([np.zeros_like(by_quality[:, :1]), np.tile(by_quality, 12)], axis=1)
    return torch.from_numpy(by_chord * IN_KEY[minor]) * (EMOTION_NATS * strength)


def brightness_bias(nats: NDArray[np.floating], *, minor: bool) -> Tensor:
    """Nats (N, 157) for chords of the key by how bright their quality is, times `nats` (N,) for the brightest."""
    by_quality = np.array([BRIGHTNESS[quality] for quality in QUALITIES], np.float32)
    by_chord = np.concatenate([[0.0], np.tile(by_quality, 12)]).astype(np.float32) * IN_KEY[minor]
    return torch.from_numpy(np.asarray(nats, np.float32)[:, None] * by_chord)


class ChordWriter:
    """Writes one chord a step; it may stop at any step and continue, which gives the same chords as in one go.

    `video` is a batch of one, on the model's device. A video longer than the model's `max_steps` is read in windows
    that overlap by half; each starts with the chords of the half before. Chords are in C major or A minor; the
    `primer` comes first.
    """

    def __init__(
        self,
        model: AMT,
        video: VideoBatch,
        *,
        minor: bool,
        filters: Iterable[LogitFilter],
        generator: torch.Generator,
        primer: Sequence[Chord] = (),
    ) -> None:
        self.steps = video.emotion.shape[1]
        self._model, self._video, self._minor, self._generator = model, video, minor, generator
        self._filters = tuple(filters)
        self._history = [chord.id for chord in primer[: self.steps]]
        self._window: _Window | None = None

    @property
    def chords(self) -> list[Chord]:
        """Those written so far."""
        return [Chord.from_id(chord) for chord in self._history]

    @torch.inference_mode()
    def write_until(self, step: int) -> None:
        """Write the chords of the steps before `step` that are not written yet."""
        history, longest = self._history, self._model.config.max_steps
        while len(history) < min(step, self.steps):
            if self._window is None:
                self._window = _Window(self._model, self._video, self._minor, 0)
            if len(history) - self._window.start >= longest:  # beyond the model's tables of positions
                start = len(history) - longest // WINDOW_OVERLAP
                self._window = _Window(self._model, self._video, self._minor, start)
            logits = self._window.next_logits(history)
            for apply in self._filters:
                filtered = apply(logits, history)
                if filtered.max() > -math.inf:  # otherwise nothing would be left to sample from
                    logits = filtered
            history.append(int(torch.multinomial(logits.softmax(-1), 1, generator=self._generator)))


class _Window:
    """The model's state over `max_steps` steps from `start`, fed with the history so far."""

    def __init__(self, model: AMT, video: VideoBatch, minor: bool, start: int) -> None:
        self.model, self.start, self.fed, self.device = model, start, start, video.mask.device
        window = video.window(start, model.config.max_steps)
        self.state = model.start(window, torch.tensor([minor], device=self.device))

    def next_logits(self, history: Sequence[int]) -> Tensor:
        """Logits (159,) of the chord after the history; chords of it that were not fed before are fed at once."""
        previous = [PAD, *history][self.fed : len(history) + 1]
        self.fed = len(history) + 1
        return self.model.advance(self.state, torch.tensor([previous], device=self.device))[0, -1].cpu()
