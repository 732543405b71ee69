"""Model cards: README.md beside the weights, written by the training command."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from video2music.evaluate.report import table


@dataclass(frozen=True)
class Text:
    """The words of a card that no run can compute."""

    title: str
    what: str
    data: str
    notes: str
    command: str


_MUVI_SYNC = (
    "MuVi-Sync (Kang, Poria, Herremans, Expert Systems with Applications 249, 2024), official split v1 "
    "(597/75/75 videos). The copy states no licence; the weights are given for research and personal use."
)
AMT = Text(
    "AMT: chords from video",
    "The Affective Multimodal Transformer of Video2Music (arXiv 2311.00968) with dimensions of its own. It reads "
    "semantic embeddings, emotion, motion and scene offset of each second and predicts the next chord of 159. Whole "
    "modalities were hidden at random in training, so it also works without semantic embeddings.",
    _MUVI_SYNC,
    "Hits@k as the reference codes it: top k of 159 classes, END counts, the first chord is given, mean over songs "
    "[95 % bootstrap interval over songs]. The epoch was chosen on val. `no semantic rows` and `no video` are the same "
    "weights with those rows hidden: where they do not differ, the prediction owes nothing to what was hidden.",
    "video2music train amt --data MUVI_SYNC",
)
REGRESSOR = Text(
    "Regressor: note density and loudness from video",
    "A bidirectional GRU over the same rows as the AMT, with z-scored targets and a correlation term in its loss.",
    _MUVI_SYNC,
    "RMSE per song, mean over songs [95 % bootstrap interval over songs]; `padded` counts 300 rows with zeros beyond "
    "the end, as the reference does. "
    "The epoch was chosen on val.",
    "video2music train regressor --data MUVI_SYNC",
)


def write(folder: Path, text: Text, *, reports: Sequence[Mapping[str, Any]], details: Mapping[str, Any]) -> None:
    """Write the card with one table a report."""
    tables = "\n\n".join(f"### {report['split']}\n\n{table(report)}" for report in reports)
    (folder / "README.md").write_text(
        f"# {text.title}\n\n{text.what}\n\n## Data\n\n{text.data}\n\n## Command\n\n    {text.command}\n\n"
        f"```json\n{json.dumps(details, indent=2)}\n```\n\n## Metrics\n\n{text.notes}\n\n{tables}\n"
    )
