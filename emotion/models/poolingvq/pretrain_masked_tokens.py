"""Self-supervised pre-training of the word encoder: spans of notes are masked, the encoder tells what they were."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from emotion.errors import SoundError
from emotion.midi import notes, tokens
from emotion.models.poolingvq.encoders import CHUNK, EncodersConfig, TokenEncoder
from emotion.train.loop import LoopConfig, fit

SHARE, SPAN = 0.15, 3  # of the words are masked, in spans of this mean length
MOST_SEMITONES = 6

RECIPE = LoopConfig(epochs=2, batch=32, rate=1e-3, warmup_steps=50, patience=4)


class MaskedTokens(nn.Module):
    """A word encoder and a head a column that tells masked words."""

    def __init__(self, config: EncodersConfig) -> None:
        super().__init__()
        self.encoder = TokenEncoder(config)
        self.heads = nn.ModuleList(nn.Linear(config.width, size) for size in config.sizes)

    def loss(self, words: Tensor, times_s: Tensor, mask: Tensor, hidden: Tensor) -> Tensor:
        """Mean cross-entropy in nats of the hidden words' columns; `hidden` (B, N) says which words are masked."""
        rows = self.encoder(words.masked_fill(hidden.unsqueeze(-1), tokens.MASK), times_s, mask)[hidden]
        truth = words[hidden]
        each = [functional.cross_entropy(head(rows), truth[:, column]) for column, head in enumerate(self.heads)]
        return torch.stack(each).mean()


def sequences(folders: Sequence[Path]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Words and times of every .mid below the folders, pieces longer than the vocabulary cut into several."""
    found = []
    for path in sorted(path for folder in folders for path in folder.rglob("*.mid")):
        try:
            piece = notes.read(path)
        except SoundError:
            continue
        for start_s in np.arange(0, piece.duration_s, tokens.LONGEST_S / 2):
            words, times_s = tokens.tokenize(piece.within(start_s, start_s + tokens.LONGEST_S / 2))
            if len(words) >= 16:
                found.append((words.astype(np.int16), times_s))
    return found


def batch_of(pieces, chosen: Sequence[int], generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Random crops, transposed at random, with spans to hide: words, times from the crop's start, mask, hidden."""
    length = min(CHUNK, max(len(pieces[index][0]) for index in chosen))
    words = torch.zeros(len(chosen), length, len(tokens.COLUMNS), dtype=torch.long)
    times_s = torch.zeros(len(chosen), length)
    for row, index in enumerate(chosen):
        piece, at = pieces[index]
        start = int(torch.randint(max(len(piece) - length, 0) + 1, (), generator=generator))
        size = min(length, len(piece))
        words[row, :size] = torch.from_numpy(piece[start : start + size].astype(np.int64))
        times_s[row, :size] = torch.from_numpy(at[start : start + size] - at[start])
    mask = words[..., 0] > 0
    shift = torch.randint(-MOST_SEMITONES, MOST_SEMITONES + 1, (len(chosen), 1), generator=generator)
    words[..., 0] = torch.where(mask, (words[..., 0] + shift).clamp(tokens.SPECIAL, tokens.SPECIAL + 127), 0)
    starts = torch.rand(mask.shape[0], length + SPAN - 1, generator=generator) < SHARE / SPAN
    hidden = starts.unfold(1, SPAN, 1).any(-1)
    return words, times_s, mask, hidden & mask


def batches(pieces, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """One epoch: as many crops of each piece as it is long, in random order."""
    crops = [index for index, (words, _) in enumerate(pieces) for _ in range(-(-len(words) // CHUNK))]
    order = torch.randperm(len(crops), generator=generator).tolist()
    for start in range(0, max(len(order) - size, 0) + 1, size):
        yield batch_of(pieces, [crops[place] for place in order[start : start + size]], generator)


def pretrain(
    folders: Sequence[Path], config: EncodersConfig, *, folder: Path, recipe: LoopConfig = RECIPE
) -> TokenEncoder:
    """The encoder after masked training on all .mid files below the folders; one in fifty pieces validates."""
    pieces = sequences(folders)
    held, used = pieces[::50], [piece for index, piece in enumerate(pieces) if index % 50]
    torch.manual_seed(recipe.seed)
    model = MaskedTokens(config)

    @torch.inference_mode()
    def validate() -> float:
        generator = torch.Generator().manual_seed(0)
        return float(np.mean([model.loss(*batch).item() for batch in batches(held, recipe.batch, generator)]))

    fit(
        model,
        lambda generator: batches(used, recipe.batch, generator),
        lambda batch, _: model.loss(*batch),
        validate,
        recipe=recipe,
        n_batches=sum(-(-len(words) // CHUNK) for words, _ in used) // recipe.batch,
        folder=folder,
        dimensions={"words": config.sizes},
    )
    return model.encoder
