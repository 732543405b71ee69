import numpy as np
import pytest

from emotion.errors import UserError
from video2music.errors import KeyNameError
from video2music.options import Options
from video2music.values import Cut, Dynamics, Form, Key, Note, Section, VideoFeatures


@pytest.mark.parametrize(
    ("text", "tonic", "mode", "shift"),
    [
        ("A minor", 9, "minor", 0),
        ("C", 0, "major", 0),
        ("Eb major", 3, "major", 3),
        ("F#m", 6, "minor", -3),
        ("b minor", 11, "minor", 2),
    ],
)
def test_keys_are_read_as_people_write_them(text, tonic, mode, shift):
    key = Key.parse(text)
    assert (key.tonic, key.mode, key.shift) == (tonic, mode, shift)
    assert Key.parse(str(key)) == key


@pytest.mark.parametrize("text", ["Eb major", "Bb minor", "F# minor", "Db major", "C# minor", "F major"])
def test_keys_are_spelt_as_musicians_do(text):
    assert str(Key.parse(text)) == text


@pytest.mark.parametrize("text", ["", "H minor", "A dorian", "A minor please", "m"])
def test_nonsense_is_no_key(text):
    with pytest.raises(KeyNameError, match="unknown key"):
        Key.parse(text)


@pytest.mark.parametrize(
    "wish",
    [
        {"emotion": "hungry"},
        {"valence": 0.5},
        {"emotion": "sad", "valence": 0.1, "arousal": 0.1},
        {"emotion": "sad", "curve": "x.csv"},
        {"strength": 1.5},
        {"valence": -2, "arousal": 0},
        {"temperature": -1},
        {"seed": -1},
        {"seed": 1.5},
        {"strength": float("nan")},
        {"key": "H minor"},
        {"primer": "Am X"},
    ],
)
def test_wishes_that_cannot_be_granted_are_refused(wish):
    with pytest.raises(UserError):
        Options(**wish)


def test_features_of_unequal_length_are_refused():
    rows = np.full((3, 6), 1 / 6, np.float32)
    with pytest.raises(UserError, match="motion"):
        VideoFeatures(3.0, "color", rows, np.zeros(2), np.zeros(3), np.zeros((3, 2)))


def test_a_note_cannot_end_before_it_starts():
    with pytest.raises(UserError):
        Note(1.0, 1.0, 60, 64)


NAN = float("nan")
BEATS = np.array([0.0, 0.5])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Cut(NAN, 3.0),
        lambda: Section(0.0, 1.0, 0.0),
        lambda: Section(1.0, 1.0, 100.0),
        lambda: Dynamics(np.array([NAN]), np.array([0.1])),
        lambda: Form(2.0, NAN, BEATS, BEATS, BEATS, ()),
        lambda: Form(2.0, 1.5, BEATS[::-1], BEATS, BEATS, ()),
        lambda: VideoFeatures(1.0, "x", np.full((1, 6), 1 / 6), np.array([NAN]), np.zeros(1), np.zeros((1, 2))),
    ],
)
def test_values_cannot_hold_nonsense(make):
    with pytest.raises(UserError):
        make()
