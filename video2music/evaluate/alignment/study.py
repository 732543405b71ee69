"""`evaluate alignment`: does music feel as its picture does? Any scored video, or pairs of video and music.

The music is heard by the judge that took no part in composing, and compared, window by window, with what was wanted:
the target in our own manifest, or else what the picture says. The same music against the other videos' targets tells
what chance alone would give.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

import emotion.judge
from emotion.affect import QUADRANTS
from emotion.alignment import AXES, FEWEST, STILL_SD, align, shared
from emotion.errors import UserError
from emotion.report import RESAMPLES, Songs, by_metric, from_summaries, gain, only, summaries
from video2music import features, pipeline
from video2music.evaluate.alignment.hearing import Floats, Heard, hear
from video2music.evaluate.alignment.pairs import Failed, Pair, labels
from video2music.evaluate.tables import grid
from video2music.options import Options

log = logging.getLogger(__name__)

OWN, CHANCE = "its own picture", "another video's picture (chance)"
FEWEST_VIDEOS = 3  # with a figure, for their mean and its interval, unless there are fewer in all
NOTHING = "nothing"  # heard where no quadrant is likelier than the others
_LETTERS = (("valence", "V"), ("arousal", "A"))
# Figures with their headings and decimals, in the order of tables.
FIGURES = MappingProxyType({
    "match": ("match", 3),
    "distance": ("distance", 3),
    "quadrant": ("quadrant heard", 3),
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
"""Of the figures that can be better or worse: 1 where high is good, -1 where low is."""
COLUMNS = (
    "video", "music", "target", "encoder", "judge", "sha256", "music_s", "picture_s", "windows",
    "wanted_valence", "wanted_arousal", "heard_valence", "heard_arousal", "wanted_quadrant", "heard_quadrant",
    *FIGURES, "notes", "error",
)  # fmt: skip


class Study(NamedTuple):
    """The report in its JSON form, what it was made of, and what could not be heard."""

    report: dict[str, Any]
    heard: tuple[Heard, ...]
    failed: tuple[Failed, ...]

    @property
    def table(self) -> list[Sequence[Any]]:
        """Rows of CSV, the headings first: one for each pair, and for each that failed."""
        rows = [*(_row(each) for each in self.heard), *({"video": f.name, "error": f.sentence} for f in self.failed)]
        return [COLUMNS, *([row.get(column, "") for column in COLUMNS] for row in rows)]


Tell = Callable[[str, float], None]


def study(
    found: Sequence[Pair | Failed],
    *,
    judge: str = pipeline.REPORTS,
    encoder: str | None = None,
    tell: Tell | None = None,
) -> Study:
    """Hear and watch every pair; one that fails is told of and stops no other.

    `judge` is a name of emotion.judge.LISTENERS; `encoder`, by default that of `generate`, watches where no manifest
    holds a target; `tell` is told which pair it is, as in `2 of 9`, and the fraction of it that was watched. Raises
    CheckpointError, EncoderError.
    """
    listener, encoder = emotion.judge.load(judge), encoder or Options().encoder
    features.encoders.choose(encoder)
    names = iter(labels([one for one in found if isinstance(one, Pair)]))
    heard: list[Heard] = []
    failed: list[Failed] = []
    for place, one in enumerate(found):
        on_progress = partial(tell or _quietly, f"{place + 1} of {len(found)}")
        done = one if isinstance(one, Failed) else _tried(one, next(names), listener, encoder, on_progress)
        if isinstance(done, Failed):
            failed.append(done)
        else:
            heard.append(done)
    return Study(build(heard, failed, judge=judge, sha256=listener.listener.sha256), tuple(heard), tuple(failed))


def _quietly(place: str, fraction: float) -> None:
    """Tell nobody."""


def _tried(
    pair: Pair, name: str, judge: emotion.judge.Judge, encoder: str, on_progress: Callable[[float], None]
) -> Heard | Failed:
    try:
        return hear(pair, judge, name=name, encoder=encoder, on_progress=on_progress)
    except UserError as error:
        return Failed(str(pair), str(error))
    except OSError as error:
        return Failed(str(pair), f"{error.filename or pair} cannot be read ({error.strerror or error}): check it")
    except Exception as error:  # one bad file never stops the others
        log.debug("traceback", exc_info=error)
        return Failed(str(pair), f"something unforeseen happened ({type(error).__name__}: {error}): report it")


def build(heard: Sequence[Heard], failed: Sequence[Failed], *, judge: str, sha256: str) -> dict[str, Any]:
    """The standard report, and beside it the judge, the confusions, the pairs and what failed."""
    rows, differences = _compared(heard)
    found = from_summaries("alignment", _what(heard), "none", [0], rows)
    return found | {
        "judge": {"name": judge, "sha256": sha256, "composes": judge == pipeline.SELECTS},
        "differences": differences,
        "confusion": {"windows": _confusion_of_windows(heard), "videos": _confusion_of_wholes(heard)},
        "videos": [_told(each) for each in heard],
        "failed": [{"video": each.name, "error": each.sentence} for each in failed],
    }


def _what(heard: Sequence[Heard]) -> str:
    """How many videos there are, and how many pairs where a video has several musics."""
    count = len({each.pair.video.resolve() for each in heard})
    videos = f"{count} video{'s' * (count != 1)}"
    return videos if count == len(heard) else f"{len(heard)} pairs of {videos}"


def _compared(heard: Sequence[Heard]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The rows of the report, and what the own picture is better by than chance where there is a row of chance."""
    if not heard:
        return {}, {}
    own = by_metric([each.alignment.figures() for each in heard])
    rows = {OWN: _summaries(own) | _pooled([[each.places()] for each in heard])}
    others = [_others(each, heard) for each in heard]
    if not any(others):
        return rows, {}
    chance = by_metric([
        _means([align(each.report, other.target).figures() for other in some])
        for each, some in zip(heard, others, strict=True)
    ])  # fmt: skip
    blocks = [[each.places(other.target) for other in some] for each, some in zip(heard, others, strict=True) if some]
    return rows | {CHANCE: _summaries(chance) | _pooled(blocks)}, {OWN: _gains(own, chance)}


def _summaries(songs: Songs) -> dict[str, Any]:
    """The summary of each figure that enough videos have, and how many do."""
    counts = {name: int(np.isfinite(values).sum()) for name, values in songs.items()}
    told = [name for name, count in counts.items() if count >= min(FEWEST_VIDEOS, len(songs[name]))]
    return {name: {**found, "videos": counts[name]} for name, found in summaries([only(songs, told)]).items()}


def _others(each: Heard, heard: Sequence[Heard]) -> list[Heard]:
    """The pairs of another video that has another target."""
    return [other for other in heard if not (_same_video(each, other) or _same_target(each, other))]


def _same_video(one: Heard, other: Heard) -> bool:
    return one.pair.video.resolve() == other.pair.video.resolve()


def _same_target(one: Heard, other: Heard) -> bool:
    """Whether two targets agree as far as both go, as wishes for one place do."""
    seconds = min(len(one.target), len(other.target))
    return bool(np.array_equal(one.target.points[:seconds], other.target.points[:seconds]))


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each figure over the rows that have it."""
    found = {name: [row[name] for row in rows if np.isfinite(row[name])] for name in FIGURES}
    return {name: float(np.mean(values)) if values else float("nan") for name, values in found.items()}


def _gains(own: Songs, chance: Songs) -> dict[str, Any]:
    """Of each figure that enough videos have in both rows, video by video."""
    counts = {name: np.isfinite(own[name] + chance[name]).sum() for name in SIGNS}
    told = [name for name, count in counts.items() if count >= min(FEWEST_VIDEOS, len(own[name]))]
    return {name: gain([own], [chance], name, sign=SIGNS[name]) for name in told}


Blocks = Sequence[Sequence[tuple[Floats, Floats]]]
"""Of each video the (heard, wanted) of one comparison or more."""


def _pooled(blocks: Blocks) -> dict[str, Any]:
    """CCC of each axis over the windows of all videos, every video counting alike, with its interval over videos.

    Left out with fewer than two videos, and where what is wanted of them all hardly differs.
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
    return np.mean([np.stack([h, w, h * h, w * w, h * w]).mean(1) for h, w in block], axis=0)


def _ccc(moments: Floats) -> Floats:
    """Lin's coefficient of moments (..., 5, 2) for each axis; not a number where what is wanted stands still."""
    h, w, hh, ww, hw = np.moveaxis(moments, -2, 0)
    wanted, spread = ww - w * w, (hh - h * h) + (ww - w * w) + (h - w) ** 2
    moving = wanted >= STILL_SD**2
    return np.divide(2 * (hw - h * w), spread, out=np.full_like(spread, np.nan), where=moving)


def _confusion_of_windows(heard: Sequence[Heard]) -> list[list[int]]:
    """How many windows of each wanted quadrant (rows) were heard as each quadrant, and as nothing (columns)."""
    alignments = [each.alignment for each in heard]
    return _counts(pair for found in alignments for pair in zip(found.wanted, found.heard, strict=True))


def _confusion_of_wholes(heard: Sequence[Heard]) -> list[list[int]]:
    """The same of videos: the quadrant of the target's mean against that of the whole music."""
    return _counts((each.wanted_quadrant, each.heard_quadrant) for each in heard)


def _counts(pairs: Iterable[tuple[int, int | None]]) -> list[list[int]]:
    found = np.zeros((len(QUADRANTS), len(QUADRANTS) + 1), int)
    for asked, told in pairs:
        found[asked, len(QUADRANTS) if told is None else told] += 1
    return found.tolist()


def _quadrant(index: int | None) -> str:
    return NOTHING if index is None else QUADRANTS[index]


def _row(each: Heard) -> dict[str, Any]:
    """A pair as a row of CSV; a figure that there is not is an empty cell."""
    whole, (valence, arousal) = each.report.whole, each.wanted_place
    return {
        "video": str(each.pair.video), "music": str(each.music), "target": each.target.source, "encoder": each.encoder,
        "judge": each.report.judge, "sha256": each.report.sha256, "music_s": round(whole.end_s, 3),
        "picture_s": len(each.target), "windows": each.alignment.windows,
        "wanted_valence": round(valence, 6), "wanted_arousal": round(arousal, 6),
        "heard_valence": round(whole.valence, 6), "heard_arousal": round(whole.arousal, 6),
        "wanted_quadrant": _quadrant(each.wanted_quadrant), "heard_quadrant": _quadrant(each.heard_quadrant),
        **{name: round(value, 6) for name, value in each.alignment.figures().items() if np.isfinite(value)},
        "notes": "; ".join(each.notes),
    }  # fmt: skip


def _told(each: Heard) -> dict[str, Any]:
    """A pair in the JSON report: its row, the target second by second, and the windows."""
    curve = {axis: getattr(each.target, axis).astype(float).round(6).tolist() for axis in AXES}
    missing = dict.fromkeys(FIGURES)
    return {"name": each.name, **missing, **_row(each), "notes": list(each.notes), "curve": curve} | {
        "compared": _windows(each)
    }


def _windows(each: Heard) -> list[dict[str, Any]]:
    """The windows that were compared, each with what was heard and wanted in it."""
    found, (_, wanted) = each.alignment, each.places()
    columns = zip(shared(each.report, each.target).windows, wanted.tolist(), found.heard, found.wanted, strict=True)
    return [
        {
            "start_s": round(window.start_s, 3), "end_s": round(window.end_s, 3),
            "valence": round(window.valence, 6), "arousal": round(window.arousal, 6),
            "wanted_valence": round(valence, 6), "wanted_arousal": round(arousal, 6),
            "quadrant": _quadrant(told), "wanted_quadrant": _quadrant(asked),
        }
        for window, (valence, arousal), told, asked in columns
    ]  # fmt: skip


_NOTE = (
    "Distance and match over windows of 8 s; quadrant heard: the share of windows whose likeliest quadrant is the "
    "target's. CCC, RMSE and bias (heard less wanted) of V, valence, and A, arousal, on the plane from -1 to 1. CCC "
    f"and lag only where there are {FEWEST} windows and the target moves (sd {STILL_SD:g} or more)."
)
_SUMMARY_NOTE = (
    "Mean [95 % bootstrap interval over videos] of the videos that have the figure, left out where fewer than "
    f"{FEWEST_VIDEOS} of more have it. Chance: every music against the target of every other video. CCC over all "
    "videos counts every video alike."
)
_GAINS_NOTE = "What the own picture is better by than chance; above 0 the music fits its own picture."


def as_text(report: Mapping[str, Any]) -> str:
    """The report as Markdown: a table of the videos, one of the means, and the notes."""
    head = f"{report['data']}, heard by {report['judge']['name']} (sha256 {report['judge']['sha256'][:12]})."
    parts = [f"{head} {judge_note(report)} {_NOTE}"]
    if report["videos"]:
        parts.append(_videos(report["videos"]))
    if CHANCE in report["rows"]:
        parts += [_SUMMARY_NOTE, grid(report["rows"], {**FIGURES, **POOLED})]
        parts += [_GAINS_NOTE, grid({"better by": report["differences"][OWN]}, FIGURES)]
    elif len(report["videos"]) > 1:
        parts.append("No row of chance: all videos have one target.")
    notes = [f"- {plain(video['name'])}: {plain(note)}" for video in report["videos"] for note in video["notes"]]
    return "\n\n".join([*parts, *(["\n".join(notes)] if notes else [])]) + "\n"


def judge_note(report: Mapping[str, Any]) -> str:
    """Whether the judge had a part in composing."""
    if report["judge"]["composes"]:
        return "It chose among the candidates when our own music was composed, so its figures flatter that music."
    return "It took no part in composing."


def _videos(videos: Sequence[Mapping[str, Any]]) -> str:
    heads = ["video", "target", "windows", "wanted", "heard", *(heading for heading, _ in FIGURES.values())]
    rows = [
        [plain(video["name"]), plain(video["target"]), str(video["windows"]), video["wanted_quadrant"],
         video["heard_quadrant"], *(number(video[name], digits) for name, (_, digits) in FIGURES.items())]
        for video in videos
    ]  # fmt: skip
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float | None, digits: int) -> str:
    """A figure with so many decimals, empty where there is none."""
    return "" if value is None else f"{value:.{digits}f}"


def plain(name: str) -> str:
    """A user's text as a cell of one line."""
    return "".join(letter if letter.isprintable() else "?" for letter in name).replace("|", "\\|")
