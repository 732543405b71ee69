"""ADFF and the unified model as they ship: trained on all pieces, calibrated out of folds, with a card."""

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
from emotion.data.registry import DATASETS
from emotion.files import atomic_write
from emotion.report import from_summaries, table
from emotion.train import adff, crossval, unified
from emotion.train.crossval import CrossValidation, Experiment, HeldOutPredictions, summarise

EXPERIMENTS = MappingProxyType({"adff": crossval.ADFF, "unified": crossval.UNIFIED})
_TRAIN: Mapping[str, Callable[[Sequence[Any], Any, Any], Any]] = MappingProxyType({
    "adff": lambda material, config, recipe: adff.train(material, config, recipe, seed=0),
    "unified": lambda material, _, recipe: unified.train(material, recipe, seed=0),
})  # fmt: skip


def run(
    name: str, data: Path, out: Path, *, runs: Path, seeds: int = 1, recipe: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """Train, write weights, config and card to `out`, and return the report. Raises DataError and SoundError.

    What ships is of seed 0; metrics are means over so many `seeds`. `recipe` has changes of the training recipe.
    """
    validation, experiment = CrossValidation(data, runs), replace(EXPERIMENTS[name], recipe=recipe)
    predicted = [validation.predictions(experiment, seed)[0] for seed in range(seeds)]
    temperature = best_temperature(predicted[0])
    # renders of EMOPIA's official test clips compare the judges, so no weights may have been fitted to them
    kept_back = (
        {each.name for each in pieces.read_emopia_split(data / "emopia")["test"]} if name == "unified" else set()
    )
    material = [each for each in validation.pieces(experiment) if each.piece.name not in kept_back]
    config, full_recipe = experiment.settings()
    model = _TRAIN[name](material, config, full_recipe)
    model.temperature.fill_(temperature)
    training = asdict(full_recipe) | {"temperature": temperature, "sets": experiment.sets}
    rows = metrics_by_set(experiment, predicted, temperature)
    report = from_summaries(name, ", ".join(experiment.sets), crossval.SPLIT, list(range(seeds)), rows)
    checkpoint.save_module(model, out, kind=name, config={"model": asdict(model.config), "training": training})
    _write_card(name, out, report, training)
    return report


def best_temperature(predicted: HeldOutPredictions) -> float:
    """The divisor of logits that maximises the likelihood, all sets with the same weight (Guo and others 2017)."""
    grid = torch.logspace(-1, 1, 101)  # from a tenth to ten, in steps of just under 5 %
    logits = torch.from_numpy(predicted.quadrants).float().clamp_min(1e-6).log()
    truth = torch.tensor([piece.quadrant for piece in predicted.pieces])
    sources = np.array([piece.source for piece in predicted.pieces])
    losses = torch.zeros(len(grid))
    for source in np.unique(sources):
        own = torch.from_numpy(sources == source)
        losses += torch.stack([functional.cross_entropy(logits[own] / value, truth[own]) for value in grid])
    return float(grid[int(losses.argmin())])


def metrics_by_set(
    experiment: Experiment, predicted: Sequence[HeldOutPredictions], temperature: float
) -> dict[str, dict[str, Any]]:
    """Metrics of the seeds' predictions, by title of each set, with the calibration that ships."""
    calibrated = []
    for each in predicted:
        sharp = np.exp(np.log(np.maximum(each.quadrants, 1e-6)) / temperature)
        calibrated.append(replace(each, quadrants=sharp / sharp.sum(1, keepdims=True)))
    return {
        DATASETS[source].title: summarise([each.of_set(source) for each in calibrated]) for source in experiment.sets
    }


def _write_card(name: str, out: Path, report: Mapping[str, Any], training: Mapping[str, Any]) -> None:
    frontend = training.get("frontend", "mel")
    text = _CARDS[name].format(
        training=json.dumps(training, indent=2),
        table=table(report),
        seeds=len(report["seeds"]),
        frontend=frontend,
        embedding=_EMBEDDINGS[frontend],
    )
    with atomic_write(out / "README.md") as partial:
        partial.write_text(text, encoding="utf-8")


_EMBEDDINGS = MappingProxyType({"mel": "MusiCNN's embedding (weights/musicnn)", "mert": "MERT's embedding (CC BY-NC)"})
_ADFF_CARD = """# ADFF: the judge that reports on finished pieces

Levels 3, 4 and 5 of a published tagger's VGG (weights/vgg: log-mel, trained by its authors on tags of the Million Song
Dataset), squeeze-and-excitation, a BiLSTM with attention on each, fused to quadrants, valence and arousal: two
networks whose predictions are averaged. It reports on what the program composed. PoolingVQ, which selects, shares
neither data nor features with it. After Huang and others, Interspeech 2022.

## Data

The 4Q audio emotion set (Panda, Malheiro, Paiva 2018; for research use only): 900 excerpts of 30 s. YM2413-MDB 1.0.2
(Choi and others 2022; no licence stated with the copy): 669 pieces of game music as MIDI, played through a General MIDI
SoundFont as written and in other instruments. The weights are given for research and personal use.

## Limits

Valence and arousal are learnt from quadrants alone, so they give the side of an axis and its certainty, rather than
the distance from it. Recordings of the 4Q set may be among those that the tagger was trained on, with other
labels: that is unknown.

## Command

    python -m emotion train adff --data DIR --seeds {seeds}

```json
{training}
```

## Metrics

Out of folds: no artist of the 4Q set, no known game and no title of YM2413-MDB is on both sides. 278 pieces of
YM2413-MDB whose game is unknown are used for training only. Mean [95 % bootstrap interval over pieces] of {seeds}
seed(s) of two networks; the temperature was fitted on the predictions of the first. `evaluate sound`
has the parts one by one.

{table}
"""
_UNIFIED_CARD = """# Unified: quadrants, valence and arousal of recordings, renders and MIDI

{embedding}, descriptors of the log-mel (emotion.features.acoustics) and key and chords
(emotion.features.harmony), a body of small networks whose predictions are averaged, a head for quadrants and one for
the plane. After Kang and Herremans 2025. Whether distilled teachers of single sets help is in the tables of
`evaluate sound`.

## Data

The 4Q audio emotion set (for research use only), YM2413-MDB and VGMIDI (no licence stated with the copies), EMOPIA
(CC BY-NC-SA 4.0) without its official test clips; all but the first rendered. The weights are given for research and
personal use.

## Limits

Only VGMIDI's piano pieces have ratings on the plane: of other music its valence and arousal are extrapolated.
Recordings of the 4Q set may be among those that the embedding was trained on, with other labels: that is unknown.

## Command

    python -m emotion train unified --data DIR --frontend {frontend} --seeds {seeds}

```json
{training}
```

## Metrics

Out of folds: no artist, known game, song or title is on both sides. MIDI sets with their notes, as they are played by
the best SoundFont, the first 24 s, VGMIDI's pieces whole. Mean [95 % bootstrap interval over pieces] of {seeds}
seed(s); the temperature was fitted on the predictions of the first, VGMIDI's points are not calibrated.
`evaluate sound` has the parts one by one.

{table}
"""
_CARDS = MappingProxyType({"adff": _ADFF_CARD, "unified": _UNIFIED_CARD})
