"""Drawings that all views share: lanes over one axis of time, and paths on the valence-arousal plane.

A lane's drawing is SPAN units wide, which is the length of the clip, and HEIGHT units high; it is stretched to its
place, with lines that keep their width. What is to be read stands beside it as HTML, at a share of the width, so that
letters have one size on a telephone and on a wide screen. Colours are between light and dark, and read on both.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from emotion import svg
from emotion.svg import MOST_TICKS, Trajectory, clock, line, markup, ticks_s

MOST_PLACES = 60  # of a path on the plane

PLANE_STYLE = """
.v2m .plane { max-width: 320px; margin: 0 auto; }
.v2m .plane svg { display: block; width: 100%; height: auto; }
.v2m .plane text { fill: currentColor; fill-opacity: .72; font: 11px system-ui, "DejaVu Sans", sans-serif; }
.v2m .plane polyline { stroke-width: 1.6; stroke-opacity: .7; }
.v2m .dot-picture { fill: none; stroke: var(--picture); stroke-width: 2; } .v2m .dot-music { fill: var(--music); }
.v2m .pair { display: grid; grid-template-columns: minmax(0, 2fr) minmax(0, 1fr); gap: 0 12px; align-items: center; }
@container (max-width: 620px) { .v2m .pair { grid-template-columns: minmax(0, 1fr); } }
"""


def plane(title: str, *paths: tuple[NDArray[np.floating], str]) -> str:
    """Paths on the plane, each points (N, 2) and the kind of an svg.Trajectory; long ones are thinned."""
    short = [Trajectory(thinned(places, most=MOST_PLACES).tolist(), kind) for places, kind in paths]
    return f'<div class="plane">{svg.trajectories(title, short)}</div>'


SPAN, HEIGHT = 1000, 100
MOST_POINTS = 400  # of a curve: more would not be seen
NARROWEST = 0.5  # units between two cuts that are both drawn
APART = 0.1  # of the width, between labels at least

STYLE = """
.v2m { --valence: var(--v2m-valence, #14968a); --arousal: var(--v2m-arousal, #b656c8);
  --picture: var(--v2m-picture, #2b83cf); --music: var(--v2m-music, #d9612a); --cut: var(--v2m-cut, #e0457b);
  --faint: color-mix(in srgb, currentColor 16%, transparent); --soft: color-mix(in srgb, currentColor 72%, transparent);
  container-type: inline-size; width: 100%; font: 14px/1.45 system-ui, "DejaVu Sans", sans-serif; }
.v2m * { box-sizing: border-box; }
.v2m p { margin: 0 0 .5em; max-width: 70ch; overflow-wrap: anywhere; }
.v2m .lanes { margin: .3em 1.4em .9em 3em; }
.v2m .lane { position: relative; margin-bottom: .6em; }
.v2m .lane svg { display: block; width: 100%; height: 100%; overflow: visible; }
.v2m .lane path, .v2m .lane line, .v2m .lane polyline { vector-effect: non-scaling-stroke; }
.v2m .lane i { position: absolute; font-style: normal; font-size: 11px; line-height: 1; color: var(--soft);
  white-space: nowrap; }
.v2m .level { right: 100%; margin-right: 6px; transform: translateY(-50%); }
.v2m .lane.times { height: 1.2em; margin: 0; }
.v2m .times i, .v2m .at { transform: translateX(-50%); top: 2px; }
.v2m .legend { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: .5em 0 .2em; font-size: 12px;
  color: var(--soft); }
.v2m .legend b { display: inline-block; width: 18px; height: 0; border-top: 3px solid; margin-right: 6px;
  vertical-align: middle; }
.v2m .legend b.block { height: 10px; width: 12px; border: 0; border-radius: 2px; background: currentColor; }
.v2m .grid { stroke: var(--faint); stroke-width: 1; fill: none; }
.v2m .axis { stroke: var(--soft); stroke-width: 1; stroke-opacity: .5; fill: none; }
.v2m .cut { stroke: var(--cut); stroke-width: 1.4; fill: none; }
.v2m polyline { fill: none; stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round; }
.v2m polyline.valence { stroke: var(--valence); } .v2m polyline.arousal { stroke: var(--arousal); }
.v2m polyline.picture { stroke: var(--picture); stroke-dasharray: 6 4; }
.v2m polyline.music { stroke: var(--music); }
.v2m b.valence, .v2m i.valence { color: var(--valence); } .v2m b.arousal, .v2m i.arousal { color: var(--arousal); }
.v2m b.picture { color: var(--picture); border-top-style: dashed; } .v2m b.music { color: var(--music); }
.v2m .points { stroke-width: 6; stroke-linecap: round; fill: none; }
.v2m .points.music { stroke: var(--music); } .v2m .points.valence { stroke: var(--valence); }
.v2m .points.arousal { stroke: var(--arousal); }
.v2m b.cut { color: var(--cut); }
"""


def view(title: str, *blocks: str, style: str = "") -> str:
    """Blocks as one piece of HTML that brings its own style; `label` is the whole's name for screen readers."""
    inner = "".join(blocks)
    return f'<div class="v2m" role="group" aria-label="{markup(title)}"><style>{STYLE}{style}</style>{inner}</div>'


def sentence(text: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{markup(text)}</p>"


def legend(*entries: tuple[str, str]) -> str:
    """What the kinds of lines mean, each (style, words)."""
    items = "".join(f'<span><b class="{style}"></b>{markup(words)}</span>' for style, words in entries)
    return f'<div class="legend">{items}</div>'


def lanes(lasting_s: float, *rows: str, most_ticks: int = MOST_TICKS) -> str:
    """Lanes one below the other, and the times below them."""
    times = "".join(label(time_s / lasting_s, clock(time_s)) for time_s in ticks_s(lasting_s, most=most_ticks))
    return f'<div class="lanes">{"".join(rows)}<div class="lane times">{times}</div></div>'


def lane(title: str, parts: Iterable[str], *, height_em: float, beside: Iterable[str] = ()) -> str:
    """A drawing in units of SPAN and HEIGHT, which screen readers call `title`; `beside` are labels."""
    box = f'viewBox="0 0 {SPAN} {HEIGHT}" preserveAspectRatio="none"'
    drawing = f'<svg {box} role="img" aria-label="{markup(title)}">{"".join(parts)}</svg>'
    return f'<div class="lane" style="height:{height_em:g}em">{drawing}{"".join(beside)}</div>'


def label(share: float, text: str, style: str = "at") -> str:
    """Words at a share of the width."""
    return f'<i class="{style}" style="left:{100 * share:.2f}%">{markup(text)}</i>'


def level(share: float, text: str) -> str:
    """Words to the left of a lane, at a share of its height."""
    return f'<i class="level" style="top:{100 * share:.1f}%">{markup(text)}</i>'


def plane_lane(title: str, parts: Iterable[str], *, height_em: float, beside: Iterable[str] = ()) -> str:
    """A lane of values from -1 to 1, with lines at -1, 0 and 1."""
    levels = (level(0, "+1"), level(0.5, "0"), level(1, "-1"))
    return lane(title, [PLANE_GRID, *parts], height_em=height_em, beside=[*levels, *beside])


def across(time_s: float, lasting_s: float) -> float:
    """Where a time lies in a lane's drawing."""
    return SPAN * time_s / lasting_s


def down(value: float) -> float:
    """Where a value from -1 to 1 lies in a lane's drawing."""
    return HEIGHT * (1 - value) / 2


AXIS_LEGEND = (("valence", "valence: unpleasant to pleasant"), ("arousal", "arousal: calm to excited"))
PLANE_GRID = f'<path class="grid" d="M0 0h{SPAN}M0 {HEIGHT}h{SPAN}"/><path class="axis" d="M0 {HEIGHT // 2}h{SPAN}"/>'


def curve(points: Iterable[tuple[float, float]], lasting_s: float, style: str) -> str:
    """A line through (time in s, value from -1 to 1)."""
    return line([(across(time_s, lasting_s), down(value)) for time_s, value in points], style)


def seconds(rows: NDArray[np.floating], lasting_s: float) -> list[tuple[float, float]]:
    """(time in s, value) along rows (T,), one a second: each at the middle of its second, the first and last held.

    Where there are more than MOST_POINTS, each point is the mean of neighbours.
    """
    edges_s = np.minimum(np.arange(len(rows) + 1.0), max(lasting_s, len(rows) - 1 + 1e-3))
    middles_s = (edges_s[:-1] + edges_s[1:]) / 2
    found = thinned(np.stack([middles_s, rows], axis=1))
    return [(0.0, found[0, 1]), *map(tuple, found.tolist()), (lasting_s, found[-1, 1])]


def thinned(rows: NDArray[np.floating], *, most: int = MOST_POINTS) -> NDArray[np.float64]:
    """Rows (N, K) as no more than `most`, each the mean of neighbours."""
    bounds = np.linspace(0, len(rows), min(len(rows), most) + 1).round().astype(int)
    return np.asarray(np.add.reduceat(np.asarray(rows, float), bounds[:-1], axis=0) / np.diff(bounds)[:, None])


def cut_marks(times_s: Iterable[float], lasting_s: float) -> str:
    """A line from top to bottom at every cut; of those that nobody could progress apart, at the first."""
    places: list[float] = []
    for place in sorted(across(time_s, lasting_s) for time_s in times_s):
        if not places or place - places[-1] >= NARROWEST:
            places.append(place)
    marks = "".join(f"M{place:.1f} 0v{HEIGHT}" for place in places)
    return f'<path class="cut" d="{marks}"/>' if marks else ""


def listed(texts: Sequence[str], *, most: int = 100) -> str:
    """Texts in a row for screen readers, and how many more there are."""
    more = [f"and {len(texts) - most} more"] if len(texts) > most else []
    return ", ".join([*texts[:most], *more])


def with_room(shares: Sequence[float]) -> list[int]:
    """Which of labels at shares of the width, the most important first, have room beside those before them; in order
    of their places."""
    kept: list[int] = []
    for place, share in enumerate(shares):
        if all(abs(share - shares[other]) >= APART for other in kept):
            kept.append(place)
    return sorted(kept, key=lambda place: shares[place])
