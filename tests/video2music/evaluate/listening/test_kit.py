"""The kit that listeners get: what is paired, how it is shuffled, and that nothing shows whose music it is."""

import json
import re
import wave
from pathlib import Path

import av
import numpy as np
import pyloudnorm
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.errors import DataError, OutputError, UserError
from tests.video2music.video_files import film, packet_hashes, picture_times
from video2music.errors import MediaError
from video2music.evaluate.listening import blinding, kit
from video2music.evaluate.listening.blinding import BlindedPair
from video2music.evaluate.listening.trials import read_key
from video2music.evaluate.music import clips
from video2music.media import mux
from video2music.media.clip import probe

TEXTS = {"title": "made by the best system", "comment": "seed 7", "creation_time": "2020-02-02T02:02:02Z"}


def tones(path, seconds, level, *, seed=0):
    """A 16-bit WAV of a few tones of a level that is linear; other seeds, other tones."""
    time_s = np.arange(round(seconds * 44_100)) / 44_100
    pitches = np.random.default_rng(seed).uniform(200, 2000, 6)
    mono = level * np.sin(2 * np.pi * pitches[:, None] * time_s).mean(0) * 6**0.5
    samples = np.stack([mono, mono], axis=1)
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(44_100)
        wav.writeframes((np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
    return path


def scored(folder, name, level, *, codec="libx264", suffix=".mp4", seed=0, **kinds):
    """A second of picture with tones under it, as `<name>.scored<suffix>`."""
    folder.mkdir(parents=True, exist_ok=True)
    options = {"bf": "2"} if codec == "libx264" else None
    picture = film(folder / f".picture{suffix}", codec, options=options, **kinds)
    sound = tones(folder / ".sound.wav", 1.0, level, seed=seed)
    return mux.mux(picture, sound, folder / f"{name}.scored", duration_s=1.0)


@pytest.fixture(scope="module")
def systems(tmp_path_factory):
    """Two systems' folders: four clips of both, one loud and one soft, and a clip that only the first has."""
    root = tmp_path_factory.mktemp("systems")
    for number in range(4):
        scored(root / "orpheus" / f"clip{number}", f"clip{number}", 0.2, seed=number, texts=TEXTS)
        scored(root / "marsyas" / f"clip{number}", f"clip{number}", 0.01, seed=10 + number)
    scored(root / "orpheus/lonely", "lonely", 0.2)
    return root / "orpheus", root / "marsyas"


@pytest.fixture(scope="module")
def made(systems, tmp_path_factory):
    return kit.make_kit(*systems, tmp_path_factory.mktemp("kit"), seed=3)


@given(count=st.integers(1, 60), seed=st.integers(0, 2**32))
def test_every_pair_comes_once_and_some_again_with_their_sides_swapped(count, seed):
    turns = kit.draw_order(count, np.random.default_rng(seed))
    first = [turn for turn in turns if turn.repeats is None]
    again = [(place, turn) for place, turn in enumerate(turns) if turn.repeats is not None]
    assert sorted(turn.pair for turn in first) == list(range(count))
    assert len(again) == (max(1, count // 4) if count > 1 else 0)
    assert len({turn.pair for _, turn in again}) == len(again)
    for place, turn in again:
        earlier = turns[turn.repeats]
        assert earlier.repeats is None and earlier.pair == turn.pair and earlier.a_first != turn.a_first
        assert place - turn.repeats > 1
    assert abs(2 * sum(turn.a_first for turn in first) - count) <= 1


def test_shuffles_differ_and_favour_no_place():
    """Of many seeds each of four pairs is first in about a quarter, and the first system is 1 there in about half."""
    drawn = [kit.draw_order(4, np.random.default_rng(seed))[0] for seed in range(2000)]
    assert np.bincount([turn.pair for turn in drawn]) == pytest.approx(np.full(4, 500), abs=100)
    assert sum(turn.a_first for turn in drawn) == pytest.approx(1000, abs=120)


def test_names_of_files_do_not_say_whose_they_are():
    """Of each clip the first system's number is the lower one in half of many shuffles, and no name comes twice."""
    blinded = {clip: BlindedPair((Path(f"{clip}a.mp4"), Path(f"{clip}b.webm")), -23.0, True) for clip in "xyz"}
    lower = []
    for seed in range(600):
        trials = kit.draw_trials(blinded, np.random.default_rng(seed))
        names = {clip: dict(zip(trial.systems, trial.media, strict=True)) for trial in trials for clip in trial.clip}
        assert sorted(name[:3] for pair in names.values() for name in pair.values()) == [f"m0{n}" for n in range(1, 7)]
        assert all(pair["a"].endswith(".mp4") and pair["b"].endswith(".webm") for pair in names.values())
        lower += [pair["a"] < pair["b"] for pair in names.values()]
    assert np.mean(lower) == pytest.approx(0.5, abs=0.05)


def test_a_kit_is_a_page_its_clips_and_a_key_outside(made):
    names = {path.name for path in made.kit.iterdir()}
    assert names == {"index.html", *(f"m{number:02d}.mp4" for number in range(1, 9))}
    assert made.key_file.parent == made.kit.parent and not made.key_file.is_relative_to(made.kit)
    assert {name for trial in made.key.trials for name in trial.media} == names - {"index.html"}
    assert read_key(made.key_file.parent) == made.key
    (predicted,) = made.left_out
    assert predicted.startswith("lonely is left out: only ") and predicted.endswith("orpheus has it")


def test_the_page_does_not_say_whose_music_it_is(made, systems):
    page = (made.kit / "index.html").read_text()
    for word in ("orpheus", "marsyas", "clip0", "lonely", "repeats", "systems", str(systems[0])):
        assert word not in page
    predicted = json.loads(re.search(r'<script id="kit" type="application/json">(.*?)</script>', page, re.S).group(1))
    assert predicted == json.loads(json.dumps(kit.page_data(made.key)))
    assert [tuple(trial["media"]) for trial in predicted["trials"]] == [trial.media for trial in made.key.trials]
    assert not re.search(r"(?:src|href)=[\"']?(?!data:)\w", page) and "://" not in page


def test_nothing_of_a_clip_but_its_sound_differs_between_the_sides(made, systems):
    """The first system's files have texts and dates, the second's have none."""
    for trial in made.key.trials:
        files = [made.kit / name for name in trial.media]
        source = systems[0] / trial.clip / f"{trial.clip}.scored.mp4"
        assert packet_hashes(files[0]) == packet_hashes(files[1]) == packet_hashes(source)
        assert picture_times(files[0]) == picture_times(files[1]) == pytest.approx(picture_times(source))
        texts = []
        for path in files:
            with av.open(str(path)) as container:
                streams = [(stream.type, stream.codec_context.name, stream.metadata) for stream in container.streams]
                texts.append((container.metadata, streams, container.chapters()))
            assert b"best system" not in path.read_bytes() and b"2020-02-02" not in path.read_bytes()
        assert texts[0] == texts[1]
        assert files[0].stat().st_mtime == files[1].stat().st_mtime


def test_each_side_has_its_own_sound_at_one_loudness(made, systems):
    """Loudness by pyloudnorm; the sound itself is recognised by its correlation with what the system made."""
    for trial in made.key.trials:
        prediction = [clips.decode_sound(made.kit / name) for name in trial.media]
        lufs = [pyloudnorm.Meter(clips.RATE).integrated_loudness(samples.astype(float)) for samples in prediction]
        assert lufs == pytest.approx([made.key.lufs[trial.clip]] * 2, abs=0.1)
        for system, samples in zip(trial.systems, prediction, strict=True):
            source = clips.decode_sound(systems["ab".index(system)] / trial.clip / f"{trial.clip}.scored.mp4")
            other = clips.decode_sound(systems["ba".index(system)] / trial.clip / f"{trial.clip}.scored.mp4")
            assert likeness(samples, source) > 0.8 > 0.2 > likeness(samples, other)


def likeness(one, other):
    length = min(len(one), len(other)) - 2000
    return float(np.corrcoef(one[1000:length].mean(1), other[1000:length].mean(1))[0, 1])


def test_the_same_seed_gives_the_same_kit_and_another_another(made, systems, tmp_path):
    again = kit.make_kit(*systems, tmp_path / "again", seed=3)
    assert again.key == made.key
    assert (again.kit / "index.html").read_bytes() == (made.kit / "index.html").read_bytes()
    assert kit.make_kit(*systems, tmp_path / "other", seed=4).key.kit != made.key.kit
    assert kit.make_kit(*systems[::-1], tmp_path / "turned", seed=3).key.kit != made.key.kit


def test_a_kit_is_never_overwritten(made, systems):
    with pytest.raises(OutputError, match=r"is there already.*--answers"):
        kit.make_kit(*systems, made.kit.parent)


def test_a_side_without_a_picture_gets_the_others(tmp_path):
    picture = scored(tmp_path / "films", "one", 0.1, suffix=".mkv")
    (tmp_path / "sounds").mkdir()
    tones(tmp_path / "sounds/one.wav", 2.5, 0.02, seed=5)
    found = kit.make_kit(tmp_path / "sounds", tmp_path / "films", tmp_path / "out")
    assert [trial.questions for trial in found.key.trials] == [("fits", "feels", "nicer")]
    for name in found.key.trials[0].media:
        assert name.endswith(".mp4") and packet_hashes(found.kit / name) == packet_hashes(picture)
        assert clips.decode_clip(found.kit / name).sound_s == pytest.approx(1.0, abs=0.03)


def test_of_music_alone_only_the_music_is_in_question(tmp_path):
    for folder, suffix in (("a", ".wav"), ("b", ".wav")):
        (tmp_path / folder).mkdir()
        tones(tmp_path / folder / f"tune{suffix}", 1.5, 0.1, seed=ord(folder))
    found = kit.make_kit(tmp_path / "a", tmp_path / "b", tmp_path / "out")
    assert {path.suffix for path in found.kit.iterdir()} == {".m4a", ".html"}
    assert [(trial.picture, trial.questions) for trial in found.key.trials] == [(False, ("nicer",))]


@pytest.mark.parametrize(
    ("codec", "suffix", "expected"), [("libvpx-vp9", ".webm", ".webm"), ("libx264", ".mov", ".mp4")]
)
def test_a_picture_comes_in_a_container_that_browsers_play(codec, suffix, expected, tmp_path):
    paths = [scored(tmp_path / name, "one", 0.1, codec=codec, suffix=suffix, rotation=0) for name in ("a", "b")]
    found = blinding.blind((paths[0], paths[1]), tmp_path / "0")
    assert [path.name for path in found.files] == [f"0a{expected}", f"0b{expected}"]
    assert probe(found.files[0]).width == 64
    assert packet_hashes(found.files[1]) == packet_hashes(paths[0])


def test_a_picture_keeps_its_rotation(tmp_path):
    paths = [scored(tmp_path / name, "one", 0.1, rotation=90) for name in ("a", "b")]
    found = blinding.blind((paths[0], paths[1]), tmp_path / "0")
    assert [probe(path).rotation for path in found.files] == [90, 90]


def test_a_clip_that_cannot_be_used_is_reported_and_stops_no_other(tmp_path):
    for folder in ("a", "b"):
        scored(tmp_path / folder, "good", 0.1)
        scored(tmp_path / folder, "old", 0.1, codec="mpeg4")
        scored(tmp_path / folder, "still", 0.0)
        (tmp_path / folder / "torn.mp4").write_bytes(b"no video at all")
    found = kit.make_kit(tmp_path / "a", tmp_path / "b", tmp_path / "out")
    assert found.key.clips == ("good",)
    reasons = [
        re.search(r"(\w+) is left out: .*(mpeg4|is silent|not a video)", predicted) for predicted in found.left_out
    ]
    assert [reason.groups() for reason in reasons] == [
        ("old", "mpeg4"),
        ("still", "is silent"),
        ("torn", "not a video"),
    ]
    for path in (tmp_path / "a").glob("good*"):
        path.unlink()
    with pytest.raises(DataError, match="no clip can be used"):
        kit.make_kit(tmp_path / "a", tmp_path / "b", tmp_path / "none")
    assert list((tmp_path / "none").iterdir()) == []


def test_files_are_paired_by_stem_and_what_a_system_scored_comes_first(tmp_path):
    for name in (
        "a/x/one.scored.mp4",
        "a/x/one.wav",
        "a/x/stems/piano.wav",
        "a/two.mp4",
        "a/two.scored.mov",
        "a/.z.mp4",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "b").mkdir()
    for name in ("one.flac", "two.wav", "three.mp3"):
        (tmp_path / "b" / name).touch()
    pairs, predicted = kit.match_clips(tmp_path / "a", tmp_path / "b")
    named = {clip: tuple(path.name for path in paths) for clip, paths in pairs.items()}
    assert named == {"one": ("one.scored.mp4", "one.flac"), "two": ("two.scored.mov", "two.wav")}
    assert predicted == [f"three is left out: only {tmp_path / 'b'} has it"]


def test_folders_that_cannot_be_compared_are_refused(tmp_path):
    for name in ("a/one.mp4", "b/two.mp4", "empty/notes.txt", "double/v1/one.mp4", "double/v2/one.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    refused = {
        "b": "no clip in common",
        "a": "compared with itself",
        "empty": "no clips at",
        "double": "of one clip",
        "x": "no folder",
    }
    for name, words in refused.items():
        with pytest.raises(DataError, match=words):
            kit.make_kit(tmp_path / "a", tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_key_that_was_damaged_is_refused(made, tmp_path):
    with pytest.raises(DataError, match=r"no key\.json"):
        read_key(tmp_path)
    whole = json.loads(made.key_file.read_text())
    wrong = ["{", "[]", json.dumps({**whole, "version": 2}), json.dumps({"version": 1}),
             json.dumps({**whole, "trials": [{**whole["trials"][0], "systems": ["a", "a"]}]})]  # fmt: skip
    for text in wrong:
        (tmp_path / "key.json").write_text(text)
        with pytest.raises(UserError, match=r"bring back the key\.json"):
            read_key(tmp_path)


def test_a_folder_that_cannot_be_made_is_reported_in_a_sentence(systems, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises((OutputError, MediaError), match="cannot be"):
        kit.make_kit(*systems, tmp_path / "file/kit")
