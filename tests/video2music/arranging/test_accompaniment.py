"""Learned accompaniment: its inputs, which onsets are allowed, the density, and when the style's patterns play."""

import logging
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion.errors import CheckpointError
from video2music.arranging import accompaniment
from video2music.arranging.accompaniment import HOLD, PER_BEAT, SILENCE, SLOTS, STRIKES, AccompanimentTask, Lattice
from video2music.arranging.grid import Grid
from video2music.arranging.texture import choose_patterns
from video2music.composing.form import plan
from video2music.styles import Pattern, load_style

PITCHES = ((29, 41, 53, 57, 60, 65), (33, 45, 57, 60, 64, 69), (36, 48, 60, 64, 67, 72), (31, 43, 55, 59, 62, 67))
FALLBACK = Pattern("plain", 4, MappingProxyType({"bass": "x---"}))


def task(*, bars=12, steps=(2, 2), wanted=8.0, beat_s=0.6, pitches=PITCHES, length=1.0) -> AccompanimentTask:
    """Bars of the same steps, given in beats; a chord a bar."""
    beats = np.tile(steps, bars)
    bar = np.repeat(np.arange(bars), len(steps))
    row = np.ones(len(beats))
    chords = np.array([pitches[number % len(pitches)] for number in bar])
    return AccompanimentTask(
        beats, bar, bar // 8, np.arange(len(beats)), beats * beat_s, wanted * row, chords, length * row
    )  # fmt: skip


def drawn(asked: AccompanimentTask, seed: int = 0) -> list[Pattern]:
    return accompaniment.load().patterns(asked, [FALLBACK] * len(asked.beats), np.random.default_rng(seed))


def signs(patterns: list[Pattern]) -> np.ndarray:
    """(P, 6) the signs of all positions."""
    return np.concatenate([np.array([list(pattern.rows[slot]) for slot in SLOTS]).T for pattern in patterns])


def struck(patterns: list[Pattern]) -> np.ndarray:
    return np.isin(signs(patterns), list(STRIKES))


def heard(patterns: list[Pattern], asked: AccompanimentTask) -> float:
    """Oracle: strikes and seconds of sound over the seconds there are; a hold sounds on where its pitch stays."""
    every = signs(patterns)
    sounding = (every != SILENCE) * np.repeat(asked.beat_s, asked.beats * PER_BEAT)[:, None] / PER_BEAT
    return float((struck(patterns).sum() + sounding.sum()) / asked.seconds.sum())


def test_the_history_has_the_same_place_in_the_bar_before():
    lattice = Lattice.of(np.array([4, 4, 2, 4]), np.array([0, 1, 2, 3]))
    assert len(lattice) == 14 * PER_BEAT and lattice.bar[[0, 15, 16, 39, 40]].tolist() == [0, 0, 1, 2, 3]
    before = lattice.history[:, accompaniment.PREVIOUS_BAR]
    assert (before[:16] == -1).all() and before[16:32].tolist() == list(range(16))
    assert before[32:40].tolist() == list(range(16, 24))  # of a bar of two beats, the first half of the bar before
    assert before[40:56].tolist() == [*range(32, 40), *range(32, 40)]  # the short bar, twice
    assert lattice.history[20, :3].tolist() == [19, 18, 17] and (lattice.history < np.arange(56)[:, None]).all()


@pytest.mark.parametrize(
    ("beats", "felt"), [(4, [0, 4, 8, 12]), (3, [0, 4, 12]), (2, [0, 4]), (6, [0, 4, 12, 8, 4, 12]), (1, [0])]
)
def test_beats_of_other_bars_have_the_metrical_weight_of_one_in_a_bar_of_four(beats, felt):
    assert Lattice.of(np.array([beats]), np.array([0])).place[::PER_BEAT].tolist() == felt


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from([(4,), (2, 2), (1, 1, 1, 1), (3,), (1, 1, 1), (2,), (6,), (5,), (7,)]),
    st.floats(3.0, 13.0),
    st.floats(0.4, 1.0),
    st.integers(0, 5),
)
def test_in_any_metre_and_tempo_patterns_fit_their_steps_and_keep_the_rules(steps, wanted, beat_s, seed):
    asked = task(steps=steps, wanted=wanted, beat_s=beat_s, bars=6)
    found = drawn(asked, seed)
    for pattern, beats, bar, before in zip(found, asked.beats, asked.bar, [-1, *asked.bar], strict=False):
        if not pattern.fitted:
            continue
        assert all(len(row) == beats * PER_BEAT for row in pattern.rows.values())
        if bar != before:
            assert pattern.rows["bass"][0] in STRIKES


def test_a_hold_follows_an_onset_and_ends_where_the_harmony_moves_its_voice():
    asked = task(steps=(2, 2), bars=16)
    every, lattice = signs(drawn(asked)), Lattice.of(asked.beats, asked.bar)
    for position in range(1, len(every)):
        held = every[position] == HOLD
        assert not (held & (every[position - 1] == SILENCE)).any()
        moved = asked.pitches[lattice.step[position]] != asked.pitches[lattice.step[position - 1]]
        assert not (held & moved).any()


def test_two_voices_on_one_key_have_no_onset_together():
    doubled = ((29, 41, 53, 53, 60, 65), (36, 48, 60, 60, 64, 67))
    together = struck(drawn(task(pitches=doubled, wanted=7.0, bars=24)))
    assert together[:, 2].any() and together[:, 3].any() and not (together[:, 2] & together[:, 3]).any()


def test_absent_voices_stay_silent():
    low = tuple((*row[:3], -1, -1, -1) for row in PITCHES)
    found = signs(drawn(task(pitches=low, wanted=4.0)))
    assert (found[:, 3:] == SILENCE).all() and np.isin(found[:, :3], list(STRIKES)).any()


@pytest.mark.parametrize("wanted", [4.0, 7.0, 10.0, 13.0])
@pytest.mark.parametrize("length", [1.0, 0.6])
def test_the_density_that_is_asked_for_is_met(wanted, length):
    asked = task(bars=32, wanted=wanted)
    assert heard(drawn(asked), asked) == pytest.approx(wanted, rel=0.1)
    detached = replace(asked, length=asked.length * length)
    found = drawn(detached)
    if length < 1:
        assert struck(found).sum() >= struck(drawn(asked)).sum()


def test_densities_outside_the_learned_range_get_the_styles_patterns():
    assert drawn(task(wanted=30.0)) == drawn(task(wanted=1.0)) == [FALLBACK] * 24
    jump = task(bars=16, wanted=7.0)
    jump.wanted[16:] = 40.0
    found = drawn(jump)
    assert all(pattern.fitted for pattern in found[:16]) and found[16:] == [FALLBACK] * 16


def test_one_seed_gives_one_result_and_another_seed_another():
    asked = task()
    assert drawn(asked, 3) == drawn(asked, 3) != drawn(asked, 4)


def test_neighbouring_bars_share_about_as_many_onsets_as_those_of_pianists():
    """POP909's pianists strike .71 of the positions of two neighbouring bars in both, with an sd of .25."""
    shared = []
    for seed in range(6):
        bars = struck(drawn(task(bars=16, wanted=7.5), seed)).any(1).reshape(16, -1)
        shared += [(one & two).sum() / (one | two).sum() for one, two in pairwise(bars)]
    assert 0.6 < np.mean(shared) < 0.95


def test_a_form_of_the_product_gets_patterns_of_six_voices_at_most():
    style = load_style("piano")
    form = plan(60.0, [], arousal=0.2, style=style)
    grid = replace(Grid.of(form), players=(style.instruments,))
    held = [dict(zip(SLOTS, PITCHES[bar % 4], strict=True)) for bar in grid.bar]
    found = choose_patterns(grid, style, held, np.full(len(grid), 9.0), np.random.default_rng(0))
    assert len(found) == len(grid) and any(pattern.fitted for pattern in found)
    assert struck([pattern for pattern in found if pattern.fitted]).sum(1).max() <= 6


def test_without_weights_the_styles_patterns_play_with_a_warning(monkeypatch, caplog):
    def missing():
        raise CheckpointError("no accompaniment weights at nowhere")

    monkeypatch.setattr(accompaniment, "load", missing)
    style = load_style("piano")
    grid = replace(Grid.of(plan(20.0, [], arousal=0, style=style)), players=(style.instruments,))
    held = [dict(zip(SLOTS, PITCHES[0], strict=True))] * len(grid)
    with caplog.at_level(logging.WARNING):
        found = choose_patterns(grid, style, held, np.full(len(grid), 8.0), np.random.default_rng(0))
    assert all(pattern in style.patterns for pattern in found)
    assert "no accompaniment weights" in caplog.text


def test_a_style_of_patterns_has_no_drawn_pattern():
    style = replace(load_style("piano"), accompaniment="patterns")
    grid = replace(Grid.of(plan(20.0, [], arousal=0, style=style)), players=(style.instruments,))
    held = [dict(zip(SLOTS, PITCHES[0], strict=True))] * len(grid)
    found = choose_patterns(grid, style, held, np.full(len(grid), 8.0), np.random.default_rng(0))
    assert all(pattern in style.patterns for pattern in found)


def test_the_weights_are_small_and_know_their_kind():
    model = accompaniment.load()
    assert model.section_features.shape[1] == len(accompaniment.SECTION_FEATURES)
    assert sum(path.stat().st_size for path in accompaniment.WEIGHTS.iterdir()) < 2**20


def test_patterns_are_the_same_in_every_key():
    """The networks' inputs have when the harmony changes, not which harmony it is."""
    asked = task()
    up = replace(asked, pitches=asked.pitches + 3)
    assert drawn(asked) == drawn(up)


@settings(max_examples=30, deadline=None)
@given(st.integers(28, 40), st.lists(st.integers(53, 74), min_size=3, max_size=3, unique=True), st.integers(0, 63))
def test_onsets_together_are_within_reach_of_two_hands(low, upper, mask):
    pitches = (low, low + 12, low + 24, *sorted(upper))
    chosen = sorted(pitch for slot, pitch in enumerate(pitches) if mask >> slot & 1)
    splits = ((chosen[:place], chosen[place:]) for place in range(len(chosen) + 1))
    reached = any(all(not hand or hand[-1] - hand[0] <= accompaniment.HAND_SPAN for hand in hands) for hands in splits)
    rubs = any(high - low < 2 for low, high in pairwise(chosen))
    assert bool(accompaniment._reachable_masks(pitches)[mask]) == (reached and not rubs)
