"""What the video contributes to a model: another song's video in its place, paired differences, effect of guidance."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from emotion.affect import EMOTIONS, VA_ANCHORS, emotions_at
from emotion.errors import DataError
from emotion.report import Songs, by_metric, gain, summaries
from video2music.chords import N_CHORDS
from video2music.data.muvi_sync import Song
from video2music.evaluate.models import metrics
from video2music.evaluate.models.scores import Logits, chord_targets
from video2music.model.conditioning import ALLOWED_MATRIX
from video2music.model.decode import emotion_bias
from video2music.options import Options

NEIGHBOURS = 8  # songs of similar length, among which videos are exchanged
GAINS = MappingProxyType({
    "chords": {"nll": -1, "nll_end": -1, "hits@1": 1},
    "dynamics": {"density_rmse": -1, "loudness_rmse": -1, "density_r": 1, "loudness_r": 1},
})  # fmt: skip
"""Task -> the metrics that the video may improve, and whether high (1) or low (-1) is good."""


def shuffled(songs: Sequence[Song], *, seed: int = 0) -> list[Song]:
    """Each song with the features of another's video, and no song with its own. Raises DataError.

    Songs are sorted by length, and in each group of about 8 neighbours every video goes to the next song of a random
    ring. A longer video is cut, a shorter one repeated, so that all features end with their song: a model may learn
    from their end that the song ends, and it does so with either video.
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
    names = ("semantic", "emotion", "motion", "scene_offset")
    return replace(song, **{name: getattr(donor, name)[seconds] for name in names})


def gains(task: str, rows: Mapping[str, Sequence[Songs]], true: str, others: Mapping[str, str]) -> dict[str, Any]:
    """By comparison and metric, how much better the row `true` is; `others` maps comparisons to their rows.

    A comparison without a row is left out, and so is a metric that no song has.
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


def guidance_effect(songs: Sequence[Song], seeds: Sequence[Sequence[Logits]]) -> dict[str, dict[str, Any]]:
    """How guidance towards an emotion changes the probability of the chord qualities which that emotion allows.

    `seeds` holds each seed's logits of the songs, their true chords given; each second's logits are biased as a request
    for an emotion biases them, at the default strength. Returns, by emotion, summaries of the probability under its own
    guidance, the mean of it under that of the five others, and the difference.
    """
    found = [[_masses(song, each) for song, each in zip(songs, logits, strict=True)] for logits in seeds]
    emotions = [index for index in range(len(EMOTIONS)) if ALLOWED_MATRIX[index].any()]
    return {
        EMOTIONS[index]: summaries([by_metric([_own_and_others(song, index) for song in seed]) for seed in found])
        for index in emotions
    }


def _own_and_others(masses: np.ndarray, emotion: int) -> dict[str, float]:
    own, others = masses[emotion, emotion], np.delete(masses[:, emotion], emotion).mean()
    return {"own": float(own), "others": float(others), "difference": float(own - others)}


def _masses(song: Song, logits: Logits) -> np.ndarray:
    """Mean probability (6, 6) in a song: guided to the row's emotion, of the qualities that the column's allows."""
    logits = logits[1 : len(chord_targets(song)) + 1]
    rows = []
    for emotion in EMOTIONS:
        bias = emotion_bias(emotions_at([VA_ANCHORS[emotion]]), Options().strength, minor=song.minor).numpy()
        biased = logits.copy()
        biased[:, :N_CHORDS] += bias
        rows.append(metrics.quality_shares(biased).mean(0) @ ALLOWED_MATRIX.T)
    return np.array(rows)
