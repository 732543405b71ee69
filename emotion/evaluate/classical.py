"""Baseline for the 4Q set: 94 classical audio features and a support vector model.

47 numbers of each frame (timbre, spectral contrast, harmony, level, spectrum, onsets, tempo) become means and standard
deviations over the frames of a recording. The model has a radial kernel; its C and gamma are chosen on the training
folds of each fold alone, split by artist there as well.

The definitions of the features are those of B. McFee and others, "librosa: Audio and Music Signal Analysis in Python"
(SciPy 2015), with the defaults of its version 0.11 but for the sample rate; contrast is that of D. Jiang and others,
"Music type classification by spectral contrast feature" (ICME 2002). librosa itself is not called: numba's cache of
compiled functions can be corrupted by two processes at once, and a call through a corrupted one ends the process
(https://github.com/numba/numba/issues/10128).
"""

import hashlib
import logging
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.data.pieces import assert_disjoint
from emotion.data.recordings import read_fourq
from emotion.data.registry import DATASETS
from emotion.errors import DataError
from emotion.features import harmony, sound
from emotion.features.sound import SAMPLE_RATE, Samples
from emotion.files import atomic_write

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]

RECIPE = "classical 1"  # goes into the names of cached features: count up when `describe` changes
C_GRID = (1.0, 2.0, 4.0, 8.0, 16.0)
GAMMA_GRID = (0.001, 0.002, 0.004, 0.008, 0.016)
_COUNTS = (("mfcc", 20), ("contrast", 7), ("chroma", 12))
_SINGLE = ("onset", "level", "centroid", "bandwidth", "rolloff", "flatness", "zero crossings", "tempo")
_FRAME = (*(f"{name} {number}" for name, count in _COUNTS for number in range(count)), *_SINGLE)
NAMES = (*(f"{name} mean" for name in _FRAME), *(f"{name} sd" for name in _FRAME))

WINDOW, HOP = 2048, 512  # samples: 85 and 21 ms
MELS, CEPSTRUM = 128, 20
FLOOR = 1e-5  # of the level: a linear amplitude of -100 dB
POWER_FLOOR, RANGE_DB = 1e-10, 80.0  # of decibels; what is fainter than the loudest by more counts as this much
SILENT = 1e-10  # samples between this and its negative count as zero, without a sign
CONTRAST_HZ = (0, 200, 400, 800, 1600, 3200, 6400, SAMPLE_RATE / 2)
CONTRAST_SHARE = 0.02  # of a band's bins that make its peak and its valley
ROLLOFF = 0.85  # of a frame's magnitudes
PITCHES_HZ = (150.0, 4000.0)  # range of peaks from which the tuning is estimated
PITCH_FLOOR = 0.1  # of a frame's strongest bin
OCTAVES_MIDDLE, OCTAVES_WIDE = 5.0, 2.0  # above the lowest A: weighting of the octaves in pitch classes
TEMPO_FRAMES = 8 * SAMPLE_RATE // HOP  # lags of up to 8 s
TEMPO_PER_MINUTE, FASTEST_PER_MINUTE = 120.0, 320.0  # the likeliest, with a deviation of an octave, and the limit


def describe(samples: sound.Samples) -> Floats:
    """The 94 features, in the order of NAMES, of mono samples (n,) at 24 kHz, half a window of them at least."""
    rows = frames(samples)
    return np.concatenate([rows.mean(1), rows.std(1)])


def extract(paths: Sequence[Path], cache: Path) -> Floats:
    """Features (N, 94) of sound files; those of a file's content are computed once and kept in `cache`.

    Raises SoundError for a file that cannot be read.
    """
    cache.mkdir(parents=True, exist_ok=True)
    rows = []
    for done, path in enumerate(paths):
        rows.append(_cached_features(path, cache))
        if not (done + 1) % 100:
            log.info("classical features of %d of %d recordings", done + 1, len(paths))
    return np.stack(rows)


def _cached_features(path: Path, cache: Path) -> Floats:
    content = hashlib.sha256(RECIPE.encode() + path.read_bytes()).hexdigest()
    place = cache / f"{content[:32]}.npz"
    if not place.is_file():
        described = describe(np.concatenate(list(sound.read(path))))
        with atomic_write(place) as partial, partial.open("wb") as file:
            np.savez(file, features=described)
    with np.load(place, allow_pickle=False) as cached:
        features: Floats = cached["features"]
        return features


def predict_fourq(fourq_folder: Path, cache: Path) -> tuple[Floats, NDArray[np.int64], list[str]]:
    """Out-of-fold probabilities (N, 4), true quadrants (N,) and names of the 4Q set, over its ten folds by artist.

    Raises DataError when the set is not whole or not the edition of the folds, and SoundError.
    """
    excerpts = read_fourq(fourq_folder)
    folds = DATASETS["fourq"].folds()
    if missing := [excerpt.name for excerpt in excerpts if excerpt.name not in folds]:
        raise DataError(f"{len(missing)} excerpts have no fold, such as {missing[0]}: the data are of another edition")
    inputs = extract([excerpt.path for excerpt in excerpts], cache)
    truth = np.array([excerpt.quadrant for excerpt in excerpts])
    fold = np.array([folds[excerpt.name] for excerpt in excerpts])
    assert_disjoint(*([e for e, at in zip(excerpts, fold, strict=True) if at == held] for held in np.unique(fold)))
    return out_of_fold(inputs, truth, fold), truth, [excerpt.name for excerpt in excerpts]


def out_of_fold(inputs: Floats, truth: NDArray[np.int64], fold: NDArray[np.int64]) -> Floats:
    """Probabilities (N, 4) of each row of inputs (N, D) by a model fitted and scaled without any row of its fold."""
    found = np.zeros((len(truth), truth.max() + 1))
    for held in np.unique(fold):
        away = fold != held
        model = fit_svm(inputs[away], truth[away], fold[away])
        found[~away] = model.predict_proba(inputs[~away])
        log.info("fold %d of %d", held + 1, fold.max() + 1)
    return found


def fit_svm(inputs: Floats, truth: NDArray[np.int64], fold: NDArray[np.int64]) -> Any:
    """The model with the C and gamma of best macro-F1 over these folds; its probabilities are calibrated on them."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.model_selection import GridSearchCV, PredefinedSplit
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    inner = PredefinedSplit(fold)
    grid = {"svc__C": C_GRID, "svc__gamma": GAMMA_GRID}
    search = GridSearchCV(make_pipeline(StandardScaler(), SVC()), grid, scoring="f1_macro", cv=inner, refit=False)
    best = search.fit(inputs, truth).best_params_
    model = make_pipeline(StandardScaler(), SVC()).set_params(**best)
    return CalibratedClassifierCV(model, cv=inner, ensemble=False).fit(inputs, truth)


def frames(samples: Samples) -> NDArray[np.float64]:
    """(47, T) of mono samples (n,) at 24 kHz, half a window of them at least: a frame every HOP, centred on it.

    Rows: 20 of the mel cepstrum, 7 of contrast in dB, 12 pitch classes from C on, onset strength, level as a power of
    ten, centroid, bandwidth and rolloff in Hz, flatness, share of samples where the sign turns, octaves of beats a
    minute.
    """
    framed = _framed(samples, "constant")
    magnitude = _magnitude(framed)
    mel = _decibels(_mel_filters() @ magnitude**2)
    onsets = _onsets(mel)
    rows = [
        _cepstrum(mel),
        _contrast(magnitude),
        _pitch_classes(magnitude**2),
        onsets[None],
        np.log10(np.sqrt((framed.astype(np.float32) ** 2).mean(1)) + FLOOR)[None],
        _shape(magnitude),
        _turns(samples)[None],
        np.log2(_tempo(onsets))[None],
    ]
    return np.concatenate(rows).astype(np.float64)


def _framed(samples: Samples, beyond: str) -> Floats:
    """(T, WINDOW); what is `beyond` the ends is numpy's padding of that name."""
    padded = np.pad(samples, WINDOW // 2, mode=beyond)  # type: ignore[call-overload]
    return np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]


def _hann(size: int) -> Floats:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


def _hertz() -> Floats:
    return np.arange(WINDOW // 2 + 1) * SAMPLE_RATE / WINDOW


def _magnitude(framed: Floats) -> Floats:
    """(1025, T) of frames (T, 2048), single precision."""
    return np.abs(np.fft.rfft(framed * _hann(WINDOW)).astype(np.complex64)).T


@lru_cache(maxsize=1)
def _mel_filters() -> Floats:
    """(128, 1025), each of area 1 over its Hz."""
    from transformers.audio_utils import mel_filter_bank

    bank: Floats = mel_filter_bank(
        WINDOW // 2 + 1, MELS, 0.0, SAMPLE_RATE / 2, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
    )
    return bank.T.astype(np.float32)


def _decibels(power: Floats) -> Floats:
    found: Floats = 10 * np.log10(np.maximum(power, POWER_FLOOR))
    clipped: Floats = np.maximum(found, found.max() - RANGE_DB)
    return clipped


def _cepstrum(mel: Floats) -> Floats:
    from scipy.fft import dct

    cepstrum: Floats = dct(mel, axis=0, norm="ortho")[:CEPSTRUM]
    return cepstrum


def _contrast(magnitude: Floats) -> Floats:
    """(7, T): dB between the strongest and the faintest bins of each band; a band begins a bin below its first Hz."""
    hertz, last = _hertz(), len(CONTRAST_HZ) - 2
    valleys, peaks = [], []
    for band, (low, high) in enumerate(pairwise(CONTRAST_HZ)):
        first = np.searchsorted(hertz, low) - (band > 0)
        count = np.searchsorted(hertz, high, side="right") - first
        share = max(1, round(CONTRAST_SHARE * count))
        ordered = np.sort(magnitude[first : first + count - (band < last)], axis=0)
        valleys.append(ordered[:share].mean(0))
        peaks.append(ordered[-share:].mean(0))
    return _decibels(np.stack(peaks)) - _decibels(np.stack(valleys))


def _pitch_classes(power: Floats) -> Floats:
    """(12, T) from C on, each frame's strongest 1; in the tuning of the recording."""
    filters = harmony.filters(
        WINDOW,
        SAMPLE_RATE,
        classes=12,
        tuning=tuning(power),
        middle=OCTAVES_MIDDLE,
        wide=OCTAVES_WIDE,
        norm=2,
    ).astype(np.float32)
    found = filters @ power
    strongest = found.max(0)
    return found / np.where(strongest > np.finfo(np.float32).tiny, strongest, 1)


def tuning(power: Floats) -> float:
    """How far a spectrum's (1025, T) peaks lie above the semitones of A 440, -0.5 to 0.5 of one, in hundredths."""
    first, end = np.searchsorted(_hertz(), PITCHES_HZ)
    below, here, above = (power[first + side : end + side] for side in (-1, 0, 1))
    # peaks below PITCH_FLOOR are noise or side lobes of the window
    strong = np.where(power > PITCH_FLOOR * power.max(0), power, 0)[first - 1 : end + 1]
    peak = (strong[1:-1] > strong[:-2]) & (strong[1:-1] >= strong[2:])
    # the summit of a parabola through a peak and its two neighbours
    slope, bend = ((above - below) / 2)[peak], (above + below - 2 * here)[peak]
    shift = np.where(np.abs(slope) < np.abs(bend), -slope / np.where(bend, bend, 1), 0)
    height = here[peak] + 0.5 * slope * shift
    if not len(height):
        return 0.0
    hertz = ((first + peak.nonzero()[0] + shift) * SAMPLE_RATE / WINDOW)[height >= np.median(height)]
    semitones = 12 * np.log2(hertz / harmony.LOWEST_A_HZ)
    counts, edges = np.histogram((semitones + 0.5) % 1 - 0.5, np.linspace(-0.5, 0.5, 101))
    return float(edges[counts.argmax()])


def _onsets(mel: Floats) -> Floats:
    """(T,): how much the bands rise on average; a frame contains its onset half a window early, hence the delay."""
    rises = np.maximum(np.diff(mel), 0).mean(0)
    return np.pad(rises, (1 + WINDOW // (2 * HOP), 0))[: mel.shape[1]]


def _shape(magnitude: Floats) -> Floats:
    """(4, T): centroid, bandwidth, rolloff in Hz; geometric over arithmetic mean of the powers."""
    hertz = _hertz()[:, None]
    total = magnitude.sum(0)
    shares = magnitude / np.where(total > np.finfo(np.float32).tiny, total, 1)
    centroid = (hertz * shares).sum(0)
    bandwidth = np.sqrt((shares * (hertz - centroid) ** 2).sum(0))
    below = magnitude.cumsum(0)
    rolloff = _hertz()[(below >= np.float32(ROLLOFF) * below[-1]).argmax(0)]
    power = np.maximum(magnitude**2, POWER_FLOOR)
    return np.stack([centroid, bandwidth, rolloff, np.exp(np.log(power).mean(0)) / power.mean(0)])


def _turns(samples: Samples) -> Floats:
    """(T,): the share of a frame's samples that have another sign than the one before, a frame's first left out."""
    negative = _framed(samples, "edge") < -SILENT
    share: Floats = (negative[:, 1:] != negative[:, :-1]).sum(1) / WINDOW
    return share


def _tempo(onsets: Floats) -> Floats:
    """(T,) beats a minute around each frame: the lag at which 8 s of onsets are most like themselves."""
    from scipy.fft import irfft, next_fast_len, rfft

    ramped = np.pad(onsets, TEMPO_FRAMES // 2, mode="linear_ramp")
    windows = np.lib.stride_tricks.sliding_window_view(ramped, TEMPO_FRAMES)[: len(onsets)]
    size = next_fast_len(2 * TEMPO_FRAMES - 1, real=True)
    # autocorrelation as the inverse transform of the power, padded so that it does not wrap around
    likeness = irfft(np.abs(rfft(windows * _hann(TEMPO_FRAMES), size)) ** 2, size)[:, :TEMPO_FRAMES]
    strongest = likeness.max(1, keepdims=True)
    likeness /= np.where(strongest > 0, strongest, 1)
    per_minute = 60 * SAMPLE_RATE / HOP / np.arange(1, TEMPO_FRAMES)
    prior = np.where(per_minute < FASTEST_PER_MINUTE, -0.5 * np.log2(per_minute / TEMPO_PER_MINUTE) ** 2, -np.inf)
    tempi: Floats = per_minute[(np.log1p(1e6 * likeness[:, 1:]) + prior).argmax(1)]
    return tempi
