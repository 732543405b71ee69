"""Pitch-class entropy, scale consistency and groove consistency, exactly as MusPy 0.5 defines them.

Definitions: https://muspy.readthedocs.io/en/stable/metrics.html (Dong, Chen, McAuley, Berg-Kirkpatrick, "MusPy: A
Toolkit for Symbolic Music Generation", ISMIR 2020). They come from S.-L. Wu and Y.-H. Yang, "The Jazz Transformer on
the Front Line", ISMIR 2020, and O. Mogren, "C-RNN-GAN", 2016. Drums have no pitch and do have a groove. Time is counted
in whole steps; MusPy takes every measure to have the same number of them, so that here a shorter bar is filled up with
steps in which nothing begins.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from video2music.values import Form, Track

STEPS_PER_BEAT = 24  # MusPy's own resolution
SIXTEENTHS = 4  # steps a beat at which the groove is told once more: on a fine grid nearly every step is empty

_MAJOR, _MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)

Steps = NDArray[np.int64]


def of_tracks(tracks: Sequence[Track], form: Form) -> dict[str, float]:
    """All three of a piece, the groove on MusPy's grid and on sixteenths; not a number where a measure has no value."""
    pitches = np.array([note.pitch for track in tracks if not track.drums for note in track.notes], int)
    starts_s, ends_s = np.array([(n.start_s, n.end_s) for track in tracks for n in track.notes]).reshape(-1, 2).T
    found = {"pitch_class_entropy": pitch_class_entropy(pitches), "scale_consistency": scale_consistency(pitches)}
    for name, per_beat in (("groove_consistency", STEPS_PER_BEAT), ("groove_on_sixteenths", SIXTEENTHS)):
        measure = int(np.bincount(form.bar_beats).argmax()) * per_beat
        onsets, ends = (steps(times_s, form, measure, per_beat) for times_s in (starts_s, ends_s))
        found[name] = groove_consistency(onsets, ends, measure)
    return found


def pitch_class_entropy(pitches: NDArray[np.integer]) -> float:
    """Shannon entropy in bits of the pitch classes of notes (n,), 0 to 3.58."""
    if not len(pitches):
        return float("nan")
    share = np.bincount(pitches % 12, minlength=12) / len(pitches)
    some = share[share > 0]
    return float(-(some * np.log2(some)).sum())


def scale_consistency(pitches: NDArray[np.integer]) -> float:
    """The largest share of notes (n,) that any of the 24 major and natural minor scales holds."""
    if not len(pitches):
        return float("nan")
    count = np.bincount(pitches % 12, minlength=12)
    held = [count[(np.array(scale) + root) % 12].sum() for scale in (_MAJOR, _MINOR) for root in range(12)]
    return float(max(held) / len(pitches))


def groove_consistency(onsets: Steps, ends: Steps, measure: int) -> float:
    """1 less the mean share of a measure's steps at which it and the next differ in whether a note begins.

    `measure` is a measure's length in steps; the last is the one in which, or at whose beginning, the last note ends.
    """
    if not len(onsets) or (count := int(ends.max()) // measure + 1) < 2:
        return float("nan")
    struck = np.zeros((count, measure), bool)
    struck.flat[onsets] = True
    return float(1 - (struck[1:] != struck[:-1]).mean())


def steps(times_s: NDArray[np.floating], form: Form, measure: int, per_beat: int) -> Steps:
    """The step (n,) nearest to each time, each bar of the form starting at a multiple of `measure`, a pickup before."""
    last_s = form.beats_s[-1] - form.beats_s[-2] if len(form.beats_s) > 1 else form.end_s
    beats_s = np.append(form.beats_s, form.beats_s[-1] + last_s)
    place = np.rint(_beat_at(np.asarray(times_s, float), beats_s) * per_beat).astype(int)
    heads = np.searchsorted(form.beats_s, form.bars_s - 1e-6) * per_beat
    bar = np.searchsorted(heads, place, "right") - 1
    pickup = 1 if heads[0] else 0
    return np.where(bar < 0, measure + place - heads[0], (bar + pickup) * measure + place - heads[bar])


def _beat_at(times_s: NDArray[np.float64], beats_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Beats since the first one; beyond the last the tempo stays."""
    inside = np.interp(times_s, beats_s, np.arange(len(beats_s)))
    return inside + np.maximum(times_s - beats_s[-1], 0) / (beats_s[-1] - beats_s[-2])
