"""Summaries of metrics with 95 % intervals, and the Markdown tables of `evaluate`'s reports.

Some metrics are pooled over items, such as a median over all cuts of many clips; `pooled` gives their intervals. The
tables of `evaluate chords` and `evaluate dynamics` have published numbers beside those of the report: none of them was
measured again, and a note says which rest on other features or other data. Tables are printed, and written between two
marker lines into docs/results.md and model cards.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotion.report import RESAMPLES

Values = NDArray[np.floating]
Summary = Mapping[str, Any]
"""A metric's mean, low, high (a 95 % interval) and its value for each of the seeds."""
Summaries = Mapping[str, Summary]
"""Metric -> its summary: a row of a report."""


class ModelEvaluation(NamedTuple):
    """The report in its JSON form, and the predictions behind it: rows of a table whose headings are `columns`."""

    report: dict[str, Any]
    columns: Sequence[str]
    predictions: list[tuple[Any, ...]]


def pooled(seeds: Sequence[Sequence[Values]], metric: Callable[[Values], float]) -> Summary:
    """A metric of the values of all items together, with a bootstrap interval over items (2000 draws, seed 0).

    `seeds` holds an array (n,) an item for each seed, the same items in the same order; an item may have no value.
    """
    items = [np.concatenate(same) for same in zip(*seeds, strict=True)]
    draws = np.random.default_rng(0).integers(len(items), size=(RESAMPLES, len(items)))
    resampled = [metric(some) for draw in draws if len(some := np.concatenate([items[index] for index in draw]))]
    low, high = np.nanpercentile(resampled, (2.5, 97.5))
    each = [metric(np.concatenate(seed)) for seed in seeds]
    return {"mean": metric(np.concatenate(items)), "low": float(low), "high": float(high), "seeds": each}


def extreme(seeds: Sequence[Values], worst_of: Callable[[Values], float]) -> Summary:
    """The worst of all items, (n,) a seed. It has no interval: one item beyond the limit is enough to exceed it."""
    worst = [float(worst_of(values)) for values in seeds]
    whole = float(worst_of(np.array(worst)))
    return {"mean": whole, "low": whole, "high": whole, "seeds": worst}


def single(value: float) -> Summary:
    """A number that was measured once."""
    return {"mean": value, "low": value, "high": value, "seeds": [value]}


_PAPER = "Video2Music (arXiv 2311.00968)"
_FORK = "SharedMoE fork, features of its own (its README)"
_THIRD = "a third party, not reviewed"

_CHORDS = (
    (f"AMT, {_PAPER}", 0.5139, 0.7722, 0.8672, 0.4662),
    (f"AMT, 100 epochs ({_THIRD})", 0.5995, 0.8545, 0.9166, 0.4527),
    (_FORK, 0.5429, 0.8101, 0.8935, 0.3859),
    (f"emotion-RNN, best of each column ({_THIRD})", 0.6700, 0.8862, 0.9359, 0.4095),
)
_DYNAMICS = (
    (f"biGRU, {_PAPER}", 4.503, 0.0876),
    (f"CNN-biGRU ({_FORK})", 4.4828, 0.0840),
    (f"Bi-Mamba+ ({_FORK})", 4.4748, 0.0861),
    (f"biGRU with z-scores and a Pearson term ({_THIRD})", 4.465, 0.0811),
)


def _published(table: tuple[tuple[Any, ...], ...], *metrics: str) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    return MappingProxyType({
        name: {metric: {"mean": value} for metric, value in zip(metrics, values, strict=True)}
        for name, *values in table
    })  # fmt: skip


PUBLISHED = MappingProxyType({
    "chords": _published(_CHORDS, "hits@1", "hits@3", "hits@5", "bce"),
    "dynamics": _published(_DYNAMICS, "density_rmse_padded", "loudness_rmse_padded"),
})  # fmt: skip
"""Task -> name -> metric -> {"mean": value}, as the rows of a report."""


Columns = Mapping[str, tuple[str, int]]
"""Metric -> its heading, and the decimals of its interval; the mean has four."""

CHORDS: Columns = MappingProxyType({
    "hits@1": ("Hits@1", 3),
    "hits@3": ("Hits@3", 3),
    "hits@5": ("Hits@5", 3),
    "bce": ("emotion BCE", 3),
    "nll": ("NLL", 3),
    "nll_end": ("NLL of END", 2),
})  # fmt: skip
MORE_CHORDS: Columns = MappingProxyType({
    "hits@1_changes": ("Hits@1, changes", 3),
    "hits@3_changes": ("Hits@3, changes", 3),
    "root": ("root", 3),
    "thirds": ("thirds", 3),
    "sevenths": ("sevenths", 3),
    "emotion_mass": ("emotion's qualities", 3),
})  # fmt: skip
DYNAMICS: Columns = MappingProxyType({
    f"{name}_{metric}": (f"{name} {heading}", digits)
    for name, digits in (("density", 3), ("loudness", 4))
    for metric, heading in (("rmse_padded", "RMSE padded"), ("rmse", "RMSE"), ("r", "r"))
})  # fmt: skip
GAINS: Columns = MappingProxyType({
    "nll": ("NLL", 4),
    "nll_end": ("NLL of END", 3),
    "hits@1": ("Hits@1", 4),
    "density_rmse": ("density RMSE", 3),
    "density_r": ("density r", 3),
    "loudness_rmse": ("loudness RMSE", 4),
    "loudness_r": ("loudness r", 3),
})  # fmt: skip
GUIDANCE: Columns = MappingProxyType({
    "own": ("guided towards it", 3),
    "others": ("towards the others", 3),
    "difference": ("difference", 3),
})  # fmt: skip

_CHORDS_NOTE = (
    "Hits@k as the reference codes it (END counts, PAD does not, mean over songs). Emotion BCE: of the 159 calibrated "
    "logits against the chords that the second's strongest emotion allows, over the seconds that have a chord. NLL in "
    "nats a chord, END apart. `no semantic rows` to `another song's video` are the shipped weights with less or other "
    "video; `trained:` are other runs. Rows without intervals are published numbers."
)
_MORE_CHORDS_NOTE = (
    "Hits where the chord changes; mir_eval's agreement of the likeliest chord on roots, thirds and sevenths; the "
    "probability of the qualities that the strongest emotion allows."
)
_DYNAMICS_NOTE = (
    "RMSE a song, mean over songs; `padded` counts 300 rows with zeros beyond the end, as the reference does. r is "
    "Pearson's, within each song. Rows without intervals are published numbers."
)
_GAINS_NOTE = "How much better each metric is with the true video, paired by song; above 0 the video helps."
_GUIDANCE_NOTE = (
    "Probability of the chord qualities that an emotion allows, with guidance towards it in every second at the "
    "default strength, and with guidance towards the five others."
)
_HISTOGRAM_NOTE = "Shares of all seconds in ten bins over the data's range: the data's, and the shipped model's."


def chord_tables(report: Mapping[str, Any]) -> str:
    """The tables of `evaluate chords`."""
    return _joined(
        f"{_title(report)} {_CHORDS_NOTE}",
        metric_table(_rows_with_published(report), CHORDS),
        _MORE_CHORDS_NOTE,
        metric_table(report["rows"], MORE_CHORDS),
        _GAINS_NOTE,
        metric_table(report["differences"], GAINS),
        _GUIDANCE_NOTE,
        metric_table(report["steering"], GUIDANCE),
    )


def dynamics_tables(report: Mapping[str, Any]) -> str:
    """The tables of `evaluate dynamics`."""
    return _joined(
        f"{_title(report)} {_DYNAMICS_NOTE}",
        metric_table(_rows_with_published(report), DYNAMICS),
        _GAINS_NOTE,
        metric_table(report["differences"], GAINS),
        _HISTOGRAM_NOTE,
        _histograms(report["histograms"]),
    )


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the cells are taken as they are, see `cell_text`."""
    rule = "|---" * len(header) + "|"
    first, *rest = (f"| {' | '.join(line)} |" for line in [header, *rows])
    return "\n".join([first, rule, *rest])


def cell_text(text: str) -> str:
    """A user's text as a cell of one line, without control characters, which a terminal would obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in text).replace("|", "\\|")


def metric_table(rows: Mapping[str, Mapping[str, Mapping[str, Any]]], columns: Columns) -> str:
    """A row a name, a column a metric that any row has, mean [low, high]; rows with none of them are left out."""
    kept = {metric: column for metric, column in columns.items() if any(metric in row for row in rows.values())}
    cells = [
        [name, *(_cell(row[metric], digits) if metric in row else "" for metric, (_, digits) in kept.items())]
        for name, row in rows.items()
        if not kept.keys().isdisjoint(row)
    ]
    return markdown_table(["", *(heading for heading, _ in kept.values())], cells)


def _rows_with_published(report: Mapping[str, Any]) -> Mapping[str, Any]:
    """Published numbers for the test split, then the rows of the report."""
    return {**(PUBLISHED[report["task"]] if report["split"] == "test" else {}), **report["rows"]}


def _cell(summary: Mapping[str, float], digits: int) -> str:
    if "low" not in summary:
        return f"{summary['mean']:.4f}"
    return f"{summary['mean']:.4f} [{summary['low']:.{digits}f}, {summary['high']:.{digits}f}]"


def _histograms(found: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """A row a bin, for density and loudness side by side."""
    heads, columns = [], []
    for name, each in found.items():
        bounds = [f"{bound:.3g}" for bound in each["bounds"]]
        heads += [name, "data", "shipped"]
        columns.append([f"{low} to {high}" for low, high in pairwise(bounds)])
        columns += [[f"{share:.3f}" for share in each[key]] for key in ("data", "shipped")]
    return markdown_table(heads, zip(*columns, strict=True))


def _title(report: Mapping[str, Any]) -> str:
    seeds = report["seeds"]
    which = f"mean of seeds {', '.join(map(str, seeds))}" if len(seeds) > 1 else f"seed {seeds[0]}"
    return (
        f"MuVi-Sync, {report['split']} split, {report['songs']} songs; shipped recipe, {which}; "
        "mean [95 % bootstrap interval over songs]."
    )


def _joined(*parts: str) -> str:
    return "\n\n".join(parts) + "\n"
