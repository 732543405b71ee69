import numpy as np
import pytest

from emotion.errors import UserError
from video2music.errors import KeyNameError
from video2music.options import Options
from video2music.values import Cut, Dynamics, Form, Key, Note, RandomStream, Section, VideoFeatures


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


def test_streams_of_one_seed_are_apart_and_their_numbers_stay():
    assert [(stream.name, stream.value) for stream in RandomStream] == [
        ("KEY", 1), ("ARRANGER", 2), ("CANDIDATES", 3), ("REDRAW", 4), ("VARIANTS", 5), ("PAGE", 6)
    ]  # fmt: skip
    drawn = {
        tuple(stream.generator(7, *more).integers(2**31, size=4)) for stream in RandomStream for more in ((), (1,))
    }
    assert len(drawn) == 2 * len(RandomStream)
    assert RandomStream.KEY.generator(7).integers(12) == np.random.default_rng([7, 1]).integers(12)
