"""The clip that the program draws itself, for a visitor who has none at hand."""

import shutil
import threading
from pathlib import Path

from emotion.files import failure, whole_file
from video2music.errors import MediaError
from video2music.features.cache import cache_folder
from video2music.studio.runs import Runs

NAME = "demo.mp4"
DRAWING = 1  # to be raised whenever another clip is drawn
_lock = threading.Lock()
_lent: dict[Path, Path] = {}  # root -> where the clip lies below it


def clip(kept: Runs) -> Path:
    """Where the clip lies, in a run folder that all visitors share. Raises MediaError, OptionError.

    It is drawn once a machine and kept in the cache, for that takes several seconds.
    """
    with _lock:
        path = _lent.get(kept.root)
        if path is None or not path.is_file():
            path = _lent[kept.root] = _lend(kept.new() / NAME)
        kept.touch(path.parent)
        return path


def _lend(path: Path) -> Path:
    """A copy of the drawn clip."""
    try:
        shutil.copyfile(_drawn(), path)
    except OSError as error:
        raise MediaError(failure(error, path, called="the demo clip")) from None
    return path


def _drawn() -> Path:
    """The clip in the cache. Raises MediaError, OSError."""
    made = cache_folder() / f"demo-{DRAWING}.mp4"
    if not made.is_file():
        from video2music import demo

        made.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(made) as partial:
            demo.draw(partial.with_suffix(".mp4")).replace(partial)
    return made
