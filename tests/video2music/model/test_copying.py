"""How well the past matches, against plain loops over the songs; the pointer that copies from it."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from video2music.chords import PAD
from video2music.model.copying import (
    AGES,
    GAIN,
    LONGEST,
    MOST_AGE_DIFFERENCE,
    MOST_RUNS,
    N_MATCHES,
    N_RUNS,
    RUN_CLASSES,
    STEP_CLASSES,
    MatchBias,
    Pointer,
    RepeatMatcher,
)

# A song begins with PAD, a later window of one with the chord before it, which is no chord of the window.
songs = st.tuples(st.sampled_from([PAD, 0, 1]), st.lists(st.integers(0, 3), max_size=24)).map(
    lambda song: [song[0], *song[1]]
)


def extend(*songs):
    return RepeatMatcher(len(songs), torch.device("cpu")).extend(torch.tensor(songs))


def age_of(ids, i):
    """Since when the chord at i has lasted, from 1; 0 at the start, which is no chord."""
    age = 0
    while i - age > 0 and ids[i - age] == ids[i]:
        age += 1
    return age


def same_steps(ids, i, k):
    """How many inputs up to i are those up to k, the latest first."""
    length = 0
    while length <= k and ids[i - length] == ids[k - length]:
        length += 1
    return length


def runs_until(ids, i):
    """The chords up to i, each said once however long it lasts; what stands at 0 counts only by itself."""
    return ids[:1] if i == 0 else [ids[j] for j in range(1, i + 1) if j == 1 or ids[j] != ids[j - 1]]


def same_runs(ids, i, k):
    """How many runs up to i are those up to k, the latest first."""
    length = 0
    for one, other in zip(reversed(runs_until(ids, i)), reversed(runs_until(ids, k)), strict=False):
        if one != other:
            break
        length += 1
    return length


def number_of(ids, i, p):
    """The class of copying p at i: what is before p is compared with what ends at i."""
    if p == 0:
        return 0
    steps, runs = min(same_steps(ids, i, p - 1), LONGEST), min(same_runs(ids, i, p - 1), MOST_RUNS)
    age = min(max(age_of(ids, i) - age_of(ids, p - 1), -MOST_AGE_DIFFERENCE), MOST_AGE_DIFFERENCE) + MOST_AGE_DIFFERENCE
    by_steps = sum(steps >= edge for edge in STEP_CLASSES)
    by_runs = sum(runs >= edge for edge in RUN_CLASSES)
    return by_steps * N_RUNS + by_runs * AGES + (age if runs else 0)


def assert_as_in_a_plain_loop(ids, found):
    for i in range(len(ids)):
        assert found[i, : i + 1].tolist() == [number_of(ids, i, p) for p in range(i + 1)]


@given(songs)
@settings(deadline=None)
def test_match_classes_are_those_of_a_plain_loop(ids):
    found = extend(ids)
    assert found.shape == (1, len(ids), len(ids)) and found.min() >= 0 and found.max() < N_MATCHES
    assert_as_in_a_plain_loop(ids, found[0])


def test_long_matches_fall_into_the_last_classes():
    ids = [PAD, *[0, 0, 1, 2, 2, 2] * 16]
    found = extend(ids)[0]
    assert_as_in_a_plain_loop(ids, found)
    best = (len(STEP_CLASSES) * N_RUNS) + len(RUN_CLASSES) * AGES + MOST_AGE_DIFFERENCE
    assert found[-1, -6].item() == best  # 90 steps back and more are the same, and so is the age


@given(songs, st.integers(1, 24))
@settings(deadline=None)
def test_a_history_that_grows_gives_the_same_classes(ids, first):
    first = min(first, len(ids))
    whole = extend(ids)
    growing = RepeatMatcher(1, torch.device("cpu"))
    assert torch.equal(growing.extend(torch.tensor([ids[:first]])), whole[:, :first, :first])
    for position in range(first, len(ids)):
        row = growing.extend(torch.tensor([ids[position : position + 1]]))
        assert row[0, 0].tolist() == whole[0, position, : position + 1].tolist()
    assert growing.ids.tolist() == [ids] and growing.age.tolist() == [[age_of(ids, i) for i in range(len(ids))]]


def test_each_song_of_a_batch_has_its_own_past():
    one, other = [PAD, 0, 1, 0, 1, 0, 0], [PAD, 2, 2, 3, 2, 2, 3]
    together = extend(one, other)
    assert_as_in_a_plain_loop(one, together[0])
    assert_as_in_a_plain_loop(other, together[1])


def test_a_bias_is_the_sum_of_its_rows_by_steps_and_by_runs():
    torch.manual_seed(0)
    bias = MatchBias(5)
    for parameter in bias.parameters():
        parameter.data.normal_()
    matches = torch.tensor([[[0, 1, N_RUNS], [N_RUNS + 1, N_MATCHES - 1, 3 * N_RUNS + 17]]])
    found = bias(matches, bias.table())
    assert found.shape == (1, 5, 2, 3)
    for i in range(2):
        for p in range(3):
            by_steps, by_runs = divmod(matches[0, i, p].item(), N_RUNS)
            expected = GAIN * (bias.by_steps[by_steps, 0] + bias.by_runs[0, by_runs])
            torch.testing.assert_close(found[0, :, i, p], expected)


def test_before_training_no_match_counts():
    bias = MatchBias(3)
    assert not bias(extend([PAD, 0, 0, 0]), bias.table()).any()


WIDTH, CHORDS = 8, 5


@pytest.fixture
def pointer():
    torch.manual_seed(0)
    made = Pointer(WIDTH, 20)
    for parameter in made.parameters():
        parameter.data.normal_()
    return made


def hidden_and_logits(ids):
    """Hidden states and the vocabulary's logits for inputs of which the first is the start."""
    return torch.randn(1, len(ids), WIDTH), torch.randn(1, len(ids), CHORDS)


SONG = [4, 0, 1, 2, 0, 1]


@torch.no_grad()
def test_the_mixture_is_that_of_a_plain_loop_and_a_distribution(pointer):
    x, logits = hidden_and_logits(SONG)
    bias, keys = torch.randn(1, 6, 6), pointer.key(x)
    found = pointer(x, keys, logits, torch.tensor([SONG]), bias).exp()
    torch.testing.assert_close(found.sum(-1), torch.ones(1, 6), atol=1e-5, rtol=0)
    for i in range(6):
        query = pointer.query(x[0, i])
        gate = math.exp((query @ pointer.sentinel).item() / math.sqrt(WIDTH))
        weights = {
            p: math.exp((query @ keys[0, p]).item() / math.sqrt(WIDTH) + (bias[0, i, p] + pointer.by_distance[i - p]))
            for p in range(1, i + 1)
        }
        total = gate + sum(weights.values())
        expected = gate / total * logits[0, i].softmax(-1)
        for p, weight in weights.items():
            expected[SONG[p]] += weight / total
        torch.testing.assert_close(found[0, i], expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_the_last_steps_alone_say_what_they_say_among_all(pointer):
    x, logits = hidden_and_logits(SONG)
    bias, keys, ids = torch.randn(1, 6, 6), pointer.key(x), torch.tensor([SONG])
    whole = pointer(x, keys, logits, ids, bias)
    torch.testing.assert_close(pointer(x[:, 4:], keys, logits[:, 4:], ids, bias[:, 4:]), whole[:, 4:])


def test_with_nothing_to_copy_the_vocabulary_speaks(pointer):
    x, logits = hidden_and_logits([4, 0, 1])
    found = pointer(x, pointer.key(x), logits, torch.tensor([[4, 0, 1]]), torch.zeros(1, 3, 3))
    torch.testing.assert_close(found[:, 0], logits.log_softmax(-1)[:, 0], atol=1e-5, rtol=0)


def test_what_followed_the_longest_match_is_copied_when_the_bias_says_so():
    torch.manual_seed(0)
    pointer, bias = Pointer(WIDTH, 20), MatchBias(1)
    bias.by_steps.data[:, 0, 0] = 8.0 * torch.arange(len(STEP_CLASSES) + 1)
    x, logits = hidden_and_logits(SONG)
    found = pointer(x, pointer.key(x), logits, torch.tensor([SONG]), bias(extend(SONG), bias.table())[:, -1])
    assert found[0, -1].argmax() == 2  # after 0, 1 there came 2
    assert found[0, -1].max().exp() > 0.99
