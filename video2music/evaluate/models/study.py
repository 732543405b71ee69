"""Trained models to evaluate: the shipped weights, and the checkpoints that training left in a folder.

A checkpoint's config says under `training` which variant it is (`variant`, the shipped recipe where missing) and with
which seed it was trained (`recipe.seed`).

`evaluate chords` and `evaluate dynamics`: every row of the table by one and the same code.

Hidden or exchanged modalities tell what the shipped weights owe to the picture; rows of other runs, called `trained:`,
see everything that they saw in training. Nothing here is selected on the split that is reported: the weights of the
in-song cache and the calibrations of the baselines come from val, counts and means from train.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from emotion import report
from emotion.checkpoint import CONFIG, Checkpoint
from emotion.errors import CheckpointError, DataError
from emotion.report import Songs
from video2music.chords import END, Chord
from video2music.data.muvi_sync import Song, load_split
from video2music.errors import OptionError
from video2music.evaluate.models import baselines, chords, dynamics, metrics, video_effect
from video2music.model import amt, regressor
from video2music.model.conditioning import allowed_chords
from video2music.model.video import MODALITIES

log = logging.getLogger(__name__)

SHIPPED = "shipped"


@dataclass(frozen=True)
class Run:
    """A trained model, where it lay in the folder of runs, and what its config says."""

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
        return self.config.get("training", {})

    @property
    def recipe(self) -> Mapping[str, Any]:
        return self.training.get("recipe", {})

    @property
    def unseen(self) -> tuple[str, ...]:
        """The modalities that were hidden in all of its training: shown now they would only be noise."""
        rates = self.training.get("drop_rates", ())
        return tuple(name for name, rate in zip(MODALITIES, rates, strict=False) if rate >= 1)

    def card(self) -> dict[str, Any]:
        """What a report tells of it."""
        return {"run": self.name, "seed": self.seed, "sha256": self.sha256}


Loader = Callable[[Path], tuple[Any, Checkpoint]]


def gather(kind: str, load: Loader, shipped: Path, folder: Path | None, *, seeds: int) -> dict[str, list[Run]]:
    """By variant its runs, lowest seed first, the shipped variant leading with the shipped weights.

    Of that variant exactly `seeds` are taken. A run that repeats variant and seed of another, or is called shipped and
    was trained with another recipe or other dimensions, is left out and told of. Raises OptionError, DataError and
    CheckpointError.
    """
    if seeds < 1:
        raise OptionError(f"--seeds {seeds} leaves nothing to evaluate: give 1 or more")
    first = _read(load, shipped, "shipped weights")
    found: dict[str, list[Run]] = {SHIPPED: [first]}
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
    _demand(seeds, by_variant[SHIPPED], kind, folder)
    return by_variant | {SHIPPED: by_variant[SHIPPED][:seeds]}


def _read(load: Loader, folder: Path, name: str) -> Run:
    model, found = load(folder)
    run = Run(model, name, found.config, found.sha256)
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


def _reason_against(run: Run, found: Mapping[str, Sequence[Run]]) -> str | None:
    first = found[SHIPPED][0]
    twin = next((other for other in found.get(run.variant, ()) if other.seed == run.seed), None)
    if twin:
        return f"{twin.name} is the same variant ({run.variant}) with the same seed ({run.seed})"
    if run.variant == SHIPPED and _recipe(run) != _recipe(first):
        return "it was trained with another recipe or other dimensions than the shipped weights"
    return None


def _recipe(run: Run) -> tuple[Any, dict[str, Any]]:
    return run.config.get("model"), {name: value for name, value in run.recipe.items() if name != "seed"}


def _demand(seeds: int, runs: Sequence[Run], kind: str, folder: Path | None) -> None:
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
"""What the true video is compared with, and the row of it."""
PLAIN = "trained: affective 0"
PLAIN_SHUFFLED = f"{PLAIN}, another song's video"
PLAIN_OTHERS = MappingProxyType({
    "without affective loss: another song's video": PLAIN_SHUFFLED,
    "without affective loss: trained without video": f"{PLAIN}, no video",
})  # fmt: skip
"""The same for a model that was trained without the affective loss, which costs likelihood of its own."""

CHORD_COLUMNS = ("model", "seed", "song", "second", "chord", "predicted", "probability", "rank")
DYNAMICS_COLUMNS = ("model", "seed", "song", "second", *(f"{p}{n}" for n in dynamics.NAMES for p in ("", "predicted_")))

Rows = dict[str, Sequence[Songs]]
Watch = Callable[[Run, tuple[str, ...], Sequence[Song] | None], Songs]
"""Figures of a run with modalities hidden and, if given, these songs' videos."""


class Study(NamedTuple):
    """The report in its JSON form, and a row for each prediction of the shipped recipe; `columns` names its fields."""

    report: dict[str, Any]
    columns: Sequence[str]
    predictions: list[tuple]


def study_chords(data: Path, *, split: str = "test", seeds: int = 1, runs: Path | None = None) -> Study:
    """Evaluate the chord models on a split of MuVi-Sync at `data`. Raises DataError, OptionError, CheckpointError."""
    songs = load_split(data, split)
    found = gather(amt.KIND, amt.load, amt.WEIGHTS, runs, seeds=seeds)
    train, validation = (load_split(data, name) for name in (TRAIN, VALIDATION))
    heard = {run.sha256: chords.heard(run.model, songs) for run in found[SHIPPED]}
    said = [chords.logits_of(run.model, songs, heard=heard[run.sha256]) for run in found[SHIPPED]]

    def watch(run: Run, hide: tuple[str, ...], videos: Sequence[Song] | None) -> Songs:
        past, fitted = heard.get(run.sha256), metrics.of_config(run.config)
        return chords.amt(run.model, songs, hide=hide, watch=videos, heard=past, calibration=fitted)

    shipped = [
        chords.scores(songs, logits, calibration=metrics.of_config(run.config))
        for run, logits in zip(found[SHIPPED], said, strict=True)
    ]
    rows = _chord_baselines(songs, train, validation) | _model_rows(songs, found, shipped, watch)
    document = _document("chords", split, songs, found, rows) | {"steering": video_effect.steered(songs, said)}
    predictions = [
        row
        for run, logits in zip(found[SHIPPED], said, strict=True)
        for song, each in zip(songs, logits, strict=True)
        for row in _predicted_chords(run, song, each)
    ]
    return Study(document, CHORD_COLUMNS, predictions)


def study_dynamics(data: Path, *, split: str = "test", seeds: int = 1, runs: Path | None = None) -> Study:
    """Evaluate the regressors on a split of MuVi-Sync at `data`. Raises DataError, OptionError, CheckpointError."""
    songs = load_split(data, split)
    found = gather(regressor.KIND, regressor.load, regressor.WEIGHTS, runs, seeds=seeds)
    mean = np.concatenate([dynamics.truth_of(song) for song in load_split(data, TRAIN)]).mean(0, dtype=float)
    said = [dynamics.rows_of(run.model, songs) for run in found[SHIPPED]]

    def watch(run: Run, hide: tuple[str, ...], videos: Sequence[Song] | None) -> Songs:
        return dynamics.regressor(run.model, songs, hide=hide, watch=videos)

    shipped = [dynamics.scores(songs, rows) for rows in said]
    rows: Rows = {"train mean": [dynamics.constant(mean, songs)], **_model_rows(songs, found, shipped, watch)}
    document = _document("dynamics", split, songs, found, rows) | {"histograms": dynamics.histograms(songs, said)}
    predictions = [
        (SHIPPED, run.seed, song.name, second, *map(float, (true[0], guess[0], true[1], guess[1])))
        for run, guesses in zip(found[SHIPPED], said, strict=True)
        for song, each in zip(songs, guesses, strict=True)
        for second, (true, guess) in enumerate(zip(dynamics.truth_of(song), each, strict=True))
    ]
    return Study(document, DYNAMICS_COLUMNS, predictions)


def _model_rows(
    songs: Sequence[Song], found: Mapping[str, Sequence[Run]], shipped: Sequence[Songs], watch: Watch
) -> Rows:
    """The shipped recipe with all modalities, with some, with another song's video; then the other variants."""
    videos = video_effect.shuffled(songs)
    rows: Rows = {SHIPPED: shipped}
    for name, hide in HIDDEN.items():
        rows[name] = [watch(run, hide, None) for run in found[SHIPPED]]
    rows[SHUFFLED] = [watch(run, (), videos) for run in found[SHIPPED]]
    for variant in sorted(found.keys() - {SHIPPED}):
        name = f"trained: {variant}"
        rows[name] = [watch(run, run.unseen, None) for run in found[variant]]
        if name == PLAIN:
            rows[PLAIN_SHUFFLED] = [watch(run, (), videos) for run in found[variant]]
    return rows


def _document(
    task: str, split: str, songs: Sequence[Song], found: Mapping[str, Sequence[Run]], rows: Rows
) -> dict[str, Any]:
    document = report.build(task, DATA, split, [run.seed for run in found[SHIPPED]], rows)
    return document | {
        "songs": len(songs),
        "models": {variant: [run.card() for run in runs] for variant, runs in found.items()},
        "differences": video_effect.gains(task, rows, SHIPPED, OTHERS)
        | (video_effect.gains(task, rows, PLAIN, PLAIN_OTHERS) if PLAIN in rows else {}),
    }


def _chord_baselines(songs: Sequence[Song], train: Sequence[Song], validation: Sequence[Song]) -> Rows:
    counted = baselines.Counts([song.chords for song in train])
    counted.fit([song.chords for song in validation])
    share = np.log(baselines.unigram([song.chords for song in train]))

    def calibrated(say: Callable[[Song], chords.Logits]) -> Songs:
        """Figures of log-probabilities, the emotion BCE after the affine map that is best on val."""
        known = [say(song)[: len(song)] for song in validation]
        fitted = metrics.fit(known, [allowed_chords(song.emotion) for song in validation])
        return chords.scores(songs, [say(song) for song in songs], calibration=fitted)

    return {
        "the songs themselves": [chords.of_the_songs(songs)],
        "constant per class": [chords.constant_per_class(songs, train)],
        "unigram": [calibrated(lambda song: np.tile(share, (len(song) + 1, 1)))],
        "repeat previous": [chords.repeat_previous(songs)],
        "counts with in-song cache": [calibrated(lambda song: counted.log_probabilities(song.chords))],
    }


def _predicted_chords(run: Run, song: Song, said: chords.Logits) -> list[tuple]:
    targets = chords.targets_of(song)
    said = said[1 : len(targets) + 1]
    best, rank = said.argmax(1), metrics.ranks(said, targets)
    probability = np.exp(-metrics.surprise(said, best))
    return [
        (SHIPPED, run.seed, song.name, second, _label(true), _label(guess), float(chance), int(place) + 1)
        for second, (true, guess, chance, place) in enumerate(zip(targets, best, probability, rank, strict=True), 1)
    ]


def _label(index: int) -> str:
    return str(Chord.from_id(int(index))) if index < END else "END" if index == END else "PAD"
