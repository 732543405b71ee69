"""How well PoolingVQ judges: EMOPIA's official test, five folds by song, VGMIDI's five folds by game, and ablations.

The networks that the tables ask for beside the shipped ones (other poolings, the folds) are trained here, on the
shipped encoders, which saw no label; `runs` keeps them. All audio is a render of its MIDI, so audio beside MIDI
compares front ends, not recordings with scores.
"""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emotion import metrics
from emotion.affect import QUADRANTS
from emotion.data import cards
from emotion.data.pieces import assert_disjoint, read_folds
from emotion.models.poolingvq import experts
from emotion.models.poolingvq import recipe as judge
from emotion.models.poolingvq.experts import SHARPNESS, WEIGHTS, Experts
from emotion.models.poolingvq.quantizer import RULES
from emotion.models.poolingvq.recipe import EncodedPieces, Sources
from emotion.models.poolingvq.training import RECIPE, Crops, Item
from emotion.report import from_summaries
from emotion.train.loop import LoopConfig

FOLDS = 5
POOLINGS = ("none", *RULES)
HEARD = ("both", "MIDI", "audio")
TREES = "extra trees on the descriptors"
SHIPPED = {"both": "shipped", "MIDI": "shipped, MIDI alone", "audio": "shipped, audio alone"}
COLUMNS = (
    "row",
    "seed",
    "piece",
    "truth",
    "q1",
    "q2",
    "q3",
    "q4",
    "valence",
    "arousal",
    "true valence",
    "true arousal",
)
DATA = "EMOPIA and VGMIDI; all audio is a render of its MIDI"


@dataclass(frozen=True, eq=False)
class Told:
    """Predictions for items: probabilities (N, 4) and points (N, 2)."""

    items: Sequence[Item]
    quadrants: NDArray[np.floating]
    affect: NDArray[np.floating]

    @property
    def truth(self) -> NDArray[np.int64]:
        return np.array([item.piece.quadrant for item in self.items])

    @property
    def points(self) -> NDArray[np.float64]:
        return np.array([item.piece.affect for item in self.items])


@dataclass(frozen=True, eq=False)
class Study:
    """The report, and a row for each prediction under COLUMNS."""

    report: dict[str, Any]
    predictions: list[list[Any]]


def study(
    sources: Sources, *, runs: Path, seeds: Sequence[int], weights: Path = WEIGHTS, recipe: LoopConfig = RECIPE
) -> Study:
    """Every row of the tables. Raises DataError and CheckpointError."""
    model = experts.load(weights).model
    data = judge.encoded(sources, model.encoders, model.config, versions=1)
    sides = judge.official(sources)
    test = data.chosen({piece.name for piece in sides["test"]})[0]
    train = {piece.name for piece in sides["train"]}
    trained = Trained(data, model, seeds, runs, recipe)
    singles = {name: _of_pooling(trained, train, name) for name in POOLINGS}
    rows = _on_test(trained, singles, train, test) | _folds(trained)
    figures = {name: _figures_of(name, told) for name, told in rows.items()}
    report = from_summaries("poolingvq", DATA, "test, and folds where a row says so", seeds, figures)
    shipped = rows[SHIPPED["both"]][0]
    report["confusion"] = metrics.confusion(shipped.quadrants, shipped.truth)
    report["pooling"] = {name: _cost(members[0], test) for name, members in singles.items()}
    return Study(report, _predictions(rows))


@dataclass(frozen=True, eq=False)
class Trained:
    """Networks that are trained here, on the shipped judge's encoders, and kept in `runs`."""

    data: EncodedPieces
    model: Experts
    seeds: Sequence[int]
    runs: Path
    recipe: LoopConfig

    def alone(self, place: int) -> Experts:
        """The shipped judge with one of its networks."""
        whole = self.model
        model = Experts(whole.config, replace(whole.experts, members=1))
        model.encoders, model.networks = whole.encoders, torch.nn.ModuleList([whole.networks[place]])
        model.by_quadrant, model.by_affect = whole.by_quadrant, whole.by_affect
        model.temperature = whole.temperature
        return model.eval()

    def singles(self, names: set[str], folder: str, *, pooling: str) -> list[Experts]:
        """One network of each seed beside kernel ridge, trained on the pieces of these names."""
        config = replace(self.model.config, pooling=pooling)
        place, encoders = self.runs / folder, self.model.encoders
        return [
            judge.experts(self.data, names, encoders, config, seeds=[seed], folder=place, recipe=self.recipe)
            for seed in self.seeds
        ]


def _places(trained: Trained) -> range:
    return range(len(trained.model.networks))


def _of_pooling(trained: Trained, names: set[str], pooling: str) -> list[Experts]:
    """Networks of a pooling, all on plain versions alone; without any, which takes six times as long, one seed."""
    some = replace(trained, seeds=trained.seeds[:1]) if pooling == "none" else trained
    return some.singles(names, pooling, pooling=pooling)


def _on_test(
    trained: Trained, singles: Mapping[str, Sequence[Experts]], names: set[str], test: Sequence[Item]
) -> dict[str, list[Told]]:
    """The shipped judge, networks of every pooling, and what needs no network, on EMOPIA's official test."""
    rows = {SHIPPED[media]: [_told(trained.model, test, media)] for media in HEARD}
    rows["shipped, one network at a time"] = [_told(trained.alone(place), test, "both") for place in _places(trained)]
    for name, members in singles.items():
        rows[f"pooling {name}"] = [_told(member, test, "both") for member in members]
    rows["kernel ridge alone"] = [_kernel_told(trained.model, test)]
    rows[TREES] = [_trees(trained.data, names, test, seed) for seed in trained.seeds]
    return rows


def _figures_of(name: str, told: Sequence[Told]) -> dict[str, Any]:
    if name.startswith("VGMIDI"):
        return metrics.summaries(metrics.of_affect, [each.affect for each in told], told[0].points)
    figures = metrics.summaries(metrics.of_quadrants, [each.quadrants for each in told], told[0].truth)
    if name not in SHIPPED.values():
        del figures["ece"]  # nobody calibrated it
    return figures


def _told(model: Experts, items: Sequence[Item], media: str) -> Told:
    logits, affect = judge.judged(model, items, media)
    temperature = model.temperature[judge.MEDIA_HEARD.index(media)]
    return Told(items, (logits / temperature).softmax(-1).numpy(), affect.numpy())


def _kernel_told(model: Experts, items: Sequence[Item]) -> Told:
    described = torch.stack([item.cuts[0].descriptors for item in items])
    scores = SHARPNESS * model.by_quadrant(described)
    return Told(items, scores.softmax(-1).numpy(), model.by_affect(described).clamp(-1, 1).numpy())


def _trees(data: EncodedPieces, names: set[str], items: Sequence[Item], seed: int) -> Told:
    """Extra trees on the same descriptors: what a good afternoon with scikit-learn gives."""
    from sklearn.ensemble import ExtraTreesClassifier

    known = [item for item in data.chosen(names)[0] if item.piece.affect is None]
    inputs, unknown = (np.stack([item.cuts[0].descriptors.numpy() for item in some]) for some in (known, items))
    trees = ExtraTreesClassifier(500, min_samples_leaf=2, max_features=0.3, random_state=seed)
    trees.fit(inputs, [item.piece.quadrant for item in known])
    return Told(items, trees.predict_proba(unknown), np.zeros((len(items), 2)))


def _folds(trained: Trained) -> dict[str, list[Told]]:
    """Out-of-fold predictions of every piece, a seed each: EMOPIA's rows and VGMIDI's."""
    folds = {**_read("emopia"), **_read("vgmidi")}
    parts: dict[str, list[list[Told]]] = defaultdict(list)
    for fold in range(FOLDS):
        for name, told in _on_fold(trained, folds, fold).items():
            parts[name].append(told)
    rows = {}
    for name, by_fold in parts.items():
        seeds = [_joined(seed) for seed in zip(*by_fold, strict=True)]
        rows[f"folds: {name}"] = [_only(told, rated=False) for told in seeds]
        if name != TREES:
            rows[f"VGMIDI folds: {name}"] = [_only(told, rated=True) for told in seeds]
    return dict(sorted(rows.items()))


def _on_fold(trained: Trained, folds: Mapping[str, int], fold: int) -> dict[str, list[Told]]:
    everything = [*trained.data.emopia[0], *trained.data.vgmidi[0]]
    held = [item for item in everything if folds[item.piece.name] == fold]
    used = [item for item in everything if folds[item.piece.name] != fold]
    assert_disjoint([item.piece for item in held], [item.piece for item in used])
    names = {item.piece.name for item in used}
    first = replace(trained, seeds=trained.seeds[:1])  # five folds of every seed would take an hour more
    members = first.singles(names, f"fold-{fold}", pooling=trained.model.config.pooling)
    rows = {f"PoolingVQ, {media}": [_told(member, held, media) for member in members] for media in HEARD}
    rows["kernel ridge alone"] = [_kernel_told(members[0], held)]
    rows[TREES] = [_trees(trained.data, names, held, seed) for seed in first.seeds]
    return rows


def _read(name: str) -> dict[str, int]:
    return dict(read_folds(cards.folder(name) / "splits" / "folds.csv"))


def _joined(parts: Sequence[Told]) -> Told:
    items = [item for part in parts for item in part.items]
    return Told(items, np.concatenate([p.quadrants for p in parts]), np.concatenate([p.affect for p in parts]))


def _only(told: Told, *, rated: bool) -> Told:
    kept = [index for index, item in enumerate(told.items) if bool(item.piece.affect) == rated]
    return Told([told.items[index] for index in kept], told.quadrants[kept], told.affect[kept])


@torch.inference_mode()
def _cost(model: Experts, items: Sequence[Item], *, repeats: int = 5) -> dict[str, float]:
    """Rows of sound and notes before and after pooling, a piece, and what pooling and fusion take, in ms a piece."""
    network: Any = model.networks[0]
    seen = Crops(model.encoders, model.config).whole(items, "both")
    words, rows = network.pool_words(seen.words, seen.words_mask), network.pool_sound(seen.sound, seen.sound_mask)
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        network(seen)
        taken.append(time.perf_counter() - started)
    before = seen.words_mask.sum() + seen.sound_mask.sum()
    after = words[1].sum() + rows[1].sum()
    return {
        "rows_before": float(before) / len(items),
        "rows_after": float(after) / len(items),
        "fusion_ms": 1000 * min(taken) / len(items),
    }


def _predictions(rows: dict[str, list[Told]]) -> list[list[Any]]:
    table = []
    for name, seeds in rows.items():
        for seed, told in enumerate(seeds):
            for item, quadrants, point in zip(told.items, told.quadrants.tolist(), told.affect.tolist(), strict=True):
                truth = item.piece.affect or ("", "")
                table.append([name, seed, item.piece.name, item.piece.quadrant + 1, *quadrants, *point, *truth])
    return table


_OF_QUADRANTS = ("accuracy", "macro_f1", "arousal_accuracy", "valence_accuracy", "ece")
_OF_AFFECT = ("r2_valence", "r2_arousal", "ccc_valence", "ccc_arousal", "quadrant_accuracy")
_TABLES = (
    ("EMOPIA, official test (86 clips)", "", _OF_QUADRANTS),
    ("EMOPIA, five folds by song (1,078 clips)", "folds: ", _OF_QUADRANTS[:4]),
    ("VGMIDI, five folds by game (200 pieces)", "VGMIDI folds: ", _OF_AFFECT),
)
_NOTE = (
    "Mean over the seeds [95 % bootstrap interval over pieces]. All audio is a render of its MIDI, so audio against "
    "MIDI compares front ends. `pooling` and fold rows are single networks, each beside kernel ridge, trained on plain "
    "versions; folds and `pooling none` have one seed. ECE is told of what was calibrated. Descriptors and kernel were "
    "chosen on these folds."
)


def as_text(report: Mapping[str, Any]) -> str:
    """The report as Markdown tables."""
    parts = [_figures(report["rows"], *table) for table in _TABLES]
    quadrants = ["| | " + " | ".join(f"told {name}" for name in QUADRANTS) + " |", "|---" * 5 + "|"]
    for name, row in zip(QUADRANTS, report["confusion"], strict=True):
        quadrants.append(f"| {name} | " + " | ".join(map(str, row)) + " |")
    pooling = ["| pooling | rows before | rows after | pooling and fusion, ms a clip |", "|---" * 4 + "|"]
    for name, cost in report["pooling"].items():
        pooling.append(f"| {name} | {cost['rows_before']:.0f} | {cost['rows_after']:.0f} | {cost['fusion_ms']:.2f} |")
    return "\n\n".join([*parts, "\n".join(quadrants), "\n".join(pooling), _NOTE]) + "\n"


def _figures(rows: Mapping[str, Any], title: str, prefix: str, metrics_of: Sequence[str]) -> str:
    lines = [f"| {title} | " + " | ".join(metrics_of) + " |", "|---" * (len(metrics_of) + 1) + "|"]
    for name, row in rows.items():
        if name.startswith(prefix) and (prefix or ": " not in name):
            cells = ["{mean:.3f} [{low:.3f}, {high:.3f}]".format(**row[m]) if m in row else "" for m in metrics_of]
            lines.append(f"| {name.removeprefix(prefix)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
