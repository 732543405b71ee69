import numpy as np
import pytest

from emotion.affect import EMOTIONS, VA_ANCHORS
from video2music.composing.target import affect_target, emotion_rows
from video2music.errors import OptionError
from video2music.options import Options
from video2music.values import VideoFeatures


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    emotion = rng.dirichlet(np.ones(6), 8).astype(np.float32)
    affect = rng.uniform(-1, 1, (8, 2)).astype(np.float32)
    return VideoFeatures(8.0, "color", emotion, np.zeros(8, np.float32), np.arange(8, dtype=np.float32), affect)


def test_without_a_request_the_video_decides(features):
    target = affect_target(features, Options())
    np.testing.assert_array_equal(target.points, features.affect)
    assert emotion_rows(features, target) is features.emotion


@pytest.mark.parametrize("name", EMOTIONS)
def test_a_requested_emotion_is_the_strongest_of_every_row(features, name):
    target = affect_target(features, Options(emotion=name))
    rows = emotion_rows(features, target)
    assert rows.shape == (8, 6)
    assert (rows.argmax(1) == EMOTIONS.index(name)).all()
    np.testing.assert_allclose(target.points, np.tile(VA_ANCHORS[name], (8, 1)), atol=1e-6)


def test_a_point_is_the_target_of_every_second(features):
    target = affect_target(features, Options(valence=0.25, arousal=-0.5))
    assert set(target.valence) == {np.float32(0.25)} and set(target.arousal) == {np.float32(-0.5)}


def test_a_curve_is_linear_between_its_rows(features, tmp_path):
    path = tmp_path / "curve.csv"
    path.write_text("t_s,valence,arousal\n2,0,1\n4,1,-1\n")
    target = affect_target(features, Options(curve=str(path)))
    np.testing.assert_allclose(target.valence, [0, 0, 0, 0.5, 1, 1, 1, 1])
    np.testing.assert_allclose(target.arousal, [1, 1, 1, 0, -1, -1, -1, -1])


def test_a_curve_called_picture_is_a_request_all_the_same(features, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "picture").write_text("t_s,valence,arousal\n0,-.7,-.4\n")
    rows = emotion_rows(features, affect_target(features, Options(curve="picture")))
    assert (rows.argmax(1) == EMOTIONS.index("sad")).all()


@pytest.mark.parametrize(
    "text",
    ["", "t_s,valence\n1,2\n", "t_s,valence,arousal\n", "t_s,valence,arousal\n0,a,b\n", "t_s,valence,arousal\n0,2,0\n",
     "t_s,valence,arousal\n1,0,0\n0,0,0\n", "t_s,valence,arousal\n0,nan,0\n", "t_s,valence,arousal\n0\n"],
)  # fmt: skip
def test_a_broken_curve_is_refused_in_a_sentence(features, tmp_path, text):
    path = tmp_path / "curve.csv"
    path.write_text(text)
    with pytest.raises(OptionError, match=r"curve\.csv"):
        affect_target(features, Options(curve=str(path)))


def test_a_missing_curve_is_named(features):
    with pytest.raises(OptionError, match="no curve at"):
        affect_target(features, Options(curve="nowhere.csv"))
