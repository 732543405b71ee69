"""The feeling of any music: where its windows are drawn, and that the words say what the numbers say."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion.values import AffectCurve, EmotionReport, Prediction
from tests.video2music.studio.views.svg_reading import NASTY, labelled, marks, points, read, said, styled, value_at
from video2music.studio.views import affect

CENTRE, HALF = 140, 118  # of the drawn plane: its middle and half of its side
UNKNOWN = (0.25, 0.25, 0.25, 0.25)


def hearing(start_s, end_s, valence, arousal, quadrants=None):
    """What is heard from one time to another; the quadrant of the place is sure to 70 %."""
    place = (0 if valence >= 0 else 1) if arousal >= 0 else (3 if valence >= 0 else 2)
    return Prediction(
        start_s, end_s, valence, arousal, quadrants or tuple(0.7 if n == place else 0.1 for n in range(4))
    )


def report(places, *, window_s=8.0, hop_s=4.0, **changes):
    """A report on music that is heard at these places, window by window; the whole is their mean."""
    windows = tuple(hearing(hop_s * n, hop_s * n + window_s, *place) for n, place in enumerate(places))
    whole = hearing(0.0, windows[-1].end_s, *np.mean(places, axis=0).tolist())
    return replace(EmotionReport(whole, windows, "audio", "adff", "0" * 64), **changes)


def large_dots(tree, kind):
    """Where the means are on the plane, as valence and arousal."""
    found = [each for each in styled(tree, f"dot-{kind}") if each.get("r") == "7"]
    return [((float(e.get("cx")) - CENTRE) / HALF, (CENTRE - float(e.get("cy"))) / HALF) for e in found]


PLACES = st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=40)


@settings(deadline=None)
@given(PLACES)
def test_windows_stand_in_their_middle_at_their_values(places):
    heard = report(places)
    tree = read(affect.view(heard))
    per_s = 1000 / heard.whole.end_s
    for place, axis in enumerate(("valence", "arousal")):
        (line,) = [points(each) for each in styled(tree, axis) if each.tag == "polyline"]
        assert line[0, 0] == 0 and line[-1, 0] == 1000
        middles = [(4 * number + 4) * per_s for number in range(len(places))]
        assert [value_at(line, x) for x in middles] == pytest.approx([one[place] for one in places], abs=0.02)
        (dots,) = [each for each in styled(tree, axis) if "points" in each.get("class")]
        assert marks(dots) == pytest.approx(middles, abs=0.06)


@given(PLACES)
def test_the_mean_of_the_windows_is_the_large_dot(places):
    (found,) = large_dots(read(affect.view(report(places))), "music")
    assert found == pytest.approx(np.mean(places, axis=0), abs=1e-3)


def test_the_bars_are_as_long_as_the_quadrants_are_likely():
    whole = hearing(0.0, 8.0, 0.3, -0.2, (0.3, 0.05, 0.25, 0.4))
    tree = read(affect.view(replace(report([(0.3, -0.2)]), whole=whole)))
    bars = labelled(tree, "how likely")
    widths = [float(re.search(r"width:([\d.]+)%", bar.get("style"))[1]) for bar in bars.iter("b")]
    assert widths == [30, 5, 25, 40]
    assert said(bars) == ("pleasant, excited 30 % unpleasant, excited 5 % unpleasant, calm 25 % pleasant, calm 40 %")


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ((0.5, -0.5), "overall pleasant and calm (valence +0.50, arousal -0.50). The most likely quadrant is "
                      "pleasant, calm, with 70 %."),
        ((-0.4, 0.02), "overall unpleasant (valence -0.40, arousal +0.02). The most likely quadrant is "
                       "unpleasant, excited, with 70 %."),
    ],
)  # fmt: skip
def test_the_words_are_those_of_the_place(place, words):
    (told,) = affect.sentences(report([place]))
    assert told == f"8 s of audio, predicted by adff: {words}"


def test_where_nothing_is_known_nothing_is_claimed():
    silent = hearing(0.0, 8.0, 0.0, 0.0, UNKNOWN)
    told = affect.sentences(
        replace(report([(0, 0)]), whole=silent, windows=(silent,), remarks=("the sound is silent",))
    )
    assert told == ("8 s of audio, predicted by adff: no emotion can be predicted.", "The sound is silent.")


def test_a_target_is_drawn_second_by_second():
    target = AffectCurve(np.linspace(-1, 1, 11), np.full(11, 0.5), "file a.csv")
    tree = read(affect.target_view(target))
    (valence, arousal) = [points(each) for each in tree.iter("polyline") if each.get("class") in {"valence", "arousal"}]
    assert value_at(valence, 500) == pytest.approx(0, abs=1e-3)
    assert arousal[:, 1].tolist() == [25, 25]
    assert large_dots(tree, "picture") == [pytest.approx((0, 0.5), abs=1e-3)]
    assert "Overall: excited." in said(tree)


@pytest.mark.parametrize("seconds", [1, 2, 3600, 21_600])
def test_a_target_of_any_length_stays_small(seconds):
    rows = np.random.default_rng(0).uniform(-1, 1, (2, seconds))
    text = affect.target_view(AffectCurve(*rows, "point"))
    assert len(text) < 50_000 and read(text) is not None


def test_twelve_hours_of_music_stay_small_and_an_instant_is_drawn():
    rng = np.random.default_rng(0)
    places = rng.uniform(-1, 1, (10_800, 2))
    text = affect.view(report(places.tolist()))
    assert len(text) < 60_000 and large_dots(read(text), "music") == [pytest.approx(places.mean(0), abs=1e-3)]
    instant = replace(report([(0.1, 0.1)]), whole=hearing(0, 0, 0.1, 0.1), windows=(hearing(0, 0, 0.1, 0.1),))
    assert read(affect.view(instant)) is not None


def test_names_and_remarks_cannot_become_markup():
    text = said(read(affect.view(report([(0, 0)], judge=NASTY, remarks=(NASTY,)))))
    assert text.count("<script>alert(1)</script>") == 2
