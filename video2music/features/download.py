"""Weights of the CLIP encoders: what they are, where they lie, and how they get there.

They are fetched only when somebody asks for them by name. A file under its final name was whole, had the right
checksum and stood the test of whoever fetched it.
"""

import hashlib
import http.client
import logging
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from emotion.files import whole_file
from video2music.errors import EncoderError
from video2music.features.cache import cache_folder

log = logging.getLogger(__name__)

OnProgress = Callable[[float], None]  # the fraction that is done, 0 to 1
Test = Callable[[Path], None]  # raises EncoderError for a file that is no good

BLOCK = 1 << 20
TIMEOUT_S = 30
HOSTS = ("https://openaipublic.azureedge.net", "https://openaipublic.blob.core.windows.net")  # one store, two doors


@dataclass(frozen=True)
class Weights:
    """One file of OpenAI's, as its own code publishes it: the checksum is part of the address."""

    file: str
    sha256: str
    megabytes: int
    hosts: tuple[str, ...] = HOSTS

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(f"{host}/clip/models/{self.sha256}/{self.file}" for host in self.hosts)


WEIGHTS = MappingProxyType({
    "clip": Weights("ViT-L-14-336px.pt", "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02", 934),
    "clip-small": Weights("ViT-B-32.pt", "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af", 354),
})  # fmt: skip


def weights_path(name: str) -> Path:
    """Where the weights of `clip` or `clip-small` lie, or would."""
    return cache_folder() / "weights" / WEIGHTS[name].file


def fetch(name: str, *, test: Test, on_progress: OnProgress | None = None) -> Path:
    """The weights of an encoder, downloaded if they are not here yet.

    `test` is given the file that has come, before it gets its final name; what it refuses is removed. Raises
    EncoderError.
    """
    if name not in WEIGHTS:
        raise EncoderError(f"nothing to download for {name!r}: {' and '.join(WEIGHTS)} have weights to fetch")
    path = weights_path(name)
    if path.is_file():
        return path
    weights = WEIGHTS[name]
    log.info("downloading %s (%d MB) for the encoder %s to %s", weights.file, weights.megabytes, name, path)
    failures = []
    for url in weights.urls:
        try:
            _fetch_one(url, path, weights, test, on_progress or _quietly)
        except (OSError, http.client.HTTPException, _WrongBytesError) as error:
            failures.append(f"{url.split('/')[2]}: {error or type(error).__name__}")
        else:
            return path
    raise EncoderError(
        f"the weights of {name} cannot be had ({'; '.join(failures)}): check the connection and run "
        f"'video2music download {name}' again, or use --encoder color, which needs none"
    )


class _WrongBytesError(Exception):
    """What came is not what was published."""


def _fetch_one(url: str, path: Path, weights: Weights, test: Test, on_progress: OnProgress) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer, partial.open("wb") as file:
            total = int(answer.headers.get("Content-Length") or weights.megabytes * 10**6)
            found = _copy(answer, file, total, on_progress)
        if found != weights.sha256:
            raise _WrongBytesError(f"the checksum is {found[:12]}, but {weights.sha256[:12]} was published")
        try:
            test(partial)
        except EncoderError as error:
            raise EncoderError(f"the weights {weights.file} came whole but are not kept: {error}") from None


def _copy(source: http.client.HTTPResponse, file: BinaryIO, total: int, on_progress: OnProgress) -> str:
    """Copy in blocks; returns the sha256 of what was copied."""
    digest, done = hashlib.sha256(), 0
    while block := source.read(BLOCK):
        file.write(block)
        digest.update(block)
        done += len(block)
        on_progress(min(done / total, 1.0))
    if "Content-Length" in source.headers and done < total:
        raise _WrongBytesError(f"the connection broke off after {done} of {total} bytes")
    return digest.hexdigest()


def _quietly(fraction: float) -> None:
    """Tell nobody."""
