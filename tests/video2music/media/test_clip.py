"""Films drawn for the purpose and every real clip, against PyAV's plain decoding."""

import itertools
from pathlib import Path

import av
import numpy as np
import pytest

from tests.video2music.conftest import real_clips
from tests.video2music.video_files import brightness, film
from video2music.errors import MediaError
from video2music.media.clip import Clip, _Timeline, atomic_write, frames, probe

NAMES = [
    "with spaces.mp4",
    'it\'s "quoted".mp4',
    "-dash.mp4",
    "100%d%.mp4",
    "http:colon.mp4",
    "concat:a|b.mp4",
    "日本語 ümlaut.mp4",
    "new\nline.mp4",
    "[brackets]*?.mp4",
]


def greys(path: Path) -> list[int]:
    return [round(float(frame.picture.to_ndarray(format="gray").mean())) for frame in frames(path)]


def spans(path: Path) -> list[tuple[float, float]]:
    return [(frame.time_s, frame.end_s) for frame in frames(path)]


def test_probe_returns_the_properties_of_the_clip(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4")
    assert probe(path) == Clip(path, 1.0, 64, 48, 0, 25.0, "mov,mp4,m4a,3gp,3g2,mj2", has_audio=False)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_rotation_is_degrees_clockwise_and_the_size_is_that_of_the_upright_picture(
    rotation: int, tmp_path: Path
) -> None:
    clip = probe(film(tmp_path / "a.mp4", rotation=rotation))
    assert clip.rotation == rotation
    assert (clip.width, clip.height) == ((64, 48) if rotation % 180 == 0 else (48, 64))


def test_the_keys_of_a_keyboard_filmed_sideways_are_upright_when_rotated(shared: Path) -> None:
    clip = probe(shared / "clips/edge/decord_video_90.mov")  # its letters read from bottom to top as stored
    assert (clip.rotation, clip.width, clip.height) == (90, 320, 568)


def test_frames_come_in_order_with_their_times(tmp_path: Path) -> None:
    times_ms = (0, 40, 400, 440, 960, 2000)
    path = film(tmp_path / "a.mkv", "libx264", times_ms=times_ms, options={"bf": "2"})
    assert [round(start * 1000) for start, _ in spans(path)] == list(times_ms)
    assert greys(path) == pytest.approx([brightness(index) for index in range(6)], abs=3)


def test_each_frame_ends_where_the_next_begins(tmp_path: Path) -> None:
    found = spans(film(tmp_path / "a.mp4"))
    assert all(one[1] == other[0] for one, other in itertools.pairwise(found))
    assert found[-1][1] == pytest.approx(1.0)


def test_a_clip_whose_clock_starts_late_starts_at_zero(tmp_path: Path) -> None:
    found = spans(film(tmp_path / "a.mkv", times_ms=range(5000, 6000, 40)))
    assert found[0][0] == 0
    assert found[-1][1] == pytest.approx(1.0, abs=0.002)


def test_a_single_frame_has_a_length(tmp_path: Path) -> None:
    assert spans(film(tmp_path / "a.mp4", times_ms=[0])) == [(0.0, pytest.approx(0.04))]


@pytest.mark.parametrize(
    ("stamps", "placed"),
    [
        ([3.0, 3.1, 3.2], [0, 0.1, 0.2]),
        ([0.0, 0.1, 0.1, 0.15, 0.4], [0, 0.1, 0.2, 0.3, 0.4]),  # twice the same, then out of order, then right again
        ([0.0, None, 0.2], [0, 0.1, 0.2]),
        ([None, None], [0, 0.1]),
        ([7.0, 8.0, 0.0, 0.5], [0, 1.0, 1.1, 1.6]),  # the clock begins anew, as in joined recordings
    ],
)
def test_times_rise_whatever_the_file_says(stamps: list[float | None], placed: list[float]) -> None:
    clock = _Timeline(0.1)
    assert [clock.time_of(stamp) for stamp in stamps] == pytest.approx(placed)


def test_a_jump_of_the_clock_is_not_believed_without_limit(tmp_path: Path) -> None:
    jump_ms = 100_000_000
    path = film(tmp_path / "a.mkv", times_ms=[*range(0, 400, 40), *range(jump_ms, jump_ms + 400, 40)])
    with pytest.raises(MediaError, match=r"a\.mkv lasts 27\.8 hours.* the limit is 6 hours"):
        probe(path)
    with pytest.raises(MediaError, match=r"a\.mkv lasts 27\.8 hours"):
        list(frames(path))


def test_hours_of_video_are_no_jump(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv", times_ms=[0, 3_600_000, 21_000_000])
    assert probe(path).duration_s == pytest.approx(21_000, abs=1)
    assert [round(start) for start, _ in spans(path)] == [0, 3600, 21_000]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_only_a_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / name
    film(tmp_path / "plain.mp4").replace(path)
    assert len(list(frames(path))) == 25
    monkeypatch.chdir(tmp_path)
    assert probe(Path(name)).fps == 25


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    song = tmp_path / "song.mp3"
    with av.open(str(song), "w") as container:
        cover = container.add_stream("mjpeg", width=64, height=48, pix_fmt="yuvj420p")
        cover.disposition = av.stream.Disposition.attached_pic
        music = container.add_stream("mp3", rate=44_100, layout="stereo")
        container.mux(cover.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")))
        container.mux(cover.encode(None))
        quiet = av.AudioFrame.from_ndarray(np.zeros((2, 44_100), np.float32), "fltp", "stereo")
        quiet.sample_rate, quiet.pts = 44_100, 0
        container.mux(music.encode(quiet))
        container.mux(music.encode(None))
    with pytest.raises(MediaError, match="audio but no video stream"):
        probe(song)


def test_damaged_packets_are_skipped_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = film(tmp_path / "a.mp4", "png", pixels="rgb24", times_ms=range(0, 400, 40))
    with av.open(str(path)) as container:
        third = [packet.pos for packet in container.demux(video=0) if packet.size][3]
    data = bytearray(path.read_bytes())
    data[third : third + 8] = bytes(8)  # PNG's signature
    path.write_bytes(data)
    assert len(list(frames(path))) == 9
    assert "skipped 1 damaged packets" in caplog.text


def test_a_film_cut_off_in_the_middle_gives_what_is_there(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv", "mjpeg", pixels="yuvj420p")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert 5 < len(list(frames(path))) < 20


def refused(path: Path) -> str:
    with pytest.raises(MediaError) as error:
        probe(path)
    with pytest.raises(MediaError):
        next(frames(path))
    sentence = str(error.value)
    assert path.name in sentence
    assert "\n" not in sentence
    assert "Errno" not in sentence
    return sentence


def test_what_is_no_video_is_refused_in_a_sentence(tmp_path: Path) -> None:
    empty, text, image = tmp_path / "empty.mp4", tmp_path / "notes.txt", tmp_path / "still.png"
    empty.touch()
    text.write_text("just words\n" * 50)
    film(image, "png", muxer="image2", pixels="rgb24", times_ms=[0])
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(film(tmp_path / "whole.mp4").read_bytes()[:200])
    assert "there is no file" in refused(tmp_path / "none.mp4")
    assert "is a folder" in refused(tmp_path)
    assert "is empty" in refused(empty)
    assert "is not a video" in refused(text)
    assert "is not a video" in refused(image)
    assert "cut off" in refused(cut)


def test_a_playlist_is_no_video(tmp_path: Path) -> None:
    film(tmp_path / "a.ts", muxer="mpegts", codec="mpeg2video")
    playlist = tmp_path / "list.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST\n")
    assert "is not a video" in refused(playlist)


def test_every_real_clip_works_or_is_refused_in_a_sentence(shared: Path) -> None:
    for path in real_clips(shared):
        try:
            clip = probe(path)
        except MediaError:
            refused(path)
            continue
        found = list(itertools.islice(spans(path), 400)) if path.stat().st_size < 1_000_000 else [(0.0, 1.0)]
        assert found[0][0] == 0, path
        assert all(start < end for start, end in found), path
        assert clip.width > 0


def test_an_atomically_written_file_exists_only_without_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with pytest.raises(RuntimeError), atomic_write(path) as partial:
        partial.write_bytes(b"half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with atomic_write(path) as partial:
        partial.write_bytes(b"whole")
        assert not path.exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.bin"]
