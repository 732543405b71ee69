"""The other two tabs: any music is judged, several clips are scored at once."""

import csv
import json
import wave
import zipfile

import mido
import numpy as np
import pytest

RATE = 44_100


@pytest.fixture
def tune(tmp_path):
    """Six seconds of a slow A minor triad as a wave."""
    time = np.arange(6 * RATE) / RATE
    sound = sum(np.sin(2 * np.pi * pitch * time) for pitch in (220.0, 261.63, 329.63)) / 4 * np.exp(-(time % 2))
    path = tmp_path / "triads.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((sound * 32_000).astype("<i2").tobytes())
    return path


@pytest.fixture
def notes(tmp_path):
    """Eight seconds of quarter notes as MIDI."""
    track = mido.MidiTrack()
    for pitch in (60, 64, 67, 72) * 4:
        track += [mido.Message("note_on", note=pitch, velocity=90, time=0)]
        track += [mido.Message("note_off", note=pitch, velocity=0, time=480)]
    path = tmp_path / "quarters.mid"
    mido.MidiFile(tracks=[track]).save(path)
    return path


@pytest.mark.parametrize("kind", ["tune", "notes"])
def test_any_music_can_be_judged(visitor, tmp_path, request, kind):
    visitor.tab("Judge")
    visitor.give("judge-file", request.getfixturevalue(kind))
    visitor.press("judge-start")
    visitor.wait_until(lambda: visitor.part("prediction").locator("svg").count() > 0, "the judgement")
    report = json.loads(visitor.fetch("judge-json", tmp_path).read_text())
    assert -1 <= report["valence"] <= 1 and -1 <= report["arousal"] <= 1
    assert visitor.overflowing() == []


def test_several_clips_are_scored_at_once_also_after_that_was_stopped(visitor, short_clips, tmp_path):
    visitor.tab("Batch")
    visitor.give("batch-files", list(short_clips))
    visitor.write("batch-candidates", "1")
    visitor.press("batch-start")
    visitor.wait_until(lambda: visitor.part("batch-cancel").is_visible(), "a way to stop")
    visitor.press("batch-cancel")
    visitor.wait_until(lambda: "Cancelled" in visitor.part("batch-status").inner_text(), "the end of it")
    visitor.press("batch-start")
    visitor.wait_until(lambda: visitor.part("batch-zip").is_enabled(), "the batch")
    with visitor.fetch("batch-csv", tmp_path).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(short_clips)
    with zipfile.ZipFile(visitor.fetch("batch-zip", tmp_path)) as made:
        films = [name for name in made.namelist() if ".scored." in name]
    assert {name.rsplit("/", 1)[-1] for name in films} == {f"{clip.stem}.scored.mp4" for clip in short_clips}
    assert "<html" in visitor.fetch("batch-html", tmp_path).read_text()


def test_a_second_press_counts_while_the_answer_to_cancel_is_awaited(visitor, short_clips):
    """The answer to Gradio's /cancel waits for the job's thread: on a busy machine the next press comes before it.

    The request itself must reach the server, which would otherwise cancel the second job with it: Gradio cancels what
    runs for a session and function, whatever event the request names.
    """
    held = []
    visitor.page.route("**/cancel", lambda route: held.append((route, route.fetch())))
    visitor.tab("Batch")
    visitor.give("batch-files", list(short_clips[:1]))
    visitor.write("batch-candidates", "1")
    visitor.press("batch-start")
    visitor.wait_until(lambda: "waiting" in visitor.part("batch-table").inner_text(), "the first row")
    visitor.press("batch-cancel")
    visitor.wait_until(lambda: held and "Cancelled" in visitor.part("batch-status").inner_text(), "the end of it")
    visitor.press("batch-start")
    visitor.wait_until(lambda: "waiting" in visitor.part("batch-table").inner_text(), "a second start")
    for route, answer in held:
        route.fulfill(response=answer)
    visitor.wait_until(lambda: visitor.part("batch-zip").is_enabled(), "the batch")
    assert "Cancelled" not in visitor.part("batch-status").inner_text()


def test_the_server_is_asked_to_cancel_before_the_page_says_cancelled(visitor, short_clips):
    """Gradio cancels whatever runs for a session and function when the request arrives: one that is sent after the page
    said "Cancelled" also ends the job of a press that followed at once, which then led to nothing."""
    requests = []
    visitor.tab("Batch")
    visitor.give("batch-files", list(short_clips[:1]))
    visitor.write("batch-candidates", "1")
    visitor.press("batch-start")
    visitor.wait_until(lambda: "waiting" in visitor.part("batch-table").inner_text(), "the first row")
    visitor.page.on("request", lambda request: requests.append(request.url) if request.method == "POST" else None)
    visitor.press("batch-cancel")
    visitor.wait_until(lambda: "Cancelled" in visitor.part("batch-status").inner_text(), "the end of it")
    asked = [url.split("?")[0].rsplit("/", 1)[-1] for url in requests]
    assert "cancel" in asked and len(asked) > 1, asked
    assert asked[0] == "cancel", asked
