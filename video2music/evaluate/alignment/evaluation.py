"""`evaluate alignment`: how well the emotion of music agrees with its picture, for scored videos or any pairs.

The judge that took no part in composing predicts the emotion of the music, which is compared, window by window, with
the target: that of the manifest, or else what an encoder predicts from the picture. The chance level is the same music
against the other videos' targets. `page` shows the report as HTML.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

import emotion.judge
from emotion.affect import QUADRANTS
from emotion.alignment import FEWEST, STILL_SD, align, shared
from emotion.errors import UserError
from emotion.metrics import AXES
from emotion.report import RESAMPLES, Songs, by_metric, from_summaries, gain, only, summaries
from video2music import features, pipeline
from video2music.evaluate.alignment.pairs import FailedPair, Floats, JudgedPair, VideoMusicPair, judge_pair, labels
from video2music.evaluate.tables import cell_text, markdown_table, metric_table
from video2music.options import Options

log = logging.getLogger(__name__)

OWN, CHANCE = "its own picture", "another video's picture (chance)"
MIN_VIDEOS = 3  # that have a metric, for its mean and interval; fewer where there are fewer in all
NONE = "none"  # predicted where all quadrants are equally likely
_LETTERS = (("valence", "V"), ("arousal", "A"))
# Metric -> heading and decimals, in the order of tables.
METRICS = MappingProxyType({
    "match": ("match", 3),
    "distance": ("distance", 3),
    "quadrant": ("quadrant right", 3),
    "quadrant_probability": ("its probability", 3),
    **{f"ccc_{axis}": (f"CCC {letter}", 3) for axis, letter in _LETTERS},
    **{f"rmse_{axis}": (f"RMSE {letter}", 3) for axis, letter in _LETTERS},
    **{f"bias_{axis}": (f"bias {letter}", 3) for axis, letter in _LETTERS},
    **{f"lag_s_{axis}": (f"lag {letter}, s", 1) for axis, letter in _LETTERS},
    **{f"lag_r_{axis}": (f"r at lag {letter}", 2) for axis, letter in _LETTERS},
})  # fmt: skip
POOLED = MappingProxyType({f"ccc_{axis}_pooled": (f"CCC {letter}, all videos", 3) for axis, letter in _LETTERS})
SIGNS = MappingProxyType({
    "match": 1, "distance": -1, "quadrant": 1, "quadrant_probability": 1,
    **{f"ccc_{axis}": 1 for axis in AXES}, **{f"rmse_{axis}": -1 for axis in AXES},
})  # fmt: skip
"""Metrics that can be better or worse: 1 where high is good, -1 where low is."""
COLUMNS = (
    "video", "music", "target", "encoder", "judge", "sha256", "music_s", "picture_s", "windows",
    "target_valence", "target_arousal", "predicted_valence", "predicted_arousal", "target_quadrant",
    "predicted_quadrant",
    *METRICS, "notes", "error",
)  # fmt: skip


class AlignmentEvaluation(NamedTuple):
    """The report in its JSON form, the judged pairs, and those that failed."""

    report: dict[str, Any]
    judged: tuple[JudgedPair, ...]
    failed: tuple[FailedPair, ...]

    @property
    def table(self) -> list[Sequence[Any]]:
        """Rows of CSV, the headings first: one for each pair, and for each that failed."""
        rows = [*(_row(each) for each in self.judged), *({"video": f.name, "error": f.error} for f in self.failed)]
        return [COLUMNS, *([row.get(column, "") for column in COLUMNS] for row in rows)]


Progress = Callable[[str, float], None]


def evaluate_alignment(
    found: Sequence[VideoMusicPair | FailedPair],
    *,
    judge: str = pipeline.REPORTING_JUDGE,
    encoder: str | None = None,
    progress: Progress | None = None,
) -> AlignmentEvaluation:
    """Judge every pair; one that fails is reported and does not stop the others.

    `judge` is the name of a judge of emotion.judge; `encoder`, by default that of `generate`, is used where no manifest
    holds a target; `progress` gets the pair's number, as in `2 of 9`, and the fraction of it that was encoded. Raises
    CheckpointError, EncoderError.
    """
    loaded, encoder = emotion.judge.load(judge), encoder or Options().encoder
    features.encoders.choose(encoder)
    names = iter(labels([one for one in found if isinstance(one, VideoMusicPair)]))
    judged: list[JudgedPair] = []
    failed: list[FailedPair] = []
    for number, one in enumerate(found, 1):
        if isinstance(one, FailedPair):
            failed.append(one)
            continue
        of_pair = partial(progress or (lambda place, fraction: None), f"{number} of {len(found)}")
        done = _judged_or_failed(one, next(names), loaded, encoder, of_pair)
        if isinstance(done, FailedPair):
            failed.append(done)
        else:
            judged.append(done)
    report = build(judged, failed, judge=judge, sha256=loaded.model.sha256)
    return AlignmentEvaluation(report, tuple(judged), tuple(failed))


def _judged_or_failed(
    pair: VideoMusicPair, name: str, judge: emotion.judge.Judge, encoder: str, progress: Callable[[float], None]
) -> JudgedPair | FailedPair:
    try:
        return judge_pair(pair, judge, name=name, encoder=encoder, progress=progress)
    except UserError as error:
        return FailedPair(str(pair), str(error))
    except OSError as error:
        return FailedPair(str(pair), f"{error.filename or pair} cannot be read ({error.strerror or error}): check it")
    except Exception as error:  # one bad file never stops the others
        log.debug("traceback", exc_info=error)
        return FailedPair(str(pair), f"something unforeseen happened ({type(error).__name__}: {error}): report it")


def build(judged: Sequence[JudgedPair], failed: Sequence[FailedPair], *, judge: str, sha256: str) -> dict[str, Any]:
    """The standard report, with the judge, the confusion matrices, the pairs and the failures."""
    rows, differences = _compared(judged)
    found = from_summaries("alignment", _description(judged), "none", [0], rows)
    return found | {
        "judge": {"name": judge, "sha256": sha256, "composes": judge == pipeline.SELECTING_JUDGE},
        "differences": differences,
        "confusion": {
            "windows": _confusion(
                pair for each in judged for pair in zip(each.alignment.target, each.alignment.predicted, strict=True)
            ),
            "videos": _confusion((each.target_quadrant, each.predicted_quadrant) for each in judged),
        },
        "videos": [_report_entry(each) for each in judged],
        "failed": [{"video": each.name, "error": each.error} for each in failed],
    }


def _description(judged: Sequence[JudgedPair]) -> str:
    """How many videos there are, and how many pairs where a video has several musics."""
    count = len({each.pair.video.resolve() for each in judged})
    videos = f"{count} video{'s' * (count != 1)}"
    return videos if count == len(judged) else f"{len(judged)} pairs of {videos}"


def _compared(judged: Sequence[JudgedPair]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The rows of the report, and how much better the own picture is than chance, where there is a row of chance."""
    if not judged:
        return {}, {}
    own = by_metric([each.alignment.metrics() for each in judged])
    rows = {OWN: _summaries(own) | _pooled([[each.window_points()] for each in judged])}
    others = [_others(each, judged) for each in judged]
    if not any(others):
        return rows, {}
    chance = by_metric([
        _mean_metrics([align(each.report, other.target).metrics() for other in some])
        for each, some in zip(judged, others, strict=True)
    ])  # fmt: skip
    blocks = [
        [each.window_points(other.target) for other in some] for each, some in zip(judged, others, strict=True) if some
    ]
    return rows | {CHANCE: _summaries(chance) | _pooled(blocks)}, {OWN: _gains(own, chance)}


def _summaries(songs: Songs) -> dict[str, Any]:
    """The summary of each metric that enough videos have, and how many do."""
    counts = {name: int(np.isfinite(values).sum()) for name, values in songs.items()}
    kept = [name for name, count in counts.items() if count >= min(MIN_VIDEOS, len(songs[name]))]
    return {name: {**found, "videos": counts[name]} for name, found in summaries([only(songs, kept)]).items()}


def _others(each: JudgedPair, judged: Sequence[JudgedPair]) -> list[JudgedPair]:
    """The pairs of another video that has another target."""
    video = each.pair.video.resolve()
    return [other for other in judged if other.pair.video.resolve() != video and not _same_target(each, other)]


def _same_target(one: JudgedPair, other: JudgedPair) -> bool:
    """Whether two targets are equal over the shorter of them, as requests for the same point are."""
    seconds = min(len(one.target), len(other.target))
    return bool(np.array_equal(one.target.points[:seconds], other.target.points[:seconds]))


def _mean_metrics(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each metric over the rows that have it."""
    found = {name: [row[name] for row in rows if np.isfinite(row[name])] for name in METRICS}
    return {name: float(np.mean(values)) if values else float("nan") for name, values in found.items()}


def _gains(own: Songs, chance: Songs) -> dict[str, Any]:
    """Paired differences of each metric that enough videos have in both rows."""
    counts = {name: np.isfinite(own[name] + chance[name]).sum() for name in SIGNS}
    kept = [name for name, count in counts.items() if count >= min(MIN_VIDEOS, len(own[name]))]
    return {name: gain([own], [chance], name, sign=SIGNS[name]) for name in kept}


Blocks = Sequence[Sequence[tuple[Floats, Floats]]]
"""For each video the (predicted, target) points of one comparison or more."""


def _pooled(blocks: Blocks) -> dict[str, Any]:
    """CCC of each axis over the windows of all videos, every video counting alike, with its interval over videos.

    Left out with fewer than two videos, and where all targets are nearly the same.
    """
    if len(blocks) < 2:
        return {}
    moments = np.array([_moments(block) for block in blocks])
    draws = np.random.default_rng(0).integers(len(blocks), size=(RESAMPLES, len(blocks)))
    whole, again = _ccc(moments.mean(0)), _ccc(moments[draws].mean(1))
    found = {}
    for number, axis in enumerate(AXES):
        if np.isfinite(whole[number]):
            low, high = np.nanpercentile(again[:, number], (2.5, 97.5)).tolist()
            mean = float(whole[number])
            found[f"ccc_{axis}_pooled"] = {"mean": mean, "low": low, "high": high, "seeds": [mean]}
    return found


def _moments(block: Sequence[tuple[Floats, Floats]]) -> Floats:
    """Means over windows, then over comparisons, of h, w, h², w² and hw on each axis: (5, 2)."""
    result: Floats = np.mean([np.stack([h, w, h * h, w * w, h * w]).mean(1) for h, w in block], axis=0)
    return result


def _ccc(moments: Floats) -> Floats:
    """Lin's coefficient of moments (..., 5, 2) for each axis; NaN where the target is constant."""
    h, w, hh, ww, hw = np.moveaxis(moments, -2, 0)
    target_variance, spread = ww - w * w, (hh - h * h) + (ww - w * w) + (h - w) ** 2
    moving = target_variance >= STILL_SD**2
    result: Floats = np.divide(2 * (hw - h * w), spread, out=np.full_like(spread, np.nan), where=moving)
    return result


def _confusion(pairs: Iterable[tuple[int, int | None]]) -> list[list[int]]:
    """Counts of pairs by target quadrant (rows) and predicted quadrant or NONE (columns)."""
    found = np.zeros((len(QUADRANTS), len(QUADRANTS) + 1), int)
    for target, predicted in pairs:
        found[target, len(QUADRANTS) if predicted is None else predicted] += 1
    return found.tolist()


def _quadrant(index: int | None) -> str:
    return NONE if index is None else QUADRANTS[index]


def _row(each: JudgedPair) -> dict[str, Any]:
    """A pair as a row of CSV; a missing metric is an empty cell."""
    whole, (valence, arousal) = each.report.whole, each.target_point
    return {
        "video": str(each.pair.video), "music": str(each.music), "target": each.target.source, "encoder": each.encoder,
        "judge": each.report.judge, "sha256": each.report.sha256, "music_s": round(whole.end_s, 3),
        "picture_s": len(each.target), "windows": each.alignment.windows,
        "target_valence": round(valence, 6), "target_arousal": round(arousal, 6),
        "predicted_valence": round(whole.valence, 6), "predicted_arousal": round(whole.arousal, 6),
        "target_quadrant": _quadrant(each.target_quadrant), "predicted_quadrant": _quadrant(each.predicted_quadrant),
        **{name: round(value, 6) for name, value in each.alignment.metrics().items() if np.isfinite(value)},
        "notes": "; ".join(each.notes),
    }  # fmt: skip


def _report_entry(each: JudgedPair) -> dict[str, Any]:
    """A pair in the JSON report: its row, the target second by second, and the windows."""
    curve = {axis: getattr(each.target, axis).astype(float).round(6).tolist() for axis in AXES}
    missing = dict.fromkeys(METRICS)
    return {"name": each.name, **missing, **_row(each), "notes": list(each.notes), "curve": curve} | {
        "compared": _windows(each)
    }


def _windows(each: JudgedPair) -> list[dict[str, Any]]:
    """The windows that were compared, each with its predicted and target values."""
    found, (_, target) = each.alignment, each.window_points()
    columns = zip(shared(each.report, each.target).windows, target.tolist(), found.predicted, found.target, strict=True)
    return [
        {
            "start_s": round(window.start_s, 3), "end_s": round(window.end_s, 3),
            "valence": round(window.valence, 6), "arousal": round(window.arousal, 6),
            "target_valence": round(valence, 6), "target_arousal": round(arousal, 6),
            "quadrant": _quadrant(predicted), "target_quadrant": _quadrant(quadrant),
        }
        for window, (valence, arousal), predicted, quadrant in columns
    ]  # fmt: skip


_NOTE = (
    "Distance and match over windows of 8 s; quadrant right: the share of windows whose likeliest quadrant is the "
    "target's. CCC, RMSE and bias (prediction minus target) of V, valence, and A, arousal, on the plane from -1 to 1. "
    f"CCC and lag only where there are {FEWEST} windows and the target varies (sd {STILL_SD:g} or more)."
)
_SUMMARY_NOTE = (
    "Mean [95 % bootstrap interval over videos] of the videos that have the metric, left out where fewer than "
    f"{MIN_VIDEOS} of more have it. Chance: every music against the target of every other video. CCC over all "
    "videos counts every video alike."
)
_GAINS_NOTE = "How much better the own picture is than chance; above 0 the music agrees with its own picture."


def alignment_tables(report: Mapping[str, Any]) -> str:
    """The report as Markdown: a table of the videos, one of the means, and the notes."""
    head = f"{report['data']}, judged by {report['judge']['name']} (sha256 {report['judge']['sha256'][:12]})."
    parts = [f"{head} {judge_note(report)} {_NOTE}"]
    if report["videos"]:
        parts.append(_video_table(report["videos"]))
    if CHANCE in report["rows"]:
        parts += [_SUMMARY_NOTE, metric_table(report["rows"], {**METRICS, **POOLED})]
        parts += [_GAINS_NOTE, metric_table({"better by": report["differences"][OWN]}, METRICS)]
    elif len(report["videos"]) > 1:
        parts.append("No row of chance: all videos have one target.")
    notes = [
        f"- {cell_text(video['name'])}: {cell_text(note)}" for video in report["videos"] for note in video["notes"]
    ]
    return "\n\n".join([*parts, *(["\n".join(notes)] if notes else [])]) + "\n"


def judge_note(report: Mapping[str, Any]) -> str:
    """Whether the judge had a part in composing."""
    if report["judge"]["composes"]:
        return "It chose among the candidates when the music was composed, which inflates the metrics of that music."
    return "It took no part in composing."


def _video_table(videos: Sequence[Mapping[str, Any]]) -> str:
    heads = ["video", "target from", "windows", "target", "predicted", *(heading for heading, _ in METRICS.values())]
    rows = [
        [cell_text(video["name"]), cell_text(video["target"]), str(video["windows"]), video["target_quadrant"],
         video["predicted_quadrant"], *(format_metric(video[name], digits) for name, (_, digits) in METRICS.items())]
        for video in videos
    ]  # fmt: skip
    return markdown_table(heads, rows)


def format_metric(value: float | None, digits: int) -> str:
    """A metric with so many decimals, empty where there is none."""
    return "" if value is None else f"{value:.{digits}f}"
