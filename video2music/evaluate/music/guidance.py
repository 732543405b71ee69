"""`evaluate guidance`: how often a piece has the emotion that was requested, and what guidance and selection add.

Excerpts of MuVi-Sync's test features and given clips are scored for each of the four quadrants with several seeds, by
the same code as `generate`, and two judges predict the emotion of every finished piece. The reporting judge had no part
in any choice of the selecting judge and shares no training data with it. Requests are balanced, so that chance is one
in four; since requests have two values an axis, the rank correlation is at most sqrt(3) / 2 = .87.
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
from emotion.affect import QUADRANTS, VA_ANCHORS
from emotion.errors import DataError
from emotion.files import atomic_write
from emotion.midi import synthesis
from emotion.report import RESAMPLES, from_summaries
from video2music import features, pipeline
from video2music.arranging import midi
from video2music.composing.draft import arrange_score, load_models
from video2music.data.muvi_sync import Song, load_split
from video2music.errors import OptionError
from video2music.evaluate.tables import ModelEvaluation, markdown_table, metric_table
from video2music.mixing import mix
from video2music.options import Options
from video2music.values import Cut, VideoFeatures

log = logging.getLogger(__name__)

JUDGES = MappingProxyType({"selecting": pipeline.SELECTING_JUDGE, "reporting": pipeline.REPORTING_JUDGE})
SYSTEMS: Mapping[str, Mapping[str, Any]] = MappingProxyType({
    "guidance off": {"strength": 0.0, "candidates": 1},
    "steering": {"candidates": 1},
    "steering and selection": {},
})  # fmt: skip
"""System -> what it changes in the product's default options."""
SHORTEST_S, LONGEST_S = 30, 60
CUT_STRENGTH = 3.0  # MuVi-Sync's cuts have no strength: they get the detector's threshold
COLUMNS = ("system", "excerpt", "request", "seed", "judge", *QUADRANTS, "valence", "arousal")
JUDGE_METRICS = MappingProxyType(
    {"quadrant": "requested quadrant predicted", "rho_valence": "valence ρ", "rho_arousal": "arousal ρ"}
)
METRICS = MappingProxyType({
    f"{role}_{metric}": (f"{role}: {heading}", 3)
    for role in ("reporting", "selecting")
    for metric, heading in JUDGE_METRICS.items()
})  # fmt: skip
_NOTE = (
    "Share of the pieces for which a judge predicts the requested quadrant (chance .25), and Spearman's ρ of requested "
    "and predicted valence and arousal (at most .87, as requests have two values an axis); mean [95 % bootstrap "
    "interval over excerpts]. The selecting judge (PoolingVQ; sound and MIDI) chose among the candidates, which "
    "inflates its numbers; the reporting judge (sound alone, trained on other data) had no part in that."
)
_CONFUSION_NOTE = "Quadrants predicted by the reporting judge (columns) for each requested one (rows), with {system}."


@dataclass(frozen=True, eq=False)
class VideoExcerpt:
    """Features of a part of a song's video, or of a clip (`clip` is true)."""

    name: str
    features: VideoFeatures
    clip: bool


@dataclass(frozen=True)
class JudgedPiece:
    """One judge's prediction for one piece: probabilities of the quadrants, valence and arousal."""

    system: str
    excerpt: str
    clip: bool
    request: str
    seed: int
    judge: str
    quadrants: tuple[float, float, float, float]
    valence: float
    arousal: float


def evaluate_guidance(
    features_folder: Path,
    *,
    clips: Path | None = None,
    excerpts: int = 14,
    seeds: int = 2,
    jobs: int = 1,
    keep: Path | None = None,
) -> ModelEvaluation:
    """Compose, render and judge everything. Predictions are cached in the folder `keep`, if given.

    Raises DataError, OptionError, CheckpointError.
    """
    if excerpts < 1 or seeds < 1 or jobs < 1:
        raise OptionError("--excerpts, --seeds and --jobs must be 1 or more each")
    weights = {name: emotion.judge.load(name).model.sha256 for name in JUDGES.values()}
    items = [*song_excerpts(load_split(features_folder, "test"), excerpts), *(clip_excerpts(clips) if clips else ())]
    judge = partial(_judged_pieces, seeds=seeds, keep=keep, weights={**weights, **load_models().weights_sha256})
    judged = [each for found in _parallel(judge, items, jobs) for each in found]
    return ModelEvaluation(_report(judged, seeds, weights), COLUMNS, [_row(each) for each in judged])


def song_excerpts(songs: Sequence[Song], count: int) -> list[VideoExcerpt]:
    """Excerpts of 30 to 60 s from `count` of the songs, evenly spread over the split. Raises DataError."""
    long = [song for song in songs if len(song) >= SHORTEST_S]
    if len(long) < count:
        raise DataError(
            f"{count} excerpts were requested, but only {len(long)} songs last {SHORTEST_S} s: ask for fewer"
        )
    rng = np.random.default_rng(0)
    chosen = [long[place] for place in np.linspace(0, len(long) - 1, count).round().astype(int)]
    return [_random_excerpt(song, rng) for song in chosen]


def _random_excerpt(song: Song, rng: np.random.Generator) -> VideoExcerpt:
    seconds = int(rng.integers(SHORTEST_S, min(len(song), LONGEST_S) + 1))
    start = int(rng.integers(len(song) - seconds + 1))
    return VideoExcerpt(f"{song.name}:{start}-{start + seconds}", features_of(song, start, start + seconds), clip=False)


def features_of(song: Song, start: int, end: int) -> VideoFeatures:
    """The rows of the seconds from `start` up to `end`, as the features of a clip of that length."""
    emotions = song.emotion[start:end] / song.emotion[start:end].sum(1, keepdims=True)
    offsets = song.scene_offset[start:end]
    return VideoFeatures(
        duration_s=float(end - start),
        encoder="muvi_sync",
        emotion=emotions,
        motion=song.motion[start:end],
        scene_offset=offsets,
        affect=affect.expected_point(emotions),
        cuts=tuple(Cut(float(at), CUT_STRENGTH) for at in np.flatnonzero(np.diff(offsets) < 0) + 1),
        semantic=song.semantic[start:end].astype(np.float32),
    )


def clip_excerpts(folder: Path) -> list[VideoExcerpt]:
    """Features of every video of a folder, of its first 60 s. Raises DataError."""
    paths = [path for path in sorted(folder.iterdir()) if path.is_file()] if folder.is_dir() else []
    if not paths:
        raise DataError(f"there are no clips at {folder}: give a folder of videos, or leave --clips out")
    return [VideoExcerpt(path.name, _first_minute(features.extract(path)), clip=True) for path in paths]


def _first_minute(features: VideoFeatures) -> VideoFeatures:
    if features.duration_s <= LONGEST_S:
        return features
    return replace(
        features,
        duration_s=float(LONGEST_S),
        cuts=tuple(cut for cut in features.cuts if cut.time_s < LONGEST_S),
        **{
            name: rows[:LONGEST_S]
            for name in ("emotion", "motion", "scene_offset", "affect", "semantic")
            if (rows := getattr(features, name)) is not None
        },
    )


def _parallel(
    judge: "partial[list[JudgedPiece]]", items: Sequence[VideoExcerpt], jobs: int
) -> Iterator[list[JudgedPiece]]:
    """The judged pieces of each excerpt in order, computed by `jobs` processes."""
    if jobs == 1:
        results: Iterator[list[JudgedPiece]] = map(judge, items)
        yield from _logged(results, len(items))
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        yield from _logged(pool.map(judge, items), len(items))


def _logged(results: Iterator[list[JudgedPiece]], count: int) -> Iterator[list[JudgedPiece]]:
    for number, result in enumerate(results, 1):
        log.info("excerpt %d of %d, %s", number, count, result[0].excerpt)
        yield result


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _judged_pieces(
    excerpt: VideoExcerpt, *, seeds: int, keep: Path | None, weights: Mapping[str, str]
) -> list[JudgedPiece]:
    """Every piece for one excerpt, predicted by every judge."""
    found = []
    for system, changes in SYSTEMS.items():
        for request in QUADRANTS:
            for seed in range(seeds):
                options = replace(Options(emotion=request, seed=seed), **changes)
                piece = _cached(excerpt, options, keep, weights)
                found += [
                    JudgedPiece(system, excerpt.name, excerpt.clip, request, seed, judge, **piece[judge])
                    for judge in JUDGES.values()
                ]
    return found


def _cached(excerpt: VideoExcerpt, options: Options, keep: Path | None, weights: Mapping[str, str]) -> dict[str, Any]:
    """Each judge's prediction for a piece; from `keep` where it is cached for the same weights and options."""
    key = json.loads(
        json.dumps({"weights": dict(weights), "options": asdict(options)})
    )  # as JSON gives it back: tuples become lists
    name = f"{options.emotion}-{options.seed}-{options.strength:g}-of-{options.candidates}.json"
    cached = keep and keep / excerpt.name.replace(":", "_") / name
    if cached and cached.is_file() and (found := json.loads(cached.read_text()))["key"] == key:
        result: dict[str, Any] = found["judged"]
        return result
    judged = compose_and_judge(excerpt.features, options)
    if cached:
        cached.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(cached) as unfinished:
            unfinished.write_text(json.dumps({"key": key, "judged": judged}, indent=1) + "\n")
    return judged


def compose_and_judge(features: VideoFeatures, options: Options) -> dict[str, Any]:
    """Compose, render and master as `generate` would; by judge the quadrants, valence and arousal of the whole."""
    composition = pipeline.compose_piece(features, options).composition
    duration_s = composition.form.duration_s
    with tempfile.TemporaryDirectory(prefix="guidance-") as folder:
        score, sound = Path(folder, "piece.mid"), Path(folder, "piece.wav")
        midi.write(arrange_score(composition), score)
        mix.master(synthesis.render(score, duration_s=duration_s), sound, duration_s=duration_s)
        return {name: _prediction(emotion.judge.load(name), sound, score) for name in JUDGES.values()}


def _prediction(judge: emotion.judge.Judge, sound: Path, score: Path) -> dict[str, Any]:
    takes_midi = emotion.judge.MIDI in judge.model.modalities
    whole = judge.predict(sound, score if takes_midi else None).whole
    return {"quadrants": list(whole.quadrants), "valence": whole.valence, "arousal": whole.arousal}


def _report(judged: Sequence[JudgedPiece], seeds: int, weights: Mapping[str, str]) -> dict[str, Any]:
    rows, confusions = {}, {}
    for clip, where in ((False, ""), (True, ", clips")):
        for system in SYSTEMS:
            some = [each for each in judged if each.system == system and each.clip == clip]
            if some:
                rows[f"{system}{where}"] = _summaries(some, seeds)
                confusions[f"{system}{where}"] = {role: _confusion(some, name) for role, name in JUDGES.items()}
    found = from_summaries("guidance", "muvi_sync", "test", list(range(seeds)), rows)
    kinds = {kind: len({each.excerpt for each in judged if each.clip == clip})
             for kind, clip in (("excerpts", False), ("clips", True))}  # fmt: skip
    return found | kinds | {
        "judges": {role: {"name": name, "sha256": weights[name]} for role, name in JUDGES.items()},
        "confusion": confusions,
    }  # fmt: skip


def _summaries(judged: Sequence[JudgedPiece], seeds: int) -> dict[str, dict[str, Any]]:
    """Every metric of METRICS."""
    found = {}
    for role, judge in JUDGES.items():
        pieces = [each for each in judged if each.judge == judge]
        for name, figure in judge_summaries(pieces, seeds).items():
            found[f"{role}_{name}"] = figure
    return {name: found[name] for name in METRICS}


def judge_summaries(pieces: Sequence[JudgedPiece], seeds: int) -> dict[str, dict[str, Any]]:
    """JUDGE_METRICS of one judge's pieces, with mean, interval and seeds.

    The interval is a bootstrap over excerpts (2000 draws, seed 0).
    """
    by_excerpt: dict[str, list[list[float]]] = {}
    for piece in pieces:
        by_excerpt.setdefault(piece.excerpt, []).append(_metric_row(piece))
    blocks = [np.array(rows) for rows in by_excerpt.values()]
    rng = np.random.default_rng(0)
    draws = rng.integers(len(blocks), size=(RESAMPLES, len(blocks)))
    resampled = np.array([judge_metrics(np.concatenate([blocks[place] for place in draw])) for draw in draws])
    low, high = np.nanpercentile(resampled, (2.5, 97.5), axis=0)
    every = np.concatenate(blocks)
    each = np.array([judge_metrics(every[every[:, 0] == seed]) for seed in range(seeds)]).T
    columns = zip(JUDGE_METRICS, judge_metrics(every), low, high, each, strict=True)
    return {
        name: {"mean": float(whole), "low": float(least), "high": float(most), "seeds": by_seed.tolist()}
        for name, whole, least, most, by_seed in columns
    }


def _metric_row(piece: JudgedPiece) -> list[float]:
    """Seed, whether the quadrant is right, then requested and predicted valence, requested and predicted arousal."""
    right = QUADRANTS[int(np.argmax(piece.quadrants))] == piece.request
    valence, arousal = VA_ANCHORS[piece.request]
    return [piece.seed, right, valence, piece.valence, arousal, piece.arousal]


def judge_metrics(rows: NDArray[np.floating]) -> tuple[float, float, float]:
    """Share of right quadrants and the two rank correlations of rows as `_metric_row` gives them."""
    return float(rows[:, 1].mean()), spearman(rows[:, 2], rows[:, 3]), spearman(rows[:, 4], rows[:, 5])


def spearman(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Spearman's rank correlation of two rows (N,), ties sharing their mean rank; NaN where one is constant."""
    a, b = (_ranks(row) - (len(row) - 1) / 2 for row in (one, other))
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale else float("nan")


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    result: NDArray[np.float64] = ((last - counts + last - 1) / 2)[place]
    return result


def _confusion(judged: Sequence[JudgedPiece], judge: str) -> list[list[int]]:
    """Counts of pieces by requested (rows) and predicted (columns) quadrant."""
    found = np.zeros((len(QUADRANTS), len(QUADRANTS)), int)
    for each in judged:
        if each.judge == judge:
            found[QUADRANTS.index(each.request), int(np.argmax(each.quadrants))] += 1
    return found.tolist()


def _row(each: JudgedPiece) -> tuple[Any, ...]:
    return (
        each.system, each.excerpt, each.request, each.seed, each.judge, *each.quadrants, each.valence, each.arousal,
    )  # fmt: skip


def guidance_tables(report: Mapping[str, Any]) -> str:
    """The tables of `evaluate guidance`."""
    last = list(SYSTEMS)[-1]
    clips = f" and {report['clips']} clips" if report["clips"] else ""
    pieces = f"four requests, {len(report['seeds'])} seeds"
    title = f"{report['excerpts']} excerpts of MuVi-Sync's test videos{clips}, {pieces}."
    counts = zip(QUADRANTS, report["confusion"][last]["reporting"], strict=True)
    confusion = markdown_table(["requested", *QUADRANTS], ([name, *map(str, row)] for name, row in counts))
    parts = [f"{title} {_NOTE}", metric_table(report["rows"], METRICS), _CONFUSION_NOTE.format(system=last), confusion]
    return "\n\n".join(parts) + "\n"
