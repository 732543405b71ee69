"""Self-supervised pre-training of both encoders, on MIDI files without labels and renders of them.

The token encoder learns to predict masked spans of notes, as MIDI-BERT does (Chou and others 2021, arXiv 2107.05223).
The audio encoder learns to predict the descriptors of the notes that a render was made from. Called by
emotion.models.poolingvq.pipeline.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from emotion.errors import SoundError
from emotion.features import sound
from emotion.midi import notes
from emotion.midi import tokens as vocabulary
from emotion.models.poolingvq.augmentation import AugmentedPieces
from emotion.models.poolingvq.encoders import CHUNK, CLIP, AudioEncoder, EncodersConfig, TokenEncoder, mean_and_sd
from emotion.models.poolingvq.segments import SegmentBatch, collate
from emotion.train.loop import LoopConfig, fit

TokenSequence = tuple[NDArray[np.int16], NDArray[np.float32]]  # compound tokens (N, 6) and their times in s (N,)

MASK_SHARE, MEAN_SPAN = 0.15, 3  # of the tokens are masked, as in BERT, in spans of this mean length
MOST_SEMITONES = 6  # up or down: every key, once
SHORTEST_TOKENS = 16  # shorter remainders of a piece hold too little context to predict from
EQ_DB = 9.0  # sd of a smooth random change of the bands' levels
BANDS_MASKED, ROWS_MASKED = 12, 50  # at most, in each of two stripes

TOKEN_RECIPE = LoopConfig(epochs=2, batch=32, rate=1e-3, warmup_steps=50, patience=4)
AUDIO_RECIPE = LoopConfig(epochs=22, batch=16, rate=2e-3, warmup_steps=100, patience=22)


class MaskedTokens(nn.Module):
    """A token encoder and one classifier for each column of a compound token."""

    def __init__(self, config: EncodersConfig) -> None:
        super().__init__()
        self.encoder = TokenEncoder(config)
        self.heads = nn.ModuleList(nn.Linear(config.width, size) for size in config.sizes)

    def loss(self, tokens: Tensor, times_s: Tensor, mask: Tensor, masked: Tensor) -> Tensor:
        """Mean cross-entropy in nats of the columns of masked tokens; `masked` is (B, N)."""
        rows = self.encoder(tokens.masked_fill(masked.unsqueeze(-1), vocabulary.MASK), times_s, mask)[masked]
        truth = tokens[masked]
        each = [functional.cross_entropy(head(rows), truth[:, column]) for column, head in enumerate(self.heads)]
        return torch.stack(each).mean()


def token_sequences(folders: Sequence[Path]) -> list[TokenSequence]:
    """Tokens and times of every readable .mid below the folders; pieces longer than the vocabulary are cut."""
    found: list[TokenSequence] = []
    for path in sorted(path for folder in folders for path in folder.rglob("*.mid")):
        try:
            piece = notes.read(path)
        except SoundError:  # a broken file among thousands is left out: nothing here needs a particular one
            continue
        for start_s in np.arange(0, piece.duration_s, vocabulary.LONGEST_S / 2):
            tokens, times_s = vocabulary.tokenize(piece.within(start_s, start_s + vocabulary.LONGEST_S / 2))
            if len(tokens) >= SHORTEST_TOKENS:
                found.append((tokens.astype(np.int16), times_s))
    return found


def masked_batch(
    sequences: Sequence[TokenSequence], chosen: Sequence[int], generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Random crops, transposed at random: tokens (B, N, 6), times from the crop's start, mask, which are masked."""
    length = min(CHUNK, max(len(sequences[index][0]) for index in chosen))
    tokens = torch.zeros(len(chosen), length, len(vocabulary.COLUMNS), dtype=torch.long)
    times_s = torch.zeros(len(chosen), length)
    for row, index in enumerate(chosen):
        piece, at = sequences[index]
        start = int(torch.randint(max(len(piece) - length, 0) + 1, (), generator=generator))
        size = min(length, len(piece))
        tokens[row, :size] = torch.from_numpy(piece[start : start + size].astype(np.int64))
        times_s[row, :size] = torch.from_numpy(at[start : start + size] - at[start])
    mask = tokens[..., 0] > 0  # 0 is padding in every column; column 0 is the pitch
    shift = torch.randint(-MOST_SEMITONES, MOST_SEMITONES + 1, (len(chosen), 1), generator=generator)
    pitches = (tokens[..., 0] + shift).clamp(vocabulary.SPECIAL, vocabulary.SPECIAL + 127)
    tokens[..., 0] = torch.where(mask, pitches, 0)
    # a span begins at a token with the chance that makes MASK_SHARE of the tokens masked
    starts = torch.rand(mask.shape[0], length + MEAN_SPAN - 1, generator=generator) < MASK_SHARE / MEAN_SPAN
    masked = starts.unfold(1, MEAN_SPAN, 1).any(-1)
    return tokens, times_s, mask, masked & mask


def masked_batches(
    sequences: Sequence[TokenSequence], size: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """One epoch in random order: of each piece one crop for every CHUNK tokens of its length."""
    crops = [index for index, (tokens, _) in enumerate(sequences) for _ in range(-(-len(tokens) // CHUNK))]
    order = torch.randperm(len(crops), generator=generator).tolist()
    for start in range(0, max(len(order) - size, 0) + 1, size):
        yield masked_batch(sequences, [crops[place] for place in order[start : start + size]], generator)


def pretrain_tokens(
    folders: Sequence[Path],
    config: EncodersConfig,
    *,
    folder: Path,
    recipe: LoopConfig = TOKEN_RECIPE,
    device: torch.device | None = None,
) -> TokenEncoder:
    """The encoder after masked training on all .mid files below the folders; one piece in fifty validates."""
    sequences = token_sequences(folders)
    held, used = sequences[::50], [piece for index, piece in enumerate(sequences) if index % 50]
    torch.manual_seed(recipe.seed)
    model = MaskedTokens(config).to(device)

    def loss(batch: Sequence[Tensor]) -> Tensor:
        return model.loss(*(part.to(device) for part in batch))

    @torch.inference_mode()
    def validate() -> float:
        generator = torch.Generator().manual_seed(0)
        return float(np.mean([loss(batch).item() for batch in masked_batches(held, recipe.batch, generator)]))

    fit(
        model,
        lambda generator: masked_batches(used, recipe.batch, generator),
        lambda batch, _: loss(batch),
        validate,
        recipe=recipe,
        n_batches=sum(-(-len(tokens) // CHUNK) for tokens, _ in used) // recipe.batch,
        folder=folder,
        dimensions={"sizes": config.sizes},
    )
    return model.encoder


class AudioPretraining(nn.Module):
    """An audio encoder, and a linear head from mean and deviation of its rows to z-scored descriptors (B, D)."""

    centre: Tensor
    scale: Tensor

    def __init__(self, config: EncodersConfig, described: NDArray[np.floating[Any]]) -> None:
        super().__init__()
        self.encoder = AudioEncoder(config)
        self.descriptor_head = nn.Linear(2 * config.width, config.n_descriptors)
        self.register_buffer("centre", torch.from_numpy(described.mean(0)).float())
        # 1e-3: a descriptor that never changes has no deviation
        self.register_buffer("scale", torch.from_numpy(described.std(0) + 1e-3).float())

    def loss(self, batch: SegmentBatch) -> Tensor:
        """Mean Huber loss of the predicted descriptors."""
        predicted = self.descriptor_head(mean_and_sd(*self.encoder(batch.sound, batch.sound_mask)))
        truth = ((batch.descriptors - self.centre) / self.scale).clamp(-CLIP, CLIP)
        return functional.smooth_l1_loss(predicted, truth)


def spec_augment(rows: Tensor, generator: torch.Generator) -> Tensor:
    """Log-mel (B, T, 96) as another room and microphone would give it, with stripes of time and of bands masked.

    After SpecAugment (Park and others 2019, arXiv 1904.08779), with a random equaliser before it.
    """
    size, length, bands = rows.shape
    # seven random levels, interpolated over the bands
    shape = functional.interpolate(torch.randn(size, 1, 7, generator=generator), bands, mode="linear")
    rows = rows + EQ_DB * shape
    for _ in range(2):
        rows = rows.masked_fill(_stripes(size, bands, BANDS_MASKED, generator).unsqueeze(1), sound.FLOOR_DB)
        rows = rows.masked_fill(_stripes(size, length, ROWS_MASKED, generator).unsqueeze(2), sound.FLOOR_DB)
    return rows.clamp_min(sound.FLOOR_DB)


def _stripes(size: int, length: int, widest: int, generator: torch.Generator) -> Tensor:
    """(B, length): one stripe of random place and width each."""
    width = torch.randint(0, widest + 1, (size, 1), generator=generator)
    start = torch.randint(0, length, (size, 1), generator=generator)
    places = torch.arange(length)
    return (places >= start) & (places < start + width)


def pretrain_audio(
    pieces: AugmentedPieces,
    config: EncodersConfig,
    *,
    folder: Path,
    recipe: LoopConfig = AUDIO_RECIPE,
    version: int = 1,
    device: torch.device | None = None,
) -> AudioPretraining:
    """The audio encoder and its head after training on one version of the pieces; one piece in twenty validates."""
    indices = np.arange(len(pieces.pieces))
    held, used = indices[::20], np.delete(indices, np.s_[::20])
    limits: dict[str, Any] = {"longest_s": config.longest_s, "max_tokens": config.max_tokens}
    described = np.stack([pieces.whole(int(index), version=version, **limits).descriptors for index in used])
    torch.manual_seed(recipe.seed)
    model = AudioPretraining(config, described).to(device)

    def batches(generator: torch.Generator) -> Iterator[SegmentBatch]:
        rng = np.random.default_rng(int(torch.randint(2**31, (), generator=generator)))
        order = rng.permutation(used)
        for start in range(0, len(order) - recipe.batch + 1, recipe.batch):
            chosen = order[start : start + recipe.batch].tolist()
            batch = collate([pieces.crop(index, version, rng, **limits) for index in chosen])
            yield batch._replace(sound=spec_augment(batch.sound, generator)).to(device)

    @torch.inference_mode()
    def validate() -> float:
        rows = [pieces.whole(int(index), version=version, **limits) for index in held]
        found = [collate(rows[at : at + 16]).to(device) for at in range(0, len(rows), 16)]
        return float(np.mean([model.loss(batch).item() for batch in found]))

    fit(
        model,
        batches,
        lambda batch, _: model.loss(batch),
        validate,
        recipe=recipe,
        n_batches=len(used) // recipe.batch,
        folder=folder,
        dimensions={"channels": config.channels, "width": config.width},
    )
    return model
