"""What a page about alignment shows, drawn as SVG that takes its colours from the page: light or dark."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from emotion.alignment import FEWEST
from video2music.svg import PLANE, Point, Way, clock, dot, line, on_plane, plane, rule, svg, ticks_s, ways

Video = Mapping[str, Any]
"""An entry of `videos` in the report of `evaluate alignment`."""

WIDTH, HEIGHT = 640, 168  # of a curve, in the drawing's own units
LEFT, RIGHT, TOP, BOTTOM = 34, 10, 10, 24
TRACK, TRACK_HEIGHT = 300, 44


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
        line(seconds, "second"),
        *(_spans(windows, axis, place) if len(windows) < FEWEST else ()),
        line(wanted, "picture"),
        line(heard, "music"),
        *(dot(point, "dot-picture", 3.2) for point in wanted),
        *(dot(point, "dot-music", 3.4) for point in heard),
        f'<text x="{LEFT}" y="{TOP - 1}" class="number">{axis}</text>',
    ]
    return svg(WIDTH, HEIGHT, f"{axis} of picture and music over time in {video['name']}", parts)


def _levels(place: Any, lasting_s: float) -> Iterable[str]:
    """Lines across at -1, 0 and 1 with their numbers."""
    for value in (-1, 0, 1):
        (left, y), (right, _) = place(0.0, value), place(lasting_s, value)
        yield rule((left, y), (right, y), "grid" if value else "axis")
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{f"{value:+d}" if value else 0}</text>'


def _ticks(place: Any, lasting_s: float) -> Iterable[str]:
    """Times below the curves."""
    for time_s in ticks_s(lasting_s):
        x, y = place(float(time_s), -1)
        yield f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">{clock(time_s)}</text>'


def _spans(windows: Sequence[Mapping[str, Any]], axis: str, place: Any) -> Iterable[str]:
    """How long each of a few windows lasts."""
    for window in windows:
        for name, style in ((f"wanted_{axis}", "picture span"), (axis, "music span")):
            yield rule(place(window["start_s"], window[name]), place(window["end_s"], window[name]), style)


def way_on_plane(video: Video) -> str:
    """The ways of picture and music through the plane, window by window; the means are large."""
    windows = video["compared"]
    wanted = Way([(window["wanted_valence"], window["wanted_arousal"]) for window in windows], "picture")
    heard = Way([(window["valence"], window["arousal"]) for window in windows], "music")
    return ways(f"the way of {video['name']} through the plane of valence and arousal", (wanted, heard))


def all_on_plane(videos: Sequence[Video]) -> str:
    """For every video a line from where its picture wants the music to where the music is heard, with its number."""
    parts = list(plane())
    ends = [(on_plane(video["wanted_valence"], video["wanted_arousal"]),
             on_plane(video["heard_valence"], video["heard_arousal"])) for video in videos]  # fmt: skip
    parts += [rule(wanted, heard, "way") for wanted, heard in ends]
    parts += [dot(wanted, "dot-picture", 4.0) for wanted, _ in ends]
    parts += [dot(heard, "dot-music", 4.0) for _, heard in ends]
    for number, ((x, y), _) in enumerate(ends):
        parts.append(f'<text class="number" x="{x + 6:.1f}" y="{y - 5:.1f}">{number + 1}</text>')
    return svg(PLANE, PLANE, "where every picture wants its music, and where the music is heard", parts)


def interval(own: Mapping[str, float], chance: Mapping[str, float] | None, bounds: tuple[float, float]) -> str:
    """A figure with its interval, and below it that of chance, on a track from one bound to the other."""
    low, high = bounds
    zero = [0.0] if low < 0 < high else []

    def across(value: float) -> float:
        return 8 + (TRACK - 16) * (min(max(value, low), high) - low) / (high - low)

    parts = [rule((across(low), 28), (across(high), 28), "grid")]
    parts += [rule((across(at), 2), (across(at), 30), "axis") for at in zero]
    for name, figure, y in (("own", own, 10), ("chance", chance, 20)):
        if figure:
            parts.append(rule((across(figure["low"]), y), (across(figure["high"]), y), f"whisker {name}"))
            parts.append(dot((across(figure["mean"]), y), "dot-music" if name == "own" else "dot-chance", 4.6))
    for at in (low, *zero, high):
        parts.append(f'<text x="{across(at):.1f}" y="41" text-anchor="middle">{at:g}</text>')
    return svg(TRACK, TRACK_HEIGHT, f"{own['mean']:.3f}, from {own['low']:.3f} to {own['high']:.3f}", parts)
