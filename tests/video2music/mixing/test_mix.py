"""The finished audio, read back and measured with pyloudnorm and scipy."""

import json
import logging
import resource
import subprocess
import sys
import wave
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import av
import numpy as np
import pyloudnorm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, resample_poly, sosfiltfilt

from tests.video2music.speech_audio import RATE, seconds, stereo, talk, within
from video2music.errors import MediaError, OptionError
from video2music.mixing import balance, limiter, mix

FULL_DISK = """
import resource, signal, sys
import numpy as np
from pathlib import Path
from video2music.mixing import mix
from video2music.errors import MediaError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
try:
    mix.master((np.ones((44_100, 2), np.float32) for _ in range(9)), Path(sys.argv[1]), duration_s=9.0)
except MediaError as error:
    print(error)
"""
PILOT_HZ = 15_000  # above all that espeak-ng says at 22 kHz


class KnownSource:
    """A clip's own audio that is known."""

    path = Path("clip.mp4")

    def __init__(self, samples: np.ndarray) -> None:
        self.samples = samples

    def blocks(self) -> Iterator[np.ndarray]:
        yield from np.array_split(self.samples, 1 + len(self.samples) // 3000)


def tone(seconds_: float, level: float, hz: float = 440) -> np.ndarray:
    return stereo(level * np.sin(2 * np.pi * hz * np.arange(round(seconds_ * RATE)) / RATE))


def piece(seconds_: float, seed: int = 0) -> np.ndarray:
    """Chords of decaying tones, as music is: peaks far above the mean."""
    rng = np.random.default_rng(seed)
    now = np.arange(2 * RATE) / RATE
    sound = np.zeros(round(seconds_ * RATE) + 2 * RATE)
    for start in np.arange(0, seconds_ - 1, 0.5):
        at = round(start * RATE)
        for pitch in rng.integers(40, 80, 3):
            sound[at : at + len(now)] += (
                0.2 * np.exp(-3 * now) * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * now)
            )
    return stereo(sound[: round(seconds_ * RATE)])


def read(path: Path) -> np.ndarray:
    with wave.open(str(path)) as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (2, 2, RATE)
        return np.frombuffer(wav.readframes(wav.getnframes()), "<i2").reshape(-1, 2) / 32768


def read_floats(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        assert container.streams.audio[0].codec_context.name == "pcm_f32le"
        return np.concatenate([frame.to_ndarray().reshape(-1, 2) for frame in container.decode(audio=0)])


def lufs(samples: np.ndarray) -> float:
    return pyloudnorm.Meter(RATE).integrated_loudness(np.asarray(samples, float))


def true_peak_db(samples: np.ndarray) -> float:
    return 20 * np.log10(np.abs(resample_poly(samples, 4, 1, axis=0)).max())


def rms_db(samples: np.ndarray) -> float:
    return 10 * np.log10(np.square(samples, dtype=float).mean())


@pytest.mark.parametrize("given_s", [0.0, 1.0, 2.0, 3.7])
def test_the_length_is_exact_whatever_comes_in(given_s: float, tmp_path: Path) -> None:
    report = mix.master([tone(given_s, 0.5)], tmp_path / "a.wav", duration_s=2.5001)
    assert len(read(tmp_path / "a.wav")) == report.frames == round(2.5001 * RATE)


@pytest.mark.parametrize("level", [0.01, 0.1, 1.0, 30.0])
def test_any_level_comes_out_at_fourteen_under_the_ceiling(level: float, tmp_path: Path) -> None:
    report = mix.master([level * piece(8.0)], tmp_path / "a.wav", duration_s=8.0)
    samples = read(tmp_path / "a.wav")
    assert lufs(samples) == pytest.approx(-14.0, abs=0.2)
    assert report.lufs == pytest.approx(lufs(samples), abs=0.1)
    assert true_peak_db(samples) <= -1.0
    assert report.true_peak_db == pytest.approx(true_peak_db(samples), abs=0.1)
    assert not report.note


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 999), wanted=st.sampled_from([-24.0, -16.0, -11.0]))
def test_any_piece_comes_out_at_any_loudness(
    seed: int, wanted: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("mix") / "a.wav"
    report = mix.master([piece(5.0, seed)], path, duration_s=5.0, loudness_lufs=wanted)
    assert lufs(read(path)) == pytest.approx(wanted, abs=0.3)
    assert true_peak_db(read(path)) <= -1.0
    assert report.limited_db <= limiter.MAX_LIMITING_DB


def test_what_is_far_too_dynamic_stays_softer_and_is_noted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sound = tone(6.0, 0.001)
    for at in range(1, 6):
        sound[at * RATE : at * RATE + 60] = 0.9
    report = mix.master([sound], tmp_path / "a.wav", duration_s=6.0)
    samples = read(tmp_path / "a.wav")
    assert report.limited_db == pytest.approx(limiter.MAX_LIMITING_DB, abs=0.01)
    assert true_peak_db(samples) <= -1.0
    assert lufs(samples) < -14.5
    assert "instead of -14" in report.note
    assert report.note in caplog.text


def test_strong_limiting_is_noted(tmp_path: Path) -> None:
    report = mix.master([piece(6.0)], tmp_path / "a.wav", duration_s=6.0, loudness_lufs=-7.5)
    assert report.limited_db > mix.NOTED_LIMITING_DB
    assert "limiter reduced" in report.note


def test_silence_stays_silence_and_is_noted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    report = mix.mix({}, tmp_path / "a.wav", duration_s=1.0)
    assert not read(tmp_path / "a.wav").any()
    assert "a.wav: silent" in caplog.text
    assert report.music.lufs is None
    assert report.music.gain_db == 0
    json.dumps(asdict(report), allow_nan=False)


@pytest.mark.parametrize("duration_s", [0.0, 1 / RATE, 0.001, 0.04, 0.39])
def test_pieces_of_a_moment_work(duration_s: float, tmp_path: Path) -> None:
    own = KnownSource(tone(1.0, 0.2, 300))
    report = mix.mix(
        {"a": [tone(1.0, 0.5)]}, tmp_path / "a.wav", duration_s=duration_s, source=own, under=tmp_path / "b.wav"
    )
    assert len(read(tmp_path / "a.wav")) == round(duration_s * RATE)
    json.dumps(asdict(report), allow_nan=False)
    if duration_s > 0.1:
        assert "shorter than the 400 ms" in report.music.note
        assert report.music.lufs == pytest.approx(-14, abs=0.1)


def test_a_second_is_as_loud_as_any_piece(tmp_path: Path) -> None:
    mix.master([tone(1.0, 0.05)], tmp_path / "a.wav", duration_s=1.0)
    assert lufs(read(tmp_path / "a.wav")) == pytest.approx(-14, abs=0.2)


def test_it_begins_and_ends_without_a_click(tmp_path: Path) -> None:
    mix.master([tone(4.0, 0.5, 100)], tmp_path / "a.wav", duration_s=4.0)
    samples = read(tmp_path / "a.wav")
    steepest = np.abs(np.diff(samples[RATE : 2 * RATE], axis=0)).max()
    assert np.abs(np.diff(samples, axis=0, prepend=0, append=0)).max() <= 1.05 * steepest
    assert not samples[-round(0.02 * RATE) :].any()  # the last sound is over before the end
    assert rms_db(samples[-round(0.1 * RATE) :]) < rms_db(samples[RATE : 2 * RATE]) - 15


def test_the_size_of_the_blocks_does_not_matter(tmp_path: Path) -> None:
    sound = piece(3.0)
    mix.master([sound], tmp_path / "one.wav", duration_s=3.0)
    mix.master(np.array_split(sound, 137), tmp_path / "many.wav", duration_s=3.0)
    assert (tmp_path / "one.wav").read_bytes() == (tmp_path / "many.wav").read_bytes()


def test_stems_add_up_to_the_master_before_its_limiter(tmp_path: Path) -> None:
    stems = {"piano": piece(5.0, 1), "bass/left": piece(5.0, 2), "Piano": piece(4.0, 3), "source": piece(5.0, 4)}
    report = mix.mix(
        {name: seconds(sound) for name, sound in stems.items()},
        tmp_path / "a.wav",
        duration_s=5.0,
        stems_folder=tmp_path / "stems",
    )
    files = sorted(path.name for path in (tmp_path / "stems").iterdir())
    assert files == ["Piano 2.wav", "bass_left.wav", "piano.wav", "source.wav"]
    total = sum(read_floats(path) for path in (tmp_path / "stems").iterdir())
    master = read(tmp_path / "a.wav")
    where = slice(None) if report.music.limited_db == 0 else np.abs(total).max(axis=1) < 0.05
    assert np.abs(total - master)[where].max() < 1e-2
    plain = sum(np.pad(sound, ((0, 5 * RATE - len(sound)), (0, 0))) for sound in stems.values())
    inner = slice(RATE, 4 * RATE)
    assert total[inner] == pytest.approx(plain[inner] * 10 ** (report.music.gain_db / 20), abs=2e-3)
    assert np.abs(total).max() >= np.abs(master).max() - 1e-3


def test_stems_equal_the_master_where_nothing_is_limited(tmp_path: Path) -> None:
    stems = {"a": [tone(3.0, 0.1, 300)], "b": [tone(3.0, 0.2, 500)]}
    report = mix.mix(stems, tmp_path / "a.wav", duration_s=3.0, stems_folder=tmp_path / "stems")
    assert report.music.limited_db == 0
    total = read_floats(tmp_path / "stems/a.wav") + read_floats(tmp_path / "stems/b.wav")
    assert np.abs(total - read(tmp_path / "a.wav")).max() < 1e-4


def test_stems_are_written_only_when_asked_for(tmp_path: Path) -> None:
    mix.mix({"a": [tone(1.0, 0.1)]}, tmp_path / "a.wav", duration_s=1.0)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def pilot_db(samples: np.ndarray) -> np.ndarray:
    """Level of the pilot tone every 10 ms."""
    band = sosfiltfilt(butter(4, [PILOT_HZ - 500, PILOT_HZ + 500], "band", fs=RATE, output="sos"), samples[:, 0])
    return 10 * np.log10(np.square(band[: len(band) // 441 * 441]).reshape(-1, 441).mean(axis=1) + 1e-12)


@pytest.mark.parametrize("voice", ["en-us", "fr+f2", "en-gb+f3"])
def test_music_is_lower_while_speech_sounds_and_moves_slowly(voice: str, tmp_path: Path) -> None:
    said, times = talk(voice)
    duration_s = len(said) / RATE
    music = [tone(duration_s, 0.1, PILOT_HZ)]  # steady, so that its level in the mix is the gain it got
    out, under = tmp_path / "a.wav", tmp_path / "b.wav"
    report = mix.mix({"pilot": music}, out, duration_s=duration_s, source=KnownSource(said), under=under)
    level = pilot_db(read(under))
    now_s = (np.arange(len(level)) + 0.5) / 100
    inner = (now_s > 0.2) & (now_s < duration_s - 0.7)
    speaking = within(times, now_s)
    gaps = inner & ~within(times, now_s, wider_s=balance.HOLD_S + balance.RELEASE_S + 0.2)
    assert gaps.sum() > 500
    # 10^(dB/10) of the music while it sounds alone against while somebody speaks
    lower_db = 10 * np.log10((10 ** (level[gaps] / 10)).mean() / (10 ** (level[speaking] / 10)).mean())
    assert lower_db >= 10
    assert level[speaking].max() <= np.median(level[gaps]) - 8  # from the first word to the last
    assert report.ducked_db >= 8
    assert np.abs(level[5:] - level[:-5])[inner[5:]].max() < 5  # dB within 50 ms, of 12
    assert report.speech_s == pytest.approx(sum(end - start for start, end in times), rel=0.15)
    assert lufs(read(under)) == pytest.approx(-14, abs=0.3)
    assert true_peak_db(read(under)) <= -1


def test_kept_speech_is_louder_than_music_of_constant_gain(tmp_path: Path) -> None:
    said, _ = talk("en-us")
    duration_s = len(said) / RATE
    music = [tone(duration_s, 0.1, PILOT_HZ)]
    report = mix.mix(
        {"pilot": music},
        tmp_path / "a.wav",
        duration_s=duration_s,
        source=KnownSource(said),
        mode="keep",
        under=tmp_path / "b.wav",
    )
    level = pilot_db(read(tmp_path / "b.wav"))[20 : round(100 * duration_s) - 80]
    assert np.ptp(level) < 2.5  # what the limiter does at loud words
    assert (report.mode, report.ducked_db) == ("keep", 0)
    assert report.speech_s > 5


def test_ambience_stays_under_the_music_and_noise_is_not_brought_up(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    music = piece(8.0)
    for level, raised in ((0.3, None), (1e-3, balance.MAX_RAISE_DB)):
        own = KnownSource(rng.normal(0, level, (8 * RATE, 2)).astype(np.float32))
        report = mix.mix({"m": [music]}, tmp_path / "a.wav", duration_s=8.0, source=own, under=tmp_path / "b.wav")
        added = report.source_lufs - mix.LOUDNESS_LUFS + balance.AMBIENCE_LU
        music_db = mix.LOUDNESS_LUFS - lufs(stereo(music[:, 0]))
        assert report.music_db == pytest.approx(music_db - (raised or -added), abs=0.3)
        assert (report.mode, report.speech_s, report.ducked_db) == ("duck", 0, 0)
        assert lufs(read(tmp_path / "b.wav")) == pytest.approx(-14, abs=0.2)


def test_the_source_keeps_its_time(tmp_path: Path) -> None:
    sound = np.zeros((4 * RATE, 2), np.float32)
    sound[round(1.234 * RATE) : round(1.334 * RATE)] = tone(0.1, 0.5, 3000)
    mix.mix({}, tmp_path / "a.wav", duration_s=4.0, source=KnownSource(sound), mode="keep", under=tmp_path / "b.wav")
    loud = np.flatnonzero(np.abs(read(tmp_path / "b.wav")[:, 0]) > 0.01) / RATE
    assert loud[0] == pytest.approx(1.234, abs=0.001)
    assert loud[-1] == pytest.approx(1.334, abs=0.001)


@pytest.mark.parametrize(
    ("source", "mode", "asked"),
    [(None, "duck", True), (tone(3.0, 0.2), "replace", True), (np.zeros((RATE, 2), np.float32), "keep", True)],
    ids=["no sound", "replace", "silent"],
)
def test_without_source_audio_there_is_one_file(source, mode: str, asked: bool, tmp_path: Path) -> None:
    own = None if source is None else KnownSource(source)
    report = mix.mix(
        {"m": [piece(3.0)]}, tmp_path / "a.wav", duration_s=3.0, source=own, mode=mode, under=tmp_path / "b.wav"
    )
    assert report.mode == "replace"
    assert report.under == report.music
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_the_own_sound_is_a_stem_at_its_level_in_the_mix(tmp_path: Path) -> None:
    own = KnownSource(np.random.default_rng(0).normal(0, 0.05, (6 * RATE, 2)).astype(np.float32))
    mix.mix(
        {"m": [tone(6.0, 0.05)]},
        tmp_path / "a.wav",
        duration_s=6.0,
        source=own,
        mode="keep",
        under=tmp_path / "b.wav",
        stems_folder=tmp_path / "stems",
    )
    total = read_floats(tmp_path / "stems/m.wav") + read_floats(tmp_path / "stems/source.wav")
    mixed = read(tmp_path / "b.wav")
    inner = slice(RATE, 5 * RATE)
    scale = (total[inner] * mixed[inner]).sum() / np.square(total[inner]).sum()
    assert rms_db(mixed[inner] - scale * total[inner]) < rms_db(mixed[inner]) - 40


def test_an_unknown_way_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="replace, keep, duck"):
        mix.mix({}, tmp_path / "a.wav", duration_s=1.0, mode="mute")


def test_a_folder_that_cannot_be_written_is_reported_in_a_sentence() -> None:
    with pytest.raises(MediaError, match=r"a\.wav cannot be written"):
        mix.master([], Path("/proc/a.wav"), duration_s=1.0)


def test_a_full_disk_is_reported_in_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "a.wav")], capture_output=True, text=True, check=True
    )
    assert "a.wav cannot be written (File too large)" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_music_that_breaks_off_with_an_error_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[np.ndarray]:
        yield tone(1.0, 0.5)
        raise RuntimeError("the synthesizer broke")

    with pytest.raises(RuntimeError, match="broke"):
        mix.mix({"a": broken(), "b": [tone(2.0, 0.1)]}, tmp_path / "a.wav", duration_s=2.0, stems_folder=tmp_path / "s")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_five_minutes_take_no_more_memory_than_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)

    def long(seconds_: int) -> Iterator[np.ndarray]:
        block = piece(1.0)
        for number in range(seconds_):
            yield block * (1 + number % 3)

    class LongSource(KnownSource):
        def blocks(self) -> Iterator[np.ndarray]:
            yield from (self.samples for _ in range(300))

    own = LongSource(np.random.default_rng(0).normal(0, 0.01, (RATE, 2)).astype(np.float32))

    def run(seconds_: int) -> int:
        mix.mix(
            {"a": long(seconds_), "b": long(seconds_)},
            tmp_path / "a.wav",
            duration_s=seconds_,
            source=own,
            under=tmp_path / "b.wav",
        )
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    few = run(60)
    assert run(300) - few < 25_000  # KiB; the music alone would be 106 MB as floats
