"""The encoders in a table, best first, and which one to take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from video2music.errors import EncoderError
from video2music.features import color, download
from video2music.features.rows import Encoder

AUTO = "auto"


@dataclass(frozen=True)
class Kind:
    """One row of the table: what it gives, whether its weights are here, their sha256, and how to get it ready."""

    gives: str
    here: Callable[[], bool]
    weights: Callable[[], str]
    load: Callable[[str, download.OnProgress | None], Encoder]


@dataclass(frozen=True)
class Choice:
    """An encoder that will be used and, in one line, why."""

    name: str
    why: str

    def __str__(self) -> str:
        return f"encoder {self.name}: {self.why}"

    def weights(self) -> str:
        """Hexadecimal sha256 of the encoder's weights."""
        return ENCODERS[self.name].weights()

    def load(self, *, device: str = "cpu", on_progress: download.OnProgress | None = None) -> Encoder:
        """The encoder, its weights downloaded if they are not here. Raises EncoderError."""
        return ENCODERS[self.name].load(device, on_progress)


def choose(encoder: str) -> tuple[Choice, ...]:
    """The encoders to try in turn: the named one, or for `auto` all whose weights are here, best first.

    Raises EncoderError.
    """
    if encoder in ENCODERS:
        return (Choice(encoder, "as wished"),)
    if encoder != AUTO:
        raise EncoderError(f"unknown encoder {encoder!r}: choose one of {', '.join((*ENCODERS, AUTO))}")
    missing = [name for name, kind in ENCODERS.items() if not kind.here()]
    here = [name for name in ENCODERS if name not in missing]
    return tuple(Choice(name, _why(name, missing)) for name in here)


def _why(name: str, missing: list[str]) -> str:
    gives = f"it gives {ENCODERS[name].gives}"
    better = [other for other in list(ENCODERS)[: list(ENCODERS).index(name)] if other in missing]
    if not better:
        return f"its weights are here, and {gives}"
    best = better[-1]
    fetch = f"'video2music download {best}': {download.WEIGHTS[best].megabytes} MB"
    return f"{gives}; the weights of {' and '.join(better)} are not here ({fetch})"


def _load_clip(name: str, device: str, on_progress: download.OnProgress | None) -> Encoder:
    from video2music.features import semantic

    path = semantic.obtain(name, on_progress=on_progress)
    return _open_clip(name, path, path.stat().st_mtime_ns, device)


@lru_cache(maxsize=1)
def _open_clip(name: str, path: Path, _changed_ns: int, device: str) -> Encoder:
    """Weights that are read once a process, for reading them takes seconds."""
    from video2music.features import semantic

    return semantic.load(path, semantic=semantic.gives_semantic(name), device=device)


def _clip(name: str, gives: str) -> Kind:
    return Kind(
        gives,
        here=lambda: download.weights_path(name).is_file(),
        weights=lambda: download.WEIGHTS[name].sha256,
        load=lambda device, on_progress: _load_clip(name, device, on_progress),
    )


ENCODERS: Mapping[str, Kind] = MappingProxyType({
    "clip": _clip("clip", "semantic rows and the emotions"),
    "clip-small": _clip("clip-small", "the emotions, no semantic rows"),
    "color": Kind(
        "valence and arousal from colour, light, texture and movement",
        here=lambda: True,
        weights=lambda: color.load().sha256,
        load=lambda device, on_progress: color.load(),
    ),
})  # fmt: skip


def names() -> tuple[str, ...]:
    """What `encoder` may be: those of the table, best first, and AUTO."""
    return (*ENCODERS, AUTO)
