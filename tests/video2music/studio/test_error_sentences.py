"""Visitors are told neither folders of the server nor options of a command."""

import logging
from pathlib import Path

import pytest

from video2music import UserError
from video2music.studio.uploads import sentence

RUN = Path("/tmp/studio/run-x1")
CLIP = Path("/tmp/studio/9f/my -o clip.mp4")


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        ("{clip} is empty (0 bytes): copy it again", "my -o clip.mp4 is empty (0 bytes): copy it again"),
        ("{run}/my -o clip cannot be written (No space left on device): make room on the disk",
         "my -o clip cannot be written (No space left on device): make room on the disk"),
        ("{run}/a is there already: say --overwrite to replace it, or choose another -o", "a is there already"),
        ("{run} is in the way: it is a file; choose another -o", "the result is in the way"),
        ("no CLIP (host: gone): check the connection or use --encoder color", "no CLIP (host: gone)"),
        ("my -o clip.mp4 is no video by name: give one", "my -o clip.mp4 is no video by name: give one"),
        ("a well-lit clip: not 3-d at all", "a well-lit clip: not 3-d at all"),
    ],
)  # fmt: skip
def test_a_sentence_names_files_as_the_visitor_does(raised, told):
    assert sentence(UserError(raised.format(clip=CLIP, run=RUN)), CLIP, RUN) == told


def test_what_nobody_foresaw_is_a_sentence_and_the_server_hears_more(caplog):
    with caplog.at_level(logging.ERROR):
        told = sentence(ZeroDivisionError(f"in {RUN}"), CLIP, RUN)
    assert "ZeroDivisionError" in told and str(RUN) not in told
    assert caplog.records[0].exc_info
