"""What 94 classical features with a support vector machine tell of the 4Q set: the row that learnt models must beat.

47 numbers of each frame of a recording (timbre, harmony, level, onsets, shape of the spectrum, tempo) become their
means and deviations over the frames. The machine has a radial kernel; its C and gamma are chosen on the training folds
of each fold alone, split by artist there as well. The numbers of a frame are those of emotion.evaluate.spectra.
"""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion import sound
from emotion.data import cards, fourq
from emotion.data.pieces import assert_disjoint, read_folds
from emotion.errors import DataError
from emotion.evaluate import spectra
from emotion.files import whole_file

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]

RECIPE = "classical 1"  # goes into the names of cached features: count up when `describe` changes
C_GRID = (1.0, 2.0, 4.0, 8.0, 16.0)
GAMMA_GRID = (0.001, 0.002, 0.004, 0.008, 0.016)
_COUNTS = (("mfcc", 20), ("contrast", 7), ("chroma", 12))
_SINGLE = ("onset", "level", "centroid", "bandwidth", "rolloff", "flatness", "zero crossings", "tempo")
_FRAME = (*(f"{name} {number}" for name, count in _COUNTS for number in range(count)), *_SINGLE)
NAMES = (*(f"{name} mean" for name in _FRAME), *(f"{name} sd" for name in _FRAME))


def describe(samples: sound.Samples) -> Floats:
    """The 94 features, in the order of NAMES, of mono samples (n,) at 24 kHz, half a window of them at least."""
    frames = spectra.frames(samples)
    return np.concatenate([frames.mean(1), frames.std(1)])


def extract(paths: Sequence[Path], cache: Path) -> Floats:
    """Features (N, 94) of sound files; those of a file's content are computed once and kept in `cache`.

    Raises SoundError for a file that cannot be read.
    """
    cache.mkdir(parents=True, exist_ok=True)
    rows = []
    for done, path in enumerate(paths):
        rows.append(_kept(path, cache))
        if not (done + 1) % 100:
            log.info("classical features of %d of %d recordings", done + 1, len(paths))
    return np.stack(rows)


def _kept(path: Path, cache: Path) -> Floats:
    content = hashlib.sha256(RECIPE.encode() + path.read_bytes()).hexdigest()
    place = cache / f"{content[:32]}.npz"
    if not place.is_file():
        described = describe(np.concatenate(list(sound.read(path))))
        with whole_file(place) as partial, partial.open("wb") as file:
            np.savez(file, features=described)
    with np.load(place, allow_pickle=False) as kept:
        return kept["features"]


def rows(fourq_folder: Path, cache: Path) -> tuple[Floats, NDArray[np.int64], list[str]]:
    """Out-of-fold probabilities (N, 4), true quadrants (N,) and names of the 4Q set, over its ten folds by artist.

    Raises DataError when the set is not whole or not the edition of the folds, and SoundError.
    """
    excerpts = fourq.load(fourq_folder)
    folds = read_folds(cards.folder("fourq") / "splits" / "folds.csv")
    if missing := [excerpt.name for excerpt in excerpts if excerpt.name not in folds]:
        raise DataError(f"{len(missing)} excerpts have no fold, such as {missing[0]}: the data are of another edition")
    inputs = extract([excerpt.path for excerpt in excerpts], cache)
    truth = np.array([excerpt.quadrant for excerpt in excerpts])
    fold = np.array([folds[excerpt.name] for excerpt in excerpts])
    assert_disjoint(*([e for e, at in zip(excerpts, fold, strict=True) if at == held] for held in np.unique(fold)))
    return out_of_fold(inputs, truth, fold), truth, [excerpt.name for excerpt in excerpts]


def out_of_fold(inputs: Floats, truth: NDArray[np.int64], fold: NDArray[np.int64]) -> Floats:
    """Probabilities (N, 4) of each row of inputs (N, D) by a machine that saw no row of its fold, not even to scale."""
    found = np.zeros((len(truth), truth.max() + 1))
    for held in np.unique(fold):
        away = fold != held
        machine = chosen(inputs[away], truth[away], fold[away])
        found[~away] = machine.predict_proba(inputs[~away])
        log.info("fold %d of %d", held + 1, fold.max() + 1)
    return found


def chosen(inputs: Floats, truth: NDArray[np.int64], fold: NDArray[np.int64]) -> Any:
    """The machine with the C and gamma of best macro-F1 over these folds; its probabilities are calibrated on them."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.model_selection import GridSearchCV, PredefinedSplit
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    inner = PredefinedSplit(fold)
    grid = {"svc__C": C_GRID, "svc__gamma": GAMMA_GRID}
    search = GridSearchCV(make_pipeline(StandardScaler(), SVC()), grid, scoring="f1_macro", cv=inner, refit=False)
    best = search.fit(inputs, truth).best_params_
    machine = make_pipeline(StandardScaler(), SVC()).set_params(**best)
    return CalibratedClassifierCV(machine, cv=inner, ensemble=False).fit(inputs, truth)
