"""`evaluate chords` and `evaluate dynamics`: trained models and baselines on MuVi-Sync, scored by the same code.

The rows are the baselines, the shipped weights with all modalities, with some hidden and with another song's video,
which shows what the video contributes, and other checkpoints (`trained: VARIANT`) with the modalities that they had in
training. Nothing is selected on the reported split: the weights of the in-song cache and the calibrations of baselines
come from val, counts and means from train.

A checkpoint's config has under `training` its variant (`variant`; the shipped recipe where missing) and its seed
(`recipe.seed`); `collect_models` reads those that `video2music train` left in a folder.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from emotion import report
from emotion.checkpoint import CONFIG, Checkpoint
from emotion.errors import CheckpointError, DataError
from emotion.report import Songs
from video2music.chords import END, Chord
from video2music.data.muvi_sync import Song, load_split
from video2music.errors import OptionError
from video2music.evaluate.models import baselines, metrics, scores, video_effect
from video2music.evaluate.tables import ModelEvaluation
from video2music.model import amt, regressor
from video2music.model.conditioning import allowed_chords
from video2music.model.video import MODALITIES

log = logging.getLogger(__name__)

SHIPPED = "shipped"


@dataclass(frozen=True)
class TrainedModel:
    """A model, the path of its checkpoint in the folder of runs, its config and the hash of its weights."""

    model: Any
    name: str
    config: Mapping[str, Any]
    sha256: str

    @property
    def variant(self) -> str:
        return " ".join(str(self.training.get("variant", SHIPPED)).replace("|", "/").split())

    @property
    def seed(self) -> int:
        return int(self.recipe.get("seed", 0))

    @property
    def training(self) -> Mapping[str, Any]:
        training: Mapping[str, Any] = self.config.get("training", {})
        return training

    @property
    def recipe(self) -> Mapping[str, Any]:
        recipe: Mapping[str, Any] = self.training.get("recipe", {})
        return recipe

    @property
    def hidden(self) -> tuple[str, ...]:
        """Modalities that were hidden throughout its training: given now they would only be noise."""
        rates = self.training.get("drop_rates", ())
        return tuple(name for name, rate in zip(MODALITIES, rates, strict=False) if rate >= 1)

    def card(self) -> dict[str, Any]:
        """Its entry in a report."""
        return {"run": self.name, "seed": self.seed, "sha256": self.sha256}


Loader = Callable[[Path], tuple[Any, Checkpoint]]


def collect_models(
    kind: str, load: Loader, shipped: Path, folder: Path | None, *, seeds: int
) -> dict[str, list[TrainedModel]]:
    """Models by variant, lowest seed first; the shipped variant begins with the shipped weights.

    Of that variant exactly `seeds` are taken. A run that repeats variant and seed of another, or is called shipped and
    was trained with another recipe or other dimensions, is left out with a warning. Raises OptionError, DataError and
    CheckpointError.
    """
    if seeds < 1:
        raise OptionError(f"--seeds {seeds} leaves nothing to evaluate: give 1 or more")
    first = _read(load, shipped, "shipped weights")
    found: dict[str, list[TrainedModel]] = {SHIPPED: [first]}
    for path in _checkpoints(kind, folder):
        run = _read(load, path, path.relative_to(folder or path).as_posix())
        reason = _reason_against(run, found)
        if reason:
            log.warning("%s is left out: %s", path, reason)
        else:
            found.setdefault(run.variant, []).append(run)
    by_variant = {
        variant: sorted(runs, key=lambda run: (run is not first, run.seed)) for variant, runs in found.items()
    }
    _check_seeds(seeds, by_variant[SHIPPED], kind, folder)
    return by_variant | {SHIPPED: by_variant[SHIPPED][:seeds]}


def _read(load: Loader, folder: Path, name: str) -> TrainedModel:
    model, found = load(folder)
    run = TrainedModel(model, name, found.config, found.sha256)
    if not isinstance(run.recipe.get("seed", 0), int):
        raise CheckpointError(f"{folder} was trained with a seed that is no whole number: train it anew")
    return run


def _checkpoints(kind: str, folder: Path | None) -> list[Path]:
    """Sub-folders, at any depth, that hold a model of that kind, in the order of their names."""
    if folder is None:
        return []
    if not folder.is_dir():
        raise DataError(f"no runs at {folder}: give the folder that training wrote to, or leave --runs out")
    return sorted(path.parent for path in folder.rglob(CONFIG) if _kind_of(path) == kind)


def _kind_of(config: Path) -> str | None:
    try:
        found = json.loads(config.read_text())
    except (OSError, ValueError):
        raise CheckpointError(f"{config} cannot be read: train that run anew, or remove its folder") from None
    return found.get("kind") if isinstance(found, dict) else None


def _reason_against(run: TrainedModel, found: Mapping[str, Sequence[TrainedModel]]) -> str | None:
    """Why a run must not be in the report, None where it may."""
    first = found[SHIPPED][0]
    twin = next((other for other in found.get(run.variant, ()) if other.seed == run.seed), None)
    if twin:
        return f"{twin.name} is the same variant ({run.variant}) with the same seed ({run.seed})"
    if run.variant == SHIPPED and _training_setup(run) != _training_setup(first):
        return "it was trained with another recipe or other dimensions than the shipped weights"
    return None


def _training_setup(run: TrainedModel) -> tuple[Any, dict[str, Any]]:
    return run.config.get("model"), {name: value for name, value in run.recipe.items() if name != "seed"}


def _check_seeds(seeds: int, runs: Sequence[TrainedModel], kind: str, folder: Path | None) -> None:
    if len(runs) >= seeds:
        return
    have = [run.seed for run in runs]
    missing = next(seed for seed in range(len(have) + 1) if seed not in have)
    root = folder or Path("runs")
    raise OptionError(
        f"--seeds {seeds} wants {seeds} runs of the shipped recipe, but there are {len(have)} "
        f"(seed {', '.join(map(str, have))}): run 'video2music train {kind} --data MUVI_SYNC --seed {missing} "
        f"-o {root / kind / f'seed-{missing}'}', and give --runs {root}"
    )


DATA = "muvi_sync"
TRAIN, VALIDATION = "train", "val"
SHUFFLED = "shipped, another song's video"
NO_VIDEO = "shipped, no video"
HIDDEN = MappingProxyType({
    "shipped, no semantic rows": ("semantic",),
    "shipped, emotion only": ("semantic", "movement"),
    "shipped, motion only": ("semantic", "emotion"),
    NO_VIDEO: ("semantic", "emotion", "movement"),
})  # fmt: skip
OTHERS = MappingProxyType({
    "another song's video": SHUFFLED,
    "no video": NO_VIDEO,
    "trained without video": "trained: no video",
})  # fmt: skip
"""Label of a comparison with the true video -> its row."""
NO_AFFECTIVE = "trained: affective 0"
NO_AFFECTIVE_SHUFFLED = f"{NO_AFFECTIVE}, another song's video"
NO_AFFECTIVE_OTHERS = MappingProxyType({
    "without affective loss: another song's video": NO_AFFECTIVE_SHUFFLED,
    "without affective loss: trained without video": f"{NO_AFFECTIVE}, no video",
})  # fmt: skip
"""The same for a model trained without the affective loss: that loss lowers the likelihood by itself."""

CHORD_COLUMNS = ("model", "seed", "song", "second", "chord", "predicted", "probability", "rank")
DYNAMICS_COLUMNS = (
    "model",
    "seed",
    "song",
    "second",
    *(f"{p}{n}" for n in scores.DYNAMICS for p in ("", "predicted_")),
)

ModelScores = dict[str, Sequence[Songs]]
"""Name of a row -> the scores of each seed."""
ScoreWith = Callable[[TrainedModel, tuple[str, ...], Sequence[Song] | None], Songs]
"""Scores of a model with modalities hidden and, if given, with these songs' videos."""


def evaluate_chords(data: Path, *, split: str = "test", seeds: int = 1, runs: Path | None = None) -> ModelEvaluation:
    """Evaluate the chord models on a split of MuVi-Sync at `data`. Raises DataError, OptionError, CheckpointError."""
    songs = load_split(data, split)
    found = collect_models(amt.KIND, amt.load, amt.WEIGHTS, runs, seeds=seeds)
    train, validation = (load_split(data, name) for name in (TRAIN, VALIDATION))
    song_logits = {run.sha256: scores.song_only_logits(run.model, songs) for run in found[SHIPPED]}
    logits = [scores.amt_logits(run.model, songs, song_logits=song_logits[run.sha256]) for run in found[SHIPPED]]

    def score_with(run: TrainedModel, hide: tuple[str, ...], videos: Sequence[Song] | None) -> Songs:
        known, fitted = song_logits.get(run.sha256), metrics.calibration_of(run.config)
        return scores.amt_scores(run.model, songs, hide=hide, videos=videos, song_logits=known, calibration=fitted)

    shipped = [
        scores.chord_scores(songs, each, calibration=metrics.calibration_of(run.config))
        for run, each in zip(found[SHIPPED], logits, strict=True)
    ]
    rows = _chord_baselines(songs, train, validation) | _model_rows(songs, found, shipped, score_with)
    document = _document("chords", split, songs, found, rows) | {
        "steering": video_effect.guidance_effect(songs, logits)
    }
    predictions = [
        row
        for run, of_run in zip(found[SHIPPED], logits, strict=True)
        for song, each in zip(songs, of_run, strict=True)
        for row in _chord_predictions(run, song, each)
    ]
    return ModelEvaluation(document, CHORD_COLUMNS, predictions)


def evaluate_dynamics(data: Path, *, split: str = "test", seeds: int = 1, runs: Path | None = None) -> ModelEvaluation:
    """Evaluate the regressors on a split of MuVi-Sync at `data`. Raises DataError, OptionError, CheckpointError."""
    songs = load_split(data, split)
    found = collect_models(regressor.KIND, regressor.load, regressor.WEIGHTS, runs, seeds=seeds)
    mean = np.concatenate([scores.true_dynamics(song) for song in load_split(data, TRAIN)]).mean(0, dtype=float)
    predicted = [scores.regressor_predictions(run.model, songs) for run in found[SHIPPED]]

    def score_with(run: TrainedModel, hide: tuple[str, ...], videos: Sequence[Song] | None) -> Songs:
        return scores.regressor_scores(run.model, songs, hide=hide, videos=videos)

    shipped = [scores.dynamics_scores(songs, rows) for rows in predicted]
    rows: ModelScores = {"train mean": [scores.constant_dynamics_scores(mean, songs)]}
    rows |= _model_rows(songs, found, shipped, score_with)
    document = _document("dynamics", split, songs, found, rows)
    document["histograms"] = scores.dynamics_histograms(songs, predicted)
    predictions = [
        (SHIPPED, run.seed, song.name, second, *map(float, (true[0], guess[0], true[1], guess[1])))
        for run, guesses in zip(found[SHIPPED], predicted, strict=True)
        for song, each in zip(songs, guesses, strict=True)
        for second, (true, guess) in enumerate(zip(scores.true_dynamics(song), each, strict=True))
    ]
    return ModelEvaluation(document, DYNAMICS_COLUMNS, predictions)


def _model_rows(
    songs: Sequence[Song], found: Mapping[str, Sequence[TrainedModel]], shipped: Sequence[Songs], score_with: ScoreWith
) -> ModelScores:
    """The shipped recipe with all modalities, with some, with another song's video; then the other variants."""
    videos = video_effect.shuffled(songs)
    rows: ModelScores = {SHIPPED: shipped}
    for name, hide in HIDDEN.items():
        rows[name] = [score_with(run, hide, None) for run in found[SHIPPED]]
    rows[SHUFFLED] = [score_with(run, (), videos) for run in found[SHIPPED]]
    for variant in sorted(found.keys() - {SHIPPED}):
        name = f"trained: {variant}"
        rows[name] = [score_with(run, run.hidden, None) for run in found[variant]]
        if name == NO_AFFECTIVE:
            rows[NO_AFFECTIVE_SHUFFLED] = [score_with(run, (), videos) for run in found[variant]]
    return rows


def _document(
    task: str, split: str, songs: Sequence[Song], found: Mapping[str, Sequence[TrainedModel]], rows: ModelScores
) -> dict[str, Any]:
    document = report.build(task, DATA, split, [run.seed for run in found[SHIPPED]], rows)
    return document | {
        "songs": len(songs),
        "models": {variant: [run.card() for run in runs] for variant, runs in found.items()},
        "differences": video_effect.gains(task, rows, SHIPPED, OTHERS)
        | (video_effect.gains(task, rows, NO_AFFECTIVE, NO_AFFECTIVE_OTHERS) if NO_AFFECTIVE in rows else {}),
    }


def _chord_baselines(songs: Sequence[Song], train: Sequence[Song], validation: Sequence[Song]) -> ModelScores:
    mixture = baselines.NGramMixture([song.chords for song in train])
    mixture.fit([song.chords for song in validation])
    share = np.log(baselines.unigram([song.chords for song in train]))

    def calibrated(predict: Callable[[Song], scores.Logits]) -> Songs:
        """Scores of log-probabilities; the emotion BCE is taken after the calibration that is best on val."""
        known = [predict(song)[: len(song)] for song in validation]
        fitted = metrics.fit_calibration(known, [allowed_chords(song.emotion) for song in validation])
        return scores.chord_scores(songs, [predict(song) for song in songs], calibration=fitted)

    return {
        "the songs themselves": [scores.true_chord_scores(songs)],
        "constant per class": [scores.constant_per_class(songs, train)],
        "unigram": [calibrated(lambda song: np.tile(share, (len(song) + 1, 1)))],
        "repeat previous": [scores.repeat_previous(songs)],
        "counts with in-song cache": [calibrated(lambda song: mixture.log_probabilities(song.chords))],
    }


def _chord_predictions(run: TrainedModel, song: Song, logits: scores.Logits) -> list[tuple[Any, ...]]:
    targets = scores.chord_targets(song)
    logits = logits[1 : len(targets) + 1]
    best, rank = logits.argmax(1), metrics.ranks(logits, targets)
    probability = np.exp(-metrics.surprisal(logits, best))
    return [
        (SHIPPED, run.seed, song.name, second, _label(true), _label(guess), float(chance), int(place) + 1)
        for second, (true, guess, chance, place) in enumerate(zip(targets, best, probability, rank, strict=True), 1)
    ]


def _label(index: int) -> str:
    return str(Chord.from_id(int(index))) if index < END else "END" if index == END else "PAD"
