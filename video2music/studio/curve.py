"""The emotion curve that is drawn by hand: the value of the drawing widget, and the same curve as text."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from emotion.values import AffectCurve

FOLDER = Path(__file__).parent / "static"
SECONDS = 20.0  # of the drawing, before there is a clip
FEWEST, MOST = 3, 8  # points to begin with
EVERY_S = 3.0  # about, from one of them to the next


class Point(NamedTuple):
    """A point of the curve: time in s, valence and arousal in [-1, 1]."""

    time_s: float
    valence: float
    arousal: float


def blank(duration_s: float = SECONDS) -> dict[str, Any]:
    """A drawing of a constant emotion; valence and arousal are apart, so that each can be grabbed."""
    times_s = _times_s(duration_s)
    return drawing((Point(time_s, 0.2, -0.2) for time_s in times_s), duration_s)


def simplified(curve: AffectCurve, duration_s: float) -> dict[str, Any]:
    """A drawing of a curve by a few points, to edit."""
    times_s, seconds = _times_s(duration_s), np.arange(len(curve))
    levels = zip(np.interp(times_s, seconds, curve.valence), np.interp(times_s, seconds, curve.arousal), strict=True)
    return drawing((Point(time_s, *level) for time_s, level in zip(times_s, levels, strict=True)), duration_s)


def _times_s(duration_s: float) -> list[float]:
    """The times of the points to begin with."""
    count = min(max(round(duration_s / EVERY_S) + 1, FEWEST), MOST)
    return [float(time_s) for time_s in np.linspace(0, duration_s, count)]


def drawing(points: Iterable[Point], duration_s: float) -> dict[str, Any]:
    """The value of the drawing widget: the length in s and (time, valence, arousal) of each point."""
    return {
        "duration_s": round(duration_s, 2),
        "points": [[round(float(number), 2) for number in point] for point in points],
    }


def text(drawn: Mapping[str, Any]) -> str:
    """A drawing as lines of t_s,valence,arousal; empty where it holds none."""
    rows = drawn.get("points") if isinstance(drawn, Mapping) else None
    return "\n".join(",".join(f"{float(number):g}" for number in row) for row in rows or ())


def redrawn(written: str, before: Mapping[str, Any] | None) -> dict[str, Any]:
    """The drawing of lines that were written; lines that are no point are passed over, as they may be half written."""
    points = [point for line in written.splitlines() if (point := _point(line))]
    duration_s = float((before or {}).get("duration_s") or SECONDS)
    return drawing(points, max([duration_s, *(point.time_s for point in points)])) if points else blank(duration_s)


def source(kind: str) -> str:
    """The drawing's own `html`, `css` or `js`."""
    return (FOLDER / f"curve.{kind}").read_text(encoding="utf-8")


def _point(line: str) -> Point | None:
    try:
        time_s, valence, arousal = (float(part) for part in line.split(","))
    except ValueError:
        return None
    within = 0 <= time_s < 1e6 and all(abs(level) <= 1 for level in (valence, arousal))  # no comparison holds of nan
    return Point(time_s, valence, arousal) if within else None
