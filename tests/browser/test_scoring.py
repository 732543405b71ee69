"""A clip through the whole page: analysed, composed for with options, played, downloaded, and redrawn in part.

One piece serves all these tests: the fixtures do what a visitor does, in that order, and the tests look at what came.
"""

import json
import wave
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import mido
import mir_eval
import numpy as np
import pytest
from scipy.io import wavfile

from tests.browser.visitor import NARROW, WIDE, Visitor, stages_in

LENGTH_S, CUTS_S = 10.0, (4.0, 7.0)
DOWNLOADS = ("video", "music", "midi", "chart", "sheet", "chords", "stems", "manifest")
VIEWS = ("view-compared", "view-match", "view-chart", "view-notes")


@dataclass(frozen=True)
class Playback:
    """What the player said: length, and its clock before and after a moment of playing, all in s."""

    length_s: float
    before_s: float
    after_s: float


@dataclass(frozen=True)
class FetchedResult:
    """The result of one run: the stages that were named, the drawn curve, how it played, and the files fetched."""

    someone: Visitor
    stages: set[str]
    drawn: str
    playback: Playback
    files: Mapping[str, Path]


@pytest.fixture(scope="module")
def guest(browser, server):
    """Somebody who stays for all the tests here."""
    someone = Visitor(browser, server.address)
    someone.open()
    yield someone
    someone.close()


@pytest.fixture(scope="module")
def analysed(guest, clip):
    """The guest with an uploaded clip."""
    guest.upload(clip)
    return guest


@pytest.fixture(scope="module")
def scored(analysed, tmp_path_factory):
    """Two variants after a curve drawn by hand, seed 7, in A minor."""
    analysed.choose("emotion", "a curve over time")
    analysed.unfold("The curve as text")
    drawn = drag_first_arousal(analysed)
    analysed.unfold("More options")
    analysed.choose("style", "acoustic")
    analysed.choose("key", "A minor")
    for name, text in {"seed": "7", "variants": "2", "candidates": "2"}.items():
        analysed.write(name, text)
    analysed.press("compose")
    stages = stages_named(analysed)
    folder = tmp_path_factory.mktemp("fetched")
    playback = play(analysed, "variant-1")
    files = {name: analysed.fetch(f"download-{name}", folder) for name in DOWNLOADS}
    return FetchedResult(analysed, stages, drawn, playback, files)


def drag_first_arousal(someone: Visitor) -> str:
    """Pull the curve's first point of arousal up to the top; the curve as text afterwards."""
    grip = someone.part("curve").locator(".handle.arousal").first
    box = grip.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    mouse = someone.page.mouse
    mouse.move(*middle)
    mouse.down()
    mouse.move(middle[0], middle[1] - 40, steps=4)
    mouse.move(middle[0], middle[1] - 300, steps=4)
    mouse.up()
    field = someone.part("curve-text").locator("textarea")
    someone.wait_until(lambda: field.input_value().split("\n")[0].endswith(",1"), "the curve as text")
    return field.input_value()


def stages_named(someone: Visitor) -> set[str]:
    """Wait for the piece; which stages the page named meanwhile."""
    analysis: set[str] = set()

    def done() -> bool:
        analysis.update(stages_in(someone))
        return someone.part("variant-1").locator("video").is_visible()

    someone.wait_until(done, "the piece")
    return analysis


def play(someone: Visitor, name: str) -> Playback:
    """Press play and listen for a moment."""
    film = someone.part(name).locator("video")
    someone.wait_until(lambda: film.evaluate("film => film.readyState >= 2"), "the film")
    before = film.evaluate("film => film.currentTime")
    film.evaluate("film => film.play()")
    someone.wait_until(lambda: film.evaluate("film => film.currentTime") > before + 0.2, "the film's clock", seconds=20)
    film.evaluate("film => film.pause()")
    return Playback(film.evaluate("film => film.duration"), before, film.evaluate("film => film.currentTime"))


def manifest(scored: FetchedResult) -> dict[str, Any]:
    return json.loads(scored.files["manifest"].read_text())


def chords(path: Path) -> tuple[np.ndarray, list[str]]:
    """Intervals in s and names, as mir_eval reads a .lab."""
    return mir_eval.io.load_labeled_intervals(str(path))


def test_the_clip_is_watched(analysed):
    analysis = analysed.part("clip-analysis")
    assert analysis.locator("img, image").count() >= len(CUTS_S) + 1, "a picture of each scene"
    assert all(f"0:{cut:04.1f}" in analysis.inner_text() for cut in CUTS_S)


def test_the_clip_cannot_be_trimmed_with_a_program_from_elsewhere(analysed):
    assert not analysed.part("clip").get_by_label("Trim").first.is_visible()


def test_the_bar_names_stages(scored):
    assert len(scored.stages) >= 2


def test_the_film_plays_and_is_as_long_as_the_clip(scored):
    assert scored.playback.after_s > scored.playback.before_s
    assert scored.playback.length_s == pytest.approx(LENGTH_S, abs=0.1)


def test_both_variants_can_be_played(scored):
    assert play(scored.someone, "variant-2").length_s == pytest.approx(LENGTH_S, abs=0.1)


def test_one_film_pauses_the_other(scored):
    one, other = (scored.someone.part(f"variant-{number}").locator("video") for number in (1, 2))
    for film in (one, other):
        film.evaluate("film => film.play()")
    scored.someone.wait_until(lambda: one.evaluate("film => film.paused"), "the end of the first")
    assert not other.evaluate("film => film.paused")
    other.evaluate("film => film.pause()")


@pytest.mark.parametrize("view", VIEWS)
def test_each_view_shows_something(scored, view):
    assert scored.someone.part(view).is_visible()
    assert scored.someone.part(view).locator("svg, table, p").count()


def test_the_fetched_film_has_the_clips_picture_and_sound(scored, clip):
    with av.open(str(scored.files["video"])) as film, av.open(str(clip)) as original:
        sound = np.concatenate([frame.to_ndarray().ravel() for frame in film.decode(audio=0)])
        pictures = [bytes(packet) for packet in film.demux(video=0)] if film.seek(0) is None else []
        assert pictures == [bytes(packet) for packet in original.demux(video=0)]
    assert np.abs(sound).max() > 0.01


def test_the_fetched_music_is_a_wave_as_long_as_the_clip(scored):
    with wave.open(str(scored.files["music"])) as music:
        assert music.getnframes() / music.getframerate() == pytest.approx(LENGTH_S, abs=0.1)
        assert any(music.readframes(music.getnframes()))


def test_the_fetched_stems_are_waves_as_long_as_the_music(scored, tmp_path):
    with zipfile.ZipFile(scored.files["stems"]) as stems:
        assert stems.testzip() is None
        names = [name for name in stems.namelist() if name.endswith(".wav")]
        stems.extractall(tmp_path)
    assert len(names) >= 2
    for name in names:
        rate, stem = wavfile.read(tmp_path / name)  # of floats, which the standard library's reader does not know
        assert len(stem) / rate == pytest.approx(LENGTH_S, abs=0.1)


def test_the_fetched_midi_has_notes_up_to_the_end(scored):
    score = mido.MidiFile(scored.files["midi"])
    notes = [message for message in score if message.type == "note_on" and message.velocity]
    assert notes and LENGTH_S / 2 < score.length < LENGTH_S + 1


def test_the_fetched_chords_follow_on_each_other_up_to_the_pieces_end(scored):
    spans, names = chords(scored.files["chords"])
    assert names and spans[0][0] == 0 and np.array_equal(spans[1:, 0], spans[:-1, 1])
    assert LENGTH_S - 2 < spans[-1][1] <= LENGTH_S


def test_the_options_reached_the_piece(scored):
    options = manifest(scored)["options"]
    assert (options["style"], options["key"], options["candidates"]) == ("acoustic", "A minor", 2)


def test_the_drawn_curve_is_what_the_music_was_to_feel_like(scored):
    first, *_, last = (float(line.split(",")[2]) for line in scored.drawn.splitlines())
    aim = manifest(scored)["target"]["arousal"]
    assert first == 1 and aim[0] == pytest.approx(1, abs=0.25) and aim[-1] == pytest.approx(last, abs=0.25)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_nothing_of_the_result_reaches_out_of_the_window(scored, size):
    scored.someone.resize(size)
    found = scored.someone.overflowing()
    scored.someone.resize(WIDE)
    assert found == []


def test_every_field_and_button_of_the_result_says_what_it_is_for(scored):
    assert scored.someone.nameless() == []


@pytest.fixture(scope="module")
def redrawn(scored, tmp_path_factory):
    """A third piece: the first section of the one looked at drawn anew."""
    someone = scored.someone
    someone.choose("redraw", "section A")
    someone.press("reroll")
    someone.wait_until(lambda: someone.part("variant-3").locator("video").is_visible(), "the third piece")
    folder = tmp_path_factory.mktemp("redrawn")
    return {name: someone.fetch(f"download-{name}", folder) for name in ("midi", "chords")}


def after(path: Path, time_s: float) -> list[tuple[float, str]]:
    """The chords that begin at a time or later, each with its beginning in s."""
    spans, names = chords(path)
    return [(start, name) for (start, _), name in zip(spans, names, strict=True) if start >= time_s]


def test_a_section_is_drawn_anew_and_the_chords_of_the_other_stay(scored, redrawn):
    second_s = manifest(scored)["form"]["sections"][1]["start_s"]
    assert scored.files["midi"].read_bytes() != redrawn["midi"].read_bytes()
    assert after(redrawn["chords"], second_s) == after(scored.files["chords"], second_s) != []


def test_all_that_happened_asked_no_other_host_and_broke_nothing(scored):
    assert scored.someone.strangers() == set()
    assert scored.someone.faults == []
