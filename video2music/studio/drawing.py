"""The curve that is drawn by hand: what the drawing holds, and the same as text, for those who would rather write."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent
SECONDS = 20.0  # of the drawing, before there is a clip
START_POINTS = 5


class Point(NamedTuple):
    """A place of the curve: time in s, valence and arousal in [-1, 1]."""

    time_s: float
    valence: float
    arousal: float


def blank(duration_s: float = SECONDS) -> dict[str, Any]:
    """A drawing of a flat curve over a clip, with points to drag."""
    last = START_POINTS - 1
    return drawing((Point(duration_s * place / last, 0.0, 0.0) for place in range(START_POINTS)), duration_s)


def drawing(points: Iterable[Point], duration_s: float) -> dict[str, Any]:
    """What the page's drawing holds: the length in s and (time, valence, arousal) of each point."""
    return {"duration_s": round(duration_s, 2), "points": [[round(number, 2) for number in point] for point in points]}


def text(drawn: Mapping[str, Any]) -> str:
    """A drawing as lines of t_s,valence,arousal; empty where it holds none."""
    rows = drawn.get("points") if isinstance(drawn, Mapping) else None
    return "\n".join(",".join(f"{float(number):g}" for number in row) for row in rows or ())


def redrawn(written: str, before: Mapping[str, Any] | None) -> dict[str, Any]:
    """The drawing of lines that were written; lines that are no point are passed over, as they may be half written."""
    points = [point for line in written.splitlines() if (point := _point(line))]
    duration_s = float((before or {}).get("duration_s") or SECONDS)
    return drawing(points, max([duration_s, *(point.time_s for point in points)])) if points else blank(duration_s)


def fitted(written: str, duration_s: float) -> dict[str, Any]:
    """The drawing for another clip: a curve that was drawn is stretched to its length."""
    before = redrawn(written, None) if written.strip() else blank(duration_s)
    share = duration_s / max(before["points"][-1][0], 0.01)
    return drawing(
        (Point(time_s * share, valence, arousal) for time_s, valence, arousal in before["points"]), duration_s
    )


def source(kind: str) -> str:
    """The drawing's own `html`, `css` or `js`."""
    return (FOLDER / f"drawing.{kind}").read_text(encoding="utf-8")


def _point(line: str) -> Point | None:
    try:
        time_s, valence, arousal = (float(part) for part in line.split(","))
    except ValueError:
        return None
    within = 0 <= time_s < 1e6 and max(abs(valence), abs(arousal)) <= 1
    return Point(time_s, valence, arousal) if within else None
