"""Numbers that tell of sound: against signals whose rhythm, harmony and level are known."""

import numpy as np
import pytest
from transformers.audio_utils import mel_filter_bank

from emotion.features import acoustics, sound
from tests.emotion.waves import sine

RATE = sound.SAMPLE_RATE
TRIADS = {"major": (0, 4, 7), "minor": (0, 3, 7)}


def mel_of(samples):
    return sound.log_mel([samples.astype(np.float32)])


def tones(pitches, seconds=6.0):
    """Pitches (MIDI) with six overtones each."""
    waves = [
        sine(seconds, RATE, 440 * 2 ** ((pitch - 69) / 12) * number, 0.05 / number)
        for pitch in pitches
        for number in range(1, 7)
    ]
    return np.sum(waves, axis=0)


def clicks(per_second, seconds=12.0):
    """Bursts of noise that die away in a few hundredths of a second."""
    rng = np.random.default_rng(0)
    samples = np.zeros(round(seconds * RATE))
    burst = rng.normal(0, 0.3, 2400) * np.exp(-np.arange(2400) / 400)
    for start in np.arange(0, seconds - 0.2, 1 / per_second):
        at = round(start * RATE)
        samples[at : at + 2400] += burst
    return samples


def part(mel, name):
    return acoustics.describe(mel)[acoustics.groups()[name]]


def test_the_groups_cover_every_number_once():
    found = acoustics.describe(mel_of(tones((60, 64, 67))))
    covered = np.concatenate([np.arange(len(found))[place] for place in acoustics.groups().values()])
    assert covered.tolist() == list(range(len(found)))


@pytest.mark.parametrize("gain_db", [-12.0, 8.0])
def test_no_number_depends_on_the_level(gain_db):
    mel = mel_of(tones((48, 60, 64, 67)) + clicks(3.0, 6.0))
    np.testing.assert_allclose(acoustics.describe(mel + gain_db), acoustics.describe(mel), atol=2e-3)


def test_the_bands_middles_are_where_the_filters_of_the_log_mel_are_highest():
    bins = sound.WINDOW // 2 + 1
    filters = mel_filter_bank(bins, sound.BANDS, sound.LOWEST_HZ, sound.HIGHEST_HZ, RATE, norm=None, mel_scale="slaney")
    highest = filters.argmax(0) * RATE / sound.WINDOW
    assert np.abs(highest - acoustics._centres()).max() <= RATE / sound.WINDOW


@pytest.mark.parametrize("root", [57, 60, 62, 67])
def test_a_major_chord_has_the_brighter_mode_and_triad(root):
    mode = {}
    for name, chord in TRIADS.items():
        harmony = part(mel_of(tones([root + tone for tone in chord] + [root + 12 + tone for tone in chord])), "harmony")
        mode[name] = harmony[0], harmony[12]  # key, and triads
    assert mode["major"][0] > mode["minor"][0]
    assert mode["major"][1] > 0 > mode["minor"][1]


@pytest.mark.parametrize("per_second", [2.0, 4.0])
def test_the_strongest_lag_is_the_time_between_clicks(per_second):
    strength, lag, *_ = part(mel_of(clicks(per_second)), "rhythm")[-4:]
    assert strength > 0.5
    rows = np.exp(lag) * per_second / sound.ROWS_PER_S
    assert rows == pytest.approx(round(rows), abs=0.06) and rows >= 0.95


def test_more_clicks_are_more_onsets():
    slow, fast = (part(mel_of(clicks(rate)), "rhythm")[5] for rate in (2.0, 6.0))
    assert slow == pytest.approx(2.0, abs=0.5) and fast == pytest.approx(6.0, abs=1.0)


def test_a_swell_is_more_dynamic_than_a_steady_tone():
    steady = tones((60, 64))
    swell = steady * np.linspace(0.02, 1, len(steady))
    assert part(mel_of(swell), "dynamics")[0] > 3 * part(mel_of(steady), "dynamics")[0]


@pytest.mark.parametrize("rows", [1, 7, 200])
def test_short_and_silent_sounds_have_finite_numbers(rows):
    silence = np.full((rows, sound.BANDS), sound.FLOOR_DB, np.float32)
    assert np.isfinite(acoustics.describe(silence)).all()
    assert np.isfinite(acoustics.describe(mel_of(tones((60,)))[:rows])).all()
