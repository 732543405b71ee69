"""Expression: how far each parameter of the music moves with the target's valence and arousal, as a table.

Each parameter moves by `valence` · V + `arousal` · A from its neutral value, within its limits, where V and A are the
target's point on the valence-arousal plane times the guidance. The signs are what listening studies agree on: tempo,
loudness, density and detached notes go with arousal, mode and simple harmony with valence, high pitch with both
(A. Gabrielsson and E. Lindström, "The role of structure in the musical expression of emotions", in Juslin and Sloboda,
Handbook of Music and Emotion, 2010; P. N. Juslin and P. Laukka, "Communication of emotions in vocal expression and
music performance", Psychological Bulletin 129, 2003; S. R. Livingstone et al., "Changing musical emotion", Computer
Music Journal 34, 2010). The sizes are ours: at strength .5 the four quadrants should differ about as EMOPIA's do (Hung
et al. 2021; means of Q1 to Q4: 8.5, 9.9, 4.7, 4.7 notes a second; velocity 77, 79, 54, 53; notes of .75, .73, 1.44,
1.28 s; pedal down for 72, 74, 84, 81 % of the time).
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class AffectOffset(NamedTuple):
    """By how much a parameter moves for a valence of 1 and for an arousal of 1, and the limits of the sum."""

    valence: float
    arousal: float
    low: float
    high: float


AFFECT_OFFSETS = MappingProxyType({
    "tempo": AffectOffset(0.3, 2.6, -1.0, 1.0),         # halves of the style's range of tempi, from its middle
    "density": AffectOffset(0.0, 3.0, -0.7, 1.1),       # standard deviations of MuVi-Sync's note density
    "loudness": AffectOffset(0.0, 3.0, -1.0, 1.0),      # standard deviations of MuVi-Sync's loudness
    "velocity": AffectOffset(0.0, 45.0, -14.0, 4.0),    # on top of what the loudness asks for
    "register": AffectOffset(7.0, 3.0, -5.0, 5.0),      # semitones
    "length": AffectOffset(0.2, -1.0, -0.4, 0.0),       # share of a note's length: below 0 detached, 0 legato
    "pedal": AffectOffset(0.0, -0.9, -0.4, 0.0),        # share of a chord's time with the pedal down, from all of it
    "staying": AffectOffset(0.0, -3.0, -1.5, 1.5),      # nats for the chord before: harmony moves faster when excited
    "brightness": AffectOffset(2.5, 0.0, -2.0, 2.0),    # nats for the key's major chords against its minor ones
})  # fmt: skip
# A requested emotion may move the tempo this much further than one read from the picture.
REQUESTED_TEMPO = 1.35


class Guidance(NamedTuple):
    """How strongly the target acts on the music on either axis, as a factor; 0 is not at all."""

    valence: float
    arousal: float


def affect_offset(name: str, points: Floats, guidance: Guidance) -> Floats:
    """How far the parameter `name` moves at each point (N, 2) of the plane, shape (N,), in its unit there."""
    row = AFFECT_OFFSETS[name]
    valence, arousal = (np.asarray(points, float) * guidance).T
    return np.asarray(np.clip(row.valence * valence + row.arousal * arousal, row.low, row.high), float)


@dataclass(frozen=True, eq=False)
class Expression:
    """How N steps are played beside density and loudness, each row (N,).

    velocity  added to every velocity
    register  semitones by which all voices are shifted, as far as their instruments' ranges allow
    length    share of its written length that a note is held, at most 1
    pedal     share of a chord's time for which the pedal is down, at most 1
    """

    velocity: Floats
    register: Floats
    length: Floats
    pedal: Floats

    @classmethod
    def neutral(cls, steps: int) -> "Expression":
        """All is played as it is written."""
        return cls.of(np.zeros((steps, 2)), Guidance(0.0, 0.0))

    @classmethod
    def of(cls, points: Floats, guidance: Guidance) -> "Expression":
        """The expression for the target's points (N, 2) of valence and arousal."""
        return cls(
            affect_offset("velocity", points, guidance),
            affect_offset("register", points, guidance),
            1 + affect_offset("length", points, guidance),
            1 + affect_offset("pedal", points, guidance),
        )
