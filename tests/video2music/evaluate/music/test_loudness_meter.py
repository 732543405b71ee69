"""FFmpeg's loudness meter, as `clips` runs it, against closed forms, the product's meter and pyloudnorm."""

import math

import numpy as np
import pytest

from video2music.evaluate.music import clips

RATE = clips.RATE


def tone(hertz, level_db, seconds=5.0, phase=0.0):
    wave = 10 ** (level_db / 20) * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE + phase)
    return np.stack([wave, wave], axis=1)


def piece(seed=0, seconds=12):
    """Noise of changing colour and level with two silences."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(seconds * RATE, 2))
    noise[:, 0] = np.convolve(noise[:, 0], np.ones(1 + 7 * seed) / 3, "same")
    level = np.repeat(rng.uniform(0.001, 0.2, seconds), RATE)
    level[3 * RATE : 4 * RATE] = level[8 * RATE : 10 * RATE] = 1e-5
    return np.clip(noise * level[:, None], -1, 1)


@pytest.mark.parametrize("level_db", [-23.0, -33.0])
def test_a_tone_of_1_khz_on_both_sides_is_as_loud_as_its_level(level_db):
    """EBU Tech 3341, cases 1 and 2: a stereo sine of 1 kHz at -23 dBFS peak reads -23 LUFS."""
    assert clips.measure_loudness(tone(1000, level_db)).lufs == pytest.approx(level_db, abs=0.1)


def test_gates_leave_pauses_out():
    loud = tone(1000, -23)
    quiet = np.concatenate([tone(1000, -23), np.zeros((10 * RATE, 2)), tone(1000, -55)])
    assert clips.measure_loudness(quiet).lufs == pytest.approx(clips.measure_loudness(loud).lufs, abs=0.2)


def test_silence_and_what_is_too_short_have_no_loudness():
    assert math.isnan(clips.measure_loudness(np.zeros((RATE, 2))).lufs)
    assert math.isnan(clips.measure_loudness(tone(1000, -20, seconds=0.3)).lufs)


def test_a_peak_between_samples_is_found():
    """At a quarter of the rate and an eighth of a turn no sample is higher than .707 of the sine."""
    between = tone(RATE / 4, 0.0, phase=math.pi / 4)
    assert np.abs(between).max() == pytest.approx(math.sqrt(0.5))
    assert clips.measure_loudness(between * np.hanning(len(between))[:, None]).true_peak_dbtp == pytest.approx(
        0, abs=0.1
    )


@pytest.mark.parametrize("seed", range(3))
def test_pyloudnorm_reads_the_same(seed):
    pyloudnorm = pytest.importorskip("pyloudnorm")
    expected = pyloudnorm.Meter(RATE).integrated_loudness(piece(seed))
    assert clips.measure_loudness(piece(seed)).lufs == pytest.approx(expected, abs=0.1)
