"""Ways through the plane of valence and arousal, and their means."""

import numpy as np
from numpy.typing import NDArray

from video2music import svg
from video2music.studio import timeline
from video2music.svg import Way

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


def plane(told: str, *ways: tuple[NDArray[np.floating], str]) -> str:
    """Ways through the plane, each places (N, 2) and the kind of an svg.Way; of long ones the means of neighbours."""
    short = [Way(timeline.thinned(places, most=MOST_PLACES).tolist(), kind) for places, kind in ways]
    return f'<div class="plane">{svg.ways(told, short)}</div>'
