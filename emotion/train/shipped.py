"""ADFF and the unified model as they ship: trained on all pieces, calibrated on folds, a card beside the weights."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from emotion import checkpoint
from emotion.data import pieces
from emotion.evaluate import sound
from emotion.evaluate.sound import Row, Told, Trial
from emotion.files import atomic_write
from emotion.models.adff import ADFFConfig as AdffConfig
from emotion.report import from_summaries, table
from emotion.train import adff, unified

ROWS = MappingProxyType({"adff": sound.ADFF, "unified": sound.UNIFIED})


def run(
    name: str, data: Path, out: Path, *, runs: Path, seeds: int = 1, recipe: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """Train, write weights, config and card to `out`, and return the report. Raises DataError and SoundError.

    What ships is of seed 0; the figures are means over so many `seeds`. `recipe` changes how it is trained.
    """
    trial, row = Trial(data, runs), replace(ROWS[name], recipe=recipe)
    told = [trial.told(row, seed)[0] for seed in range(seeds)]
    temperature = best_temperature(told[0])
    kept_back = _kept_back(name, data)
    material = [each for each in trial.material(row) if each.piece.name not in kept_back]
    model, training = _TRAIN[name](material, *row.settings())
    model.temperature.fill_(temperature)
    training |= {"temperature": temperature, "sets": row.sets}
    report = from_summaries(
        name, ", ".join(row.sets), sound.SPLIT, list(range(seeds)), _figures(row, told, temperature)
    )
    checkpoint.save_module(model, out, kind=name, config={"model": asdict(model.config), "training": training})
    _write_card(name, out, report, training)
    return report


def _kept_back(name: str, data: Path) -> set[str]:
    """Names of EMOPIA's official test clips: on renders of them judges are compared that never met them."""
    return {piece.name for piece in pieces.read_split(data / "emopia")["test"]} if name == "unified" else set()


def _train_adff(
    material: Sequence[Any], config: AdffConfig, recipe: adff.ADFFTrainConfig
) -> tuple[Any, dict[str, Any]]:
    return adff.trained(material, config, recipe, seed=0), asdict(recipe)


def _train_unified(material: Sequence[Any], _: None, recipe: unified.UnifiedTrainConfig) -> tuple[Any, dict[str, Any]]:
    return unified.trained(material, recipe, seed=0), asdict(recipe)


_TRAIN: Mapping[str, Callable[..., tuple[Any, dict[str, Any]]]] = MappingProxyType(
    {"adff": _train_adff, "unified": _train_unified}
)


def best_temperature(told: Told) -> float:
    """What to divide logits by so that held pieces are likeliest, every set counting the same (Guo and others 2017)."""
    grid = torch.logspace(-1, 1, 101)
    logits = torch.from_numpy(told.quadrants).float().clamp_min(1e-6).log()
    truth = torch.tensor([piece.quadrant for piece in told.pieces])
    sources = np.array([piece.source for piece in told.pieces])
    losses = torch.zeros(len(grid))
    for source in np.unique(sources):
        own = torch.from_numpy(sources == source)
        losses += torch.stack([functional.cross_entropy(logits[own] / value, truth[own]) for value in grid])
    return float(grid[int(losses.argmin())])


def _figures(row: Row, told: Sequence[Told], temperature: float) -> dict[str, Any]:
    """The row's figures on each of its sets, with the calibration that ships."""
    calibrated = [_calibrated(each, temperature) for each in told]
    return {
        sound.TITLES[source]: sound.figures([sound.of_set(each, source) for each in calibrated]) for source in row.sets
    }


def _calibrated(told: Told, temperature: float) -> Told:
    sharp = np.exp(np.log(np.maximum(told.quadrants, 1e-6)) / temperature)
    return replace(told, quadrants=sharp / sharp.sum(1, keepdims=True))


def _write_card(name: str, out: Path, report: Mapping[str, Any], training: Mapping[str, Any]) -> None:
    frontend = training.get("frontend", "mel")
    told = {
        "training": json.dumps(training, indent=2),
        "table": table(report),
        "seeds": len(report["seeds"]),
        "frontend": frontend,
        "embedding": _EMBEDDINGS[frontend],
    }
    with atomic_write(out / "README.md") as partial:
        partial.write_text(_CARDS[name].format(**told), encoding="utf-8")


_EMBEDDINGS = MappingProxyType({"mel": "MusiCNN's embedding (weights/musicnn)", "mert": "MERT's embedding (CC BY-NC)"})
_ADFF_CARD = """# ADFF: the judge that tells what a finished piece feels like

Levels 3, 4 and 5 of a published tagger's VGG (weights/vgg: log-mel, trained by its authors on tags of the Million Song
Dataset), squeeze-and-excitation, a BiLSTM with attention on each, fused to quadrants, valence and arousal: two
networks whose answers are averaged. It reports on what the program composed. PoolingVQ, which selects, shares neither
data nor features with it. After Huang and others, Interspeech 2022.

## Data

The 4Q audio emotion set (Panda, Malheiro, Paiva 2018; for research use only): 900 excerpts of 30 s. YM2413-MDB 1.0.2
(Choi and others 2022; no licence stated with the copy): 669 pieces of game music as MIDI, played through a General MIDI
SoundFont as written and in other instruments. The weights are given for research and personal use.

## Limits

Valence and arousal are learnt from quadrants alone, so they say which side of an axis, and how surely, more than how
far. Recordings of the 4Q set may be among those that the tagger was trained on, with other labels: nobody can tell.

## Command

    python -m emotion train adff --data DIR --seeds {seeds}

```json
{training}
```

## Metrics

Out of folds: no artist of the 4Q set, no known game and no title of YM2413-MDB is on both sides. 278 pieces of
YM2413-MDB whose game nobody knows are only trained on. Mean [95 % bootstrap interval over pieces] of {seeds} seed(s) of
two networks; the temperature was fitted on the answers of the first. `evaluate sound` has the parts one by one.

{table}
"""
_UNIFIED_CARD = """# Unified: quadrants, valence and arousal of recordings, renders and MIDI

{embedding}, numbers of what sound does (emotion.features.acoustics) and key and chords
(emotion.features.harmony), a body of small networks whose answers are averaged, a head for quadrants and one for the plane.
After Kang and Herremans 2025. Whether teachers of single sets, distilled into it, help is told by `evaluate sound`.

## Data

The 4Q audio emotion set (for research use only), YM2413-MDB and VGMIDI (no licence stated with the copies), EMOPIA
(CC BY-NC-SA 4.0) without its official test clips; all but the first rendered. The weights are given for research and
personal use.

## Limits

Only VGMIDI's piano pieces have ratings on the plane: of other music its valence and arousal are a guess.
Recordings of the 4Q set may be among those that the embedding was trained on, with other labels: nobody can tell.

## Command

    python -m emotion train unified --data DIR --frontend {frontend} --seeds {seeds}

```json
{training}
```

## Metrics

Out of folds: no artist, known game, song or title is on both sides. MIDI sets with their notes, as they are played by
the best SoundFont, the first 24 s, VGMIDI's pieces whole. Mean [95 % bootstrap interval over pieces] of {seeds}
seed(s); the temperature was fitted on the answers of the first, VGMIDI's places are not calibrated. `evaluate sound`
has the parts one by one.

{table}
"""
_CARDS = MappingProxyType({"adff": _ADFF_CARD, "unified": _UNIFIED_CARD})
