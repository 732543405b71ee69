"""What a page about alignment shows, drawn as SVG that takes its colours from the page: light or dark."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from emotion.alignment import FEWEST

Point = tuple[float, float]
Video = Mapping[str, Any]
"""An entry of `videos` in the report of `evaluate alignment`."""

WIDTH, HEIGHT = 640, 168  # of a curve, in the drawing's own units
LEFT, RIGHT, TOP, BOTTOM = 34, 10, 10, 24
PLANE, EDGE = 280, 22  # of the plane: its side, and the margin around it
TRACK, TRACK_HEIGHT = 300, 44
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
MOST_TICKS = 8
CORNERS = MappingProxyType({
    "q1": (0.96, 0.9, "end", "pleasant, excited"),
    "q2": (-0.96, 0.9, "start", "unpleasant, excited"),
    "q3": (-0.96, -0.96, "start", "unpleasant, calm"),
    "q4": (0.96, -0.96, "end", "pleasant, calm"),
})  # fmt: skip


def over_time(video: Video, axis: str) -> str:
    """One axis of picture and music over the seconds of a video."""
    windows, curve = video["compared"], video["curve"][axis]
    lasting_s = max(len(curve), windows[-1]["end_s"], 1.0)

    def place(time_s: float, value: float) -> Point:
        across = LEFT + (WIDTH - LEFT - RIGHT) * time_s / lasting_s
        return across, TOP + (HEIGHT - TOP - BOTTOM) * (1 - value) / 2

    middles = [(window["start_s"] + window["end_s"]) / 2 for window in windows]
    wanted = [place(time_s, window[f"wanted_{axis}"]) for time_s, window in zip(middles, windows, strict=True)]
    heard = [place(time_s, window[axis]) for time_s, window in zip(middles, windows, strict=True)]
    seconds = [place(float(at), value) for second, value in enumerate(curve) for at in (second, second + 1)]
    parts = [
        *_levels(place, lasting_s),
        *_ticks(place, lasting_s),
        _line(seconds, "second"),
        *(_spans(windows, axis, place) if len(windows) < FEWEST else ()),
        _line(wanted, "picture"),
        _line(heard, "music"),
        *(_dot(point, "dot-picture", 3.2) for point in wanted),
        *(_dot(point, "dot-music", 3.4) for point in heard),
        f'<text x="{LEFT}" y="{TOP - 1}" class="number">{axis}</text>',
    ]
    return _svg(WIDTH, HEIGHT, f"{axis} of picture and music over time in {video['name']}", parts)


def _levels(place: Any, lasting_s: float) -> Iterable[str]:
    """Lines across at -1, 0 and 1 with their numbers."""
    for value in (-1, 0, 1):
        (left, y), (right, _) = place(0.0, value), place(lasting_s, value)
        yield _rule((left, y), (right, y), "grid" if value else "axis")
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{f"{value:+d}" if value else 0}</text>'


def _ticks(place: Any, lasting_s: float) -> Iterable[str]:
    """Times below the curves, no more than MOST_TICKS after the first."""
    step = next((step for step in STEPS_S if lasting_s / step <= MOST_TICKS), STEPS_S[-1])
    for time_s in range(0, int(lasting_s) + 1, step):
        x, y = place(float(time_s), -1)
        yield f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">{clock(time_s)}</text>'


def clock(time_s: float) -> str:
    """Seconds as people write them: 45 s, 2:05."""
    whole = round(time_s)
    return f"{whole} s" if whole < 100 else f"{whole // 60}:{whole % 60:02d}"


def _spans(windows: Sequence[Mapping[str, Any]], axis: str, place: Any) -> Iterable[str]:
    """How long each of a few windows lasts."""
    for window in windows:
        for name, style in ((f"wanted_{axis}", "picture span"), (axis, "music span")):
            yield _rule(place(window["start_s"], window[name]), place(window["end_s"], window[name]), style)


def on_plane(video: Video) -> str:
    """The ways of picture and music through the plane, window by window; the means are large."""
    windows = video["compared"]
    wanted = [_on_plane(window["wanted_valence"], window["wanted_arousal"]) for window in windows]
    heard = [_on_plane(window["valence"], window["arousal"]) for window in windows]
    parts = [*_plane(), _line(wanted, "picture"), _line(heard, "music")]
    parts += [_dot(point, "dot-picture", 2.6) for point in wanted]
    parts += [_dot(point, "dot-music", 2.8) for point in heard]
    parts += [_dot(_mean(wanted), "dot-picture", 7.0), _dot(_mean(heard), "dot-music", 7.0)]
    return _svg(PLANE, PLANE, f"the way of {video['name']} through the plane of valence and arousal", parts)


def all_on_plane(videos: Sequence[Video]) -> str:
    """For every video a line from where its picture wants the music to where the music is heard, with its number."""
    parts = list(_plane())
    ends = [(_on_plane(video["wanted_valence"], video["wanted_arousal"]),
             _on_plane(video["heard_valence"], video["heard_arousal"])) for video in videos]  # fmt: skip
    parts += [_rule(wanted, heard, "way") for wanted, heard in ends]
    parts += [_dot(wanted, "dot-picture", 4.0) for wanted, _ in ends]
    parts += [_dot(heard, "dot-music", 4.0) for _, heard in ends]
    for number, ((x, y), _) in enumerate(ends):
        parts.append(f'<text class="number" x="{x + 6:.1f}" y="{y - 5:.1f}">{number + 1}</text>')
    return _svg(PLANE, PLANE, "where every picture wants its music, and where the music is heard", parts)


def interval(own: Mapping[str, float], chance: Mapping[str, float] | None, bounds: tuple[float, float]) -> str:
    """A figure with its interval, and below it that of chance, on a track from one bound to the other."""
    low, high = bounds
    zero = [0.0] if low < 0 < high else []

    def across(value: float) -> float:
        return 8 + (TRACK - 16) * (min(max(value, low), high) - low) / (high - low)

    parts = [_rule((across(low), 28), (across(high), 28), "grid")]
    parts += [_rule((across(at), 2), (across(at), 30), "axis") for at in zero]
    for name, figure, y in (("own", own, 10), ("chance", chance, 20)):
        if figure:
            parts.append(_rule((across(figure["low"]), y), (across(figure["high"]), y), f"whisker {name}"))
            parts.append(_dot((across(figure["mean"]), y), "dot-music" if name == "own" else "dot-chance", 4.6))
    for at in (low, *zero, high):
        parts.append(f'<text x="{across(at):.1f}" y="41" text-anchor="middle">{at:g}</text>')
    return _svg(TRACK, TRACK_HEIGHT, f"{own['mean']:.3f}, from {own['low']:.3f} to {own['high']:.3f}", parts)


def _on_plane(valence: float, arousal: float) -> Point:
    half = PLANE / 2 - EDGE
    return PLANE / 2 + half * valence, PLANE / 2 - half * arousal


def _plane() -> Iterable[str]:
    """The plane's frame, its axes and the names of its quadrants."""
    side = PLANE - 2 * EDGE
    yield f'<rect class="grid" fill="none" x="{EDGE}" y="{EDGE}" width="{side}" height="{side}" rx="6"/>'
    yield _rule(_on_plane(-1, 0), _on_plane(1, 0), "axis")
    yield _rule(_on_plane(0, -1), _on_plane(0, 1), "axis")
    for valence, arousal, anchor, words in CORNERS.values():
        x, y = _on_plane(valence, arousal)
        yield f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'
    yield f'<text x="{PLANE / 2}" y="{PLANE - 5}" text-anchor="middle">valence →</text>'
    yield f'<text transform="translate(13 {PLANE / 2}) rotate(-90)" text-anchor="middle">arousal →</text>'


def _mean(points: Sequence[Point]) -> Point:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)


def _line(points: Sequence[Point], style: str) -> str:
    """A line through points; what does not turn is left out, so that long curves stay small."""
    kept = [point for place, point in enumerate(points) if place in (0, len(points) - 1) or _turns(points, place)]
    return f'<polyline class="{style}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in kept)}"/>'


def _turns(points: Sequence[Point], place: int) -> bool:
    """Whether a point lies on another height than one of its neighbours."""
    return any(one[1] != other[1] for one, other in pairwise(points[place - 1 : place + 2]))


def _rule(start: Point, end: Point, style: str) -> str:
    return f'<line class="{style}" x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"/>'


def _dot(point: Point, style: str, radius: float) -> str:
    return f'<circle class="{style}" cx="{point[0]:.1f}" cy="{point[1]:.1f}" r="{radius}"/>'


def _svg(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    told = escape(shown(title))
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{told}">{"".join(parts)}</svg>'


def shown(text: object) -> str:
    """Text of one line: names of files are bytes and may hold anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(text))
