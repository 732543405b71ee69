"""The whole training of the judge `poolingvq`: pre-training, encoding, networks of several seeds, kernel ridge,
calibration.

EMOPIA's official train split and four of VGMIDI's five folds train; EMOPIA's val calibrates. Test has no part in that,
but descriptors and kernel were once chosen on five folds that hold its clips, too (benchmarks/experiments.md). All
audio is a render of its MIDI (emotion.data.renders). Called by `python -m emotion train poolingvq`; the steps are
entered one by one by emotion.evaluate.poolingvq.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from emotion import checkpoint
from emotion.data import pieces, registry
from emotion.data.pieces import LabelledPiece, assert_disjoint, by_fold
from emotion.data.renders import RenderCache
from emotion.errors import DataError
from emotion.features import descriptors
from emotion.midi import tokens as vocabulary
from emotion.models.poolingvq.augmentation import AugmentedPieces
from emotion.models.poolingvq.encoders import Encoders, EncodersConfig
from emotion.models.poolingvq.ensemble import KIND, EnsembleConfig, PoolingVQEnsemble
from emotion.models.poolingvq.network import PoolingVQ
from emotion.models.poolingvq.pretraining import AUDIO_RECIPE, TOKEN_RECIPE, pretrain_audio, pretrain_tokens
from emotion.models.poolingvq.training import RECIPE, EncodedPiece, SpanBatcher, encode, train
from emotion.report import markers
from emotion.runtime import resolve_device
from emotion.train.loop import LoopConfig

log = logging.getLogger(__name__)

EMOPIA_S, VGMIDI_S, UNLABELLED_S = 60.0, 120.0, 24.0  # longest renders
ENCODERS = "encoders"
PARTS = "parts"  # folder of what a run has trained so far
HELD_FOLD = 4  # of VGMIDI
VERSIONS = 2  # of each labelled piece
RIDGE = 0.3
AFFECT_SPANS = 2  # of each VGMIDI piece that kernel ridge is fitted on beside the whole
MEDIA = ("audio", "MIDI", "both")  # in the order of the ensemble's temperatures


@dataclass(frozen=True)
class PipelineConfig:
    """How each part is trained, and in how many versions the labelled pieces are."""

    tokens: LoopConfig = TOKEN_RECIPE
    audio: LoopConfig = AUDIO_RECIPE
    networks: LoopConfig = RECIPE
    versions: int = VERSIONS


@dataclass(frozen=True)
class Sources:
    """A folder that holds emopia/, vgmidi/ and, for pre-training, pop909/; and one to keep renders in."""

    data: Path
    renders: Path

    @property
    def unlabelled(self) -> tuple[Path, ...]:
        """Folders of MIDI files that are used without labels."""
        return tuple(path for path in (self.data / "pop909", self.data / "vgmidi" / "unlabelled") if path.is_dir())


@dataclass(frozen=True, eq=False)
class EncodedDataset:
    """Every labelled piece as rows, by version: EMOPIA's and VGMIDI's in the order of their names."""

    emopia: Sequence[Sequence[EncodedPiece]]
    vgmidi: Sequence[Sequence[EncodedPiece]]

    def select(self, names: set[str]) -> list[list[EncodedPiece]]:
        """The pieces of these names in every version, EMOPIA's first."""
        return [
            [encoded for encoded in (*emopia, *vgmidi) if encoded.piece.name in names]
            for emopia, vgmidi in zip(self.emopia, self.vgmidi, strict=True)
        ]


def run(
    sources: Sources,
    folder: Path,
    *,
    seeds: Sequence[int],
    config: EncodersConfig | None = None,
    recipes: PipelineConfig | None = None,
) -> PoolingVQEnsemble:
    """The whole training; weights, config and card go to `folder`, what a stopped run goes on from to its PARTS."""
    config, recipes = config or EncodersConfig(sizes=vocabulary.sizes()), recipes or PipelineConfig()
    sides = official_split(sources)
    encoders = pretrain_encoders(sources, config, folder=folder / PARTS, recipes=recipes)
    data = encode_dataset(sources, encoders, config, versions=recipes.versions)
    names = {piece.name for piece in sides["train"]}
    log.info("training %d networks on %d pieces", len(seeds), len(names))
    model = train_ensemble(data, names, encoders, config, seeds=seeds, folder=folder / PARTS, recipe=recipes.networks)
    calibrate(model, data.select({piece.name for piece in sides["val"] if piece.affect is None})[0])
    details: dict[str, Any] = {"seeds": list(seeds), "recipes": asdict(recipes)}
    save(model, folder, **details)
    write_card(folder, **details)
    return model


def save(model: PoolingVQEnsemble, folder: Path, **details: object) -> None:
    """Write config and weights (float16) to `folder`, with `details` in the config."""
    shapes = {"model": asdict(model.config), "ensemble": asdict(model.ensemble)}
    checkpoint.save_module(model, folder, kind=KIND, config={**shapes, **details})


def official_split(sources: Sources) -> dict[str, list[LabelledPiece]]:
    """train, val and test: EMOPIA's split, and VGMIDI's folds in train and val; asserted disjoint."""
    sides = pieces.read_emopia_split(sources.data / "emopia")
    games = by_fold(pieces.read_vgmidi(sources.data / "vgmidi"), registry.DATASETS["vgmidi"].folds())
    sides["train"] = sides["train"] + [piece for fold in games[:HELD_FOLD] for piece in fold]
    sides["val"] = sides["val"] + games[HELD_FOLD]
    assert_disjoint(*sides.values())
    return sides


def pretrain_encoders(sources: Sources, config: EncodersConfig, *, folder: Path, recipes: PipelineConfig) -> Encoders:
    """The encoders after both self-supervised trainings, read from `folder` where an earlier run has finished them.

    Raises DataError when there are no MIDI files to train on, or the folder holds encoders of another run.
    """
    if config.frontend != "mel":
        raise DataError(f"the front end {config.frontend!r} comes pre-trained: only mel is trained here")
    if not sources.unlabelled:
        raise DataError(
            f"{sources.data} holds neither pop909 nor vgmidi/unlabelled: pre-training needs MIDI files there"
        )
    device = resolve_device()
    torch.manual_seed(0)
    encoders, done = Encoders(config), folder / "encoders"
    settings = {"model": asdict(config), "tokens": asdict(recipes.tokens), "audio": asdict(recipes.audio)}
    if done.is_dir():
        found = checkpoint.load(done, kind=ENCODERS)
        _check_run(done, found.config, settings)
        checkpoint.fill(encoders, found)
        return encoders.to(device)
    encoders.tokens = pretrain_tokens(
        sources.unlabelled, config, folder=folder / "tokens", recipe=recipes.tokens, device=device
    )
    unlabelled = AugmentedPieces(
        _unlabelled(sources.unlabelled), RenderCache(sources.renders / "unlabelled", UNLABELLED_S)
    )
    audio = pretrain_audio(unlabelled, config, folder=folder / "audio", recipe=recipes.audio, device=device)
    encoders.sound, encoders.descriptor_head = audio.encoder, audio.descriptor_head
    encoders.centre.copy_(audio.centre)
    encoders.scale.copy_(audio.scale)
    checkpoint.save_module(encoders, done, kind=ENCODERS, config=settings)
    return encoders.to(device).eval()


def _check_run(folder: Path, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    for name, value in json.loads(json.dumps(expected)).items():  # as JSON has it: tuples are lists there
        if found.get(name) != value:
            raise DataError(f"{folder.parent} holds another run (its {name} differs): give another -o, or remove it")


def _unlabelled(folders: Sequence[Path]) -> list[LabelledPiece]:
    """Every second .mid below the folders: as many as are needed, half as long to render."""
    paths = sorted(path for folder in folders for path in folder.rglob("*.mid"))
    return [LabelledPiece(path.stem, path.stem, path, 0) for path in paths[::2]]


def encode_dataset(sources: Sources, encoders: Encoders, config: EncodersConfig, *, versions: int) -> EncodedDataset:
    """All labelled pieces in so many versions."""
    emopia, vgmidi = sources.data / "emopia", sources.data / "vgmidi"
    both = (
        AugmentedPieces(pieces.read_emopia(emopia), RenderCache(sources.renders / "emopia", EMOPIA_S)),
        AugmentedPieces(pieces.read_vgmidi(vgmidi), RenderCache(sources.renders / "vgmidi", VGMIDI_S)),
    )
    return EncodedDataset(
        *([encode(encoders, each, version, config=config) for version in range(versions)] for each in both)
    )


def train_ensemble(
    data: EncodedDataset,
    names: set[str],
    encoders: Encoders,
    config: EncodersConfig,
    *,
    seeds: Sequence[int],
    folder: Path,
    recipe: LoopConfig = RECIPE,
) -> PoolingVQEnsemble:
    """Networks of these seeds and kernel ridges, trained on the pieces of these names, on the encoders' device."""
    versions = data.select(names)
    batcher, device = SpanBatcher(encoders, config), encoders.centre.device
    networks = []
    for seed in seeds:
        torch.manual_seed(seed)
        network = PoolingVQ(config).to(device)
        train(network, versions, batcher, folder=folder / f"seed-{seed}", recipe=replace(recipe, seed=seed))
        networks.append(network)
    (quadrant_inputs, quadrants), (affect_inputs, points) = _kernel_data(versions[0])
    model = PoolingVQEnsemble(config, EnsembleConfig(len(networks), len(quadrant_inputs), len(affect_inputs)))
    model.encoders = encoders
    model.networks = torch.nn.ModuleList(networks)
    model.by_quadrant.fit(quadrant_inputs, quadrants, ridge=RIDGE)
    model.by_affect.fit(affect_inputs, points, ridge=RIDGE)
    return model.to(device).eval()


def _kernel_data(encoded: Sequence[EncodedPiece]) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Descriptors and labels: quadrants of pieces annotated with one; points of rated pieces, whole and in spans."""
    labelled = [each for each in encoded if each.piece.affect is None]
    quadrants = (
        torch.stack([each.spans[0].descriptors for each in labelled]),
        torch.stack([each.target for each in labelled]),
    )
    rated = [
        (span.descriptors, each.affect)
        for each in encoded
        if each.piece.affect
        for span in each.spans[: 1 + AFFECT_SPANS]
    ]
    described, points = zip(*rated, strict=True)
    return quadrants, (torch.stack(described), torch.stack(points))


@torch.inference_mode()
def predict_wholes(
    model: PoolingVQEnsemble, encoded: Sequence[EncodedPiece], media: str, *, size: int = 32
) -> tuple[Tensor, Tensor]:
    """Logits before calibration (N, 4) and points (N, 2) of whole pieces, on the CPU; `media` is one of MEDIA."""
    batcher = SpanBatcher(model.encoders, model.config)
    parts = [model.logits(batcher.whole(encoded[at : at + size], media)) for at in range(0, len(encoded), size)]
    logits, affect = zip(*parts, strict=True)
    return torch.cat(logits).cpu(), torch.cat(affect).cpu()


def calibrate(model: PoolingVQEnsemble, encoded: Sequence[EncodedPiece]) -> None:
    """Fit one temperature for each of MEDIA to the pieces' quadrants, by likelihood on a grid."""
    truth = torch.tensor([each.piece.quadrant for each in encoded])
    grid = torch.logspace(-1, 1, 201)
    for place, media in enumerate(MEDIA):
        logits, _ = predict_wholes(model, encoded, media)
        losses = [functional.cross_entropy(logits / value, truth) for value in grid]
        model.temperature[place] = grid[int(torch.stack(losses).argmin())]


_CARD = """# PoolingVQ: the judge that selects

Emotion of a piece from its sound, its notes, or both: quadrant, valence and arousal. Networks of several seeds
(codebook pooling and two-stage co-attention, arXiv 2509.11976) on encoders that were pre-trained without labels, beside
kernel ridge on {inputs} descriptors of the notes. Probabilities are calibrated on validation.

## Data

EMOPIA 1.0 (Hung and others 2021; CC BY-NC-SA 4.0), official train split; VGMIDI (Ferreira and Whitehead 2019; no
licence stated), four of five folds by game. Pre-trained without labels on POP909 (Wang and others 2020; MIT) and
VGMIDI's unlabelled pieces. All audio is a render of its MIDI (FluidR3, TimGM6mb; several instruments, rooms, gains,
keys, tempi). The labels of EMOPIA are licensed for non-commercial use, and so are these weights.

## Command

    python -m emotion train poolingvq --data DIR

```json
{details}
```

## Metrics

Descriptors and kernel were chosen on five folds by song, which hold the clips of the official test, too; shares of
the two experts on val.

{begin}
{tables}{end}
"""


def write_card(folder: Path, **details: object) -> None:
    """README.md beside the weights, with a place for what `evaluate poolingvq --into` prints; tables in it are kept."""
    begin, end = markers(KIND)
    path, tables = folder / "README.md", ""
    if path.is_file() and begin in (before := path.read_text()):
        tables = before.split(begin)[1].split(end)[0].strip("\n")
    text = _CARD.format(
        inputs=len(descriptors.NAMES),
        details=json.dumps(details, indent=2),
        begin=begin,
        tables=f"\n{tables}\n" if tables else "",
        end=end,
    )
    path.write_text(text)
