"""Model cards: README.md beside the weights, written by the training command."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emotion.report import markers, table


@dataclass(frozen=True)
class CardText:
    """The parts of a card that are the same for every run."""

    title: str
    what: str
    data: str
    notes: str
    command: str


_MUVI_SYNC = (
    "MuVi-Sync (Kang, Poria, Herremans, Expert Systems with Applications 249, 2024), official split v1 "
    "(597/75/75 videos). The copy states no licence; the weights are given for research and personal use."
)
AMT = CardText(
    "AMT: chords from video",
    "A new version of Video2Music's Affective Multimodal Transformer (arXiv 2311.00968): a decoder with inputs on "
    "where the song's past matches its present, on its harmonic rhythm and for copying, and a small video conditioning "
    "that shifts its logits by emotion, motion and scene offset of the next second. Each was hidden from some songs in "
    "training.",
    f"{_MUVI_SYNC} Pre-trained on chord lists without video: POP909 (MIT), McGill Billboard (from a repository under "
    "GPL-3), US pop and RWC (Ellis and others; no licence stated with the copy).",
    "Hits@k as the reference codes it: top k of 159 classes, END counts, the first chord is given, mean over songs "
    "[95 % bootstrap interval over songs]. Epochs were chosen on val.",
    "video2music train amt --data MUVI_SYNC --chords CHORD_LISTS",
)
REGRESSOR = CardText(
    "Regressor: note density and loudness from video",
    "The mean of a few bidirectional GRUs over the same rows as the AMT, their averages over longer spans and the "
    "semantic rows' principal components, with z-scored targets and a correlation term in the loss.",
    _MUVI_SYNC,
    "RMSE per song, mean over songs [95 % bootstrap interval over songs]; `padded` counts 300 rows with zeros beyond "
    "the end, as the reference does. "
    "The epoch was chosen on val.",
    "video2music train regressor --data MUVI_SYNC",
)


def write(folder: Path, text: CardText, *, reports: Sequence[Mapping[str, Any]], details: Mapping[str, Any]) -> None:
    """Write the card with one table a report, between the lines that `video2music evaluate --into` looks for."""
    tables = "\n\n".join(f"### {report['split']}\n\n{table(report)}" for report in reports)
    begin, end = markers(reports[0]["task"])
    (folder / "README.md").write_text(
        f"# {text.title}\n\n{text.what}\n\n## Data\n\n{text.data}\n\n## Command\n\n    {text.command}\n\n"
        f"```json\n{json.dumps(details, indent=2)}\n```\n\n## Metrics\n\n{text.notes}\n\n{begin}\n\n{tables}\n\n{end}\n"
    )
