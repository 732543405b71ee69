"""Music composed for a video: `from video2music import compose, Options`."""

from typing import TYPE_CHECKING

from emotion.errors import UserError
from video2music.errors import Video2MusicError
from video2music.options import Options, Result

if TYPE_CHECKING:
    from video2music.pipeline import compose

__all__ = ["Options", "Result", "UserError", "Video2MusicError", "compose"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name == "compose":  # late, because it brings torch
        from video2music.pipeline import compose

        return compose
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
