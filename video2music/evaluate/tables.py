"""What others printed for the test split of MuVi-Sync, to stand beside what is measured here.

Figures as their authors give them, none measured again: what of them rests on other features or other data is named.

Reports as Markdown for people, printed and put into README.md and model cards between two marker lines.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any

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


def _rows(table: tuple[tuple, ...], *metrics: str) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    return MappingProxyType({
        name: {metric: {"mean": figure} for metric, figure in zip(metrics, figures, strict=True)}
        for name, *figures in table
    })  # fmt: skip


PUBLISHED = MappingProxyType({
    "chords": _rows(_CHORDS, "hits@1", "hits@3", "hits@5", "bce"),
    "dynamics": _rows(_DYNAMICS, "density_rmse_padded", "loudness_rmse_padded"),
})  # fmt: skip
"""Task -> name -> metric -> {"mean": figure}, as the rows of a report."""


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
    f"{name}_{figure}": (f"{name} {heading}", digits)
    for name, digits in (("density", 3), ("loudness", 4))
    for figure, heading in (("rmse_padded", "RMSE padded"), ("rmse", "RMSE"), ("r", "r"))
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
STEERING: Columns = MappingProxyType({
    "own": ("steered towards it", 3),
    "others": ("towards the others", 3),
    "difference": ("difference", 3),
})  # fmt: skip

_CHORDS_NOTE = (
    "Hits@k as the reference codes it (END counts, PAD does not, mean over songs). Emotion BCE: of the 159 calibrated "
    "logits against the chords that the second's strongest emotion allows, over the seconds that have a chord. NLL in "
    "nats a chord, END apart. `no semantic rows` to `another song's video` are the shipped weights shown less or other "
    "than the truth; `trained:` are other runs. Rows without intervals are others' own figures."
)
_MORE_CHORDS_NOTE = (
    "Hits where the chord changes; mir_eval's agreement of the likeliest chord on roots, thirds and sevenths; the "
    "probability of the qualities that the strongest emotion allows."
)
_DYNAMICS_NOTE = (
    "RMSE a song, mean over songs; `padded` counts 300 rows with zeros beyond the end, as the reference does. r is "
    "Pearson's, within each song. Rows without intervals are others' own figures."
)
_GAINS_NOTE = "What the true video is better by, song by song; above 0 the picture helps."
_STEERING_NOTE = (
    "Probability of the chord qualities that an emotion allows, when every second is steered towards it at the default "
    "strength, and towards the five others."
)
_HISTOGRAM_NOTE = "Shares of all seconds in ten bins over the data's range: the data's, and the shipped model's."


def chords_text(report: Mapping[str, Any]) -> str:
    """The tables of `evaluate chords`."""
    return _joined(
        f"{_title(report)} {_CHORDS_NOTE}",
        grid(_with_published(report), CHORDS),
        _MORE_CHORDS_NOTE,
        grid(report["rows"], MORE_CHORDS),
        _GAINS_NOTE,
        grid(report["differences"], GAINS),
        _STEERING_NOTE,
        grid(report["steering"], STEERING),
    )


def dynamics_text(report: Mapping[str, Any]) -> str:
    """The tables of `evaluate dynamics`."""
    return _joined(
        f"{_title(report)} {_DYNAMICS_NOTE}",
        grid(_with_published(report), DYNAMICS),
        _GAINS_NOTE,
        grid(report["differences"], GAINS),
        _HISTOGRAM_NOTE,
        _histograms(report["histograms"]),
    )


def grid(rows: Mapping[str, Mapping[str, Mapping[str, Any]]], columns: Columns) -> str:
    """A row a name, a column a metric that any row has, mean [low, high]; rows with none of them are left out."""
    kept = {metric: column for metric, column in columns.items() if any(metric in row for row in rows.values())}
    cells = [
        [name, *(_cell(row[metric], digits) if metric in row else "" for metric, (_, digits) in kept.items())]
        for name, row in rows.items()
        if not kept.keys().isdisjoint(row)
    ]
    return _table(["", *(heading for heading, _ in kept.values())], cells)


def _with_published(report: Mapping[str, Any]) -> Mapping[str, Any]:
    """What others printed for the test split, then the rows of the report."""
    return {**(PUBLISHED[report["task"]] if report["split"] == "test" else {}), **report["rows"]}


def _cell(figure: Mapping[str, float], digits: int) -> str:
    if "low" not in figure:
        return f"{figure['mean']:.4f}"
    return f"{figure['mean']:.4f} [{figure['low']:.{digits}f}, {figure['high']:.{digits}f}]"


def _histograms(found: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """A row a bin, for density and loudness side by side."""
    heads, columns = [], []
    for name, each in found.items():
        bounds = [f"{bound:.3g}" for bound in each["bounds"]]
        heads += [name, "data", "shipped"]
        columns.append([f"{low} to {high}" for low, high in pairwise(bounds)])
        columns += [[f"{share:.3f}" for share in each[key]] for key in ("data", "shipped")]
    return _table(heads, zip(*columns, strict=True))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _title(report: Mapping[str, Any]) -> str:
    seeds = report["seeds"]
    of_seeds = f"mean of seeds {', '.join(map(str, seeds))}" if len(seeds) > 1 else f"seed {seeds[0]}"
    return (
        f"MuVi-Sync, {report['split']} split, {report['songs']} songs; shipped recipe, {of_seeds}; "
        "mean [95 % bootstrap interval over songs]."
    )


def _joined(*parts: str) -> str:
    return "\n\n".join(parts) + "\n"
