"""Note density and loudness on MuVi-Sync songs."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from emotion.report import Songs, by_metric, only
from video2music.data.batches import picture_of
from video2music.data.muvi_sync import Song
from video2music.evaluate.models import metrics
from video2music.model.regressor import Regressor
from video2music.model.video import MODALITIES

NAMES = ("density", "loudness")
ERRORS = tuple(f"{name}_rmse{padded}" for name in NAMES for padded in ("_padded", ""))

Rows = NDArray[np.floating]
"""Density and loudness of one song's seconds, (T, 2)."""


def regressor(
    model: Regressor,
    songs: Sequence[Song],
    *,
    hide: Sequence[str] = (),
    watch: Sequence[Song] | None = None,
    batch: int = 16,
) -> Songs:
    """Figures of the model, with the named modalities hidden from it, or with the videos of other songs."""
    return scores(songs, rows_of(model, songs, hide=hide, watch=watch, batch=batch))


@torch.inference_mode()
def rows_of(
    model: Regressor,
    songs: Sequence[Song],
    *,
    hide: Sequence[str] = (),
    watch: Sequence[Song] | None = None,
    batch: int = 16,
) -> list[Rows]:
    """What the model says of every song; `hide` and `watch` as in `chords.logits_of`."""
    hidden = torch.tensor([name in hide for name in MODALITIES])
    seen, found = watch or songs, []
    for start in range(0, len(songs), batch):
        some = seen[start : start + batch]
        picture = picture_of(some)
        predicted = model(picture._replace(present=picture.present & ~hidden)).numpy()
        found += [predicted[index, : len(song)] for index, song in enumerate(some)]
    return found


def constant(mean: np.ndarray, songs: Sequence[Song]) -> Songs:
    """Figures of saying the same density and loudness (2,) in every real second."""
    return only(scores(songs, [np.tile(mean, (len(song), 1)) for song in songs]), ERRORS)


def scores(songs: Sequence[Song], said: Sequence[Rows]) -> Songs:
    """All figures of what was said of each song."""
    return by_metric([_song_row(truth_of(song), rows) for song, rows in zip(songs, said, strict=True)])


def truth_of(song: Song) -> Rows:
    """Density and loudness (T, 2)."""
    return np.stack([song.density, song.loudness], axis=1)


def _song_row(truth: Rows, predicted: Rows) -> dict[str, float]:
    row = {}
    for name, true, said in zip(NAMES, truth.T, predicted.T, strict=True):
        row[f"{name}_rmse_padded"] = metrics.padded_rmse(said, true)
        row[f"{name}_rmse"] = metrics.rmse(said, true)
        row[f"{name}_r"] = metrics.correlation(said, true)
    return row


def histograms(songs: Sequence[Song], said: Sequence[Sequence[Rows]], *, bins: int = 10) -> dict[str, dict[str, list]]:
    """By name the bounds (bins + 1) over the data's range, and shares (bins) of the data's and of the said seconds.

    `said` is what every seed says of the songs; what lies beyond the data's range is counted in the bin at that end.
    """
    truth = np.concatenate([truth_of(song) for song in songs]).astype(float)
    heard = np.concatenate([rows for seed in said for rows in seed]).astype(float)
    found = {}
    for name, true, spoken in zip(NAMES, truth.T, heard.T, strict=True):
        bounds = np.histogram_bin_edges(true, bins)
        columns = {"data": true, "shipped": spoken.clip(bounds[0], bounds[-1])}
        shares = {key: np.histogram(values, bounds)[0] / len(values) for key, values in columns.items()}
        found[name] = {"bounds": bounds.tolist(), **{key: share.tolist() for key, share in shares.items()}}
    return found
