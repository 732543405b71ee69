"""Download of the weights that do not ship.

They are downloaded only when an encoder is asked for by name. A file under its final name was whole, had the right
checksum and passed the test of the caller.
"""

import hashlib
import http.client
import logging
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from emotion.files import atomic_write
from video2music.errors import EncoderError
from video2music.features.encoders import EncoderSpec, Progress, RemoteWeights

log = logging.getLogger(__name__)

Test = Callable[[Path], None]  # raises EncoderError for a file that cannot be used

BLOCK = 1 << 20
TIMEOUT_S = 30


def fetch(spec: EncoderSpec, *, test: Test, progress: Progress | None = None) -> Path:
    """The path of an encoder's weights, downloaded if they are not here yet.

    `test` is given the file that has come, before it gets its final name; what it refuses is removed. Raises
    EncoderError.
    """
    weights = spec.remote
    if weights is None:
        raise EncoderError(f"the weights of {spec.name} ship with this program: there is nothing to download")
    if weights.path.is_file():
        return weights.path
    log.info(
        "downloading %s (%d MB) for the encoder %s to %s", weights.file, weights.megabytes, spec.name, weights.path
    )
    failures = []
    for url in weights.urls:
        try:
            _fetch_one(url, weights, test, progress or (lambda fraction: None))
        except (OSError, http.client.HTTPException, _WrongBytesError) as error:
            failures.append(f"{url.split('/')[2]}: {error or type(error).__name__}")
        else:
            return weights.path
    raise EncoderError(
        f"the weights of {spec.name} cannot be had ({'; '.join(failures)}): check the connection and run "
        f"'video2music download {spec.name}' again, or use --encoder color, which needs none"
    )


class _WrongBytesError(Exception):
    """What came is not what was published."""


def _fetch_one(url: str, weights: RemoteWeights, test: Test, progress: Progress) -> None:
    path = weights.path
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as partial:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer, partial.open("wb") as file:
            total = int(answer.headers.get("Content-Length") or weights.megabytes * 10**6)
            found = _copy(answer, file, total, progress)
        if found != weights.sha256:
            raise _WrongBytesError(f"the checksum is {found[:12]}, but {weights.sha256[:12]} was published")
        try:
            test(partial)
        except EncoderError as error:
            raise EncoderError(f"the weights {weights.file} came whole but are not kept: {error}") from None


def _copy(source: http.client.HTTPResponse, file: BinaryIO, total: int, progress: Progress) -> str:
    """Copy in blocks; returns the sha256 of what was copied."""
    digest, done = hashlib.sha256(), 0
    while block := source.read(BLOCK):
        file.write(block)
        digest.update(block)
        done += len(block)
        progress(min(done / total, 1.0))
    if "Content-Length" in source.headers and done < total:
        raise _WrongBytesError(f"the connection broke off after {done} of {total} bytes")
    return digest.hexdigest()
