"""The verdict: curves over each other, sentences that say what the figures are, variants compared."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion.values import AffectCurve
from tests.video2music.composing.test_chart import composed, drawn_form
from tests.video2music.studio.views.svg_reading import NASTY, labelled, points, read, said, styled, value_at
from tests.video2music.studio.views.test_affect import large_dots, report
from tests.video2music.studio.views.test_piano_roll import score, track
from video2music.arranging import midi
from video2music.composing import manifest
from video2music.errors import ManifestError, MediaError
from video2music.options import Options
from video2music.studio.session import LoadedPiece, load
from video2music.studio.views import match


def scored(heard, wanted=(0.6, 0.6), *, source="q1", name="v1", **changes):
    """Music of some windows of 8 s, one every 4 s, against a target that stays where it is."""
    seconds = 4 * len(heard) + 4
    target = AffectCurve(np.full(seconds, wanted[0]), np.full(seconds, wanted[1]), source)
    composition = replace(composed(drawn_form([4] * (seconds // 2))), target=target)
    return replace(LoadedPiece(name, composition, score(track([(0, 1, 60)])), report(heard)), **changes)


@settings(deadline=None)
@given(
    heard=st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=12),
    wanted=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
)
def test_music_is_drawn_over_the_target(heard, wanted):
    made = scored(heard, wanted)
    tree = read(match.view(made))
    lasting_s = made.composition.form.duration_s
    for place, axis in enumerate(("valence", "arousal")):
        lane = labelled(tree, f"{axis} over time")
        (picture,), (music,) = ([points(e) for e in styled(lane, kind) if e.tag == "polyline"]
                                for kind in ("picture", "music"))  # fmt: skip
        assert value_at(picture, 300) == pytest.approx(wanted[place], abs=2e-3)
        middles = [1000 * (4 * number + 4) / lasting_s for number in range(len(heard))]
        assert [value_at(music, x) for x in middles] == pytest.approx([one[place] for one in heard], abs=0.02)
    assert large_dots(tree, "picture") == [pytest.approx(wanted, abs=2e-3)]
    assert large_dots(tree, "music") == [pytest.approx(np.mean(heard, axis=0), abs=2e-3)]


def test_the_match_is_held_against_music_of_which_no_emotion_is_predicted():
    """(1 - distance / diagonal + .25) / 2, with the distance from (.6, .6) to the middle."""
    made = scored([(0.6, 0.6)] * 3)
    level = (1 - 0.6 * 2**0.5 / 8**0.5 + 0.25) / 2
    assert match.neutral(made.report, made) == pytest.approx(level)
    (told,) = match.sentences(made)
    assert f"neutral music would score {level:.2f}." in told


def test_the_sentences_name_judge_prediction_and_target():
    made = scored([(0.6, 0.6), (0.5, 0.7), (-0.5, 0.4)], chosen_by="poolingvq", candidates=8)
    told, chosen = match.sentences(made)
    assert told.startswith(
        "The judge adff, which had no part in composing, predicts pleasant and excited; the most likely "
        "quadrant is pleasant, excited, with 70 %. The target is pleasant and excited. The match is 0."
    )
    assert told.endswith("For 67 % of the time the music is in the target quadrant.")
    assert chosen == ("Of 8 candidates, the judge poolingvq selected the one nearest to the target.")


def test_a_judge_that_chose_is_not_called_independent():
    told, _ = match.sentences(scored([(0.6, 0.6)], chosen_by="adff", candidates=2))
    assert "The judge adff, which also selected the piece, predicts" in told and "no part" not in told


def test_the_picture_is_named_where_it_decided():
    made = scored([(0.6, 0.6)], source="picture")
    assert "The picture is pleasant and excited." in match.sentences(made)[0]
    assert "target: the picture" in said(read(match.view(made)))


@pytest.mark.parametrize(("place", "told"), [((0.5, 0.5), "All the time the"), ((-0.5, 0.5), "At no time the")])
def test_music_that_always_or_never_is_in_the_target_quadrant(place, told):
    assert told in match.sentences(scored([place] * 3))[0]


def test_remarks_are_told():
    made = scored([(0.6, 0.6)], remark="all candidates are degenerate")
    made = replace(made, report=replace(made.report, remarks=("it lasts 4.0 s: less than 5 s says little",)))
    assert match.sentences(made)[1:] == (
        "All candidates are degenerate.", "It lasts 4.0 s: less than 5 s says little.",
    )  # fmt: skip


def test_without_a_prediction_the_target_alone_is_drawn():
    made = scored([(0.6, 0.6)], report=None)
    tree = read(match.view(made))
    assert "There is no prediction" in said(tree) and large_dots(tree, "picture") and not large_dots(tree, "music")
    assert "no prediction" in said(read(match.table([made])))


def test_the_table_marks_the_variant_that_is_the_best():
    far, near, farther = (scored([place] * 2, name=name) for name, place in
                          (("v1", (0.1, 0.2)), ("v2", (0.6, 0.5)), ("v3", (-0.6, -0.6))))  # fmt: skip
    tree = read(match.table([far, near, farther], best=1))
    (best,) = styled(tree, "best")
    assert said(best).startswith("v2 · best match pleasant and excited 0.")
    assert [row[0].text.split()[0] for row in tree.find(".//tbody")] == ["v1", "v2", "v3"]
    assert [row[3].text for row in tree.find(".//tbody")] == ["100 %", "100 %", "0 %"]
    assert styled(read(match.table([near])), "best") == []


def test_names_cannot_become_markup():
    made = scored([(0.1, 0.1)], name=NASTY, remark=NASTY, chosen_by=NASTY)
    assert "<script>alert(1)</script>" in said(read(match.view(made)))
    assert "<script>alert(1)</script>" in said(read(match.table([made, made])))


@pytest.fixture
def folder(tmp_path):
    """What compose leaves of a clip, as far as the views read it."""
    made = scored([(0.6, 0.6), (-0.1, 0.2)], name="ship")
    clip = tmp_path / "ship.mp4"
    clip.write_bytes(b"a clip")
    (tmp_path / "ship").mkdir()
    found = {"judge": {"name": "poolingvq", "sha256": "1"}, "kept": 0, "remark": "hm", "candidates": [{}, {}, {}]}
    told = manifest.build(clip, made.composition, Options(), report=asdict(made.report), search=found)
    path = tmp_path / "ship" / "ship.json"
    path.write_text(json.dumps(told))
    midi.write(made.score, path.with_suffix(".mid"))
    return path, made


def test_a_scored_clip_is_read_back(folder):
    path, made = folder
    found = load(path)
    assert (found.name, found.chosen_by, found.candidates, found.remark) == ("ship", "poolingvq", 3, "hm")
    assert found.report == made.report or asdict(found.report) == asdict(made.report)
    assert found.composition.to_json() == made.composition.to_json()
    assert [note.pitch for note in found.score.tracks[0].notes] == [60]
    assert match.sentences(found)[0] == match.sentences(made)[0]


def test_a_manifest_without_judges_is_read_back(folder):
    path, _ = folder
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "report": None, "search": None}))
    found = load(path)
    assert (found.report, found.chosen_by, found.candidates) == (None, None, 1)


def test_what_is_damaged_is_told_of(folder):
    path, _ = folder
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "report": {**told["report"], "windows": []}}))
    with pytest.raises(ManifestError, match="compose the clip anew"):
        load(path)
    path.write_text(json.dumps(told))
    path.with_suffix(".mid").unlink()
    with pytest.raises(MediaError, match=r"ship\.mid cannot be read"):
        load(path)
    with pytest.raises(ManifestError, match="no manifest"):
        load(path.with_name("none.json"))
