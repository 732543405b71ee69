"""The whole way to the judge that selects: pre-training, encoding, networks of several seeds, kernel ridge, and
calibration.

EMOPIA's official train split and four of VGMIDI's five folds train; EMOPIA's val calibrates. Test has no part in that,
but descriptors and kernel were once chosen on five folds that hold its clips, too (benchmarks/experiments.md). All
audio is a render of its MIDI (emotion.data.renders).
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emotion import checkpoint
from emotion.data import cards, pieces
from emotion.data.pieces import LabelledPiece, assert_disjoint, by_fold, read_folds
from emotion.data.renders import Renders
from emotion.errors import DataError
from emotion.features import descriptors
from emotion.midi import tokens
from emotion.models.kernel import KernelRidge
from emotion.models.poolingvq import pretrain_audio_encoder, pretrain_masked_tokens
from emotion.models.poolingvq.augmentation import AugmentedPieces
from emotion.models.poolingvq.encoders import Encoders, EncodersConfig
from emotion.models.poolingvq.experts import KIND, Experts, ExpertsConfig
from emotion.models.poolingvq.network import PoolingVQ
from emotion.models.poolingvq.training import RECIPE, Crops, Item, encode, train
from emotion.report import markers
from emotion.train.loop import LoopConfig

log = logging.getLogger(__name__)

EMOPIA_S, VGMIDI_S, UNLABELLED_S = 60.0, 120.0, 24.0  # longest renders
ENCODERS = "encoders"
PARTS = "parts"  # folder of what a run has trained so far
HELD_FOLD = 4  # of VGMIDI
VERSIONS = 2  # of each labelled piece
RIDGE = 0.3
CROPS_OF_AFFECT = 2  # cuts of each VGMIDI piece that kernel ridge is fitted on, too
MEDIA_HEARD = ("audio", "MIDI", "both")


@dataclass(frozen=True)
class Recipes:
    """How each part is trained, and in how many versions the labelled pieces are."""

    masked_tokens: LoopConfig = pretrain_masked_tokens.RECIPE
    audio_encoder: LoopConfig = pretrain_audio_encoder.RECIPE
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
class EncodedPieces:
    """Every labelled piece as rows, by version: EMOPIA's and VGMIDI's in the order of their names."""

    emopia: Sequence[Sequence[Item]]
    vgmidi: Sequence[Sequence[Item]]

    def chosen(self, names: set[str]) -> list[list[Item]]:
        """The pieces of these names in every version, EMOPIA's first."""
        return [
            [item for item in (*ours, *theirs) if item.piece.name in names]
            for ours, theirs in zip(self.emopia, self.vgmidi, strict=True)
        ]


def pretrained(sources: Sources, config: EncodersConfig, *, folder: Path, recipes: Recipes) -> Encoders:
    """The encoders after both self-supervised trainings; what is trained already is not trained again.

    Raises DataError when there are no MIDI files to train on.
    """
    if config.frontend != "mel":
        raise DataError(f"the front end {config.frontend!r} brings its own training: only mel is trained here")
    if not sources.unlabelled:
        raise DataError(
            f"{sources.data} holds neither pop909 nor vgmidi/unlabelled: pre-training needs MIDI files there"
        )
    torch.manual_seed(0)
    encoders, done = Encoders(config), folder / "encoders"
    told = {"model": asdict(config), "words": asdict(recipes.masked_tokens), "listening": asdict(recipes.audio_encoder)}
    if done.is_dir():
        found = checkpoint.load(done, kind=ENCODERS)
        _check_run(done, found.config, told)
        checkpoint.fill(encoders, found)
        return encoders
    encoders.words = pretrain_masked_tokens.pretrain(
        sources.unlabelled, config, folder=folder / "words", recipe=recipes.masked_tokens
    )
    takes = AugmentedPieces(_unlabelled(sources.unlabelled), Renders(sources.renders / "unlabelled", UNLABELLED_S))
    telling = pretrain_audio_encoder.pretrain(takes, config, folder=folder / "listening", recipe=recipes.audio_encoder)
    encoders.sound, encoders.tell = telling.encoder, telling.tell
    encoders.centre.copy_(telling.centre)
    encoders.scale.copy_(telling.scale)
    checkpoint.save_module(encoders, done, kind=ENCODERS, config=told)
    return encoders.eval()


def _check_run(folder: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for name, value in json.loads(json.dumps(wanted)).items():
        if found.get(name) != value:
            raise DataError(f"{folder.parent} holds another run (its {name} differs): give another -o, or remove it")


def _unlabelled(folders: Sequence[Path]) -> list[LabelledPiece]:
    """Every second .mid below the folders: as many as are needed, half as long to render."""
    paths = sorted(path for folder in folders for path in folder.rglob("*.mid"))
    return [LabelledPiece(path.stem, path.stem, path, 0) for path in paths[::2]]


def encoded(sources: Sources, encoders: Encoders, config: EncodersConfig, *, versions: int) -> EncodedPieces:
    """All labelled pieces in so many versions."""
    ours = AugmentedPieces(pieces.read_emopia(sources.data / "emopia"), Renders(sources.renders / "emopia", EMOPIA_S))
    theirs = AugmentedPieces(pieces.read_vgmidi(sources.data / "vgmidi"), Renders(sources.renders / "vgmidi", VGMIDI_S))
    both = [
        [encode(encoders, takes, version, config=config) for version in range(versions)] for takes in (ours, theirs)
    ]
    return EncodedPieces(*both)


def official(sources: Sources) -> dict[str, list[LabelledPiece]]:
    """train, val and test: EMOPIA's split, and VGMIDI's folds on the sides of train and val; asserted disjoint."""
    sides = pieces.read_split(sources.data / "emopia")
    games = by_fold(
        pieces.read_vgmidi(sources.data / "vgmidi"), read_folds(cards.folder("vgmidi") / "splits" / "folds.csv")
    )
    sides["train"] = sides["train"] + [piece for fold in games[:HELD_FOLD] for piece in fold]
    sides["val"] = sides["val"] + games[HELD_FOLD]
    assert_disjoint(*sides.values())
    return sides


def experts(
    data: EncodedPieces, names: set[str], encoders: Encoders, config: EncodersConfig, *, seeds: Sequence[int], folder: Path,
    recipe: LoopConfig = RECIPE,
) -> Experts:  # fmt: skip
    """Networks of these seeds and kernel ridges, trained on the pieces of these names."""
    versions = data.chosen(names)
    crops = Crops(encoders, config)
    networks = []
    for seed in seeds:
        torch.manual_seed(seed)
        network = PoolingVQ(config)
        train(network, versions, crops, folder=folder / f"seed-{seed}", recipe=replace(recipe, seed=seed))
        networks.append(network)
    quadrants, affect = _kernel_data(versions[0])
    model = Experts(config, ExpertsConfig(len(networks), len(quadrants[0]), len(affect[0])))
    model.encoders = encoders
    model.networks = torch.nn.ModuleList(networks)
    _fit(model.by_quadrant, *quadrants)
    _fit(model.by_affect, *affect)
    return model.eval()


def _fit(kernel: KernelRidge, inputs: Tensor, targets: Tensor) -> None:
    kernel.fit(inputs, targets, ridge=RIDGE)


def _kernel_data(items: Sequence[Item]) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Descriptors and labels: quadrants of pieces whose quadrant a person chose; points of rated pieces, with cuts."""
    chosen = [item for item in items if item.piece.affect is None]
    quadrants = torch.stack([item.cuts[0].descriptors for item in chosen]), torch.stack([i.target for i in chosen])
    rated = [
        (cut.descriptors, item.affect)
        for item in items
        if item.piece.affect
        for cut in item.cuts[: 1 + CROPS_OF_AFFECT]
    ]
    described, points = zip(*rated, strict=True)
    return quadrants, (torch.stack(described), torch.stack(points))


@torch.inference_mode()
def judged(model: Experts, items: Sequence[Item], media: str, *, size: int = 32) -> tuple[Tensor, Tensor]:
    """Logits before calibration (N, 4) and points (N, 2) of whole pieces, heard as `audio`, `MIDI` or `both`."""
    crops = Crops(model.encoders, model.config)
    parts = [model.judge(crops.whole(items[at : at + size], media)) for at in range(0, len(items), size)]
    logits, affect = zip(*parts, strict=True)
    return torch.cat(logits), torch.cat(affect)


def calibrate(model: Experts, items: Sequence[Item]) -> None:
    """Fit one temperature for each of what can be heard to the items' quadrants, by likelihood."""
    truth = torch.tensor([item.piece.quadrant for item in items])
    grid = torch.logspace(-1, 1, 201)
    for place, media in enumerate(MEDIA_HEARD):
        logits, _ = judged(model, items, media)
        losses = [torch.nn.functional.cross_entropy(logits / value, truth) for value in grid]
        model.temperature[place] = grid[int(torch.stack(losses).argmin())]


def save(model: Experts, folder: Path, **card: object) -> None:
    """Write config and weights (float16) to `folder`, with anything else the config should tell."""
    shapes = {"model": asdict(model.config), "experts": asdict(model.experts)}
    checkpoint.save_module(model, folder, kind=KIND, config={**shapes, **card})


_CARD = """# PoolingVQ: the judge that selects

What a piece feels like, from its sound, its notes, or both: quadrant, valence and arousal. Networks of several seeds
(codebook pooling and two-stage co-attention, arXiv 2509.11976) on encoders that were pre-trained without labels, beside
kernel ridge on {inputs} descriptors of the notes. Probabilities are calibrated on validation.

## Data

EMOPIA 1.0 (Hung and others 2021; CC BY-NC-SA 4.0), official train split; VGMIDI (Ferreira and Whitehead 2019; no
licence stated), four of five folds by game. Pre-trained without labels on POP909 (Wang and others 2020; MIT) and
VGMIDI's unlabelled pieces. All audio is a render of its MIDI (FluidR3, TimGM6mb; several instruments, rooms, gains,
keys, tempi). Labels of EMOPIA ask for non-commercial use, and so do these weights.

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
    """README.md beside the weights, with room for what `evaluate poolingvq --into` prints; tables in it are kept."""
    begin, end = markers(KIND)
    path, tables = folder / "README.md", ""
    if path.is_file() and begin in (before := path.read_text()):
        tables = before.split(begin)[1].split(end)[0].strip("\n")
    told = json.dumps(details, indent=2)
    path.write_text(
        _CARD.format(
            inputs=len(descriptors.NAMES), details=told, begin=begin, tables=f"\n{tables}\n" if tables else "", end=end
        )
    )


def run(
    sources: Sources,
    folder: Path,
    *,
    seeds: Sequence[int],
    config: EncodersConfig | None = None,
    recipes: Recipes | None = None,
) -> Experts:
    """The whole training; the judge lies in `folder`, what is taken up again after a stop in its PARTS."""
    config, recipes = config or EncodersConfig(sizes=tokens.sizes()), recipes or Recipes()
    sides = official(sources)
    encoders = pretrained(sources, config, folder=folder / PARTS, recipes=recipes)
    data = encoded(sources, encoders, config, versions=recipes.versions)
    names = {piece.name for piece in sides["train"]}
    log.info("training %d networks on %d pieces", len(seeds), len(names))
    model = experts(data, names, encoders, config, seeds=seeds, folder=folder / PARTS, recipe=recipes.networks)
    calibrate(model, data.chosen({piece.name for piece in sides["val"] if piece.affect is None})[0])
    details: dict[str, Any] = {"seeds": list(seeds), "recipes": asdict(recipes)}
    save(model, folder, **details)
    write_card(folder, **details)
    return model
