"""Labelled sounds: what belongs together, what is computed from each, and that nothing is computed twice."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.data import renders
from emotion.data.registry import DATASETS
from emotion.errors import DataError
from emotion.features import sound
from emotion.features.frontends import FRONTENDS
from emotion.judge import Segment
from emotion.train import dataset
from emotion.train.dataset import SegmentCache, TrainingPiece, without_groups_of
from tests.emotion.data.samples import table
from tests.emotion.plain_model import midi_file
from tests.emotion.train import four_sets
from tests.emotion.train.four_sets import NAMES, NOBODY, RATINGS


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = four_sets.write(tmp_path_factory.mktemp("data"))
    with four_sets.with_folds(root):
        yield root


def of(data, source):
    return {piece.name: piece for piece in dataset.read_pieces(source, data / source)}


@pytest.mark.parametrize("source", NAMES)
def test_the_pieces_of_every_set_have_their_quadrant_and_the_fold_of_the_split(data, source):
    found = of(data, source)
    assert list(found)[:4] == NAMES[source] or sorted(found) == sorted([*NAMES[source], NOBODY])
    for number, name in enumerate(NAMES[source]):
        assert (found[name].quadrant, found[name].fold) == (number, number // 2)
        assert found[name].source == source and found[name].path.is_file()


def test_groups_are_artists_games_tunes_and_songs(data):
    fourq, game_music = of(data, "fourq"), of(data, "ym2413")
    assert fourq["MT0000"].groups == fourq["MT0001"].groups == {"artist artist 0"}
    assert fourq["MT0002"].groups.isdisjoint(fourq["MT0003"].groups)
    assert game_music[NAMES["ym2413"][1]].groups == {"game Game 1", "tune tune 1"}
    assert of(data, "emopia")["Q1_song0_0"].groups == {"song song0"}
    assert of(data, "vgmidi")[NAMES["vgmidi"][2]].groups == {"game Game2"}


def test_only_rated_pieces_have_a_place(data):
    assert [piece.affect for piece in of(data, "vgmidi").values()] == [pytest.approx(each) for each in RATINGS]
    assert {piece.affect for name in ("fourq", "ym2413", "emopia") for piece in of(data, name).values()} == {None}


def test_game_music_of_an_unknown_game_has_no_fold_and_is_tied_to_its_tune(data):
    piece = of(data, "ym2413")[NOBODY]
    assert piece.fold is None and len(piece.groups) == 1 and next(iter(piece.groups)).startswith("tune ")


def test_a_piece_that_the_split_does_not_name_is_refused(data, tmp_path):
    table(tmp_path / "cards/fourq/splits/folds.csv", ("piece", "fold"), ("MT0000", 0))
    (tmp_path / "cards/fourq/card.toml").touch()
    with four_sets.with_folds(tmp_path), pytest.raises(DataError, match="MT0001 has no fold"):
        dataset.read_pieces("fourq", data / "fourq")


@given(st.lists(st.integers(1, 9000), max_size=8), st.floats(0.001, 1))
def test_the_first_seconds_are_the_beginning_whatever_the_blocks(lengths, longest_s):
    whole = np.arange(sum(lengths), dtype=np.float32)
    blocks = np.split(whole, np.cumsum(lengths)[:-1]) if lengths else []
    kept = np.concatenate([np.zeros(0, np.float32), *dataset.first_seconds(blocks, longest_s)])
    np.testing.assert_array_equal(kept, whole[: round(longest_s * sound.SAMPLE_RATE)])


names = st.frozensets(st.sampled_from("abcdefgh"), max_size=3)


@given(st.lists(names, max_size=12), st.lists(names, max_size=4))
def test_those_apart_share_no_group_with_any_held_and_no_other_is_left_out(known, held):
    def one(groups):
        return dataset.PieceVersions(TrainingPiece("fourq", "p", groups, None, 0, None, Path("p"), 0), ())

    pool = [one(groups) for groups in known]
    kept = without_groups_of(pool, [one(groups) for groups in held])
    expected = [each for each in pool if all(each.piece.groups.isdisjoint(groups) for groups in held)]
    assert kept == expected


def test_rows_are_kept_and_no_sound_is_read_again(data, tmp_path):
    copy = tmp_path / "sets"
    four_sets.write(copy)
    library = SegmentCache(tmp_path / "library", frontends=("vgg",))
    with four_sets.with_folds(copy):
        first = library.read("fourq", copy / "fourq")
        for path in (copy / "fourq/audio").iterdir():
            path.write_bytes(b"")
        again = library.read("fourq", copy / "fourq")
    assert len(first) == len(again) == 4
    for one, other in zip(first, again, strict=True):
        assert one.piece == other.piece
        np.testing.assert_array_equal(one.versions[0].mel, other.versions[0].mel)
        np.testing.assert_array_equal(one.versions[0].rows["vgg"], other.versions[0].rows["vgg"])


def test_only_the_front_ends_that_are_missing_are_made(data, tmp_path, monkeypatch):
    made = []

    def front(name):
        return type(FRONTENDS["vgg"])(6.0, 3.0, lambda blocks: made.append(name) or np.full((2, 3), 7, np.float32))

    monkeypatch.setattr(dataset, "FRONTENDS", {name: front(name) for name in ("vgg", "musicnn")})
    piece = of(data, "fourq")["MT0000"]
    for frontends in (("vgg",), ("vgg", "musicnn"), ("vgg", "musicnn")):
        excerpt = SegmentCache(tmp_path, frontends).segment(piece, 0)
        assert set(excerpt.rows) == set(frontends) and (excerpt.rows["vgg"] == 7).all()
    assert made == ["vgg", "musicnn"]


def test_a_segment_of_a_recording_is_its_log_mel(data, tmp_path):
    piece = of(data, "fourq")["MT0002"]
    excerpt = SegmentCache(tmp_path, ()).segment(piece, 0)
    np.testing.assert_allclose(excerpt.mel, sound.log_mel(sound.read(piece.path)), atol=0.05)  # kept as halves
    assert excerpt.duration_s == pytest.approx(3.0, abs=0.03) and excerpt.notes is None


def test_a_piece_of_midi_has_notes_in_its_first_version_that_begin_with_its_sound(data, tmp_path):
    library = SegmentCache(tmp_path, ())
    (found,) = library.read("ym2413", data / "ym2413", {NAMES["ym2413"][1]})
    whole, other = found.versions
    assert whole.notes.start_s.min() == 0 and len(whole.notes) == 8  # the file begins a second later
    assert other.notes is None
    loud = np.flatnonzero(whole.mel.max(1) > -50)
    assert loud[0] / sound.ROWS_PER_S < 0.1
    assert np.abs(whole.mel[:50] - other.mel[:50]).max() > 1


def test_long_music_is_cut_to_what_its_set_allows(tmp_path):
    path = midi_file(tmp_path / "long.mid", *((second, second + 0.9, 60) for second in range(60)))
    piece = TrainingPiece("emopia", "long", frozenset(), None, 0, None, path, 0)
    blocks = list(dataset.samples(piece, 0))
    assert sum(map(len, blocks)) / sound.SAMPLE_RATE == pytest.approx(DATASETS["emopia"].role.longest_s, abs=0.05)


def test_a_render_is_what_its_log_mel_is_made_of_and_its_gain_moves_the_level(tmp_path):
    path = midi_file(tmp_path / "a.mid", (0.0, 1.0, 60), (0.5, 1.5, 67))
    plain, soft = renders.PLAIN, renders.Variation(gain_db=-12.0)
    mel = sound.log_mel(renders.render_samples(path, plain, longest_s=5.0))
    kept = renders.to_decibels(renders.render_mel(path, plain, longest_s=5.0))
    np.testing.assert_allclose(kept, np.maximum(mel, sound.FLOOR_DB), atol=0.2)
    quieter = sound.log_mel(renders.render_samples(path, soft, longest_s=5.0))
    assert mel.max() - quieter.max() == pytest.approx(12, abs=0.1)


def test_game_music_without_notes_is_refused_in_a_sentence(tmp_path):
    path = midi_file(tmp_path / "empty.mid")
    with pytest.raises(DataError, match="has no notes"):
        dataset.render_game_music(path, 0, 0, 24.0)


@given(st.floats(0.5, 30), st.integers(0, 100))
def test_a_part_is_as_long_as_requested_or_the_whole(seconds, seed):
    mel = np.full((20 * 50 + 1, 96), -20, np.float32)
    whole = Segment(mel, None, 20.0)
    found = dataset.random_part(whole, seconds, np.random.default_rng(seed))
    assert found.duration_s == pytest.approx(min(seconds, 20.0))
    assert len(found.mel) == pytest.approx(50 * found.duration_s + 1, abs=1)


def test_a_part_that_would_be_silent_is_the_whole():
    mel = np.full((20 * 50 + 1, 96), -79, np.float32)
    mel[0] = -10
    whole = Segment(mel, None, 20.0)
    assert dataset.random_part(whole, 4.0, np.random.default_rng(1)) is whole
