"""Ratings on the plane, and splits that no song and no artist crosses."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.data.pieces import GamePiece, LabelledPiece, assert_disjoint
from emotion.data.recordings import Recording, even_folds, scaled_rating
from emotion.errors import DataError

names = st.sampled_from(["", *"abcdef"])
sets = st.lists(st.tuples(st.sampled_from("abcdefgh"), names), max_size=30).map(
    lambda pairs: [recording(str(n), song, artist) for n, (song, artist) in enumerate(pairs)]
)


def recording(name: str, song: str, artist: str = "") -> Recording:
    return Recording(name, Path(f"{name}.wav"), song, artist)


@given(st.floats(-100, 100), st.floats(0.1, 100), st.floats(0, 1))
def test_a_scale_is_stretched_onto_the_plane(low, width, share):
    assert scaled_rating(repr(low), (low, low + width)) == -1
    assert scaled_rating(repr(low + width), (low, low + width)) == pytest.approx(1)
    value = min(low + share * width, low + width)
    assert scaled_rating(repr(value), (low, low + width)) == pytest.approx(2 * share - 1, abs=1e-6)


@pytest.mark.parametrize("text", ["0.9", "9.1", "nan", "inf", "five"])
def test_what_is_off_the_scale_is_refused(text):
    with pytest.raises(ValueError):
        scaled_rating(text, (1, 9))


@pytest.mark.parametrize(
    "wrong", [{"quadrant": 4}, {"quadrant": -1}, {"affect": (0, 1.2)}, {"affect": (0, float("nan"))}]
)
def test_a_recording_cannot_hold_nonsense(wrong):
    with pytest.raises(DataError, match="one has"):
        Recording("one", Path("one.wav"), "one", "", **wrong)


@given(sets, st.integers(1, 6), st.randoms(use_true_random=False))
def test_folds_hold_everything_once_cross_nothing_and_do_not_depend_on_the_order(recordings, count, random):
    sides = even_folds(recordings, count=count)
    assert len(sides) == count and sorted(each.name for side in sides for each in side) == sorted(
        each.name for each in recordings
    )
    for kind in ("song", "artist"):
        sides_of = {}
        for number, side in enumerate(sides):
            for each in side:
                if getattr(each, kind):
                    sides_of.setdefault(getattr(each, kind), set()).add(number)
        assert all(len(found) == 1 for found in sides_of.values())
    mixed = list(recordings)
    random.shuffle(mixed)
    assert [{each.name for each in side} for side in even_folds(mixed, count=count)] == [
        {e.name for e in s} for s in sides
    ]


@given(st.integers(1, 60), st.integers(1, 7))
def test_folds_of_songs_by_different_artists_are_equally_large(songs, count):
    sizes = [len(side) for side in even_folds([recording(str(n), str(n)) for n in range(songs)], count=count)]
    assert max(sizes) - min(sizes) <= 1


def test_recordings_without_artists_are_tied_by_their_song_alone():
    sides = even_folds([recording("one", "a"), recording("two", "b"), recording("three", "a")], count=2)
    assert sorted(sorted(each.name for each in side) for side in sides) == [["one", "three"], ["two"]]


@given(sets, sets)
def test_disjoint_means_that_no_known_song_and_no_known_artist_is_shared(left, right):
    songs = {each.song for each in left} & {each.song for each in right}
    artists = ({each.artist for each in left} & {each.artist for each in right}) - {""}
    if songs or artists:
        with pytest.raises(DataError, match="both sides"):
            assert_disjoint(left, right)
    else:
        assert_disjoint(left, right)


def test_only_the_kinds_that_are_requested_are_looked_at():
    left, right = [recording("one", "a", "abba")], [recording("two", "b", "abba")]
    assert_disjoint(left, right, kinds=("song",))
    with pytest.raises(DataError, match="such as the artist abba"):
        assert_disjoint(left, right)


def test_the_third_side_is_compared_with_the_first():
    first, second, third = (recording(name, song) for name, song in (("one", "a"), ("two", "b"), ("three", "a")))
    with pytest.raises(DataError, match="song a"):
        assert_disjoint([first], [second], [third])


def test_pieces_are_kept_apart_by_group_and_game_beside_recordings():
    piece, other = (LabelledPiece(name, "Zelda", Path("x.mid"), 0) for name in ("one", "two"))
    assert_disjoint([piece, recording("three", "Zelda", "Zelda")], [recording("four", "d")])
    with pytest.raises(DataError, match="group Zelda"):
        assert_disjoint([piece], [other, recording("three", "a")])
    games = [
        GamePiece(name, Path("x.mid"), 0, game, "") for name, game in (("a", "Ys"), ("b", "Ys"), ("c", ""), ("d", ""))
    ]
    assert_disjoint(games[:3], games[3:])
    with pytest.raises(DataError, match="group Ys"):
        assert_disjoint(games[:1], games[1:])
