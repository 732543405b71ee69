"""Round trips: what comes out is compared with what went in, packet by packet and by decoding both."""

import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.video2music.conftest import real_clips
from tests.video2music.video_files import EVEN_MS, clicks, film, packet_hashes, picture_times, sound, subtitled
from video2music.errors import MediaError
from video2music.media import mux
from video2music.media.clip import frames, probe

B_FRAMES = {"bf": "2"}
BT_709 = (1, 1)  # matrix and primaries
FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from video2music.media import mux
from video2music.errors import MediaError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
try:
    mux.mux(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), duration_s=30.0)
except MediaError as error:
    print(error)
"""

COPIED = {  # source: codec, suffix, muxer, options, pixels -> suffix of the result
    "mp4 with B-frames": ("libx264", ".mp4", None, B_FRAMES, "yuv420p", ".mp4"),
    "mov": ("libx264", ".mov", None, B_FRAMES, "yuv420p", ".mov"),
    "mkv with B-frames": ("libx264", ".mkv", None, B_FRAMES, "yuv420p", ".mkv"),
    "webm": ("libvpx-vp9", ".webm", None, {}, "yuv420p", ".webm"),
    "vp9 in mp4": ("libvpx-vp9", ".mp4", None, {}, "yuv420p", ".mp4"),
    "webm under a wrong name": ("libvpx", ".mp4", "webm", {}, "yuv420p", ".webm"),
    "mp4 under a wrong name": ("libx264", ".avi", "mp4", {}, "yuv420p", ".mp4"),
    "mp4 without a suffix": ("libx264", "", "mp4", {}, "yuv420p", ".mp4"),
    "prores": ("prores_ks", ".mov", None, {}, "yuv422p10le", ".mov"),
    "avi": ("mpeg4", ".avi", None, {}, "yuv420p", ".mkv"),
    "avi with B-frames": ("mpeg4", ".avi", None, B_FRAMES, "yuv420p", ".mkv"),
    "mpeg program stream": ("mpeg2video", ".mpg", None, {}, "yuv420p", ".mkv"),
    "h265": ("libx265", ".mp4", None, {"x265-params": "log-level=none"}, "yuv420p", ".mp4"),
    "odd size": ("libx264", ".mp4", None, {}, "yuv444p", ".mp4"),
}


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clicks(tmp_path_factory.mktemp("music") / "second.wav", 1.0)


def length(path: Path) -> float:
    return [frame.end_s for frame in frames(path)][-1]


def assert_in_step(source: Path, scored: Path, *, within_s: float = 0.0011) -> None:
    """Every picture keeps its time after the first, and the sound begins with the picture and lasts as long."""
    before, after = picture_times(source), picture_times(scored)
    assert np.array(after) - after[0] == pytest.approx(np.array(before) - before[0], abs=within_s)
    start_s, samples, rate = sound(scored)
    assert start_s == pytest.approx(after[0], abs=within_s)
    assert len(samples) / rate == pytest.approx(length(source), abs=0.02)


@pytest.mark.parametrize("name", COPIED)
def test_the_picture_is_copied_byte_for_byte(name: str, second: Path, tmp_path: Path) -> None:
    codec, suffix, muxer, options, pixels, expected = COPIED[name]
    size = (65, 49) if name == "odd size" else (64, 48)
    source = film(tmp_path / f"clip{suffix}", codec, muxer=muxer, options=options, pixels=pixels, size=size)
    scored = mux.mux(source, second, tmp_path / "clip.scored", duration_s=1.0)
    assert scored.name == f"clip.scored{expected}"
    assert packet_hashes(scored) == packet_hashes(source)
    assert len(packet_hashes(source)) == len(EVEN_MS)
    assert_in_step(source, scored)


@pytest.mark.parametrize(
    ("codec", "suffix", "pixels"),
    [
        ("gif", ".gif", "bgr8"),
        ("msvideo1", ".avi", "rgb555le"),
        ("wmv2", ".wmv", "yuv420p"),
        ("flv", ".flv", "yuv420p"),
    ],
)
def test_video_that_no_container_supports_looks_the_same(
    codec: str, suffix: str, pixels: str, second: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = film(tmp_path / f"clip{suffix}", codec, pixels=pixels)
    scored = mux.mux(source, second, tmp_path / "clip.scored", duration_s=1.0)
    assert scored.suffix == ".mkv"
    assert "re-encoded" in caplog.text
    assert_in_step(source, scored, within_s=0.011)
    for before, after in zip(frames(source), frames(scored), strict=True):
        greys = [frame.picture.to_ndarray(format="gray").astype(float) for frame in (before, after)]
        assert np.abs(greys[0] - greys[1]).mean() < 5  # of 255; neighbouring pictures differ by more
        assert greys[0].mean() == pytest.approx(greys[1].mean(), abs=4.5)


@pytest.mark.parametrize("times_ms", [(0,), (0, 10, 700), (0, 33, 66, 500, 1900), tuple(range(5000, 7000, 40))])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_any_clock_stays_in_step(times_ms: tuple[int, ...], suffix: str, tmp_path: Path) -> None:
    codec = "libvpx" if suffix == ".webm" else "libx264"
    source = film(tmp_path / f"clip{suffix}", codec, times_ms=times_ms, options={} if suffix == ".webm" else B_FRAMES)
    music = clicks(tmp_path / "music.wav", max(length(source), 0.01))
    scored = mux.mux(source, music, tmp_path / "clip.scored", duration_s=length(source))
    assert packet_hashes(scored) == packet_hashes(source)
    assert_in_step(source, scored)


@pytest.mark.parametrize("duration_s", [0.5, 1.0, 1.2345, 1.4988, 1.5097, 2.999])
@pytest.mark.parametrize("rate", [44_100, 48_000, 22_050])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_the_sound_is_as_long_as_asked_and_not_displaced(
    duration_s: float, rate: int, suffix: str, tmp_path: Path
) -> None:
    source = film(tmp_path / f"clip{suffix}", "libvpx" if suffix == ".webm" else "mpeg4", times_ms=(0, 40))
    music = clicks(tmp_path / "music.wav", duration_s, rate=rate)
    start_s, samples, rate = sound(mux.mux(source, music, tmp_path / "scored", duration_s=duration_s))
    assert start_s == pytest.approx(0, abs=0.0011)
    assert len(samples) / rate == pytest.approx(duration_s, abs=0.02)
    loud = np.flatnonzero(np.abs(samples) > 0.3) / rate
    assert loud[0] == pytest.approx(0, abs=0.001)
    assert loud[-1] == pytest.approx(duration_s - 0.005, abs=0.001)


@pytest.mark.parametrize("wav_s", [0.0, 0.3, 4.0])
def test_music_too_short_or_too_long_is_padded_or_cut(wav_s: float, tmp_path: Path) -> None:
    source = film(tmp_path / "clip.mp4")
    music = clicks(tmp_path / "music.wav", wav_s, channels=1)
    assert_in_step(source, mux.mux(source, music, tmp_path / "scored", duration_s=1.0))


@pytest.mark.parametrize("rotation", [90, 180, 270])
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_rotation_is_kept(rotation: int, suffix: str, second: Path, tmp_path: Path) -> None:
    source = film(tmp_path / f"clip{suffix}", rotation=rotation)
    assert probe(mux.mux(source, second, tmp_path / "scored", duration_s=1.0)).rotation == rotation


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_what_else_belongs_to_the_clip_is_kept(suffix: str, second: Path, tmp_path: Path) -> None:
    source = film(
        tmp_path / f"clip{suffix}",
        "libx264",
        aspect=Fraction(4, 3),
        texts={"title": "Ein Ausflug", "comment": "with Grandma"},
        chapters=[(0, 400, "There"), (400, 1000, "Back")],
        colour=BT_709,
    )
    scored = mux.mux(source, second, tmp_path / "scored", duration_s=1.0)
    with av.open(str(scored)) as container:
        stream = container.streams.video[0]
        texts = {key.lower(): text for key, text in container.metadata.items()}
        assert stream.sample_aspect_ratio == Fraction(4, 3)
        assert stream.language == "deu"
        assert (texts["title"], texts["comment"]) == ("Ein Ausflug", "with Grandma")
        titles = [(float(one["start"] * one["time_base"]), one["metadata"]["title"]) for one in container.chapters()]
        assert titles == [(0.0, "There"), (pytest.approx(0.4), "Back")]
        assert (stream.codec_context.colorspace, stream.codec_context.color_primaries) == BT_709


def test_apple_s_tag_of_h265_is_kept(second: Path, tmp_path: Path) -> None:
    options = {"x265-params": "log-level=none"}
    source = film(tmp_path / "clip.mov", "libx265", tag="hvc1", options=options)
    with av.open(str(mux.mux(source, second, tmp_path / "scored", duration_s=1.0))) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"


def test_subtitles_are_kept_where_the_container_supports_them(second: Path, tmp_path: Path) -> None:
    lines = [(100, 400, "Hello"), (500, 900, "Bye")]
    source = subtitled(tmp_path / "clip.mkv", film(tmp_path / "bare.mkv", "libx264", options=B_FRAMES), lines)
    scored = mux.mux(source, second, tmp_path / "scored", duration_s=1.0)
    with av.open(str(scored)) as container:
        packets = [packet for packet in container.demux(subtitles=0) if packet.size]
        found = [(round(packet.pts * packet.time_base * 1000), bytes(packet).decode()) for packet in packets]
    assert found == [(100, "Hello"), (500, "Bye")]
    assert_in_step(source, scored)


def test_the_clip_s_own_sound_is_left_out(second: Path, tmp_path: Path) -> None:
    source = film(tmp_path / "clip.mp4")
    once = mux.mux(source, second, tmp_path / "once", duration_s=1.0)
    twice = mux.mux(once, clicks(tmp_path / "b.wav", 0.0), tmp_path / "twice", duration_s=1.0)
    with av.open(str(twice)) as container:
        assert len(container.streams.audio) == 1
    assert np.abs(sound(twice)[1]).max() < 0.001
    assert packet_hashes(twice) == packet_hashes(source)


def test_metadata_that_is_no_utf8_does_not_stop_it(second: Path, tmp_path: Path) -> None:
    source = film(tmp_path / "clip.mp4", texts={"title": "Caf@"})
    source.write_bytes(source.read_bytes().replace(b"Caf@", b"Caf\xe9"))
    scored = mux.mux(source, second, tmp_path / "scored", duration_s=1.0)
    assert b"Caf\xe9" in scored.read_bytes()


@pytest.mark.parametrize("name", ["-dash %d 'quoted' \"twice\".mp4", "http:x.mp4", "日本語.mp4"])
def test_any_name_is_only_a_name(name: str, second: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    film(tmp_path / "plain.mp4").rename(name)
    music = tmp_path / f"{name}.wav"
    shutil.copy(second, music)
    scored = mux.mux(Path(name), music, Path(f"{name}.scored"), duration_s=1.0)
    assert scored.is_file()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([name, music.name, scored.name])


def test_an_index_at_the_front_lets_players_start_at_once(second: Path, tmp_path: Path) -> None:
    scored = mux.mux(film(tmp_path / "clip.mp4"), second, tmp_path / "scored", duration_s=1.0).read_bytes()
    assert scored.index(b"moov") < scored.index(b"mdat")


def test_a_full_disk_is_reported_in_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    noise = tmp_path / "noise.wav"
    clicks(noise, 30.0)
    data = bytearray(noise.read_bytes())
    data[44:] = np.random.default_rng(0).integers(0, 255, len(data) - 44, np.uint8).tobytes()
    noise.write_bytes(data)
    folder = tmp_path / "out"
    folder.mkdir()
    for clip in (film(tmp_path / "clip.mp4"), film(tmp_path / "clip.mkv"), film(tmp_path / "clip.webm", "libvpx")):
        arguments = [str(clip), str(noise), str(folder / "scored")]
        done = subprocess.run([sys.executable, "-c", FULL_DISK, *arguments], capture_output=True, text=True, check=True)
        assert "cannot be written (File too large)" in done.stdout
        assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_reported_in_a_sentence(second: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"scored\.mp4 cannot be written"):
        mux.mux(film(tmp_path / "clip.mp4"), second, Path("/proc/scored"), duration_s=1.0)


def test_an_older_result_survives_a_failure(tmp_path: Path) -> None:
    (tmp_path / "scored.mp4").write_text("older")
    with pytest.raises(MediaError, match="cannot be read as audio"):
        mux.mux(film(tmp_path / "clip.mp4"), tmp_path / "none.wav", tmp_path / "scored", duration_s=1.0)
    assert (tmp_path / "scored.mp4").read_text() == "older"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["clip.mp4", "scored.mp4"]


def test_a_wav_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = clicks(tmp_path / "music.wav", 1.0, channels=4)
    with pytest.raises(MediaError, match="16-bit WAV"):
        mux.mux(film(tmp_path / "clip.mp4"), path, tmp_path / "scored", duration_s=1.0)


def test_every_small_real_clip_comes_through(shared: Path, tmp_path: Path) -> None:
    tried = 0
    for source in real_clips(shared):
        try:
            probe(source)
        except MediaError:
            continue
        if source.stat().st_size > 1_000_000:
            continue
        seconds = length(source)
        scored = mux.mux(source, clicks(tmp_path / "m.wav", seconds), tmp_path / source.stem, duration_s=seconds)
        tried += 1
        if source.suffix != ".gif":
            assert packet_hashes(scored) == packet_hashes(source), source
        assert probe(scored).rotation == probe(source).rotation
        assert_in_step(source, scored)
    assert tried >= 10
