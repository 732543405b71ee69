"""The one pass: upright pictures, flat memory, the cache, clips of every kind."""

import shutil
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from emotion.errors import UserError
from video2music import features
from video2music.errors import EncoderError, MediaError, Video2MusicError
from video2music.features import cache, encoders, extract, extraction
from video2music.features.embedding import EncoderOutput
from video2music.features.encoders import EncoderSpec, RemoteWeights
from video2music.media.clip import Clip, frames, probe
from video2music.values import Cut, VideoFeatures


class RecordingEncoder:
    """An encoder that keeps the pictures it was given."""

    def __init__(self):
        self.pictures = []

    def preprocess(self, picture):
        self.pictures.append(picture.copy())
        return np.array([picture.mean()], np.float32)

    def embed(self, inputs):
        return np.stack(inputs)

    def predict(self, rows, motion, scene_offset):
        return EncoderOutput(np.full((len(rows), 6), 1 / 6, np.float32), np.zeros((len(rows), 2), np.float32))


def spec_of(encoder, *, sha256="weights-1"):
    loader = lambda spec, device, progress: encoder  # noqa: E731
    return EncoderSpec("recorder", "nothing", "Nothing", "none", loader, remote=RemoteWeights("none", sha256, 1))


@pytest.fixture
def recorder(monkeypatch):
    encoder = RecordingEncoder()
    monkeypatch.setattr(encoders, "ENCODERS", {"recorder": spec_of(encoder)})
    return encoder


@pytest.fixture
def video(write_video, textures):
    """4.5 s of four scenes."""
    return write_video([textures(index // 24) for index in range(90)], [index / 20 for index in range(90)])


@pytest.fixture
def count_decodes(monkeypatch):
    passes = []
    decode = frames

    def counting(path):
        passes.append(path)
        yield from decode(path)

    monkeypatch.setattr(extraction, "frames", counting)
    return passes


def same(one: VideoFeatures, other: VideoFeatures) -> bool:
    rows = ("emotion", "motion", "scene_offset", "affect")
    return (one.duration_s, one.encoder, one.cuts) == (other.duration_s, other.encoder, other.cuts) and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in rows
    )


def test_the_duration_is_the_end_of_the_last_frame(video):
    extracted = extract(video, encoder="color", cache=False)
    assert extracted.duration_s == pytest.approx(4.5, abs=0.01)
    assert len(extracted) == 5


def test_the_encoder_is_shown_the_first_frame_of_each_second(video, recorder, textures):
    extract(video, encoder="recorder", cache=False)
    assert len(recorder.pictures) == 5
    for second, picture in enumerate(recorder.pictures):
        assert np.array_equal(picture, textures(second * 20 // 24))


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_the_encoder_is_shown_upright_pictures(video, recorder, textures, monkeypatch, rotation):

    def turned(path):
        return Clip(**{**vars(probe(path)), "rotation": rotation})

    monkeypatch.setattr(extraction, "probe", turned)
    extract(video, encoder="recorder", cache=False)
    assert np.array_equal(recorder.pictures[0], np.rot90(textures(0), -rotation // 90))


def test_a_rotated_clip_is_encoded_upright(shared, recorder):
    extract(shared / "clips/edge/rot90.mp4", encoder="recorder", cache=False)
    clip = probe(shared / "clips/edge/rot90.mp4")
    assert recorder.pictures[0].shape == (clip.height, clip.width, 3)


def test_no_more_than_a_handful_of_frames_is_alive_at_once(write_video, textures, recorder, monkeypatch):
    alive, most = weakref.WeakSet(), []
    decode = frames

    def counting(path):
        for frame in decode(path):
            alive.add(frame)
            most.append(len(alive))
            yield frame
            del frame

    monkeypatch.setattr(extraction, "frames", counting)
    path = write_video([textures(index // 10) for index in range(200)], [index / 20 for index in range(200)])
    extract(path, encoder="recorder", cache=False)
    assert max(most) <= 4
    assert max(most[150:]) <= max(most[:50])


def test_one_decode_pass_is_enough(video, count_decodes):
    extract(video, encoder="color", cache=False)
    assert count_decodes == [video]


def test_the_cache_spares_the_decoding(video, tmp_path, count_decodes):
    first = extract(video, encoder="color", cache=tmp_path / "cache")
    again = extract(video, encoder="color", cache=tmp_path / "cache")
    assert len(count_decodes) == 1
    assert same(first, again)


def test_of_two_at_once_one_extracts_and_the_other_waits(video, tmp_path, count_decodes):
    with ThreadPoolExecutor(2) as people:
        one, other = people.map(lambda _: extract(video, encoder="color", cache=tmp_path / "cache"), range(2))
    assert len(count_decodes) == 1 and same(one, other)


def test_a_clip_is_extracted_by_one_thread_at_a_time_even_after_a_failure(tmp_path):
    """The second waits while the first fails; the third comes when the second has begun, and must wait for it."""
    cached, first_began, second_waits, second_began, third_waits = tmp_path / "a.npz", *(Event() for _ in range(4))

    def fail():
        with extraction._one_at_a_time(cached, lambda fraction: None):
            first_began.set()
            assert second_waits.wait(10)
            raise EncoderError("no")

    def second():
        with extraction._one_at_a_time(cached, lambda fraction: second_waits.set()):
            second_began.set()
            return third_waits.wait(10)

    def third():
        with extraction._one_at_a_time(cached, lambda fraction: third_waits.set()):
            return "in"

    with ThreadPoolExecutor(3) as people:
        failing = people.submit(fail)
        assert first_began.wait(10)
        waiting = people.submit(second)
        assert second_began.wait(10)
        late = people.submit(third)
        assert waiting.result() is True and late.result() == "in"
        assert isinstance(failing.exception(), EncoderError)
    assert not extraction._locks


def test_the_cache_knows_a_clip_by_its_content(video, tmp_path, count_decodes):
    extract(video, encoder="color", cache=tmp_path / "cache")
    renamed = shutil.copy(video, tmp_path / "another name.mkv")
    extract(renamed, encoder="color", cache=tmp_path / "cache")
    assert len(count_decodes) == 1


def test_other_content_under_the_same_name_is_extracted_again(write_video, textures, tmp_path, count_decodes):
    for number in (0, 1):
        path = write_video([textures(number)] * 20, [index / 20 for index in range(20)])
        extract(path, encoder="color", cache=tmp_path / "cache")
    assert len(count_decodes) == 2


def test_other_weights_extract_again(video, tmp_path, recorder, count_decodes, monkeypatch):
    for weights in ("weights-1", "weights-2"):
        monkeypatch.setattr(encoders, "ENCODERS", {"recorder": spec_of(recorder, sha256=weights)})
        extract(video, encoder="recorder", cache=tmp_path / "cache")
    assert len(count_decodes) == 2


def test_the_default_cache_is_the_users(video, own_cache, count_decodes):
    extract(video, encoder="color")
    extract(video, encoder="color")
    assert len(count_decodes) == 1
    assert list((own_cache / "features").glob("*.npz"))


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not really", None])
def test_a_damaged_cache_is_computed_again(video, tmp_path, count_decodes, damage):
    first = extract(video, encoder="color", cache=tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(kept.read_bytes()[:-40] if damage is None else damage)
    assert same(extract(video, encoder="color", cache=tmp_path / "cache"), first)
    assert len(count_decodes) == 2
    assert same(features.load(kept), first)


def clip_features(rng):
    """Three seconds as the large CLIP sees them."""
    return VideoFeatures(
        duration_s=2.4,
        encoder="clip",
        emotion=np.full((3, 6), 1 / 6, np.float32),
        motion=rng.random(3, np.float32),
        scene_offset=np.arange(3, dtype=np.float32),
        affect=rng.random((3, 2), np.float32),
        cuts=(Cut(1.25, 7.5),),
        semantic=rng.random((3, 768), np.float32),
    )


def test_whatever_the_damage_a_cached_file_is_absent_or_whole(tmp_path):
    rng = np.random.default_rng(0)
    path, extracted = tmp_path / "extracted.npz", clip_features(rng)
    cache.save(extracted, path)
    whole = path.read_bytes()
    absent = 0
    for _ in range(400):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(whole), rng.integers(1, 9)):
            damaged[at] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        found = cache.read_cached(path)
        absent += found is None
        assert found is None or (same(found, extracted) and np.array_equal(found.semantic, extracted.semantic))
    assert absent > 270


@pytest.mark.parametrize("broken", [{"emotion": np.ones((3, 6))}, {"motion": np.zeros(2)}, {"cuts": np.zeros((1, 3))}])
def test_cached_values_that_are_no_features_are_absent(tmp_path, broken):
    path = tmp_path / "extracted.npz"
    cache.save(clip_features(np.random.default_rng(0)), path)
    with np.load(path) as arrays:
        np.savez(path, **{**arrays, **broken})
    assert cache.read_cached(path) is None
    with pytest.raises(Video2MusicError, match=r"extracted\.npz holds no features"):
        features.load(path)


def test_a_cache_that_cannot_be_written_costs_only_time(video, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert len(extract(video, encoder="color", cache=tmp_path / "file" / "cache")) == 5


def test_saved_features_come_back_whole(tmp_path):
    extracted = clip_features(np.random.default_rng(0))
    features.save(extracted, tmp_path / "extracted.npz")
    found = features.load(tmp_path / "extracted.npz")
    assert same(found, extracted)
    assert np.array_equal(found.semantic, extracted.semantic)
    assert [path.name for path in tmp_path.iterdir()] == ["extracted.npz"]


def test_nothing_pickled_is_ever_read(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was opened",))

    with (tmp_path / "trap.npz").open("wb") as file:
        np.savez(file, format=np.array([Trap()], dtype=object))
    with pytest.raises(Video2MusicError, match="holds no features"):
        features.load(tmp_path / "trap.npz")


def test_progress_rises_to_one(video):
    reported = []
    extract(video, encoder="color", cache=False, progress=reported.append)
    assert reported == sorted(reported)
    assert reported[-1] == 1.0
    assert len(reported) > 20


def test_an_unknown_encoder_is_refused_with_the_known_ones(video):
    with pytest.raises(EncoderError, match=", ".join(encoders.names())):
        extract(video, encoder="clop")


def test_a_file_that_is_no_video_is_refused(tmp_path):
    (tmp_path / "no.mp4").write_text("no video")
    with pytest.raises(MediaError):
        extract(tmp_path / "no.mp4", encoder="color")


def test_every_clip_gives_sound_features_or_one_sentence(shared):
    n_extracted = 0
    for path in sorted((shared / "clips/edge").iterdir()):
        try:
            extracted = extract(path, encoder="color", cache=False)
        except UserError as error:
            assert str(error).strip()
            assert "\n" not in str(error)
            continue
        n_extracted += 1
        assert len(extracted) == max(1, int(np.ceil(extracted.duration_s - 1e-6)))
        assert np.isfinite(extracted.motion).all()
        assert np.abs(extracted.affect).max() <= 1
    assert n_extracted >= 10


def test_readme_holds_the_table_of_the_encoders():
    """Where this fails, put what `encoders_table()` returns in its place."""
    assert encoders.encoders_table() in (Path(__file__).resolve().parents[3] / "README.md").read_text(encoding="utf-8")


def test_a_named_encoder_that_fails_is_reported_once(video, monkeypatch, caplog):
    def fails(*_arguments, **_options):
        raise EncoderError("no weights")

    monkeypatch.setattr(extraction, "_extract", fails)
    with caplog.at_level("INFO"), pytest.raises(EncoderError, match="no weights"):
        extract(video, encoder="color")
    assert [record.getMessage() for record in caplog.records] == ["encoder color: it was asked for"]
