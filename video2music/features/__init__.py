"""Watching: a clip in, one row of features a second out; one decode pass, memory flat in the clip's length."""

import logging
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from video2music.errors import EncoderError
from video2music.features import encoders
from video2music.features.cache import cache_path, feature_folder, keep, load, recall, save
from video2music.features.motion import Second, motion, seconds
from video2music.features.pixels import Scaler, upright
from video2music.features.rows import Encoder, Rows
from video2music.features.scenes import CutFinder, scene_offsets
from video2music.media.clip import Clip, Frame, frames, probe
from video2music.values import VideoFeatures

__all__ = ["extract", "load", "save"]

log = logging.getLogger(__name__)

OnProgress = Callable[[float], None]
WAITING_S = 0.2  # between two words of one who waits


def extract(
    path: Path | str,
    *,
    encoder: str = "auto",
    cache: bool | Path = True,
    device: str = "cpu",
    until_s: float | None = None,
    on_progress: OnProgress | None = None,
    on_download: OnProgress | None = None,
) -> VideoFeatures:
    """What there is to see in a clip, one row for each second that begins before its end, at least one.

    `encoder` is a name of `encoders.ENCODERS`, or `auto`: the best whose weights are on this machine. The weights of a
    named one are downloaded where they are missing, and `on_download` (or else `on_progress`) is told the fraction that
    has come; then `on_progress` is told the fraction of the clip that was seen. `cache` is a folder, or True for the
    user's own, or False. With `until_s` no more is watched than the clip's first seconds. Raises MediaError,
    EncoderError.
    """
    clip = probe(Path(path))
    if until_s is not None and clip.duration_s and until_s >= clip.duration_s:
        until_s = None
    folder = feature_folder() if cache is True else cache or None
    tell = on_progress or _quietly
    *better, last = encoders.choose(encoder)
    for choice in better:
        try:
            return _extract(clip, choice, folder, device, until_s, tell, on_download or tell)
        except EncoderError as error:
            log.warning("encoder %s is passed over: %s", choice.name, error)
    return _extract(clip, last, folder, device, until_s, tell, on_download or tell)


def _extract(
    clip: Clip,
    choice: encoders.Choice,
    folder: Path | None,
    device: str,
    until_s: float | None,
    on_progress: OnProgress,
    on_download: OnProgress,
) -> VideoFeatures:
    log.info("%s", choice)
    whole = until_s is None  # a part looks other when it is all there is to see, so the whole's cache is no help
    kept = folder if whole else None
    kept = kept and cache_path(clip.path, encoder=choice.name, weights=choice.weights(), folder=kept)
    with _alone(kept, on_progress):
        found = kept and recall(kept)
        if found:
            on_progress(1.0)
            return found
        encoder = choice.load(device=device, on_progress=on_download)
        seen = _Watch(clip, choice.name, encoder, on_progress, until_s or math.inf).features()
        if kept:
            keep(seen, kept)
        return seen


_watched: dict[Path, threading.Lock] = {}


@contextmanager
def _alone(kept: Path | None, on_progress: OnProgress) -> Iterator[None]:
    """One thread of a process watches a clip; the others wait for what it keeps, and tell that they do."""
    if kept is None:
        yield
        return
    lock = _watched.setdefault(kept, threading.Lock())
    while not lock.acquire(timeout=WAITING_S):
        on_progress(0.0)
    try:
        yield
    finally:
        _watched.pop(kept, None)
        lock.release()


@dataclass
class _Watch:
    """One decode pass over one clip."""

    clip: Clip
    name: str
    encoder: Encoder
    on_progress: OnProgress
    until_s: float
    scaler: Scaler = field(default_factory=Scaler)
    cuts: CutFinder = field(default_factory=CutFinder)
    duration_s: float = 0.0

    def features(self) -> VideoFeatures:
        rows, times_s, motions = Rows(self.encoder), [], []
        for second in seconds(self._frames()):
            times_s.append(second.time_s)
            motions.append(self._look(second, rows))
            rows.settle(self.cuts)
        self.on_progress(1.0)
        moved = np.array(motions, np.float32)
        offsets = scene_offsets(times_s, self.cuts.cuts)
        reading = self.encoder.read(rows.finish(self.cuts), moved, offsets)
        return VideoFeatures(
            duration_s=self.duration_s,
            encoder=self.name,
            motion=moved,
            scene_offset=offsets,
            cuts=tuple(self.cuts.cuts),
            **reading._asdict(),
        )

    def _frames(self) -> Iterator[Frame]:
        """Every frame, after the cut finder has seen it."""
        for frame in frames(self.clip.path):
            if frame.time_s >= self.until_s:
                return
            self.cuts.see(frame.time_s, self.scaler.small(frame.picture))
            self.duration_s = min(frame.end_s, self.until_s)
            if self.clip.duration_s:
                self.on_progress(min(frame.end_s / min(self.clip.duration_s, self.until_s), 1.0))
            yield frame

    def _look(self, second: Second, rows: Rows) -> float:
        """Add the second's row; returns its motion."""
        if second.before is None and second.index:
            rows.repeat()
            return 0.0
        picture = self.scaler.full(second.shown.picture)
        rows.add(second.time_s, self.scaler.small(second.shown.picture), upright(picture, self.clip.rotation))
        return motion(second, picture, self.scaler)


def _quietly(fraction: float) -> None:
    """Tell nobody."""
