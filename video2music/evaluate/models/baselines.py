"""Baselines that predict the next chord from counts alone, without any video.

`NGramMixture` interpolates n-grams of the training songs with n-grams of the same song so far (an in-song cache), as
Jelinek and Mercer do ("Interpolated estimation of Markov source parameters from sparse data", 1980): the weights depend
on how many of the latest chords have occurred in the song before, in that order, and are found by expectation
maximisation on songs that were not counted.
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
MAX_ORDER = CORPUS_ORDERS[-1]
EM_ROUNDS = 60
PRIOR = 0.5  # positions' worth of every component, so that no weight is 0

_NOTHING: Mapping[int, int] = MappingProxyType({})  # counts after a context that no song has

Probabilities = NDArray[np.float64]


def unigram(songs: Sequence[NDArray[np.integer]]) -> Probabilities:
    """Share (159,) of each id among the targets of songs of ids (T,), END's included, with add-one smoothing."""
    counts = sum((np.bincount(song, minlength=VOCABULARY_SIZE) for song in songs), np.ones(VOCABULARY_SIZE))
    counts[END] += len(songs)
    result: Probabilities = counts / counts.sum()
    return result


class NGramMixture:
    """A mixture of n-gram models of a corpus and of the song's own past; `fit` finds its weights."""

    def __init__(self, songs: Sequence[NDArray[np.integer]]) -> None:
        """Count the n-grams of songs, each chord ids (T,)."""
        self._following: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for song in songs:
            ids = [PAD, *song.tolist(), END]
            for position in range(1, len(ids)):
                for order in CORPUS_ORDERS:
                    if order <= position:
                        self._following[tuple(ids[position - order : position])][ids[position]] += 1
        self.weights = np.full((1 + len(SONG_ORDERS), N_COMPONENTS), 1 / N_COMPONENTS)

    def fit(self, songs: Sequence[NDArray[np.integer]]) -> None:
        """Find the maximum-likelihood weights for songs that were not counted, by expectation maximisation."""
        found = [self._target_probabilities(song) for song in songs]
        rows, bucket = (np.concatenate(column) for column in zip(*found, strict=True))
        for _ in range(EM_ROUNDS):
            share = self.weights[bucket] * rows
            share /= share.sum(1, keepdims=True)
            for index in range(len(self.weights)):
                total = share[bucket == index].sum(0) + PRIOR
                self.weights[index] = total / total.sum()

    def log_probabilities(self, chords: NDArray[np.integer]) -> Probabilities:
        """Log-probability (T + 1, 159) of every id at each position of a song (T,) and after it, from those before."""
        components, bucket = self.components(chords)
        result: Probabilities = np.log(np.einsum("tk,tkv->tv", self.weights[bucket], components))
        return result

    def _target_probabilities(self, chords: NDArray[np.integer]) -> tuple[Probabilities, NDArray[np.integer]]:
        """Each component's probability of the true ids and END, (T + 1, N_COMPONENTS), and the rows of weights."""
        components, bucket = self.components(chords)
        return components[np.arange(len(components)), :, np.append(chords, END)], bucket

    def components(self, chords: NDArray[np.integer]) -> tuple[Probabilities, NDArray[np.integer]]:
        """Each component's distribution, (T + 1, N_COMPONENTS, 159), and the row of weights at each position, (T + 1,).

        The row is the number of in-song orders that the longest match reaches.
        """
        rows, buckets, past, matches = [], [], [PAD], np.zeros(0, int)
        for position in range(len(chords) + 1):
            corpus = self._corpus_orders(past)
            rows.append([*corpus, *_song_orders(chords[:position], matches, corpus[-1])])
            buckets.append(sum(bool((matches >= order).any()) for order in SONG_ORDERS))
            if position < len(chords):
                past = [*past[-MAX_ORDER:], int(chords[position])]
                matches = extend_matches(matches, chords[: position + 1])
        return np.array(rows), np.array(buckets)

    def _corpus_orders(self, past: Sequence[int]) -> list[Probabilities]:
        """Uniform, then each order of the corpus; a longer one rests on the one before (MacKay and Peto 1995)."""
        estimates = [np.full(VOCABULARY_SIZE, 1 / VOCABULARY_SIZE)]
        for order in CORPUS_ORDERS:
            found = self._following.get(tuple(past[len(past) - order :]), _NOTHING) if order <= len(past) else _NOTHING
            counts = np.zeros(VOCABULARY_SIZE)
            counts[list(found)] = list(found.values())
            estimates.append((counts + CORPUS_STRENGTH * estimates[-1]) / (counts.sum() + CORPUS_STRENGTH))
        return estimates


def _song_orders(
    past: NDArray[np.integer], matches: NDArray[np.integer], fallback: Probabilities
) -> list[Probabilities]:
    """What followed the last k chords earlier in the song, for each order k; the order before where nothing did."""
    estimates = [fallback]
    for order in SONG_ORDERS:
        counts = np.bincount(past[matches >= order], minlength=VOCABULARY_SIZE)
        estimates.append(counts / counts.sum() if counts.any() else estimates[-1])
    return estimates[1:]


def extend_matches(matches: NDArray[np.integer], chords: NDArray[np.integer]) -> NDArray[np.integer]:
    """Length of the match between the chords before each position and the end of `chords` (T,): shape (T,).

    `matches` (T - 1,) is the same for `chords` without the last.
    """
    after = np.zeros(len(chords), int)
    after[1:] = (matches + 1) * (chords[:-1] == chords[-1])
    return after
