"""`evaluate music`: what people would notice in a scored clip, measured in the finished files and held against limits.

Each part of the report (`PARTS`) is measured by a module of its own, the speed here; it gives rows of metrics. A part
that fails is reported and does not stop the others.
"""

import itertools
import logging
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from emotion.errors import UserError
from emotion.midi import synthesis
from emotion.report import from_summaries
from video2music import styles
from video2music.arranging import arrange, midi
from video2music.chords import parse_sequence
from video2music.composing import form
from video2music.errors import OptionError
from video2music.evaluate.music import clips, cuts, ducking, muspy_metrics
from video2music.evaluate.tables import Summaries, Summary, markdown_table, single
from video2music.mixing import mix
from video2music.values import Dynamics, Key, Score

log = logging.getLogger(__name__)

# The music that speed is measured on: a lively piece
SPEED_S = 60.0
SPEED_STEMS = 8
SPEED_CHORDS = "Am F C G Dm F G E7"
SPEED_DENSITY, SPEED_LOUDNESS = 14.0, 0.2  # notes a second, linear RMS


class Limit(NamedTuple):
    """What a metric of one row has to reach; `text` is how it is shown."""

    row: str
    text: str
    holds: Callable[[float], bool]


@dataclass(frozen=True)
class ReportPart:
    """How a part of the report is shown: title, explanation, headings with decimals, and limits, both by metric."""

    title: str
    note: str
    columns: Mapping[str, tuple[str, int]]
    limits: Mapping[str, Limit]


def _at_least(row: str, limit: float) -> Limit:
    return Limit(row, f"≥ {limit:g}", lambda value: value >= limit)


def _at_most(row: str, limit: float) -> Limit:
    return Limit(row, f"≤ {limit:g}", lambda value: value <= limit)


def _within(row: str, limit: float) -> Limit:
    return Limit(row, f"± {limit:g}", lambda value: abs(value) <= limit)


CLIPS_ROW, SPEECH_ROW = "all clips, the worst", "all spoken clips, the worst"
PARTS: Mapping[str, ReportPart] = MappingProxyType({
    "cuts": ReportPart(
        "Cuts on downbeats",
        f"{cuts.LISTS} random lists a seed of {cuts.MIN_CUTS} to {cuts.MAX_CUTS} cuts in {cuts.SHORTEST_S:g} to "
        f"{cuts.LONGEST_S:g} s, in every style and mood; of cuts closer than 4 s the stronger is strong. Mean [95 % "
        "bootstrap interval over lists].",
        {"within_80ms": ("strong cuts within 80 ms", 3), "median_error_ms": ("median error, ms", 1)},
        {
            "within_80ms": _at_least("shipped", 0.8),
            "median_error_ms": Limit("shipped", "< 40", lambda value: value < 40),
        },
    ),
    "clips": ReportPart(
        "Scored clips",
        "Decoded from the scored file: length and start of its sound relative to its picture, "
        f"integrated loudness against {clips.TARGET_LUFS:g} LUFS and true peak (BS.1770-4). Of the music alone: "
        f"how long before its end the last sound has fallen below {clips.SILENT_DB:g} dB of the piece, and the "
        f"level of its last 50 ms against all of it. Clips below {clips.SHORTEST_S:g} s have no loudness and no "
        "ending.",
        {
            "length_off_ms": ("longer, ms", 1),
            "start_off_ms": ("later, ms", 1),
            "loudness_off_lu": ("loudness, LU off", 2),
            "true_peak_dbtp": ("true peak, dBTP", 2),
            "silent_for_s": ("decayed before the end, s", 2),
            "end_db": ("last 50 ms, dB", 0),
            "strong_cuts": ("strong cuts", 0),
            "within_80ms": ("within 80 ms", 2),
            "median_error_ms": ("median error, ms", 1),
        },
        {
            "length_off_ms": _within(CLIPS_ROW, 20),
            "loudness_off_lu": _within(CLIPS_ROW, 0.5),
            "true_peak_dbtp": _at_most(CLIPS_ROW, -1),
            "silent_for_s": Limit(CLIPS_ROW, "> 0", lambda value: value > 0),
        },
    ),
    "speech": ReportPart(
        "Music under speech",
        "Sentences by espeak-ng at known times. The music's gain is the least-squares estimate of the music in the "
        "scored file, in windows of 20 ms: how much lower its power is under speech than in the gaps; the shortest "
        "time in which it passes through four fifths of its range; the most it changes within 50 ms.",
        {
            "lower_db": ("lower under speech, dB", 1),
            "change_ms": ("a whole change, ms", 0),
            "change_db_in_50ms": ("change in 50 ms, dB", 1),
        },
        {"lower_db": _at_least(SPEECH_ROW, 8), "change_ms": _at_least(SPEECH_ROW, 50)},
    ),
    "distance": ReportPart(
        "Distance to human accompaniment",
        "Fréchet distance to POP909's pianists over 19 features of each bar, for the same chords in the same bars.",
        {"distance": ("distance", 2)},
        {"distance": _at_most("ours, piano", 6)},
    ),
    "measures": ReportPart(
        "MusPy's measures",
        "By MusPy's definitions, the groove on 24 steps a beat and on 4; mean [95 % bootstrap interval over pieces]. "
        "Higher is not better: they should be close to those of real chords.",
        {
            "pitch_class_entropy": ("pitch-class entropy, bits", 3),
            "scale_consistency": ("scale consistency", 3),
            "groove_consistency": ("groove consistency", 3),
            "groove_on_sixteenths": ("on sixteenths", 3),
        },
        {},
    ),
    "speed": ReportPart(
        "Speed",
        f"Seconds for {SPEED_S:g} s of music in {SPEED_STEMS} stems, on a machine that may be busy.",
        {"wall_s": ("wall clock, s", 2), "cpu_s": ("CPU, s", 2)},
        {"wall_s": _at_most("arranging and mixing", 3)},
    ),
})  # fmt: skip


class MusicEvaluation(NamedTuple):
    """The report in its JSON form, and an error message for each part that failed."""

    report: dict[str, Any]
    failed: tuple[str, ...]


@dataclass(frozen=True)
class MusicData:
    """Inputs: folders of clips, of POP909 (`human`) and of MuVi-Sync, and the number of seeds."""

    clips: Path
    human: Path | None = None
    muvi_sync: Path | None = None
    seeds: int = 1


def evaluate_music(data: MusicData, *, keep: Path | None = None) -> MusicEvaluation:
    """Measure every part; scored clips are kept in the new folder `keep`, if given. Raises OptionError."""
    if data.seeds < 1:
        raise OptionError(f"--seeds {data.seeds} leaves nothing to evaluate: give 1 or more")
    if not data.clips.is_dir():
        raise OptionError(f"there are no clips at {data.clips}: give a folder of videos")
    notes: list[str] = []
    failed: list[str] = []
    rows: dict[str, Summaries] = {}
    with ExitStack() as stack:
        work = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="evaluate-music-")))
        for name, measure in _parts(data, work, notes, failed):
            log.info("%s", PARTS[name].title)
            rows |= _rows_or_failure(name, measure, failed)
    found = from_summaries("music", "random cuts, clips", "none", list(range(data.seeds)), rows)
    return MusicEvaluation(found | {"limits": _verdicts(rows), "notes": [*notes, *failed]}, tuple(failed))


MeasureRows = Callable[[], Iterable[tuple[str, Summaries]]]


def _parts(data: MusicData, work: Path, notes: list[str], failed: list[str]) -> Iterator[tuple[str, MeasureRows]]:
    """Every part's name and the function that measures it; what is left out gets a note."""

    @cache
    def scored() -> clips.ClipMeasurements:
        found = clips.measure(data.clips, work / "clips", seeds=data.seeds)
        notes.extend(f"Not a video: {sentence}" for sentence in found.refused)
        failed.extend(f"Scoring failed: {sentence}" for sentence in found.failed)
        return found

    yield "cuts", lambda: cuts.cut_rows(data.seeds).items()
    yield "clips", lambda: clips.clip_rows(scored().scored)
    if ducking.espeak_path():
        yield "speech", lambda: ducking.ducking_rows(work / "speech", count=max(data.seeds, 2))
    else:
        notes.append(f"Music under speech was left out: {ducking.PROGRAM} is not installed.")
    if data.human:
        human = data.human
        yield "distance", lambda: _distance_rows(human)
    yield "measures", lambda: _muspy_rows(data, scored().by_seed())
    yield "speed", lambda: speed_rows(work / "speed")


def _distance_rows(human: Path) -> Iterator[tuple[str, Summaries]]:
    from video2music.evaluate.music import frechet_distance

    for name, metrics in frechet_distance.distance_rows(human).items():
        yield name, {metric: single(value) for metric, value in metrics.items()}


def _muspy_rows(data: MusicData, compositions: Sequence[Sequence[Any]]) -> Iterator[tuple[str, Summaries]]:
    yield from muspy_metrics.composition_rows(compositions)
    if data.muvi_sync:
        yield from muspy_metrics.song_rows(data.muvi_sync, seeds=data.seeds)


def _rows_or_failure(name: str, measure: MeasureRows, failed: list[str]) -> dict[str, Summaries]:
    """The rows of a part, named as in the report; none where it fails, with the reason appended to `failed`."""
    try:
        return {f"{name}: {row}": summaries for row, summaries in measure()}
    except UserError as error:
        failed.append(f"{PARTS[name].title} failed: {error}")
    except Exception as error:  # the other parts, which take an hour, are still worth measuring
        log.debug("traceback", exc_info=error)
        failed.append(f"{PARTS[name].title} failed: something unforeseen happened ({type(error).__name__}: {error})")
    log.warning("%s", failed[-1])
    return {}


def _verdicts(rows: Mapping[str, Summaries]) -> dict[str, dict[str, Any]]:
    """By part and metric the limit and whether it is met, for what was measured."""
    found: dict[str, dict[str, Any]] = {}
    for name, part in PARTS.items():
        for metric, limit in part.limits.items():
            summary = rows.get(f"{name}: {limit.row}", {}).get(metric)
            if summary:
                verdict = {"row": limit.row, "limit": limit.text, "met": bool(limit.holds(summary["mean"]))}
                found.setdefault(name, {})[metric] = verdict
    return found


def music_tables(report: Mapping[str, Any]) -> str:
    """The report as Markdown: a table for each part, with the limits above the rows, then the notes."""
    blocks = [_table(name, part, report) for name, part in PARTS.items() if _rows_of(name, report)]
    notes = "\n".join(f"- {sentence}" for sentence in report["notes"])
    return "\n\n".join([*blocks, *([notes] if notes else [])]) + "\n"


def _rows_of(name: str, report: Mapping[str, Any]) -> dict[str, Summaries]:
    return {
        row.removeprefix(f"{name}: "): summaries
        for row, summaries in report["rows"].items()
        if row.startswith(f"{name}: ")
    }


def _table(name: str, part: ReportPart, report: Mapping[str, Any]) -> str:
    limits = report["limits"].get(name, {})
    header = [part.title, *(heading for heading, _ in part.columns.values())]
    lines = [["limit", *(_limit_cell(limits.get(metric)) for metric in part.columns)]] if limits else []
    for row, summaries in _rows_of(name, report).items():
        lines.append([row, *(_cell(summaries.get(metric), digits) for metric, (_, digits) in part.columns.items())])
    return f"{part.note}\n\n{markdown_table(header, lines)}"


def _limit_cell(verdict: Mapping[str, Any] | None) -> str:
    return f"{verdict['limit']}: {'met' if verdict['met'] else 'missed'}" if verdict else ""


def _cell(summary: Summary | None, digits: int) -> str:
    if summary is None:
        return ""
    mean, low, high = (f"{summary[name]:.{digits}f}" for name in ("mean", "low", "high"))
    return mean if low == high else f"{mean} [{low}, {high}]"


def speed_rows(work: Path) -> Iterator[tuple[str, Summaries]]:
    """Wall-clock and CPU seconds of arranging, rendering and mixing a minute of music."""
    work.mkdir(parents=True, exist_ok=True)
    style = max(map(styles.load_style, styles.names()), key=lambda each: len(each.instruments))
    found: dict[str, Summaries] = {}
    with _timed("arranging", found):
        score = _arranged(style)
    midi.write(score, work / "minute.mid")
    with _timed("rendering", found):
        stems = {
            name: list(blocks) for name, blocks in synthesis.stems(work / "minute.mid", duration_s=SPEED_S).items()
        }
    names = [f"stem {number}" for number in range(1, SPEED_STEMS + 1)]
    # a style may have fewer stems than SPEED_STEMS
    repeated = {name: blocks for name, (_, blocks) in zip(names, itertools.cycle(stems.items()), strict=False)}
    with _timed("mixing", found):
        mix.mix(repeated, work / "minute.wav", duration_s=SPEED_S)
    arranging, mixing = found["arranging"], found["mixing"]
    both = {metric: single(arranging[metric]["mean"] + mixing[metric]["mean"]) for metric in arranging}
    yield from {"arranging and mixing": both, **found}.items()


def _arranged(style: styles.Style) -> Score:
    grid = form.plan(SPEED_S, (), arousal=0.5, style=style)
    loop, steps = parse_sequence(SPEED_CHORDS), len(grid)
    dynamics = Dynamics(np.full(steps, SPEED_DENSITY, np.float32), np.full(steps, SPEED_LOUDNESS, np.float32))
    chords = [loop[step // 2 % len(loop)] for step in range(steps)]
    return arrange.arrange(chords, dynamics, grid, style, key=Key(9, "minor"), rng=np.random.default_rng(0))


@contextmanager
def _timed(name: str, found: dict[str, Summaries]) -> Iterator[None]:
    clock, core = time.perf_counter(), time.process_time()
    yield
    found[name] = {"wall_s": single(time.perf_counter() - clock), "cpu_s": single(time.process_time() - core)}
