"""Lists of chords in their three layouts, transposed and read once a second."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.errors import DataError
from video2music.chords import Chord
from video2music.data import chord_lists
from video2music.data.chord_lists import ChordList, parse_harte
from video2music.data.muvi_sync import MAX_SECONDS


def names(ids):
    return [str(Chord.from_id(i)) for i in ids]


def lab(chords, seconds=2.0):
    return "".join(f"{i * seconds} {(i + 1) * seconds} {chord}\n" for i, chord in enumerate(chords))


IN_C = ["C:maj", "A:min7", "F:maj", "G:7", "C:maj/5"] * 4
READ_IN_C = ["C", "A:min7", "F", "G:7", "C"] * 4


def write(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
    return root


def test_a_lab_is_read_as_it_is_written(tmp_path):
    (song,) = chord_lists.read(write(tmp_path, "deep/er/one.lab", lab(IN_C)))
    assert song.name == "deep/er/one.lab" and not song.minor
    assert names(song.ids) == READ_IN_C
    assert song.starts_s.tolist() == [2.0 * i for i in range(20)] and song.end_s == 40


def test_pop909s_tabs_and_n_are_read_and_other_lines_passed_over(tmp_path):
    text = (
        "# by hand\n\n" + "0.0\t0.5\tN\n" + "".join(f"{0.5 + i}\t{1.5 + i}\t{chord}\n" for i, chord in enumerate(IN_C))
    )
    text += "20.5\t20.5\tD:maj\nthe end\n1.0 2.0\n"  # no time, no numbers, no chord
    (song,) = chord_lists.read(write(tmp_path, "001/chord_midi.txt", text))
    assert names(song.ids) == ["N", *READ_IN_C]
    assert song.starts_s.tolist() == [0.0, *(0.5 + i for i in range(20))] and song.end_s == 20.5


SALAMI = """# title: Made up
# artist: Nobody
# metre: 4/4
# tonic: C

0.0\tsilence
2.0\tA, intro, | C:maj | F:maj . G:7 . | (3/4) A:min . . |, (guitar
8.0\tB, verse, | C:maj F:maj | x2
12.0\tC, chorus, | C:maj | G:maj | A:min | F:maj |
16.0\tD, | F:maj G:maj C:maj | x3
25.0\tnoise
26.0\tend
"""


def test_billboards_bars_share_the_time_of_their_phrase(tmp_path):
    (song,) = chord_lists.read(write(tmp_path, "0003/salami_chords.txt", SALAMI))
    expected = [(0.0, "N"), (2.0, "C")]
    expected += [(4.0, "F"), (4.5, "F"), (5.0, "G:7"), (5.5, "G:7")]
    expected += [(6.0, "A:min"), (6 + 2 / 3, "A:min"), (7 + 1 / 3, "A:min")]
    expected += [(8.0, "C"), (9.0, "F"), (10.0, "C"), (11.0, "F")]
    expected += [(12.0, "C"), (13.0, "G"), (14.0, "A:min"), (15.0, "F")]
    expected += [(16.0 + i, ("F", "G", "C")[i % 3]) for i in range(9)]
    expected += [(25.0, "N")]
    assert names(song.ids) == [name for _, name in expected]
    np.testing.assert_allclose(song.starts_s, [start for start, _ in expected])
    assert song.end_s == 26


@pytest.mark.parametrize("up", range(12))
@pytest.mark.parametrize(("home", "minor"), [(IN_C, False), (["A:min", "F:maj", "A:min7", "E:min", "D:min"] * 4, True)])
def test_every_song_is_brought_to_c_major_or_a_minor(tmp_path, up, home, minor):
    moved = [parse_harte(label).transpose(up) for label in home]
    (song,) = chord_lists.read(write(tmp_path, "one.lab", lab(moved)))
    assert names(song.ids) == [str(parse_harte(label)) for label in home] and song.minor is minor


def test_the_key_is_that_of_what_lasts_not_of_what_is_often(tmp_path):
    rows = [(i, i + 1, "C:maj") for i in range(25)] + [(25, 200, "A:min"), (200, 210, "F:maj")]
    (song,) = chord_lists.read(write(tmp_path, "one.lab", "".join("{} {} {}\n".format(*row) for row in rows)))
    assert song.minor and names(song.ids[:1]) == ["C"]


def test_the_same_chords_count_once_and_a_few_are_no_song(tmp_path):
    write(tmp_path, "b.lab", lab(IN_C))
    write(tmp_path, "a/copy.lab", lab(IN_C, seconds=2.5))
    write(tmp_path, "c.lab", lab(IN_C[:19]))
    write(tmp_path, "d.lab", lab([*IN_C, "F"]))
    write(tmp_path, "e.csv", lab([*IN_C, "G"]))
    assert [song.name for song in chord_lists.read(tmp_path)] == ["a/copy.lab", "d.lab"]


def test_a_folder_without_chord_lists_is_refused(tmp_path):
    write(tmp_path, "notes.txt", "nothing to see\n")
    with pytest.raises(DataError, match=r"no chord lists in .*give a folder"):
        chord_lists.read(tmp_path)


def listed(ids, starts_s, end_s, *, name="one", artist="", title="", minor=False):
    return ChordList(name, artist, title, minor, np.array(ids), np.array(starts_s), end_s)


SONG = listed([5, 9, 14, 3], [0.0, 2.5, 3.2, 7.0], 9.0, minor=True)


@pytest.mark.parametrize(
    ("speed", "phase", "expected"),
    [
        (1.0, 0.0, [5, 5, 5, 9, 14, 14, 14, 3, 3]),
        (1.0, 0.6, [5, 5, 9, 14, 14, 14, 14, 3, 3]),
        (2.0, 0.0, [5, 5, 5, 5, 5, 9, 9, *[14] * 7, *[3] * 4]),  # starts at 0, 5, 6.4 and 14, ends at 18
        (0.5, 0.0, [5, 5, 14, 14]),  # starts at 0, 1.25, 1.6 and 3.5, ends at 4.5
        (0.5, 0.5, [5, 9, 14, 3]),
    ],
)
def test_a_song_is_read_once_a_second_at_its_speed_and_phase(speed, phase, expected):
    song = SONG.song(speed, phase)
    assert song.chords.tolist() == expected
    assert song.name == "one" and song.minor
    assert song.semantic.shape == (len(expected), 768) and song.emotion.shape == (len(expected), 6)
    for rows in (song.semantic, song.emotion, song.motion, song.scene_offset, song.density, song.loudness):
        assert len(rows) == len(expected) and not rows.any()


@given(st.lists(st.floats(0.3, 9), min_size=1, max_size=12), st.floats(0.8, 1.2), st.floats(0, 0.999))
def test_what_sounds_at_a_second_is_what_began_last(lengths, speed, phase):
    bounds = np.concatenate([[0.0], np.cumsum(lengths)])
    song = listed(range(len(lengths)), bounds[:-1], bounds[-1]).song(speed, phase)
    for second, chord in enumerate(song.chords):
        assert chord == max(i for i, start in enumerate(bounds[:-1]) if start * speed <= second + phase)
    assert len(song) == max(1, int(bounds[-1] * speed))


def test_before_the_first_chord_it_sounds_already_and_a_long_song_is_cut():
    late = listed([7, 8], [3.0, 4.0], 1000.0).song()
    assert late.chords[:5].tolist() == [7, 7, 7, 7, 8] and len(late) == MAX_SECONDS


def test_billboards_heading_and_us_pops_folders_show_artist_and_title(tmp_path):
    write(tmp_path, "0003/salami_chords.txt", SALAMI)
    write(tmp_path, "uspop/green_day/dookie/07-Basket_Case.lab", lab(IN_C))
    write(tmp_path, "pop909/001.txt", lab([*IN_C, "F"]))
    labels = {song.name: (song.artist, song.title) for song in chord_lists.read(tmp_path)}
    assert labels == {
        "0003/salami_chords.txt": ("Nobody", "Made up"),
        "pop909/001.txt": ("", ""),
        "uspop/green_day/dookie/07-Basket_Case.lab": ("green_day", "Basket_Case"),
    }


VIDEOS = ["Green Day - Basket Case [Official Video]", "Beyoncé - Déjà Vu (Video) ft. JAY-Z", "Toto - Africa (live)"]


@pytest.mark.parametrize(
    ("artist", "title", "known"),
    [
        ("green_day", "Basket_Case", True),
        ("Beyonce", "Deja Vu", True),
        ("The Toto", "Africa", True),
        ("Green Day", "Basket", True),
        ("Green Day", "Case of the Basket", False),
        ("Someone Else", "Basket Case", False),
        ("Toto", "Afric", False),
        ("Toto", "", False),
        ("", "Africa", False),
    ],
)
def test_songs_of_the_videos_are_recognised_by_artist_and_whole_title(artist, title, known):
    one = listed([1], [0.0], 1.0, artist=artist, title=title)
    other = listed([1], [0.0], 1.0, artist="Nobody", title="Made up")
    assert chord_lists.apart_from([one, other], VIDEOS) == ([other] if known else [one, other])


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("C", "C"), ("C:maj", "C"), ("Bb:min", "A#:min"), ("F#:min7", "F#:min7"), ("D:7", "D:7"), ("E:dim", "E:dim"),
        ("G:sus4", "G:sus4"), ("A:sus2", "A:sus2"), ("Eb:aug", "D#:aug"), ("B:hdim7", "B:hdim7"), ("C:dim7", "C:dim7"),
        ("C:min6", "C:min6"), ("C:maj6", "C:maj6"), ("Ab:maj7", "G#:maj7"), ("Cb:maj", "B"), ("B#", "C"),
        ("C:maj9", "C:maj7"), ("G:9", "G:7"), ("A:min11", "A:min7"), ("C:maj(9)", "C"), ("D:sus4(b7)", "D:sus4"),
        ("C:maj/3", "C"), ("D:7/3", "D:7"), ("A:min7/b3", "A:min7"), ("G:maj/2", "G"), ("C:minmaj7", "C:min"),
        ("F:5", "F"), ("F:1", "F"), ("G:(1,5)", "G"),
        ("N", "N"), ("X", "N"), ("", "N"), ("H:maj", "N"), ("silence", "N"), ("&pause", "N"), ("C:maj(", "N"),
        ("C:purple", "N"), ("C/99", "N"),
    ],
)  # fmt: skip
def test_a_label_becomes_the_nearest_chord(label, expected):
    assert str(parse_harte(label)) == expected


@given(st.text("ABCDEFGNX#b:/()majinsud0123456789*,.&", max_size=9))
def test_no_label_is_too_much(label):
    assert isinstance(parse_harte(label), Chord)
