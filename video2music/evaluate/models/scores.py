"""Scores of models on MuVi-Sync songs: next-chord prediction by the AMT, note density and loudness by the regressor.

A model's outputs are computed for each song (`amt_logits`, `regressor_predictions`), with modalities hidden or with the
videos of other songs, and scored by `chord_scores` and `dynamics_scores`, as are the baselines' outputs. The metrics
are those of `metrics`; a score is a number per song. `comparison` and the training commands call this.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence

from emotion.report import Songs, by_metric, only
from video2music.chords import END, VOCABULARY_SIZE, Chord
from video2music.data.batches import batch_of, on_device, video_batch
from video2music.data.muvi_sync import MAX_SECONDS, Song
from video2music.evaluate.models import metrics
from video2music.evaluate.models.metrics import RULES, Calibration, agreement
from video2music.model.amt import AMT
from video2music.model.conditioning import allowed_chords
from video2music.model.regressor import Regressor
from video2music.model.video import MODALITIES

HITS = (1, 3, 5)
HITS_AT_CHANGES = (1, 3)
RANKED = (*(f"hits@{k}" for k in HITS), *(f"hits@{k}_changes" for k in HITS_AT_CHANGES), *RULES)
"""Metrics that need a ranking and no probabilities."""

Logits = NDArray[np.floating]
"""Of one song: (T + 1, 159), a row a second and one for END."""


def amt_scores(
    model: AMT,
    songs: Sequence[Song],
    *,
    hide: Sequence[str] = (),
    videos: Sequence[Song] | None = None,
    use_video: bool = True,
    song_logits: Sequence[Logits] | None = None,
    calibration: Calibration | None = None,
) -> Songs:
    """Metrics of the model, with the named modalities hidden from it, or with the videos of other songs."""
    logits = amt_logits(model, songs, hide=hide, videos=videos, use_video=use_video, song_logits=song_logits)
    return chord_scores(songs, logits, calibration=calibration)


def song_only_logits(model: AMT, songs: Sequence[Song]) -> list[Logits] | None:
    """Logits from the songs' past alone, for `amt_logits`; None for a model that processes past and video at once."""
    return None if model.conditioning is None else amt_logits(model, songs, use_video=False)


@torch.inference_mode()
def amt_logits(
    model: AMT,
    songs: Sequence[Song],
    *,
    hide: Sequence[str] = (),
    videos: Sequence[Song] | None = None,
    use_video: bool = True,
    song_logits: Sequence[Logits] | None = None,
    batch: int = 8,
) -> list[Logits]:
    """Next-chord logits for every position of every song, given its true chords before that position.

    Modalities named in `hide` are hidden from the model. With `videos` it gets the videos of those songs, one of the
    same length for each song. Without `use_video` its video conditioning is left out. With `song_logits`, as
    `song_only_logits` gives them, the song's part is not computed again. Songs of similar length share a batch.
    """
    hidden = torch.tensor([name in hide for name in MODALITIES])
    device = next(model.parameters()).device
    by_length = sorted(range(len(songs)), key=lambda index: len(songs[index]))
    found: list[Logits] = [np.empty(0)] * len(songs)
    for start in range(0, len(songs), batch):
        some = by_length[start : start + batch]
        tensors = batch_of([songs[index] for index in some])
        video = video_batch([(videos or songs)[index] for index in some])
        video = video._replace(present=video.present & ~hidden)
        chords = tensors.previous[:, : model.config.max_steps]
        chords, video = chords.to(device), on_device(video, device)
        if song_logits is None:
            logits = model(chords, tensors.minor.to(device), video if use_video else None).cpu().numpy()
        else:
            past = pad_sequence([torch.from_numpy(song_logits[index]) for index in some], batch_first=True)
            logits = model.condition(past.to(device), chords, video).cpu().numpy()
        for row, index in enumerate(some):
            found[index] = logits[row, : len(songs[index]) + 1].copy()
    return found


def chord_scores(songs: Sequence[Song], logits: Sequence[Logits], *, calibration: Calibration | None = None) -> Songs:
    """All metrics of each song's logits; the BCE is that of the calibrated logits."""
    calibration = calibration or Calibration()
    return by_metric([_chord_row(song, each, calibration) for song, each in zip(songs, logits, strict=True)])


def repeat_previous(songs: Sequence[Song]) -> Songs:
    """Metrics of repeating the chord before; C, A:min, F, G rank next, in that order. It has no probabilities."""
    fallback = [Chord.parse(name).id for name in ("C", "A:min", "F", "G")]
    order = np.zeros(VOCABULARY_SIZE)
    order[fallback] = range(len(fallback), 0, -1)
    logits = [np.tile(order, (len(song) + 1, 1)) for song in songs]
    for song, each in zip(songs, logits, strict=True):
        each[np.arange(1, len(song) + 1), song.chords] = len(fallback) + 1
    return only(chord_scores(songs, logits), RANKED)


def constant_per_class(songs: Sequence[Song], train: Sequence[Song]) -> Songs:
    """BCE of predicting always how often the train songs' emotions allow each chord."""
    allowed = np.concatenate([allowed_chords(song.emotion) for song in train])
    share = (allowed.sum(0) + 0.5) / (len(allowed) + 1)
    logits = np.log(share / (1 - share))
    return only(chord_scores(songs, [np.tile(logits, (len(song) + 1, 1)) for song in songs]), ("bce",))


def true_chord_scores(songs: Sequence[Song]) -> Songs:
    """How often the true chords have a quality that the strongest emotion of their second allows."""
    shares = []
    for song in songs:
        inputs = song.chords[1:MAX_SECONDS]
        sounding = inputs > 0
        certain = np.where(np.arange(VOCABULARY_SIZE) == inputs[sounding, None], 0.0, -np.inf)
        shares.append({"emotion_mass": metrics.emotion_mass(certain, song.emotion[1:MAX_SECONDS][sounding])})
    return by_metric(shares)


def chord_targets(song: Song) -> NDArray[np.int64]:
    """Target ids as in the reference code: the first chord is given, the last target is END, 300 ids at most."""
    return np.append(song.chords, END)[1:MAX_SECONDS]


def _chord_row(song: Song, logits: Logits, calibration: Calibration) -> dict[str, float]:
    targets = chord_targets(song)
    logits = logits[1 : len(targets) + 1]
    rank, surprisal = metrics.ranks(logits, targets), metrics.surprisal(logits, targets)
    sounded = targets != END
    changed = metrics.chord_changes(np.append(song.chords[:1], targets))
    logits, emotion = logits[sounded], song.emotion[1 : sounded.sum() + 1]
    return {
        **{f"hits@{k}": metrics.mean(rank < k) for k in HITS},
        "bce": metrics.bce(calibration(logits), allowed_chords(emotion)),
        "nll": metrics.mean(surprisal[sounded]),
        "nll_end": metrics.mean(surprisal[~sounded]),
        **{f"hits@{k}_changes": metrics.mean(rank[changed] < k) for k in HITS_AT_CHANGES},
        **agreement(logits[:, :END].argmax(1), targets[sounded]),
        "emotion_mass": metrics.emotion_mass(logits, emotion),
    }


DYNAMICS = ("density", "loudness")
DYNAMICS_ERRORS = tuple(f"{name}_rmse{padded}" for name in DYNAMICS for padded in ("_padded", ""))

DynamicsRows = NDArray[np.floating]
"""Density and loudness of one song's seconds, (T, 2)."""


def regressor_scores(
    model: Regressor,
    songs: Sequence[Song],
    *,
    hide: Sequence[str] = (),
    videos: Sequence[Song] | None = None,
    batch: int = 16,
) -> Songs:
    """Metrics of the model, with the named modalities hidden from it, or with the videos of other songs."""
    return dynamics_scores(songs, regressor_predictions(model, songs, hide=hide, videos=videos, batch=batch))


@torch.inference_mode()
def regressor_predictions(
    model: Regressor,
    songs: Sequence[Song],
    *,
    hide: Sequence[str] = (),
    videos: Sequence[Song] | None = None,
    batch: int = 16,
) -> list[DynamicsRows]:
    """Predictions for every song; `hide` and `videos` as in `amt_logits`."""
    hidden = torch.tensor([name in hide for name in MODALITIES])
    device = next(model.parameters()).device
    sources, found = videos or songs, []
    for start in range(0, len(songs), batch):
        some = sources[start : start + batch]
        video = video_batch(some)
        video = video._replace(present=video.present & ~hidden)
        predicted = model(on_device(video, device)).cpu().numpy()
        found += [predicted[index, : len(song)] for index, song in enumerate(some)]
    return found


def constant_dynamics_scores(mean: np.ndarray, songs: Sequence[Song]) -> Songs:
    """Metrics of predicting the same density and loudness (2,) in every real second."""
    return only(dynamics_scores(songs, [np.tile(mean, (len(song), 1)) for song in songs]), DYNAMICS_ERRORS)


def dynamics_scores(songs: Sequence[Song], predictions: Sequence[DynamicsRows]) -> Songs:
    """All metrics of predictions, one for each song."""
    return by_metric([_dynamics_row(true_dynamics(song), rows) for song, rows in zip(songs, predictions, strict=True)])


def true_dynamics(song: Song) -> DynamicsRows:
    """Density and loudness (T, 2)."""
    return np.stack([song.density, song.loudness], axis=1)


def _dynamics_row(truth: DynamicsRows, predicted: DynamicsRows) -> dict[str, float]:
    row = {}
    for name, true, guess in zip(DYNAMICS, truth.T, predicted.T, strict=True):
        row[f"{name}_rmse_padded"] = metrics.padded_rmse(guess, true)
        row[f"{name}_rmse"] = metrics.rmse(guess, true)
        row[f"{name}_r"] = metrics.correlation(guess, true)
    return row


def dynamics_histograms(
    songs: Sequence[Song], predictions: Sequence[Sequence[DynamicsRows]], *, bins: int = 10
) -> dict[str, dict[str, list[float]]]:
    """By name bounds (bins + 1) over the data's range, and shares (bins) of the true and of the predicted seconds.

    `predictions` has those of every seed; what is beyond the data's range is counted in the bin at that end.
    """
    truth = np.concatenate([true_dynamics(song) for song in songs]).astype(float)
    predicted = np.concatenate([rows for seed in predictions for rows in seed]).astype(float)
    found = {}
    for name, true, guess in zip(DYNAMICS, truth.T, predicted.T, strict=True):
        bounds = np.histogram_bin_edges(true, bins)
        columns = {"data": true, "shipped": guess.clip(bounds[0], bounds[-1])}
        shares = {key: np.histogram(values, bounds)[0] / len(values) for key, values in columns.items()}
        found[name] = {"bounds": bounds.tolist(), **{key: share.tolist() for key, share in shares.items()}}
    return found
