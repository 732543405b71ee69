"""Videos written frame by frame, so that a test knows every picture and when it is shown."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

TICKS = 1000  # of a video's clock in a second

Pictures = Sequence[NDArray[np.uint8]]
WriteVideo = Callable[..., Path]


@pytest.fixture
def write_video(tmp_path: Path) -> WriteVideo:
    """write(pictures (H, W, 3) RGB, times_s, name=..., rotation=...) -> path of a lossless video."""

    def write(pictures: Pictures, times_s: Sequence[float], *, name: str = "made.mkv") -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream("ffv1", rate=25)
            stream.height, stream.width = pictures[0].shape[:2]
            stream.pix_fmt = "bgr0"
            stream.time_base = stream.codec_context.time_base = Fraction(1, TICKS)
            for picture, time_s in zip(pictures, times_s, strict=True):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = round(time_s * TICKS), Fraction(1, TICKS)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture
def textures() -> Callable[[int], NDArray[np.uint8]]:
    """textures(n): the n-th of many pictures (96, 128, 3) that look nothing alike."""

    def draw(number: int) -> NDArray[np.uint8]:
        rng = np.random.default_rng(number)
        coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        return np.kron(coarse, np.ones((16, 16, 1), np.uint8))

    return draw
