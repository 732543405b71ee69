"""Training of PoolingVQ on encoders that stay as they are: pieces are encoded once, then crops of rows are learnt."""

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from emotion.affect import quadrants_at
from emotion.data.pieces import LabelledPiece
from emotion.features import descriptors
from emotion.models.poolingvq.augmentation import CROP_SHARE, CROPS_S, AugmentedPieces
from emotion.models.poolingvq.encoders import Encoded, Encoders, EncodersConfig
from emotion.models.poolingvq.network import PoolingVQ
from emotion.models.poolingvq.segments import collate
from emotion.train.loop import LoopConfig, fit

ONLY_NOTES, ONLY_SOUND = 0.25, 0.2  # of the crops have but one of the two: users may, too
CUTS = 6  # of each version of a piece
SMOOTHING = 0.1
AFFECT_WEIGHT, VQ_WEIGHT = 8.0, 0.1
RECIPE = LoopConfig(epochs=8, batch=32, rate=1e-3, warmup_steps=40, decay=0.05, patience=8)


@dataclass(frozen=True, eq=False)
class Cut:
    """A stretch of an item from start_s to end_s, with its descriptors (D,)."""

    start_s: float
    end_s: float
    descriptors: Tensor


@dataclass(frozen=True, eq=False)
class Item:
    """An encoded version of a piece: rows of words (N, d) at their times, of sound (T, d); cuts, the whole first."""

    piece: LabelledPiece
    words: Tensor
    times_s: Tensor
    sound: Tensor
    cuts: tuple[Cut, ...]

    @property
    def target(self) -> Tensor:
        """(4,) probabilities of the quadrants: certain where a person chose one, soft where points were rated."""
        if self.piece.affect is None:
            return functional.one_hot(torch.tensor(self.piece.quadrant), 4).float()
        return torch.from_numpy(quadrants_at([self.piece.affect])[0]).float()

    @property
    def affect(self) -> Tensor:
        """(2,) valence and arousal, not a number where they were not rated."""
        return torch.tensor(self.piece.affect or (torch.nan, torch.nan))


@torch.inference_mode()
def encode(encoders: Encoders, takes: AugmentedPieces, version: int, *, config: EncodersConfig) -> list[Item]:
    """Every piece of the takes in one version, with cuts that its name and version decide."""
    return [_encoded(encoders, takes, index, version, config) for index in range(len(takes.pieces))]


def _encoded(encoders: Encoders, takes: AugmentedPieces, index: int, version: int, config: EncodersConfig) -> Item:
    take, piece = takes.take(index, version), takes.pieces[index]
    rows = take.rows(0.0, config.longest_s, most_words=config.most_words)
    seen = encoders(collate([rows]))
    duration_s = min(take.duration_s, config.longest_s)
    rng = np.random.default_rng([zlib.crc32(piece.name.encode()), version])
    spans = [(0.0, duration_s), *(_span(duration_s, rng) for _ in range(CUTS))]
    cuts = tuple(Cut(*span, torch.from_numpy(descriptors.describe(take.notes.within(*span)))) for span in spans)
    words = seen.words[0, : len(rows.words)].half()
    return Item(piece, words, torch.from_numpy(rows.times_s), seen.sound[0].half(), cuts)


def _span(duration_s: float, rng: np.random.Generator) -> tuple[float, float]:
    length_s = min(float(rng.uniform(*CROPS_S)), duration_s)
    start_s = float(rng.uniform(0, duration_s - length_s))
    return start_s, start_s + length_s


class Crops:
    """Batches of rows for training and for validation, made of items."""

    def __init__(self, encoders: Encoders, config: EncodersConfig) -> None:
        self.encoders, self.config = encoders, config
        self.rows_per_s = encoders.sound_rows_per_s

    @torch.inference_mode()
    def batch(self, items: Sequence[Item], cuts: Sequence[Cut], heard: Sequence[str]) -> Encoded:
        """What sounds of each item in its cut, as `audio`, as `MIDI` or as `both`."""
        words, sounds = [], []
        for item, cut, media in zip(items, cuts, heard, strict=True):
            first, last = torch.searchsorted(item.times_s, torch.tensor([cut.start_s, cut.end_s])).tolist()
            words.append(item.words[first:last] if media != "audio" else item.words[:0])
            place = slice(round(cut.start_s * self.rows_per_s), round(cut.end_s * self.rows_per_s) + 1)
            sounds.append(item.sound[place] if media != "MIDI" else item.sound[:0])
        word_rows, words_mask = _padded(words)
        sound_rows, sound_mask = _padded(sounds)
        measured = self.encoders.standard(torch.stack([cut.descriptors for cut in cuts]))
        known = torch.tensor([media != "audio" for media in heard]).unsqueeze(1)
        described = torch.where(known, measured, self.encoders.told(sound_rows, sound_mask))
        return Encoded(word_rows, words_mask, sound_rows, sound_mask, described)

    def drawn(self, items: Sequence[Item], rng: np.random.Generator) -> Encoded:
        """A cut of each item, or the whole of each, some of them without sound or without notes.

        A batch holds one kind, for what is short would be padded to the longest.
        """
        cropped = rng.random() < CROP_SHARE
        cuts = [item.cuts[int(rng.integers(1, CUTS + 1)) if cropped else 0] for item in items]
        shares = [ONLY_NOTES, ONLY_SOUND, 1 - ONLY_NOTES - ONLY_SOUND]
        return self.batch(items, cuts, rng.choice(["MIDI", "audio", "both"], len(items), p=shares).tolist())

    def whole(self, items: Sequence[Item], media: str) -> Encoded:
        """All of each item."""
        return self.batch(items, [item.cuts[0] for item in items], [media] * len(items))


def _padded(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    longest = max(1, *(len(row) for row in rows))
    out = torch.zeros(len(rows), longest, rows[0].shape[1])
    mask = torch.zeros(len(rows), longest, dtype=torch.bool)
    for index, row in enumerate(rows):
        out[index, : len(row)] = row.float()
        mask[index, : len(row)] = True
    return out, mask


def train(
    model: PoolingVQ, versions: Sequence[Sequence[Item]], crops: Crops, *, folder: Path, recipe: LoopConfig = RECIPE
) -> None:
    """Train on items, `versions` of the same pieces in the same order; the last epoch's weights stay."""
    count = len(versions[0])
    generator = torch.Generator().manual_seed(recipe.seed)
    first = crops.whole(versions[0][:: max(1, count // 64)], "both")
    model.pool_words.codebook.start(first.words[first.words_mask], generator)
    model.pool_sound.codebook.start(first.sound[first.sound_mask], generator)

    def batches(generator: torch.Generator) -> Iterator[tuple[Encoded, Tensor, Tensor]]:
        rng = np.random.default_rng(int(torch.randint(2**31, (), generator=generator)))
        order = rng.permutation(count)
        for start in range(0, count - recipe.batch + 1, recipe.batch):
            chosen = order[start : start + recipe.batch].tolist()
            items = [versions[int(rng.integers(len(versions)))][index] for index in chosen]
            yield (
                crops.drawn(items, rng),
                torch.stack([i.target for i in items]),
                torch.stack([i.affect for i in items]),
            )

    fit(
        model,
        batches,
        lambda batch, _: loss(model, *batch),
        lambda: 0.0,  # nothing is selected: epochs were chosen on EMOPIA's val once, and stay the same in every fold
        recipe=recipe,
        n_batches=count // recipe.batch,
        folder=folder,
        dimensions={"pooling": model.pool_words.pooling, "data": _fingerprint(versions, crops.encoders)},
    )


def _fingerprint(versions: Sequence[Sequence[Item]], encoders: Encoders) -> str:
    """What a run was trained on: pieces, versions and encoders, so that it is never taken for another."""
    digest = hashlib.sha256()
    for items in versions:
        digest.update("\n".join(item.piece.name for item in items).encode() + b"\0")
    for name, tensor in encoders.state_dict().items():
        digest.update(name.encode() + tensor.detach().half().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def loss(model: PoolingVQ, seen: Encoded, target: Tensor, affect: Tensor) -> Tensor:
    """Cross-entropy of the quadrants, squared error of valence and arousal where they were rated, VQ loss."""
    heard = model(Encoded(*(part.clone() for part in seen)))
    rated = ~affect.isnan().any(1)
    quadrant = functional.cross_entropy(heard.quadrants, target, label_smoothing=SMOOTHING)
    error = (heard.affect - affect.nan_to_num()).square().mean(1) * rated
    return quadrant + AFFECT_WEIGHT * error.mean() + VQ_WEIGHT * heard.vq_loss
