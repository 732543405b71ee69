"""Voice leading: complete chords, least movement, sound part-writing."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from video2music.arranging.voicing import scale, voice
from video2music.chords import QUALITIES, Chord, parse_sequence
from video2music.styles import load_style, names
from video2music.values import Key

# Written out by hand from their names, on C; not taken from the vocabulary's own table.
SPELLED = {
    "maj": "C E G", "dim": "C Eb Gb", "sus4": "C F G", "min7": "C Eb G Bb", "min": "C Eb G", "sus2": "C D G",
    "aug": "C E G#", "dim7": "C Eb Gb A", "maj6": "C E G A", "hdim7": "C Eb Gb Bb", "7": "C E G Bb", "min6": "C Eb G A",
    "maj7": "C E G B",
}  # fmt: skip
SEMITONES = {"C": 0, "D": 2, "Eb": 3, "E": 4, "F": 5, "Gb": 6, "G": 7, "G#": 8, "A": 9, "Bb": 10, "B": 11}

chords = st.builds(Chord, st.integers(0, 11), st.sampled_from(QUALITIES))
POP = parse_sequence("C G Am Em F C F G Am F C G:7 E:7 Am D:min7 G:7 C")


@pytest.mark.parametrize("root", range(12))
@pytest.mark.parametrize("quality", QUALITIES)
def test_every_quality_on_every_root_sounds_exactly_its_pitch_classes(root, quality):
    (pitches,) = voice([Chord(root, quality)])
    assert {pitch % 12 for pitch in pitches} == {(root + SEMITONES[name]) % 12 for name in SPELLED[quality].split()}
    assert pitches[0] % 12 == root and len(set(pitches)) == 4


def test_the_three_chords_that_are_easily_confused_sound_different():
    sounds = [frozenset(pitch % 12 for pitch in voice([Chord(11, name)])[0]) for name in ("hdim7", "dim7", "7")]
    assert sounds == [frozenset({11, 2, 5, 9}), frozenset({11, 2, 5, 8}), frozenset({11, 3, 6, 9})]


@settings(max_examples=60, deadline=None)
@given(st.lists(chords, min_size=1, max_size=12), st.booleans())
def test_any_sequence_is_complete_rising_and_in_its_registers(sequence, inversions):
    for chord, pitches in zip(sequence, voice(sequence, inversions=inversions), strict=True):
        bass, *upper = pitches
        assert 36 <= bass <= 52 and all(52 <= pitch <= 76 for pitch in upper)
        assert list(pitches) == sorted(set(pitches)), "voices rise and double no pitch"
        assert {pitch % 12 for pitch in pitches} == set(chord.pitch_classes)
        assert upper[-1] - upper[0] <= 16


@settings(max_examples=40, deadline=None)
@given(st.lists(chords, min_size=3, max_size=10))
def test_a_third_is_never_doubled_except_in_the_bass_of_an_inversion(sequence):
    for chord, pitches in zip(sequence, voice(sequence), strict=True):
        assert sum(pitch % 12 == chord.pitch_classes[1] for pitch in pitches) == 1


def movement(voiced) -> int:
    return sum(abs(a - b) for one, two in itertools.pairwise(voiced) for a, b in zip(one[1:], two[1:], strict=True))


def root_position(sequence):
    """Oracle: what a beginner plays, each chord stacked on its root."""
    return [(48, *sorted(60 + c.root + (p - c.root) % 12 for p in c.pitch_classes)[-3:]) for c in sequence]


def test_voices_move_far_less_than_root_positions_do():
    assert movement(voice(POP)) < 0.45 * movement(root_position(POP))


def test_no_upper_voice_of_a_pop_song_leaps_more_than_a_fourth():
    voiced = voice(POP)
    leaps = [abs(a - b) for one, two in itertools.pairwise(voiced) for a, b in zip(one[1:], two[1:], strict=True)]
    assert max(leaps) <= 5 and np.mean(leaps) < 2.5


def test_a_repeated_chord_does_not_move():
    one, two, three = voice(parse_sequence("Am Am Am"))
    assert one == two == three


def test_movement_between_two_triads_is_the_least_of_all_their_voicings():
    """Oracle: C to A minor shares two tones and moves one voice by a whole tone."""
    for played, least in (("C Am", 2), ("C Em", 1), ("C Cm", 1), ("Am F", 1), ("C C:sus4", 1)):
        assert movement(voice(parse_sequence(played))) == least, played


def test_a_pop_song_has_no_parallel_fifths_or_octaves_with_the_bass():
    parallels = 0
    for one, two in itertools.pairwise(voice(POP)):
        for low, high in itertools.combinations(range(4), 2):
            moved = one[low] != two[low] and one[high] != two[high]
            intervals = {(pair[high] - pair[low]) % 12 for pair in (one, two)}
            parallels += moved and intervals in ({0}, {7})
    assert parallels == 0


def test_inversions_smooth_the_bass_but_not_the_first_and_last_two_chords():
    sequence = parse_sequence("C G Am F C")
    plain, smooth = voice(sequence), voice(sequence, inversions=True)
    assert smooth[1][0] % 12 == 11, "C - G/B - Am"
    assert sum(abs(a[0] - b[0]) for a, b in itertools.pairwise(smooth)) < sum(
        abs(a[0] - b[0]) for a, b in itertools.pairwise(plain)
    )
    for place in (0, -2, -1):
        assert smooth[place][0] % 12 == sequence[place].root


def test_no_chord_has_no_pitches_and_moves_nothing():
    first, silence, last = voice(parse_sequence("C N C"))
    assert silence == () and first == last
    assert voice([]) == [] and voice(parse_sequence("N")) == [()]


def test_registers_move_with_each_chord():
    chords = parse_sequence("C G Am F") * 3
    plain = voice(chords)
    moved = voice(chords, shifts=[5] * len(chords))
    assert voice(chords, shifts=[0] * len(chords)) == plain
    assert np.mean([np.mean(v) for v in moved]) == pytest.approx(np.mean([np.mean(v) for v in plain]) + 5, abs=2)
    halves = voice(chords, shifts=[-4] * 6 + [4] * 6)
    for voicing, shift in zip(halves, [-4] * 6 + [4] * 6, strict=True):
        assert 36 + shift <= voicing[0] <= 52 + shift and 52 + shift <= min(voicing[1:]) <= max(voicing) <= 76 + shift


@settings(max_examples=120, deadline=None)
@given(st.lists(chords, min_size=2, max_size=14), st.sampled_from(names()))
def test_the_voices_never_leap_all_in_one_direction_in_any_styles_registers(sequence, name):
    registers = load_style(name).registers
    voiced = voice(sequence, bass=registers.bass, upper=registers.upper, inversions=registers.inversions)
    for one, two in itertools.pairwise(voiced):
        moves = [after - before for before, after in zip(one, two, strict=True)]
        assert not all(move > 2 for move in moves) and not all(move < -2 for move in moves), (one, two)


@settings(max_examples=80, deadline=None)
@given(st.lists(chords, min_size=3, max_size=12), st.sampled_from(names()))
def test_the_upper_voices_of_every_style_hold_at_most_one_third_and_none_over_a_third_in_the_bass(sequence, name):
    registers = load_style(name).registers
    voiced = voice(sequence, bass=registers.bass, upper=registers.upper, inversions=registers.inversions)
    for chord, pitches in zip(sequence, voiced, strict=True):
        assert sum(pitch % 12 == chord.pitch_classes[1] for pitch in pitches) == 1


@pytest.mark.parametrize(
    ("chord", "key", "spelled"),
    [
        ("C", "C major", "C D E F G A B"),
        ("G:7", "C major", "C D E F G A B"),
        ("E", "A minor", "A B C D E F G#"),
        ("Fm", "C major", "C D E F G G# B"),
        ("D", "C major", "C D E Gb G A B"),
        ("Bb", "C major", "C D E F G A Bb"),
        ("B:dim7", "C major", "C D E F G G# B"),
    ],
)
def test_the_scale_of_a_chord_is_the_keys_with_the_foreign_tones_in_their_neighbours_places(chord, key, spelled):
    (parsed,) = parse_sequence(chord)
    expected = {SEMITONES[name] for name in spelled.split()}
    assert scale(parsed, Key.parse(key)) == expected


@given(chords, st.builds(Key, st.integers(0, 11), st.sampled_from(["major", "minor"])))
def test_a_scale_holds_its_chord_and_has_no_gap_wider_than_four_semitones(chord, key):
    found = scale(chord, key)
    assert set(chord.pitch_classes) <= found
    ordered = sorted(found)
    assert max((b - a) % 12 for a, b in zip(ordered, [*ordered[1:], ordered[0]], strict=True)) <= 4
