"""The gain found in rendered music is the one that was put there, and the spoken clips speak where they say."""

import numpy as np
import pytest

from video2music.evaluate.music import clips, ducking

RATE = clips.RATE
SPANS = ((4.0, 7.0), (12.0, 15.5))
SECONDS = 20


def music(seed=0):
    """Noise that swells and fades, with half a second of silence."""
    swell = 0.2 + 0.15 * np.sin(np.arange(SECONDS * RATE) / RATE)
    swell[9 * RATE : 9 * RATE + RATE // 2] = 0
    return np.random.default_rng(seed).normal(size=(SECONDS * RATE, 2)) * swell[:, None]


def gain_curve(depth_db, ramp_s):
    """0 dB and -depth in the spans, with raised cosines of ramp_s outside of them; jumps where that is 0."""
    at = np.arange(SECONDS * RATE) / RATE
    down = np.zeros(len(at))
    for start_s, end_s in SPANS:
        off = np.maximum(np.maximum(start_s - at, at - end_s), 0)
        inside = 0.5 + 0.5 * np.cos(np.pi * np.minimum(off / ramp_s, 1)) if ramp_s else (off == 0).astype(float)
        down = np.maximum(down, inside)
    return -depth_db * down


def voice(seed=1):
    """A buzz that comes and goes within the spans, much louder than the music, and hiss throughout."""
    at = np.arange(SECONDS * RATE) / RATE
    spoken = sum(((at >= start_s) & (at <= end_s)).astype(float) for start_s, end_s in SPANS)
    buzz = np.sign(np.sin(2 * np.pi * 140 * at)) * (1 + np.sin(2 * np.pi * 3 * at))
    return np.stack([spoken * buzz] * 2, axis=1) + np.random.default_rng(seed).normal(0, 0.001, (SECONDS * RATE, 2))


def measured(depth_db, ramp_s, level=1.0):
    gain_db = gain_curve(depth_db, ramp_s)
    scored = level * (music() * 10 ** (gain_db[:, None] / 20) + 0.7 * voice())
    noise = np.random.default_rng(2).normal(0, 0.001, scored.shape)  # what a codec adds
    return ducking.estimate_gain(scored + noise, music(), voice()), gain_db


def test_the_gain_is_that_of_each_window_and_silence_has_none():
    found, gain_db = measured(12.0, 0.4, level=0.5)
    expected = np.interp(found.times_s, np.arange(len(gain_db)) / RATE, gain_db) + 20 * np.log10(0.5)
    np.testing.assert_allclose(found.gain_db, expected, atol=0.6)
    assert not ((found.times_s > 9.02) & (found.times_s < 9.48)).any()


@pytest.mark.parametrize(("depth_db", "ramp_s"), [(12.0, 0.4), (9.0, 0.1), (20.0, 1.0)])
def test_a_gentle_change_takes_its_time(depth_db, ramp_s):
    found = ducking.gain_metrics(measured(depth_db, ramp_s)[0], SPANS)
    middle = (np.arccos(-0.8) - np.arccos(0.8)) / np.pi  # share of a raised cosine from a tenth to nine tenths
    assert found["change_ms"] == pytest.approx(1000 * ramp_s * middle, abs=25)
    steepest = depth_db * np.sin(np.pi / 2 * min(0.05 / ramp_s, 1))
    assert found["change_db_in_50ms"] == pytest.approx(steepest, rel=0.12, abs=0.2)


def test_a_jump_is_measured_as_one():
    found = ducking.gain_metrics(measured(12.0, 0.0)[0], SPANS)
    assert found["change_ms"] <= 15
    assert found["change_db_in_50ms"] == pytest.approx(12, abs=0.1)
    assert found["lower_db"] == pytest.approx(12, abs=0.2)


def test_music_that_is_not_lowered_is_reported():
    found = ducking.gain_metrics(measured(0.0, 0.4)[0], SPANS)
    assert found["lower_db"] == pytest.approx(0, abs=0.02)
    assert found["change_db_in_50ms"] < 0.5


@pytest.mark.skipif(not ducking.espeak_path(), reason="needs espeak-ng: install it to test spoken clips")
def test_a_spoken_clip_speaks_where_it_says_and_nowhere_else(tmp_path):
    spoken = ducking.make_clip(tmp_path / "spoken.mp4", 0)
    found = clips.decode_clip(spoken.path)
    assert found.sound_s == pytest.approx(found.picture_s, abs=0.1)
    at = np.arange(len(found.samples)) / RATE
    level = np.abs(found.samples).max(1)
    outside = np.ones(len(at), bool)
    assert len(spoken.spans) == ducking.SENTENCES_PER_CLIP
    for start_s, end_s in spoken.spans:
        assert end_s - start_s > 1.5
        for edge_s in (start_s, end_s):
            assert level[(at > edge_s - 0.15) & (at < edge_s + 0.15)].max() > 0.001
        outside &= (at < start_s - 0.03) | (at > end_s + 0.03)
    assert level[outside].max() < 0.002
    assert level.max() == pytest.approx(ducking.SPEECH_LEVEL, rel=0.25)


@pytest.mark.slow
@pytest.mark.skipif(not ducking.espeak_path(), reason="needs espeak-ng: install it to test spoken clips")
def test_music_goes_down_under_speech_and_gently(tmp_path):
    rows = dict(ducking.ducking_rows(tmp_path, count=1))
    worst = rows["all spoken clips, the worst"]
    assert worst["lower_db"]["mean"] >= 8
    assert worst["change_ms"]["mean"] >= 50
