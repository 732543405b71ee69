"""SoundFonts: the one in use, a check that a file is one, and a copy that symusic plays in tune.

symusic 0.5 takes a sample's root key from the sample's own header and ignores an instrument zone's
`overridingRootKey` (https://github.com/Yikai-Liao/symusic/issues/55), so that most notes of FluidR3 or TimGM6mb come
out in another key. `in_tune` writes the zone's root into a sample header of its own. The layout follows the SoundFont
2.04 specification, section 7 (the nine lists of the `pdta` chunk).
"""

import importlib.util
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from emotion.errors import SoundError
from emotion.runtime import SOUNDFONT_VARIABLE

_INSTALLED = ("/usr/share/sounds/sf2/FluidR3_GM.sf2", "/usr/share/soundfonts/FluidR3_GM.sf2")

_SAMPLE_ID, _ROOT_KEY = 53, 58  # generators of an instrument zone
_LAYOUT = {
    "inst": np.dtype([("name", "S20"), ("bag", "<u2")]),
    "ibag": np.dtype([("gen", "<u2"), ("mod", "<u2")]),
    "igen": np.dtype([("kind", "<u2"), ("amount", "<u2")]),
    "shdr": np.dtype([("name", "S20"), ("positions", "<u4", 5), ("key", "u1"), ("cents", "i1"), ("link", "<u2", 2)]),
}


def find_soundfont() -> Path:
    """The SoundFont of V2M_SOUNDFONT (`--soundfont`), else FluidR3 where it is installed, else TimGM6mb of pretty_midi.

    Raises SoundError when there is none, or the chosen file is none.
    """
    chosen = os.environ.get(SOUNDFONT_VARIABLE)
    return checked(Path(chosen)) if chosen else installed()[0]


def installed() -> list[Path]:
    """The SoundFonts that are found here, the best first. Raises SoundError when there is none."""
    package = importlib.util.find_spec("pretty_midi")
    inside = [Path(folder, "TimGM6mb.sf2") for folder in (package and package.submodule_search_locations) or ()]
    found = [path for path in [*map(Path, _INSTALLED), *inside] if path.is_file()]
    if not found:
        raise SoundError("no SoundFont is installed: install the package fluid-soundfont-gm, or pretty_midi anew")
    return found


def checked(path: Path) -> Path:
    """The path itself if it is a SoundFont. Raises SoundError."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise SoundError(f"the SoundFont {path} cannot be opened: {error.strerror or error}") from None
    if head[:4] != b"RIFF" or head[8:] != b"sfbk":
        raise SoundError(f"{path} is not a SoundFont: give a file such as FluidR3_GM.sf2")
    return path


def in_tune(path: Path, copy: Path) -> Path:
    """Write a copy of a SoundFont in which every zone's root key is in the header of its sample."""
    try:
        with path.open("rb") as source, copy.open("wb") as target:
            _copy(source, target)
    except (OSError, struct.error, KeyError, ValueError, IndexError) as error:
        raise SoundError(f"the SoundFont {path} cannot be made ready for symusic ({error}): give another one") from None
    return copy


def _copy(source: BinaryIO, target: BinaryIO) -> None:
    target.write(source.read(12))
    for name, size in _chunks(source):
        kind = source.read(4) if name == b"LIST" else b""
        if kind == b"pdta":
            body = _rooted(source.read(size - 4))
            target.write(struct.pack("<4sI4s", name, len(body) + 4, kind) + body)
        else:
            target.write(struct.pack("<4sI", name, size) + kind)
            _pipe(source, target, size - len(kind) + size % 2)
    whole = target.tell()
    target.seek(4)
    target.write(struct.pack("<I", whole - 8))


def _pipe(source: BinaryIO, target: BinaryIO, size: int) -> None:
    """Copy `size` bytes; samples may be hundreds of megabytes."""
    while size and (part := source.read(min(size, 1 << 20))):
        target.write(part)
        size -= len(part)


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    while len(head := file.read(8)) == 8:
        yield struct.unpack("<4sI", head)


def _rooted(pdta: bytes) -> bytes:
    """The nine lists with sample headers added for zones whose root key is not that of their sample."""
    lists: dict[str, bytes] = {}
    at = 0
    while at + 8 <= len(pdta):
        name, size = struct.unpack_from("<4sI", pdta, at)
        lists[name.decode("ascii")] = pdta[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    tables = {name: np.frombuffer(lists[name], layout).copy() for name, layout in _LAYOUT.items()}
    added = _sample_headers_of_roots(tables)
    lists["igen"] = tables["igen"].tobytes()
    lists["shdr"] = np.concatenate(
        [tables["shdr"][:-1], added, tables["shdr"][-1:]]
    ).tobytes()  # the last is the terminator
    return b"".join(struct.pack("<4sI", name.encode(), len(body)) + body for name, body in lists.items())


def _sample_headers_of_roots(tables: dict[str, NDArray[np.void]]) -> NDArray[np.void]:
    """Point zones at copies of their sample's header that carry their root; returns the copies."""
    samples, generators = tables["shdr"], tables["igen"]
    numbers: dict[tuple[int, int], int] = {}
    for at_sample, root in _zones(tables):
        sample = int(generators[at_sample]["amount"])
        if root != samples[sample]["key"]:
            number = numbers.setdefault((sample, root), len(samples) - 1 + len(numbers))
            generators[at_sample]["amount"] = number
    added = samples[[sample for sample, _ in numbers]].copy()
    added["key"] = [root for _, root in numbers]
    return added


def _zones(tables: dict[str, NDArray[np.void]]) -> Iterator[tuple[int, int]]:
    """Index of each instrument zone's sample generator, and the zone's root key if one is set."""
    starts = tables["ibag"]["gen"].astype(int)
    kinds, amounts = tables["igen"]["kind"], tables["igen"]["amount"]
    for first, last in zip(tables["inst"]["bag"][:-1].astype(int), tables["inst"]["bag"][1:].astype(int), strict=True):
        usual: int | None = None
        for zone in range(first, last):
            span = range(starts[zone], starts[zone + 1])
            root = next((int(amounts[at]) for at in span if kinds[at] == _ROOT_KEY), usual)
            at_sample = next((at for at in span if kinds[at] == _SAMPLE_ID), None)
            if at_sample is not None and root is not None and root <= 127:
                yield at_sample, root
            elif at_sample is None and zone == first:
                usual = root  # a first zone without a sample sets what the others start from
