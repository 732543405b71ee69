"""How long a minute of music takes: arranging and mixing, and beside them rendering, by the clock and of one core."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from emotion import synthesis
from video2music import arrange, form, midi, mix, styles
from video2music.chords import parse_sequence
from video2music.evaluate.figures import Row, single
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
