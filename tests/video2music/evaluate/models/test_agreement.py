import mir_eval.chord
import numpy as np
import pytest

from video2music.chords import Chord
from video2music.evaluate.models.metrics import RULES, agreement, harte_label

CHORDS = [Chord.from_id(index) for index in range(157)]


@pytest.mark.parametrize("chord", CHORDS, ids=str)
def test_mir_eval_reads_the_same_tones(chord):
    root, semitones, _ = mir_eval.chord.encode(harte_label(chord))
    assert {(root + step) % 12 for step in np.flatnonzero(semitones)} == set(chord.pitch_classes)
    assert root == (-1 if chord.root is None else chord.root)


def test_agreement_is_mir_evals_of_a_song_in_seconds():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 157, 300)
    predicted = np.where(rng.random(300) < 0.5, truth, rng.integers(0, 157, 300))
    intervals = np.stack([np.arange(300), np.arange(1, 301)], axis=1).astype(float)
    names = [[harte_label(CHORDS[index]) for index in ids] for ids in (truth, predicted)]
    expected = mir_eval.chord.evaluate(intervals, names[0], intervals, names[1])
    assert agreement(predicted, truth) == pytest.approx({rule: expected[rule] for rule in RULES})


def test_a_fifth_too_many_is_right_on_the_root_alone_where_only_thirds_differ():
    truth, predicted = ([Chord.parse(name).id for name in names] for names in (["C", "A:min"], ["C:min", "A:min7"]))
    found = agreement(np.array(predicted), np.array(truth))
    assert found == {"root": 1.0, "thirds": 0.5, "sevenths": 0.0}


def test_what_cannot_be_judged_is_not_a_number():
    suspended = np.array([Chord.parse("C:sus4").id])
    assert np.isnan(agreement(suspended, suspended)["sevenths"])
