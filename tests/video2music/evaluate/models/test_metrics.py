import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from sklearn.metrics import top_k_accuracy_score
from torch.nn.functional import binary_cross_entropy_with_logits

from video2music.chords import END, Chord
from video2music.evaluate.models import metrics
from video2music.model.conditioning import allowed_chords


@pytest.mark.parametrize("k", [1, 3, 5])
def test_hits_agree_with_scikit_learn(k):
    rng = np.random.default_rng(k)
    logits, targets = rng.normal(size=(50, 159)), rng.integers(0, 159, 50)
    logits[np.arange(50), targets] += 2
    assert metrics.hits(logits, targets, k) == pytest.approx(
        top_k_accuracy_score(targets, logits, k=k, labels=range(159))
    )


def test_of_equal_logits_the_lower_id_is_counted_first():
    logits = np.zeros((2, 159))
    assert metrics.hits(logits, np.array([2, 3]), 3) == 0.5


def test_likelihood_agrees_with_scipy():
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(20, 159)) * 50, rng.integers(0, 159, 20)
    expected = -log_softmax(logits, axis=1)[np.arange(20), targets].mean()
    assert metrics.nll(logits, targets) == pytest.approx(expected)


def test_the_padded_error_counts_300_rows():
    said, truth = np.full(100, 2.0), np.zeros(100)
    assert metrics.rmse(said, truth) == 2.0
    assert metrics.padded_rmse(said, truth) == pytest.approx(2 / np.sqrt(3))


def test_surprise_is_what_the_mean_is_taken_of():
    rng = np.random.default_rng(1)
    logits, targets = rng.normal(size=(7, 159)), rng.integers(0, 159, 7)
    assert metrics.surprisal(logits, targets).shape == (7,)
    assert metrics.surprisal(logits, targets).mean() == pytest.approx(metrics.nll(logits, targets))


def test_the_emotion_bce_is_torchs_against_the_reference_table():
    reference = {  # maj dim sus4 min7 min sus2 aug dim7 maj6 hdim7 7 min6 maj7, as the released code has them
        0: [1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0],
        1: [0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0],
        2: [0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0],
        3: [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
        4: [1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1],
        5: [0] * 13,
    }
    rng = np.random.default_rng(2)
    emotion, logits = rng.dirichlet(np.ones(6), 40), 4 * rng.normal(size=(40, 159))
    losses = []
    for probabilities, row in zip(emotion, logits, strict=True):
        requested = torch.tensor([0] + reference[int(probabilities.argmax())] * 12 + [0, 0]).double()
        losses.append(binary_cross_entropy_with_logits(torch.from_numpy(row), requested).item())
    assert len({int(row.argmax()) for row in emotion}) == 6
    assert metrics.bce(logits, allowed_chords(emotion)) == pytest.approx(np.mean(losses))


def test_the_bce_stays_finite_for_logits_far_out():
    assert metrics.bce(np.array([[800.0, -800.0]]), np.array([[1.0, 1.0]])) == pytest.approx(400)


def test_the_mass_of_an_emotion_is_summed_over_its_chords_where_it_allows_any():
    rng = np.random.default_rng(3)
    emotion, logits = np.eye(6)[[3, 5, 0]], rng.normal(size=(3, 159))
    masses = []
    for row, qualities in ((0, ("min7", "min", "sus2")), (2, ("maj", "sus4", "7"))):
        probability = softmax(logits[row, 1:157])
        masses.append(sum(p for i, p in enumerate(probability, 1) if Chord.from_id(i).quality in qualities))
    assert metrics.emotion_mass(logits, emotion) == pytest.approx(np.mean(masses))


def test_a_mass_that_no_second_has_is_not_a_number():
    assert np.isnan(metrics.emotion_mass(np.zeros((2, 159)), np.eye(6)[[5, 5]]))


def test_a_change_is_another_chord_and_never_the_end():
    assert metrics.chord_changes(np.array([1, 1, 2, 2, 3, END])).tolist() == [False, True, False, True, False]
