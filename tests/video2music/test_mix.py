"""The finished WAV is read back with the standard library and measured anew."""

import json
import subprocess
import sys
import wave
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from video2music import mix
from video2music.errors import MediaError

RATE = 44_100
FULL_DISK = """
import resource, signal, sys
import numpy as np
from pathlib import Path
from video2music import mix
from video2music.errors import MediaError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
try:
    mix.master((np.ones((44_100, 2), np.float32) for _ in range(9)), Path(sys.argv[1]), duration_s=9.0)
except MediaError as error:
    print(error)
"""


def tone(seconds: float, level: float) -> np.ndarray:
    wave_form = level * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)
    return np.stack([wave_form, wave_form], axis=1).astype(np.float32)


def read(path: Path) -> np.ndarray:
    with wave.open(str(path)) as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (2, 2, RATE)
        return np.frombuffer(wav.readframes(wav.getnframes()), "<i2").reshape(-1, 2) / 32767


def db(level: float) -> float:
    return float(20 * np.log10(level))


@pytest.mark.parametrize("given_s", [0.0, 1.0, 2.0, 3.7])
def test_the_length_is_exact_whatever_comes_in(given_s: float, tmp_path: Path) -> None:
    report = mix.master([tone(given_s, 0.5)], tmp_path / "a.wav", duration_s=2.5001)
    assert len(read(tmp_path / "a.wav")) == report.frames == round(2.5001 * RATE)


@pytest.mark.parametrize("level", [1.0, 4.0, 30.0])
def test_what_is_too_loud_peaks_at_the_ceiling(level: float, tmp_path: Path) -> None:
    report = mix.master([tone(2.0, level)], tmp_path / "a.wav", duration_s=2.0)
    assert db(np.abs(read(tmp_path / "a.wav")).max()) == pytest.approx(-1.0, abs=0.01)
    assert report.peak_db == pytest.approx(-1.0, abs=0.01)
    assert report.gain_db == pytest.approx(-1.0 - db(level), abs=0.02)


def test_what_fits_is_left_as_loud_as_it_was(tmp_path: Path) -> None:
    soft = mix.master([tone(2.0, 0.1)], tmp_path / "soft.wav", duration_s=2.0)
    loud = mix.master([tone(2.0, 0.4)], tmp_path / "loud.wav", duration_s=2.0)
    assert soft.gain_db == loud.gain_db == 0.0
    assert loud.rms_db - soft.rms_db == pytest.approx(db(4), abs=0.02)
    measured = db(np.sqrt(np.square(read(tmp_path / "loud.wav")).mean()))
    assert loud.rms_db == pytest.approx(measured, abs=0.02)


def test_what_is_too_faint_to_hear_is_raised(tmp_path: Path) -> None:
    report = mix.master([tone(2.0, 1e-4)], tmp_path / "a.wav", duration_s=2.0)
    assert report.rms_db == pytest.approx(mix.FAINTEST_RMS_DB, abs=0.02)
    click = np.zeros((2 * RATE, 2), np.float32)
    click[RATE] = 1e-3
    assert mix.master([click], tmp_path / "b.wav", duration_s=2.0).peak_db == pytest.approx(-1.0, abs=0.01)


def test_silence_stays_silence_and_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    report = mix.master([], tmp_path / "a.wav", duration_s=1.0)
    assert not read(tmp_path / "a.wav").any()
    assert "a.wav is silent" in caplog.text
    json.dumps(asdict(report), allow_nan=False)


def test_it_begins_and_ends_without_a_click(tmp_path: Path) -> None:
    mix.master([np.full((4 * RATE, 2), 0.5, np.float32)], tmp_path / "a.wav", duration_s=4.0, fade_out_s=1.0)
    samples = read(tmp_path / "a.wav")
    assert np.abs(np.diff(samples, axis=0)).max() < 0.01
    assert not samples[-1].any()
    assert np.abs(samples[0]).max() < 0.01
    assert samples[int(3.5 * RATE), 0] == pytest.approx(0.25, abs=0.001)  # half way down a raised cosine
    assert (samples[RATE : 2 * RATE] == samples[RATE]).all()


def test_the_size_of_the_blocks_does_not_matter(tmp_path: Path) -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, (RATE, 2)).astype(np.float32)
    mix.master([sound], tmp_path / "one.wav", duration_s=1.0)
    mix.master(np.array_split(sound, 37), tmp_path / "many.wav", duration_s=1.0)
    assert (tmp_path / "one.wav").read_bytes() == (tmp_path / "many.wav").read_bytes()


@pytest.mark.parametrize("duration_s", [0.0, 1 / RATE, 0.001, 0.04])
def test_pieces_of_a_moment_work(duration_s: float, tmp_path: Path) -> None:
    mix.master([tone(1.0, 0.5)], tmp_path / "a.wav", duration_s=duration_s)
    assert len(read(tmp_path / "a.wav")) == round(duration_s * RATE)


def test_a_folder_that_cannot_be_written_is_told_in_a_sentence() -> None:
    with pytest.raises(MediaError, match=r"a\.wav cannot be written"):
        mix.master([], Path("/proc/a.wav"), duration_s=1.0)


def test_a_full_disk_is_told_in_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "a.wav")], capture_output=True, text=True, check=True
    )
    assert "a.wav cannot be written (File too large)" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_music_that_breaks_off_with_an_error_leaves_nothing(tmp_path: Path) -> None:
    def broken():
        yield tone(1.0, 0.5)
        raise RuntimeError("the synthesizer broke")

    with pytest.raises(RuntimeError, match="broke"):
        mix.master(broken(), tmp_path / "a.wav", duration_s=2.0)
    assert list(tmp_path.iterdir()) == []
