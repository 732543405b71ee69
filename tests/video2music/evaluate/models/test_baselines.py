from collections import Counter

import numpy as np
import pytest

from video2music.chords import END, PAD
from video2music.evaluate.models import baselines

TRAIN = [np.array([1, 1, 2, 2, 1, 1, 2, 2]), np.array([3, 3, 1, 1, 2])]
TOY = np.array([1, 1, 2, 4, 1, 1, 2, 4, 4, 1])


def by_hand(songs, past):
    """Each component's distribution by looking through everything anew: uniform, corpus orders, song orders."""
    said = [np.full(159, 1 / 159)]
    ids = [PAD, *past]
    for order in baselines.CORPUS_ORDERS:
        followers = Counter()
        for song in songs:
            whole = [PAD, *song, END]
            for at in range(1, len(whole)):
                if order <= len(ids) and order <= at and whole[at - order : at] == ids[len(ids) - order :]:
                    followers[whole[at]] += 1
        total = sum(followers.values())
        strength = baselines.CORPUS_STRENGTH
        said.append(np.array([(followers[i] + strength * said[-1][i]) / (total + strength) for i in range(159)]))
    for order in baselines.SONG_ORDERS:
        followers = Counter(
            past[at] for at in range(order, len(past)) if past[at - order : at] == past[len(past) - order :]
        )
        total = sum(followers.values())
        said.append(np.array([followers[i] / total for i in range(159)]) if total else said[-1])
    return np.array(said)


def test_every_order_says_what_looking_through_everything_says():
    components, _ = baselines.NGramMixture(TRAIN).components(TOY)
    for position in range(len(TOY) + 1):
        expected = by_hand([song.tolist() for song in TRAIN], TOY[:position].tolist())
        np.testing.assert_allclose(components[position], expected, atol=1e-12)


def test_a_row_of_weights_stands_for_the_longest_match():
    _, rows = baselines.NGramMixture(TRAIN).components(TOY)
    expected = []
    for position in range(len(TOY) + 1):
        past = TOY[:position].tolist()
        longest = max(
            (
                length
                for at in range(position)
                for length in range(at + 1)
                if past[at - length : at] == past[position - length :]
            ),
            default=-1,
        )
        expected.append(sum(order <= longest for order in baselines.SONG_ORDERS))
    assert rows.tolist() == expected


def test_probabilities_sum_to_one_and_none_is_zero():
    said = baselines.NGramMixture(TRAIN).log_probabilities(TOY)
    assert said.shape == (len(TOY) + 1, 159) and np.isfinite(said).all()
    np.testing.assert_allclose(np.exp(said).sum(1), 1)


def test_what_is_to_come_is_never_looked_at():
    model = baselines.NGramMixture(TRAIN)
    np.testing.assert_allclose(model.log_probabilities(TOY)[:6], model.log_probabilities(TOY[:5]))


def test_fitted_weights_make_the_songs_likelier_and_trust_the_song_that_repeats():
    loop = [np.resize([5, 6, 7, 8], 60), np.resize([9, 10, 11], 60)]
    model = baselines.NGramMixture(TRAIN)

    def likelihood():
        said = [model.log_probabilities(song)[np.arange(61), np.append(song, END)] for song in loop]
        return np.concatenate(said).sum()

    before = likelihood()
    model.fit(loop)
    assert likelihood() > before + 40
    np.testing.assert_allclose(model.weights.sum(1), 1)
    unseen = np.resize([20, 21, 22, 23, 24], 40)
    assert np.exp(model.log_probabilities(unseen)[np.arange(20, 40), unseen[20:]]).min() > 0.75


def test_the_unigram_counts_ends_too():
    share = baselines.unigram(TRAIN)
    assert share[1] == pytest.approx(7 / (13 + 2 + 159)) and share[END] == pytest.approx(3 / (13 + 2 + 159))
    assert share.sum() == pytest.approx(1)
