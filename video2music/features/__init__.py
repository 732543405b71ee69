"""Video features: a clip in, one row a second out (`VideoFeatures`), by the encoders in `encoders`.

`extract`, `load` and `save` are imported when they are used: they bring OpenCV and PyAV, and `encoders` alone is what
the command line needs for its help.
"""

from typing import TYPE_CHECKING, Any

from video2music.features import encoders

if TYPE_CHECKING:
    from video2music.features.cache import load, save
    from video2music.features.extraction import extract

__all__ = ["encoders", "extract", "load", "save"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from video2music.features import cache, extraction

    return getattr(extraction if name == "extract" else cache, name)
