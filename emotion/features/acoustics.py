"""Acoustic descriptors: timbre, rhythm, modulation, dynamics and harmony, from log-mel rows alone.

None depends on the overall level. The measures are those with which music emotion is commonly classified
(R. Panda, R. Malheiro, R. P. Paiva, "Novel audio features for music emotion recognition", IEEE Transactions on
Affective Computing 11, 2020), as far as 96 bands and 50 rows a second can give them.
"""

from collections.abc import Callable
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from emotion.features.descriptors import MAJOR_PROFILE, MINOR_PROFILE
from emotion.features.sound import BANDS, HIGHEST_HZ, LOWEST_HZ, ROWS_PER_S

Floats = NDArray[np.float64]

DEEPEST_DB = 45.0  # below the loud rows; what is fainter counts as this faint
SHORTEST_ROWS = 3 * ROWS_PER_S  # of a sound; a shorter one is repeated
COEFFICIENTS = 20  # of the cosine transform over the bands
MODULATIONS_HZ = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
PULSE_ROWS = (10, 76)  # lags of .2 to 1.5 s
HARMONY_ROWS = 100  # 2 s, one every second
PITCHES = np.arange(64, 108)  # MIDI; below, a band is wider than a semitone
PROFILES = (MAJOR_PROFILE, MINOR_PROFILE)
TRIADS = MappingProxyType({"major": (0, 4, 7), "minor": (0, 3, 7), "diminished": (0, 3, 6), "augmented": (0, 4, 8)})


def describe(mel: NDArray[np.floating]) -> NDArray[np.float32]:
    """The descriptors (D,) of rows (T, 96) of emotion.features.sound.log_mel; see `groups` for which is which."""
    sound = _Sound(mel)
    numbers = np.concatenate([measure(sound) for measure in _MEASURES.values()])
    finite: NDArray[np.float32] = np.nan_to_num(numbers).astype(np.float32)
    return finite


@lru_cache(maxsize=1)
def groups() -> dict[str, slice]:
    """The slice of the vector that each measure fills."""
    sound = _Sound(np.random.default_rng(0).uniform(-60, 0, (SHORTEST_ROWS, BANDS)))
    ends = np.cumsum([len(measure(sound)) for measure in _MEASURES.values()]).tolist()
    return {name: slice(start, end) for name, start, end in zip(_MEASURES, [0, *ends], ends, strict=False)}


class _Sound:
    """Levels that several measures need, computed once."""

    def __init__(self, mel: NDArray[np.floating]) -> None:
        rows = np.asarray(mel, np.float64)
        rows = np.tile(rows, (-(-SHORTEST_ROWS // len(rows)), 1)) if len(rows) < SHORTEST_ROWS else rows
        loudness = 10 * np.log10((10 ** (rows / 10)).sum(1))
        loud = np.percentile(loudness, 95)
        self.rows = np.clip(rows - loud, -DEEPEST_DB, 0)
        self.loudness = np.clip(loudness - loud, -DEEPEST_DB, 5)
        self.rises = np.maximum(self.rows[2:] - self.rows[:-2], 0)


def _timbre(sound: _Sound) -> Floats:
    """Cepstral coefficients: mean, deviation, and deviation of their changes."""
    cepstrum = sound.rows @ _cosines()
    return np.concatenate([cepstrum.mean(0), cepstrum.std(0), np.diff(cepstrum, axis=0).std(0)])


def _spectrum(sound: _Sound) -> Floats:
    """Centroid in octaves, and flatness in dB."""
    power = 10 ** (sound.rows / 10)
    centroid = power @ np.log2(_centres()) / power.sum(1)
    flatness = sound.rows.mean(1) - 10 * np.log10(power.mean(1))
    return np.array([centroid.mean(), centroid.std(), flatness.mean(), flatness.std(), *_quantiles(centroid, 10, 90)])


def _contrast(sound: _Sound) -> Floats:
    """Between loud and faint, over time and over neighbouring bands, in eight parts of the spectrum."""
    parts = sound.rows.reshape(len(sound.rows), 8, -1).swapaxes(0, 1)
    in_time = np.subtract(*np.percentile(parts.reshape(8, -1), (95, 10), axis=1))
    across = np.subtract(*np.percentile(parts, (90, 10), axis=2)).mean(1)
    return np.concatenate([in_time, across])


def _rhythm(sound: _Sound) -> Floats:
    """Onsets of the whole and of four parts of the spectrum, and how strongly they repeat."""
    whole = sound.rises.mean(1)
    onsets = [whole, *(part.mean(1) for part in np.array_split(sound.rises, 4, axis=1))]
    return np.concatenate([*map(_onsets, onsets), _pulse(whole)])


def _onsets(flux: Floats) -> Floats:
    """Mean, deviation, quantiles, and peaks a second: those that stand out, and those that are strong."""
    peak = (flux[1:-1] > flux[:-2]) & (flux[1:-1] >= flux[2:])
    peaks = [(peak & (flux[1:-1] > limit)).mean() * ROWS_PER_S for limit in (flux.mean() + flux.std(), 3.0)]
    return np.array([flux.mean(), flux.std(), *_quantiles(flux, 90, 99), *peaks])


def _pulse(flux: Floats) -> Floats:
    """The highest autocorrelation between .2 and 1.5 s, its lag, and their mean and deviation."""
    size = 1 << (2 * len(flux)).bit_length()
    spectrum = np.abs(np.fft.rfft(flux - flux.mean(), size)) ** 2
    found = np.fft.irfft(spectrum)
    lags = found[slice(*PULSE_ROWS)] / (found[0] + 1e-9)
    return np.array([lags.max(), np.log(PULSE_ROWS[0] + lags.argmax()), lags.mean(), lags.std()])


def _modulation(sound: _Sound) -> Floats:
    """How much six parts of the spectrum rise and fall at six speeds."""
    levels = np.stack([part.mean(1) for part in np.array_split(sound.rows, 6, axis=1)])
    levels = (levels - levels.mean(1, keepdims=True)) * np.hanning(levels.shape[1])
    power = np.abs(np.fft.rfft(levels)) ** 2
    edges = np.searchsorted(np.fft.rfftfreq(levels.shape[1], 1 / ROWS_PER_S), MODULATIONS_HZ)
    sums = np.diff(np.pad(np.cumsum(power, axis=1), ((0, 0), (1, 0)))[:, edges], axis=1)
    logs: Floats = np.log(sums / levels.shape[1] ** 2 + 1e-4).ravel()
    return logs


def _dynamics(sound: _Sound) -> Floats:
    level = sound.loudness
    below, steps = (level < level.mean()).mean(), np.abs(np.diff(level)).mean()
    return np.array([level.std(), *_quantiles(level, 5, 25, 50, 75), below, steps])


def _harmony(sound: _Sound) -> Floats:
    """Key, mode, triads and how fast they change, of the pitch classes every second."""
    classes = _pitch_classes(sound.rows)
    starts = range(0, max(len(classes) - HARMONY_ROWS, 1), ROWS_PER_S)
    each = np.stack([classes[start : start + HARMONY_ROWS].mean(0) for start in starts])
    share = each / (each.sum(1, keepdims=True) + 1e-9)
    keys, (major, minor) = _major_minor(each), _major_minor(classes.mean(0)[None])[0]
    entropy = -(share * np.log(share + 1e-9)).sum(1)
    intervals = [(share * np.roll(share, semitones, axis=1)).sum(1).mean() for semitones in range(1, 7)]
    of_keys = [major - minor, max(major, minor), (keys[:, 0] - keys[:, 1]).mean(), keys.max(1).mean()]
    changes = np.abs(np.diff(share, axis=0)).sum(1).mean() if len(share) > 1 else 0.0
    return np.array([*of_keys, entropy.mean(), entropy.std(), *intervals, *_triads(share), changes])


def _triads(share: Floats) -> list[float]:
    turned = np.stack([np.roll(share, -root, axis=1) for root in range(12)])
    best = {name: turned[:, :, list(tones)].sum(-1).max(0) for name, tones in TRIADS.items()}
    brighter = best["major"] - best["minor"]
    others = [(best[name] - best["major"]).mean() for name in ("diminished", "augmented")]
    return [brighter.mean(), (brighter > 0).mean(), *others]


def _major_minor(classes: Floats) -> Floats:
    """(S, 2): correlation of weights (S, 12) with the best major key's profile and with the best minor key's."""
    found = _standard(classes) @ _keys().T
    return np.stack([found[:, :12].max(1), found[:, 12:].max(1)], axis=1)


@lru_cache(maxsize=1)
def _keys() -> Floats:
    """(24, 12) profiles of the major and the minor keys."""
    return _standard(np.array([np.roll(profile, tonic) for profile in PROFILES for tonic in range(12)]))


def _standard(rows: Floats) -> Floats:
    """Rows of mean 0 and length 1; constant ones stay 0."""
    centred = rows - rows.mean(1, keepdims=True)
    length = np.sqrt((centred**2).sum(1, keepdims=True))
    unit: Floats = np.divide(centred, length, out=np.zeros_like(centred), where=length > 1e-9)
    return unit


def _pitch_classes(rows: Floats) -> Floats:
    """(T, 12): how far the bands at the pitches of each class stand out of their surroundings, dB."""
    padded = np.pad(rows, ((0, 0), (4, 4)), mode="edge")
    sums = np.pad(np.cumsum(padded, axis=1), ((0, 0), (1, 0)))
    peaks = np.maximum(rows - (sums[:, 9:] - sums[:, :-9]) / 9, 0)
    return peaks @ _to_classes()


@lru_cache(maxsize=1)
def _to_classes() -> Floats:
    """(96, 12): linear interpolation between bands at each pitch, the middle of the range counting most."""
    places = np.interp(_mels(440 * 2 ** ((PITCHES - 69) / 12)), _mels(_centres()), np.arange(BANDS))
    found = np.zeros((BANDS, 12))
    for pitch, place in zip(PITCHES, places, strict=True):
        weight, low = np.exp(-(((pitch - 76) / 14) ** 2)), int(place)
        found[low, pitch % 12] += weight * (1 - place + low)
        found[low + 1, pitch % 12] += weight * (place - low)
    return found


@lru_cache(maxsize=1)
def _centres() -> Floats:
    """(96,) the bands' middles in Hz."""
    low, high = _mels(np.array([LOWEST_HZ, HIGHEST_HZ]))
    mels = np.linspace(low, high, BANDS + 2)[1:-1]
    return np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * np.log(6.4) / 27))


def _mels(hertz: Floats) -> Floats:
    """Slaney's scale: linear up to 1000 Hz, then 27 mels for a factor of 6.4."""
    return np.where(hertz < 1000, hertz * 3 / 200, 15 + 27 * np.log(np.maximum(hertz, 1) / 1000) / np.log(6.4))


@lru_cache(maxsize=1)
def _cosines() -> Floats:
    """(96, 20) the orthonormal cosine transform's first rows."""
    angles = np.pi * (np.arange(BANDS)[:, None] + 0.5) * np.arange(COEFFICIENTS) / BANDS
    return np.cos(angles) * np.where(np.arange(COEFFICIENTS), np.sqrt(2 / BANDS), np.sqrt(1 / BANDS))


def _quantiles(values: Floats, *percent: float) -> Floats:
    return np.percentile(values, percent)


_MEASURES: MappingProxyType[str, Callable[[_Sound], Floats]] = MappingProxyType({
    "timbre": _timbre,
    "spectrum": _spectrum,
    "contrast": _contrast,
    "rhythm": _rhythm,
    "modulation": _modulation,
    "dynamics": _dynamics,
    "harmony": _harmony,
})  # fmt: skip
