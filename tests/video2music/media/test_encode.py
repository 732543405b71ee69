"""Files in other formats, decoded again."""

import wave
from pathlib import Path

import av
import numpy as np
import pytest

from tests.video2music.speech_audio import RATE
from video2music.errors import MediaError, OptionError
from video2music.media import encode


def decoded(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "stereo", RATE)
        frames = [*container.decode(audio=0), None]
        parts = [part.to_ndarray().reshape(-1, 2) for frame in frames for part in resampler.resample(frame)]
    return np.concatenate(parts)


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    samples = np.sin(np.arange(2 * 111_111).reshape(-1, 2) / 30) * 9000 + rng.normal(0, 500, (111_111, 2))
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.astype("<i2").tobytes())
    return tmp_path / "a.wav"


def samples_of(wav: Path) -> np.ndarray:
    with wave.open(str(wav)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2) / 32768


def test_flac_holds_the_very_samples(wav: Path, tmp_path: Path) -> None:
    out = encode.encode_audio(wav, tmp_path / "a.flac", kind="flac", duration_s=111_111 / RATE)
    assert np.array_equal(decoded(out), samples_of(wav).astype(np.float32))
    assert out.stat().st_size < 0.9 * wav.stat().st_size


def test_m4a_sounds_alike_and_is_as_long(wav: Path, tmp_path: Path) -> None:
    out = encode.encode_audio(wav, tmp_path / "a.m4a", kind="m4a", duration_s=111_111 / RATE)
    found, expected = decoded(out), samples_of(wav)
    assert len(found) / RATE == pytest.approx(111_111 / RATE, abs=0.02)
    length = min(len(found), len(expected))
    error = np.square(found[:length] - expected[:length]).mean() / np.square(expected).mean()
    assert 10 * np.log10(error) < -15  # in step with what it was: white noise is what AAC keeps worst
    with av.open(str(out)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"


def test_wav_is_the_file_itself(wav: Path, tmp_path: Path) -> None:
    data = wav.read_bytes()
    out = encode.encode_audio(wav, tmp_path / "b.wav", kind="wav", duration_s=1.0)
    assert out.read_bytes() == data
    assert not wav.exists()


def test_an_unknown_format_is_refused(wav: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="wav, flac, m4a"):
        encode.encode_audio(wav, tmp_path / "a.mp3", kind="mp3", duration_s=1.0)


@pytest.mark.parametrize("kind", ["flac", "m4a"])
def test_what_cannot_be_read_leaves_nothing(kind: str, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    with pytest.raises(MediaError, match=r"bad\.wav"):
        encode.encode_audio(tmp_path / "bad.wav", tmp_path / f"a.{kind}", kind=kind, duration_s=1.0)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.wav"]


def test_floats_come_back_as_they_were_beyond_one_too(tmp_path: Path) -> None:
    blocks = [np.random.default_rng(seed).normal(0, 2, (5000 + seed, 2)).astype(np.float32) for seed in range(3)]
    encode.write_float_wav(blocks, tmp_path / "a.wav")
    assert np.array_equal(decoded(tmp_path / "a.wav"), np.concatenate(blocks))
