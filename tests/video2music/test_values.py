import numpy as np
import pytest

from emotion.errors import UserError
from video2music.errors import KeyNameError, OptionError
from video2music.values import Key, Note, Options, VideoFeatures


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
    ],
)
def test_wishes_that_cannot_be_granted_are_refused(wish):
    with pytest.raises(OptionError):
        Options(**wish)


def test_features_of_unequal_length_are_refused():
    rows = np.full((3, 6), 1 / 6, np.float32)
    with pytest.raises(UserError, match="motion"):
        VideoFeatures(3.0, "color", rows, np.zeros(2), np.zeros(3), np.zeros((3, 2)))


def test_a_note_cannot_end_before_it_starts():
    with pytest.raises(UserError):
        Note(1.0, 1.0, 60, 64)
