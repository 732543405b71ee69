"""The encoders, one record each, best first: what they give, the weights they need, their licence and loader.

The command line, the page and the docs read these records, and `doctor` those with weights to download. To add an
encoder, write a module with a class that has the methods of `embedding.Encoder`, and a record here. Nothing heavy is
imported here; loaders import late.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from video2music.errors import EncoderError

if TYPE_CHECKING:
    from video2music.features.embedding import Encoder

AUTO = "auto"
# Both serve the same files: OpenAI's own code names the first, older links the second.
OPENAI_HOSTS = ("https://openaipublic.azureedge.net", "https://openaipublic.blob.core.windows.net")

Progress = Callable[[float], None]  # is called with the fraction that is done, 0 to 1


@dataclass(frozen=True)
class RemoteWeights:
    """A file of OpenAI's that is downloaded on request; as published, the checksum is part of the address."""

    file: str
    sha256: str
    megabytes: int
    hosts: tuple[str, ...] = OPENAI_HOSTS

    @property
    def urls(self) -> tuple[str, ...]:
        """Where the file can be had, to be tried in this order."""
        return tuple(f"{host}/clip/models/{self.sha256}/{self.file}" for host in self.hosts)

    @property
    def path(self) -> Path:
        """Where the file is kept once it is downloaded."""
        from video2music.features.cache import cache_folder

        return cache_folder() / "weights" / self.file


@dataclass(frozen=True)
class EncoderSpec:
    """One encoder.

    gives     what it predicts, as part of a sentence
    label     one line for people who choose
    licence   of its weights
    loader    called with the spec, a device (None: the configured one) and a callback for a download
    remote    weights that are downloaded on request; None: they ship with the package
    semantic  whether its embeddings are those that the AMT was trained on
    packages  that it needs beside those that are always installed
    shipped_sha256  of the weights that ship
    """

    name: str
    gives: str
    label: str
    licence: str
    loader: "Callable[[EncoderSpec, str | None, Progress | None], Encoder]"
    remote: RemoteWeights | None = None
    semantic: bool = False
    packages: tuple[str, ...] = ()
    shipped_sha256: Callable[[], str] | None = None

    def is_available(self) -> bool:
        """Whether its weights are on this machine."""
        return self.remote is None or self.remote.path.is_file()

    def weights_sha256(self) -> str:
        """Of its weights, hexadecimal."""
        if self.remote:
            return self.remote.sha256
        return self.shipped_sha256() if self.shipped_sha256 else ""

    def load(self, *, device: str | None = None, progress: Progress | None = None) -> "Encoder":
        """The encoder, its weights downloaded if they are not here; kept in memory. Raises EncoderError."""
        return self.loader(self, device, progress)


def _load_clip(spec: EncoderSpec, device: str | None, progress: Progress | None) -> "Encoder":
    from emotion.runtime import resolve_device
    from video2music.features import semantic

    path = semantic.obtain(spec, progress=progress)
    return _open_clip(spec, path, path.stat().st_mtime_ns, str(resolve_device(device)))


@lru_cache(maxsize=1)
def _open_clip(spec: EncoderSpec, path: Path, _modified_ns: int, device: str) -> "Encoder":
    """Kept, for reading the weights takes seconds; a file that was replaced is read again."""
    from video2music.features import semantic

    return semantic.load(path, semantic=spec.semantic, device=device)


def _load_color(_spec: EncoderSpec, _device: str | None, _progress: Progress | None) -> "Encoder":
    from video2music.features import color

    return color.load()  # numpy alone: there is no device to choose


def _color_sha256() -> str:
    from video2music.features import color

    return color.load().sha256


_RECORDS = (
    EncoderSpec(
        "clip",
        gives="semantic rows and the emotions",
        label="six emotions and CLIP ViT-L/14 (336 px) embeddings, as MuVi-Sync has them; slow without a GPU",
        licence="MIT (OpenAI)",
        loader=_load_clip,
        remote=RemoteWeights(
            "ViT-L-14-336px.pt", "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02", 934
        ),
        semantic=True,
        packages=("open_clip", "torchvision"),
    ),
    EncoderSpec(
        "clip-small",
        gives="the emotions, no semantic rows",
        label="six emotions, by CLIP ViT-B/32",
        licence="MIT (OpenAI)",
        loader=_load_clip,
        remote=RemoteWeights("ViT-B-32.pt", "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af", 354),
        packages=("open_clip", "torchvision"),
    ),
    EncoderSpec(
        "color",
        gives="valence and arousal from colour, light, texture and movement",
        label="valence and arousal from colour, light, texture, motion and cuts",
        licence="trained on OASIS (open access) and MuVi-Sync (no licence stated)",
        loader=_load_color,
        shipped_sha256=_color_sha256,
    ),
)
ENCODERS: Mapping[str, EncoderSpec] = MappingProxyType({spec.name: spec for spec in _RECORDS})


def names() -> tuple[str, ...]:
    """What an option `encoder` may be: the encoders, best first, and AUTO."""
    return (*ENCODERS, AUTO)


def encoders_table() -> str:
    """The encoders as a Markdown table for README, the one that needs least first."""
    lines = ["| encoder | gives | needs |", "|---|---|---|"]
    for spec in reversed(list(ENCODERS.values())):
        needs = f"`video2music download {spec.name}`, {spec.remote.megabytes} MB" if spec.remote else "nothing"
        lines.append(f"| `{spec.name}` | {spec.label} | {needs} |")
    return "\n".join(lines) + "\n"


def downloadable() -> tuple[EncoderSpec, ...]:
    """The encoders whose weights do not ship."""
    return tuple(spec for spec in ENCODERS.values() if spec.remote)


def choose(encoder: str) -> tuple[EncoderSpec, ...]:
    """The encoders to try in turn: the named one, or for `auto` all whose weights are here, best first.

    Raises EncoderError.
    """
    if encoder in ENCODERS:
        return (ENCODERS[encoder],)
    if encoder != AUTO:
        raise EncoderError(f"unknown encoder {encoder!r}: choose one of {', '.join(names())}")
    return tuple(spec for spec in ENCODERS.values() if spec.is_available())


def explain(encoder: str) -> str:
    """Which encoder an option means on this machine and why, in one line. Raises EncoderError."""
    chosen = choose(encoder)[0]
    if encoder != AUTO:
        return f"encoder {chosen.name}: it was asked for"
    better = list(ENCODERS.values())[: list(ENCODERS).index(chosen.name)]
    if not better:
        return f"encoder {chosen.name}: its weights are here, and it gives {chosen.gives}"
    missing = " and ".join(spec.name for spec in better)
    megabytes = better[-1].remote.megabytes if better[-1].remote else 0
    return (
        f"encoder {chosen.name}: it gives {chosen.gives}; the weights of {missing} are not here "
        f"('video2music download {better[-1].name}': {megabytes} MB)"
    )
