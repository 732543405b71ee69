"""Training of the colour encoder on the ratings of OASIS's stills, and on movement and loudness in MuVi-Sync.

Two Gaussian kernel machines, one an axis, by ridge regression. Width and ridge are chosen by the leave-one-out error
inside each fold's training part, so that the held-out correlations are not biased by the choice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion import checkpoint
from emotion import report as reports
from emotion.affect import emotions_at
from emotion.errors import DataError
from video2music.data import muvi_sync, oasis
from video2music.features import still
from video2music.features.color import (
    ENERGY_WINDOW_S,
    KIND,
    SHOT_S,
    Matrix,
    Scale,
    motion_and_cut_rate,
    running_mean,
    squared_distances,
)
from video2music.train import card

AXES = ("valence", "arousal")
FOLDS = 10
SEEDS = (0, 1, 2, 3, 4)
GAMMAS = (0.2, 0.5, 1.0)  # kernel exp(-gamma d), d the mean square difference in standard deviations
RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0)

RESAMPLES = 1000  # of the bootstrap

OASIS = (
    "OASIS (Kurdi, Lozano, Banaji, Behavior Research Methods 49, 2017): 841 thumbnails with mean ratings, open access. "
    "MuVi-Sync (Kang, Poria, Herremans 2024), split v1: motion, scene offset, loudness, emotions; the copy states no "
    "licence. The support vectors in the weights are features computed from OASIS's stills, not the stills."
)
TEXT = card.CardText(
    "color: valence and arousal without a download",
    "Two Gaussian kernel machines read features of colour, light, texture and composition of a still and give its "
    "valence and arousal. In a video, arousal is joined by the energy that motion and cuts speak of, and both are "
    "averaged over 5 s within a scene. Predictions are expanded until they spread as the ratings of valence do. "
    "Arousal 0 is that of a still which is neither pleasant nor unpleasant, with the motion and the cuts of a feature "
    "film; a short clip is taken to be cut as such a film until it shows otherwise.",
    OASIS,
    "r is Pearson's correlation, with a 95 % bootstrap interval over stills or videos. On OASIS, held-out predictions "
    "of ten folds against the mean ratings, mean over seeds; width and ridge are chosen inside each fold. In `themes "
    "apart`, stills of one theme (acorns 1 to 3) are never on both sides; elsewhere they may be. 51 classical "
    "features reach .36 on each axis. On MuVi-Sync, against the loudness of the music, z-scored in each video and "
    "averaged over 9 s.",
    "video2music train color --data DATA",
)


@dataclass(frozen=True, eq=False)
class StillFeatures:
    """Numbers (n, D) and ratings (n, 2) of n stills, and the theme of each."""

    features: Matrix
    ratings: Matrix
    themes: NDArray[np.str_]


@dataclass(frozen=True)
class KernelSettings:
    """Width and ridge of one axis's kernel machine."""

    gamma: float
    ridge: float


def train(data: Path, out: Path, *, muvi: Path | None = None, seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """Train on OASIS at `data/oasis` and MuVi-Sync at `muvi`, write weights, config and card to `out`.

    Without `muvi`, MuVi-Sync is looked for at `data/muvi_sync` and `data`, unpacked. Returns the report on OASIS's
    folds. Raises DataError.
    """
    root = muvi or _find_muvi_sync(data)
    stills = read_stills(data / "oasis")
    held_out = np.stack([predict_held_out(stills, random_folds(len(stills.ratings), seed)) for seed in seeds])
    apart = np.stack([predict_held_out(stills, theme_folds(stills.themes, seed)) for seed in seeds])
    rows = {"shipped": _r_row(stills, held_out), "shipped, themes apart": _r_row(stills, apart)}
    report = reports.from_summaries("picture affect", "OASIS", "ten folds", seeds, rows)
    energy, energy_reports = fit_energy(root)
    config, tensors = fit_all_stills(stills)
    predicted = held_out.reshape(-1, len(AXES))
    config |= {
        "arousal_r": rows["shipped"]["r_arousal"]["mean"],
        "energy": energy,
        "neutral_arousal": neutral_arousal(stills.ratings),
        "predicted_spread": predicted.std(axis=0).tolist(),
        "spread": float(stills.ratings.std(axis=0).max()),
    }
    affect = (predicted - predicted.mean(axis=0)) / predicted.std(axis=0) * config["spread"]
    config["temperature"] = temperature_for(affect, root)
    checkpoint.save(out, kind=KIND, config=config, tensors=tensors)
    details = {"seeds": list(seeds), "gammas": GAMMAS, "ridges": RIDGES, **config}
    card.write(out, TEXT, reports=[report, *energy_reports], details=details)
    return report


def read_stills(folder: Path) -> StillFeatures:
    """All of OASIS. Raises DataError."""
    stills = oasis.load(folder)
    if len(stills) < 2 * FOLDS:
        raise DataError(f"OASIS at {folder} has {len(stills)} stills: {FOLDS} folds need at least {2 * FOLDS}")
    return StillFeatures(
        np.stack([still.describe(one.read()) for one in stills]).astype(float),
        np.array([(one.valence, one.arousal) for one in stills]),
        np.array([one.theme for one in stills]),
    )


Fold = tuple[NDArray[np.intp], NDArray[np.intp]]  # rows to train on, rows held out


def random_folds(rows: int, seed: int) -> Iterator[Fold]:
    """Each row is held out once."""
    yield from _folds(np.random.default_rng(seed).permutation(np.arange(rows) % FOLDS))


def theme_folds(themes: NDArray[np.str_], seed: int) -> Iterator[Fold]:
    """Each row is held out once, along with all of its theme."""
    names, theme_of = np.unique(themes, return_inverse=True)
    yield from _folds(np.random.default_rng(seed).permutation(np.arange(len(names)) % FOLDS)[theme_of])


def _folds(fold_of: NDArray[np.intp]) -> Iterator[Fold]:
    for fold in range(FOLDS):
        yield np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)


def predict_held_out(stills: StillFeatures, folds: Iterator[Fold]) -> Matrix:
    """Predictions (n, 2), each by a machine whose training and settings did not use the still."""
    predicted = np.zeros_like(stills.ratings)
    for known, held_out in folds:
        scale = Scale.of(stills.features[known], _group_sizes())
        points, ratings = scale.apply(stills.features), stills.ratings[known]
        distances = squared_distances(points[known], points[known])
        away = squared_distances(points[held_out], points[known])
        for axis, choice in enumerate(choose(distances, ratings)):
            alpha = solve(distances, ratings[:, axis], choice)
            predicted[held_out, axis] = np.exp(-choice.gamma * away) @ alpha + ratings[:, axis].mean()
    return predicted


def choose(distances: Matrix, ratings: Matrix) -> list[KernelSettings]:
    """For each axis the settings with the least leave-one-out error on rows with these distances (n, n)."""
    errors = {}
    centred = ratings - ratings.mean(axis=0)
    for gamma in GAMMAS:
        # one decomposition serves every ridge
        values, vectors = np.linalg.eigh(np.exp(-gamma * distances))
        for ridge in RIDGES:
            errors[KernelSettings(gamma, ridge)] = _leave_one_out(values, vectors, centred, ridge)
    return [min(errors, key=lambda choice: errors[choice][axis]) for axis in range(ratings.shape[1])]


def _leave_one_out(values: Matrix, vectors: Matrix, centred: Matrix, ridge: float) -> Matrix:
    """Mean squared leave-one-out error of ridge regression in closed form, from the kernel's eigenvectors."""
    kept = values / (values + ridge)
    fitted = vectors @ (kept[:, None] * (vectors.T @ centred))
    leverage = (vectors**2) @ kept
    result: Matrix = (((centred - fitted) / (1 - leverage)[:, None]) ** 2).mean(axis=0)
    return result


def solve(distances: Matrix, ratings: Matrix, choice: KernelSettings) -> Matrix:
    """Weights (n,) of the kernels at the rows, for ratings (n,) about their mean."""
    kernel = np.exp(-choice.gamma * distances)
    return np.linalg.solve(kernel + choice.ridge * np.eye(len(kernel)), ratings - ratings.mean())


def fit_all_stills(stills: StillFeatures) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Config and tensors of the machines fitted on all stills; predictions are about the ratings' mean."""
    scale = Scale.of(stills.features, _group_sizes())
    # in the precision that the weights have: the settings are chosen for what will be loaded
    support = scale.apply(stills.features).astype(np.float16)
    distances = squared_distances(support.astype(float), support.astype(float))
    choices = choose(distances, stills.ratings)
    alpha = [solve(distances, stills.ratings[:, axis], choice) for axis, choice in enumerate(choices)]
    tensors = {
        "mean": scale.mean, "spread": scale.spread, "weight": scale.weight, "alpha": np.stack(alpha, axis=1),
    }  # fmt: skip
    config = {"gamma": [choice.gamma for choice in choices], "ridge": [choice.ridge for choice in choices]}
    return config, {"support": support} | {name: tensor.astype(np.float32) for name, tensor in tensors.items()}


def neutral_arousal(ratings: Matrix) -> float:
    """Neutral arousal, in standard deviations of the ratings (n, 2) from their mean.

    OASIS's stills were chosen to be moving: their mean is above that of ordinary pictures. Neutral is the mean of the
    third of them with valence nearest to 0.
    """
    valence, arousal = ratings.T
    neutral = np.argsort(np.abs(valence), kind="stable")[: len(ratings) // 3]
    return float((arousal[neutral].mean() - arousal.mean()) / arousal.std())


def fit_energy(root: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Least squares of loudness on movement, as a config whose output has spread 1, and reports on val and test."""
    movement, loudness, videos = _movement_and_loudness(root, "train")
    middle = typical_motion(movement, videos)
    mean, spread = movement.mean(axis=0), movement.std(axis=0)
    weights = np.linalg.lstsq((movement - mean) / spread, loudness - loudness.mean(), rcond=None)[0]
    weights /= ((movement - mean) / spread @ weights).std()
    energy_reports = []
    for split in muvi_sync.SPLITS[1:]:
        movement, loudness, videos = _movement_and_loudness(root, split)
        predictors = {
            "shipped": (movement - mean) / spread @ weights,
            "motion": movement[:, 0],
            "cut rate": movement[:, 1],
        }
        rows = {name: {"r": correlation(rows[None], loudness, videos)} for name, rows in predictors.items()}
        energy_reports.append(reports.from_summaries("energy", "MuVi-Sync", split, [0], rows))
    fitted = {"middle": middle.tolist(), "spread": spread.tolist(), "weights": weights.tolist()}
    return {**fitted, "r": energy_reports[0]["rows"]["shipped"]["r"]["mean"]}, energy_reports


def typical_motion(movement: Matrix, video: NDArray[np.intp]) -> Matrix:
    """Log motion and cut rate (2,) of a typical clip, from those (n, 2) of music videos.

    Loudness was z-scored in each video: it shows how energy changes, not what is neutral. Music videos are cut
    twice as fast as most clips and move more; the middle is a feature film's rate, and the motion that a line through
    the videos' means gives at that rate.
    """
    counts = np.bincount(video)
    moved, rate = (np.bincount(video, column) / counts for column in movement.T)
    slope, at_no_cuts = np.polyfit(rate, moved, 1)
    return np.array([at_no_cuts + slope / SHOT_S, 1 / SHOT_S])


def _movement_and_loudness(root: Path, split: str) -> tuple[Matrix, Matrix, NDArray[np.intp]]:
    """Movement (n, 2) and loudness (n,) of all seconds of a split, and which video each belongs to."""
    songs = muvi_sync.load_split(root, split)
    movement = [motion_and_cut_rate(song.motion, song.scene_offset) for song in songs]
    loudness = [running_mean(_z_scores(song.loudness), ENERGY_WINDOW_S) for song in songs]
    return (
        np.concatenate(movement),
        np.concatenate(loudness),
        np.repeat(np.arange(len(songs)), [len(song) for song in songs]),
    )


def temperature_for(affect: Matrix, root: Path) -> float:
    """The temperature at which the emotions at `affect` (n, 2) are as undecided as MuVi-Sync's on average."""
    entropy = mean_entropy(np.concatenate([song.emotion for song in muvi_sync.load_split(root, "train")]))
    low, high = 0.01, 2.0
    for _ in range(30):  # bisection, finer than the four decimals that are kept
        middle = (low + high) / 2
        low, high = (middle, high) if mean_entropy(emotions_at(affect, middle)) < entropy else (low, middle)
    return round(middle, 4)


def mean_entropy(probabilities: NDArray[Any]) -> float:
    """In nats, of rows (n, k) that sum to 1."""
    return float(-(probabilities * np.log(np.maximum(probabilities, 1e-12))).sum(axis=1).mean())


def correlation(predictions: Matrix, truth: Matrix, unit: NDArray[np.intp]) -> dict[str, Any]:
    """Pearson's r of predictions (seeds, n) with the truth (n,): mean, 95 % interval, each seed's.

    The interval is a bootstrap over units (stills, videos), `unit` (n,) saying which one a row belongs to.
    """
    moments = np.stack([_moments(rows, truth, unit) for rows in predictions])
    count = moments.shape[1]
    draws = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    low, high = np.percentile(_r(np.einsum("ru,sum->srm", draws, moments)).mean(axis=0), (2.5, 97.5))
    by_seed = _r(moments.sum(axis=1))
    return {"mean": float(by_seed.mean()), "low": float(low), "high": float(high), "seeds": by_seed.tolist()}


def _moments(one: Matrix, other: Matrix, unit: NDArray[np.intp]) -> Matrix:
    """Count, sums, sums of squares and of products in each unit, shape (units, 6)."""
    columns = (np.ones_like(one), one, other, one * one, other * other, one * other)
    return np.stack([np.bincount(unit, column) for column in columns], axis=1)


def _r(moments: Matrix) -> Matrix:
    """Pearson's r from moments (..., 6)."""
    count, one, other, one2, other2, both = np.moveaxis(moments, -1, 0)
    result: Matrix = (count * both - one * other) / np.sqrt((count * one2 - one**2) * (count * other2 - other**2))
    return result


def _r_row(stills: StillFeatures, predicted: Matrix) -> dict[str, dict[str, Any]]:
    """Correlation of predictions (seeds, n, 2) with the ratings, an axis."""
    each = np.arange(len(stills.ratings))
    return {
        f"r_{name}": correlation(predicted[..., axis], stills.ratings[:, axis], each) for axis, name in enumerate(AXES)
    }


def _find_muvi_sync(data: Path) -> Path:
    for folder in (data / "muvi_sync", data):
        if (folder / "vevo_meta").is_dir():
            return folder
    raise DataError(
        f"no unpacked MuVi-Sync in {data}: give the folder that holds vevo_motion, vevo_loudness and the others"
    )


def _z_scores(values: NDArray[Any]) -> Matrix:
    result: Matrix = (values - values.mean()) / (values.std() + 1e-6)
    return result


def _group_sizes() -> list[int]:
    return list(still.group_sizes().values())
