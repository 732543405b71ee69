"""Whether a model watches: another song's video in place of the true one, paired differences, and steering."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from emotion.affect import EMOTIONS, PLACES, emotions_at
from emotion.errors import DataError
from emotion.report import Songs, by_metric, gain, summaries
from video2music.chords import N_CHORDS
from video2music.data.muvi_sync import Song
from video2music.evaluate.models import metrics
from video2music.evaluate.models.chords import Logits, targets_of
from video2music.model.conditioning import ALLOWED_MATRIX
from video2music.model.decode import steering
from video2music.options import Options

NEIGHBOURS = 8  # songs of like length among which videos change hands
GAINS = MappingProxyType({
    "chords": {"nll": -1, "nll_end": -1, "hits@1": 1},
    "dynamics": {"density_rmse": -1, "loudness_rmse": -1, "density_r": 1, "loudness_r": 1},
})  # fmt: skip
"""By task the metrics in which the picture may help, and whether high (1) or low (-1) is good."""


def shuffled(songs: Sequence[Song], *, seed: int = 0) -> list[Song]:
    """Each song with the features of another's video, and no song with its own. Raises DataError.

    Songs are put in the order of their lengths, and in each group of about 8 neighbours videos are handed on in a ring
    of random order. A video that is longer than the song is cut, a shorter one begins again, so that the features end
    with the song whoever they come from: what the end gives away, it gives away in both rows.
    """
    if len(songs) < 2:
        raise DataError("the split has one song, and shuffled video takes two: evaluate a split with more songs")
    rng = np.random.default_rng(seed)
    order = sorted(range(len(songs)), key=lambda index: len(songs[index]))
    found = list(songs)
    for group in np.array_split(order, max(1, len(songs) // NEIGHBOURS)):
        ring = rng.permutation(group)
        for own, donor in zip(ring, np.roll(ring, 1), strict=True):
            found[own] = _with_video(songs[own], songs[donor])
    return found


def _with_video(song: Song, donor: Song) -> Song:
    seconds = np.arange(len(song)) % len(donor)
    seen = ("semantic", "emotion", "motion", "scene_offset")
    return replace(song, **{name: getattr(donor, name)[seconds] for name in seen})


def gains(task: str, rows: Mapping[str, Sequence[Songs]], true: str, others: Mapping[str, str]) -> dict[str, Any]:
    """By comparison and metric what the row `true` is better by; `others` names the comparisons' rows.

    A comparison whose row is not there is left out, and so is a metric that no song has.
    """
    have = {
        metric: sign
        for metric, sign in GAINS[task].items()
        if all(np.isfinite(songs[metric]).any() for songs in rows[true])
    }
    return {
        label: {metric: gain(rows[true], rows[name], metric, sign=sign) for metric, sign in have.items()}
        for label, name in others.items()
        if name in rows
    }


def steered(songs: Sequence[Song], seeds: Sequence[Sequence[Logits]]) -> dict[str, dict[str, Any]]:
    """What steering towards an emotion does to the probability mass on the qualities which that emotion allows.

    `seeds` holds what each seed says of the songs, their true chords given; each second's logits are steered as a wish
    for an emotion steers them, at the default strength. By emotion summaries of the mass under its own steering, the
    mean mass under that of the five others, and the difference.
    """
    found = [[_masses(song, said) for song, said in zip(songs, logits, strict=True)] for logits in seeds]
    emotions = [index for index in range(len(EMOTIONS)) if ALLOWED_MATRIX[index].any()]
    return {
        EMOTIONS[index]: summaries([by_metric([_own_and_others(song, index) for song in seed]) for seed in found])
        for index in emotions
    }


def _own_and_others(masses: np.ndarray, emotion: int) -> dict[str, float]:
    own, others = masses[emotion, emotion], np.delete(masses[:, emotion], emotion).mean()
    return {"own": float(own), "others": float(others), "difference": float(own - others)}


def _masses(song: Song, said: Logits) -> np.ndarray:
    """Mean mass (6, 6) in a song: steered towards the row's emotion, on the qualities that the column's allows."""
    logits = said[1 : len(targets_of(song)) + 1]
    rows = []
    for emotion in EMOTIONS:
        bias = steering(emotions_at([PLACES[emotion]]), Options().strength, minor=song.minor).numpy()
        biased = logits.copy()
        biased[:, :N_CHORDS] += bias
        rows.append(metrics.quality_shares(biased).mean(0) @ ALLOWED_MATRIX.T)
    return np.array(rows)
