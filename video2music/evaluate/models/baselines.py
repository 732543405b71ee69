"""Chords foretold by counting alone, without any video: what a model that watches has to beat.

`Counts` mixes what followed like stretches of chords in the training songs with what followed them earlier in the song
itself. The weights of the mixture are those of Jelinek and Mercer ("Interpolated estimation of Markov source parameters
from sparse data", 1980): they depend on how long a stretch of the song's past matches its present, and are found by
expectation maximisation on songs that were not counted.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from video2music.chords import END, PAD, VOCABULARY_SIZE

CORPUS_ORDERS = (0, 1, 2, 4, 8)  # chords of context in the training songs
CORPUS_STRENGTH = 8.0  # counts that an order's prior, the order before, is worth
SONG_ORDERS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24)  # chords of context in the song's own past
N_COMPONENTS = 1 + len(CORPUS_ORDERS) + len(SONG_ORDERS)
LONGEST = CORPUS_ORDERS[-1]
ROUNDS = 60
PRIOR = 0.5  # positions' worth of every component, so that no weight is 0

NEW: Mapping[int, int] = MappingProxyType({})  # what followed a stretch that no song has

Probabilities = NDArray[np.float64]


def unigram(songs: Sequence[NDArray[np.integer]]) -> Probabilities:
    """Share (159,) of each id among the targets of songs of ids (T,), END's included, with one more of each."""
    counts = sum((np.bincount(song, minlength=VOCABULARY_SIZE) for song in songs), np.ones(VOCABULARY_SIZE))
    counts[END] += len(songs)
    return counts / counts.sum()


class Counts:
    """A mixture of counts of songs and of the song's own past; `fit` finds its weights."""

    def __init__(self, songs: Sequence[NDArray[np.integer]]) -> None:
        """Count songs, each chord ids (T,)."""
        self._following: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for song in songs:
            ids = [PAD, *song.tolist(), END]
            for position in range(1, len(ids)):
                for order in CORPUS_ORDERS:
                    if order <= position:
                        self._following[tuple(ids[position - order : position])][ids[position]] += 1
        self.weights = np.full((1 + len(SONG_ORDERS), N_COMPONENTS), 1 / N_COMPONENTS)

    def fit(self, songs: Sequence[NDArray[np.integer]]) -> None:
        """Find the weights under which these songs, which should be none of those counted, are likeliest."""
        found = [self._of_targets(song) for song in songs]
        rows, bucket = (np.concatenate(column) for column in zip(*found, strict=True))
        for _ in range(ROUNDS):
            share = self.weights[bucket] * rows
            share /= share.sum(1, keepdims=True)
            for index in range(len(self.weights)):
                total = share[bucket == index].sum(0) + PRIOR
                self.weights[index] = total / total.sum()

    def log_probabilities(self, chords: NDArray[np.integer]) -> Probabilities:
        """Log-probability (T + 1, 159) of every id at each position of a song (T,) and after it, from those before."""
        components, bucket = self.components(chords)
        return np.log(np.einsum("tk,tkv->tv", self.weights[bucket], components))

    def _of_targets(self, chords: NDArray[np.integer]) -> tuple[Probabilities, NDArray[np.integer]]:
        """What each order says of the id that came, (T + 1, N_COMPONENTS), END's at last, and the rows of weights."""
        components, bucket = self.components(chords)
        return components[np.arange(len(components)), :, np.append(chords, END)], bucket

    def components(self, chords: NDArray[np.integer]) -> tuple[Probabilities, NDArray[np.integer]]:
        """What each order says at each position, (T + 1, N_COMPONENTS, 159), and the row of weights for it, (T + 1,).

        A row of weights stands for how many of the song's orders the longest match reaches.
        """
        rows, buckets, past, matches = [], [], [PAD], np.zeros(0, int)
        for position in range(len(chords) + 1):
            corpus = self._corpus(past)
            rows.append([*corpus, *_own(chords[:position], matches, corpus[-1])])
            buckets.append(sum(bool((matches >= order).any()) for order in SONG_ORDERS))
            if position < len(chords):
                past = [*past[-LONGEST:], int(chords[position])]
                matches = extended(matches, chords[: position + 1])
        return np.array(rows), np.array(buckets)

    def _corpus(self, past: Sequence[int]) -> list[Probabilities]:
        """Uniform, then each order of the corpus; a longer one rests on the one before (MacKay and Peto 1995)."""
        said = [np.full(VOCABULARY_SIZE, 1 / VOCABULARY_SIZE)]
        for order in CORPUS_ORDERS:
            found = self._following.get(tuple(past[len(past) - order :]), NEW) if order <= len(past) else NEW
            counts = np.zeros(VOCABULARY_SIZE)
            counts[list(found)] = list(found.values())
            said.append((counts + CORPUS_STRENGTH * said[-1]) / (counts.sum() + CORPUS_STRENGTH))
        return said


def _own(past: NDArray[np.integer], matches: NDArray[np.integer], fallback: Probabilities) -> list[Probabilities]:
    """What followed the last k chords earlier in the song, an order k; the order before where they are new."""
    said = [fallback]
    for order in SONG_ORDERS:
        counts = np.bincount(past[matches >= order], minlength=VOCABULARY_SIZE)
        said.append(counts / counts.sum() if counts.any() else said[-1])
    return said[1:]


def extended(matches: NDArray[np.integer], chords: NDArray[np.integer]) -> NDArray[np.integer]:
    """How many chords before each position p are those that end `chords` (T,), (T,), from the same without the last."""
    after = np.zeros(len(chords), int)
    after[1:] = (matches + 1) * (chords[:-1] == chords[-1])
    return after
