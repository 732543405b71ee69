"""Features on disk: a cache by the clip's content, and files that a user saves. `cache_folder` is of the whole program.

Plain arrays in .npz, nothing pickled; each file appears whole or not at all. A cached file that cannot be read counts
as absent.
"""

import hashlib
import logging
import os
from pathlib import Path

import numpy as np
import platformdirs

from emotion.checkpoint import file_sha256
from emotion.files import atomic_write, failure
from video2music.errors import Video2MusicError
from video2music.values import Cut, VideoFeatures

log = logging.getLogger(__name__)

EXTRACTION_VERSION = 3  # to be raised whenever the same clip would give other features
FORMAT = 1

_ROWS = ("emotion", "motion", "scene_offset", "affect")
_NAMES = frozenset({*_ROWS, "semantic", "cuts", "duration_s", "encoder", "format"})


def cache_folder() -> Path:
    """The user's cache of this program: V2M_CACHE, or where the system keeps such things."""
    return Path(os.environ.get("V2M_CACHE") or platformdirs.user_cache_dir("video2music"))


def feature_folder() -> Path:
    """Where features are kept: V2M_FEATURES, or a folder of the cache."""
    return Path(os.environ.get("V2M_FEATURES") or cache_folder() / "features")


def cache_path(clip: Path, *, encoder: str, weights_sha256: str, folder: Path) -> Path:
    """The cache file for a clip's content and the weights of an encoder."""
    content = hashlib.sha256(
        f"{file_sha256(clip)} {encoder} {weights_sha256} {EXTRACTION_VERSION}".encode()
    ).hexdigest()
    return folder / f"{content[:32]}.npz"


def save(features: VideoFeatures, path: Path) -> None:
    """Write features as .npz. Raises Video2MusicError."""
    arrays = {name: getattr(features, name) for name in _ROWS}
    if features.semantic is not None:
        arrays["semantic"] = features.semantic
    arrays["cuts"] = np.array([(cut.time_s, cut.strength) for cut in features.cuts], np.float64).reshape(-1, 2)
    arrays["duration_s"] = np.float64(features.duration_s)
    arrays["encoder"] = np.array(features.encoder)
    arrays["format"] = np.array(FORMAT)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as partial, partial.open("wb") as file:
            np.savez_compressed(file, **arrays)
    except OSError as error:
        raise Video2MusicError(failure(error, path)) from None


def load(path: Path) -> VideoFeatures:
    """Read what `save` wrote. Raises Video2MusicError."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            if int(arrays["format"]) != FORMAT or not _NAMES.issuperset(arrays.files):
                raise Video2MusicError("they are of another version")
            return VideoFeatures(
                duration_s=float(arrays["duration_s"]),
                encoder=str(arrays["encoder"]),
                cuts=tuple(Cut(float(time_s), float(strength)) for time_s, strength in arrays["cuts"]),
                semantic=arrays.get("semantic"),
                **{name: arrays[name] for name in _ROWS},
            )
    except Exception as error:  # a damaged archive fails in every way that zip, zlib, numpy and `values` know
        reason = error if isinstance(error, Video2MusicError) else type(error).__name__
        raise Video2MusicError(f"{path} holds no features that can be used ({reason}): extract them again") from None


def read_cached(path: Path) -> VideoFeatures | None:
    """Cached features, None where there are none that can be read."""
    try:
        return load(path) if path.is_file() else None
    except (Video2MusicError, OSError) as error:
        log.warning("cached features are thrown away: %s", error)
        return None


def write_cached(features: VideoFeatures, path: Path) -> None:
    """Cache features; a full or read-only disk only costs the next run its time."""
    try:
        save(features, path)
    except Video2MusicError as error:
        log.warning("features are not cached: %s", error)
