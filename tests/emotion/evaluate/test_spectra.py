"""The numbers of a frame: against sums written out, and against signals whose numbers are known."""

import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from emotion.evaluate import classical
from emotion.features.sound import SAMPLE_RATE
from tests.emotion.waves import sine, slaney_filters

BIN_HZ = SAMPLE_RATE / classical.WINDOW

# What librosa 0.11 gives for `piece`: the mean of each row over the frames.
THEIRS = (
    -493.568, 163.228, 97.4454, 24.1068, -26.1823, -49.5577, -42.0209, -27.6253, -16.5204, -21.1836, -29.3047, -36.4137,
    -32.8031, -25.1919, -14.4181, -11.7239, -14.3381, -21.8632, -24.385, -22.9632, 29.9674, 25.2468, 31.7342, 51.488,
    17.5285, 24.6153, 38.7786, 0.277531, 0.53877, 0.615207, 0.266194, 0.494131, 0.169853, 0.216907, 0.377546, 0.319933,
    0.418083, 0.254782, 0.489001, 1.29858, -1.24315, 1175.99, 1972.57, 2672.69, 0.000269341, 0.0780315, 6.93016,
)  # fmt: skip


def piece() -> np.ndarray:
    """Four seconds of two chords, struck twice a second, over a tone that climbs and folds back."""
    times_s = np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
    chords = np.array([(220, 277.18, 329.63), (196, 246.94, 293.66)])[(times_s // 2).astype(int)].T
    notes = sum(np.sin(2 * np.pi * hertz * times_s * k) / k for hertz in chords for k in (1, 2, 3))
    return (0.1 * notes * np.exp(-4 * (times_s % 0.5)) + 0.01 * np.sin(1e4 * times_s**2)).astype(np.float32)


def noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, count).astype(np.float32)


def lines(*bins: int, height: float = 1.0) -> np.ndarray:
    """Magnitudes (1025, 1) of nothing but these bins."""
    found = np.zeros((1025, 1), np.float32)
    found[list(bins)] = height
    return found


def row(samples: np.ndarray, name: str) -> np.ndarray:
    return classical.frames(samples.astype(np.float32))[classical._FRAME.index(name)]


def test_all_rows_are_those_of_librosa():
    np.testing.assert_allclose(classical.frames(piece()).mean(1), THEIRS, rtol=1e-5)


def test_nothing_is_compiled_on_the_way(monkeypatch):
    """A cache that two processes fill at once made calls into compiled functions crash."""
    for module in ("librosa", "numba"):
        monkeypatch.setitem(sys.modules, module, None)
    classical._mel_filters.cache_clear()
    assert np.isfinite(classical.frames(noise(SAMPLE_RATE))).all()


@pytest.mark.parametrize("count", [1024, 1025, 2048, 5000, 5120])
def test_there_is_a_frame_every_hop_from_the_first_sample_on(count):
    assert classical.frames(noise(count)).shape == (len(classical._FRAME), 1 + count // 512)


def test_magnitudes_are_those_of_the_transform_written_out():
    samples = noise(4096)
    places = np.arange(2048)
    weighed = samples[512 : 512 + 2048] * np.sin(np.pi * places / 2048) ** 2  # the frame around sample 1536
    found = classical._magnitude(classical._framed(samples, "constant"))
    for number in (0, 1, 77, 1024):
        theirs = abs((weighed * np.exp(-2j * np.pi * number * places / 2048)).sum())
        assert found[number, 3] == pytest.approx(theirs, rel=1e-5)


def test_bands_are_those_of_slaneys_toolbox():
    theirs = slaney_filters(2048, 128, SAMPLE_RATE / 2, SAMPLE_RATE)
    np.testing.assert_allclose(classical._mel_filters(), theirs, atol=1e-7)


def test_the_cepstrum_is_a_sum_of_cosines():
    mel = np.random.default_rng(0).normal(-40, 10, (128, 3))
    middles = (np.arange(128) + 0.5) / 128
    theirs = [np.sqrt((1 if k == 0 else 2) / 128) * (np.cos(np.pi * k * middles) @ mel) for k in range(20)]
    np.testing.assert_allclose(classical._cepstrum(mel), theirs, rtol=1e-6, atol=1e-9)


def test_decibels_end_eighty_below_the_loudest():
    np.testing.assert_allclose(classical._decibels(np.array([1.0, 0.1, 1e-5, 1e-9, 0.0])), [0, -10, -50, -80, -80])
    np.testing.assert_allclose(classical._decibels(np.array([0.0, 1e-12])), [-100, -100])


@pytest.mark.parametrize(("band", "inside"), [(0, 10), (1, 25), (2, 45), (3, 100), (4, 200), (5, 400), (6, 900)])
def test_a_line_in_a_band_of_even_noise_is_that_bands_contrast(band, inside):
    magnitude = np.full((1025, 1), 1.0, np.float32)
    magnitude[inside] = 1000.0
    counts = (18, 18, 35, 70, 138, 274, 480)  # bins of each band
    share = max(1, round(0.02 * counts[band]))
    theirs = 10 * np.log10((1000 + share - 1) / share)
    np.testing.assert_allclose(classical._contrast(magnitude)[:, 0], np.eye(7)[band] * theirs, atol=1e-4)


@pytest.mark.parametrize("cents", [-40, -20, 0, 10, 30, 45])
def test_the_tuning_is_that_of_the_notes(cents):
    notes = sum(sine(2.0, SAMPLE_RATE, 440 * 2 ** ((step + cents / 100) / 12), 0.2) for step in (14, 17, 21, 26, 33))
    power = classical._magnitude(classical._framed(notes.astype(np.float32), "constant")) ** 2
    assert classical.tuning(power) == pytest.approx(cents / 100, abs=0.03)


@pytest.mark.parametrize(("level", "tuned"), [(0.8, 0.3), (0.25, 0.0)])
def test_three_notes_outvote_one_unless_they_are_too_faint_to_count(level, tuned):
    notes = sine(2.0, SAMPLE_RATE, 440 * 2 ** (26 / 12), 0.2)
    notes += sum(sine(2.0, SAMPLE_RATE, 440 * 2 ** ((step + 0.3) / 12), 0.2 * level) for step in (13, 20, 31))
    power = classical._magnitude(classical._framed(notes.astype(np.float32), "constant")) ** 2
    assert classical.tuning(power) == pytest.approx(tuned, abs=0.03)


def test_what_has_no_pitch_is_in_tune():
    assert classical.tuning(np.zeros((1025, 4), np.float32)) == 0
    assert classical.tuning(lines(500)) == 0  # 5.9 kHz: beyond the notes


@pytest.mark.parametrize("step", range(12))
def test_the_strongest_class_is_that_of_the_note_however_it_is_tuned(step):
    for cents in (-30, 0, 30):
        tone = sine(1.0, SAMPLE_RATE, 261.626 * 2 ** ((step + cents / 100) / 12)).astype(np.float32)
        power = classical._magnitude(classical._framed(tone, "constant"))[:, 8:-8] ** 2
        classes = classical._pitch_classes(power)
        assert (classes.argmax(0) == step).all()
        np.testing.assert_allclose(classes.max(0), 1)


def test_an_onset_comes_two_frames_after_the_bands_rise():
    mel = np.full((128, 20), -60.0)
    mel[:64, 7:] += 30
    mel[64:, 12:] -= 20  # what falls is no onset
    np.testing.assert_array_equal(classical._onsets(mel), 15 * (np.arange(20) == 9))


def test_the_shape_of_two_lines_is_known():
    """Equal lines at bins 100 and 300: the centroid is between them, as far from either as the band is wide."""
    centroid, bandwidth, rolloff, _ = classical._shape(lines(100, 300))[:, 0]
    assert centroid == pytest.approx(200 * BIN_HZ)
    assert bandwidth == pytest.approx(100 * BIN_HZ)
    assert rolloff == pytest.approx(300 * BIN_HZ)
    uneven = lines(100, height=9.0) + lines(300)  # nine tenths lie at 100
    assert classical._shape(uneven)[2, 0] == pytest.approx(100 * BIN_HZ)


def test_flatness_is_one_of_even_noise_and_next_to_nothing_of_a_line():
    assert classical._shape(np.full((1025, 1), 0.3, np.float32))[3, 0] == pytest.approx(1)
    assert classical._shape(lines(100))[3, 0] < 1e-6
    halves = np.where(np.arange(1025)[:, None] < 512, 1.0, 0.1).astype(np.float32)
    mean = 10 ** (-2 * 513 / 1025)
    assert classical._shape(halves)[3, 0] == pytest.approx(mean / ((512 + 513 * 0.01) / 1025), rel=1e-4)


def test_the_level_is_the_root_of_the_mean_square():
    level = row(np.full(SAMPLE_RATE, 0.25), "level")
    assert level[10] == pytest.approx(np.log10(0.25 + 1e-5))
    assert level[0] == pytest.approx(np.log10(0.25 / np.sqrt(2) + 1e-5))  # half of the first frame lies before it


@given(arrays.arrays(np.float32, st.integers(1024, 1600), elements=st.sampled_from([-0.5, -1e-11, 0.0, 1e-11, 0.5])))
def test_signs_turn_where_a_loop_says_so(samples):
    samples = np.asarray(samples)
    at = np.pad(samples, 1024, mode="edge")
    theirs = []
    for start in range(0, len(samples) + 1, 512):
        signs = [-1 if value < -1e-10 else 1 for value in at[start : start + 2048]]
        theirs.append(sum(a != b for a, b in pairwise(signs)) / 2048)
    np.testing.assert_allclose(classical._turns(samples), theirs)


@pytest.mark.parametrize("lag", [9, 20, 23, 40, 75])
def test_the_tempo_is_that_of_onsets_a_lag_apart(lag):
    """Of a beat, its half and its double, the one next to 120 a minute counts."""
    found = classical._tempo(np.where(np.arange(1000) % lag, 0.0, 1.0))
    near = [lag * times for times in range(1, 9)]
    theirs = min(near, key=lambda frames: abs(np.log2(60 * SAMPLE_RATE / 512 / frames / 120)))
    np.testing.assert_allclose(found[300:700], 60 * SAMPLE_RATE / 512 / theirs)


def test_the_tempo_of_a_frame_is_that_of_its_eight_seconds_written_out():
    """Onsets fade in and out beyond the ends; no lag of less than nine frames, 312 a minute, counts."""
    onsets = np.random.default_rng(0).gamma(0.3, 1, 400)
    onsets[[0, -1]] = 5
    ends = np.linspace(0, onsets[0], 187, endpoint=False), np.linspace(0, onsets[-1], 187, endpoint=False)[::-1]
    heard, found = np.concatenate([ends[0], onsets, ends[1]]), classical._tempo(onsets)
    for frame in (0, 1, 20, 200, 380, 399):
        window = heard[frame : frame + 375] * np.sin(np.pi * np.arange(375) / 375) ** 2
        scores = {}
        for lag in range(9, 375):
            likeness = (window[lag:] * window[:-lag]).sum() / (window**2).sum()
            scores[lag] = np.log(1 + 1e6 * likeness) - np.log2(2812.5 / lag / 120) ** 2 / 2
        assert found[frame] == pytest.approx(2812.5 / max(scores, key=scores.get))


@pytest.mark.parametrize(("lag", "heard"), [(8, False), (10, True)])
def test_a_lag_of_more_than_320_a_minute_is_none(lag, heard):
    """Pairs of onsets that far apart, at chance distances."""
    onsets = np.zeros(1200)
    starts = np.cumsum(np.random.default_rng(0).integers(25, 60, 25))
    onsets[starts] = onsets[starts + lag] = 1
    found = classical._tempo(onsets)[200:900]
    assert (found < 320).all() and heard == np.isclose(np.median(found), 2812.5 / lag)


def test_no_onsets_have_the_likeliest_tempo():
    np.testing.assert_allclose(classical._tempo(np.zeros(50)), 120, rtol=0.03)
