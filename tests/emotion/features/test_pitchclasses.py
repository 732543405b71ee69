"""Pitch classes of frequencies: notes lie in their own class, wherever they are and however they are tuned."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.features import harmony

WINDOW, RATE = 4096, 24_000

# What librosa 0.11 gives, of a window of 2048: at 0 Hz, at 445 Hz and near the top.
THEIRS = {
    0: (1.68111, 1.66938, 1.63738, 1.5863, 1.51795, 1.43473, 1.35286, 1.44671, 1.52808, 1.59423, 1.64284, 1.67215),
    38: (0, 0, 0, 0, 0, 0, 0.000396481, 6.03887, 1684.66, 8607.74, 805.544, 1.38074),
    1000: (0, 0, 0, 0.0062225, 20.2599, 1208.18, 1319.61, 26.3988, 0.00967, 0, 0, 0),
}  # in ten-thousandths


def bank(classes: int = 12, tuning: float = 0.0, norm: int = 1, wide: float = 1.5) -> np.ndarray:
    return harmony.filters(WINDOW, RATE, classes=classes, tuning=tuning, middle=4.0, wide=wide, norm=norm)


@given(st.integers(69, 108), st.sampled_from([12, 36]), st.floats(-0.5, 0.5))
def test_a_note_belongs_to_its_class(midi, classes, tuning):
    hertz = 440 * 2 ** ((midi - 69) / 12 + tuning / classes)
    column = bank(classes, tuning)[:, round(hertz * WINDOW / RATE)]
    assert column.argmax() == midi % 12 * classes // 12


@pytest.mark.parametrize("norm", [1, 2])
def test_classes_of_a_bin_have_the_norm_and_octaves_their_weight(norm):
    hertz = np.arange(WINDOW // 2 + 1) * RATE / WINDOW
    sizes = (bank(norm=norm) ** norm).sum(0) ** (1 / norm)
    for number in (1, 75, 76, 1250):
        octave = np.log2(hertz[number] / 27.5)
        assert sizes[number] == pytest.approx(np.exp(-((octave - 4) ** 2) / (2 * 1.5**2)))


def test_a_bump_is_a_bell_of_half_a_class():
    """Bins of a high octave lie close: what they give falls as exp(-2 d^2) with d classes from the pitch."""
    hertz = np.arange(WINDOW // 2 + 1) * RATE / WINDOW
    column = bank(wide=1e9)[:, 1500]
    place = (12 * np.log2(hertz[1500] / 440) + 9) % 12  # from C on
    apart = np.minimum(abs(np.arange(12) - place), 12 - abs(np.arange(12) - place))
    np.testing.assert_allclose(column, np.exp(-2 * apart**2) / np.exp(-2 * apart**2).sum(), rtol=1e-6)


def test_bins_are_those_of_librosa():
    found = harmony.filters(2048, RATE, classes=12, tuning=0.3, middle=5.0, wide=2.0, norm=2)
    for number, theirs in THEIRS.items():
        np.testing.assert_allclose(1e4 * found[:, number], theirs, rtol=1e-4, atol=1e-4)
