"""Training of PoolingVQ on frozen encoders: pieces are encoded once, then batches are spans of encoded rows.

The steps before and after (pre-training, calibration) are in emotion.models.poolingvq.pipeline.
"""

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

ONLY_NOTES, ONLY_SOUND = 0.25, 0.2  # shares of examples with one medium, because users may have but one
RANDOM_SPANS = 6  # of each version of a piece, beside the whole
SMOOTHING = 0.1  # of the quadrants' labels
AFFECT_WEIGHT, VQ_WEIGHT = 8.0, 0.1  # squared errors within [-1, 1] are small beside a cross-entropy
RECIPE = LoopConfig(epochs=8, batch=32, rate=1e-3, warmup_steps=40, decay=0.05, patience=8)


@dataclass(frozen=True, eq=False)
class EncodedSpan:
    """A span of an encoded piece, from start_s to end_s, with the descriptors (D,) of its notes."""

    start_s: float
    end_s: float
    descriptors: Tensor


@dataclass(frozen=True, eq=False)
class EncodedPiece:
    """An encoded version of a piece: rows of tokens (N, d) at their times, of sound (T, d); spans, the whole first."""

    piece: LabelledPiece
    tokens: Tensor
    times_s: Tensor
    sound: Tensor
    spans: tuple[EncodedSpan, ...]

    @property
    def target(self) -> Tensor:
        """(4,) probabilities of the quadrants: one-hot where an annotator chose one, soft where points were rated."""
        if self.piece.affect is None:
            return functional.one_hot(torch.tensor(self.piece.quadrant), 4).float()
        return torch.from_numpy(quadrants_at([self.piece.affect])[0]).float()

    @property
    def affect(self) -> Tensor:
        """(2,) valence and arousal, not a number where they were not rated."""
        return torch.tensor(self.piece.affect or (torch.nan, torch.nan))


@torch.inference_mode()
def encode(encoders: Encoders, pieces: AugmentedPieces, version: int, *, config: EncodersConfig) -> list[EncodedPiece]:
    """Every piece in one version; its random spans depend on its name and the version alone."""
    return [_encode_piece(encoders, pieces, index, version, config) for index in range(len(pieces.pieces))]


def _encode_piece(
    encoders: Encoders, pieces: AugmentedPieces, index: int, version: int, config: EncodersConfig
) -> EncodedPiece:
    augmented, piece = pieces.version(index, version), pieces.pieces[index]
    rows = augmented.rows(0.0, config.longest_s, max_tokens=config.max_tokens)
    encoded = encoders(collate([rows]).to(next(encoders.parameters()).device))
    duration_s = min(augmented.duration_s, config.longest_s)
    rng = np.random.default_rng([zlib.crc32(piece.name.encode()), version])
    times = [(0.0, duration_s)]
    for _ in range(RANDOM_SPANS):
        length_s = min(float(rng.uniform(*CROPS_S)), duration_s)
        start_s = float(rng.uniform(0, duration_s - length_s))
        times.append((start_s, start_s + length_s))
    spans = tuple(
        EncodedSpan(*span, torch.from_numpy(descriptors.describe(augmented.notes.within(*span)))) for span in times
    )
    # float16 halves what lies in memory: two versions of 1,250 pieces take 1 GB
    tokens, sound = encoded.tokens[0, : len(rows.tokens)].half().cpu(), encoded.sound[0].half().cpu()
    return EncodedPiece(piece, tokens, torch.from_numpy(rows.times_s), sound, spans)


class SpanBatcher:
    """Makes batches of encoded spans for training and for validation, on the encoders' device."""

    def __init__(self, encoders: Encoders, config: EncodersConfig) -> None:
        self.encoders, self.config = encoders, config
        self.rows_per_s = encoders.sound_rows_per_s

    @torch.inference_mode()
    def batch(self, pieces: Sequence[EncodedPiece], spans: Sequence[EncodedSpan], media: Sequence[str]) -> Encoded:
        """The rows of each piece within its span; of its media `audio`, `MIDI` or `both`."""
        tokens, sounds = [], []
        for piece, span, medium in zip(pieces, spans, media, strict=True):
            first, last = torch.searchsorted(piece.times_s, torch.tensor([span.start_s, span.end_s])).tolist()
            tokens.append(piece.tokens[first:last] if medium != "audio" else piece.tokens[:0])
            place = slice(round(span.start_s * self.rows_per_s), round(span.end_s * self.rows_per_s) + 1)
            sounds.append(piece.sound[place] if medium != "MIDI" else piece.sound[:0])
        device = self.encoders.centre.device
        token_rows, tokens_mask = (part.to(device) for part in _padded(tokens))
        sound_rows, sound_mask = (part.to(device) for part in _padded(sounds))
        measured = self.encoders.standard(torch.stack([span.descriptors for span in spans]).to(device))
        has_notes = torch.tensor([medium != "audio" for medium in media], device=device).unsqueeze(1)
        described = torch.where(has_notes, measured, self.encoders.predicted(sound_rows, sound_mask))
        return Encoded(token_rows, tokens_mask, sound_rows, sound_mask, described)

    def random(self, pieces: Sequence[EncodedPiece], rng: np.random.Generator) -> Encoded:
        """A random span of each piece, or the whole of each, some of them without sound or without notes.

        A batch has spans or wholes alone, because short ones would be padded to the longest.
        """
        cropped = rng.random() < CROP_SHARE
        spans = [piece.spans[int(rng.integers(1, RANDOM_SPANS + 1)) if cropped else 0] for piece in pieces]
        shares = [ONLY_NOTES, ONLY_SOUND, 1 - ONLY_NOTES - ONLY_SOUND]
        return self.batch(pieces, spans, rng.choice(["MIDI", "audio", "both"], len(pieces), p=shares).tolist())

    def whole(self, pieces: Sequence[EncodedPiece], media: str) -> Encoded:
        """All of each piece."""
        return self.batch(pieces, [piece.spans[0] for piece in pieces], [media] * len(pieces))


def _padded(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    longest = max(1, *(len(row) for row in rows))
    out = torch.zeros(len(rows), longest, rows[0].shape[1])
    mask = torch.zeros(len(rows), longest, dtype=torch.bool)
    for index, row in enumerate(rows):
        out[index, : len(row)] = row.float()
        mask[index, : len(row)] = True
    return out, mask


def train(
    model: PoolingVQ,
    versions: Sequence[Sequence[EncodedPiece]],
    batcher: SpanBatcher,
    *,
    folder: Path,
    recipe: LoopConfig = RECIPE,
) -> None:
    """Train in place on `versions` of the same pieces in the same order; the last epoch's weights stay.

    Nothing is selected on validation: the number of epochs was chosen on EMOPIA's val once, and is the same in every
    fold.
    """
    count = len(versions[0])
    generator = torch.Generator().manual_seed(recipe.seed)
    # about 64 pieces spread over all sets are enough to place the codes
    first = batcher.whole(versions[0][:: max(1, count // 64)], "both")
    model.pool_tokens.codebook.start(first.tokens[first.tokens_mask], generator)
    model.pool_sound.codebook.start(first.sound[first.sound_mask], generator)

    def batches(generator: torch.Generator) -> Iterator[tuple[Encoded, Tensor, Tensor]]:
        rng = np.random.default_rng(int(torch.randint(2**31, (), generator=generator)))
        order = rng.permutation(count)
        for start in range(0, count - recipe.batch + 1, recipe.batch):
            chosen = order[start : start + recipe.batch].tolist()
            pieces = [versions[int(rng.integers(len(versions)))][index] for index in chosen]
            targets, points = (torch.stack([getattr(piece, name) for piece in pieces]) for name in ("target", "affect"))
            yield batcher.random(pieces, rng), targets, points

    fit(
        model,
        batches,
        lambda batch, _: loss(model, *batch),
        lambda: 0.0,  # a tie every epoch, so that the last one stays
        recipe=recipe,
        n_batches=count // recipe.batch,
        folder=folder,
        dimensions={"pooling": model.pool_tokens.pooling, "data": _fingerprint(versions, batcher.encoders)},
    )


def _fingerprint(versions: Sequence[Sequence[EncodedPiece]], encoders: Encoders) -> str:
    """Hash of pieces, versions and encoders: a stopped run goes on only with what it was trained on."""
    digest = hashlib.sha256()
    for pieces in versions:
        digest.update("\n".join(encoded.piece.name for encoded in pieces).encode() + b"\0")
    for name, tensor in encoders.state_dict().items():
        digest.update(name.encode() + tensor.detach().half().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def loss(model: PoolingVQ, encoded: Encoded, target: Tensor, affect: Tensor) -> Tensor:
    """Cross-entropy of the quadrants, squared error of valence and arousal where they were rated, VQ loss."""
    output = model(Encoded(*(part.clone() for part in encoded)))  # autograd refuses tensors of inference mode
    target, affect = target.to(output.quadrants.device), affect.to(output.quadrants.device)
    rated = ~affect.isnan().any(1)
    quadrant = functional.cross_entropy(output.quadrants, target, label_smoothing=SMOOTHING)
    error = (output.affect - affect.nan_to_num()).square().mean(1) * rated
    total: Tensor = quadrant + AFFECT_WEIGHT * error.mean() + VQ_WEIGHT * output.vq_loss
    return total
