import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from video2music.model.copying import LONGEST, THRESHOLDS, History, Pointer

songs = st.lists(st.integers(0, 3), min_size=1, max_size=24)


def common_history(ids, i, p):
    """Plainly: how many chords up to i are those before p, the latest first."""
    length = 0
    while length < p and ids[i - length] == ids[p - 1 - length]:
        length += 1
    return length


@given(songs)
def test_match_features_are_those_of_a_plain_loop(ids):
    found = History(1, torch.device("cpu")).extend(torch.tensor([ids]))[0]
    for i in range(len(ids)):
        for p in range(i + 1):
            length = common_history(ids, i, p)
            expected = [*(float(length >= threshold) for threshold in THRESHOLDS), np.log1p(length) / np.log1p(LONGEST)]
            np.testing.assert_allclose(found[i, p], expected, atol=1e-6)


@given(songs, st.integers(1, 23))
def test_a_history_that_grows_gives_the_same_features(ids, first):
    first = min(first, len(ids))
    whole = History(1, torch.device("cpu")).extend(torch.tensor([ids]))
    growing = History(1, torch.device("cpu"))
    growing.extend(torch.tensor([ids[:first]]))
    for position in range(first, len(ids)):
        row = growing.extend(torch.tensor([ids[position : position + 1]]))
        torch.testing.assert_close(row[:, 0], whole[:, position, : position + 1])


@pytest.fixture
def pointer():
    torch.manual_seed(0)
    return Pointer(8, 20)


def mixture(pointer, ids):
    x, logits = torch.randn(1, len(ids), 8), torch.randn(1, len(ids), 5)
    matches = History(1, torch.device("cpu")).extend(torch.tensor([ids]))
    return pointer(x, pointer.key(x), logits, torch.tensor([ids]), matches), logits


def test_the_mixture_is_a_distribution(pointer):
    found, _ = mixture(pointer, [4, 0, 1, 0, 1, 2])
    torch.testing.assert_close(found.exp().sum(-1), torch.ones(1, 6), atol=1e-5, rtol=0)


def test_with_nothing_to_copy_the_vocabulary_speaks(pointer):
    found, logits = mixture(pointer, [4, 0, 1])
    torch.testing.assert_close(found[:, 0], logits.log_softmax(-1)[:, 0], atol=1e-5, rtol=0)


def test_what_followed_the_longest_match_is_copied(pointer):
    pointer.by_match.data += 8
    found, _ = mixture(pointer, [4, 0, 1, 2, 0, 1])  # after 0, 1 there came 2
    assert found[0, -1].argmax() == 2
