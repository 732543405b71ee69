import numpy as np
import pytest
from scipy.special import softmax

from emotion.affect import EMOTIONS, VA_ANCHORS, emotions_at
from emotion.errors import DataError
from tests.video2music.evaluate.songs import song
from video2music.chords import Chord
from video2music.evaluate.models import video_effect
from video2music.model.conditioning import ALLOWED
from video2music.model.decode import IN_KEY

SONGS = [song(index, 20 + 7 * (index % 5) + index) for index in range(19)]
SEEN = ("semantic", "emotion", "motion", "scene_offset")


def donor_of(one):
    """The index of the song whose video this one has, by its first second."""
    return next(i for i, other in enumerate(SONGS) if np.array_equal(one.semantic[0], other.semantic[0]))


def test_every_video_changes_hands_once_and_no_song_keeps_its_own():
    donors = [donor_of(one) for one in video_effect.shuffled(SONGS)]
    assert sorted(donors) == list(range(len(SONGS)))
    assert all(donor != own for own, donor in enumerate(donors))


def test_the_video_is_fitted_to_the_song_and_the_song_stays():
    for one, own in zip(video_effect.shuffled(SONGS), SONGS, strict=True):
        donor = SONGS[donor_of(one)]
        for name in SEEN:
            rows = getattr(donor, name)
            np.testing.assert_array_equal(getattr(one, name), np.concatenate([rows] * 3)[: len(own)])
        assert one.name == own.name and np.array_equal(one.chords, own.chords)
        assert np.array_equal(one.density, own.density)


def test_videos_come_from_songs_of_like_length():
    many = [song(index, 20 + index) for index in range(40)]
    far = [abs(len(one) - 20 - next(i for i, o in enumerate(many) if np.array_equal(o.motion[:9], one.motion[:9])))
           for one in video_effect.shuffled(many)]  # fmt: skip
    assert max(far) < 2 * video_effect.NEIGHBOURS


def test_the_seed_decides():
    names = [[donor_of(one) for one in video_effect.shuffled(SONGS, seed=seed)] for seed in (0, 0, 1)]
    assert names[0] == names[1] != names[2]


def test_one_song_alone_is_refused():
    with pytest.raises(DataError, match="one song"):
        video_effect.shuffled(SONGS[:1])


def test_gains_are_above_zero_where_the_true_video_is_better():
    def row(nll, hits):
        return [{"nll": np.full(4, nll), "hits@1": np.full(4, hits), "nll_end": np.full(4, np.nan)}]

    rows = {"shipped": row(1.0, 0.7), "other": row(1.2, 0.6)}
    found = video_effect.gains("chords", rows, "shipped", {"another": "other", "absent": "no such row"})
    assert found.keys() == {"another"} and found["another"].keys() == {"nll", "hits@1"}
    assert found["another"]["nll"]["mean"] == pytest.approx(0.2)
    assert found["another"]["hits@1"]["low"] == pytest.approx(0.1)


def test_steering_is_measured_as_a_plain_loop_would():
    one = song(1, 6)
    rng = np.random.default_rng(0)
    said = rng.normal(size=(7, 159))

    def mass(wish, target):
        rows = []
        for logits in said[1:]:
            raised = logits[1:157].copy()
            for index in range(156):
                quality = Chord.from_id(index + 1).quality
                expected = sum(p for p, name in zip(emotions_at([VA_ANCHORS[wish]])[0], EMOTIONS, strict=True)
                             if quality in ALLOWED[name])  # fmt: skip
                raised[index] += 0.5 * 6 * expected * IN_KEY[one.minor][index + 1]
            chance = softmax(raised)
            rows.append(sum(p for i, p in enumerate(chance, 1) if Chord.from_id(i).quality in ALLOWED[target]))
        return np.mean(rows)

    found = video_effect.guidance_effect([one], [[said]])
    assert found.keys() == {"exciting", "fearful", "tense", "sad", "relaxing"}
    for target, row in found.items():
        others = np.mean([mass(wish, target) for wish in EMOTIONS if wish != target])
        assert row["own"]["mean"] == pytest.approx(mass(target, target), rel=1e-5)
        assert row["others"]["mean"] == pytest.approx(others, rel=1e-5)
        assert row["difference"]["mean"] == pytest.approx(mass(target, target) - others, abs=1e-6)
