"""The limiter is judged on the samples: oversampled by scipy, and by how fast its gain moves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from tests.video2music.speech_audio import RATE, seconds, stereo
from video2music.mixing import limiter, loudness


def limited(sound: np.ndarray, lufs: float) -> tuple[np.ndarray, limiter.Gain]:
    gain = limiter.gain_for(loudness.measured(seconds(sound)), lufs)
    return np.concatenate(list(limiter.applied(seconds(sound), gain.linear))), gain


def true_peak_db(sound: np.ndarray) -> float:
    return 20 * np.log10(max(np.abs(resample_poly(sound.astype(float), 4, 1, axis=0)).max(), np.abs(sound).max()))


def plucks(seed: int, rate: float = 3.0, seconds_: float = 6.0) -> np.ndarray:
    """Decaying tones of random pitch and loudness, far above their mean level."""
    rng = np.random.default_rng(seed)
    sound, now = np.zeros(round(seconds_ * RATE)), np.arange(RATE) / RATE
    for start in np.cumsum(rng.exponential(1 / rate, 40)):
        at = int(start * RATE)
        pluck = (
            np.sin(2 * np.pi * rng.uniform(80, 5000) * now) * np.exp(-now * rng.uniform(3, 40)) * rng.uniform(0.1, 2)
        )
        sound[at : at + RATE] += pluck[: max(len(sound) - at, 0)]
    return stereo(sound)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 999), st.sampled_from([-30.0, -20.0, -14.0, -9.0]))
def test_loudness_is_met_under_the_ceiling_or_the_bound_is_reached(seed: int, lufs: float) -> None:
    sound = plucks(seed)
    finished, gain = limited(sound, lufs)
    assert true_peak_db(finished) <= limiter.CEILING_DB + 0.1
    assert gain.limited_db <= limiter.MAX_LIMITING_DB + 1e-6
    found = loudness.measured(seconds(finished)).lufs
    assert found is not None
    if gain.limited_db < limiter.MAX_LIMITING_DB - 0.01:
        assert found == pytest.approx(lufs, abs=0.1)
    else:
        assert found <= lufs + 0.1


def test_a_peak_at_any_sample_is_caught() -> None:
    for at in range(5 * limiter.SPAN, 7 * limiter.SPAN, 7):
        sound = np.zeros((RATE, 2), np.float32)
        sound[at : at + 2] = 0.9
        gain = limiter.limiting(loudness.measured([sound]).peaks, 6.0)
        finished = np.concatenate(list(limiter.applied([sound], 10 ** ((6.0 + gain) / 20))))
        assert true_peak_db(finished) <= limiter.CEILING_DB + 0.05


def test_what_fits_is_not_touched() -> None:
    assert not limiter.limiting(np.full(900, 0.5), 0.0).any()


def test_the_gain_is_down_before_a_peak_and_comes_back_slowly() -> None:
    peaks = np.full(600, 0.1)
    peaks[300] = 2.0
    gain = limiter.limiting(peaks, 0.0)
    over_db = 20 * np.log10(2.0) - limiter.CEILING_DB
    assert gain[299:302] == pytest.approx(-over_db, abs=1.0)
    assert gain[300] <= -over_db + 1e-9
    assert not gain[:290].any()
    rising = np.diff(gain[302:]) * RATE / limiter.SPAN
    assert rising.max() <= limiter.RELEASE_DB_PER_S + 1e-6
    assert gain[-1] == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 5), min_size=1, max_size=400), st.floats(-20, 12))
def test_every_span_is_under_the_ceiling(peaks: list[float], gain_db: float) -> None:
    gain = limiter.limiting(np.array(peaks), gain_db)
    assert gain.shape == (len(peaks),)
    assert gain.max() <= 1e-9
    left_db = 20 * np.log10(np.maximum(peaks, 1e-9)) + gain_db + gain
    assert left_db.max() <= limiter.CEILING_DB + 1e-6


@pytest.mark.parametrize("frames", [0, 1, 100, 441, 10_000])
@pytest.mark.parametrize("level", [0.0, 1e-7, 1.0])
def test_moments_and_silence_do_no_harm(frames: int, level: float) -> None:
    sound = np.full((frames, 2), level, np.float32)
    gain = limiter.gain_for(loudness.measured(seconds(sound)), -14.0)
    assert np.isfinite(gain.linear).all()
    assert gain.fixed_db <= limiter.MAX_GAIN_DB
    if not sound.any():
        assert gain.fixed_db == 0


def test_what_is_very_faint_is_raised_by_no_more_than_the_bound() -> None:
    sound = np.random.default_rng(0).normal(0, 1e-5, (2 * RATE, 2)).astype(np.float32)
    assert limiter.gain_for(loudness.measured(seconds(sound)), -14.0).fixed_db == limiter.MAX_GAIN_DB
