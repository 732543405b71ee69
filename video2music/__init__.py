"""Music composed for a video.

    from video2music import Options, compose
    result = compose("holiday.mp4", "scored", Options(emotion="relaxing", seed=7))

Everything is imported when it is first used, because `compose` brings torch, and `--help` should not wait for that.
"""

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emotion.errors import UserError
    from video2music.composing.manifest import Replay
    from video2music.composing.manifest import read as read_manifest
    from video2music.errors import Video2MusicError
    from video2music.options import Options, Result
    from video2music.pipeline import compose

__all__ = ["Options", "Replay", "Result", "UserError", "Video2MusicError", "compose", "read_manifest"]
__version__ = "0.1.0"

_HOMES = MappingProxyType({
    "Options": ("video2music.options", "Options"),
    "Replay": ("video2music.composing.manifest", "Replay"),
    "Result": ("video2music.options", "Result"),
    "UserError": ("emotion.errors", "UserError"),
    "Video2MusicError": ("video2music.errors", "Video2MusicError"),
    "compose": ("video2music.pipeline", "compose"),
    "read_manifest": ("video2music.composing.manifest", "read"),
})  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
