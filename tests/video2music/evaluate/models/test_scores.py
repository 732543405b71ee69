import numpy as np
import pytest
import torch

from tests.video2music.evaluate.songs import song
from video2music.chords import END, Chord
from video2music.evaluate.models import metrics, scores
from video2music.evaluate.models.metrics import Calibration
from video2music.model.amt import AMT
from video2music.model.attention import CONFIGS
from video2music.model.conditioning import allowed_chords
from video2music.model.regressor import Regressor, RegressorConfig

SONGS = [song(0, 30), song(1, 12), song(2, 21)]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return AMT(CONFIGS["tiny"]).eval()


@pytest.fixture(scope="module")
def reader():
    torch.manual_seed(0)
    return Regressor(RegressorConfig(hidden=8, layers=1)).eval()


def test_batches_change_nothing_and_songs_keep_their_order(model):
    together, alone = (scores.amt_logits(model, SONGS, batch=batch) for batch in (3, 1))
    assert [len(said) for said in together] == [31, 13, 22]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_figures_are_those_of_plain_loops(model):
    one = SONGS[0]
    (said,) = scores.amt_logits(model, [one])
    found = {name: values[0] for name, values in scores.chord_scores([one], [said]).items()}
    log = torch.from_numpy(said).double().log_softmax(-1)
    truth = one.chords.tolist()
    assert found["nll"] == pytest.approx(-np.mean([log[i, truth[i]].item() for i in range(1, 30)]), rel=1e-5)
    assert found["nll_end"] == pytest.approx(-log[30, END].item(), rel=1e-5)
    changed = [i for i in range(1, 30) if truth[i] != truth[i - 1]]
    following = [*truth, END]
    top = [log[i].topk(3).indices.tolist() for i in range(31)]
    assert 5 < len(changed) < 29
    assert found["hits@1_changes"] == pytest.approx(np.mean([truth[i] == top[i][0] for i in changed]))
    assert found["hits@3_changes"] == pytest.approx(np.mean([truth[i] in top[i] for i in changed]))
    assert found["hits@3"] == pytest.approx(np.mean([following[i] in top[i] for i in range(1, 31)]))
    assert found["bce"] == pytest.approx(metrics.bce(said[1:30], allowed_chords(one.emotion[1:])))


def test_calibration_moves_the_bce_alone(model):
    plain, moved = (scores.amt_scores(model, SONGS, calibration=c) for c in (None, Calibration(0.1, -1.0)))
    assert not np.allclose(plain["bce"], moved["bce"])
    for name in plain.keys() - {"bce"}:
        np.testing.assert_array_equal(plain[name], moved[name])


def test_a_song_of_300_seconds_has_no_end_and_299_targets():
    one = song(3, 300)
    assert len(scores.chord_targets(one)) == 299
    figures = scores.chord_scores([one], [np.zeros((301, 159))])
    assert np.isnan(figures["nll_end"][0]) and figures["nll"][0] == pytest.approx(np.log(159))


def test_other_videos_are_used_and_the_chords_stay_the_song_s(model, reader):
    others = [song(10 + i, len(one)) for i, one in enumerate(SONGS)]
    hidden = ("semantic", "emotion", "movement")
    for say in (
        lambda **k: scores.amt_logits(model, SONGS, **k),
        lambda **k: scores.regressor_predictions(reader, SONGS, **k),
    ):
        true, other = say(), say(videos=others)
        assert all(not np.allclose(a, b) for a, b in zip(true, other, strict=True))
        for a, b in zip(say(hide=hidden), say(hide=hidden, videos=others), strict=True):
            np.testing.assert_array_equal(a, b)


def test_repeating_the_chord_before_is_right_where_nothing_changes():
    found = scores.repeat_previous(SONGS)
    for index, one in enumerate(SONGS):
        same = (one.chords[1:] == one.chords[:-1]).sum()
        assert found["hits@1"][index] == pytest.approx(same / len(one))
        assert found["hits@1_changes"][index] == 0
    assert "nll" not in found and "bce" not in found


def test_a_constant_per_class_has_the_entropy_of_the_classes_on_its_own_songs():
    allowed = np.concatenate([allowed_chords(one.emotion) for one in SONGS])
    share = allowed.mean(0)[1:157]
    entropy = -(share * np.log(share + 1e-12) + (1 - share) * np.log(1 - share + 1e-12)).sum() / 159
    found = scores.constant_per_class(SONGS, SONGS)
    weights = [len(one) - 1 for one in SONGS]
    assert found.keys() == {"bce"}
    assert np.average(found["bce"], weights=weights) == pytest.approx(entropy, abs=0.02)


def test_the_songs_own_share_of_the_emotions_qualities_is_counted():
    one = SONGS[0]
    hits = []
    for index, emotion in list(zip(one.chords, one.emotion, strict=True))[1:]:
        allowed = metrics.allowed_qualities(emotion[None])[0]
        if index and allowed.any():
            hits.append(allowed_chords(emotion[None])[0, index])
            assert Chord.from_id(int(index)).quality is not None
    assert scores.true_chord_scores([one])["emotion_mass"][0] == pytest.approx(np.mean(hits))


def test_a_histograms_shares_sum_to_one_and_hold_what_lies_outside():
    said = [[np.tile([1000.0, -1.0], (len(one), 1)) for one in SONGS]] * 2
    found = scores.dynamics_histograms(SONGS, said)
    truth = np.concatenate([one.density for one in SONGS])
    assert found["density"]["bounds"][0] == truth.min() and found["density"]["bounds"][-1] == truth.max()
    assert found["density"]["data"][0] == pytest.approx((truth < found["density"]["bounds"][1]).mean())
    assert found["density"]["shipped"] == [0] * 9 + [1] and found["loudness"]["shipped"] == [1] + [0] * 9
    assert sum(found["loudness"]["data"]) == pytest.approx(1)
