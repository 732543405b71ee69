"""What others printed for the test split of MuVi-Sync, to stand beside what is measured here.

Figures as their authors give them, none measured again: what of them rests on other features or other data is named.
"""

from collections.abc import Mapping
from types import MappingProxyType

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
