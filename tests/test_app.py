"""The page, driven over HTTP as a browser does. One composition serves most tests."""

import json
import re
import urllib.request
import zipfile
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import mido
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from emotion.affect import VA_ANCHORS
from emotion.judge import DEFAULT_JUDGE, JUDGES
from tests.pages import served_page
from tests.video2music.conftest import decoded_sound, draw_clip, picture_packets
from tests.video2music.studio.fake_worker import FakeWorker
from video2music import Options, Result, compose, pipeline, styles
from video2music.studio import batches, handlers, text
from video2music.studio import page as studio_page
from video2music.studio.handlers import Files
from video2music.studio.page import score, widgets
from video2music.studio.score_form import CURVE, EMOTION_CHOICES, PICTURE, POINT, ScoreForm
from video2music.studio.session import Session, SessionPiece

FORM = {"emotion": "sad", "strength": 0.8, "key": "A minor", "seed": 7, "candidates": 1, "encoder": "color"}


PATHS = {"video", "audio", "midi", "chords", "chart", "lead_sheet", "manifest"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Four seconds in three scenes."""
    return draw_clip(tmp_path_factory.mktemp("clips") / "my holiday.mp4", seconds=4)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Where the page is served: on a free port, with all that it makes in a folder of the test's."""
    with served_page(tmp_path_factory.mktemp("page") / "root") as page:
        yield page.local_url


@pytest.fixture(scope="module")
def visitor(address, tmp_path_factory):
    return Client(address, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


@pytest.fixture(scope="module")
def stranger(address, tmp_path_factory):
    return Client(address, verbose=False, download_files=str(tmp_path_factory.mktemp("other downloads")))


@pytest.fixture(scope="module")
def session(visitor, clip):
    """What a visitor gets for the clip and the wish, and what the bar said meanwhile."""
    job = visitor.submit(handle_file(clip), **FORM, api_name="/compose")
    said = []
    while not job.done():
        said += [unit.desc for unit in job.status().progress_data or ()]
    return job.result(), set(said)


@pytest.fixture(scope="module")
def home(session):
    """The files of the session by what they are."""
    *files, _ = session[0]
    return SimpleNamespace(**dict(zip(text.DOWNLOADS, map(Path, files), strict=True)))


def test_an_uploaded_clip_comes_back_with_music_under_its_picture(home, clip):
    assert home.video.name == "my holiday.scored.mp4"
    assert picture_packets(home.video) == picture_packets(clip)
    sound, rate = decoded_sound(home.video)
    assert len(sound) / rate == pytest.approx(4, abs=0.05)
    assert abs(sound).max() > 0.01


def test_everything_can_be_taken_home(home):
    assert home.music.read_bytes()[:4] == b"RIFF"
    assert {track.name for track in mido.MidiFile(home.midi).tracks}
    assert re.match(r"0\.0+ \d+\.\d+ [A-G]", home.chords.read_text())
    assert zipfile.ZipFile(home.stems).testzip() is None and zipfile.ZipFile(home.stems).namelist()
    assert json.loads(home.manifest.read_text())["input"]["path"] == "my holiday.mp4"


def test_the_wishes_on_the_page_reach_the_music(home, clip, tmp_path):
    assert home.midi.read_bytes() == compose(clip, tmp_path, Options(**FORM)).midi.read_bytes()


def test_the_visitor_is_told_of_key_and_length(session):
    assert "4 s of music in A minor" in session[0][-1]


def test_the_bar_names_stages(session):
    assert session[1] & {stage.name for stage in text.STAGES.values()}


def test_a_visitor_rolls_again_and_may_go_back_to_what_was_before(session, visitor, home):
    *again, said = visitor.predict(1, 0, ["form"], api_name="/reroll")
    assert said.startswith("Variant 2, 1 redrawn, same bars and tempo: ")
    assert Path(again[2]).read_bytes() != home.midi.read_bytes() and Path(again[2]).name == "my holiday-2.mid"
    *before, said = visitor.predict(1, api_name="/variant")
    assert said.startswith("Variant 1: ") and Path(before[2]).read_bytes() == home.midi.read_bytes()


def test_another_visitor_has_none_of_it(session, stranger):
    for name, wish in (("/variant", (1,)), ("/reroll", (1, 0, []))):
        with pytest.raises(AppError, match="no variant 1"):
            stranger.predict(*wish, api_name=name)


def test_a_clip_is_watched_before_anything_is_composed(stranger, clip):
    view, drawn = stranger.predict(handle_file(clip), "color", api_name="/analyse")
    assert view.count("<img") >= 3 and "2 cuts" in view
    assert drawn["duration_s"] == pytest.approx(4, abs=0.1) and len(drawn["points"]) >= 3


def test_a_judge_hears_what_was_composed(home, stranger, tmp_path):
    figures, view, file = stranger.predict(handle_file(home.midi), "poolingvq", api_name="/judge")
    alone = handlers.predict(home.midi, "poolingvq").whole
    assert (figures["valence"], figures["arousal"]) == pytest.approx((alone.valence, alone.arousal), abs=1e-3)
    assert "<svg" in view and json.loads(Path(file).read_text()) == figures


def test_several_clips_fill_a_table_and_come_back_in_a_zip(stranger, clip, monkeypatch, tmp_path):
    monkeypatch.setattr(batches, "LocalWorker", lambda threads: FakeWorker())
    bad = tmp_path / "bad taste.mp4"
    bad.write_bytes(clip.read_bytes())
    job = stranger.submit([handle_file(clip), handle_file(bad)], api_name="/batch")
    table, said, *downloads = job.result()
    assert len(job.outputs()) >= 3
    assert sorted(row[:2] for row in table["data"]) == [["bad taste.mp4", "failed"], ["my holiday.mp4", "done"]]
    assert said == "1 of 2 clips scored, 1 failed."
    assert [Path(paper).suffix for paper in downloads] == [".csv", ".html", ".zip"]


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("/compose", {"clip": None}, "no clip yet"),
        ("/analyse", {"clip": None, "encoder": "color"}, "no clip yet"),
        ("/judge", {"music": None}, "no music yet"),
        ("/batch", {"clips": []}, "no clip"),
    ],
)  # fmt: skip
def test_the_page_asks_for_what_is_missing(stranger, name, given, told):
    with pytest.raises(AppError, match=told):
        stranger.predict(**given, api_name=name)


@pytest.mark.parametrize("name", ["/compose", "/analyse"])
def test_a_file_that_is_no_video_is_refused_in_the_programs_own_sentence(stranger, tmp_path, name):
    (tmp_path / "letter.mp4").write_text("Dear film,\n" * 100)
    with pytest.raises(AppError, match=r"^letter\.mp4 is not a video") as told:
        stranger.predict(handle_file(tmp_path / "letter.mp4"), encoder="color", api_name=name)
    assert "\n" not in str(told.value) and "Traceback" not in str(told.value)


@pytest.mark.parametrize(
    ("wish", "told"),
    [({"tempo": "quick"}, "tempo 'quick'"), ({"primer": "Am Xy"}, "Xy"), ({"emotion": CURVE, "curve": ""}, "empty")],
)
def test_a_wish_that_cannot_be_granted_is_told(stranger, clip, wish, told):
    with pytest.raises(AppError, match=told):
        stranger.predict(handle_file(clip), **wish, api_name="/compose")


def test_a_style_of_the_visitors_own_would_be_a_path_and_is_refused(stranger, clip):
    with pytest.raises(AppError):
        stranger.predict(handle_file(clip), style="/etc/hostname", api_name="/compose")


def test_the_bar_knows_every_stage_and_rises_to_its_end():
    heard = []
    progress = widgets.run_bar(lambda share, desc: heard.append(share))
    for stage in pipeline.STAGES:
        progress(stage, 0.0)
        progress(stage, 1.0)
    assert heard == sorted(heard) and heard[0] == 0 and heard[-1] == pytest.approx(1)
    assert list(text.STAGES) == list(pipeline.STAGES)


def test_everything_that_can_be_wished_for_has_words():
    assert [value for _, value in text.EMOTION_LABELS] == [PICTURE, *VA_ANCHORS, POINT, CURVE] == list(EMOTION_CHOICES)
    assert set(text.STYLE_LABELS) == set(styles.names())
    names = [name for _, name in text.judge_choices()]
    assert set(names) == set(JUDGES) and names[0] == DEFAULT_JUDGE


def test_a_wrong_option_of_the_program_is_told_in_a_sentence():
    with pytest.raises(SystemExit, match=r"^error: queue must lie between 1 and 1000, but is 0$"):
        studio_page.main(["--queue", "0"])


def test_widgets_of_the_form_are_in_the_order_of_its_fields():
    assert list(score.FormWidgets._fields) == [field.name for field in fields(ScoreForm)]


def test_what_is_shown_fits_the_widgets():
    with gr.Blocks():
        results = score.result_widgets()
    assert len(results.all) == 2 + score.SLOTS + len(results.views)
    assert len(results.downloads) == len(text.DOWNLOADS) == len(Files._fields)
    with pytest.raises(gr.Error, match="no variant 1"):
        score.show_views(1, Session())


def test_the_page_fetches_no_font_and_reports_to_nobody(visitor):
    html = urllib.request.urlopen(visitor.src).read().decode()
    style = urllib.request.urlopen(visitor.src + "theme.css").read().decode()
    assert not re.search(r"@import|@font-face[^}]*https?:", style)
    assert not re.search(r"<link[^>]+(?:fonts\.googleapis|\.woff)", html)
    assert visitor.config["analytics_enabled"] is False


def test_a_press_is_never_dropped_because_a_cancelled_one_still_ends(visitor):
    """Gradio drops an event of mode "once" while it takes one before it to be pending, as a cancelled one is."""
    steps = visitor.config["dependencies"]
    cancelled = {target for step in steps for target in step["cancels"]}
    pressed = {step["trigger_after"] for step in steps if step["id"] in cancelled} - {None}
    assert len(cancelled) >= 5
    assert {step["trigger_mode"] for step in steps if step["id"] in cancelled | pressed} == {"multiple"}


def test_a_job_is_cancelled_before_the_page_says_so(visitor):
    """The browser runs the steps of one click in their order: a cancel behind the others would hit the next press."""
    steps = visitor.config["dependencies"]
    clicks = [target for step in steps if step["cancels"] for target in step["targets"]]
    assert len(clicks) == 5
    for click in clicks:
        kinds = ["cancel" if step["cancels"] else "other" for step in steps if click in step["targets"]
                 and (step["cancels"] or step["backend_fn"])]  # fmt: skip
        assert kinds == ["cancel", "other"]


def test_a_manifest_that_is_gone_is_a_sentence_on_the_page(address, clip, tmp_path, monkeypatch):
    """It is read after composing, for the sentence and the choice of the best variant."""

    def gone(_piece, _dropped):
        raise OSError(f"{tmp_path}/manifest.json is gone")

    monkeypatch.setattr(text, "result_sentence", gone)
    with pytest.raises(AppError, match="Something unforeseen happened"):
        Client(address, verbose=False).predict(handle_file(clip), **FORM, api_name="/compose")


def test_a_view_that_cannot_be_read_is_a_sentence_on_the_page(tmp_path):
    session = Session()
    paths = {field.name: tmp_path / field.name for field in fields(Result) if field.name in PATHS}
    session.replace_all([SessionPiece(tmp_path / "clip.mp4", tmp_path, Result(**paths, duration_s=1.0))])
    for show in (score.show_best, score.show_newest, lambda session: score.show_views(1, session)):
        with pytest.raises(gr.Error):
            show(session)
