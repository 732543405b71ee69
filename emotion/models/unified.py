"""One model for quadrants and for valence and arousal, of recordings and renders, with or without MIDI beside them.

After J. Kang and D. Herremans, "Towards unified music emotion recognition across dimensional and categorical models"
(2025, arXiv 2502.03979): a front end's embedding of sound, musical features (key and chords) beside it, one body and a
head for each kind of label. Differences: descriptors of the log-mel are added (emotion.features.acoustics); chords are
described by frequencies of degrees and of their successions (emotion.features.harmony), not by a small transformer;
notes are described where there are some (emotion.features.descriptors); numbers are standardised within their kind of
music (recordings, game music, piano); and the body is several small networks whose outputs are averaged. Their code
always conditions on "major" at inference; here key and chords are those of the music: of its MIDI where there is one,
else estimated from the sound. Shapes: B segments, D numbers, M members.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from emotion import checkpoint
from emotion.affect import QUADRANTS
from emotion.features import acoustics, descriptors, harmony
from emotion.judge import AUDIO, MIDI, Segment
from emotion.runtime import resolve_device

KIND = NAME = "unified"
WEIGHTS = checkpoint.SHIPPED / "unified"
LONGEST_S = 60.0
GROUPS = ("sound", "embedding", "harmony", "notes")  # of numbers
FRONTEND_ROWS = MappingProxyType({"mel": "musicnn", "mert": "mert"})  # emotion.features.frontends
CLIP = 4.0  # standard deviations beyond which a number is no further away


@dataclass(frozen=True)
class UnifiedConfig:
    """sizes     how many numbers each group has
    kinds     of music, each of which has means and deviations of its own
    frontend  "mel" (MusiCNN, a learned log-mel front end that ships) or "mert"
    members   networks whose outputs are averaged, `width` wide
    """

    sizes: tuple[int, ...]
    kinds: int = 1
    frontend: str = "mel"
    members: int = 6
    width: int = 256
    dropout: float = 0.5
    input_dropout: float = 0.2


@dataclass(frozen=True, eq=False)
class SegmentNumbers:
    """A segment in numbers: values (D,), zeros where a group is not known, and which of GROUPS are known (4,)."""

    values: NDArray[np.float32]
    known: NDArray[np.bool_]


class MemberLinear(nn.Module):
    """A linear layer for each member: (M, B, out) of (M, B, in)."""

    def __init__(self, members: int, given: int, width: int) -> None:
        super().__init__()
        bound = given**-0.5  # as nn.Linear initialises its weights
        self.weight = nn.Parameter(torch.empty(members, given, width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(members, 1, width))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, inputs, self.weight)


class Unified(nn.Module):
    """Logits of the quadrants, and valence and arousal, by each member."""

    centre: Tensor
    scale: Tensor
    all_centre: Tensor
    all_scale: Tensor
    sorting: Tensor
    temperature: Tensor
    group: Tensor

    def __init__(self, config: UnifiedConfig) -> None:
        super().__init__()
        self.config = config
        given = sum(config.sizes)
        self.register_buffer("centre", torch.zeros(config.kinds, given))
        self.register_buffer("scale", torch.ones(config.kinds, given))
        self.register_buffer("all_centre", torch.zeros(given))
        self.register_buffer("all_scale", torch.ones(given))
        self.register_buffer("sorting", torch.zeros(given + len(config.sizes), config.kinds))
        self.register_buffer("temperature", torch.ones(1))
        places = torch.repeat_interleave(torch.arange(len(config.sizes)), torch.tensor(config.sizes))
        columns = torch.cat([places, torch.arange(len(config.sizes))])
        self.register_buffer("group", columns, persistent=False)  # follows from the config: not in the weights
        body = (given + len(config.sizes), config.width, config.width // 2)
        self.body = nn.ModuleList(MemberLinear(config.members, *pair) for pair in itertools.pairwise(body))
        self.quadrants = MemberLinear(config.members, body[-1], len(QUADRANTS))
        self.affect = MemberLinear(config.members, body[-1], 2)

    def standard(self, values: Tensor, known: Tensor) -> Tensor:
        """(B, D + 4): z-scores of values (B, D), 0 where their group is not known (B, 4), and which are.

        Scores are relative to the kind of music that the segment is classified as.
        """
        kind = (self.overall(values, known) @ self.sorting).argmax(1)
        return self._scores(values, known, self.centre[kind], self.scale[kind])

    def overall(self, values: Tensor, known: Tensor) -> Tensor:
        """The same by means and deviations of all music: the input of the classifier of kinds."""
        return self._scores(values, known, self.all_centre, self.all_scale)

    def _scores(self, values: Tensor, known: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
        there = known[:, self.group[: values.shape[1]]]
        scores = ((values - centre) / scale).clamp(-CLIP, CLIP) * there
        return torch.cat([scores, known.to(scores)], 1)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """(M, B, 4) logits and (M, B, 2) points, of what `standard` gave: (B, D + 4), or (M, B, D + 4)."""
        hidden = inputs.expand(self.config.members, *inputs.shape[-2:])
        hidden = functional.dropout(hidden, self.config.input_dropout, self.training)
        for layer in self.body:
            hidden = functional.dropout(functional.gelu(layer(hidden)), self.config.dropout, self.training)
        return self.quadrants(hidden), self.affect(hidden).tanh()

    def judge(self, values: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities of the quadrants (B, 4), and valence and arousal (B, 2): the members' mean."""
        logits, affect = self(self.standard(values, known))
        return (logits.mean(0) / self.temperature).softmax(-1), affect.mean(0)


def describe(segment: Segment, frontend: str = "mel") -> SegmentNumbers:
    """The numbers of a segment that is not silent."""
    notes, mel = segment.notes, segment.mel
    # harmony of notes is exact, that of sound an estimate
    chroma = segment.rows["chroma"] if notes is None else harmony.chroma_of_notes(notes, segment.duration_s)
    parts: tuple[NDArray[np.floating[Any]] | None, ...] = (  # in the order of GROUPS
        None if mel is None else acoustics.describe(mel),
        None if mel is None else segment.rows[FRONTEND_ROWS[frontend]].mean(0),
        harmony.features(harmony.recognise(chroma)),
        None if notes is None else descriptors.describe(notes),
    )
    sizes = sizes_of(frontend)
    values = [np.zeros(size, np.float32) if part is None else part for size, part in zip(sizes, parts, strict=True)]
    return SegmentNumbers(np.concatenate(values).astype(np.float32), np.array([part is not None for part in parts]))


def sizes_of(frontend: str) -> tuple[int, ...]:
    """How many numbers each group has."""
    embedded = {"mel": 200, "mert": 768}[frontend]  # widths of MusiCNN's and MERT's embeddings
    acoustic = max(part.stop for part in acoustics.groups().values())
    return acoustic, embedded, len(harmony.NAMES), len(descriptors.NAMES)


@dataclass(frozen=True)
class UnifiedModel:
    """A Unified behind the interface of a judge (emotion.judge.EmotionModel)."""

    model: Unified
    sha256: str
    name: str = NAME
    modalities: frozenset[str] = frozenset({AUDIO, MIDI})
    longest_s: float = LONGEST_S

    @property
    def frontends(self) -> tuple[str, ...]:
        """Rows that the judge has to provide beside log-mel."""
        return (FRONTEND_ROWS[self.model.config.frontend], "chroma")

    @torch.inference_mode()
    def predict(self, segments: Sequence[Segment]) -> NDArray[np.float32]:
        """(S, 6): valence, arousal, probabilities of the quadrants."""
        device = next(self.model.parameters()).device
        numbers = [describe(segment, self.model.config.frontend) for segment in segments]
        values, known = (np.stack([getattr(each, name) for each in numbers]) for name in ("values", "known"))
        quadrants, affect = self.model.judge(*(torch.from_numpy(each).to(device) for each in (values, known)))
        return torch.cat([affect, quadrants], 1).cpu().numpy()


def load(folder: Path | None = None, *, device: str | None = None) -> UnifiedModel:
    """The trained judge on a device. Raises CheckpointError."""
    found = checkpoint.load(folder or checkpoint.weights_folder(WEIGHTS), kind=KIND)

    def config_of(sizes: Sequence[int], **others: Any) -> UnifiedConfig:
        return UnifiedConfig(tuple(sizes), **others)  # JSON has a list

    model = Unified(checkpoint.dimensions(found, config_of))
    checkpoint.fill(model, found)
    return UnifiedModel(model.to(resolve_device(device)), found.sha256)
