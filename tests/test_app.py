"""The page, driven over the wire as a visitor's browser does."""

import re
import socket
import tempfile
import urllib.request
from pathlib import Path

import gradio as gr
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

import app
import video2music
from emotion.affect import PLACES
from tests.video2music.conftest import decoded_sound, draw_clip, picture_packets
from video2music import Options, UserError, compose, pipeline

WISH = ("sad", 0.8, "A minor", 7)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Four seconds in three scenes."""
    return draw_clip(tmp_path_factory.mktemp("clips") / "my holiday.mp4", seconds=4)


@pytest.fixture(scope="module")
def visitor(tmp_path_factory):
    """A client of the page, served on a free port; everything it makes lies in a folder of the test's."""
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("page")
    patch.setenv("GRADIO_TEMP_DIR", str(folder))
    patch.setenv("V2M_CACHE", str(folder / "cache"))
    patch.setattr(tempfile, "tempdir", str(folder))
    page = app.build()
    app.serve(page, server_name="127.0.0.1", server_port=free_port(), prevent_thread_lock=True, quiet=True)
    yield Client(page.local_url, verbose=False, download_files=str(folder / "downloads"))
    page.close()
    patch.undo()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def visit(visitor, clip):
    """What a visitor gets for the clip and the wish, and what the bar said meanwhile."""
    job = visitor.submit(handle_file(clip), *WISH, api_name="/score")
    said = []
    while not job.done():
        said += [unit.desc for unit in job.status().progress_data or ()]
    return job.result(), set(said)


@pytest.fixture(scope="module")
def directly(clip, tmp_path_factory):
    """The same wish without the page."""
    feeling, strength, key, seed = WISH
    options = Options(emotion=feeling, strength=strength, key=key, seed=seed)
    return compose(clip, tmp_path_factory.mktemp("direct"), options)


def path_of(answer):
    """Where the client put a file; a video comes in a wrapping."""
    return Path(answer["video"] if isinstance(answer, dict) else answer)


def test_an_uploaded_clip_comes_back_with_music_under_its_picture(visit, clip):
    (scored, *_), _ = visit
    assert picture_packets(path_of(scored)) == picture_packets(clip)
    sound, rate = decoded_sound(path_of(scored))
    assert len(sound) / rate == pytest.approx(4, abs=0.05)
    assert abs(sound).max() > 0.01


def test_video_midi_and_wav_can_be_downloaded(visit):
    (scored, video, midi, wav), _ = visit
    assert path_of(video).read_bytes() == path_of(scored).read_bytes()
    assert path_of(midi).read_bytes()[:4] == b"MThd"
    assert path_of(wav).read_bytes()[:4] == b"RIFF"
    assert path_of(video).name == "my holiday.scored.mp4"


def test_the_wishes_on_the_page_reach_the_music(visit, directly):
    (_, _, midi, _), _ = visit
    assert path_of(midi).read_bytes() == directly.midi.read_bytes()


def test_the_bar_names_stages(visit):
    _, said = visit
    assert said & set(app.STAGES.values())


def test_the_bar_rises_from_nothing_to_all_and_knows_every_stage():
    heard = []
    tell = app.bar(lambda share, desc: heard.append((share, desc)))
    for stage in pipeline.STAGES:
        tell(stage, 0.0)
        tell(stage, 1.0)
    shares = [share for share, _ in heard]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    assert list(app.STAGES) == list(pipeline.STAGES)


def test_a_file_that_is_no_video_is_refused_in_the_programs_own_sentence(visitor, tmp_path):
    (tmp_path / "letter.mp4").write_text("Dear film,\n" * 100)
    with pytest.raises(AppError, match=r"^letter\.mp4 is not a video") as told:
        visitor.predict(handle_file(tmp_path / "letter.mp4"), *WISH, api_name="/score")
    assert "\n" not in str(told.value) and "Traceback" not in str(told.value)


def test_without_a_clip_the_page_asks_for_one(visitor):
    with pytest.raises(AppError, match="upload one first"):
        visitor.predict(None, *WISH, api_name="/score")


def test_what_nobody_foresaw_is_a_sentence_too(monkeypatch, clip, tmp_path):
    def broken(*_arguments, **_options):
        raise ZeroDivisionError

    monkeypatch.setattr(video2music, "compose", broken, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(gr.Error, match="ZeroDivisionError"):
        app.score(str(clip), *WISH, None)
    assert list(tmp_path.iterdir()) == []


RUN = Path("/tmp/video2music-x1")


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("{clip} is empty (0 bytes): copy it again", "my -o clip.mp4 is empty (0 bytes): copy it again"),
        ("{run}/my -o clip cannot be written (No space left on device): make room on the disk",
         "my -o clip cannot be written (No space left on device): make room on the disk"),
        ("{run}/a is there already: say --overwrite to replace it, or choose another -o", "a is there already"),
        ("{run} is in the way: it is a file; choose another -o", "the result is in the way"),
        ("no CLIP (host: gone): check the connection or use --encoder color", "no CLIP (host: gone)"),
        ("a well-lit clip: not 3-d at all", "a well-lit clip: not 3-d at all"),
    ],
)  # fmt: skip
def test_the_visitor_is_told_neither_folders_of_the_server_nor_options(sentence, told):
    clip = Path("/tmp/gradio/9f/my -o clip.mp4")
    assert app._sentence(UserError(sentence.format(clip=clip, run=RUN)), clip, RUN) == told


def test_a_visitors_next_run_throws_the_former_away(monkeypatch, tmp_path):
    former = tmp_path / "former"
    former.mkdir()
    (former / "clip.wav").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(gr.Error):
        app.score(str(tmp_path / "no such clip.mp4"), *WISH, str(former))
    assert not former.exists()


def test_every_feeling_and_key_offered_can_be_wished_for():
    wishes = {value for _, value in app.FEELINGS} - {app.FROM_PICTURE}
    assert wishes == set(PLACES)
    keys = [value for _, value in app.KEYS if value != app.ANY_KEY]
    assert len(set(keys)) == 24
    for key in keys:
        assert str(app.Key.parse(key)) == key


def test_the_page_fetches_no_font_and_reports_to_nobody(visitor):
    html = urllib.request.urlopen(visitor.src).read().decode()
    style = urllib.request.urlopen(visitor.src + "theme.css").read().decode()
    assert not re.search(r"@import|@font-face[^}]*https?:", style)
    assert not re.search(r"<link[^>]+(?:fonts\.googleapis|\.woff)", html)
    assert visitor.config["analytics_enabled"] is False
