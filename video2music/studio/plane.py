"""Ways through the plane of valence and arousal, and their means."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from video2music import svg
from video2music.studio import timeline

MOST_PLACES = 60  # of a way

STYLE = """
.v2m .plane { max-width: 320px; margin: 0 auto; }
.v2m .plane svg { display: block; width: 100%; height: auto; }
.v2m .plane text { fill: currentColor; fill-opacity: .72; font: 11px system-ui, "DejaVu Sans", sans-serif; }
.v2m .plane polyline { stroke-width: 1.6; stroke-opacity: .7; }
.v2m .dot-picture { fill: none; stroke: var(--picture); stroke-width: 2; } .v2m .dot-music { fill: var(--music); }
.v2m .pair { display: grid; grid-template-columns: minmax(0, 2fr) minmax(0, 1fr); gap: 0 12px; align-items: center; }
@container (max-width: 620px) { .v2m .pair { grid-template-columns: minmax(0, 1fr); } }
"""


class Way(NamedTuple):
    """Places (N, 2), valence and arousal in order of time; `kind` is picture, for what is wanted, or music."""

    places: NDArray[np.floating]
    kind: str


def plane(told: str, ways: Sequence[Way]) -> str:
    """The plane with ways through it, of long ones the means of neighbours; a large dot is the mean of a way."""
    parts = list(svg.plane())
    for places, kind in ways:
        points = [svg.on_plane(*place) for place in timeline.thinned(places, most=MOST_PLACES).tolist()]
        parts.append(svg.line(points, kind))
        parts += [svg.dot(point, f"dot-{kind}", 2.6) for point in points]
        parts.append(svg.dot(svg.on_plane(*places.mean(0).tolist()), f"dot-{kind}", 7))
    return f'<div class="plane">{svg.svg(svg.PLANE, svg.PLANE, told, parts)}</div>'
