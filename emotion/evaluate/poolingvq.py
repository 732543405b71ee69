"""How well PoolingVQ predicts: EMOPIA's official test, five folds by song, VGMIDI's five folds by game, and ablations.

The networks of the tables beside the shipped ones (other poolings, the folds) are trained here, on the shipped
encoders, which were trained without labels; `runs` keeps them. All audio is a render of its MIDI, so audio beside MIDI
compares front ends, not recordings with scores. Called by `python -m emotion evaluate poolingvq`.
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
from emotion.data.pieces import assert_disjoint
from emotion.data.registry import DATASETS
from emotion.models.poolingvq import ensemble, pipeline
from emotion.models.poolingvq.ensemble import SHARPNESS, PoolingVQEnsemble
from emotion.models.poolingvq.pipeline import EncodedDataset, Sources
from emotion.models.poolingvq.quantizer import RULES
from emotion.models.poolingvq.training import RECIPE, EncodedPiece, SpanBatcher
from emotion.report import Evaluation, from_summaries
from emotion.train.loop import LoopConfig

FOLDS = 5
POOLINGS = ("none", *RULES)
MEDIA = ("both", "MIDI", "audio")
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
class PiecePredictions:
    """Predictions for pieces: probabilities (N, 4) and points (N, 2)."""

    pieces: Sequence[EncodedPiece]
    quadrants: NDArray[np.floating[Any]]
    affect: NDArray[np.floating[Any]]

    @property
    def truth(self) -> NDArray[np.int64]:
        """(N,) true quadrants."""
        return np.array([each.piece.quadrant for each in self.pieces])

    @property
    def points(self) -> NDArray[np.float64]:
        """(N, 2) rated valence and arousal."""
        return np.array([each.piece.affect for each in self.pieces])


def evaluate(
    sources: Sources, *, runs: Path, seeds: Sequence[int], weights: Path | None = None, recipe: LoopConfig = RECIPE
) -> Evaluation:
    """Every row of the tables. Raises DataError and CheckpointError."""
    model = ensemble.load(weights).model
    data = pipeline.encode_dataset(sources, model.encoders, model.config, versions=1)
    sides = pipeline.official_split(sources)
    test = data.select({piece.name for piece in sides["test"]})[0]
    train = {piece.name for piece in sides["train"]}
    trainer = NetworkTrainer(data, model, seeds, runs, recipe)
    singles = {name: _of_pooling(trainer, train, name) for name in POOLINGS}
    rows = _on_test(trainer, singles, train, test) | _folds(trainer)
    metrics_of = {name: _metrics_of(name, predicted) for name, predicted in rows.items()}
    report = from_summaries("poolingvq", DATA, "test, and folds where a row says so", seeds, metrics_of)
    shipped = rows[SHIPPED["both"]][0]
    report["confusion"] = metrics.confusion(shipped.quadrants, shipped.truth)
    report["pooling"] = {name: _cost(members[0], test) for name, members in singles.items()}
    return Evaluation(report, _predictions(rows))


@dataclass(frozen=True, eq=False)
class NetworkTrainer:
    """Trains networks on the shipped judge's encoders, and keeps them in `runs`."""

    data: EncodedDataset
    model: PoolingVQEnsemble
    seeds: Sequence[int]
    runs: Path
    recipe: LoopConfig

    def alone(self, place: int) -> PoolingVQEnsemble:
        """The shipped judge with one of its networks."""
        whole = self.model
        model = PoolingVQEnsemble(whole.config, replace(whole.ensemble, members=1))
        model.encoders, model.networks = whole.encoders, torch.nn.ModuleList([whole.networks[place]])
        model.by_quadrant, model.by_affect = whole.by_quadrant, whole.by_affect
        model.temperature = whole.temperature
        return model.eval()

    def singles(self, names: set[str], folder: str, *, pooling: str) -> list[PoolingVQEnsemble]:
        """One network of each seed beside kernel ridge, trained on the pieces of these names."""
        config = replace(self.model.config, pooling=pooling)
        place, encoders = self.runs / folder, self.model.encoders
        return [
            pipeline.train_ensemble(self.data, names, encoders, config, seeds=[seed], folder=place, recipe=self.recipe)
            for seed in self.seeds
        ]


def _of_pooling(trainer: NetworkTrainer, names: set[str], pooling: str) -> list[PoolingVQEnsemble]:
    """Networks of a pooling, all on plain versions alone; without any, which takes six times as long, one seed."""
    some = replace(trainer, seeds=trainer.seeds[:1]) if pooling == "none" else trainer
    return some.singles(names, pooling, pooling=pooling)


def _on_test(
    trainer: NetworkTrainer,
    singles: Mapping[str, Sequence[PoolingVQEnsemble]],
    names: set[str],
    test: Sequence[EncodedPiece],
) -> dict[str, list[PiecePredictions]]:
    """The shipped judge, networks of every pooling, and what needs no network, on EMOPIA's official test."""
    rows = {SHIPPED[media]: [_predict(trainer.model, test, media)] for media in MEDIA}
    rows["shipped, one network at a time"] = [
        _predict(trainer.alone(place), test, "both") for place in range(len(trainer.model.networks))
    ]
    for name, members in singles.items():
        rows[f"pooling {name}"] = [_predict(member, test, "both") for member in members]
    rows["kernel ridge alone"] = [_predict_kernel(trainer.model, test)]
    rows[TREES] = [_predict_trees(trainer.data, names, test, seed) for seed in trainer.seeds]
    return rows


def _metrics_of(name: str, predicted: Sequence[PiecePredictions]) -> dict[str, Any]:
    if name.startswith("VGMIDI"):
        return metrics.summaries(metrics.of_affect, [each.affect for each in predicted], predicted[0].points)
    rows_of_metrics = metrics.summaries(
        metrics.of_quadrants, [each.quadrants for each in predicted], predicted[0].truth
    )
    if name not in SHIPPED.values():
        del rows_of_metrics["ece"]  # these probabilities are not calibrated
    return rows_of_metrics


def _predict(model: PoolingVQEnsemble, pieces: Sequence[EncodedPiece], media: str) -> PiecePredictions:
    logits, affect = pipeline.predict_wholes(model, pieces, media)
    temperature = model.temperature[pipeline.MEDIA.index(media)]
    return PiecePredictions(pieces, (logits / temperature).softmax(-1).numpy(), affect.numpy())


def _predict_kernel(model: PoolingVQEnsemble, pieces: Sequence[EncodedPiece]) -> PiecePredictions:
    described = torch.stack([each.spans[0].descriptors for each in pieces])
    scores = SHARPNESS * model.by_quadrant(described)
    return PiecePredictions(pieces, scores.softmax(-1).numpy(), model.by_affect(described).clamp(-1, 1).numpy())


def _predict_trees(
    data: EncodedDataset, names: set[str], pieces: Sequence[EncodedPiece], seed: int
) -> PiecePredictions:
    """Extra trees on the same descriptors: what a good afternoon with scikit-learn gives."""
    from sklearn.ensemble import ExtraTreesClassifier

    known = [each for each in data.select(names)[0] if each.piece.affect is None]
    inputs, unknown = (np.stack([each.spans[0].descriptors.numpy() for each in some]) for some in (known, pieces))
    trees = ExtraTreesClassifier(500, min_samples_leaf=2, max_features=0.3, random_state=seed)
    trees.fit(inputs, [each.piece.quadrant for each in known])
    return PiecePredictions(pieces, trees.predict_proba(unknown), np.zeros((len(pieces), 2)))


def _folds(trainer: NetworkTrainer) -> dict[str, list[PiecePredictions]]:
    """Out-of-fold predictions of every piece, a seed each: EMOPIA's rows and VGMIDI's."""
    folds = {**DATASETS["emopia"].folds(), **DATASETS["vgmidi"].folds()}
    parts: dict[str, list[list[PiecePredictions]]] = defaultdict(list)
    for fold in range(FOLDS):
        for name, predicted in _on_fold(trainer, folds, fold).items():
            parts[name].append(predicted)
    rows = {}
    for name, by_fold in parts.items():
        seeds = [_concatenate(seed) for seed in zip(*by_fold, strict=True)]
        rows[f"folds: {name}"] = [_only(predicted, rated=False) for predicted in seeds]
        if name != TREES:
            rows[f"VGMIDI folds: {name}"] = [_only(predicted, rated=True) for predicted in seeds]
    return dict(sorted(rows.items()))


def _on_fold(trainer: NetworkTrainer, folds: Mapping[str, int], fold: int) -> dict[str, list[PiecePredictions]]:
    everything = [*trainer.data.emopia[0], *trainer.data.vgmidi[0]]
    held = [each for each in everything if folds[each.piece.name] == fold]
    used = [each for each in everything if folds[each.piece.name] != fold]
    assert_disjoint([each.piece for each in held], [each.piece for each in used])
    names = {each.piece.name for each in used}
    first = replace(trainer, seeds=trainer.seeds[:1])  # five folds of every seed would take an hour more
    members = first.singles(names, f"fold-{fold}", pooling=trainer.model.config.pooling)
    rows = {f"PoolingVQ, {media}": [_predict(member, held, media) for member in members] for media in MEDIA}
    rows["kernel ridge alone"] = [_predict_kernel(members[0], held)]
    rows[TREES] = [_predict_trees(trainer.data, names, held, seed) for seed in first.seeds]
    return rows


def _concatenate(parts: Sequence[PiecePredictions]) -> PiecePredictions:
    pieces = [each for part in parts for each in part.pieces]
    return PiecePredictions(
        pieces, np.concatenate([p.quadrants for p in parts]), np.concatenate([p.affect for p in parts])
    )


def _only(predicted: PiecePredictions, *, rated: bool) -> PiecePredictions:
    kept = [index for index, each in enumerate(predicted.pieces) if bool(each.piece.affect) == rated]
    return PiecePredictions(
        [predicted.pieces[index] for index in kept], predicted.quadrants[kept], predicted.affect[kept]
    )


@torch.inference_mode()
def _cost(model: PoolingVQEnsemble, pieces: Sequence[EncodedPiece], *, repeats: int = 5) -> dict[str, float]:
    """Rows of sound and notes before and after pooling, a piece, and what pooling and fusion take, in ms a piece."""
    network: Any = model.networks[0]
    encoded = SpanBatcher(model.encoders, model.config).whole(pieces, "both")
    tokens, rows = (
        network.pool_tokens(encoded.tokens, encoded.tokens_mask),
        network.pool_sound(encoded.sound, encoded.sound_mask),
    )
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        network(encoded)
        taken.append(time.perf_counter() - started)
    before = encoded.tokens_mask.sum() + encoded.sound_mask.sum()
    after = tokens[1].sum() + rows[1].sum()
    return {
        "rows_before": float(before) / len(pieces),
        "rows_after": float(after) / len(pieces),
        "fusion_ms": 1000 * min(taken) / len(pieces),
    }


def _predictions(rows: dict[str, list[PiecePredictions]]) -> list[list[Any]]:
    table = []
    for name, seeds in rows.items():
        for seed, predicted in enumerate(seeds):
            for each, quadrants, point in zip(
                predicted.pieces, predicted.quadrants.tolist(), predicted.affect.tolist(), strict=True
            ):
                truth = each.piece.affect or ("", "")
                table.append([name, seed, each.piece.name, each.piece.quadrant + 1, *quadrants, *point, *truth])
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
    "versions; folds and `pooling none` have one seed. ECE is given for calibrated rows. Descriptors and kernel were "
    "chosen on these folds."
)


def as_text(report: Mapping[str, Any]) -> str:
    """The report as Markdown tables."""
    parts = [_figures(report["rows"], *table) for table in _TABLES]
    quadrants = ["| | " + " | ".join(f"predicted {name}" for name in QUADRANTS) + " |", "|---" * 5 + "|"]
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
