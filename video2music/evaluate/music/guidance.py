"""`evaluate guidance`: asked for a feeling, do pieces have it, and what do steering and selection add?

Stretches of MuVi-Sync's test features and given clips are scored for each of the four quadrants with several seeds, by
the same code as `generate`, and every finished sound is heard by two judges. The one that reports had no part in any
choice, nor in any training data, of the one that selects. Requests are balanced, so that chance is one in four, and
the highest rank correlation that can be had with requests of two values an axis is sqrt(3) / 2 = .87.
"""

import json
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

import emotion.judge
from emotion import affect
from emotion.affect import PLACES, QUADRANTS
from emotion.errors import DataError
from emotion.files import whole_file
from emotion.midi import synthesis
from emotion.report import from_summaries
from video2music import features, pipeline
from video2music.arranging import midi
from video2music.composing.draft import load_models, score_of
from video2music.data.muvi_sync import Song, load_split
from video2music.errors import OptionError
from video2music.evaluate.models.study import Study
from video2music.evaluate.tables import grid
from video2music.mixing import mix
from video2music.options import Options
from video2music.values import Cut, VideoFeatures

log = logging.getLogger(__name__)

JUDGES = MappingProxyType({"selecting": pipeline.SELECTS, "reporting": pipeline.REPORTS})
SYSTEMS: Mapping[str, Mapping[str, Any]] = MappingProxyType({
    "guidance off": {"strength": 0.0, "candidates": 1},
    "steering": {"candidates": 1},
    "steering and selection": {},
})  # fmt: skip
"""What each system changes in the product's default options."""
SHORTEST_S, LONGEST_S = 30, 60
CUT_STRENGTH = 3.0  # of MuVi-Sync's cuts, which have none: what a cut must reach to be one
RESAMPLES = 2000
COLUMNS = ("system", "stretch", "request", "seed", "judge", *QUADRANTS, "valence", "arousal")
FIGURES = MappingProxyType({"quadrant": "quadrant heard", "rho_valence": "valence ρ", "rho_arousal": "arousal ρ"})
METRICS = MappingProxyType({
    f"{role}_{metric}": (f"{role}: {heading}", 3)
    for role in ("reporting", "selecting")
    for metric, heading in FIGURES.items()
})  # fmt: skip
_NOTE = (
    "Share of the pieces in which a judge hears the requested quadrant (chance .25), and Spearman's ρ of requested and "
    "heard valence and arousal (at most .87, as requests have two values an axis); mean [95 % bootstrap interval over "
    "stretches]. The selecting judge (PoolingVQ; sound and MIDI) chose among the candidates, so its figures flatter "
    "selection; the reporting judge (sound alone, trained on other data) had no part in it."
)
_CONFUSION_NOTE = "What the reporting judge heard (columns) where a quadrant was requested (rows), with {system}."


@dataclass(frozen=True, eq=False)
class Stretch:
    """What was seen of a song's video or a clip; `clip` tells which of the two."""

    name: str
    seen: VideoFeatures
    clip: bool


@dataclass(frozen=True)
class Heard:
    """What one judge heard of one piece: probabilities of the quadrants, valence and arousal."""

    system: str
    stretch: str
    clip: bool
    request: str
    seed: int
    judge: str
    quadrants: tuple[float, float, float, float]
    valence: float
    arousal: float


def study(
    features_folder: Path,
    *,
    clips: Path | None = None,
    stretches: int = 14,
    seeds: int = 2,
    jobs: int = 1,
    keep: Path | None = None,
) -> Study:
    """Compose, render and hear everything. `keep` is a folder for what is heard; what lies there is not made again.

    Raises DataError, OptionError, CheckpointError.
    """
    if stretches < 1 or seeds < 1 or jobs < 1:
        raise OptionError("--stretches, --seeds and --jobs must be 1 or more each")
    weights = {name: emotion.judge.load(name).listener.sha256 for name in JUDGES.values()}
    items = [*of_songs(load_split(features_folder, "test"), stretches), *(of_clips(clips) if clips else ())]
    hear = partial(_heard, seeds=seeds, keep=keep, weights={**weights, **load_models().sha256})
    heard = [each for found in _in_order(hear, items, jobs) for each in found]
    return Study(_report(heard, seeds, weights), COLUMNS, [_row(each) for each in heard])


def of_songs(songs: Sequence[Song], count: int) -> list[Stretch]:
    """Stretches of 30 to 60 s from `count` of the songs, evenly spread over the split. Raises DataError."""
    long = [song for song in songs if len(song) >= SHORTEST_S]
    if len(long) < count:
        raise DataError(f"{count} stretches were wanted, but only {len(long)} songs last {SHORTEST_S} s: ask for fewer")
    rng = np.random.default_rng(0)
    chosen = [long[place] for place in np.linspace(0, len(long) - 1, count).round().astype(int)]
    return [_stretch_of(song, rng) for song in chosen]


def _stretch_of(song: Song, rng: np.random.Generator) -> Stretch:
    seconds = int(rng.integers(SHORTEST_S, min(len(song), LONGEST_S) + 1))
    start = int(rng.integers(len(song) - seconds + 1))
    return Stretch(f"{song.name}:{start}-{start + seconds}", seen_of(song, start, start + seconds), clip=False)


def seen_of(song: Song, start: int, end: int) -> VideoFeatures:
    """The rows from one second until before another as if a clip of that length had been watched."""
    emotions = song.emotion[start:end] / song.emotion[start:end].sum(1, keepdims=True)
    offsets = song.scene_offset[start:end]
    return VideoFeatures(
        duration_s=float(end - start),
        encoder="muvi_sync",
        emotion=emotions,
        motion=song.motion[start:end],
        scene_offset=offsets,
        affect=affect.expected_place(emotions),
        cuts=tuple(Cut(float(at), CUT_STRENGTH) for at in np.flatnonzero(np.diff(offsets) < 0) + 1),
        semantic=song.semantic[start:end].astype(np.float32),
    )


def of_clips(folder: Path) -> list[Stretch]:
    """What there is to see in every video of a folder, of its first 60 s. Raises DataError."""
    paths = [path for path in sorted(folder.iterdir()) if path.is_file()] if folder.is_dir() else []
    if not paths:
        raise DataError(f"there are no clips at {folder}: give a folder of videos, or leave --clips out")
    return [Stretch(path.name, _first_minute(features.extract(path)), clip=True) for path in paths]


def _first_minute(seen: VideoFeatures) -> VideoFeatures:
    if seen.duration_s <= LONGEST_S:
        return seen
    return replace(
        seen,
        duration_s=float(LONGEST_S),
        cuts=tuple(cut for cut in seen.cuts if cut.time_s < LONGEST_S),
        **{
            name: rows[:LONGEST_S]
            for name in ("emotion", "motion", "scene_offset", "affect", "semantic")
            if (rows := getattr(seen, name)) is not None
        },
    )


def _in_order(hear: "partial[list[Heard]]", items: Sequence[Stretch], jobs: int) -> Iterator[list[Heard]]:
    """What was heard of each stretch, by as many processes as there are jobs."""
    if jobs == 1:
        results: Iterator[list[Heard]] = map(hear, items)
        yield from _told(results, len(items))
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        yield from _told(pool.map(hear, items), len(items))


def _told(results: Iterator[list[Heard]], count: int) -> Iterator[list[Heard]]:
    for number, result in enumerate(results, 1):
        log.info("stretch %d of %d, %s", number, count, result[0].stretch)
        yield result


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _heard(stretch: Stretch, *, seeds: int, keep: Path | None, weights: Mapping[str, str]) -> list[Heard]:
    """Every piece for one stretch, heard by every judge."""
    found = []
    for system, changes in SYSTEMS.items():
        for request in QUADRANTS:
            for seed in range(seeds):
                options = replace(Options(emotion=request, seed=seed), **changes)
                piece = _kept(stretch, options, keep, weights)
                found += [
                    Heard(system, stretch.name, stretch.clip, request, seed, judge, **piece[judge])
                    for judge in JUDGES.values()
                ]
    return found


def _kept(stretch: Stretch, options: Options, keep: Path | None, weights: Mapping[str, str]) -> dict[str, Any]:
    """By judge what it hears in a piece; read from `keep` where the same weights and options made it before."""
    asked = json.loads(json.dumps({"weights": dict(weights), "options": asdict(options)}))  # as a file gives it back
    name = f"{options.emotion}-{options.seed}-{options.strength:g}-of-{options.candidates}.json"
    told = keep and keep / stretch.name.replace(":", "_") / name
    if told and told.is_file() and (found := json.loads(told.read_text()))["asked"] == asked:
        return found["heard"]
    heard = compose_and_hear(stretch.seen, options)
    if told:
        told.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(told) as unfinished:
            unfinished.write_text(json.dumps({"asked": asked, "heard": heard}, indent=1) + "\n")
    return heard


def compose_and_hear(seen: VideoFeatures, options: Options) -> dict[str, Any]:
    """Compose, render and master as `generate` would; by judge the quadrants, valence and arousal of the whole."""
    composition = pipeline.write(seen, options).composition
    duration_s = composition.form.duration_s
    with tempfile.TemporaryDirectory(prefix="guidance-") as folder:
        score, sound = Path(folder, "piece.mid"), Path(folder, "piece.wav")
        midi.write(score_of(composition), score)
        mix.master(synthesis.render(score, duration_s=duration_s), sound, duration_s=duration_s)
        return {name: _whole(emotion.judge.load(name), sound, score) for name in JUDGES.values()}


def _whole(judge: emotion.judge.Judge, sound: Path, score: Path) -> dict[str, Any]:
    hears_midi = emotion.judge.MIDI in judge.listener.hears
    whole = judge.hear(sound, score if hears_midi else None).whole
    return {"quadrants": list(whole.quadrants), "valence": whole.valence, "arousal": whole.arousal}


def _report(heard: Sequence[Heard], seeds: int, weights: Mapping[str, str]) -> dict[str, Any]:
    rows, confusions = {}, {}
    for clip, where in ((False, ""), (True, ", clips")):
        for system in SYSTEMS:
            some = [each for each in heard if each.system == system and each.clip == clip]
            if some:
                rows[f"{system}{where}"] = _summaries(some, seeds)
                confusions[f"{system}{where}"] = {role: _confusion(some, name) for role, name in JUDGES.items()}
    found = from_summaries("guidance", "muvi_sync", "test", list(range(seeds)), rows)
    kinds = {kind: len({each.stretch for each in heard if each.clip == clip})
             for kind, clip in (("stretches", False), ("clips", True))}  # fmt: skip
    return found | kinds | {
        "judges": {role: {"name": name, "sha256": weights[name]} for role, name in JUDGES.items()},
        "confusion": confusions,
    }  # fmt: skip


def _summaries(heard: Sequence[Heard], seeds: int) -> dict[str, dict[str, Any]]:
    """Every metric of METRICS."""
    found = {}
    for role, judge in JUDGES.items():
        pieces = [each for each in heard if each.judge == judge]
        for name, figure in summaries_of(pieces, seeds).items():
            found[f"{role}_{name}"] = figure
    return {name: found[name] for name in METRICS}


def summaries_of(pieces: Sequence[Heard], seeds: int) -> dict[str, dict[str, Any]]:
    """Of one judge's pieces each of FIGURES, with mean, interval and seeds.

    The interval draws the stretches 2000 times with replacement (seed 0).
    """
    by_stretch: dict[str, list[list[float]]] = {}
    for piece in pieces:
        by_stretch.setdefault(piece.stretch, []).append(_numbers(piece))
    blocks = [np.array(rows) for rows in by_stretch.values()]
    rng = np.random.default_rng(0)
    draws = rng.integers(len(blocks), size=(RESAMPLES, len(blocks)))
    again = np.array([figures(np.concatenate([blocks[place] for place in draw])) for draw in draws])
    low, high = np.nanpercentile(again, (2.5, 97.5), axis=0)
    every = np.concatenate(blocks)
    each = np.array([figures(every[every[:, 0] == seed]) for seed in range(seeds)]).T
    columns = zip(FIGURES, figures(every), low, high, each, strict=True)
    return {
        name: {"mean": float(whole), "low": float(least), "high": float(most), "seeds": by_seed.tolist()}
        for name, whole, least, most, by_seed in columns
    }


def _numbers(piece: Heard) -> list[float]:
    """Seed, whether the quadrant was heard, then requested and heard valence, requested and heard arousal."""
    right = QUADRANTS[int(np.argmax(piece.quadrants))] == piece.request
    valence, arousal = PLACES[piece.request]
    return [piece.seed, right, valence, piece.valence, arousal, piece.arousal]


def figures(rows: NDArray[np.floating]) -> tuple[float, float, float]:
    """Share heard right and the two rank correlations of rows as `_numbers` gives them."""
    return float(rows[:, 1].mean()), spearman(rows[:, 2], rows[:, 3]), spearman(rows[:, 4], rows[:, 5])


def spearman(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Spearman's rank correlation of two rows (N,), ties sharing their mean rank; NaN where one is constant."""
    a, b = (_ranks(row) - (len(row) - 1) / 2 for row in (one, other))
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale else float("nan")


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return ((last - counts + last - 1) / 2)[place]


def _confusion(heard: Sequence[Heard], judge: str) -> list[list[int]]:
    """How many pieces for each requested quadrant (rows) were heard as each quadrant (columns)."""
    found = np.zeros((len(QUADRANTS), len(QUADRANTS)), int)
    for each in heard:
        if each.judge == judge:
            found[QUADRANTS.index(each.request), int(np.argmax(each.quadrants))] += 1
    return found.tolist()


def _row(each: Heard) -> tuple:
    return (
        each.system, each.stretch, each.request, each.seed, each.judge, *each.quadrants, each.valence, each.arousal,
    )  # fmt: skip


def as_text(report: Mapping[str, Any]) -> str:
    """The tables of `evaluate guidance`."""
    last = list(SYSTEMS)[-1]
    clips = f" and {report['clips']} clips" if report["clips"] else ""
    pieces = f"four requests, {len(report['seeds'])} seeds"
    title = f"{report['stretches']} stretches of MuVi-Sync's test videos{clips}, {pieces}."
    rows = [
        "| requested | " + " | ".join(QUADRANTS) + " |",
        "|---" * (len(QUADRANTS) + 1) + "|",
        *(
            f"| {name} | " + " | ".join(map(str, row)) + " |"
            for name, row in zip(QUADRANTS, report["confusion"][last]["reporting"], strict=True)
        ),
    ]
    parts = [f"{title} {_NOTE}", grid(report["rows"], METRICS), _CONFUSION_NOTE.format(system=last), "\n".join(rows)]
    return "\n\n".join(parts) + "\n"
