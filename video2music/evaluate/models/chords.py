"""Next-chord prediction on MuVi-Sync songs: any model's logits, one way of scoring them."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence

from emotion.report import Songs, by_metric, only
from video2music.chords import END, VOCABULARY_SIZE, Chord
from video2music.data.batches import batch_of, picture_of
from video2music.data.muvi_sync import MAX_SECONDS, Song
from video2music.evaluate.models import metrics
from video2music.evaluate.models.metrics import RULES, Calibration, agreement
from video2music.model.amt import AMT
from video2music.model.conditioning import allowed_chords
from video2music.model.video import MODALITIES

HITS = (1, 3, 5)
HITS_AT_CHANGES = (1, 3)
RANKED = (*(f"hits@{k}" for k in HITS), *(f"hits@{k}_changes" for k in HITS_AT_CHANGES), *RULES)
"""The metrics that need no probabilities, only an order."""

Logits = NDArray[np.floating]
"""Of one song: (T + 1, 159), a row a second and one for END."""


def amt(
    model: AMT,
    songs: Sequence[Song],
    *,
    hide: Sequence[str] = (),
    watch: Sequence[Song] | None = None,
    see: bool = True,
    heard: Sequence[Logits] | None = None,
    calibration: Calibration | None = None,
) -> Songs:
    """Figures of the model, with the named modalities hidden from it, or with the videos of other songs."""
    said = logits_of(model, songs, hide=hide, watch=watch, see=see, heard=heard)
    return scores(songs, said, calibration=calibration)


def heard(model: AMT, songs: Sequence[Song]) -> list[Logits] | None:
    """What the songs' past alone says, to be handed to `logits_of`; None of a model that hears and sees at once."""
    return None if model.watching is None else logits_of(model, songs, see=False)


@torch.inference_mode()
def logits_of(
    model: AMT,
    songs: Sequence[Song],
    *,
    hide: Sequence[str] = (),
    watch: Sequence[Song] | None = None,
    see: bool = True,
    heard: Sequence[Logits] | None = None,
    batch: int = 8,
) -> list[Logits]:
    """What the model says of every song, its true chords so far given.

    Modalities named in `hide` are hidden from it; with `watch` it sees the videos of these songs, one of the same
    length for each; unless it may `see`, the part of it that watches is left out. With `heard` what the songs' past
    says is not worked out again. Songs of like length share a batch.
    """
    hidden = torch.tensor([name in hide for name in MODALITIES])
    order = sorted(range(len(songs)), key=lambda index: len(songs[index]))
    found: list[Logits] = [np.empty(0)] * len(songs)
    for start in range(0, len(songs), batch):
        some = order[start : start + batch]
        tensors = batch_of([songs[index] for index in some])
        picture = picture_of([(watch or songs)[index] for index in some])
        picture = picture._replace(present=picture.present & ~hidden)
        chords = tensors.previous[:, : model.config.max_steps]
        if heard is None:
            logits = model(chords, tensors.minor, picture if see else None).numpy()
        else:
            past = pad_sequence([torch.from_numpy(heard[index]) for index in some], batch_first=True)
            logits = model.watch(past, chords, picture).numpy()
        for row, index in enumerate(some):
            found[index] = logits[row, : len(songs[index]) + 1].copy()
    return found


def scores(songs: Sequence[Song], logits: Sequence[Logits], *, calibration: Calibration | None = None) -> Songs:
    """All figures of what was said of each song; the BCE is that of the calibrated logits."""
    calibration = calibration or Calibration()
    return by_metric([_song_row(song, said, calibration) for song, said in zip(songs, logits, strict=True)])


def repeat_previous(songs: Sequence[Song]) -> Songs:
    """Figures of repeating the chord before; C, A:min, F, G come next, in that order. It has no probabilities."""
    fallback = [Chord.parse(name).id for name in ("C", "A:min", "F", "G")]
    order = np.zeros(VOCABULARY_SIZE)
    order[fallback] = range(len(fallback), 0, -1)
    said = [np.tile(order, (len(song) + 1, 1)) for song in songs]
    for song, logits in zip(songs, said, strict=True):
        logits[np.arange(1, len(song) + 1), song.chords] = len(fallback) + 1
    return only(scores(songs, said), RANKED)


def constant_per_class(songs: Sequence[Song], train: Sequence[Song]) -> Songs:
    """BCE of saying, whatever is seen, how often the train songs' emotions allow each chord."""
    allowed = np.concatenate([allowed_chords(song.emotion) for song in train])
    share = (allowed.sum(0) + 0.5) / (len(allowed) + 1)
    logits = np.log(share / (1 - share))
    return only(scores(songs, [np.tile(logits, (len(song) + 1, 1)) for song in songs]), ("bce",))


def of_the_songs(songs: Sequence[Song]) -> Songs:
    """How often the songs' own chords have a quality that the strongest emotion of their second allows."""
    shares = []
    for song in songs:
        inputs = song.chords[1:MAX_SECONDS]
        sounding = inputs > 0
        certain = np.where(np.arange(VOCABULARY_SIZE) == inputs[sounding, None], 0.0, -np.inf)
        shares.append({"emotion_mass": metrics.emotion_mass(certain, song.emotion[1:MAX_SECONDS][sounding])})
    return by_metric(shares)


def targets_of(song: Song) -> NDArray[np.int64]:
    """As the reference: the first chord is given, the last target is END, at most 300 ids in all."""
    return np.append(song.chords, END)[1:MAX_SECONDS]


def _song_row(song: Song, said: Logits, calibration: Calibration) -> dict[str, float]:
    targets = targets_of(song)
    said = said[1 : len(targets) + 1]
    rank, surprise = metrics.ranks(said, targets), metrics.surprise(said, targets)
    sounded = targets != END
    logits, emotion, changed = said[sounded], song.emotion[1 : sounded.sum() + 1], _changes(song, targets)
    return {
        **{f"hits@{k}": metrics.mean(rank < k) for k in HITS},
        "bce": metrics.bce(calibration(logits), allowed_chords(emotion)),
        "nll": metrics.mean(surprise[sounded]),
        "nll_end": metrics.mean(surprise[~sounded]),
        **{f"hits@{k}_changes": metrics.mean(rank[changed] < k) for k in HITS_AT_CHANGES},
        **agreement(logits[:, :END].argmax(1), targets[sounded]),
        "emotion_mass": metrics.emotion_mass(logits, emotion),
    }


def _changes(song: Song, targets: NDArray[np.integer]) -> NDArray[np.bool_]:
    return metrics.changes(np.append(song.chords[:1], targets))
