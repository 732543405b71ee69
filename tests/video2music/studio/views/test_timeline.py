"""Lanes over time: where points, labels and ticks stand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.metrics import AXES
from emotion.svg import exact, ticks_s
from tests.video2music.studio.views.svg_reading import NASTY, labelled, points, read, said, shares, styled, value_at
from video2music.studio.text import counted, emotion_words, percent
from video2music.studio.views import timeline


@given(rows=st.lists(st.floats(-1, 1), min_size=1, max_size=timeline.MOST_POINTS), short=st.floats(0.01, 1))
def test_every_second_has_its_point_in_its_middle(rows, short):
    lasting_s = len(rows) - 1 + short
    first, *found, last = timeline.seconds(np.array(rows), lasting_s)
    assert [value for _, value in found] == pytest.approx(rows)
    assert [time_s for time_s, _ in found[:-1]] == [second + 0.5 for second in range(len(rows) - 1)]
    assert found[-1][0] == pytest.approx(len(rows) - 1 + short / 2)
    assert first == (0.0, found[0][1]) and last == (lasting_s, found[-1][1])


@given(count=st.integers(timeline.MOST_POINTS + 1, 25_000), seed=st.integers(0, 9))
def test_long_curves_keep_their_mean_and_stay_short(count, seed):
    rows = np.random.default_rng(seed).uniform(-1, 1, count)
    _, *found, _ = timeline.seconds(rows, float(count))
    assert len(found) == timeline.MOST_POINTS
    times_s = np.array([time_s for time_s, _ in found])
    assert (np.diff(times_s) > 0).all() and 0 < times_s[0] < times_s[-1] < count
    edges = [0.0]
    for time_s in times_s:  # the middles progress where the parts end
        edges.append(2 * time_s - edges[-1])
    assert edges[-1] == pytest.approx(count)
    area = sum(value * (end - start) for (_, value), start, end in zip(found, edges, edges[1:], strict=False))
    assert area == pytest.approx(rows.sum(), abs=1e-6 * count)


@given(st.lists(st.floats(0, 1), max_size=60))
def test_labels_have_room_and_the_important_ones_come_first(places):
    kept = timeline.with_room(places)
    assert all(abs(places[a] - places[b]) >= timeline.APART for a in kept for b in kept if a != b)
    for dropped in set(range(len(places))) - set(kept):
        assert any(abs(places[dropped] - places[other]) < timeline.APART for other in kept if other < dropped)
    assert [places[place] for place in kept] == sorted(places[place] for place in kept)


@given(lasting_s=st.floats(0.04, 1e7), most=st.integers(1, 64))
def test_no_more_ticks_than_have_room(lasting_s, most):
    found = ticks_s(lasting_s, most=most)
    assert found[0] == 0 and found[-1] <= lasting_s and len(found) <= most + 1


@pytest.mark.parametrize(("lasting_s", "wanted"), [(0.4, ["0 s"]), (7.5, [f"{n} s" for n in range(8)])])
def test_times_stand_below_where_they_are(lasting_s, wanted):
    tree = read(timeline.view("a", timeline.lanes(lasting_s)))
    (times,) = styled(tree, "times")
    assert [each.text for each in times] == wanted
    assert shares(list(times)) == pytest.approx([n / lasting_s for n in range(len(wanted))], abs=1e-4)


def test_an_hour_has_ticks_every_ten_minutes():
    (times,) = styled(read(timeline.view("a", timeline.lanes(3600.0))), "times")
    assert [each.text for each in times] == ["0 s", "10:00", "20:00", "30:00", "40:00", "50:00", "60:00"]


@given(value=st.floats(-1, 1), lasting_s=st.floats(0.1, 4000), share=st.floats(0, 1))
def test_a_curve_stands_at_its_value(value, lasting_s, share):
    drawn = timeline.curve([(0.0, value), (lasting_s * share, value), (lasting_s, -value)], lasting_s, AXES[0])
    line = points(read(drawn)[0])
    assert value_at(line, 0.0) == pytest.approx(value, abs=2e-3)
    assert line[-1].tolist() == pytest.approx([1000, 50 * (1 + value)], abs=0.06)


def test_names_cannot_become_markup():
    lane = timeline.lane(NASTY, [], height_em=2, beside=[timeline.label(0.1, NASTY), timeline.level(0.1, NASTY)])
    tree = read(timeline.view(NASTY, timeline.sentence(NASTY), timeline.legend(("cut", NASTY)), lane))
    shown = NASTY.replace("\x1b", "?").replace("\n", "?")
    assert said(tree).count(shown) == 4
    assert [tree[0].get("aria-label"), labelled(tree[0][3], "<script>").get("aria-label")] == [shown, shown]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ((0.5, 0.5), "pleasant and excited"),
        ((-0.5, -0.2), "unpleasant and calm"),
        ((0.05, -0.3), "calm"),
        ((-0.3, 0.0), "unpleasant"),
        ((0.09, -0.09), "neutral"),
    ],
)
def test_places_have_words(place, words):
    assert emotion_words(*place) == words


def test_numbers_agree_with_their_words():
    assert [counted(number, "cut") for number in range(3)] == ["no cuts", "1 cut", "2 cuts"]
    assert [percent(share) for share in (0.0, 0.256, 1.0)] == ["0 %", "26 %", "100 %"]


@given(st.floats(0, 30_000))
def test_times_to_a_tenth_are_the_times(time_s):
    minutes, seconds = exact(time_s).split(":")
    assert len(seconds) == 4 and float(seconds) < 60
    assert math.isclose(60 * int(minutes) + float(seconds), time_s, abs_tol=0.0501)
