"""The door to PyAV, making: pictures that the program drew become a video file."""

from collections.abc import Iterable
from pathlib import Path
from types import MappingProxyType
from typing import cast

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from video2music.media.clip import url, whole_file

CODECS = MappingProxyType({"libx264": {"crf": "20", "preset": "veryfast"}, "mpeg4": {"qscale": "3"}})  # best first


def encode(pictures: Iterable[NDArray[np.uint8]], path: Path, *, fps: int, size: tuple[int, int]) -> Path:
    """Write pictures (height, width, 3) RGB as an MP4 without sound; `size` is (width, height), both even.

    H.264 where this PyAV was built with x264, otherwise MPEG-4. The file appears whole or not at all. Raises
    MediaError.
    """
    codec = next(name for name in CODECS if name in av.codecs_available)
    with whole_file(path) as partial, av.open(url(partial), "w", format="mp4") as container:
        stream = cast(VideoStream, container.add_stream(codec, rate=fps, options=dict(CODECS[codec])))
        stream.width, stream.height = size
        for picture in pictures:
            container.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path
