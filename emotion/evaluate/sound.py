"""How well ADFF and the unified model judge sound: folds by artist, game and song of four sets, part by part.

No artist, known game, song or tune is on both sides of a fold. Of MIDI sets all sound is a render. Each row's answers
are kept in `runs`, so that a study that was stopped goes on.
"""

import hashlib
import itertools
import logging
import tempfile
import time
import wave
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emotion import judge, metrics
from emotion.affect import quadrants_at
from emotion.data.pieces import read_split
from emotion.errors import DataError
from emotion.evaluate import classical
from emotion.features.sound import SAMPLE_RATE
from emotion.files import atomic_write
from emotion.models import adff as adff_model
from emotion.models.kernel import KernelRidge
from emotion.report import from_summaries, table
from emotion.train import adff, unified
from emotion.train import dataset as heard_of
from emotion.train.dataset import SourceCache, TrainingPiece, apart

log = logging.getLogger(__name__)

FOLDS = MappingProxyType({"fourq": 10, "ym2413": 10, "emopia": 5, "vgmidi": 5})
TITLES = MappingProxyType({"fourq": "4Q", "ym2413": "YM2413-MDB", "emopia": "EMOPIA", "vgmidi": "VGMIDI"})
ALL = tuple(FOLDS)
DATA = "4Q audio; YM2413-MDB, EMOPIA and VGMIDI rendered"
SPLIT = "out of ten folds by artist (4Q) and game (YM2413-MDB), five by song (EMOPIA) and game (VGMIDI)"
THREADS = 2
COLUMNS = (
    "row", "set", "seed", "piece", "truth", "q1", "q2", "q3", "q4", "valence", "arousal", "true valence", "true arousal"
)  # fmt: skip

Answers = tuple[NDArray, NDArray]  # probabilities (N, 4), places (N, 2)


@dataclass(frozen=True, eq=False)
class Row:
    """A model that is trained on some sets and asked about their held pieces.

    model   "adff", "unified" or "kernel"; `config` and `recipe` change it and how it is trained
    folds, seeds   how many at most are tried
    """

    name: str
    model: str
    sets: tuple[str, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    folds: int = 10
    seeds: int = 10

    def settings(self) -> tuple[Any, Any]:
        """Config and recipe of its model; what the model has none of is None."""
        if self.model == "adff":
            return replace(adff_model.ADFFConfig(), **self.config), replace(adff.ADFFTrainConfig(), **self.recipe)
        return None, replace(unified.UnifiedTrainConfig(), **self.recipe)


@dataclass(frozen=True, eq=False)
class Told:
    """What a row said of pieces that it did not know."""

    pieces: Sequence[TrainingPiece]
    quadrants: NDArray
    affect: NDArray


SINGLE = ("fourq", "emopia", "vgmidi")
_ONE = {"members": 1}
_OWN = {"numbers": 0, **_ONE}
_NO_NOTES = {"use": ("sound", "embedding", "harmony")}
_NO_MUSIC = {"use": ("sound", "embedding")}
_PARTS = Row("ADFF, one network, four folds", "adff", ("fourq",), _ONE, folds=4, seeds=1)
_SLOW = replace(_PARTS, recipe={"steps": 150}, folds=1)
ADFF = Row("ADFF, 4Q and YM2413-MDB (shipped)", "adff", ("fourq", "ym2413"))
UNIFIED = Row("unified, all sets (shipped)", "unified", ALL)
ROWS = (
    ADFF,
    _PARTS,
    replace(_PARTS, name="- no numbers of the log-mel", config={"numbers": 0} | _ONE),
    replace(_PARTS, name="- no squeeze-and-excitation", config={"squeeze": 0} | _ONE),
    replace(_PARTS, name="- one level, the fifth", config={"levels": (5,)} | _ONE),
    replace(_PARTS, name="- GRU", config={"recurrent": "gru"} | _ONE),
    replace(_PARTS, name="- quadrants the only task", recipe={"tasks": ("quadrants",)}),
    replace(_PARTS, name="- the plane the only task", recipe={"tasks": ("affect",)}),
    replace(_SLOW, name="- own blocks, no numbers, C = 3, one fold", config={"cuts": 3} | _OWN),
    replace(_SLOW, name="- own blocks, no numbers, C = 1, one fold", config={"cuts": 1} | _OWN),
    Row("ADFF, one network", "adff", ("vgmidi",), _ONE),
    Row("- the plane the only task", "adff", ("vgmidi",), _ONE, {"tasks": ("affect",)}),
    Row("ADFF, one network", "adff", ("emopia",), _ONE),
    *(Row("kernel ridge on the same numbers", "kernel", (name,), seeds=1) for name in ALL),
    *(Row("unified, this set alone", "unified", (name,)) for name in SINGLE),
    Row("unified, this set alone, no notes", "unified", ("vgmidi",), recipe=_NO_NOTES),
    *(Row("unified, this set alone, no music", "unified", (name,), recipe=_NO_MUSIC) for name in ("fourq", "vgmidi")),
    UNIFIED,
    replace(UNIFIED, name="unified, all sets, no music", recipe=_NO_MUSIC),
    replace(UNIFIED, name="unified, all sets, distilled", recipe={"distil": 0.3}),
)  # fmt: skip
FROM_SOUND = ("unified, this set alone", UNIFIED.name, "kernel ridge on the same numbers")


@dataclass(frozen=True, eq=False)
class Study:
    """The report, and a row for each prediction under COLUMNS."""

    report: dict[str, Any]
    predictions: list[list[Any]]


def study(data: Path, *, runs: Path, rows: Sequence[Row] = ROWS, seeds: int = 1) -> Study:
    """Every row, and that of the classical features. Raises DataError and SoundError."""
    found, taken_s = Trial(data, runs), seconds()  # before the tables fill the memory
    rows_of: dict[str, Any] = {"4Q: 94 classical features, RBF SVM": _classical(data / "fourq", runs)}
    predictions: list[list[Any]] = []
    for row in rows:
        for title, told in found.by_title(row, seeds):
            rows_of[title] = figures(told)
            predictions += itertools.chain.from_iterable(_listed(title, seed, each) for seed, each in enumerate(told))
    report = from_summaries("sound", DATA, SPLIT, list(range(seeds)), rows_of)
    report["agreement"] = agreement(data / "emopia", found.library)
    report["training_s"] = found.training_s()
    report["seconds"] = taken_s
    return Study(report, predictions)


def agreement(emopia_folder: Path, library: SourceCache) -> dict[str, dict[str, Any]]:
    """By pair of shipped judges: how alike they hear renders of EMOPIA's test clips, on which no weights were fitted.

    Share of the same quadrant and what chance would give (Cohen's kappa compares the two), correlation of valence and
    of arousal, each with a 95 % bootstrap interval over clips. PoolingVQ and the unified model have the notes too.
    """
    names = {piece.name for piece in read_split(emopia_folder)["test"]}
    heard = [each.versions[0] for each in library.heard("emopia", emopia_folder, names)]
    told = {}
    for name in judge.LISTENERS:
        reports = judge.load(name).predict_segments(heard)
        told[name] = np.array([[each.whole.valence, each.whole.arousal, *each.whole.quadrants] for each in reports])
    return {
        f"{one} and {other}": metrics.summaries(metrics.of_two_judges, [told[one]], told[other])
        for one, other in itertools.combinations(told, 2)
    }


def seconds(duration_s: float = 60.0, repeats: int = 3) -> dict[str, float]:
    """By shipped judge how long it takes on THREADS, loaded and warm, to read and hear a minute of sound, the best."""
    taken = {}
    torch.set_num_threads(THREADS)
    with tempfile.TemporaryDirectory(prefix="judges-") as folder:
        path = Path(folder, "minute.wav")
        _write_tones(path, duration_s)
        for name in judge.LISTENERS:
            listening = judge.load(name)
            listening.predict(path)
            taken[name] = min(_timed(partial(listening.predict, path)) for _ in range(repeats))
    return taken


def _timed(do: Callable[[], Any]) -> float:
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


def _write_tones(path: Path, duration_s: float) -> None:
    """A minute's worth of struck chords as a WAV."""
    times_s = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    tones = sum(np.sin(2 * np.pi * hertz * times_s) for hertz in (220.0, 277.2, 329.6)) * np.exp(-3 * (times_s % 0.5))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((tones * 8000).astype("<i2").tobytes())


def as_text(report: Mapping[str, Any]) -> str:
    """The tables as Markdown: a set at a time, how judges agree, how long they take."""
    by_set: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, row in report["rows"].items():
        source, title = name.split(": ", 1)
        by_set[source][title] = row
    parts = [f"{source}\n\n{table({'rows': rows})}" for source, rows in by_set.items()]
    parts.append(f"Judges on renders of EMOPIA's test clips\n\n{table({'rows': report['agreement']})}")
    parts.append(_two_columns(f"a minute of sound on {THREADS} threads, s", report["seconds"]))
    parts.append(_two_columns("a fold's training and answers, s", report["training_s"]))
    return "\n\n".join(parts) + "\n"


def _two_columns(title: str, values: Mapping[str, float]) -> str:
    return "\n".join([f"| {title} | |", "|---|---|", *(f"| {name} | {value:.2f} |" for name, value in values.items())])


def _classical(folder: Path, runs: Path) -> dict[str, Any]:
    settings = repr((classical.RECIPE, classical.C_GRID, classical.GAMMA_GRID))
    path = runs / "answers" / f"classical-{hashlib.sha256(settings.encode()).hexdigest()[:10]}.npz"
    if not path.is_file():
        told, truth, _ = classical.rows(folder, runs / "classical")
        _keep(path, {"quadrants": told, "truth": truth})
    with np.load(path, allow_pickle=False) as kept:
        return metrics.summaries(metrics.of_quadrants, [kept["quadrants"]], kept["truth"])


def _keep(path: Path, answers: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as partial, partial.open("wb") as file:
        np.savez(file, **answers)


def of_set(told: Told, source: str) -> Told:
    kept = [index for index, piece in enumerate(told.pieces) if piece.source == source]
    return Told([told.pieces[index] for index in kept], told.quadrants[kept], told.affect[kept])


def figures(told: Sequence[Told]) -> dict[str, Any]:
    """What the seeds' answers about the same pieces come to."""
    pieces = told[0].pieces
    if pieces[0].affect:
        places = np.array([piece.affect for piece in pieces])
        return metrics.summaries(metrics.of_affect, [each.affect for each in told], places)
    quadrants = np.array([piece.quadrant for piece in pieces])
    found = metrics.summaries(metrics.of_quadrants, [each.quadrants for each in told], quadrants)
    del found["ece"]  # nobody calibrated these
    return found


def _listed(name: str, seed: int, told: Told) -> list[list[Any]]:
    rows = zip(told.pieces, told.quadrants.tolist(), told.affect.tolist(), strict=True)
    return [
        [name, each.source, seed, each.name, (each.quadrant or 0) + 1, *quadrants, *place, *(each.affect or ("", ""))]
        for each, quadrants, place in rows
    ]


class Trial:
    """Trains what rows ask for, and keeps their answers below `runs`."""

    def __init__(self, data: Path, runs: Path) -> None:
        self.data, self.runs = data, runs
        self.library = SourceCache(runs / "library")
        self.taken_s: dict[Row, list[float]] = defaultdict(list)
        self._kept: dict[tuple[str, str], Sequence[Any]] = {}

    def by_title(self, row: Row, seeds: int) -> Iterator[tuple[str, Sequence[Told]]]:
        """A row's answers, seed by seed, about each of its sets, and about the sound alone where it was asked that."""
        kinds = zip(*(self.told(row, seed) for seed in range(min(seeds, row.seeds))), strict=True)
        for source, (told, suffix) in itertools.product(row.sets, zip(kinds, ("", ", sound alone"), strict=True)):
            kept = [of_set(each, source) for each in told if each is not None]
            if kept and kept[0].pieces:
                yield f"{TITLES[source]}: {row.name}{suffix}", kept

    def told(self, row: Row, seed: int = 0) -> tuple[Told, Told | None]:
        """A row's answers about all held pieces; and about their sound alone, where the row was asked for that too."""
        folds = range(min(row.folds, max(FOLDS[name] for name in row.sets)))
        whole, alone = zip(*(self._fold(row, seed, fold) for fold in folds), strict=True)
        return _joined(whole), _joined([each for each in alone if each is not None])

    def _fold(self, row: Row, seed: int, fold: int) -> tuple[Told, Told | None]:
        everything = self.material(row)
        held = [each for each in everything if each.piece.fold == fold]
        path = self.runs / "answers" / f"{_slug(row, seed)}-{fold}.npz"
        if not path.is_file():
            started = time.perf_counter()
            answers = _MODELS[row.model](row, apart(everything, held), held, seed)
            answers["taken_s"] = np.array(time.perf_counter() - started)
            _keep(path, answers)
            log.info("%s on %s, seed %d, fold %d", row.name, ", ".join(row.sets), seed, fold)
        with np.load(path, allow_pickle=False) as kept:
            found = dict(kept)
        if len(found["quadrants"]) != len(held):
            raise DataError(f"{path} is of other data: remove it")
        self.taken_s[row].append(float(found.get("taken_s", np.nan)))
        pieces = [each.piece for each in held]
        whole = Told(pieces, found["quadrants"], found["affect"])
        rendered = [index for index, piece in enumerate(pieces) if piece.source != "fourq"]
        if "quadrants_alone" not in found or not rendered:
            return whole, None
        alone = (found[name][rendered] for name in ("quadrants_alone", "affect_alone"))
        return whole, Told([pieces[index] for index in rendered], *alone)

    def training_s(self) -> dict[str, float]:
        """By set and row of ADFF the mean time of a fold, where it was taken."""
        return {
            f"{', '.join(TITLES[name] for name in row.sets)}: {row.name}": float(np.mean(taken))
            for row, taken in self.taken_s.items()
            if row.model == "adff" and np.isfinite(taken).all()
        }

    def material(self, row: Row) -> list[Any]:
        """Every piece of a row's sets, as its model takes it: Lessons for ADFF, Items for the others."""
        kind = "lessons" if row.model == "adff" else row.settings()[1].frontend
        for name in row.sets:
            if (kind, name) not in self._kept:
                load = self._lessons if kind == "lessons" else partial(unified.items, self.library, frontend=kind)
                self._kept[kind, name] = load(name, self.data / name)
        return [each for name in row.sets for each in self._kept[kind, name]]

    def _lessons(self, name: str, folder: Path) -> list[adff.ADFFTrainingSet]:
        return [adff.lesson(each) for each in self.library.heard(name, folder)]


def _joined(parts: Sequence[Told]) -> Any:
    if not parts:
        return None
    pieces = [piece for part in parts for piece in part.pieces]
    return Told(pieces, *(np.concatenate([getattr(p, name) for p in parts]) for name in ("quadrants", "affect")))


def _slug(row: Row, seed: int) -> str:
    """The name of a row's answers: another one whenever its settings or what is heard of a set change."""
    heard = [(name, heard_of.VERSIONS[name], heard_of.LONGEST_S[name]) for name in row.sets]
    told = repr((row.settings(), heard, unified.NUMBERS, row.name in FROM_SOUND))
    return "-".join([row.model, *row.sets, hashlib.sha256(told.encode()).hexdigest()[:10], str(seed)])


def _adff(
    row: Row, known: Sequence[adff.ADFFTrainingSet], held: Sequence[adff.ADFFTrainingSet], seed: int
) -> dict[str, Any]:
    config, recipe = row.settings()
    model = adff.trained(known, config, recipe, seed=seed)
    quadrants, affect = adff.ask(model, held)
    if "quadrants" not in recipe.tasks:
        quadrants = quadrants_at(affect)
    return {"quadrants": quadrants, "affect": affect}


def _unified(
    row: Row, known: Sequence[unified.UnifiedItem], held: Sequence[unified.UnifiedItem], seed: int
) -> dict[str, Any]:
    _, recipe = row.settings()
    model = unified.trained(known, recipe, seed=seed)
    quadrants, affect = unified.ask(model, held, use=recipe.use)
    found = {"quadrants": quadrants, "affect": affect}
    if row.name in FROM_SOUND:
        alone = unified.ask(model, held, row=1, use=recipe.use)
        found |= dict(zip(("quadrants_alone", "affect_alone"), alone, strict=True))
    return found


def _kernel(
    row: Row, known: Sequence[unified.UnifiedItem], held: Sequence[unified.UnifiedItem], seed: int
) -> dict[str, Any]:
    """The teachers by themselves: kernel ridge on whole pieces of one set, without networks and so without chance."""
    recipe, found = row.settings()[1], dict[str, Any]()
    inputs = np.stack([each.values[0] for each in known])
    truth = np.array([[*np.eye(4)[each.piece.quadrant], *(each.piece.affect or (0, 0))] for each in known])
    ridge = KernelRidge(len(inputs), inputs.shape[1], 6, gamma=recipe.width / inputs.shape[1])
    ridge.fit(torch.from_numpy(inputs), torch.from_numpy(truth).float(), ridge=recipe.ridge)
    for place, suffix in ((0, ""), (1, "_alone")):
        told = ridge(torch.from_numpy(np.stack([each.values[place] for each in held]))).numpy()
        found |= {"quadrants" + suffix: told[:, :4], "affect" + suffix: told[:, 4:]}
    return found


_MODELS: Mapping[str, Callable[[Row, Sequence[Any], Sequence[Any], int], dict[str, Any]]] = MappingProxyType(
    {"adff": _adff, "unified": _unified, "kernel": _kernel}
)
