"""Rows of sound against a plain discrete Fourier transform, and files of every kind against the tone in them."""

import itertools
import logging
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion.errors import SoundError
from emotion.features import sound
from tests.emotion.waves import encoded, float_wav, sine, wav
from tests.video2music.video_files import film

RATE = 24_000


def mel(hz: np.ndarray | float) -> np.ndarray:
    """Slaney's scale: three to 200 Hz below 1 kHz, then 27 to a factor of 6.4."""
    hz = np.asarray(hz, float)
    return np.where(hz < 1000, hz * 3 / 200, 15 + 27 * np.log(np.maximum(hz, 1000) / 1000) / np.log(6.4))


def plain_row(samples: np.ndarray, number: int) -> np.ndarray:
    """(96,) decibels of the row around number * 480, by the definition of the Fourier transform."""
    padded = np.concatenate([np.zeros(1024), samples, np.zeros(2048)])
    index = np.arange(2048)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * index / 2048)
    part = padded[number * 480 : number * 480 + 2048] * window * 2 / window.sum()
    bins = np.arange(1025)
    power = np.abs(np.exp(-2j * np.pi * np.outer(bins, index) / 2048) @ part) ** 2
    edges_mel = np.linspace(mel(30.0), mel(11_000.0), 98)
    below, above = np.arange(0, 1000, 0.01), np.geomspace(1000, 12_000, 400_000)
    grid = np.concatenate([below, above])
    edges = np.interp(edges_mel, mel(grid), grid)
    hz = bins * RATE / 2048
    bands = []
    for low, center, high in zip(edges, edges[1:], edges[2:], strict=False):
        triangle = np.minimum((hz - low) / (center - low), (high - hz) / (high - center)).clip(0)
        bands.append(triangle @ power)
    return 10 * np.log10(np.maximum(bands, 1e-8))


@pytest.fixture(scope="module")
def mixed() -> np.ndarray:
    random = np.random.default_rng(1)
    return (sine(1.0, RATE, 500, 0.3) + sine(1.0, RATE, 4000, 0.01) + random.normal(0, 1e-3, RATE)).astype(np.float32)


@pytest.mark.parametrize("number", [0, 1, 17, 49, 50])
def test_rows_are_those_of_a_plain_fourier_transform(mixed, number):
    np.testing.assert_allclose(sound.log_mel([mixed])[number], plain_row(mixed.astype(float), number), atol=0.02)


@given(st.lists(st.integers(0, 24_000), max_size=6))
@settings(deadline=None, max_examples=25)
def test_rows_do_not_depend_on_how_blocks_are_cut(mixed, cuts):
    blocks = [mixed[start:end] for start, end in itertools.pairwise([0, *sorted(cuts), len(mixed)])]
    found = sound.log_mel(blocks)
    assert found.shape == (51, 96) and found.dtype == np.float32
    np.testing.assert_allclose(found, sound.log_mel([mixed]), atol=1e-3)


@pytest.mark.parametrize(("count", "rows"), [(0, 1), (1, 1), (479, 1), (480, 2), (24_000, 51), (24_479, 51)])
def test_there_is_a_row_more_than_whole_hops(count, rows):
    assert sound.log_mel([np.zeros(count, np.float32)]).shape == (rows, 96)


def test_a_full_scale_tone_is_near_0_decibels_in_its_band_alone():
    rows = sound.log_mel([sine(1.0, RATE, 1000, 1.0).astype(np.float32)])[10:40]
    centers = np.interp(np.linspace(mel(30.0), mel(11_000.0), 98)[1:-1], mel(np.arange(12_000)), np.arange(12_000))
    loudest = rows.mean(0).argmax()
    assert abs(centers[loudest] - 1000) < 40 and -3 < rows[:, loudest].mean() < 2
    assert rows[:, np.abs(centers - 1000) > 300].max() < -60


def test_silence_is_the_floor():
    assert (sound.log_mel([np.zeros(RATE)]) == sound.FLOOR_DB).all()


def pitch_hz(samples: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(samples * np.hanning(len(samples)))).argmax() * RATE / len(samples))


def all_of(path) -> np.ndarray:
    return np.concatenate(list(sound.read(path)))


def make(path, kind: str):
    """Three seconds of 440 Hz at half of full scale."""
    if kind == "float":
        return float_wav(path.with_suffix(".wav"), sine(3, 44_100))
    if kind in ("mp3", "aac", "flac", "libopus"):
        ending = {"aac": ".m4a", "libopus": ".opus"}.get(kind, f".{kind}")
        rate = 48_000 if kind == "libopus" else 44_100
        return encoded(path.with_suffix(ending), sine(3, rate), kind, rate)
    rate, channels, width = {"mono": (44_100, 1, 2), "stereo": (48_000, 2, 2), "96 kHz": (96_000, 2, 2),
                             "8 bit": (11_025, 1, 1), "8 kHz": (8_000, 1, 2), "six": (44_100, 6, 2)}[kind]  # fmt: skip
    samples = np.repeat(sine(3, rate)[:, None], channels, axis=1)
    return wav(path.with_suffix(".wav"), samples, rate, width=width)


@pytest.mark.parametrize(
    "kind", ["mono", "stereo", "six", "96 kHz", "8 bit", "8 kHz", "float", "mp3", "aac", "flac", "libopus"]
)
def test_every_kind_of_file_gives_its_tone_as_loud_as_it_is(kind, tmp_path):
    samples = all_of(make(tmp_path / "tone", kind))
    assert samples.dtype == np.float32
    assert len(samples) / RATE == pytest.approx(3, abs=0.06)  # encoders pad
    assert pitch_hz(samples) == pytest.approx(440, abs=1)
    assert np.sqrt((samples[RATE : 2 * RATE] ** 2).mean()) == pytest.approx(0.5 / 2**0.5, rel=0.06)


def test_the_sound_of_a_film_is_its_first_stream(clip_with_sound):
    assert pitch_hz(all_of(clip_with_sound)) == pytest.approx(440, abs=2)


@pytest.fixture
def clip_with_sound(tmp_path):
    return encoded(tmp_path / "film.mkv", sine(2, 44_100), "aac")


def test_an_hour_is_read_block_by_block(tmp_path):
    path = wav(tmp_path / "long.wav", np.zeros(3600 * 2000), 2000)
    blocks = sound.read(path)
    lengths = [len(block) for block in blocks]
    assert sum(lengths) == pytest.approx(3600 * RATE, rel=1e-4) and max(lengths) <= sound.BLOCK_S * RATE


@pytest.mark.parametrize("name", ["-x.wav", "a:b %d.wav", 'it\'s "q" ;$(x) é.wav', "concat:a|b.wav"])
def test_a_name_is_only_a_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(all_of(wav(tmp_path / name, sine(1, RATE), RATE).relative_to(tmp_path))) == RATE


@pytest.mark.parametrize(("samples", "least"), [([np.nan], 0), ([np.inf, -np.inf], 0), ([1e30, -1e30], 10)])
def test_samples_that_are_no_numbers_or_huge_do_no_harm(samples, least, tmp_path):
    path = float_wav(tmp_path / "odd.wav", np.tile(samples, RATE), RATE)
    found = all_of(path)
    assert np.isfinite(found).all() and least <= np.abs(found).max() <= sound.LOUDEST
    assert np.isfinite(sound.log_mel([found])).all()


def test_a_few_samples_that_are_no_numbers_leave_the_rest(tmp_path):
    samples = sine(2, RATE)
    samples[RATE : RATE + 50] = np.nan
    found = all_of(float_wav(tmp_path / "odd.wav", samples, RATE))
    np.testing.assert_allclose(found[:RATE], samples[:RATE], atol=1e-6)
    assert (found[RATE : RATE + 50] == 0).all()


def damaged(path, share: float = 0.5):
    data = bytearray(path.read_bytes())
    first = round(len(data) * share)
    data[first:] = np.random.default_rng(0).integers(0, 256, len(data) - first, dtype=np.uint8).tobytes()
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("codec", "ending"), [("mp3", ".mp3"), ("aac", ".mkv"), ("flac", ".flac")])
def test_of_a_file_with_a_damaged_tail_the_beginning_is_read(codec, ending, tmp_path):
    path = damaged(encoded(tmp_path / f"tail{ending}", sine(6, 44_100), codec))
    samples = all_of(path)
    assert 2 < len(samples) / RATE < 8 and pitch_hz(samples[: 2 * RATE]) == pytest.approx(440, abs=2)


def test_a_few_wrong_bytes_cost_a_few_packets(tmp_path):
    path = encoded(tmp_path / "spots.mkv", sine(10, 44_100), "aac")
    data = bytearray(path.read_bytes())
    random = np.random.default_rng(0)
    for place in random.integers(2000, len(data), 10):
        data[place] = random.integers(256)
    path.write_bytes(data)
    assert len(all_of(path)) > 5 * RATE


def test_a_file_that_is_cut_off_is_read_up_to_there(tmp_path):
    path = encoded(tmp_path / "cut.mp3", sine(6, 44_100), "mp3")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert len(all_of(path)) / RATE == pytest.approx(3, abs=0.2)


def bad(folder, kind: str):
    path = folder / f"{kind}.wav"
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("no sound at all")
    elif kind == "folder":
        path.mkdir()
    elif kind == "nothing in it":
        wav(path, np.zeros(0))
    elif kind == "picture only":
        path = film(folder / "picture only.mp4")
    return path


@pytest.mark.parametrize("kind", ["empty", "text", "folder", "nothing in it", "picture only", "missing"])
def test_what_is_no_sound_is_refused_in_one_sentence_that_names_it(kind, tmp_path):
    path = bad(tmp_path, kind)
    with pytest.raises(SoundError) as raised:
        sound.read(path)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value) and "Errno" not in str(raised.value)


def test_damage_is_logged(tmp_path, caplog, monkeypatch):
    import av

    class Container:
        name = "file"

        def demux(self, audio):
            raise av.error.InvalidDataError(1, "Invalid data", "file")
            yield

    with caplog.at_level(logging.WARNING):
        assert list(sound._packets(Container())) == []
    assert "file is damaged (Invalid data)" in caplog.text


def test_a_playlist_is_no_sound_and_opens_no_other_file(tmp_path: Path) -> None:
    wav(tmp_path / "song.wav", sine(1.0, 24_000, 440, 0.5), 24_000)
    lists = {
        "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsong.wav\n#EXT-X-ENDLIST\n",
        "list.mp3": "ffconcat version 1.0\nfile song.wav\n",
    }
    for name, text in lists.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(SoundError, match=r"is not sound|cannot be read as sound"):
            next(sound.read(tmp_path / name))


def test_nothing_but_files_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def recorded(name, *arguments, **options):
        opened.append((name, options["container_options"]["protocol_whitelist"]))
        raise OSError(2, "stop here")

    monkeypatch.setattr(av, "open", recorded)
    (tmp_path / "http:a.wav").touch()
    with pytest.raises(SoundError):
        next(sound.read(tmp_path / "http:a.wav"))
    assert opened == [(f"file:{tmp_path / 'http:a.wav'}", "file")]
