"""`extract`: one decode pass over a clip, memory flat in its length; features are cached by the clip's content.

Which frame represents each second, and how much it moved, is as MuVi-Sync counts it.
"""

import logging
import math
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np

from video2music.errors import EncoderError
from video2music.features import encoders
from video2music.features.cache import cache_path, feature_folder, read_cached, write_cached
from video2music.features.embedding import Encoder, FrameEmbedder
from video2music.features.encoders import EncoderSpec, Progress
from video2music.features.pixels import Scaler, mean_difference, upright
from video2music.features.scenes import CutDetector, scene_offsets
from video2music.media.clip import Clip, Frame, frames, probe
from video2music.values import VideoFeatures

log = logging.getLogger(__name__)

WAIT_S = 0.2  # between two calls of `progress` while another thread extracts the same clip: each may cancel the wait
EPS_S = 1e-6  # a frame this much early still counts as on the second: times are sums of fractions


def extract(
    path: Path | str,
    *,
    encoder: str = encoders.AUTO,
    cache: bool | Path = True,
    device: str | None = None,
    until_s: float | None = None,
    progress: Progress | None = None,
    download_progress: Progress | None = None,
) -> VideoFeatures:
    """Features of a clip, one row for each second that begins before its end, at least one.

    `encoder` is a name of `encoders.ENCODERS`, or `auto`: the best whose weights are on this machine. The weights of a
    named one are downloaded where they are missing, and `download_progress` (or else `progress`) is called with the
    fraction that has come; then `progress` with the fraction of the clip that was decoded. `device` is torch's, by
    default the one that was configured. `cache` is a folder, or True for the user's own, or False. With `until_s` only
    the clip's first seconds count. Raises MediaError, EncoderError.
    """
    clip = probe(Path(path))
    if until_s is not None and clip.duration_s and until_s >= clip.duration_s:
        until_s = None
    folder = feature_folder() if cache is True else cache or None
    progress = progress or (lambda fraction: None)
    log.info("%s", encoders.explain(encoder))
    *better, last = encoders.choose(encoder)
    for spec in better:
        try:
            return _extract(clip, spec, folder, device, until_s, progress, download_progress or progress)
        except EncoderError as error:
            log.warning("encoder %s is passed over: %s", spec.name, error)
    return _extract(clip, last, folder, device, until_s, progress, download_progress or progress)


def _extract(
    clip: Clip,
    spec: EncoderSpec,
    folder: Path | None,
    device: str | None,
    until_s: float | None,
    progress: Progress,
    download_progress: Progress,
) -> VideoFeatures:
    cached = None
    if folder and until_s is None:  # the first seconds alone give other features than the first rows of the whole
        cached = cache_path(clip.path, encoder=spec.name, weights_sha256=spec.weights_sha256(), folder=folder)
    with _one_at_a_time(cached, progress):
        found = cached and read_cached(cached)
        if found:
            progress(1.0)
            return found
        loaded = spec.load(device=device, progress=download_progress)
        features = _decode(clip, spec.name, loaded, until_s or math.inf, progress)
        if cached:
            write_cached(features, cached)
        return features


# A lock lives as long as a thread holds it or waits for it, so that all that want one clip share one.
_locks: WeakValueDictionary[Path, threading.Lock] = WeakValueDictionary()
_locks_guard = threading.Lock()


@contextmanager
def _one_at_a_time(cached: Path | None, progress: Progress) -> Iterator[None]:
    """One thread of a process computes what goes into a cache file; others wait, and call `progress` meanwhile."""
    if cached is None:
        yield
        return
    with _locks_guard:
        lock = _locks.get(cached)
        if lock is None:
            lock = _locks[cached] = threading.Lock()
    while not lock.acquire(timeout=WAIT_S):
        progress(0.0)
    try:
        yield
    finally:
        lock.release()


def _decode(clip: Clip, name: str, encoder: Encoder, until_s: float, progress: Progress) -> VideoFeatures:
    """The features of a clip's frames before `until_s`."""
    scaler, cuts, embedder = Scaler(), CutDetector(), FrameEmbedder(encoder)
    duration_s, times_s, motions = 0.0, [], []

    def decoded() -> Iterator[Frame]:
        nonlocal duration_s
        for frame in frames(clip.path):
            if frame.time_s >= until_s:
                return
            cuts.add(frame.time_s, scaler.small(frame.picture))
            duration_s = min(frame.end_s, until_s)
            if clip.duration_s:
                progress(min(frame.end_s / min(clip.duration_s, until_s), 1.0))
            yield frame

    for second in sample_seconds(decoded()):
        times_s.append(second.time_s)
        if second.previous is None and second.index:  # the picture of the second before is still on the screen
            embedder.repeat()
            motions.append(0.0)
        else:
            picture = scaler.full(second.frame.picture)
            small = scaler.small(second.frame.picture)
            embedder.add(second.time_s, small, upright(picture, clip.rotation))
            before = second.previous  # None in second 0, which counts as no movement
            # At full size, as MuVi-Sync measures it: scaling down would hide fine movement.
            motions.append(mean_difference(scaler.full(before.picture), picture) if before else 0.0)
        embedder.embed_settled(cuts)
    progress(1.0)
    moved, offsets = np.array(motions, np.float32), scene_offsets(times_s, cuts.cuts)
    predicted = encoder.predict(embedder.finish(cuts), moved, offsets)
    return VideoFeatures(
        duration_s=duration_s,
        encoder=name,
        motion=moved,
        scene_offset=offsets,
        cuts=tuple(cuts.cuts),
        **predicted._asdict(),
    )


@dataclass(frozen=True, eq=False)
class SampledSecond:
    """The frame that represents the second `index`, and the frame just before it.

    `frame` is the first one at or after the second, if one begins within it; otherwise the picture is frozen, so it is
    the one on the screen, and there is no `previous`. `time_s` is when that is shown.
    """

    index: int
    time_s: float
    frame: Frame
    previous: Frame | None


def sample_seconds(shown: Iterable[Frame]) -> Iterator[SampledSecond]:
    """The seconds 0, 1, 2.. before the end of the last frame, at least one; holds two frames at most."""
    due = 0
    last: Frame | None = None
    for frame in shown:
        while due <= frame.time_s + EPS_S:
            begins_here = frame.time_s < due + 1 - EPS_S or last is None
            if begins_here:
                yield SampledSecond(due, max(float(due), frame.time_s), frame, last)
            elif last is not None:
                yield SampledSecond(due, float(due), last, None)
            due += 1
        last = frame
    if last is not None:
        for index in range(due, math.ceil(last.end_s - EPS_S)):
            yield SampledSecond(index, float(index), last, None)
