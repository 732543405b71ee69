"""Texture: a pattern's density, and which one plays."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from video2music.arranging import texture
from video2music.arranging.grid import Grid
from video2music.composing.form import plan
from video2music.styles import load_style, parse
from video2music.values import Cut

HEAD = """
name = "two"
tempo = [60, 60]
cadence = ["bass", "tenor"]
[registers]
bass = [36, 50]
upper = [53, 74]
melody = [74, 88]
"""
PITCHES = {
    "bass": 40, "pulse": 40, "octave": 52, "tenor": 55, "alto": 60, "soprano": 64,
    "pad tenor": 55, "pad alto": 60, "pad soprano": 64,
}  # fmt: skip


def density(rows, *voices_of, transpose=0, moves=False):
    """Density of one pattern over chords of a second, played by instruments with these voices."""
    players = "".join(
        f'[[instruments]]\nname = "{number}"\nprogram = 0\nvoices = {list(voices)}\nrange = [0, 127]\n'
        f"transpose = {transpose * number}\n"
        for number, voices in enumerate(voices_of)
    )
    rows_text = "".join(f'"{voice}" = "{row}"\n' for voice, row in rows.items())
    kit = '[[instruments]]\nname = "kit"\nprogram = 0\ndrums = true\n'
    beat = '[[drums]]\nname = "b"\nenergy = 0.5\ngrid = 4\nhat = "xxxx xxxx xxxx xxxx"\n'
    text = (
        HEAD.replace("'", '"')
        + (players + kit).replace("'", '"')
        + f'[[patterns]]\nname = "f"\ngrid = 4\n{rows_text}'
        + beat
    )
    style = parse(text, where="here")
    grid = Grid.of(plan(20.0, (), arousal=0.0, style=style))
    grid = replace(grid, players=(tuple(i for i in style.instruments if not i.drums),))
    pitches = [{voice: pitch + (step % 2) * moves for voice, pitch in PITCHES.items()} for step in range(len(grid))]
    seconds = (grid.ends_s - grid.starts_s)[1]
    return float(texture.pattern_densities(grid, style, pitches)[0][1]), float(seconds)


@pytest.mark.parametrize(
    ("rows", "strikes", "sounding"),
    [
        ({"bass": "x---"}, 1, 1.0),
        ({"bass": "x-x-"}, 2, 1.0),
        ({"bass": "x..."}, 1, 0.25),
        ({"bass": "----"}, 0, 1.0),
        ({"bass": "x---", "tenor": ".x-x"}, 3, 1.75),
    ],
)
def test_density_is_onsets_in_a_second_and_what_sounds_on(rows, strikes, sounding):
    found, seconds = density(rows, ["bass", "tenor"])
    assert found == pytest.approx(strikes / seconds + sounding)


def test_a_held_note_counts_as_struck_where_the_harmony_moves():
    (stays, seconds), (moves, _) = density({"bass": "----"}, ["bass"]), density({"bass": "----"}, ["bass"], moves=True)
    assert moves - stays == pytest.approx(1 / seconds)


def test_instruments_in_unison_are_one_note_and_in_octaves_two():
    one, _ = density({"bass": "x---"}, ["bass"])
    assert density({"bass": "x---"}, ["bass"], ["bass"])[0] == one
    assert density({"bass": "x---"}, ["bass"], ["bass"], transpose=12)[0] == 2 * one


def test_a_pad_adds_to_the_voices_it_doubles_only_what_they_do_not_sound():
    alone, seconds = density({"tenor": "x-.."}, ["tenor", "pad"])
    both, _ = density({"tenor": "x-..", "pad tenor": "x---"}, ["tenor"], ["pad"])
    assert both - alone == pytest.approx(0.5)
    struck, _ = density({"tenor": "x-x-", "pad": "x---"}, ["tenor"], ["pad"])
    assert struck == pytest.approx(2 / seconds + 1 + 2 * (1 / seconds + 1)), (
        "the tenor's two, and alto and soprano of the pad"
    )


def test_drums_do_not_count():
    assert density({"bass": "...."}, ["bass"])[0] == 0


def test_rows_that_no_instrument_plays_do_not_count():
    style = load_style("pop")
    grid = Grid.of(plan(20.0, (), arousal=0.0, style=style))
    pitches = [PITCHES] * len(grid)
    assert texture.pattern_densities(grid, style, pitches).max() == 0
    heard = replace(grid, players=(style.instruments[:2],))
    assert (
        texture.pattern_densities(heard, style, pitches).min()
        >= 0
        < texture.pattern_densities(heard, style, pitches).max()
    )


def test_the_pattern_nearest_to_the_wanted_density_is_chosen_and_kept_for_bars():
    style = load_style("ambient")
    grid = Grid.of(plan(60.0, (), arousal=0.0, style=style))
    grid = replace(grid, players=(style.instruments,))
    pitches = [PITCHES] * len(grid)
    offered = texture.pattern_densities(grid, style, pitches).mean(1)
    for wanted in (3.0, 8.0, 15.0):
        chosen = texture.choose_patterns(grid, style, pitches, np.full(len(grid), wanted), np.random.default_rng(0))
        changes = sum(before is not after for before, after in pairwise(chosen))
        assert changes <= 2 * (grid.section[-1] + 1), "a pattern is kept, but for what a tie at the start is worth"
        error = abs(offered[style.patterns.index(chosen[0])] - wanted)
        assert error <= np.abs(offered - wanted).min() + texture.SECTION_PREFERENCE + 0.3


def test_after_a_short_bar_a_pattern_restarts_its_bars():
    style = load_style("corporate")
    cuts = [Cut(time_s, 20.0) for time_s in (9.1, 14.7, 21.3, 26.0, 33.9, 40.1, 47.7)]
    form = plan(60.0, cuts, arousal=0.0, style=style)
    grid = Grid.of(form)
    assert 2 in form.bar_beats[:-1]
    per_bar = max(np.bincount(grid.bar[grid.bar >= 0]))
    downbeats = np.flatnonzero(np.isin(form.steps_s, form.bars_s))
    assert (grid.phase[downbeats] % per_bar == 0).all()
    assert (np.diff(grid.phase[grid.section == 1]) >= 1).all()
    for number, section in enumerate(form.sections):
        assert grid.phase[(grid.section == number) & (grid.starts_s >= section.start_s - 1e-6)][0] == 0
