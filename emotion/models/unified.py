"""One model for quadrants and for valence and arousal, of recordings and renders, with or without MIDI beside them.

After J. Kang and D. Herremans, "Towards unified music emotion recognition across dimensional and categorical models"
(2025, arXiv 2502.03979): a front end's embedding of sound, musical features (key and chords) beside it, one body and a
head for each kind of label. Differences: what sound does is told in numbers as well (emotion.features.acoustics), the chords are
told by how often each degree comes and how they follow one another (emotion.features.harmony) and not by a small transformer,
notes are described where there are some (emotion.features.descriptors), numbers are measured by what is usual for their kind of
music (recordings, game music, piano), and the body is several small networks whose answers are averaged. Their code
always says "major" when it judges; here key and chords are of the music that is judged: of its MIDI where there is one,
else of what is heard.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from emotion import checkpoint
from emotion.affect import QUADRANTS
from emotion.features import acoustics, descriptors, harmony
from emotion.judge import AUDIO, MIDI, Segment

KIND = NAME = "unified"
WEIGHTS = Path(__file__).parent.parent / "weights" / "unified"
LONGEST_S = 60.0
GROUPS = ("sound", "embedding", "harmony", "notes")  # of numbers
FRONT_OF = MappingProxyType({"mel": "musicnn", "mert": "mert"})  # emotion.features.frontends
CLIP = 4.0  # standard deviations beyond which a number is no further away


@dataclass(frozen=True)
class UnifiedConfig:
    """sizes     how many numbers each group has
    kinds     of music, each of which has its own means and deviations
    frontend  "mel" (MusiCNN, a learned log-mel front end that ships) or "mert"
    members   networks whose answers are averaged, `width` wide
    """

    sizes: tuple[int, ...]
    kinds: int = 1
    frontend: str = "mel"
    members: int = 6
    width: int = 256
    dropout: float = 0.5
    input_dropout: float = 0.2


@dataclass(frozen=True, eq=False)
class Numbers:
    """What is known of a stretch: (D,) numbers, zeros where a group is not known, and (4,) which groups are."""

    values: NDArray[np.float32]
    known: NDArray[np.bool_]


class Linears(nn.Module):
    """A linear layer for each member: (M, B, out) of (M, B, in)."""

    def __init__(self, members: int, given: int, width: int) -> None:
        super().__init__()
        bound = given**-0.5
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
        self.register_buffer("group", columns, persistent=False)
        body = (given + len(config.sizes), config.width, config.width // 2)
        self.body = nn.ModuleList(Linears(config.members, *pair) for pair in itertools.pairwise(body))
        self.quadrants = Linears(config.members, body[-1], len(QUADRANTS))
        self.affect = Linears(config.members, body[-1], 2)

    def standard(self, values: Tensor, known: Tensor) -> Tensor:
        """(B, D + 4): z-scores of values (B, D), 0 where their group is not known (B, 4), and which are.

        They are scores among the kind of music that this sounds most like.
        """
        kind = (self.overall(values, known) @ self.sorting).argmax(1)
        return self._scores(values, known, self.centre[kind], self.scale[kind])

    def overall(self, values: Tensor, known: Tensor) -> Tensor:
        """The same by the means and deviations of all music, by which its kind is told."""
        return self._scores(values, known, self.all_centre, self.all_scale)

    def _scores(self, values: Tensor, known: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
        there = known[:, self.group[: values.shape[1]]]
        scores = ((values - centre) / scale).clamp(-CLIP, CLIP) * there
        return torch.cat([scores, known.to(scores)], 1)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """(M, B, 4) logits and (M, B, 2) places, of what `standard` gave: (B, D + 4), or (M, B, D + 4)."""
        seen = inputs.expand(self.config.members, *inputs.shape[-2:])
        seen = functional.dropout(seen, self.config.input_dropout, self.training)
        for layer in self.body:
            seen = functional.dropout(functional.gelu(layer(seen)), self.config.dropout, self.training)
        return self.quadrants(seen), self.affect(seen).tanh()

    def judge(self, values: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities of the quadrants (B, 4), and valence and arousal (B, 2): the members' mean."""
        logits, affect = self(self.standard(values, known))
        return (logits.mean(0) / self.temperature).softmax(-1), affect.mean(0)


def describe(stretch: Segment, frontend: str = "mel") -> Numbers:
    """What is known of a stretch that is not silent."""
    told, known = [], []
    sizes = sizes_of(frontend)
    for size, part in zip(sizes, _parts(stretch, frontend), strict=True):
        told.append(np.zeros(size, np.float32) if part is None else part)
        known.append(part is not None)
    return Numbers(np.concatenate(told).astype(np.float32), np.array(known))


def sizes_of(frontend: str) -> tuple[int, ...]:
    """How many numbers each group has."""
    embedded = {"mel": 200, "mert": 768}[frontend]
    heard = max(part.stop for part in acoustics.groups().values())
    return heard, embedded, len(harmony.NAMES), len(descriptors.NAMES)


def _parts(stretch: Segment, frontend: str) -> tuple[NDArray | None, ...]:
    """The numbers of each of GROUPS."""
    return (
        None if stretch.mel is None else acoustics.describe(stretch.mel),
        None if stretch.mel is None else stretch.rows[FRONT_OF[frontend]].mean(0),
        harmony.features(harmony.recognise(_chroma(stretch))),
        None if stretch.notes is None else descriptors.describe(stretch.notes),
    )


def _chroma(stretch: Segment) -> NDArray[np.float32]:
    if stretch.notes is not None:
        return harmony.chroma_of_notes(stretch.notes, stretch.duration_s)
    return stretch.rows["chroma"]


@dataclass(frozen=True)
class UnifiedModel:
    """Unified as a judge asks it (emotion.judge.EmotionModel)."""

    model: Unified
    sha256: str
    name: str = NAME
    hears: frozenset[str] = frozenset({AUDIO, MIDI})
    longest_s: float = LONGEST_S

    @property
    def frontends(self) -> tuple[str, ...]:
        """Rows that the judge is to bring beside log-mel."""
        return (FRONT_OF[self.model.config.frontend], "chroma")

    @torch.inference_mode()
    def predict(self, stretches: Sequence[Segment]) -> NDArray[np.float32]:
        """(S, 6): valence, arousal, probabilities of the quadrants."""
        told = [describe(stretch, self.model.config.frontend) for stretch in stretches]
        values, known = (np.stack([getattr(each, name) for each in told]) for name in ("values", "known"))
        quadrants, affect = self.model.judge(torch.from_numpy(values), torch.from_numpy(known))
        return torch.cat([affect, quadrants], 1).numpy()


def load(folder: Path = WEIGHTS) -> UnifiedModel:
    """The trained judge. Raises CheckpointError."""
    found = checkpoint.load(folder, kind=KIND)
    config = checkpoint.dimensions(found, _config)
    model = Unified(config)
    checkpoint.fill(model, found)
    return UnifiedModel(model, found.sha256)


def _config(sizes: Sequence[int], **others) -> UnifiedConfig:
    return UnifiedConfig(tuple(sizes), **others)
