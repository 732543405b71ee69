"""The estimate of harmonic rhythm against Bayes' rule in plain loops, and on songs whose bars are known."""

import math
from functools import cache

import pytest
import torch

from video2music.model import copying
from video2music.model.copying import PERIODS, PHASES, PRIOR, RHYTHM_MODELS, HarmonicRhythm

CPU = torch.device("cpu")
SHORT = [False, True, False, True, False, False, True, True, False, True, False, False]


def hypotheses():
    """(period, phase) of each, as the constants say."""
    shortest, longest, count = PERIODS
    periods = [shortest * (longest / shortest) ** (i / (count - 1)) for i in range(count)]
    return [(period, (j + 0.5) / PHASES) for period in periods for j in range(PHASES)]


def has_line(period, phase, second):
    """Whether the grid has a line after `second` and up to the next."""
    return math.floor((second + 1) / period - phase) != math.floor(second / period - phase)


@cache
def lines(second):
    """Which hypotheses have a line after `second` and up to the next."""
    return [has_line(period, phase, second) for period, phase in hypotheses()]


def by_bayes(changed, on, off, keep):
    """Log odds after each entry of one song, one hypothesis at a time."""
    found = []
    weights = [0.0] * len(hypotheses())
    for i, moved in enumerate(changed):
        if i == 0:
            found.append(math.log(PRIOR / (1 - PRIOR)))
            continue
        for h, line in enumerate(lines(i - 2) if i >= 2 else ()):  # entry i: from second i - 2 to second i - 1
            chance = on if line else off
            weights[h] = keep * weights[h] + math.log(chance if moved else 1 - chance)
        likeliest = max(weights)
        shares = [math.exp(value - likeliest) for value in weights]
        due = sum(weight for weight, line in zip(shares, lines(i - 1), strict=True) if line)
        chance = min(max(off + (on - off) * due / sum(shares), 0.02), 0.98)
        found.append(math.log(chance / (1 - chance)))
    return found


def changes(period, seconds, phase=0.3):
    """What a song that changes its chord every `period` seconds shows once a second, its inputs from the start on."""
    bars = [math.floor(second / period + phase) for second in range(seconds)]
    return [False, True, *(bars[i] != bars[i - 1] for i in range(1, seconds))]


def odds_of(*songs):
    return HarmonicRhythm(len(songs), CPU).extend(torch.tensor(songs))


@pytest.mark.parametrize("model", range(len(RHYTHM_MODELS)))
def test_the_odds_are_those_of_bayes_rule_hypothesis_by_hypothesis(model):
    found = odds_of(changes(2.6, 11), SHORT)[:, :, model]
    assert found[0].tolist() == pytest.approx(by_bayes(changes(2.6, 11), *RHYTHM_MODELS[model]), abs=2e-3)
    assert found[1].tolist() == pytest.approx(by_bayes(SHORT, *RHYTHM_MODELS[model]), abs=2e-3)


@pytest.mark.parametrize("period", [1.7, 2.6, 3.3, 4.2])
def test_after_forty_seconds_of_bars_the_odds_rise_just_before_the_changes(period):
    changed = changes(period, 120)
    odds, comes = odds_of(changed)[0, 40:-1], torch.tensor(changed[41:])
    assert ((odds[comes].mean(0) - odds[~comes].mean(0)) > 0.6).all()
    strict = odds[:, 1]  # the model in which evidence counts most
    assert ((strict > 0) == comes).float().mean() > 0.8


def test_the_first_two_entries_are_no_news():
    songs = [[first, second, *SHORT[2:]] for first in (False, True) for second in (False, True)]
    odds = odds_of(*songs)
    for other in odds[1:]:
        assert torch.equal(other, odds[0])


def test_growing_step_by_step_gives_what_all_at_once_gives():
    songs = torch.tensor([changes(2.6, 40), changes(3.7, 40)])
    growing = HarmonicRhythm(2, CPU)
    parts = [growing.extend(songs[:, :9]), *(growing.extend(songs[:, i : i + 1]) for i in range(9, songs.shape[1]))]
    assert torch.equal(torch.cat(parts, dim=1), odds_of(*songs.tolist()))


def test_a_song_is_not_disturbed_by_the_others_of_its_batch():
    one, other = changes(2.6, 40), changes(1.9, 40)
    torch.testing.assert_close(odds_of(one, other)[1], odds_of(other)[0])


def test_evidence_fades_so_that_a_new_metre_is_learnt():
    changed = changes(4.2, 60) + changes(2.6, 120)[2:]
    odds, comes = odds_of(changed)[0, 120:-1], torch.tensor(changed[121:])
    assert ((odds[comes].mean(0) - odds[~comes].mean(0)) > 0.5).all()


def test_no_chance_is_ever_certain():
    odds = odds_of([False] * 280, [True] * 280)
    assert odds.abs().max() <= math.log(0.98 / 0.02) + 1e-4
    assert (odds[0, -1] < odds[0, 0]).all() and (odds[1, -1] > 1).all()


def test_the_grid_covers_the_longest_song():
    lines = copying.grid_lines(CPU)
    grid = hypotheses()
    assert lines.shape == (300, len(grid))
    for h in (0, 5, 700, 1500, len(grid) - 1):
        period, phase = grid[h]
        assert lines[:200, h].tolist() == [has_line(period, phase, second) for second in range(200)]
