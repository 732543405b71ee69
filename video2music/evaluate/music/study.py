"""How long a minute of music takes: arranging and mixing, and beside them rendering, by the clock and of one core.

`evaluate music`: what people would notice in a scored clip, measured in what comes out and told beside its bars.

Each part is measured by a module of its own and gives rows; a part that fails is told of and stops no other.
"""

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
from video2music.evaluate.intervals import Figure, Row, single
from video2music.evaluate.music import clips as scored_clips
from video2music.evaluate.music import cuts, pieces, speech
from video2music.mixing import mix
from video2music.values import Dynamics, Key, Score

SECONDS = 60.0
STEMS = 8
CHORDS = "Am F C G Dm F G E7"
DENSITY, LOUDNESS = 14.0, 0.2  # notes a second and RMS: a lively piece


def rows(work: Path) -> Iterator[tuple[str, Row]]:
    """Seconds of each stage. Raises what rendering and mixing raise."""
    work.mkdir(parents=True, exist_ok=True)
    style = max(map(styles.load_style, styles.names()), key=lambda each: len(each.instruments))
    found: dict[str, Row] = {}
    with _timed("arranging", found):
        score = _arranged(style)
    midi.write(score, work / "minute.mid")
    with _timed("rendering", found):
        stems = {
            name: list(blocks) for name, blocks in synthesis.stems(work / "minute.mid", duration_s=SECONDS).items()
        }
    names = [f"stem {number}" for number in range(1, STEMS + 1)]
    played = {name: blocks for name, (_, blocks) in zip(names, _again(stems), strict=False)}
    with _timed("mixing", found):
        mix.mix(played, work / "minute.wav", duration_s=SECONDS)
    arranging, mixing = found["arranging"], found["mixing"]
    both = {metric: single(arranging[metric]["mean"] + mixing[metric]["mean"]) for metric in arranging}
    yield from {"arranging and mixing": both, **found}.items()


def _arranged(style: styles.Style) -> Score:
    grid = form.plan(SECONDS, (), arousal=0.5, style=style)
    loop, steps = parse_sequence(CHORDS), len(grid)
    dynamics = Dynamics(np.full(steps, DENSITY, np.float32), np.full(steps, LOUDNESS, np.float32))
    chords = [loop[step // 2 % len(loop)] for step in range(steps)]
    return arrange.arrange(chords, dynamics, grid, style, key=Key(9, "minor"), rng=np.random.default_rng(0))


def _again(stems: Mapping[str, list]) -> Iterator[tuple[str, list]]:
    """The stems over and over: a style may have fewer than are to be mixed."""
    while True:
        yield from stems.items()


@contextmanager
def _timed(name: str, found: dict[str, Row]) -> Iterator[None]:
    clock, core = time.perf_counter(), time.process_time()
    yield
    found[name] = {"wall_s": single(time.perf_counter() - clock), "cpu_s": single(time.process_time() - core)}


log = logging.getLogger(__name__)


class Bar(NamedTuple):
    """What a metric of one row has to reach; `said` is how it is told."""

    row: str
    said: str
    holds: Callable[[float], bool]


@dataclass(frozen=True)
class Part:
    """How a part of the report is shown: its title, what to know of it, headings with decimals, and its bars."""

    title: str
    note: str
    columns: Mapping[str, tuple[str, int]]
    bars: Mapping[str, Bar]


def _at_least(row: str, limit: float) -> Bar:
    return Bar(row, f"≥ {limit:g}", lambda value: value >= limit)


def _at_most(row: str, limit: float) -> Bar:
    return Bar(row, f"≤ {limit:g}", lambda value: value <= limit)


def _within(row: str, limit: float) -> Bar:
    return Bar(row, f"± {limit:g}", lambda value: abs(value) <= limit)


CLIPS, SPOKEN = "all clips, the worst", "all spoken clips, the worst"
PARTS: Mapping[str, Part] = MappingProxyType({
    "cuts": Part(
        "Cuts on downbeats",
        f"{cuts.LISTS} random lists a seed of {cuts.FEWEST} to {cuts.MOST} cuts in {cuts.SHORTEST_S:g} to "
        f"{cuts.LONGEST_S:g} s, in every style and mood; of cuts closer than 4 s the stronger is strong. Mean [95 % "
        "bootstrap interval over lists].",
        {"within_80ms": ("strong cuts within 80 ms", 3), "median_error_ms": ("median error, ms", 1)},
        {
            "within_80ms": _at_least("shipped", 0.8),
            "median_error_ms": Bar("shipped", "< 40", lambda value: value < 40),
        },
    ),
    "clips": Part(
        "Scored clips",
        "Decoded from the scored file: how much longer its sound is than its picture and how much later it begins, "
        f"integrated loudness against {scored_clips.TARGET_LUFS:g} LUFS and true peak (BS.1770-4). Of the music alone: "
        f"how long before its end the last sound has fallen below {scored_clips.SILENT_DB:g} dB of the piece, and the "
        f"level of its last 50 ms against all of it. Clips below {scored_clips.SHORTEST_S:g} s have no loudness and no "
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
            "length_off_ms": _within(CLIPS, 20),
            "loudness_off_lu": _within(CLIPS, 0.5),
            "true_peak_dbtp": _at_most(CLIPS, -1),
            "silent_for_s": Bar(CLIPS, "> 0", lambda value: value > 0),
        },
    ),
    "speech": Part(
        "Music under speech",
        "Sentences by espeak-ng at known times. The music's gain is what least squares find of the music in the scored "
        "file, in windows of 20 ms: how much less power it leaves it under speech than in the gaps; the shortest "
        "time in which it goes through four fifths of all its way; the most it changes within 50 ms.",
        {
            "lower_db": ("lower under speech, dB", 1),
            "change_ms": ("a whole change, ms", 0),
            "change_db_in_50ms": ("change in 50 ms, dB", 1),
        },
        {"lower_db": _at_least(SPOKEN, 8), "change_ms": _at_least(SPOKEN, 50)},
    ),
    "nearness": Part(
        "Nearness to human accompaniment",
        "Fréchet distance to POP909's pianists over 19 figures a bar, the same chords in the same bars.",
        {"distance": ("distance", 2)},
        {"distance": _at_most("ours, piano", 6)},
    ),
    "measures": Part(
        "MusPy's measures",
        "By MusPy's definitions, the groove on 24 steps a beat and on 4; mean [95 % bootstrap interval over pieces]. "
        "None of them is better for being higher: they are to be near those of real chords.",
        {
            "pitch_class_entropy": ("pitch-class entropy, bits", 3),
            "scale_consistency": ("scale consistency", 3),
            "groove_consistency": ("groove consistency", 3),
            "groove_on_sixteenths": ("on sixteenths", 3),
        },
        {},
    ),
    "speed": Part(
        "Speed",
        f"Seconds for {SECONDS:g} s of music in {STEMS} stems, on a machine that may be busy.",
        {"wall_s": ("by the clock", 2), "cpu_s": ("of one core", 2)},
        {"wall_s": _at_most("arranging and mixing", 3)},
    ),
})  # fmt: skip


class Study(NamedTuple):
    """The report in its JSON form, and a sentence for each part that failed."""

    report: dict[str, Any]
    failed: tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """What there is to measure: folders of clips, of POP909 and of MuVi-Sync, and how many seeds."""

    clips: Path
    human: Path | None = None
    muvi_sync: Path | None = None
    seeds: int = 1


def study(asked: Asked, *, keep: Path | None = None) -> Study:
    """Measure every part; `keep` is a new folder for what is scored on the way. Raises OptionError."""
    if asked.seeds < 1:
        raise OptionError(f"--seeds {asked.seeds} leaves nothing to evaluate: give 1 or more")
    if not asked.clips.is_dir():
        raise OptionError(f"there are no clips at {asked.clips}: give a folder of videos")
    told: list[str] = []
    failed: list[str] = []
    rows: dict[str, Row] = {}
    with ExitStack() as stack:
        work = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="evaluate-music-")))
        for name, measured in _parts(asked, work, told, failed):
            log.info("%s", PARTS[name].title)
            rows |= _tried(name, measured, failed)
    found = from_summaries("music", "random cuts, clips", "none", list(range(asked.seeds)), rows)
    return Study(found | {"bars": _verdicts(rows), "told": [*told, *failed]}, tuple(failed))


Rows = Callable[[], Iterable[tuple[str, Row]]]


def _parts(asked: Asked, work: Path, told: list[str], failed: list[str]) -> Iterator[tuple[str, Rows]]:
    """Every part with what measures it; what is left out is told."""

    @cache
    def scored() -> scored_clips.Measured:
        found = scored_clips.measure(asked.clips, work / "clips", seeds=asked.seeds)
        told.extend(f"No video, and told so: {sentence}" for sentence in found.refused)
        failed.extend(f"Scoring failed: {sentence}" for sentence in found.failed)
        return found

    yield "cuts", lambda: cuts.rows(asked.seeds).items()
    yield "clips", lambda: scored_clips.rows(scored().scored)
    if speech.program():
        yield "speech", lambda: speech.rows(work / "speech", clips=max(asked.seeds, 2))
    else:
        told.append(f"Music under speech was left out: {speech.PROGRAM} is not installed.")
    if asked.human:
        human = asked.human
        yield "nearness", lambda: _nearness(human)
    yield "measures", lambda: _measures(asked, scored().by_seed())
    yield "speed", lambda: rows(work / "speed")


def _nearness(human: Path) -> Iterator[tuple[str, Row]]:
    from video2music.evaluate.music import nearness

    for name, figures in nearness.rows(human).items():
        yield name, {metric: single(value) for metric, value in figures.items()}


def _measures(asked: Asked, compositions: Sequence[Sequence[Any]]) -> Iterator[tuple[str, Row]]:
    yield from pieces.rows_of_clips(compositions)
    if asked.muvi_sync:
        yield from pieces.rows_of_songs(asked.muvi_sync, seeds=asked.seeds)


def _tried(name: str, measured: Rows, failed: list[str]) -> dict[str, Row]:
    """The rows of a part by their names in the report, none where it fails; the reason is kept."""
    try:
        return {f"{name}: {row}": figures for row, figures in measured()}
    except UserError as error:
        failed.append(f"{PARTS[name].title} failed: {error}")
    except Exception as error:  # the other parts are worth their hour
        log.debug("traceback", exc_info=error)
        failed.append(f"{PARTS[name].title} failed: something unforeseen happened ({type(error).__name__}: {error})")
    log.warning("%s", failed[-1])
    return {}


def _verdicts(rows: Mapping[str, Row]) -> dict[str, dict[str, Any]]:
    """By part and metric the bar, and whether it is held; only of what was measured."""
    found: dict[str, dict[str, Any]] = {}
    for name, part in PARTS.items():
        for metric, bar in part.bars.items():
            figure = rows.get(f"{name}: {bar.row}", {}).get(metric)
            if figure:
                verdict = {"row": bar.row, "bar": bar.said, "held": bool(bar.holds(figure["mean"]))}
                found.setdefault(name, {})[metric] = verdict
    return found


def as_text(report: Mapping[str, Any]) -> str:
    """The report as Markdown: a table a part with the bars above the rows, then what else is to be told."""
    blocks = [_table(name, part, report) for name, part in PARTS.items() if _rows_of(name, report)]
    told = "\n".join(f"- {sentence}" for sentence in report["told"])
    return "\n\n".join([*blocks, *([told] if told else [])]) + "\n"


def _rows_of(name: str, report: Mapping[str, Any]) -> dict[str, Row]:
    return {
        row.removeprefix(f"{name}: "): figures for row, figures in report["rows"].items() if row.startswith(f"{name}: ")
    }


def _table(name: str, part: Part, report: Mapping[str, Any]) -> str:
    bars = report["bars"].get(name, {})
    lines = [[part.title, *(heading for heading, _ in part.columns.values())], ["---"] * (len(part.columns) + 1)]
    if bars:
        lines.append(["the bar", *(_said(bars.get(metric)) for metric in part.columns)])
    for row, figures in _rows_of(name, report).items():
        lines.append([row, *(_cell(figures.get(metric), digits) for metric, (_, digits) in part.columns.items())])
    return f"{part.note}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _said(verdict: Mapping[str, Any] | None) -> str:
    return f"{verdict['bar']}: {'held' if verdict['held'] else 'missed'}" if verdict else ""


def _cell(figure: Figure | None, digits: int) -> str:
    if figure is None:
        return ""
    mean, low, high = (f"{figure[name]:.{digits}f}" for name in ("mean", "low", "high"))
    return mean if low == high else f"{mean} [{low}, {high}]"
