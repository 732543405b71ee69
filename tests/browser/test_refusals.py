"""What the page says to a file it cannot use, and that the next one is welcome."""

from pathlib import Path

import pytest

from tests.browser.visitor import Visitor

NONSENSE = {
    "letter.mp4": b"Dear film,\nI am no film.\n" * 50,
    "empty.mp4": b"",
    "page.mov": b"<!doctype html><title>not found</title>" * 20,
}
OF_A_COMMAND = ("Traceback", "--", "/tmp", "Error:")


def offer(someone: Visitor, path: Path) -> None:
    """Hand over a clip, whatever comes of it."""
    someone.part("clip").locator("input[type=file]").first.set_input_files(path)


def test_without_a_clip_the_page_asks_for_one(visitor):
    visitor.press("compose")
    assert "clip" in visitor.complaint()


@pytest.mark.parametrize("name", NONSENSE)
def test_a_file_that_is_no_film_is_refused_in_one_sentence_with_its_name(visitor, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(NONSENSE[name])
    offer(visitor, path)
    told = visitor.complaint()
    assert name in told
    assert [word for word in OF_A_COMMAND if word in told] == []


@pytest.mark.parametrize("name", ["audio_only.mp4", "random_bytes.mp4", "truncated_header_only.mp4"])
def test_broken_films_that_people_have_are_refused_too(visitor, shared, name):
    offer(visitor, shared / "clips" / "edge" / name)
    assert name in visitor.complaint()


def test_after_a_refusal_the_page_serves_the_next_film(visitor, tmp_path, short_clips):
    path = tmp_path / "letter.mp4"
    path.write_bytes(NONSENSE["letter.mp4"])
    offer(visitor, path)
    visitor.complaint()
    visitor.upload(short_clips[0])
    assert visitor.part("clip-analysis").inner_text()
