"""What may be handed in: limits of type, size and length, each refusal a sentence with what was given and allowed."""

from dataclasses import replace

import mido
import numpy as np
import pytest

from tests.emotion.waves import encoded, sine, wav
from tests.video2music.video_files import film
from video2music.errors import OptionError
from video2music.media import clip as media
from video2music.studio import uploads
from video2music.studio.uploads import Limits, UploadError

SMALL = Limits(
    clip_bytes=200_000, clip_s=2.0, pixels=64 * 48, frames=60, clips=2, clips_s=1.5, sound_bytes=200_000, sound_s=2.0,
    midi_bytes=500,
)  # fmt: skip
SECOND_MS = tuple(range(0, 1000, 40))


@pytest.fixture
def made(tmp_path):
    """Makes a file of the name in a folder that no sentence may progress of."""
    folder = tmp_path / "servers-own-folder"
    folder.mkdir()
    return folder


def refused(check, path, limits=SMALL):
    with pytest.raises(UploadError) as told:
        check(path, limits)
    sentence = str(told.value)
    assert "servers-own-folder" not in sentence and "\n" not in sentence and path.name in sentence
    return sentence


def song(path, seconds):
    """A MIDI file with one note that ends after so many seconds."""
    track = mido.MidiTrack()
    ticks = round(seconds * 2 * 480)  # at 120 beats a minute
    track += [mido.Message("note_on", note=60, velocity=90), mido.Message("note_off", note=60, time=ticks)]
    mido.MidiFile(tracks=[track], ticks_per_beat=480).save(path)
    return path


def test_a_clip_within_the_limits_passes_and_is_what_it_is(made):
    clip = film(made / "my clip.mp4", times_ms=SECOND_MS)
    found = uploads.clip(str(clip), SMALL)
    assert (found.width, found.height) == (64, 48) and found.duration_s == pytest.approx(1.0)


def test_a_clip_that_is_too_long_is_refused_with_both_lengths(made):
    clip = film(made / "long.mp4", times_ms=tuple(range(0, 3000, 60)))
    assert refused(uploads.clip, clip) == "long.mp4 lasts 2.98 seconds, and 2 seconds is the most: cut it shorter"


def test_a_header_that_tells_of_a_shorter_clip_is_not_believed(made):
    clip = film(made / "liar.mkv", times_ms=tuple(range(0, 3000, 60)))
    data, shorter = clip.read_bytes(), b"00:00:00.900000000"
    at = data.index(b"00:00:0")
    clip.write_bytes(data[:at] + shorter + data[at + len(shorter) :])
    assert media.probe(clip).duration_s == pytest.approx(0.9)
    assert "lasts 2.98 seconds" in refused(uploads.clip, clip)


def test_a_picture_that_is_too_large_is_refused_before_it_is_decoded(made, monkeypatch):
    clip = film(made / "wide.mp4", size=(128, 48), times_ms=SECOND_MS)
    monkeypatch.setattr(media, "probe", lambda path: pytest.fail("it was decoded"))
    assert "128 by 48 pixels" in refused(uploads.clip, clip)


def test_many_frames_in_little_time_are_refused(made):
    clip = film(made / "dense.mp4", times_ms=tuple(range(0, 1000, 10)))
    assert "more than 60 frames" in refused(uploads.clip, clip)


def test_as_many_frames_as_allowed_pass(made):
    clip = film(made / "dense.mp4", times_ms=tuple(range(0, 600, 10)))
    assert uploads.clip(clip, SMALL).duration_s == pytest.approx(0.6, abs=0.05)


def test_a_file_that_is_too_large_is_refused_unread(made, monkeypatch):
    clip = made / "big.mp4"
    with clip.open("wb") as file:
        file.truncate(12_300_000)
    monkeypatch.setattr(media, "open_clip", lambda path: pytest.fail("it was opened"))
    assert refused(uploads.clip, clip).startswith("big.mp4 has 12.3 MB, and 200 kB is the most")


@pytest.mark.parametrize(
    ("check", "name", "wanted"),
    [
        (uploads.clip, "notes.pdf", ".mp4"),
        (uploads.clip, "song.wav", ".mp4"),
        (uploads.clip, "no name", ".mp4"),
        (uploads.music, "sheet.musicxml", ".mid"),
        (uploads.music, "playlist.m3u8", ".wav"),
    ],
)
def test_another_type_is_refused_by_its_name_unread(made, check, name, wanted):
    sentence = refused(check, made / name)  # which is not even there
    assert "by its name" in sentence and wanted in sentence


@pytest.mark.parametrize(
    ("check", "name"),
    [(uploads.clip, "a.mp4"), (uploads.music, "a.wav"), (uploads.music, "a.mid")],
)
def test_what_calls_itself_something_that_it_is_not_is_refused(made, check, name):
    path = made / name
    path.write_bytes(b"#!/bin/sh\necho hello\n")
    refused(check, path)
    path.write_bytes(b"")
    assert "empty (0 bytes)" in refused(check, path)
    path.unlink()
    assert "upload it again" in refused(check, path)


@pytest.mark.parametrize("name", ["list.mp4", "list.wav", "list.mp3"])
def test_a_playlist_in_disguise_is_not_followed(made, name):
    wav(made / "secret.wav", sine(1.0, 44_100))
    path = made / name
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{made / 'secret.wav'}\n#EXT-X-ENDLIST\n")
    assert "secret" not in refused(uploads.clip if name.endswith("mp4") else uploads.music, path)
    path.write_text(f"ffconcat version 1.0\nfile '{made / 'secret.wav'}'\n")
    assert "secret" not in refused(uploads.clip if name.endswith("mp4") else uploads.music, path)


def test_sound_of_any_kind_passes_up_to_its_length(made):
    second = sine(1.0, 44_100)
    for path in (
        wav(made / "a.wav", second),
        encoded(made / "a.mp3", second, "mp3"),
        encoded(made / "a.flac", second, "flac"),
    ):
        uploads.music(path, SMALL)
        assert "lasts 1" in refused(uploads.music, path, replace(SMALL, sound_s=0.9))


def test_a_video_without_sound_is_no_music(made):
    assert "no sound" in refused(uploads.music, film(made / "mute.mp4"))


def test_midi_has_limits_of_its_own(made):
    uploads.music(song(made / "short.mid", 1.5), SMALL)
    assert "lasts 3 seconds" in refused(uploads.music, song(made / "long.mid", 3.0))
    path = song(made / "fat.mid", 1.0)
    path.write_bytes(path.read_bytes() + bytes(500))
    assert "0.5 kB is the most" in refused(uploads.music, path)


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf")])
def test_a_limit_that_is_none_is_refused(limit):
    for name in ("clip_bytes", "clip_s", "upload_bytes"):
        with pytest.raises(OptionError, match=name):
            Limits(**{name: limit})


def test_clips_of_a_batch_are_counted_and_added_up(made):
    short = [film(made / f"{number}.mp4", times_ms=SECOND_MS) for number in range(3)]
    assert uploads.clips(short[:1], SMALL) == {}
    (letter := made / "letter.mp4").write_text("Dear film,")
    assert list(uploads.clips([letter, short[0]], SMALL)) == [0]
    with pytest.raises(UploadError, match=r"letter\.mp4 is not a video"):
        uploads.clips([letter], SMALL)
    for clips, told in (
        (short, "3 clips are too many"),
        (short[:2], "last 2 seconds in all"),
        ([], "there is no clip"),
    ):
        with pytest.raises(UploadError, match=told):
            uploads.clips(clips, SMALL)


def test_every_kind_of_every_list_is_known_to_the_gate():
    assert {name for names in uploads.TYPES.values() for name in names} == uploads.NAMES
    assert all(name.startswith(".") and name == name.lower() for name in uploads.NAMES)


def test_noise_in_place_of_a_film_never_ends_in_anything_but_a_sentence(made):
    rng = np.random.default_rng(5)
    whole = film(made / "whole.mp4", times_ms=SECOND_MS).read_bytes()
    for number in range(30):
        data = bytearray(whole)
        for at in rng.integers(len(data), size=20):
            data[at] = rng.integers(256)
        path = made / f"{number}.mp4"
        path.write_bytes(data[: rng.integers(1, len(data))])
        try:
            uploads.clip(path, SMALL)
        except UploadError as error:
            assert "servers-own-folder" not in str(error)
