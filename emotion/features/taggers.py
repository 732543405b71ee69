"""Two published music taggers as learned front ends: a row every 6 s.

MusiCNN (J. Pons, X. Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging", ISMIR
late-breaking demos 2019, arXiv 1909.06654) and the VGG that its authors give beside it, both trained by them on
the fifty commonest Last.fm tags of the Million Song Dataset. Each row is of the three seconds that begin with it. The
weights are the authors' own (licence ISC), moved from TensorFlow: see weights/musicnn/README.md and weights/vgg. Their
spectra are of 512 samples at 16 kHz; the same 32 ms are 768 samples here, so that no sound is resampled.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from emotion import checkpoint
from emotion.features.sound import SAMPLE_RATE, Samples
from emotion.runtime import resolve_device

WEIGHTS = checkpoint.SHIPPED
WINDOW, HOP = 768, 384  # samples: 32 and 16 ms
THEIR_WINDOW = 512  # samples at 16 kHz; power grows with the square of a window
BANDS, HIGHEST_HZ = 96, 8000.0
PATCH = 187  # spectra, 3 s
WIDTH = 200
TAGS = (
    "rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s", "alternative rock", "jazz",
    "beautiful", "metal", "chillout", "male vocalists", "classic rock", "soul", "indie rock", "Mellow", "electronica",
    "80s", "folk", "90s", "chill", "instrumental", "punk", "oldies", "blues", "hard rock", "ambient", "acoustic",
    "experimental", "female vocalist", "guitar", "Hip-Hop", "70s", "party", "country", "easy listening", "sexy",
    "catchy", "funk", "electro", "heavy metal", "Progressive rock", "60s", "rnb", "indie pop", "sad", "House", "happy",
)  # fmt: skip
LEVELS = (3, 4, 5)  # of the VGG's five blocks: those that are rows
LEVEL_ROWS = (23, 11, 2)  # moments of each in a patch
LEVEL_WIDTH = 128
_POOLS = (((4, 1), (2, 2)), ((2, 2), (2, 2)), ((2, 2), (2, 2)), ((2, 2), (2, 2)), ((4, 4), (4, 4)))  # size, stride
_TIMBRE = ((7, 38), (7, 67))  # kernel sizes, spectra by bands; max-pooled over the bands
_RHYTHM = ((128, 1), (64, 1), (32, 1))
_FILTERS = (204, 51)  # of each of the former and of the latter
_FRONT = 2 * _FILTERS[0] + 3 * _FILTERS[1]
_MIDDLE = 64
_SAMPLES = (PATCH - 1) * HOP + WINDOW  # of a patch


class Tagger(nn.Module):
    """Base of both networks: rows of audio, three seconds at a time."""

    @torch.inference_mode()
    def rows(self, blocks: Iterable[Samples], every_s: int) -> NDArray[np.float32]:
        """(M, ...) of mono samples at 24 kHz, M at least 1; block lengths do not matter.

        Row m is of the three seconds from m * every_s on, or of the last three where there are less. What is shorter
        than three is repeated.
        """
        device = next(self.parameters()).device
        patches = _patches(blocks, every_s)
        return np.concatenate([self(spectra(samples)[None].to(device)).cpu().numpy() for samples in patches])


class Filters(nn.Module):
    """A convolution over (B, 1, T, 96), max-pooled over the bands: (B, W, T)."""

    def __init__(self, size: tuple[int, int], width: int) -> None:
        super().__init__()
        self.size = size
        self.filter = nn.Conv2d(1, width, size)
        self.normal = nn.BatchNorm2d(width, eps=1e-3)

    def forward(self, inputs: Tensor) -> Tensor:
        before = (self.size[0] - 1) // 2
        padded = functional.pad(inputs, (0, 0, before, self.size[0] - 1 - before))
        strongest: Tensor = self.normal(self.filter(padded).relu()).amax(3)
        return strongest


class Layer(nn.Module):
    """A convolution over time, 7 wide: (B, 64, T) of (B, C, T)."""

    def __init__(self, given: int) -> None:
        super().__init__()
        self.filter = nn.Conv1d(given, _MIDDLE, 7, padding=3)
        self.normal = nn.BatchNorm1d(_MIDDLE, eps=1e-3)

    def forward(self, inputs: Tensor) -> Tensor:
        normal: Tensor = self.normal(self.filter(inputs).relu())
        return normal


class MusiCNN(Tagger):
    """The published network up to its last layer but one, and the layer of tags."""

    def __init__(self) -> None:
        super().__init__()
        self.given = nn.BatchNorm2d(1, eps=1e-3)
        sizes = [*((size, _FILTERS[0]) for size in _TIMBRE), *((size, _FILTERS[1]) for size in _RHYTHM)]
        self.front = nn.ModuleList(Filters(*each) for each in sizes)
        self.middle = nn.ModuleList(Layer(given) for given in (_FRONT, _MIDDLE, _MIDDLE))
        pooled = 2 * (_FRONT + 3 * _MIDDLE)
        self.pooled = nn.BatchNorm1d(pooled, eps=1e-3)
        self.embed = nn.Linear(pooled, WIDTH)
        self.embedded = nn.BatchNorm1d(WIDTH, eps=1e-3)
        self.output = nn.Linear(WIDTH, len(TAGS))

    def forward(self, patches: Tensor) -> Tensor:
        """(B, 200) of patches (B, 187, 96) of `spectra`."""
        inputs = self.given(patches[:, None])
        front = torch.cat([filters(inputs) for filters in self.front], 1)
        one = self.middle[0](front)
        two = self.middle[1](one) + one
        rows = torch.cat([front, one, two, self.middle[2](two) + two], 1)
        pooled = torch.stack([rows.amax(2), rows.mean(2)], 2).flatten(1)
        embedded: Tensor = self.embedded(self.embed(self.pooled(pooled)).relu())
        return embedded

    def tags(self, embedded: Tensor) -> Tensor:
        """(B, 50) logits of TAGS of what `forward` gave."""
        logits: Tensor = self.output(embedded)
        return logits


class Block(nn.Module):
    """A 3x3 convolution and pooling: (B, 128, T', F') of (B, C, T, F)."""

    def __init__(self, given: int, pool: tuple[tuple[int, int], tuple[int, int]]) -> None:
        super().__init__()
        self.filter = nn.Conv2d(given, LEVEL_WIDTH, 3, padding=1)
        self.normal = nn.BatchNorm2d(LEVEL_WIDTH, eps=1e-3)
        self.pool = pool

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.max_pool2d(self.normal(self.filter(inputs).relu()), *self.pool)


class VGG(Tagger):
    """The five blocks (K. Simonyan, A. Zisserman, ICLR 2015, with fewer and equally wide layers) as rows of levels."""

    def __init__(self) -> None:
        super().__init__()
        self.given = nn.BatchNorm2d(1, eps=1e-3)
        self.blocks = nn.ModuleList(Block(LEVEL_WIDTH if number else 1, pool) for number, pool in enumerate(_POOLS))
        self.output = nn.Linear(2 * LEVEL_WIDTH, len(TAGS))

    def forward(self, patches: Tensor) -> Tensor:
        """(B, 36, 128) of patches (B, 187, 96): the moments of each of LEVELS in turn, each the mean over bands."""
        inputs, found = self.given(patches[:, None]), []
        for number, block in enumerate(self.blocks, 1):
            inputs = block(inputs)
            if number in LEVELS:
                found.append(inputs.mean(3).transpose(1, 2))
        return torch.cat(found, 1)

    def tags(self, levels: Tensor) -> Tensor:
        """(B, 50) logits of TAGS of what `forward` gave."""
        logits: Tensor = self.output(levels[:, -LEVEL_ROWS[-1] :].flatten(1))
        return logits


def spectra(samples: Samples) -> Tensor:
    """(T, 96) log-mel rows, one every 16 ms, of samples (n,) at 24 kHz, as MusiCNN was trained: log10(1 + 10000 x)."""
    window, filters = _analysis()
    spectrum = torch.stft(torch.from_numpy(samples), WINDOW, HOP, window=window, center=False, return_complex=True)
    power = (spectrum.real.square() + spectrum.imag.square())[: filters.shape[1]] * (THEIR_WINDOW / WINDOW) ** 2
    return torch.log10(10_000 * (filters @ power) + 1).T.contiguous()


TAGGERS = MappingProxyType({"musicnn": MusiCNN, "vgg": VGG})


def load(name: str, *, device: str | None = None) -> Tagger:
    """One of TAGGERS with its authors' weights, read once a folder and device. Raises CheckpointError."""
    return _load(name, checkpoint.weights_folder(WEIGHTS / name), str(resolve_device(device)))


@lru_cache
def _load(name: str, folder: Path, device: str) -> Tagger:
    model, found = TAGGERS[name](), checkpoint.load(folder, kind=name)
    tensors = {key.replace("tell.", "output."): tensor for key, tensor in found.tensors.items()}  # its name in the file
    checkpoint.fill(model, replace(found, tensors=tensors))
    return model.to(device)


@lru_cache(maxsize=1)
def _analysis() -> tuple[Tensor, Tensor]:
    """The window, and Slaney's filters (96, 257) for bins that lie 31.25 Hz apart, here as at 16 kHz."""
    from transformers.audio_utils import mel_filter_bank

    bins = THEIR_WINDOW // 2 + 1
    filters = mel_filter_bank(bins, BANDS, 0.0, HIGHEST_HZ, round(2 * HIGHEST_HZ), norm="slaney", mel_scale="slaney")
    return torch.hann_window(WINDOW), torch.from_numpy(filters.T).float().contiguous()


def _patches(blocks: Iterable[Samples], every_s: int) -> Iterator[Samples]:
    """The samples of each patch."""
    held, passed, due = np.zeros(0, np.float32), 0, 0  # `passed` samples came before those held
    for block in blocks:
        held = np.concatenate([held, np.asarray(block, np.float32)])
        while passed + len(held) >= due + _SAMPLES:
            yield held[due - passed : due - passed + _SAMPLES]
            due += every_s * SAMPLE_RATE
        drop = max(min(due - passed, len(held) - _SAMPLES), 0)
        held, passed = held[drop:], passed + drop
    ends = passed + len(held)
    if not due or ends > due:  # samples after the last patch
        yield held[-_SAMPLES:] if len(held) >= _SAMPLES else np.resize(held, _SAMPLES)
