"""Drums: bars as the form has them, fills at the ends of phrases, nothing in a pickup nor after the end."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from video2music.arranging import drums, grid
from video2music.arranging.grid import Grid
from video2music.composing.form import plan
from video2music.styles import load_style, names
from video2music.values import Cut, Form, Section

POP = load_style("pop")
BEATEN = [name for name in names() if load_style(name).drums]
KICK, SNARE, CRASH = 36, 38, 49


def form_of(bars, beat_s=0.5, sections=((0, None),)):
    """A form of bars with these numbers of beats, a chord a beat; sections start with the bars of these numbers."""
    beats = np.arange(sum(bars)) * beat_s
    starts = np.cumsum([0, *bars])[:-1] * beat_s
    end_s = sum(bars) * beat_s
    heads = [float(starts[number]) for number, _ in sections]
    parts = tuple(Section(a, b, 60 / beat_s) for a, b in zip(heads, [*heads[1:], end_s], strict=True))
    last = starts[-1]
    return Form(end_s + 1, end_s, beats, starts, np.append(beats[beats < last], last), parts)


def struck(form, energy=0.55, style=POP, seed=0, plays=None):
    part = grid.parts_of(Grid.of(form))
    plays = np.ones(len(form), bool) if plays is None else plays
    energies = np.full(int(part[-1]) + 1, energy) if np.ndim(energy) == 0 else np.asarray(energy)
    return drums.drum_events(form, style, part=part, energy=energies, plays=plays, rng=np.random.default_rng(seed))


def times(strikes, row):
    return sorted(round(strike.start_s, 6) for strike in strikes if strike.voice == row)


def only(style, *names):
    return replace(style, drums=tuple(pattern for pattern in style.drums if pattern.name in names))


def test_a_beat_is_laid_on_the_forms_beats_bar_by_bar():
    strikes = struck(form_of([4, 4, 4]), style=only(POP, "backbeat"))
    assert times(strikes, "snare") == [0.5, 1.5, 2.5, 3.5], "two and four of both bars, none in the last"
    assert times(strikes, "kick")[:2] == [0.0, 1.0] and all(
        strike.pitch == KICK for strike in strikes if strike.voice == "kick"
    )


def test_a_bar_of_two_beats_among_bars_of_four_plays_the_first_half_and_the_next_begins_anew():
    strikes = struck(form_of([4, 2, 4, 4]), style=only(POP, "stomp"))
    assert times(strikes, "kick") == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert times(strikes, "clap") == [0.5, 1.5, 2.5, 3.5, 4.5]


@pytest.mark.parametrize(("beats", "snares"), [(3, [1]), (5, [1, 3]), (6, [1, 3, 5]), (7, [1, 3, 5])])
def test_other_metres_cut_or_repeat_the_pattern(beats, snares):
    strikes = struck(form_of([beats, beats], beat_s=1.0), style=only(POP, "dance"))
    accented = [strike.start_s for strike in strikes if strike.voice == "snare" and strike.sign == "X"]
    assert accented == snares


def test_a_part_ends_with_a_fill_against_the_bar_line_and_the_next_opens_with_a_crash():
    form = form_of([4] * 9, sections=((0, None), (4, None)))
    strikes = struck(form, energy=0.7, style=only(POP, "dance", "toms", "crash"))
    fill = [strike for strike in strikes if strike.voice == "floor_tom"]
    assert {int(strike.start_s // 2) for strike in fill} >= {3}, "in the last bar before the second section"
    assert max(strike.start_s for strike in fill if strike.start_s < 8) == pytest.approx(8 - 0.125)
    assert not [s for s in strikes if s.voice == "kick" and 6.5 <= s.start_s < 8], "the beat makes way"
    assert times(strikes, "crash") == [0.0, 8.0]


def test_a_soft_part_has_neither_fill_nor_crash():
    strikes = struck(form_of([4] * 9, sections=((0, None), (4, None))), energy=0.3)
    assert strikes and not {strike.voice for strike in strikes} & {"crash", "floor_tom", "snare"}


def test_more_energy_chooses_a_busier_beat():
    counts = [len(struck(form_of([4] * 8), energy=energy)) for energy in (0.25, 0.55, 0.9)]
    assert counts == sorted(counts) and counts[0] < counts[1] < counts[2]


def test_steps_in_which_the_drums_do_not_play_have_none():
    form = form_of([4] * 6)
    plays = form.steps_s >= 6.0
    strikes = struck(form, energy=0.3, plays=plays)
    assert strikes and min(strike.start_s for strike in strikes) >= 6.0


def test_the_last_downbeat_is_struck_with_energy_and_left_alone_without():
    form = form_of([4] * 4)
    final = [s for s in struck(form, energy=0.8) if s.start_s >= form.bars_s[-1]]
    assert {s.pitch for s in final} == {KICK, CRASH} and {s.start_s for s in final} == {float(form.bars_s[-1])}
    assert not [s for s in struck(form, energy=0.3) if s.start_s >= form.bars_s[-1]]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(BEATEN),
    st.integers(2, 7),
    st.floats(1, 60),
    st.lists(st.builds(Cut, st.floats(0, 60), st.floats(1, 30)), max_size=4),
    st.floats(0, 1),
)
def test_every_stroke_is_on_the_grid_of_its_beat_and_before_or_on_the_last_downbeat(
    name, beats, duration_s, cuts, energy
):
    style = replace(load_style(name), beats_per_bar=beats)
    form = plan(duration_s, cuts, arousal=0.0, style=style)
    edges = np.append(form.beats_s, form.end_s)
    for strike in struck(form, energy=energy, style=style):
        assert form.bars_s[0] - 1e-6 <= strike.start_s <= form.steps_s[-1] + 1e-6 and strike.end_s > strike.start_s
        beat = int(np.searchsorted(edges, strike.start_s + 1e-6)) - 1
        place = 4 * (strike.start_s - edges[beat]) / (edges[beat + 1] - edges[beat])
        assert abs(place - round(place)) < 1e-3
