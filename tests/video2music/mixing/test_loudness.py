"""Loudness against pyloudnorm and FFmpeg's ebur128, true peaks against scipy's oversampling."""

import av
import numpy as np
import pyloudnorm
import pytest
from av.audio.frame import AudioFrame
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from tests.video2music.speech_audio import RATE, seconds, stereo
from video2music.mixing import loudness


def noise(seconds_: float, level: float = 0.1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, level, (round(seconds_ * RATE), 2)).astype(np.float32)


def tone(hz: float, seconds_: float, level: float = 0.5, phase: float = 0.0) -> np.ndarray:
    return stereo(level * np.sin(2 * np.pi * hz * np.arange(round(seconds_ * RATE)) / RATE + phase))


def bursts() -> np.ndarray:
    sound = noise(12.0)
    sound[3 * RATE : 8 * RATE] *= 1e-3
    return sound


def one_sided() -> np.ndarray:
    sound = noise(4.0, 0.3)
    sound[:, 1] *= 0.01
    return sound


SOUNDS = {
    "noise": lambda: noise(7.003),
    "low tone": lambda: tone(50, 5.0),
    "high tone": lambda: tone(9000, 5.0),
    "bursts": bursts,
    "one side": one_sided,
    "half a second": lambda: noise(0.5),
}


def ffmpeg_lufs(sound: np.ndarray) -> float:
    graph = av.filter.Graph()
    source = graph.add_abuffer(format="flt", sample_rate=RATE, layout="stereo", time_base="1/44100")
    meter, sink = graph.add("ebur128", "metadata=1"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(sound).reshape(1, -1), "flt", "stereo")
    frame.sample_rate, frame.pts = RATE, 0
    source.push(frame)
    source.push(None)
    last = None
    while True:
        try:
            last = sink.pull().metadata.get("lavfi.r128.I", last)
        except (av.BlockingIOError, av.EOFError):
            return float(last)


@pytest.mark.parametrize("name", SOUNDS)
def test_loudness_is_what_two_other_meters_read(name: str) -> None:
    sound = SOUNDS[name]()
    found = loudness.measured(seconds(sound)).lufs
    # pyloudnorm scales its high-pass to 1, the recommendation's table does not: 0.04 LU
    assert found == pytest.approx(pyloudnorm.Meter(RATE).integrated_loudness(sound.astype(float)), abs=0.1)
    if len(sound) > RATE:
        assert found == pytest.approx(ffmpeg_lufs(sound), abs=0.05)


def test_a_full_sine_of_one_kilohertz_on_one_side_is_at_minus_three() -> None:
    sound = tone(997, 10.0, level=1.0)
    sound[:, 1] = 0
    assert loudness.measured(seconds(sound)).lufs == pytest.approx(-3.01, abs=0.02)  # as the recommendation says


@pytest.mark.parametrize("name", SOUNDS)
def test_true_peaks_are_those_of_another_oversampling(name: str) -> None:
    sound = SOUNDS[name]()
    between = np.abs(resample_poly(sound.astype(float), 4, 1, axis=0)).max()
    expected = 20 * np.log10(max(between, np.abs(sound).max()))
    assert loudness.measured(seconds(sound)).peak_db == pytest.approx(expected, abs=0.1)


def test_a_peak_that_no_sample_meets_is_found() -> None:
    sound = tone(RATE / 4, 1.0, phase=np.pi / 4)
    assert 20 * np.log10(np.abs(sound).max()) == pytest.approx(-9.03, abs=0.01)
    assert loudness.measured(seconds(sound)).peak_db == pytest.approx(-6.02, abs=0.2)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3 * RATE), st.integers(1, 4), st.integers(0, 99))
def test_neither_the_size_of_blocks_nor_the_place_of_a_peak_matters(frames: int, steps: int, seed: int) -> None:
    sound = noise(frames / RATE, 0.01, seed)
    sound[np.random.default_rng(seed).integers(len(sound))] = 0.9
    size = steps * 21 * loudness.STEP
    one = loudness.measured(seconds(sound))
    other = loudness.measured(sound[start : start + size] for start in range(0, len(sound), size))
    assert one.frames == other.frames == len(sound)
    assert np.allclose(one.energy, other.energy)
    assert np.allclose(one.peaks, other.peaks, atol=1e-6)
    assert one.peak_db >= 20 * np.log10(0.9) - 1e-6


@pytest.mark.parametrize("sound", [np.zeros((0, 2)), np.zeros((RATE, 2)), np.full((RATE, 2), 1e-5)])
def test_what_no_gate_lets_through_has_no_loudness(sound: np.ndarray) -> None:
    profile = loudness.measured(seconds(sound.astype(np.float32)))
    assert profile.lufs is None
    assert profile.peak_db <= -90
