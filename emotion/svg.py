"""What every drawing is made of: marks of SVG that take their colours from the page, the plane, times as people write
them, and text that cannot become markup."""

import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import pairwise
from statistics import fmean
from types import MappingProxyType
from typing import NamedTuple

Point = tuple[float, float]  # across and down, in the drawing's own units

PLANE, EDGE = 280, 22  # of the plane: its side, and the margin around it
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
MOST_TICKS = 8
CORNERS = MappingProxyType({
    "q1": (0.96, 0.9, "end", "pleasant, excited"),
    "q2": (-0.96, 0.9, "start", "unpleasant, excited"),
    "q3": (-0.96, -0.96, "start", "unpleasant, calm"),
    "q4": (0.96, -0.96, "end", "pleasant, calm"),
})  # fmt: skip
"""Label of each quadrant: its point on the plane, its SVG text-anchor, and the text."""


def shown(text: object) -> str:
    """Text of one line: names of files are bytes and may hold anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(text))


def markup(text: object) -> str:
    """A text as HTML or SVG, in an element or in an attribute."""
    return escape(shown(text), quote=True)


def clock(time_s: float) -> str:
    """Seconds as people write them: 45 s, 2:05."""
    whole = round(time_s)
    return f"{whole} s" if whole < 100 else f"{whole // 60}:{whole % 60:02d}"


def exact(time_s: float) -> str:
    """Seconds to a tenth: 0:04.5."""
    minutes, tenths = divmod(round(time_s * 10), 600)
    return f"{minutes}:{tenths / 10:04.1f}"


def ticks_s(lasting_s: float, *, most: int = MOST_TICKS) -> range:
    """Whole seconds to write below a drawing over time, no more than `most` after the first."""
    hours = math.ceil(lasting_s / most / STEPS_S[-1])
    step = next((step for step in STEPS_S if lasting_s / step <= most), STEPS_S[-1] * hours)
    return range(0, int(lasting_s) + 1, step)


def svg(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    """A drawing that is as wide as its place; `title` is what screen readers say."""
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{markup(title)}">{"".join(parts)}</svg>'


def line(points: Sequence[Point], style: str) -> str:
    """A line through points; points on a horizontal line are left out, so that long curves stay small."""
    kept = [point for at, point in enumerate(points) if at in (0, len(points) - 1) or _turns(points, at)]
    return f'<polyline class="{style}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in kept)}"/>'


def _turns(points: Sequence[Point], at: int) -> bool:
    """Whether a point has another height than one of its neighbours."""
    return any(one[1] != other[1] for one, other in pairwise(points[at - 1 : at + 2]))


def rule(start: Point, end: Point, style: str) -> str:
    """A straight line."""
    return f'<line class="{style}" x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"/>'


def dot(point: Point, style: str, radius: float) -> str:
    """A disc."""
    return f'<circle class="{style}" cx="{point[0]:.1f}" cy="{point[1]:.1f}" r="{radius}"/>'


def on_plane(valence: float, arousal: float) -> Point:
    """The coordinates of valence and arousal in the drawing."""
    half = PLANE / 2 - EDGE
    return PLANE / 2 + half * valence, PLANE / 2 - half * arousal


def plane() -> Iterator[str]:
    """The plane's frame, its axes and the names of its quadrants."""
    side = PLANE - 2 * EDGE
    yield f'<rect class="grid" fill="none" x="{EDGE}" y="{EDGE}" width="{side}" height="{side}" rx="6"/>'
    yield rule(on_plane(-1, 0), on_plane(1, 0), "axis")
    yield rule(on_plane(0, -1), on_plane(0, 1), "axis")
    for valence, arousal, anchor, label in CORNERS.values():
        x, y = on_plane(valence, arousal)
        yield f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{label}</text>'
    yield f'<text x="{PLANE / 2}" y="{PLANE - 5}" text-anchor="middle">valence →</text>'
    yield f'<text transform="translate(13 {PLANE / 2}) rotate(-90)" text-anchor="middle">arousal →</text>'


class Trajectory(NamedTuple):
    """Points (valence, arousal) in order of time; `kind` is the CSS class: picture, for the target, or music."""

    points: Sequence[tuple[float, float]]
    kind: str


def trajectories(title: str, found: Iterable[Trajectory]) -> str:
    """The plane with trajectories; a large dot is the mean of each."""
    parts = list(plane())
    for trajectory, kind in found:
        points = [on_plane(*point) for point in trajectory]
        mean = on_plane(*(fmean(values) for values in zip(*trajectory, strict=True)))
        parts += [
            line(points, kind),
            *(dot(point, f"dot-{kind}", 2.6) for point in points),
            dot(mean, f"dot-{kind}", 7),
        ]
    return svg(PLANE, PLANE, title, parts)
