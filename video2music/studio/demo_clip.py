"""The clip that the program draws itself, for visitors who have none at hand: one copy in a run folder for all."""

import shutil
import threading
from pathlib import Path

from emotion.files import atomic_write, failure
from video2music.errors import MediaError
from video2music.features.cache import cache_folder
from video2music.studio.runs import Runs

NAME = "demo.mp4"
DRAWING = 1  # to be raised whenever another clip is drawn
_lock = threading.Lock()
_copies: dict[Path, Path] = {}  # root of the runs -> the copy below it


def demo_clip(kept: Runs) -> Path:
    """The path of the clip, in a run folder that all visitors share. Raises MediaError, OptionError.

    It is drawn once a machine and kept in the cache, because drawing takes several seconds.
    """
    with _lock:
        path = _copies.get(kept.root)
        if path is None or not path.is_file():
            path = kept.new() / NAME
            try:
                shutil.copyfile(_cached(), path)
            except OSError as error:
                raise MediaError(failure(error, path, called="the demo clip")) from None
            _copies[kept.root] = path
        kept.touch(path.parent)
        return path


def _cached() -> Path:
    """The clip in the cache, drawn if it is not there. Raises MediaError, OSError."""
    path = cache_folder() / f"demo-{DRAWING}.mp4"
    if not path.is_file():
        from video2music import demo  # late: it imports numpy drawing code and encoders

        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as partial:
            demo.draw(partial.with_suffix(".mp4")).replace(partial)
    return path
