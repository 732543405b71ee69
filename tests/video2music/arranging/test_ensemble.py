"""The ensemble: energy that means the same in every piece, and instruments that come and go by it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from video2music.arranging.grid import Grid, active_instruments, part_energies, parts_of, players_by_part, step_energies
from video2music.composing.form import plan
from video2music.styles import load_style, names
from video2music.values import Cut, Dynamics

PIANO = load_style("piano")
POP = load_style("pop")


def rows(density, loudness, steps=40):
    spread = [np.interp(np.linspace(0, 1, steps), np.linspace(0, 1, len(row)), row) for row in (density, loudness)]
    return Dynamics(*(row.astype(np.float32) for row in spread))


def test_the_median_of_muvi_sync_is_half_the_energy_and_its_quartiles_a_quarter_more_or_less():
    energy = [float(step_energies(rows([d], [v]))[0]) for d, v in ((6, 0.098), (10, 0.164), (14, 0.246))]
    assert energy == pytest.approx([0.25, 0.5, 0.75], abs=1e-3)


@given(st.floats(0, 40), st.floats(0, 0.6), st.floats(0, 10), st.floats(0, 0.2))
def test_more_notes_or_more_loudness_is_never_less_energy(density, loudness, more, louder):
    low, high = (
        float(step_energies(rows([d], [v]))[0]) for d, v in ((density, loudness), (density + more, loudness + louder))
    )
    assert 0 <= low <= high + 1e-6 <= 1 + 1e-6


def test_a_piece_that_is_denser_throughout_has_more_energy_in_each_part():
    part = np.repeat([0, 1, 2, 3], 10)
    calm, wild = (
        part_energies(rows(density, loudness), part)
        for density, loudness in (([4, 5], [0.08, 0.1]), ([15, 17], [0.25, 0.3]))
    )
    assert (calm < wild).all() and calm.max() < 0.4 and wild[1:].min() > 0.6


def test_within_a_piece_parts_differ_by_more_than_their_rows_do_and_the_opening_is_held_back():
    part = np.repeat([0, 1, 2, 3], 10)
    dynamics = rows([9, 9, 12, 12], [0.15, 0.15, 0.2, 0.2])
    energy = part_energies(dynamics, part)
    plain = [step_energies(dynamics)[part == number].mean() for number in range(4)]
    assert energy[3] - energy[1] > 1.5 * (plain[3] - plain[1])
    assert energy[0] < plain[0] - 0.1
    steady = part_energies(rows([10], [0.164]), part)
    assert steady[1:] == pytest.approx([0.5] * 3, abs=1e-3) and steady[0] < 0.4
    assert part_energies(rows([10], [0.164]), part * 0) == pytest.approx([0.5], abs=1e-3), "one part has no opening"


@given(st.floats(1, 200), st.lists(st.builds(Cut, st.floats(0, 200), st.floats(1, 30)), max_size=6))
def test_parts_follow_each_other_never_cross_a_section_and_are_of_about_eight_bars(duration_s, cuts):
    grid = Grid.of(plan(duration_s, cuts, arousal=0.3, style=PIANO))
    part = parts_of(grid)
    assert part[0] == 0 and set(np.diff(part).tolist()) <= {0, 1}
    for number in range(part[-1] + 1):
        assert len(set(grid.section[part == number].tolist())) == 1
        assert len(set(grid.bar[part == number].tolist())) <= 13


def band(style, energy, count=5):
    there = active_instruments(style, np.arange(count), np.full(count, energy))
    return [{i.name for i, row in zip(style.instruments, there, strict=True) if row[number]} for number in range(count)]


def test_instruments_enter_with_energy_and_those_that_enter_late_are_not_in_the_first_part():
    style = load_style("corporate")
    assert band(style, 0.1)[1] < band(style, 0.42)[1] < band(style, 0.9)[1] == {i.name for i in style.instruments}
    assert band(style, 0.9)[0] == {i.name for i in style.instruments if i.enters == 1}
    assert band(style, 0.9, count=1) == [{i.name for i in style.instruments}], "a piece of one part waits for nobody"


def test_until_energy_and_leaves_send_an_instrument_away():
    shy = replace(
        POP, instruments=(*POP.instruments, replace(POP.instruments[0], name="shy", until_energy=0.3, leaves=2))
    )
    assert ["shy" in there for there in band(shy, 0.2)] == [True, True, True, False, False]
    assert not any("shy" in there for there in band(shy, 0.5))
    assert ["shy" in there for there in band(shy, 0.2, count=2)] == [True, True], "too short a piece to leave"


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("energy", [0.0, 0.2, 0.5, 1.0])
def test_some_instrument_always_plays_the_chords(name, energy):
    style = load_style(name)
    kits = {i.name for i in style.instruments if i.drums}
    assert all(there - kits for there in band(style, energy))


def test_where_only_drums_would_play_the_others_do():
    loud = tuple(replace(i, from_energy=0.0 if i.drums else 0.9) for i in POP.instruments)
    assert band(replace(POP, instruments=loud), 0.4)[2] == {i.name for i in POP.instruments}


def test_players_by_part_are_the_active_instruments_without_the_drums():
    part = np.array([0, 0, 1, 1])
    there = active_instruments(POP, part, np.array([0.1, 0.9]))
    quiet, full = players_by_part(POP, part, there)
    assert {i.name for i in quiet} < {i.name for i in full} == {i.name for i in POP.instruments if not i.drums}
