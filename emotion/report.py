"""Reports of evaluations: means and bootstrap intervals over songs, a JSON form, a Markdown table, and the place in a
Markdown file (README, model card) where such a table is kept up to date.

Used by the evaluations and trainings of both packages. The JSON form is
{"task", "data", "split", "seeds", "commit", "rows": {NAME: {METRIC: {"mean", "low", "high", "seeds": [...]}}}}.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.errors import OutputError
from emotion.files import atomic_write, failure

Songs = Mapping[str, NDArray[np.floating]]
"""Metric -> one value a song; not a number where a song has none."""

RESAMPLES = 2000  # of the bootstrap: its percentiles vary by less than a tenth of an interval


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The report of an evaluation, and a row for each prediction under the evaluation's COLUMNS."""

    report: dict[str, Any]
    predictions: list[list[Any]]


def means(songs: Songs) -> dict[str, float]:
    """The mean of each metric over the songs that have it."""
    return {name: float(np.nanmean(values)) for name, values in songs.items() if np.isfinite(values).any()}


def summary(values: NDArray[np.floating]) -> dict[str, Any]:
    """Mean, 95 % bootstrap interval over songs (percentiles of 2000 resamples, seed 0) and the mean of each seed.

    `values` is (seeds, songs); a song that is not a number in any of them is left out, and one at least must be left.
    """
    some = values[:, np.isfinite(values).all(0)]
    by_song = some.mean(0)
    # seed 0: the same predictions give the same interval
    draws = np.random.default_rng(0).integers(len(by_song), size=(RESAMPLES, len(by_song)))
    low, high = np.percentile(by_song[draws].mean(1), (2.5, 97.5))
    return {
        "mean": float(by_song.mean()),
        "low": float(low),
        "high": float(high),
        "seeds": [float(seed.mean()) for seed in some],
    }


def summaries(runs: Sequence[Songs]) -> dict[str, dict[str, Any]]:
    """The summary of each metric of a row, given for every seed; metrics that no song has are left out."""
    columns = {metric: np.stack([songs[metric] for songs in runs]) for metric in runs[0]}
    return {metric: summary(values) for metric, values in columns.items() if np.isfinite(values).all(0).any()}


def gain(true: Sequence[Songs], other: Sequence[Songs], metric: str, *, sign: int) -> dict[str, float]:
    """By how much `true` is better than `other`, song by song, seeds averaged: mean and 95 % bootstrap interval.

    `sign` is 1 where a high metric is good and -1 where a low one is, so that above 0 is for `true`.
    """
    # paired by song, which leaves out how much the songs themselves differ
    a, b = (np.mean([songs[metric] for songs in seeds], axis=0) for seeds in (true, other))
    found = summary(sign * (a - b)[None])
    return {name: found[name] for name in ("mean", "low", "high")}


def build(
    task: str, data: str, split: str, seeds: Sequence[int], rows: Mapping[str, Sequence[Songs]]
) -> dict[str, Any]:
    """The report's JSON form; each row gives the songs' values of every seed."""
    return from_summaries(task, data, split, seeds, {name: summaries(runs) for name, runs in rows.items()})


def from_summaries(
    task: str, data: str, split: str, seeds: Sequence[int], rows: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> dict[str, Any]:
    """The same form for metrics that are not means over items: each row gives what `summary` would, by metric."""
    return {
        "task": task, "data": data, "split": split, "seeds": list(seeds), "commit": commit(), "rows": dict(rows),
    }  # fmt: skip


def table(report: Mapping[str, Any]) -> str:
    """A Markdown table, a row a model, a column a metric: mean [low, high]."""
    rows = report["rows"]
    metrics = list(dict.fromkeys(metric for row in rows.values() for metric in row))
    lines = ["| | " + " | ".join(metrics) + " |", "|---" * (len(metrics) + 1) + "|"]
    for name, row in rows.items():
        cells = [
            "{mean:.4f} [{low:.4f}, {high:.4f}]".format(**row[metric]) if metric in row else "" for metric in metrics
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def by_metric(rows: Sequence[Mapping[str, float]]) -> Songs:
    """The metrics of each song as columns."""
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def only(songs: Songs, names: Iterable[str]) -> Songs:
    """The metrics of these names."""
    return {name: songs[name] for name in names}


def commit() -> str | None:
    """The commit that the source tree was checked out at, None where it is no git checkout."""
    # read from its files: the program git need not be installed
    git = Path(__file__).resolve().parents[1] / ".git"
    try:
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        if (git / name).is_file():
            return (git / name).read_text().strip()
        packed = (line.split() for line in (git / "packed-refs").read_text().splitlines())
        return next((words[0] for words in packed if words[1:] == [name]), None)
    except OSError:
        return None


def put_into(path: Path, task: str, text: str) -> None:
    """Put a text between the lines `<!-- evaluate TASK -->` and `<!-- end evaluate TASK -->` of a file.

    The file appears whole with the new text or stays as it was. Raises OutputError.
    """
    before, after = _around(path, task)
    try:
        with atomic_write(path) as partial:
            partial.write_text(f"{before}\n{text}\n{after}", encoding="utf-8")
    except OSError as error:
        raise OutputError(failure(error, path)) from None


def markers(task: str) -> tuple[str, str]:
    """The lines around a task's tables in a Markdown file."""
    return f"<!-- evaluate {task} -->", f"<!-- end evaluate {task} -->"


def check_markers(path: Path, task: str) -> None:
    """Refuse, before any work, a file without the marker lines of `put_into`. Raises OutputError."""
    _around(path, task)


def _around(path: Path, task: str) -> tuple[str, str]:
    """The text up to the first marker line, and from the last one on."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except UnicodeDecodeError:
        raise OutputError(f"--into {path} is no text: name a Markdown file") from None
    except OSError as error:
        raise OutputError(
            f"--into {path} cannot be read ({error.strerror}): name a Markdown file that exists"
        ) from None
    begin, end = markers(task)
    places = [index for index, line in enumerate(lines) if line.strip() in (begin, end)]
    if [lines[index].strip() for index in places] != [begin, end]:
        raise OutputError(
            f"--into {path} has no one place for the tables: write the lines '{begin}' and '{end}' into it"
        )
    first, last = places
    return "".join(lines[: first + 1]), "".join(lines[last:])
