"""Note density and loudness on MuVi-Sync songs."""

from collections.abc import Sequence

import numpy as np
import torch

from video2music.data.batches import picture_of
from video2music.data.muvi_sync import Song
from video2music.evaluate import metrics
from video2music.evaluate.report import Songs, by_metric
from video2music.model.picture import MODALITIES
from video2music.model.regressor import Regressor


@torch.inference_mode()
def regressor(model: Regressor, songs: Sequence[Song], *, hide: Sequence[str] = (), batch: int = 16) -> Songs:
    """Figures of the model, with the named modalities hidden from it."""
    hidden = torch.tensor([name in hide for name in MODALITIES])
    rows = []
    for start in range(0, len(songs), batch):
        some = songs[start : start + batch]
        picture = picture_of(some)
        predicted = model(picture._replace(present=picture.present & ~hidden)).numpy()
        rows += [_song_row(song, predicted[index, : len(song)]) for index, song in enumerate(some)]
    return by_metric(rows)


def constant(mean: np.ndarray, songs: Sequence[Song]) -> Songs:
    """Figures of saying the same density and loudness (2,) in every real second."""
    rows = [_song_row(song, np.tile(mean, (len(song), 1))) for song in songs]
    return by_metric([{name: value for name, value in row.items() if not name.endswith("_r")} for row in rows])


def _song_row(song: Song, predicted: np.ndarray) -> dict[str, float]:
    row = {}
    for column, (name, truth) in enumerate((("density", song.density), ("loudness", song.loudness))):
        said = predicted[:, column]
        row[f"{name}_rmse_padded"] = metrics.padded_rmse(said, truth)
        row[f"{name}_rmse"] = metrics.rmse(said, truth)
        row[f"{name}_r"] = metrics.correlation(said, truth)
    return row
