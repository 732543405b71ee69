"""Expression: what a feeling does to each parameter of the music, as a table.

Each parameter moves by `valence` · V + `arousal` · A from where it would be without a feeling, as far as its limits let
it, where V and A are the target's place on the plane times the pull. That the parameters move and which way is what
listening studies agree on: tempo, loudness, density and detached notes go with arousal, mode and simple harmony with
valence, high pitch with both (A. Gabrielsson and E. Lindström, "The role of structure in the musical expression of
emotions", in Juslin and Sloboda, Handbook of Music and Emotion, 2010; P. N. Juslin and P. Laukka, "Communication of
emotions in vocal expression and music performance", Psychological Bulletin 129, 2003; S. R. Livingstone et al.,
"Changing musical emotion", Computer Music Journal 34, 2010). How far is ours: at strength .5 the four quadrants should
differ about as EMOPIA's do (Hung et al. 2021; means of Q1 to Q4: 8.5, 9.9, 4.7, 4.7 notes a second; velocity 77, 79,
54, 53; notes of .75, .73, 1.44, 1.28 s; pedal down for 72, 74, 84, 81 % of the time).
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Row = NDArray[np.float64]


class Lean(NamedTuple):
    """How far a parameter goes with valence and with arousal, each for 1 on the plane, and the limits of both."""

    valence: float
    arousal: float
    low: float
    high: float


LEANS = MappingProxyType({
    "tempo": Lean(0.3, 2.6, -1.0, 1.0),         # halves of the style's range of tempi, from its middle
    "density": Lean(0.0, 3.0, -0.7, 1.1),       # standard deviations of MuVi-Sync's note density
    "loudness": Lean(0.0, 3.0, -1.0, 1.0),      # standard deviations of MuVi-Sync's loudness
    "velocity": Lean(0.0, 45.0, -14.0, 4.0),    # beyond what the loudness asks for: the touch
    "register": Lean(7.0, 3.0, -5.0, 5.0),      # semitones
    "length": Lean(0.2, -1.0, -0.4, 0.0),       # share of a note's length: below 0 detached, 0 legato
    "pedal": Lean(0.0, -0.9, -0.4, 0.0),        # share of a chord's time with the pedal down, from all of it
    "staying": Lean(0.0, -3.0, -1.5, 1.5),      # nats for the chord before: harmony moves faster when excited
    "brightness": Lean(2.5, 0.0, -2.0, 2.0),    # nats for the key's major chords against its minor ones
})  # fmt: skip
WISHED_TEMPO = 1.35  # how far beyond the style's tempi, in halves of their range, a wish may lead


class Pull(NamedTuple):
    """How hard the target pulls on either axis; 0 is not at all."""

    valence: float
    arousal: float


def lean(name: str, points: NDArray, pull: Pull) -> Row:
    """How far the parameter `name` moves at each place (N, 2) of the plane, shape (N,), in the unit of LEANS."""
    row = LEANS[name]
    valence, arousal = (np.asarray(points, float) * pull).T
    return np.clip(row.valence * valence + row.arousal * arousal, row.low, row.high)


@dataclass(frozen=True, eq=False)
class Expression:
    """How N steps are to be played, each row (N,): what the arranger needs beside density and loudness.

    velocity  added to every velocity
    register  semitones by which all voices move, as far as their instruments let them
    length    share of its written length that a note is held, at most 1
    pedal     share of a chord's time for which the pedal is down, at most 1
    """

    velocity: Row
    register: Row
    length: Row
    pedal: Row

    @classmethod
    def neutral(cls, steps: int) -> "Expression":
        """Everything as it is written."""
        return cls.of(np.zeros((steps, 2)), Pull(0.0, 0.0))

    @classmethod
    def of(cls, points: NDArray, pull: Pull) -> "Expression":
        """What the target's places (N, 2) do to the playing."""
        return cls(
            lean("velocity", points, pull),
            lean("register", points, pull),
            1 + lean("length", points, pull),
            1 + lean("pedal", points, pull),
        )
