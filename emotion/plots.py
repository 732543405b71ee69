"""Reports as pictures: valence and arousal over time, and the trajectory on the plane. Needs no display."""

import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from emotion.errors import OutputError
from emotion.files import atomic_write, failure
from emotion.values import EmotionReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW_INCHES, WIDTH_INCHES = 3.2, 11.0
MOST_PIXELS = 60_000  # of height: the drawing library takes fewer than 2**16
COLORS = MappingProxyType({"valence": "#1b6ca8", "arousal": "#d1495b"})
CORNERS = (("q1", 0.97, 0.97), ("q2", -0.97, 0.97), ("q3", -0.97, -0.97), ("q4", 0.97, -0.97))


def draw(reports: Sequence[tuple[str, EmotionReport]], path: Path) -> None:
    """Draw (name, report) a row each into one picture, whose kind is that of the file's name. Raises OutputError."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = ROW_INCHES * len(reports)
    figure = Figure(figsize=(WIDTH_INCHES, height), dpi=min(110, MOST_PIXELS / height))
    FigureCanvasAgg(figure)
    edges = {"left": 0.05, "right": 0.98, "top": 1 - 0.35 / height, "bottom": 0.5 / height}
    layout = {**edges, "wspace": 0.15, "hspace": 0.35, "width_ratios": (2.4, 1)}
    axes = figure.subplots(len(reports), 2, squeeze=False, gridspec_kw=layout)
    for (name, report), (time, plane) in zip(reports, axes, strict=True):
        over_time(time, report, name)
        on_plane(plane, report)
    try:
        with atomic_write(path) as partial, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a name may hold letters that the font has not
            figure.savefig(partial, format=path.suffix[1:].lower())
    except OSError as error:
        raise OutputError(failure(error, path)) from None


def over_time(axes: "Axes", report: EmotionReport, name: str) -> None:
    """Valence and arousal at the middle of each window, and the whole's as dashed lines."""
    middles = [(window.start_s + window.end_s) / 2 for window in report.windows]
    for axis, color in COLORS.items():
        values = [getattr(window, axis) for window in report.windows]
        axes.plot(middles, values, color=color, marker="o", markersize=3, label=axis)
        axes.axhline(getattr(report.whole, axis), color=color, linestyle="--", linewidth=0.8)
    axes.set(ylim=(-1.05, 1.05), xlim=(0, max(report.whole.end_s, 1.0)), xlabel="s")
    axes.set_title(_printable(name), fontsize=10, loc="left", parse_math=False)
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), fontsize=8, ncols=2, frameon=False)


def on_plane(axes: "Axes", report: EmotionReport) -> None:
    """The windows as points in order of time, from light to dark, and the whole's as a star."""
    points = np.array([[window.valence, window.arousal] for window in report.windows])
    shades = np.linspace(0.75, 0.1, len(points))
    for (start, end), shade in zip(pairwise(points), shades[1:], strict=True):
        axes.plot(*np.stack([start, end], axis=1), color=str(shade), linewidth=1)
    axes.scatter(points[:, 0], points[:, 1], c=[str(shade) for shade in shades], s=14, zorder=2)
    axes.scatter(report.whole.valence, report.whole.arousal, marker="*", s=150, color="#e09f3e", zorder=3)
    for corner, valence, arousal in CORNERS:
        side, height = "right" if valence > 0 else "left", "top" if arousal > 0 else "bottom"
        axes.text(valence, arousal, corner, color="0.5", fontsize=8, ha=side, va=height)
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.axvline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), xlabel="valence", ylabel="arousal", aspect="equal")


def _printable(name: str) -> str:
    """A file's name as text of one line; names are bytes and need not be text."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in name)
    return shown if len(shown) <= 80 else shown[:60] + "…" + shown[-19:]
