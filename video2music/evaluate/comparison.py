"""Chords compared as music information retrieval compares them: on roots, thirds and sevenths, by mir_eval.

The rules are those of MIREX (Raffel et al., "mir_eval: A Transparent Implementation of Common MIR Metrics", ISMIR
2014). Seconds whose true chord a rule cannot judge, such as a suspended chord on thirds, are left out. Every chord
lasts one second, so that weighting by duration is a mean over seconds.
"""

from functools import cache

import mir_eval.chord
import numpy as np
from numpy.typing import NDArray

from video2music.chords import N_CHORDS, Chord
from video2music.evaluate.metrics import mean

RULES = ("root", "thirds", "sevenths")


def harte(chord: Chord) -> str:
    """The chord in the syntax of Harte et al. (ISMIR 2005), which mir_eval reads: `C:maj`, `F#:min7`, `N`.

    The vocabulary's qualities are all shorthands of that syntax; only a major triad must be said.
    """
    label = str(chord)
    return label if label == "N" or ":" in label else f"{label}:maj"


def agreement(predicted: NDArray[np.integer], truth: NDArray[np.integer]) -> dict[str, float]:
    """By rule: share of the chord ids (T,) that agree with the true ones (T,); not a number where none is judged."""
    found = {}
    for rule, judged in _judgements().items():
        scores = judged[truth, predicted]
        found[rule] = mean(scores[scores >= 0])
    return found


@cache
def _judgements() -> dict[str, NDArray[np.float64]]:
    """By rule: mir_eval's score (157, 157) of each true id with each predicted one; below 0 is not to be judged."""
    labels = [harte(Chord.from_id(index)) for index in range(N_CHORDS)]
    truth, predicted = np.repeat(labels, N_CHORDS).tolist(), labels * N_CHORDS
    return {rule: getattr(mir_eval.chord, rule)(truth, predicted).reshape(N_CHORDS, -1) for rule in RULES}
