"""Descriptors of pieces whose music is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion.features import descriptors
from emotion.midi.notes import Notes
from tests.emotion.midi.test_tokens import played

MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)


def scale(steps: tuple[int, ...], *, tonic: int = 60, velocity: int = 64, gap_s: float = 0.5) -> Notes:
    """Up and down a scale over held tonic triads."""
    degrees = [*range(7), *range(6, -1, -1)] * 2
    line = [(at * gap_s, (at + 0.9) * gap_s, tonic + steps[step], velocity) for at, step in enumerate(degrees)]
    triad = [
        (at * 4 * gap_s, (at * 4 + 3.8) * gap_s, tonic - 12 + steps[step], velocity)
        for at in range(7)
        for step in (0, 2, 4)
    ]
    return played(*sorted(line + triad))


def named(notes: Notes) -> dict[str, float]:
    return dict(zip(descriptors.NAMES, descriptors.describe(notes).tolist(), strict=True))


def test_every_measure_has_a_name_and_no_name_twice() -> None:
    assert len(set(descriptors.NAMES)) == len(descriptors.NAMES) == len(descriptors.describe(scale(MAJOR)))


@pytest.mark.parametrize("tonic", [55, 60, 66])
def test_mode_is_heard_in_every_key(tonic: int) -> None:
    major, minor = named(scale(MAJOR, tonic=tonic)), named(scale(MINOR, tonic=tonic))
    for name in ("major - minor of the tonic", "major - minor likeness", "third"):
        assert major[name] > 0 > minor[name]


@settings(max_examples=12, deadline=None)
@given(st.integers(-9, 9))
def test_only_the_register_knows_a_transposition(semitones: int) -> None:
    one, other = named(scale(MINOR)), named(scale(MINOR, tonic=60 + semitones))
    moved = {name for name in one if abs(one[name] - other[name]) > 1e-4}
    moved -= {"changes of triad", "major of clear"}  # of two triads that are equally like, the first by name is taken
    assert all(name.split()[0] in {"pitch", "top", "bass", "octave"} for name in moved)
    assert other["pitch mean"] - one["pitch mean"] == pytest.approx(semitones, abs=1e-4)


def test_density_velocity_and_length_are_what_they_say() -> None:
    slow, fast = named(scale(MAJOR, gap_s=0.5)), named(scale(MAJOR, gap_s=0.25, velocity=100))
    assert fast["log notes a second"] - slow["log notes a second"] == pytest.approx(np.log(2), abs=0.05)
    assert (slow["velocity mean"], fast["velocity mean"]) == (64, 100)
    assert slow["log length median"] - fast["log length median"] == pytest.approx(np.log(2), abs=1e-4)


def test_the_key_is_the_best_of_all_correlations() -> None:
    weights = np.zeros(12)
    weights[[2, 4, 6, 7, 9, 11, 1]] = (5, 2, 4, 2, 4, 2, 1)  # D major
    tonic, major, _ = descriptors.key_correlations(weights)
    by_hand = [np.corrcoef(np.roll(weights, -key), descriptors.MAJOR_PROFILE)[0, 1] for key in range(12)]
    assert tonic == 2
    np.testing.assert_allclose(major, by_hand, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 60), st.floats(0.001, 20), st.integers(0, 127), st.integers(1, 127)), max_size=12),
    st.booleans(),
)
def test_whatever_is_played_gives_finite_numbers(rows: list[tuple[float, float, int, int]], drums: bool) -> None:
    notes = sorted((start, start + length, pitch, velocity) for start, length, pitch, velocity in rows)
    piece = played(*notes, drums=drums) if notes else played((0.0, 1.0, 60, 60)).within(5, 6)
    assert np.isfinite(descriptors.describe(piece)).all()
