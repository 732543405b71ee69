"""Nearness: features of bars that can be counted by hand, a distance that can be written down, halves that stay."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion.errors import DataError
from tests.video2music.pop909_files import BEAT_S, write_songs
from video2music.data import pop909
from video2music.evaluate.music import frechet_distance as pop909_distance
from video2music.evaluate.music.frechet_distance import FEATURES, ScoreNotes, features
from video2music.evaluate.music.frechet_distance import frechet_distance as distance
from video2music.styles import load_style
from video2music.values import Note

BEATS_S = np.arange(9.0)  # two bars at a beat a second


def bars_of(*notes: tuple[float, float, int, int]) -> list[dict[str, float]]:
    found = features(ScoreNotes.of(Note(*note) for note in notes), BEATS_S, np.array([0, 4]))
    return [dict(zip(FEATURES, row, strict=True)) for row in found.tolist()]


def test_the_numbers_of_two_bars_are_those_that_one_counts():
    first, second = bars_of(
        (0.0, 4.0, 48, 80), (0.0, 1.0, 60, 60), (1.5, 2.0, 64, 70), (2.0, 3.0, 67, 70),
        (4.0, 5.0, 50, 90), (5.25, 5.5, 62, 90), (6.02, 7.02, 62, 90),
    )  # fmt: skip
    assert first == pytest.approx({
        "notes": 4, "positions struck, of 16": 3, "notes per struck position": 4 / 3, "lowest pitch": 48,
        "highest pitch": 67, "mean pitch": 59.75, "sd of pitch": np.std([48, 60, 64, 67]),
        "mean length in beats": 6.5 / 4, "sd of length": np.std([4, 1, 0.5, 1]), "mean velocity": 70,
        "sd of velocity": np.std([80, 60, 70, 70]),
        "struck positions shared with the bar before, of those of either": 0,
        "mean distance from the grid of sixteenths, in sixteenths": 0, "notes on the downbeat": 2,
        "notes on the third beat": 1, "notes on the second and fourth beat": 0, "notes on the off eighths": 1,
        "notes on odd sixteenths": 0, "pitch classes": 3,
    })  # fmt: skip
    assert second["struck positions shared with the bar before, of those of either"] == 2 / 4  # 0 and 8 of 0 5 6 8
    assert second["notes on odd sixteenths"] == 1 and second["sd of velocity"] == 0
    assert second["mean distance from the grid of sixteenths, in sixteenths"] == pytest.approx(0.08 / 3)


def test_a_note_a_little_early_belongs_to_the_bar_that_it_leads_into():
    first, second = bars_of((0.0, 1.0, 60, 80), (3.95, 5.0, 60, 80))
    assert first["notes"] == second["notes on the downbeat"] == 1


def test_bars_without_a_note_are_left_out():
    assert len(bars_of((4.0, 5.0, 60, 80))) == 1


@settings(max_examples=40, deadline=None)
@given(st.floats(-20, 20), st.floats(0.5, 2.0))
def test_features_move_with_tempo_and_key_as_they_should(later_s, slower):
    notes = [(0.0, 1.0, 50, 70), (0.75, 2.0, 62, 90), (2.5, 3.0, 66, 80), (5.0, 6.0, 59, 64)]
    plain = ScoreNotes.of(Note(*note) for note in notes)
    moved = ScoreNotes(
        plain.start_s * slower + later_s, plain.end_s * slower + later_s, plain.pitch + 3, plain.velocity
    )
    bars = np.array([0, 4])
    difference = features(moved, BEATS_S * slower + later_s, bars) - features(plain, BEATS_S, bars)
    up = np.array([3.0 if name in ("lowest pitch", "highest pitch", "mean pitch") else 0.0 for name in FEATURES])
    assert np.allclose(difference, up, atol=1e-6)


def test_the_distance_between_gaussians_on_an_axis_is_the_known_formula():
    rng = np.random.default_rng(0)
    one, other = rng.normal(0, 1, (20000, 2)), rng.normal((3, 0), (2, 1), (20000, 2))
    assert distance(one, other) == pytest.approx(9 + (2 - 1) ** 2, abs=0.2)


def test_a_distance_is_nothing_to_oneself_and_the_same_both_ways():
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(300, 19)), rng.normal(0.2, 1.1, (400, 19))
    assert distance(one, one) == pytest.approx(0, abs=1e-6)
    assert distance(one, other) == pytest.approx(distance(other, one)) and distance(one, other) > 0.5


def test_the_distance_is_scipys_matrix_root_written_out():
    from scipy.linalg import sqrtm

    rng = np.random.default_rng(2)
    one, other = rng.normal(size=(50, 5)), rng.normal(1, 2, (60, 5))
    a, b = np.cov(one.T), np.cov(other.T)
    away = one.mean(0) - other.mean(0)
    assert distance(one, other) == pytest.approx(away @ away + np.trace(a + b - 2 * np.real(sqrtm(a @ b))))


def test_halves_are_about_even_and_never_change():
    names = [f"{number:03d}" for number in range(1, 910)]
    measured = [name for name in names if pop909_distance.is_measured(name)]
    assert len(measured) == 451 and measured[:6] == ["002", "005", "006", "007", "008", "009"]


def test_a_form_has_the_songs_beats_and_steps_of_about_a_second(tmp_path):
    song = pop909.load(write_songs(tmp_path, ["001"]), "001")
    form = pop909_distance.form_of(song)
    assert np.allclose(np.diff(form.steps_s[:-1]), 2 * BEAT_S) and form.end_s == song.beats_s[92]
    assert form.bars_s.tolist() == song.beats_s[:92:4].tolist() and form.steps_s[-1] == form.bars_s[-1]


def test_our_arranger_gets_nothing_of_the_song_but_its_chords(tmp_path):
    folder = write_songs(tmp_path, ["001", "003"])
    style = load_style("piano")
    one, other = (
        pop909_distance.arranged(pop909.load(folder, name), style, np.random.default_rng(5)) for name in ("001", "003")
    )
    assert one == other  # the same chords and beats under other pianists


def test_a_table_has_a_row_for_each_player(tmp_path):
    names = [f"{number:03d}" for number in range(1, 9)]
    found = pop909_distance.distance_rows(write_songs(tmp_path, names), songs=8)
    assert list(found) == ["human, the other half", "ours, piano", "arpeggio in eighths", "block chord every second"]
    values = [row["distance"] for row in found.values()]
    assert np.isfinite(values).all() and values[0] == min(values)


def test_too_few_songs_are_refused(tmp_path):
    with pytest.raises(DataError, match="a few of either half"):
        pop909_distance.distance_rows(write_songs(tmp_path, ["001", "003"]))


@pytest.mark.slow
def test_the_piano_is_nearer_to_people_than_to_plain_accompaniments(shared):
    found = {name: row["distance"] for name, row in pop909_distance.distance_rows(shared / "data" / "pop909").items()}
    assert found["human, the other half"] < 1 < found["ours, piano"] <= 6
    assert found["arpeggio in eighths"] > 20 < found["block chord every second"]
