"""A clip's own sound is looked for where it was put: ticks at known times of films made here, and real clips."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame

from tests.video2music.speech_audio import RATE
from tests.video2music.video_files import film
from video2music.media.soundtrack import JITTER_S, soundtrack

SOUNDING = ["bbb_480p_30s.mp4", "chaplin.mp4", "mdn_frog.mp4", "sam2_01_dog.mp4", "edge/vfr.mp4"]
STEP_MS = 20


def talkie(
    path: Path,
    sounds: Sequence[tuple[int, np.ndarray]],
    *,
    first_picture_ms: int = 0,
    rate: int = 48_000,
    layout: str = "stereo",
    codec: str = "pcm_s16le",
) -> Path:
    """A Matroska film of 2 s with sounds (n,) that begin at some milliseconds, alike on all channels."""
    with av.open(str(path), "w", format="matroska") as container:
        picture = container.add_stream("mpeg4", rate=25, width=64, height=48, pix_fmt="yuv420p")
        picture.codec_context.time_base = Fraction(1, 1000)
        stream = container.add_stream(codec, rate=rate, layout=layout)
        packets = []
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), "rgb24").reformat(format="yuv420p")
            frame.time_base, frame.pts = Fraction(1, 1000), first_picture_ms + 40 * number
            packets += picture.encode(frame)
        packets += picture.encode(None)
        for start_ms, sound in sounds:
            packets += _spoken(stream, start_ms, sound)
        packets += stream.encode(None)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def _spoken(stream, start_ms: int, sound: np.ndarray) -> list[av.Packet]:
    packets, size = [], stream.codec_context.sample_rate * STEP_MS // 1000
    for number in range(len(sound) // size):
        part = np.repeat(sound[number * size : (number + 1) * size, None], stream.codec_context.layout.nb_channels, 1)
        whole = np.ascontiguousarray(np.rint(part * 32767).astype("<i2")).reshape(1, -1)
        frame = AudioFrame.from_ndarray(whole, "s16", stream.codec_context.layout.name)
        frame.sample_rate, frame.time_base = stream.codec_context.sample_rate, Fraction(1, 1000)
        frame.pts = start_ms + number * STEP_MS
        packets += stream.encode(frame)
    return packets


def ticking(seconds: float, *, rate: int = 48_000, every_s: float = 0.25, first_s: float = 0.1) -> np.ndarray:
    """Ticks of 2 ms at first_s and every every_s after it."""
    now = np.arange(round(seconds * rate)) / rate
    phase = (now - first_s) % every_s
    return np.where((phase < 0.002) & (now >= first_s), 0.5 * np.sin(2 * np.pi * 1000 * phase), 0.0)


def heard(path: Path) -> np.ndarray:
    found = soundtrack(path)
    assert found is not None
    return np.concatenate([np.zeros((0, 2), np.float32), *found.blocks()])


def ticks_s(samples: np.ndarray) -> np.ndarray:
    """When ticks begin, in seconds."""
    loud = np.flatnonzero(np.abs(samples).max(axis=1) > 0.1) / RATE
    return loud[np.diff(loud, prepend=-1) > 0.05]


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
def test_ticks_are_at_their_times(rate: int, layout: str, tmp_path: Path) -> None:
    path = talkie(tmp_path / "a.mkv", [(0, ticking(2.0, rate=rate))], rate=rate, layout=layout)
    samples = heard(path)
    assert samples.dtype == np.float32
    assert len(samples) / RATE == pytest.approx(2.0, abs=0.002)
    assert ticks_s(samples) == pytest.approx(np.arange(8) * 0.25 + 0.1, abs=0.002)
    assert samples[:, 0] == pytest.approx(samples[:, 1], abs=1e-6)


def test_sound_before_the_first_picture_is_left_out(tmp_path: Path) -> None:
    path = talkie(tmp_path / "a.mkv", [(0, ticking(2.0))], first_picture_ms=400)
    assert soundtrack(path).start_s == pytest.approx(0.4, abs=0.001)
    assert ticks_s(heard(path)) == pytest.approx(np.arange(6) * 0.25 + 0.2, abs=0.002)


def test_sound_that_begins_later_begins_later(tmp_path: Path) -> None:
    samples = heard(talkie(tmp_path / "a.mkv", [(700, ticking(1.0))]))
    assert not samples[: int(0.69 * RATE)].any()
    assert ticks_s(samples) == pytest.approx(np.arange(4) * 0.25 + 0.8, abs=0.002)


def test_a_gap_is_silent_and_what_follows_is_in_time(tmp_path: Path) -> None:
    steady = np.full(24_000, 0.5)
    samples = heard(talkie(tmp_path / "a.mkv", [(0, steady), (1200, steady)]))
    level = np.abs(samples[:, 0])
    assert level[int(0.51 * RATE) : int(1.19 * RATE)].max() < 1e-3
    assert level[int(1.21 * RATE) : int(1.69 * RATE)] == pytest.approx(0.5, abs=0.01)
    assert np.abs(np.diff(samples, axis=0)).max() < 0.01  # neither edge clicks


def test_audio_that_comes_twice_is_kept_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = talkie(tmp_path / "a.mkv", [(0, ticking(1.0))])
    frames = [*_frames(0.0, ticking(1.0)), *_frames(0.8, ticking(1.0, first_s=0.3))]
    monkeypatch.setattr("video2music.media.soundtrack.decoded", lambda *given: iter(frames))
    samples = heard(path)
    assert len(samples) / RATE == pytest.approx(1.8, abs=0.002)
    assert ticks_s(samples) == pytest.approx(np.arange(7) * 0.25 + 0.1, abs=0.002)


def test_a_clock_that_is_reset_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = talkie(tmp_path / "a.mkv", [(0, ticking(1.0))])
    frames = [*_frames(0.0, ticking(1.5)), *_frames(0.0, ticking(1.0))]
    monkeypatch.setattr("video2music.media.soundtrack.decoded", lambda *given: iter(frames))
    assert ticks_s(heard(path)) == pytest.approx(
        [*(np.arange(6) * 0.25 + 0.1), *(np.arange(4) * 0.25 + 1.6)], abs=0.002
    )


def _frames(start_s: float, sound: np.ndarray, rate: int = 48_000) -> list[AudioFrame]:
    frames = []
    for start in range(0, len(sound), 960):
        frame = AudioFrame.from_ndarray(sound[None, start : start + 960].astype(np.float32), "flt", "mono")
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = round(start_s * rate) + start
        frames.append(frame)
    return frames


def test_jitter_of_time_stamps_leaves_no_gap(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tone = 0.5 * np.sin(2 * np.pi * 200 * np.arange(96_000) / 48_000)
    parts = [
        (round(20 * number + rng.uniform(0, 400 * JITTER_S)), tone[960 * number : 960 * (number + 1)])
        for number in range(100)
    ]
    samples = heard(talkie(tmp_path / "a.mkv", parts))
    assert np.abs(np.diff(samples, axis=0)).max() < 0.02
    assert np.sqrt(np.square(samples[RATE // 10 : -RATE // 10]).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.01)


def test_damage_in_the_middle_leaves_the_rest_in_time(tmp_path: Path) -> None:
    path = talkie(tmp_path / "a.mkv", [(0, ticking(2.0))], codec="flac")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 10] = bytes(len(data) // 10)
    path.write_bytes(data)
    found = ticks_s(heard(path))
    expected = np.arange(8) * 0.25 + 0.1
    assert len(found) >= 4
    assert all(np.abs(expected - tick).min() < 0.004 for tick in found)


def test_the_default_one_of_two_streams_is_read(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=25, width=64, height=48, pix_fmt="yuv420p")
        streams = [container.add_stream("pcm_s16le", rate=48_000, layout="mono") for _ in range(2)]
        streams[0].disposition = av.stream.Disposition(0)
        streams[1].disposition = av.stream.Disposition.default
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24").reformat(format="yuv420p")
        frame.pts = 0
        packets = [*picture.encode(frame), *picture.encode(None)]
        packets += [
            packet
            for stream, level in zip(streams, (0.1, 0.6), strict=True)
            for packet in _spoken(stream, 0, np.full(48_000, level))
        ]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    samples = heard(path)
    assert samples[RATE // 2, 0] == pytest.approx(0.6 / np.sqrt(2), abs=0.01)  # FFmpeg shares mono between two sides


def test_a_clip_without_sound_has_none(tmp_path: Path) -> None:
    assert soundtrack(film(tmp_path / "a.mp4")) is None


def test_floats_that_are_no_numbers_are_silence(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=25, width=64, height=48, pix_fmt="yuv420p")
        stream = container.add_stream("pcm_f32le", rate=44_100, layout="stereo")
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24").reformat(format="yuv420p")
        frame.pts = 0
        container.mux([*picture.encode(frame), *picture.encode(None)])
        samples = np.full((1, 2 * 4410), 0.2, np.float32)
        samples[0, 4000:4400] = np.nan
        samples[0, 5000:5200] = 1e30
        sound = AudioFrame.from_ndarray(samples, "flt", "stereo")
        sound.sample_rate, sound.pts = 44_100, 0
        container.mux([*stream.encode(sound), *stream.encode(None)])
    found = heard(path)
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= 4.0


def test_only_what_is_asked_for_is_decoded(tmp_path: Path) -> None:
    path = talkie(tmp_path / "a.mkv", [(0, ticking(2.0))])
    assert sum(len(block) for block in islice(soundtrack(path).blocks(), 3)) < RATE


def test_a_gap_that_only_the_time_stamps_show_is_kept(shared: Path) -> None:
    path = shared / "clips" / "fire2.mp4"  # its second packet comes 155 ms late
    with av.open(str(path)) as container:
        last = list(container.decode(audio=0))[-1]
    assert len(heard(path)) / RATE == pytest.approx(last.time + last.samples / last.sample_rate, abs=0.001)


@pytest.mark.parametrize("name", SOUNDING)
def test_real_clips_sound_as_a_plain_decoder_reads_them(name: str, shared: Path) -> None:
    path = shared / "clips" / name
    expected = []
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "stereo", RATE)
        frames = list(container.decode(audio=0))
        for frame in [*frames, None]:
            expected += [part.to_ndarray().reshape(-1, 2) for part in resampler.resample(frame)]
    assert frames[0].time == pytest.approx(0, abs=0.001)
    expected, found = np.concatenate(expected), heard(path)
    assert len(found) == pytest.approx(len(expected), abs=2)
    inner = slice(RATE // 10, min(len(found), len(expected)) - RATE // 10)
    assert np.abs(found[inner] - expected[inner]).max() < 1e-4
