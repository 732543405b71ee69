"""POP909's layouts, its piano, its chords, and what is said when something is not there."""

import numpy as np
import pytest

from emotion.errors import DataError
from tests.video2music.pop909_files import BASSES, BEAT_S, write_songs
from video2music.chords import NO_CHORD, Chord
from video2music.data import pop909


@pytest.mark.parametrize("published", [False, True])
def test_both_layouts_hold_the_same_song(tmp_path, published):
    folder = write_songs(tmp_path, ["007", "012"], published=published)
    assert pop909.song_names(folder) == ("007", "012")
    song = pop909.load(folder, "007")
    assert np.allclose(song.beats_s, BEAT_S * np.arange(96))
    assert np.flatnonzero(song.downbeat).tolist() == list(range(0, 96, 4))
    assert song.chords[1] == (4 * BEAT_S, 8 * BEAT_S, Chord(9, "min"))


def test_only_the_piano_is_read(tmp_path):
    piano = pop909.load(write_songs(tmp_path, ["001"]), "001").piano
    assert 84 not in piano.pitch and set(BASSES) <= set(piano.pitch.tolist())
    assert piano.end_s[0] - piano.start_s[0] == pytest.approx(4 * BEAT_S)


def test_the_chord_of_a_span_is_the_one_that_sounds_longest_in_it(tmp_path):
    song = pop909.load(write_songs(tmp_path, ["001"]), "001")
    starts_s, ends_s = np.array([0.0, 3.5, 3.0, 900.0]), np.array([2.0, 5.5, 4.9, 901.0])
    assert pop909.chords_at(song, starts_s, ends_s) == [NO_CHORD, Chord(5, "maj"), Chord(9, "min"), NO_CHORD]


def test_songs_of_a_few_bars_are_left_out(tmp_path):
    write_songs(tmp_path, ["001"])
    write_songs(tmp_path, ["002"], bars=5)
    assert [song.name for song in pop909.load_all(tmp_path, ["001", "002"])] == ["001"]


@pytest.mark.parametrize("missing", ["001.mid", "001.beats.txt", "001.chords.txt"])
def test_a_missing_file_is_named(tmp_path, missing):
    (write_songs(tmp_path, ["001"]) / missing).unlink()
    with pytest.raises(DataError, match=missing.replace(".", r"\.")):
        pop909.load(tmp_path, "001")


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("001.beats.txt", "one two three", "has no beats"),
        ("001.beats.txt", "0 1\n1 0", "two columns of downbeats"),
        ("001.beats.txt", "1 1 1\n0.5 0 0", "times must rise"),
        ("001.chords.txt", "0.0 C:maj", "start end chord"),
        ("001.mid", "no MIDI", "cannot be read as a MIDI file"),
    ],
)
def test_damaged_files_are_refused_in_a_sentence(tmp_path, file, text, complaint):
    (write_songs(tmp_path, ["001"]) / file).write_text(text)
    with pytest.raises(DataError, match=complaint):
        pop909.load(tmp_path, "001")


def test_a_folder_without_songs_is_refused(tmp_path):
    with pytest.raises(DataError, match="no songs of POP909"):
        pop909.song_names(tmp_path)


def test_the_real_songs_are_read(shared):
    folder = shared / "data" / "pop909"
    assert len(pop909.song_names(folder)) == 909
    song = pop909.load(folder, "001")
    assert len(song.piano) == 985 and song.downbeat.sum() == 73 and song.chords[4][2] == Chord(11, "maj")
