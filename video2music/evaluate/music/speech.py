"""The door to espeak-ng, a program that speaks: sentences as sound, for clips whose words are known to the second.

Music under speech: clips with a voice in known stretches are scored, and the music's gain is found in the result.

What is heard in the scored file is the music, times a gain, and the clip's own sound, times another. Both are known,
the music as it lies beside the scored file and the own sound in the clip, so that least squares give both factors,
window by window: the music's is the gain that the mix applied, whatever it was meant to be, a limiter's part in it
included. A gain that jumped would be all of its change within one window of 20 ms; a running median, which leaves steps
as steep as they are, takes out spikes of the estimate.
"""

import logging
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError
from video2music import pipeline
from video2music.evaluate.intervals import Errors, Row, extreme
from video2music.evaluate.music import decoded
from video2music.media import encode, mux
from video2music.options import Options

PROGRAM = "espeak-ng"
LONGEST_S = 60.0  # that one sentence may take to be spoken


@cache
def program() -> str | None:
    """Where the program lies, None where it is not installed."""
    return shutil.which(PROGRAM)


def speak(sentence: str, *, voice: str = "en", words_per_minute: int = 150) -> tuple[NDArray[np.floating], int]:
    """A spoken sentence, (frames,) within 1, and its rate in Hz. Raises DataError."""
    found = program()
    if found is None:
        raise DataError(f"{PROGRAM} is not installed: install it to measure the music under speech")
    with tempfile.TemporaryDirectory(prefix="speech-") as folder:
        path = Path(folder, "said.wav")
        command = [found, "-v", voice, "-s", str(words_per_minute), "-w", str(path), "--", sentence]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=LONGEST_S)
            with wave.open(str(path)) as file:
                samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
                return samples / 32768, file.getframerate()
        except (OSError, EOFError, subprocess.SubprocessError, wave.Error) as error:
            raise DataError(f"{PROGRAM} could not speak ({error}): install it anew") from None


log = logging.getLogger(__name__)

RATE = 44_100  # Hz, of the clips' sound
SENTENCES = (
    "The ferry leaves the harbour at seven, and nobody on board is in a hurry today.",
    "We walked along the river until the lights of the town were far behind us.",
    "Nobody had told the baker that the bridge was closed, so the bread came late.",
    "If you look closely, you can see where the glacier stood a hundred years ago.",
    "Put the kettle on, sit down by the window, and tell me how it all began.",
)
VOICES = ("en-us", "en-gb", "en-us+f3", "en-gb+m3")
SPOKEN = 4  # sentences a clip
GAP_S = (4.0, 7.0)  # of silence before, between and after them
SPEECH_LEVEL = 0.25  # peak, linear
NOISE_LEVELS = (0.0, 0.004)  # RMS, linear, of the hiss under every second clip
SILENCE = 0.01  # of a sentence's peak: where its first and its last sound are

WINDOW_S, HOP_S = 0.02, 0.005
MEDIAN = 9  # windows
FAINTEST_DB = -50.0  # of the loudest window, the music's and the own sound's: what is fainter has no gain to be told
ALIKE = 0.9  # of the squared correlation: where music and own sound are this much alike they cannot be told apart
STEP_S = 0.05
WHOLE_CHANGE = 0.8  # share of the way from high to low gain that counts as a whole change

FPS, WIDTH, HEIGHT = 12, 160, 90
SCENE_S = 7.3

Spans = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Spoken:
    """A drawn clip and from when to when somebody speaks in it, in seconds."""

    path: Path
    spans: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Gain:
    """The music's gain in dB, shape (n,), at times_s (n,); windows without music are left out."""

    times_s: NDArray[np.float64]
    gain_db: NDArray[np.float64]


def rows(work: Path, *, clips: int) -> Iterator[tuple[str, Row]]:
    """A row for all spoken clips, the worst of each metric, and one for each. Raises DataError, MediaError."""
    found = [_measured(draw(work / f"spoken-{seed}.mp4", seed), work, seed) for seed in range(clips)]
    yield "all spoken clips, the worst", _row(found)
    for seed, each in enumerate(found):
        noise = "over hiss" if NOISE_LEVELS[seed % len(NOISE_LEVELS)] else "in silence"
        yield f"voice {seed + 1}, {noise}", _row([each])


WORST: Mapping[str, Callable[[Errors], float]] = MappingProxyType(
    {"lower_db": min, "change_ms": min, "change_db_in_50ms": max}
)


def _row(found: Sequence[dict[str, float]]) -> Row:
    return {metric: extreme([np.array([each[metric] for each in found])], worst) for metric, worst in WORST.items()}


def _measured(clip: Spoken, work: Path, seed: int) -> dict[str, float]:
    options = Options(encoder="color", candidates=1, seed=seed, source="duck")
    result = pipeline.compose(clip.path, work / f"scored-{seed}", options)
    scored, music, own = (decoded.sound(path) for path in (result.video, result.audio, clip.path))
    return of_gain(gain(scored, music, own), clip.spans)


def of_gain(found: Gain, spans: Spans) -> dict[str, float]:
    """How much lower the music is while somebody speaks than in the gaps, in dB, and how fast its gain changes.

    `change_ms` is the shortest time in which the gain goes through four fifths of what lies between its lowest and its
    highest (to one window in a hundred), and `change_db_in_50ms` the most it changes within 50 ms.
    """
    speaking = np.zeros(len(found.times_s), bool)
    for start_s, end_s in spans:
        speaking |= (found.times_s >= start_s) & (found.times_s <= end_s)
    power = 10 ** (found.gain_db / 10)
    lower_db = 10 * np.log10(power[~speaking].mean() / power[speaking].mean())
    lowest, highest = np.percentile(found.gain_db, (1, 99))
    return {
        "lower_db": float(lower_db),
        "change_ms": 1000 * _shortest_s(found, WHOLE_CHANGE * (highest - lowest)),
        "change_db_in_50ms": _most_db(found, STEP_S),
    }


def _shortest_s(found: Gain, change_db: float) -> float:
    """The shortest time between two windows whose gains differ by so much; the whole length where none do."""
    for lag in range(1, len(found.gain_db)):
        enough = np.abs(found.gain_db[lag:] - found.gain_db[:-lag]) >= change_db
        if change_db > 0 and enough.any():
            return float((found.times_s[lag:] - found.times_s[:-lag])[enough].min())
    return float(np.ptp(found.times_s))


def _most_db(found: Gain, within_s: float) -> float:
    most = 0.0
    for lag in range(1, round(within_s / HOP_S) + 1):
        near = found.times_s[lag:] - found.times_s[:-lag] <= within_s + 1e-9
        changes = np.abs(found.gain_db[lag:] - found.gain_db[:-lag])[near]
        most = max(most, float(changes.max(initial=0.0)))
    return most


def gain(
    scored: NDArray[np.floating], music: NDArray[np.floating], own: NDArray[np.floating], *, rate: int = decoded.RATE
) -> Gain:
    """The music's least-squares factor in the scored sound beside the own sound's, all (frames, 2), each 20 ms."""
    frames = min(len(scored), len(music))
    beside = np.zeros((frames, 2))
    beside[: len(own)] = own[:frames]
    heard, played = (np.asarray(sound[:frames], float) for sound in (scored, music))
    window, hop = round(WINDOW_S * rate), round(HOP_S * rate)
    starts = np.arange(0, frames - window + 1, hop)

    def product(one: NDArray[np.floating], other: NDArray[np.floating]) -> NDArray[np.float64]:
        return _sums((one * other).sum(1), starts, window)

    power, own_power, common = product(played, played), product(beside, beside), product(played, beside)
    floor = 10 ** (FAINTEST_DB / 10)
    faint = own_power <= floor * own_power.max(initial=0)
    own_power, common = np.where(faint, 1, own_power), np.where(faint, 0, common)
    told = (power > floor * power.max()) & (common**2 < ALIKE * power * own_power)
    determinant = power * own_power - common**2
    factor = (product(heard, played) * own_power - product(heard, beside) * common)[told] / determinant[told]
    gain_db = 20 * np.log10(np.maximum(factor, 1e-3))
    return Gain((starts[told] + window / 2) / rate, _smooth(gain_db))


def _smooth(gain_db: NDArray[np.float64]) -> NDArray[np.float64]:
    around = np.pad(gain_db, MEDIAN // 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(around, MEDIAN), axis=1)


def _sums(values: NDArray[np.float64], starts: NDArray[np.int64], window: int) -> NDArray[np.float64]:
    total = np.concatenate([[0.0], values.cumsum()])
    return total[starts + window] - total[starts]


def draw(path: Path, seed: int) -> Spoken:
    """A clip of a few scenes in which sentences are spoken, with gaps between. Raises DataError, MediaError."""
    rng = np.random.default_rng(seed)
    voice = VOICES[seed % len(VOICES)]
    sound, spans = _speech([str(each) for each in rng.choice(SENTENCES, SPOKEN, replace=False)], voice, rng)
    sound += rng.normal(0, 1, len(sound)) * NOISE_LEVELS[seed % len(NOISE_LEVELS)]
    duration_s = len(sound) / RATE
    path.parent.mkdir(parents=True, exist_ok=True)
    silent, said = path.with_name(f"{path.stem}-silent.mp4"), path.with_suffix(".wav")
    encode.encode(_pictures(duration_s, rng), silent, fps=FPS, size=(WIDTH, HEIGHT))
    _write_wav(said, sound)
    return Spoken(mux.mux(silent, said, path.with_suffix(""), duration_s=duration_s), spans)


def _speech(
    sentences: Sequence[str], voice: str, rng: np.random.Generator
) -> tuple[NDArray[np.float64], tuple[tuple[float, float], ...]]:
    """The sentences with gaps before, between and after them (frames,), and when each is spoken."""
    parts, spans, at = [], [], 0
    for sentence in sentences:
        said = _trimmed(*speak(sentence, voice=voice))
        parts += [np.zeros(round(rng.uniform(*GAP_S) * RATE)), said]
        at += len(parts[-2])
        spans.append((at / RATE, (at + len(said)) / RATE))
        at += len(said)
    return np.concatenate([*parts, np.zeros(round(rng.uniform(*GAP_S) * RATE))]), tuple(spans)


def _trimmed(samples: NDArray[np.floating], rate: int) -> NDArray[np.float64]:
    """From the first to the last sound, at the clips' rate and level."""
    finer = np.interp(np.arange(0, len(samples) / rate, 1 / RATE), np.arange(len(samples)) / rate, samples)
    peak = np.abs(finer).max()
    loud = np.flatnonzero(np.abs(finer) > SILENCE * peak)
    return finer[loud[0] : loud[-1] + 1] * (SPEECH_LEVEL / peak)


def _write_wav(path: Path, sound: NDArray[np.floating]) -> None:
    """16 bits, the same on both sides."""
    samples = np.rint(np.clip(sound, -1, 1) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.repeat(samples[:, None], 2, axis=1).tobytes())


def _pictures(duration_s: float, rng: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """A bright square over a plain ground, whose colour changes with each scene."""
    grounds = rng.integers(30, 200, (int(duration_s / SCENE_S) + 1, 3))
    for index in range(round(duration_s * FPS)):
        picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
        picture[:] = grounds[int(index / FPS / SCENE_S)]
        left = index * 2 % (WIDTH - 20)
        picture[30:50, left : left + 20] = 240
        yield picture
