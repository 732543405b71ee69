"""How well ADFF and the unified model predict from sound: folds by artist, game and song of four sets, and ablations.

Of MIDI sets all sound is a render. Predictions of each experiment are kept in `runs` (emotion.train.crossval), so that
an evaluation that was stopped goes on. Called by `python -m emotion evaluate sound`.
"""

import hashlib
import itertools
import tempfile
import timeit
import wave
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emotion import judge, metrics
from emotion.data.pieces import read_emopia_split
from emotion.data.registry import TRAINING_SETS
from emotion.evaluate import classical
from emotion.features.sound import SAMPLE_RATE
from emotion.report import Evaluation, from_summaries, table
from emotion.train.crossval import (
    ADFF,
    SPLIT,
    UNIFIED,
    CrossValidation,
    Experiment,
    HeldOutPredictions,
    save_arrays,
    summarise,
)
from emotion.train.dataset import SegmentCache

DATA = "4Q audio; YM2413-MDB, EMOPIA and VGMIDI rendered"
THREADS = 2  # as on the machine whose times are published
COLUMNS = (
    "row", "set", "seed", "piece", "truth", "q1", "q2", "q3", "q4", "valence", "arousal", "true valence", "true arousal"
)  # fmt: skip

SINGLE = ("fourq", "emopia", "vgmidi")
_ONE = {"members": 1}
_OWN = {"numbers": 0, **_ONE}
_NO_NOTES = {"use": ("sound", "embedding", "harmony")}
_NO_MUSIC = {"use": ("sound", "embedding")}
_PARTS = Experiment("ADFF, one network, four folds", "adff", ("fourq",), _ONE, folds=4, seeds=1)
_SLOW = replace(_PARTS, recipe={"steps": 150}, folds=1)
EXPERIMENTS = (
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
    Experiment("ADFF, one network", "adff", ("vgmidi",), _ONE),
    Experiment("- the plane the only task", "adff", ("vgmidi",), _ONE, {"tasks": ("affect",)}),
    Experiment("ADFF, one network", "adff", ("emopia",), _ONE),
    *(Experiment("kernel ridge on the same numbers", "kernel", (name,), seeds=1) for name in TRAINING_SETS),
    *(Experiment("unified, this set alone", "unified", (name,)) for name in SINGLE),
    Experiment("unified, this set alone, no notes", "unified", ("vgmidi",), recipe=_NO_NOTES),
    *(
        Experiment("unified, this set alone, no music", "unified", (name,), recipe=_NO_MUSIC)
        for name in ("fourq", "vgmidi")
    ),
    UNIFIED,
    replace(UNIFIED, name="unified, all sets, no music", recipe=_NO_MUSIC),
    replace(UNIFIED, name="unified, all sets, distilled", recipe={"distil": 0.3}),
)  # fmt: skip


def evaluate(data: Path, *, runs: Path, experiments: Sequence[Experiment] = EXPERIMENTS, seeds: int = 1) -> Evaluation:
    """Every experiment, and the baseline on classical features. Raises DataError and SoundError."""
    found, judge_s = CrossValidation(data, runs), prediction_s()  # timed before pieces fill the memory
    rows: dict[str, Any] = {"4Q: 94 classical features, RBF SVM": _classical(data / "fourq", runs)}
    predictions: list[list[Any]] = []
    for experiment in experiments:
        for title, by_seed in found.by_title(experiment, seeds):
            rows[title] = summarise(by_seed)
            for seed, each in enumerate(by_seed):
                predictions += _listed(title, seed, each)
    report = from_summaries("sound", DATA, SPLIT, list(range(seeds)), rows)
    report["agreement"] = agreement(data / "emopia", found.cache)
    report["training_s"] = found.training_s()
    report["seconds"] = judge_s
    return Evaluation(report, predictions)


def _classical(folder: Path, runs: Path) -> dict[str, Any]:
    settings = repr((classical.RECIPE, classical.C_GRID, classical.GAMMA_GRID))
    path = runs / "predictions" / f"classical-{hashlib.sha256(settings.encode()).hexdigest()[:10]}.npz"
    if not path.is_file():
        probabilities, truth, _ = classical.predict_fourq(folder, runs / "classical")
        save_arrays(path, {"quadrants": probabilities, "truth": truth})
    with np.load(path, allow_pickle=False) as kept:
        return metrics.summaries(metrics.of_quadrants, [kept["quadrants"]], kept["truth"])


def _listed(name: str, seed: int, predicted: HeldOutPredictions) -> list[list[Any]]:
    """Rows under COLUMNS."""
    rows = zip(predicted.pieces, predicted.quadrants.tolist(), predicted.affect.tolist(), strict=True)
    return [
        [name, each.source, seed, each.name, (each.quadrant or 0) + 1, *quadrants, *point, *(each.affect or ("", ""))]
        for each, quadrants, point in rows
    ]


def agreement(emopia_folder: Path, cache: SegmentCache) -> dict[str, dict[str, Any]]:
    """By pair of shipped judges: agreement on renders of EMOPIA's test clips, on which no weights were fitted.

    Share of the same quadrant and what chance would give (Cohen's kappa compares the two), correlation of valence and
    of arousal, each with a 95 % bootstrap interval over clips. PoolingVQ and the unified model have the notes too.
    """
    names = {piece.name for piece in read_emopia_split(emopia_folder)["test"]}
    segments = [each.versions[0] for each in cache.read("emopia", emopia_folder, names)]
    predicted = {}
    for name in judge.JUDGES:
        reports = judge.load(name).predict_segments(segments)
        predicted[name] = np.array(
            [[each.whole.valence, each.whole.arousal, *each.whole.quadrants] for each in reports]
        )
    return {
        f"{one} and {other}": metrics.summaries(metrics.of_two_judges, [predicted[one]], predicted[other])
        for one, other in itertools.combinations(predicted, 2)
    }


def prediction_s(duration_s: float = 60.0, repeats: int = 3) -> dict[str, float]:
    """By shipped judge the shortest time in s to read a minute of sound and predict, loaded and warm, on THREADS."""
    taken = {}
    torch.set_num_threads(THREADS)
    with tempfile.TemporaryDirectory(prefix="judges-") as folder:
        path = Path(folder, "minute.wav")
        _write_tones(path, duration_s)
        for name in judge.JUDGES:
            shipped = judge.load(name)
            shipped.predict(path)  # warm-up: what is loaded at first use does not count
            taken[name] = min(timeit.repeat(partial(shipped.predict, path), number=1, repeat=repeats))
    return taken


def _write_tones(path: Path, duration_s: float) -> None:
    """Decaying chords, two a second, as a WAV."""
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
    parts.append(_two_columns("a fold's training and predictions, s", report["training_s"]))
    return "\n\n".join(parts) + "\n"


def _two_columns(title: str, values: Mapping[str, float]) -> str:
    return "\n".join([f"| {title} | |", "|---|---|", *(f"| {name} | {value:.2f} |" for name, value in values.items())])
