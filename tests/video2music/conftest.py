"""Clips made for the tests, and a look at what came out."""

import hashlib
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

SCENES = ((200, 120, 40), (30, 30, 60), (90, 200, 220))  # BGR


def draw_clip(path: Path, *, seconds: float = 6.0, fps: int = 12, size: tuple[int, int] = (160, 120)) -> Path:
    """A clip of three coloured scenes with a moving square and hard cuts between them."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, size)
    count = round(seconds * fps)
    for index in range(count):
        picture = np.full((size[1], size[0], 3), SCENES[index * len(SCENES) // count], np.uint8)
        left = index * 3 % (size[0] - 20)
        picture[40:60, left : left + 20] = 255 - picture[0, 0]
        writer.write(picture)
    writer.release()
    return path


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds in three scenes."""
    return draw_clip(tmp_path_factory.mktemp("clips") / "three scenes.mp4")


def picture_packets(path: Path) -> list[str]:
    """A hash of each picture packet's bytes, in order."""
    with av.open(str(path)) as container:
        return [hashlib.sha256(bytes(packet)).hexdigest() for packet in container.demux(video=0) if packet.size]


def picture_seconds(path: Path) -> float:
    """Length of the picture, by decoding it."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times, last = [], None
        for frame in container.decode(stream):
            times.append(float(frame.pts * frame.time_base))
            last = float((frame.duration or 0) * frame.time_base)
    gap = last or (times[-1] - times[0]) / max(1, len(times) - 1) or float(1 / (stream.average_rate or 25))
    return times[-1] - times[0] + gap


def decoded_sound(path: Path) -> tuple[np.ndarray, int]:
    """The sound as a player hears it, (frames, channels), and its rate: samples before time 0 are dropped."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        blocks = [frame.to_ndarray().reshape(frame.layout.nb_channels, -1) for frame in container.decode(stream)]
        return np.concatenate(blocks, axis=1).T, stream.rate


def real_clips(shared: Path) -> list[Path]:
    """The clips and the nasty files; those in clips/faults are known not to come out right yet."""
    return [*sorted((shared / "clips").glob("*.*")), *sorted((shared / "clips/edge").glob("*.*"))]
