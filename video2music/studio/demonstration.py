"""The clip that the program draws itself, for a visitor who has none at hand."""

import threading
from pathlib import Path

from video2music.studio.runs import Runs

NAME = "demo.mp4"
_drawing = threading.Lock()
_drawn: dict[Path, Path] = {}  # the clip of every root that was asked for one


def clip(kept: Runs) -> Path:
    """Where the clip lies, in a folder of its own; drawn when it is not there. Raises MediaError, OptionError."""
    with _drawing:
        path = _drawn.get(kept.root)
        if path is None or not path.is_file():
            from video2music import demo

            path = _drawn[kept.root] = demo.draw(kept.new() / NAME)
        kept.touch(path.parent)
        return path
