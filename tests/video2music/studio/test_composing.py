"""Pieces of a session: composed, rolled again in part, handed out, stopped. One composition serves all."""

import copy
import json
import zipfile
from itertools import pairwise

import pytest

from emotion import alignment
from tests.video2music.conftest import draw_clip, picture_packets
from video2music import Options
from video2music.composing import manifest
from video2music.errors import OptionError
from video2music.options import Result
from video2music.studio import composing
from video2music.studio.session import WHOLE_PIECE, Session, SessionPiece, best_match

WISH = Options(encoder="color", candidates=1, variants=2, stems=True, emotion="sad", seed=3)


class Stop(Exception):
    """What the visitor's wish to stop raises."""


def quietly(stage, fraction):
    """Nobody watches."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Twelve seconds in three scenes: long enough for sections."""
    return draw_clip(tmp_path_factory.mktemp("clips") / "my holiday.mp4", seconds=12)


@pytest.fixture(scope="module")
def pieces(clip, tmp_path_factory):
    """Two variants."""
    return composing.compose(clip, tmp_path_factory.mktemp("run"), WISH, quietly)


@pytest.fixture(scope="module")
def session(pieces):
    """A visitor who has them on the page."""
    someone = Session()
    someone.replace_all(pieces)
    return someone


def test_every_variant_is_a_piece_of_its_own(pieces, clip):
    assert [piece.result.video.parent.name for piece in pieces] == ["v1", "v2"]
    assert pieces[0].result.midi.read_bytes() != pieces[1].result.midi.read_bytes()
    assert all(picture_packets(piece.result.video) == picture_packets(clip) for piece in pieces)


def test_the_best_is_what_the_judge_hears_nearest_to_the_wish(pieces):
    matches = [alignment.align(piece.result.report, piece.replay.composition.target).match.score for piece in pieces]
    assert best_match(pieces) == matches.index(max(matches))
    assert [piece.match for piece in pieces] == pytest.approx(matches)


def test_without_a_judge_none_is_the_best_match(tmp_path):
    nothing = Result(*[tmp_path] * 7, duration_s=1.0)
    assert best_match([SessionPiece(tmp_path, tmp_path, nothing)] * 3) is None and best_match([]) is None


def test_sections_follow_each_other_from_the_start_to_the_end(pieces):
    spans = pieces[0].sections
    assert spans[0][0] == 0 and spans[-1][1] == pytest.approx(12, abs=0.1)
    assert all(one[1] == other[0] for one, other in pairwise(spans))


def test_one_section_is_drawn_anew_and_the_rest_stays(pieces, tmp_path):
    before, last = pieces[0].replay.composition, len(pieces[0].sections)
    rolled = composing.redraw(pieces[0], tmp_path, quietly, number=1, section=last).replay.composition
    kept = before.steps(last).start
    assert [redraw.section for redraw in rolled.redraws] == [last]
    assert rolled.final_chords[:kept] == before.final_chords[:kept] and rolled.chords == before.chords


def test_what_is_locked_stays_when_everything_else_is_drawn_anew(pieces, tmp_path):
    before = pieces[0].replay
    after = composing.redraw(pieces[0], tmp_path, quietly, number=1, locks=["chords", "form"]).replay
    assert after.composition.final_chords == before.composition.final_chords
    assert after.composition.form.bars_s.tolist() == before.composition.form.bars_s.tolist()
    assert after.options.seed != before.options.seed and after.options.emotion == before.options.emotion


def test_two_rolls_of_a_section_differ_and_the_same_number_rolls_the_same(pieces, tmp_path):
    seeds = []
    for place, number in enumerate((1, 2, 1)):
        folder = tmp_path / str(place)
        rolled = composing.redraw(pieces[1], folder, quietly, number=number, section=1)
        seeds.append(rolled.replay.composition.redraws[-1].seed)
    assert seeds[0] == seeds[2] != seeds[1]


def test_a_section_that_is_not_there_is_told(pieces, tmp_path):
    with pytest.raises(OptionError, match="there is no section 99"):
        composing.redraw(pieces[0], tmp_path, quietly, number=1, section=99)


def test_the_instruments_come_in_one_zip(pieces):
    with zipfile.ZipFile(composing.stems_zip(pieces[0])) as archive:
        names = {path.name: path.read_bytes() for path in pieces[0].result.stems.iterdir()}
        assert {f.filename: archive.read(f) for f in archive.infolist()} == names


def test_the_manifest_that_is_handed_out_names_no_folder_of_the_server_and_plays_the_piece(pieces, clip, tmp_path):
    told = composing.public_manifest(pieces[0])
    assert str(clip.parent) not in told.read_text() and str(pieces[0].folder) not in told.read_text()
    assert json.loads(told.read_text())["input"]["path"] == "my holiday.mp4"
    replay = manifest.read(told)
    replay.check_clip(clip)
    assert replay.composition.final_chords == pieces[0].replay.composition.final_chords


@pytest.mark.parametrize("where", ["extract", "chords", "render", "mux"])
def test_work_ends_where_it_is_stopped_and_leaves_nothing(clip, tmp_path, where):
    said = []

    def stop(stage, fraction):
        said.append(stage)
        if stage == where and fraction > 0:
            raise Stop

    with pytest.raises(Stop):
        composing.compose(clip, tmp_path, Options(encoder="color", candidates=1), stop)
    assert said[-1] == where
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_rendering_is_stopped_before_it_is_done(clip, tmp_path):
    said = []

    def stop(stage, fraction):
        if stage == "render" and fraction > 0:
            said.append(fraction)
            raise Stop

    with pytest.raises(Stop):
        composing.compose(clip, tmp_path, Options(encoder="color", candidates=1), stop)
    assert 0 < said[0] < 0.9


def test_a_copy_of_a_visit_is_another_visitor(session):
    other = copy.deepcopy(session)
    assert other.pieces == () and session.pieces
    other.replace_all(session.pieces[:1])
    assert len(session.pieces) == 2


def test_of_more_pieces_than_fit_the_oldest_go(session, pieces):
    someone = copy.deepcopy(session)
    for piece in (*pieces, *pieces):
        someone.add(piece, most=3)
    assert [piece.number for piece in someone.pieces] == [2, 3, 4]
    assert [piece.result for piece in someone.pieces] == [piece.result for piece in (pieces[1], *pieces)]
    assert [piece.number for piece in someone.add(pieces[0], most=2)] == [2, 3]
    assert someone.piece(5).result is pieces[0].result


@pytest.mark.parametrize("number", [0, 3, -1])
def test_a_variant_that_is_not_there_is_told(session, number):
    with pytest.raises(OptionError, match=rf"no variant {number}\b"):
        session.piece(number)


def test_no_number_to_roll_with_comes_twice():
    someone = Session()
    assert len({someone.next_redraw() for _ in range(50)}) == 50


def test_everything_is_no_section(pieces):
    with pytest.raises(OptionError):
        pieces[0].replay.composition.steps(WHOLE_PIECE)
