"""Next-chord prediction on MuVi-Sync songs."""

from collections.abc import Sequence

import numpy as np
import torch

from video2music.chords import END, VOCABULARY_SIZE, Chord
from video2music.data.batches import batch_of
from video2music.data.muvi_sync import MAX_SECONDS, Song
from video2music.evaluate import metrics
from video2music.evaluate.report import Songs, by_metric
from video2music.model.amt import AMT
from video2music.model.picture import MODALITIES

HITS = (1, 3, 5)


@torch.inference_mode()
def amt(model: AMT, songs: Sequence[Song], *, hide: Sequence[str] = (), batch: int = 8) -> Songs:
    """Figures of the model, with the named modalities hidden from it."""
    hidden = torch.tensor([name in hide for name in MODALITIES])
    rows = []
    for start in range(0, len(songs), batch):
        some = songs[start : start + batch]
        tensors = batch_of(some)
        limit = model.config.max_steps
        picture = tensors.picture._replace(present=tensors.picture.present & ~hidden)
        logits = model(tensors.previous[:, :limit], tensors.minor, picture).numpy()
        rows += [_song_row(song, logits[index]) for index, song in enumerate(some)]
    return by_metric(rows)


def repeat_previous(songs: Sequence[Song]) -> Songs:
    """Figures of repeating the chord before; C, A:min, F, G come next, in that order."""
    fallback = [Chord.parse(name).id for name in ("C", "A:min", "F", "G")]
    order = np.zeros(VOCABULARY_SIZE)
    order[fallback] = range(len(fallback), 0, -1)
    rows = []
    for song in songs:
        logits = np.tile(order, (len(song) + 1, 1))
        logits[np.arange(1, len(song) + 1), song.chords] = len(fallback) + 1
        rows.append(_song_row(song, logits))
    return by_metric([{name: value for name, value in row.items() if name != "nll"} for row in rows])


def _song_row(song: Song, logits: np.ndarray) -> dict[str, float]:
    """As the reference: the first chord is given, the last target is END, at most 300 inputs in all."""
    targets = np.append(song.chords, END)[1:MAX_SECONDS]
    logits = logits[1 : len(targets) + 1]
    return {
        **{f"hits@{k}": metrics.hits(logits, targets, k) for k in HITS},
        "nll": metrics.nll(logits, targets),
    }
