"""Sound files to rows that a model can read: mono samples at 24 kHz, then log-mel, 50 rows a second.

Files of any format are decoded block by block, so an hour takes no more memory than its rows (70 MB). The filters are
Slaney's (Auditory Toolbox, 1998), as librosa and transformers make them.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emotion.errors import SoundError
from emotion.files import OPEN_OPTIONS, ffmpeg_url, is_refused_format

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

SAMPLE_RATE = 24_000  # MERT's as well
WINDOW = 2048  # samples, 85 ms
HOP = 480  # samples, 20 ms
ROWS_PER_S = SAMPLE_RATE // HOP
BANDS = 96
LOWEST_HZ, HIGHEST_HZ = 30.0, 11_000.0
FLOOR_DB = -80.0  # of a full-scale sine's band; what is fainter counts as this faint
BLOCK_S = 10
LOUDEST = 10.0  # linear; samples are clipped here, as files of floats may hold any number

Samples = NDArray[np.float32]


def read(path: Path) -> Iterator[Samples]:
    """The first audio stream of a file as mono float32 blocks (n,) at 24 kHz. Raises SoundError before the first."""
    blocks = _decoded(path)
    try:
        first = next(blocks)
    except StopIteration:
        raise SoundError(f"{path} holds no sound: give a file such as a .wav, .flac, .mp3 or .m4a") from None
    return _then(first, blocks)


def _then(first: Samples, rest: Iterator[Samples]) -> Iterator[Samples]:
    with closing(rest):  # type: ignore[type-var]
        yield first
        yield from rest


def _decoded(path: Path) -> Iterator[Samples]:
    import av

    try:
        with av.open(ffmpeg_url(path), container_options=dict(OPEN_OPTIONS)) as container:
            if is_refused_format(container.format.name):
                raise SoundError(
                    f"{path} is not sound (it reads as {container.format.name}): give a .wav, .flac or .mp3"
                )
            if not container.streams.audio:
                raise SoundError(f"{path} has no sound: give a file such as a .wav, .flac, .mp3 or .m4a")
            resampler = av.AudioResampler(format="fltp", rate=SAMPLE_RATE, frame_size=BLOCK_S * SAMPLE_RATE)
            for frame in _frames(container):
                yield from (_mono(block.to_ndarray()) for block in resampler.resample(frame))
    except FileNotFoundError:
        raise SoundError(f"no sound at {path}: check the name") from None
    except (OSError, ValueError, av.FFmpegError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SoundError(f"{path} cannot be read as sound ({reason}): give a .wav, .flac, .mp3 or .m4a") from None


def _mono(channels: NDArray[Any]) -> Samples:
    """The mean of channels (C, n); FFmpeg's own mix is 3 dB louder where they agree.

    Samples of files of floats may be no numbers, which are silence here, or of any size.
    """
    mono: Samples = np.clip(np.nan_to_num(channels, nan=0.0), -LOUDEST, LOUDEST).mean(0, dtype=np.float32)
    return mono


def _frames(container: Any) -> Iterator[Any]:
    """Decoded frames and None to flush; a damaged packet is passed over."""
    import av

    for packet in _packets(container):
        try:
            yield from packet.decode()
        except av.FFmpegError as error:  # AAC calls damage anything, "not permitted" too
            log.debug("%s: a packet is passed over (%s)", container.name, error)
    yield None


def _packets(container: Any) -> Iterator[Any]:
    """Packets of the first audio stream, up to where the file can be followed no more."""
    import av

    try:
        yield from container.demux(audio=0)
    except av.FFmpegError as error:
        name = container.name.removeprefix("file:")
        log.warning("%s is damaged (%s): only what comes before is used", name, error.strerror)


def log_mel(blocks: Iterable[Samples]) -> NDArray[np.float32]:
    """(T, 96) decibels between FLOOR_DB and about 0 of mono samples at 24 kHz, a row every 20 ms, centred on it.

    T is one more than the number of whole hops. Blocks may have any lengths; the result does not depend on them.
    """
    held = np.zeros(WINDOW // 2, np.float32)
    rows = []
    for block in blocks:
        held = np.concatenate([held, np.asarray(block, np.float32)])
        if len(held) >= WINDOW + HOP:
            part, held = _whole_hops(held)
            rows.append(_rows(part))
    rows.append(_rows(np.pad(held, (0, WINDOW // 2))))
    return np.concatenate(rows)


def _whole_hops(held: Samples) -> tuple[Samples, Samples]:
    """What makes whole rows now, and what the next rows need."""
    done = (len(held) - WINDOW) // HOP + 1
    return held[: (done - 1) * HOP + WINDOW], held[done * HOP :]


def _rows(samples: Samples) -> NDArray[np.float32]:
    import torch

    if len(samples) < WINDOW:
        return np.zeros((0, BANDS), np.float32)
    window, filters = _analysis()
    spectrum = torch.stft(torch.from_numpy(samples), WINDOW, HOP, window=window, center=False, return_complex=True)
    power = spectrum.real.square() + spectrum.imag.square()
    floor = 10 ** (FLOOR_DB / 10)
    return (10 * torch.log10((filters @ power).clamp_min(floor))).T.contiguous().numpy()


@lru_cache(maxsize=1)
def _analysis() -> "tuple[Tensor, Tensor]":
    """Hann window whose full-scale sine has power 1 (0 dB) at its bin, and the filters (96, 1025), each of peak 1."""
    import torch
    from transformers.audio_utils import mel_filter_bank

    window = torch.hann_window(WINDOW)
    filters = mel_filter_bank(WINDOW // 2 + 1, BANDS, LOWEST_HZ, HIGHEST_HZ, SAMPLE_RATE, norm=None, mel_scale="slaney")
    return 2 * window / window.sum(), torch.from_numpy(filters.T).float()
