"""The grid: it fits the clip, its steps are about a second, its downbeats meet the cuts that matter."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from video2music.composing.form import MOST_BEND, plan, strong_cuts
from video2music.errors import OptionError
from video2music.styles import load_style
from video2music.values import Cut

PIANO = load_style("piano")

durations = st.floats(0.04, 400, allow_nan=False)
cut_lists = st.lists(st.tuples(st.floats(0, 400), st.floats(0, 300)), max_size=25).map(
    lambda cuts: [Cut(*cut) for cut in sorted(cuts)]
)


def strong_times(duration_s, cuts, hits=()):
    return tuple(cut.time_s for cut in strong_cuts(duration_s, cuts, hits))


@settings(max_examples=150, deadline=None)
@given(durations, cut_lists, st.floats(-1, 1))
def test_every_form_starts_at_zero_fits_the_clip_and_moves_in_steps_of_about_a_second(duration_s, cuts, arousal):
    form = plan(duration_s, cuts, arousal=arousal, style=PIANO)
    assert form.steps_s[0] == 0 and form.beats_s[0] == 0
    assert 0 < form.end_s < duration_s
    tail = min(2.0, 0.1 * duration_s)
    rings_s = duration_s - form.end_s
    assert rings_s <= tail + 1e-9
    late = duration_s - 6 < max((cut.time_s for cut in cuts if cut.time_s < duration_s), default=0.0)
    assert rings_s > (0.2 if late else 0.99) * tail
    lengths = np.diff(form.steps_s)
    assert (lengths[1:] > 0.5).all() and (lengths < 1.6).all(), lengths
    assert (lengths[:1] > 0.25).all()  # a pickup may be a single beat
    assert np.isin(form.steps_s, form.beats_s).all() and np.isin(form.bars_s, form.beats_s).all()


@settings(max_examples=80, deadline=None)
@given(durations, cut_lists, st.floats(-1, 1))
def test_a_chord_starts_on_every_downbeat_and_the_last_bar_holds_just_one(duration_s, cuts, arousal):
    form = plan(duration_s, cuts, arousal=arousal, style=PIANO)
    assert np.isin(form.bars_s, form.steps_s).all()
    assert form.steps_s[-1] == form.bars_s[-1]


@settings(max_examples=80, deadline=None)
@given(durations, cut_lists, st.floats(-1, 1))
def test_sections_follow_without_gaps_from_the_first_bar_each_on_a_downbeat_in_its_tempo(duration_s, cuts, arousal):
    form = plan(duration_s, cuts, arousal=arousal, style=PIANO)
    assert form.sections[0].start_s == form.bars_s[0] and form.sections[-1].end_s == form.end_s
    for before, after in itertools.pairwise(form.sections):
        assert before.end_s == after.start_s
    for section in form.sections:
        assert np.abs(form.bars_s - section.start_s).min() < 1e-9
        inside = form.beats_s[(form.beats_s >= section.start_s - 1e-9) & (form.beats_s < section.end_s - 1e-9)]
        assert inside[0] == pytest.approx(section.start_s)
        if len(inside) > 1 and section.end_s < form.end_s:
            assert inside[1] - inside[0] == pytest.approx(60 / section.tempo)
    middle = form.sections[1:-1]
    assert all(section.end_s - section.start_s >= min(8, duration_s / 4) - 1e-6 for section in middle)


@settings(max_examples=60, deadline=None)
@given(durations, cut_lists, st.floats(-1, 1))
def test_the_error_of_each_cut_is_how_late_its_nearest_downbeat_is(duration_s, cuts, arousal):
    form = plan(duration_s, cuts, arousal=arousal, style=PIANO)
    assert len(form.cut_errors_ms) == len(cuts)
    for cut, error in zip(cuts, form.cut_errors_ms, strict=True):
        expected = min(((float(bar) - cut.time_s) * 1000 for bar in form.bars_s), key=abs)
        assert abs(error) == pytest.approx(abs(expected), abs=0.01)


@settings(max_examples=80, deadline=None)
@given(durations, cut_lists, st.floats(-1, 1), st.sampled_from([3, 4, 5]))
def test_tempi_change_by_six_percent_at_most_and_a_bar_is_whole_or_two_beats(duration_s, cuts, arousal, beats):
    style = replace(PIANO, beats_per_bar=beats)
    form = plan(duration_s, cuts, arousal=arousal, style=style)
    bpm = np.array([tempo.bpm for tempo in form.tempi])
    assert (np.abs(np.log(bpm[1:] / bpm[:-1])) <= np.log(1.06) + 1e-6).all()
    wanted = 90 + 28 * arousal
    assert (bpm <= wanted * 1.18 + 1e-6).all() and (bpm >= wanted / 1.18 - 1e-6).all()
    lengths = set(form.bar_beats[:-1].tolist())
    assert lengths <= {2, beats}
    for tempo, after in zip(form.tempi, [*form.tempi[1:], None], strict=True):  # beats are even within each tempo
        until_s = after.start_s if after else form.bars_s[-1]
        inside = form.beats_s[(form.beats_s >= tempo.start_s - 1e-9) & (form.beats_s < until_s + 1e-9)]
        np.testing.assert_allclose(np.diff(inside), 60 / tempo.bpm, rtol=1e-6)
    for metre, after in zip(form.metres, [*form.metres[1:], None], strict=True):
        until_s = after.start_s if after else form.end_s
        bars = form.bars_s[(form.bars_s >= metre.start_s - 1e-9) & (form.bars_s < until_s - 1e-9)]
        for bar, following in itertools.pairwise(bars):
            assert ((form.beats_s >= bar - 1e-9) & (form.beats_s < following - 1e-9)).sum() == metre.beats


def test_strong_cuts_of_random_lists_are_met_four_times_in_five_where_one_tempo_meets_half():
    rng = np.random.default_rng(5)
    met, steady = [], []
    for _ in range(60):
        duration_s = rng.uniform(20, 120)
        times = np.sort(rng.uniform(0, duration_s, rng.integers(4, 13))).tolist()
        cuts = [Cut(time_s, float(rng.uniform(3, 30))) for time_s in times]
        arousal = float(rng.uniform(-1, 1))
        for bend, found in ((MOST_BEND, met), (0.0, steady)):
            bars = plan(duration_s, cuts, arousal=arousal, style=PIANO, bend=bend).bars_s
            found += [np.abs(bars - time_s).min() <= 0.08 for time_s in strong_times(duration_s, cuts)]
    assert np.mean(met) > 0.8 > 0.65 > np.mean(steady)


def test_of_cuts_within_four_seconds_the_stronger_is_strong_and_a_requested_hit_beats_both():
    cuts = [Cut(10.0, 5.0), Cut(12.0, 9.0), Cut(15.9, 7.0), Cut(20.0, 3.0)]
    assert strong_times(30.0, cuts) == (12.0, 20.0)
    assert strong_times(30.0, cuts, [11.0]) == (11.0, 15.9, 20.0)


@pytest.mark.parametrize("arousal", [-1.0, 0.0, 1.0])
def test_a_requested_range_of_tempi_is_never_left(arousal):
    cuts = [Cut(float(time_s), 20.0) for time_s in (7.7, 13.1, 21.9, 30.3, 41.0, 47.9)]
    for slowest, fastest in ((96.0, 104.0), (70.0, 70.0), (40.0, 200.0)):
        form = plan(55.0, cuts, arousal=arousal, style=PIANO, tempo=(slowest, fastest))
        assert all(slowest - 1e-6 <= tempo.bpm <= fastest + 1e-6 for tempo in form.tempi)


def test_a_downbeat_after_the_cut_counts_as_late():
    form = plan(1.0, [Cut(0.25, 9.0)], arousal=0, style=PIANO)
    assert form.bars_s.tolist() == [0.0]
    assert form.cut_errors_ms == (-250.0,)


def test_three_scenes_with_strong_cuts_start_three_sections_exactly():
    cuts = [Cut(6.7, 12.0), Cut(13.4, 15.0)]
    for arousal in (0.0, 0.5, 1.0):
        form = plan(20.0, cuts, arousal=arousal, style=PIANO)
        assert max(map(abs, form.cut_errors_ms)) < 1.0, arousal
        assert {6.7, 13.4} <= {round(section.start_s, 6) for section in form.sections}


def test_strong_cuts_meet_downbeats_far_more_often_than_chance():
    rng = np.random.default_rng(0)
    strong, chance = [], []
    for arousal in np.linspace(-1, 1, 12):
        times = np.cumsum(rng.uniform(5, 14, 12))
        cuts = [Cut(float(time_s), 20.0) for time_s in times]
        form = plan(float(times[-1] + 9), cuts, arousal=float(arousal), style=PIANO)
        strong += [abs(error) < 50 for error in form.cut_errors_ms]
        chance.append(0.1 / float(np.median(np.diff(form.bars_s))))
    assert np.mean(strong) > 8 * np.mean(chance)
    assert np.mean(strong) > 0.5


def test_of_two_cuts_that_cannot_both_be_met_the_stronger_is():
    for weaker, stronger in ((0, 1), (1, 0)):
        cuts = [Cut(10.0 + 1.3 * index, 30.0 if index == stronger else 3.5) for index in (0, 1)]
        form = plan(30.0, cuts, arousal=0.2, style=PIANO)
        assert abs(form.cut_errors_ms[stronger]) < 1.0
        assert abs(form.cut_errors_ms[weaker]) > abs(form.cut_errors_ms[stronger])


def test_a_requested_hit_draws_a_downbeat_like_a_strong_cut():
    without = plan(40.0, [], arousal=0.1, style=PIANO)
    hit_s = float(without.bars_s[6] + without.bars_s[7]) / 2
    form = plan(40.0, [], arousal=0.1, style=PIANO, hits=[hit_s])
    assert np.abs(form.bars_s - hit_s).min() < 1e-3 < np.abs(without.bars_s - hit_s).min()


def test_more_arousal_is_never_slower_and_tempi_stay_near_the_style():
    tempi = [plan(120.0, [], arousal=arousal, style=PIANO).sections[0].tempo for arousal in (-1, -0.5, 0, 0.5, 1)]
    assert tempi == sorted(tempi) and tempi[0] < 70 and tempi[-1] > 105


def test_a_long_clip_without_cuts_still_has_sections():
    form = plan(600.0, [], arousal=0.5, style=PIANO)
    lengths = [section.end_s - section.start_s for section in form.sections]
    assert len(lengths) > 8 and max(lengths) < 80


def test_a_single_frame_gets_one_chord():
    form = plan(0.04, [], arousal=0, style=PIANO)
    assert len(form) == 1 and form.end_s < 0.04


@pytest.mark.parametrize("duration_s", [0.0, -1.0, float("nan"), float("inf")])
def test_a_clip_without_length_is_refused_in_a_sentence(duration_s):
    with pytest.raises(OptionError, match="length must be above 0"):
        plan(duration_s, [], arousal=0, style=PIANO)


def test_an_hour_with_many_cuts_is_planned_and_its_steps_do_not_drift():
    rng = np.random.default_rng(1)
    cuts = [Cut(float(time_s), float(rng.uniform(3, 30))) for time_s in np.sort(rng.uniform(0, 3600, 900))]
    form = plan(3600.0, cuts, arousal=0.3, style=PIANO)
    assert 2400 < len(form) < 6000 and 3597 < form.end_s < 3599


def test_the_same_arguments_give_the_same_form():
    cuts = [Cut(7.0, 5.0), Cut(19.0, 8.0)]
    one, two = (plan(33.0, cuts, arousal=0.4, style=PIANO) for _ in range(2))
    assert one.beats_s.tolist() == two.beats_s.tolist() and one.sections == two.sections


@settings(max_examples=60, deadline=None)
@given(durations, cut_lists, st.floats(-1, 1), st.data())
def test_the_first_steps_of_a_form_are_a_form(duration_s, cuts, arousal, data):
    form = plan(duration_s, cuts, arousal=arousal, style=PIANO)
    steps = data.draw(st.integers(1, len(form)))
    first = form.first(steps)
    assert first.steps_s.tolist() == form.steps_s[:steps].tolist()
    assert first.end_s == form.step_ends_s[steps - 1] == first.sections[-1].end_s
    assert [s.start_s for s in first.sections][1:] == [s.start_s for s in form.sections if s.start_s < first.end_s][1:]
    if steps == len(form):
        assert first is form


def test_arousal_beyond_one_leads_a_little_out_of_the_styles_tempi():
    slow, fast = (plan(120.0, [], arousal=arousal, style=PIANO).sections[0].tempo for arousal in (-1.35, 1.35))
    assert 48 < slow < 62 and 118 < fast < 140
