"""Music under speech: clips with synthetic speech at known times are scored, and the music's gain is estimated.

The scored file's sound is the music times a gain plus the clip's own sound times another. Both are known, the music as
it is written beside the scored file and the own sound in the clip, so that least squares in short windows give both
gains: the one that the mix applied to the music, whatever was intended, the limiter's part included. A gain that jumped
would change within one window of 20 ms; a running median removes outliers of the estimate and keeps steps as steep as
they are. The speech is made by the program espeak-ng, without which this part of the report is left out.
"""

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
from video2music.evaluate.music import clips
from video2music.evaluate.tables import Summaries, Values, extreme
from video2music.media import encode, mux
from video2music.options import Options

PROGRAM = "espeak-ng"
SPEAK_TIMEOUT_S = 60.0  # for one sentence


@cache
def espeak_path() -> str | None:
    """The path of espeak-ng, None where it is not installed."""
    return shutil.which(PROGRAM)


def speak(sentence: str, *, voice: str = "en", words_per_minute: int = 150) -> tuple[NDArray[np.floating], int]:
    """A spoken sentence, (frames,) within 1, and its rate in Hz. Raises DataError."""
    found = espeak_path()
    if found is None:
        raise DataError(f"{PROGRAM} is not installed: install it to measure the music under speech")
    with tempfile.TemporaryDirectory(prefix="speech-") as folder:
        path = Path(folder, "speech.wav")
        command = [found, "-v", voice, "-s", str(words_per_minute), "-w", str(path), "--", sentence]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=SPEAK_TIMEOUT_S)
            with wave.open(str(path)) as file:
                samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
                return samples / 32768, file.getframerate()
        except (OSError, EOFError, subprocess.SubprocessError, wave.Error) as error:
            raise DataError(f"{PROGRAM} could not speak ({error}): install it anew") from None


RATE = 44_100  # Hz, of the clips' sound
SENTENCES = (
    "The ferry leaves the harbour at seven, and nobody on board is in a hurry today.",
    "We walked along the river until the lights of the town were far behind us.",
    "Nobody had told the baker that the bridge was closed, so the bread came late.",
    "If you look closely, you can see where the glacier stood a hundred years ago.",
    "Put the kettle on, sit down by the window, and tell me how it all began.",
)
VOICES = ("en-us", "en-gb", "en-us+f3", "en-gb+m3")
SENTENCES_PER_CLIP = 4  # sentences a clip
GAP_S = (4.0, 7.0)  # of silence before, between and after them
SPEECH_LEVEL = 0.25  # peak, linear
NOISE_LEVELS = (0.0, 0.004)  # RMS, linear, of the hiss under every second clip
SILENCE = 0.01  # of a sentence's peak: where its first and its last sound are

WINDOW_S, HOP_S = 0.02, 0.005
MEDIAN_WINDOWS = 9  # windows
# relative to the loudest window: quieter windows of music have no usable gain, those of own sound count as silent
MIN_LEVEL_DB = -50.0
MAX_CORRELATION_SQUARED = 0.9  # above this music and own sound are too similar for least squares to separate them
STEP_S = 0.05
WHOLE_CHANGE = 0.8  # share of the way from high to low gain that counts as a whole change

FPS, WIDTH, HEIGHT = 12, 160, 90  # small: only the sound is measured
SCENE_S = 7.3  # so that cuts do not coincide with sentences

Spans = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class SpeechClip:
    """A generated clip, and start and end in s of each sentence that is spoken in it."""

    path: Path
    spans: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class MusicGain:
    """The music's gain in dB, shape (n,), at times_s (n,); windows without a usable gain are left out."""

    times_s: NDArray[np.float64]
    gain_db: NDArray[np.float64]


def ducking_rows(work: Path, *, count: int) -> Iterator[tuple[str, Summaries]]:
    """A row for all spoken clips, the worst of each metric, and one for each. Raises DataError, MediaError."""
    found = [_measure(make_clip(work / f"spoken-{seed}.mp4", seed), work, seed) for seed in range(count)]
    yield "all spoken clips, the worst", _summaries(found)
    for seed, each in enumerate(found):
        noise = "over hiss" if NOISE_LEVELS[seed % len(NOISE_LEVELS)] else "in silence"
        yield f"voice {seed + 1}, {noise}", _summaries([each])


WORST: Mapping[str, Callable[[Values], float]] = MappingProxyType(
    {"lower_db": min, "change_ms": min, "change_db_in_50ms": max}
)


def _summaries(found: Sequence[dict[str, float]]) -> Summaries:
    return {metric: extreme([np.array([each[metric] for each in found])], worst) for metric, worst in WORST.items()}


def _measure(clip: SpeechClip, work: Path, seed: int) -> dict[str, float]:
    options = Options(encoder="color", candidates=1, seed=seed, source="duck")
    result = pipeline.compose(clip.path, work / f"scored-{seed}", options)
    scored, music, own = (clips.decode_sound(path) for path in (result.video, result.audio, clip.path))
    return gain_metrics(estimate_gain(scored, music, own), clip.spans)


def gain_metrics(found: MusicGain, spans: Spans) -> dict[str, float]:
    """How much lower the music is under speech than in the gaps, in dB, and how fast its gain changes.

    `change_ms` is the shortest time in which the gain passes through four fifths of its range (1st to 99th percentile),
    `change_db_in_50ms` the largest change within 50 ms.
    """
    speaking = np.zeros(len(found.times_s), bool)
    for start_s, end_s in spans:
        speaking |= (found.times_s >= start_s) & (found.times_s <= end_s)
    power = 10 ** (found.gain_db / 10)
    lower_db = 10 * np.log10(power[~speaking].mean() / power[speaking].mean())
    lowest, highest = np.percentile(found.gain_db, (1, 99))
    return {
        "lower_db": float(lower_db),
        "change_ms": 1000 * _shortest_change_s(found, WHOLE_CHANGE * (highest - lowest)),
        "change_db_in_50ms": _largest_change_db(found, STEP_S),
    }


def _shortest_change_s(found: MusicGain, change_db: float) -> float:
    """The shortest time between two windows whose gains differ by so much; the whole length where none do."""
    for lag in range(1, len(found.gain_db)):
        enough = np.abs(found.gain_db[lag:] - found.gain_db[:-lag]) >= change_db
        if change_db > 0 and enough.any():
            return float((found.times_s[lag:] - found.times_s[:-lag])[enough].min())
    return float(np.ptp(found.times_s))


def _largest_change_db(found: MusicGain, within_s: float) -> float:
    most = 0.0
    for lag in range(1, round(within_s / HOP_S) + 1):
        near = found.times_s[lag:] - found.times_s[:-lag] <= within_s + 1e-9
        changes = np.abs(found.gain_db[lag:] - found.gain_db[:-lag])[near]
        most = max(most, float(changes.max(initial=0.0)))
    return most


def estimate_gain(
    scored: NDArray[np.floating], music: NDArray[np.floating], own: NDArray[np.floating], *, rate: int = clips.RATE
) -> MusicGain:
    """The music's least-squares gain in the scored sound, every 5 ms in windows of 20 ms; sounds are (frames, 2)."""
    frames = min(len(scored), len(music))
    own_sound = np.zeros((frames, 2))
    own_sound[: len(own)] = own[:frames]
    scored_sound, music_sound = (np.asarray(sound[:frames], float) for sound in (scored, music))
    window, hop = round(WINDOW_S * rate), round(HOP_S * rate)
    starts = np.arange(0, frames - window + 1, hop)

    def product(one: NDArray[np.floating], other: NDArray[np.floating]) -> NDArray[np.float64]:
        # sums over windows as differences of a running sum
        total = np.concatenate([[0.0], (one * other).sum(1).cumsum()])
        result: NDArray[np.float64] = total[starts + window] - total[starts]
        return result

    power, own_power, common = (
        product(music_sound, music_sound),
        product(own_sound, own_sound),
        product(music_sound, own_sound),
    )
    floor = 10 ** (MIN_LEVEL_DB / 10)
    faint = own_power <= floor * own_power.max(initial=0)
    own_power, common = np.where(faint, 1, own_power), np.where(faint, 0, common)
    usable = (power > floor * power.max()) & (common**2 < MAX_CORRELATION_SQUARED * power * own_power)
    determinant = power * own_power - common**2
    # the normal equations of two unknowns, solved for the music's gain
    factor = (product(scored_sound, music_sound) * own_power - product(scored_sound, own_sound) * common)[
        usable
    ] / determinant[usable]
    gain_db = 20 * np.log10(np.maximum(factor, 1e-3))
    padded = np.pad(gain_db, MEDIAN_WINDOWS // 2, mode="edge")
    smooth_db = np.median(np.lib.stride_tricks.sliding_window_view(padded, MEDIAN_WINDOWS), axis=1)
    return MusicGain((starts[usable] + window / 2) / rate, smooth_db)


def make_clip(path: Path, seed: int) -> SpeechClip:
    """Make a clip of a few scenes with spoken sentences and gaps between them. Raises DataError, MediaError."""
    rng = np.random.default_rng(seed)
    voice = VOICES[seed % len(VOICES)]
    sound, spans = _speech([str(each) for each in rng.choice(SENTENCES, SENTENCES_PER_CLIP, replace=False)], voice, rng)
    sound += rng.normal(0, 1, len(sound)) * NOISE_LEVELS[seed % len(NOISE_LEVELS)]
    duration_s = len(sound) / RATE
    path.parent.mkdir(parents=True, exist_ok=True)
    silent, speech = path.with_name(f"{path.stem}-silent.mp4"), path.with_suffix(".wav")
    encode.encode_video(_pictures(duration_s, rng), silent, fps=FPS, size=(WIDTH, HEIGHT))
    _write_wav(speech, sound)
    return SpeechClip(mux.mux(silent, speech, path.with_suffix(""), duration_s=duration_s), spans)


def _speech(
    sentences: Sequence[str], voice: str, rng: np.random.Generator
) -> tuple[NDArray[np.float64], tuple[tuple[float, float], ...]]:
    """The sentences with gaps before, between and after them (frames,), and when each is spoken."""
    parts, spans, at = [], [], 0
    for sentence in sentences:
        speech = _trimmed(*speak(sentence, voice=voice))
        parts += [np.zeros(round(rng.uniform(*GAP_S) * RATE)), speech]
        at += len(parts[-2])
        spans.append((at / RATE, (at + len(speech)) / RATE))
        at += len(speech)
    return np.concatenate([*parts, np.zeros(round(rng.uniform(*GAP_S) * RATE))]), tuple(spans)


def _trimmed(samples: NDArray[np.floating], rate: int) -> NDArray[np.float64]:
    """From the first to the last sound, at the clips' rate and level."""
    finer = np.interp(np.arange(0, len(samples) / rate, 1 / RATE), np.arange(len(samples)) / rate, samples)
    peak = np.abs(finer).max()
    loud = np.flatnonzero(np.abs(finer) > SILENCE * peak)
    result: NDArray[np.float64] = finer[loud[0] : loud[-1] + 1] * (SPEECH_LEVEL / peak)
    return result


def _write_wav(path: Path, sound: NDArray[np.floating]) -> None:
    """Mono sound (frames,) as a stereo WAV of 16 bits."""
    samples = np.rint(np.clip(sound, -1, 1) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.repeat(samples[:, None], 2, axis=1).tobytes())


def _pictures(duration_s: float, rng: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """Frames with a moving bright square over a plain background, whose colour changes with each scene."""
    backgrounds = rng.integers(30, 200, (int(duration_s / SCENE_S) + 1, 3))
    for index in range(round(duration_s * FPS)):
        picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
        picture[:] = backgrounds[int(index / FPS / SCENE_S)]
        left = index * 2 % (WIDTH - 20)
        picture[30:50, left : left + 20] = 240
        yield picture
