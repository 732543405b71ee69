"""Scores every clip of a folder as a user would, then decodes the scored file as a player would and measures it.

Sound, picture and music are compared in length, start, loudness, ending and cuts; `checks` shows the worst of each with
its limit. A whole decoded clip is in memory, 23 MB a minute: this is for clips of minutes, not of hours.
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from emotion.errors import DataError, UserError
from video2music import pipeline
from video2music.composing import form, manifest
from video2music.composing.composition import Composition
from video2music.errors import MediaError
from video2music.evaluate.music import cuts
from video2music.evaluate.tables import Summaries, Summary, Values, extreme, single
from video2music.media.clip import frame_rate, open_clip, picture_stream
from video2music.options import Options, Result

RATE = 48_000  # Hz
METER_BLOCK = 4_800  # frames, 0.1 s: how often the meter reports
ABSOLUTE_GATE_LUFS = -70.0  # what the meter reports where no block passes the gates


@dataclass(frozen=True, eq=False)
class DecodedClip:
    """Length of the picture; start, from the first picture, and length of the sound; and its samples (frames, 2)."""

    picture_s: float
    sound_starts_s: float
    sound_s: float
    samples: NDArray[np.float32]


def decode_clip(path: Path) -> DecodedClip:
    """Picture and sound of a file that has both. Raises MediaError."""
    pictures: list[tuple[float, float]] = []
    sounds: list[AudioFrame] = []
    with open_clip(path) as container:
        picture = picture_stream(container, path)
        if not container.streams.audio:
            raise MediaError(f"{path} has no sound to measure: give a scored clip")
        step = 1 / frame_rate(picture)
        for packet in container.demux(picture, container.streams.audio[0]):
            with suppress(av.error.InvalidDataError):  # the picture is copied: damage is the source's
                for frame in packet.decode():
                    if isinstance(frame, VideoFrame):
                        lasting_s = frame.duration * frame.time_base if frame.duration and frame.time_base else step
                        pictures.append((frame.time or 0.0, float(lasting_s)))
                    elif isinstance(frame, AudioFrame):
                        sounds.append(frame)
    if not pictures or not sounds:
        raise MediaError(f"{path} cannot be decoded: score the clip again")
    first_s, end_s = min(pictures)[0], max(start_s + length_s for start_s, length_s in pictures)
    length_s = sum(frame.samples / frame.sample_rate for frame in sounds)
    return DecodedClip(end_s - first_s, (sounds[0].time or 0.0) - first_s, length_s, _stereo(sounds))


def decode_sound(path: Path) -> NDArray[np.float32]:
    """The first sound of any file as (frames, 2) at 48 kHz. Raises MediaError."""
    with open_clip(path) as container:
        if not container.streams.audio:
            raise MediaError(f"{path} has no sound to measure: give a scored clip")
        return _stereo(list(container.decode(container.streams.audio[0])))


def _stereo(frames: list[AudioFrame]) -> NDArray[np.float32]:
    resampler = AudioResampler("fltp", "stereo", RATE)
    parts = [part.to_ndarray() for frame in [*frames, None] for part in resampler.resample(frame)]
    return np.concatenate(parts, axis=1).T.astype(np.float32)


@dataclass(frozen=True)
class MeasuredLoudness:
    """Integrated loudness in LUFS, NaN where nothing passes the gates, and true peak in dB of full scale."""

    lufs: float
    true_peak_dbtp: float


def measure_loudness(samples: NDArray[np.floating]) -> MeasuredLoudness:
    """Loudness of sound (frames, 2) at RATE by FFmpeg's meter `ebur128` (EBU R 128, ITU-R BS.1770).

    It is not the meter of `mixing.loudness`, so that the product's meter is not judged by itself.
    """
    graph = av.filter.Graph()
    source = graph.add_abuffer(format="fltp", sample_rate=RATE, layout="stereo", time_base=Fraction(1, RATE))
    meter, sink = graph.add("ebur128", "metadata=1:peak=true"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    padded = np.pad(np.asarray(samples, np.float32), ((0, -len(samples) % METER_BLOCK), (0, 0)))
    found: dict[str, str] = {}
    for start in range(0, len(padded), METER_BLOCK):
        block = np.ascontiguousarray(padded[start : start + METER_BLOCK].T)
        frame = AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = RATE, start
        source.push(frame)
        with suppress(av.error.BlockingIOError, av.error.EOFError):  # the filter has no more output yet
            while True:
                found.update(sink.pull().metadata)
    lufs = float(found.get("lavfi.r128.I", "nan"))
    peaks = [float(value) for name, value in found.items() if name.startswith("lavfi.r128.true_peaks_ch")]
    return MeasuredLoudness(lufs if lufs > ABSOLUTE_GATE_LUFS else float("nan"), 20 * math.log10(max([1e-6, *peaks])))


log = logging.getLogger(__name__)

TARGET_LUFS = -14.0
SILENT_DB = -40.0  # relative to the whole piece: below this the music has decayed
LAST_S, WINDOW_S = 0.05, 0.01
SHORTEST_S = 1.0  # shorter clips have no loudness and ending: a note takes that long to sound and to decay


@dataclass(frozen=True, eq=False)
class ScoredClip:
    """Measurements of one scored clip, and its composition.

    length_off_ms   length of the decoded sound minus that of the picture
    start_off_ms    start of the sound minus start of the picture
    loudness_off_lu integrated loudness minus the target
    true_peak_dbtp  of the scored file
    silent_for_s    time from the end of the music's last window above SILENT_DB to the end
    end_db          level of the music's last 50 ms relative to all of it
    cut_errors_ms   for each strong cut, time of the nearest downbeat minus that of the cut

    For clips shorter than SHORTEST_S loudness and ending are NaN.
    """

    name: str
    seed: int
    composition: Composition
    length_off_ms: float
    start_off_ms: float
    loudness_off_lu: float
    true_peak_dbtp: float
    silent_for_s: float
    end_db: float
    cut_errors_ms: Values


@dataclass(frozen=True)
class ClipMeasurements:
    """The scored clips, and messages about files that are no video and about those that failed."""

    scored: tuple[ScoredClip, ...]
    refused: tuple[str, ...]
    failed: tuple[str, ...]

    def by_seed(self) -> list[list[Composition]]:
        """The compositions of each seed, for the same clips in the same order."""
        seeds = sorted({each.seed for each in self.scored})
        return [[each.composition for each in self.scored if each.seed == seed] for seed in seeds]


def measure(folder: Path, work: Path, *, seeds: int) -> ClipMeasurements:
    """Score every file of a folder, at any depth, into `work`; files that are no video are skipped with a warning.

    Raises DataError where there is no file.
    """
    paths = files(folder)
    scored: list[ScoredClip] = []
    refused, failed = [], []
    for number, path in enumerate(paths):
        log.info("clip %d of %d, %s", number + 1, len(paths), path.name)
        try:
            # the encoder that needs no download, and one candidate: the planning and arranging are measured here
            results = [
                pipeline.compose(path, work / f"{number}-{seed}", Options(encoder="color", candidates=1, seed=seed))
                for seed in range(seeds)
            ]
            scored += [measure_result(path.name, seed, result) for seed, result in enumerate(results)]
        except MediaError as error:
            refused.append(_message(error, folder))
        except UserError as error:
            failed.append(f"{path.name}: {_message(error, folder)}")
        except Exception as error:  # the other clips are still worth scoring
            log.debug("traceback", exc_info=error)
            failed.append(f"{path.name}: something unforeseen happened ({type(error).__name__}: {error})")
    for sentence in [*refused, *failed]:
        log.warning("%s", sentence)
    return ClipMeasurements(tuple(scored), tuple(refused), tuple(failed))


def _message(error: UserError, folder: Path) -> str:
    """The text of an error without the folder's path: reports are read on other machines, too."""
    return str(error).replace(f"{folder.absolute()}/", "").replace(f"{folder}/", "")


def files(folder: Path) -> list[Path]:
    """Every file of a folder, at any depth, that is not hidden, in order. Raises DataError."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not found:
        raise DataError(f"there are no clips at {folder}: give a folder of videos")
    return found


def measure_result(name: str, seed: int, result: Result) -> ScoredClip:
    """Measure what `compose` made. Raises MediaError, ManifestError."""
    found, music = decode_clip(result.video), decode_sound(result.audio)
    loudness = measure_loudness(found.samples)
    composition = manifest.read(result.manifest).composition
    strong_s = np.array([cut.time_s for cut in form.strong_cuts(composition.form.duration_s, composition.cuts)])
    long = found.picture_s >= SHORTEST_S
    silent_for_s, end_db = ending(music) if long else (float("nan"), float("nan"))
    return ScoredClip(
        name,
        seed,
        composition,
        length_off_ms=1000 * (found.sound_s - found.picture_s),
        start_off_ms=1000 * found.sound_starts_s,
        loudness_off_lu=loudness.lufs - TARGET_LUFS if long else float("nan"),
        true_peak_dbtp=loudness.true_peak_dbtp,
        silent_for_s=silent_for_s,
        end_db=end_db,
        cut_errors_ms=cuts.errors_ms(strong_s, composition.form.bars_s),
    )


def ending(music: NDArray[np.floating], *, rate: int = RATE) -> tuple[float, float]:
    """Time in s from the decay of music (frames, 2) to its end, and the level of its last 50 ms in dB of all."""
    power = (np.asarray(music, float) ** 2).mean(1)
    whole = max(power.mean(), 1e-20)
    window = round(WINDOW_S * rate)
    count = len(power) // window
    levels = power[len(power) - count * window :].reshape(count, window).mean(1)
    sounding = np.flatnonzero(levels > whole * 10 ** (SILENT_DB / 10))
    last = sounding[-1] + 1 if len(sounding) else 0
    end = power[-round(LAST_S * rate) :].mean()
    return (count - last) * window / rate, float(10 * np.log10(max(end, 1e-20) / whole))


def _largest_deviation(values: Values) -> float:
    return float(values[np.abs(values).argmax()])


WORST: Mapping[str, Callable[[Values], float]] = MappingProxyType({
    "length_off_ms": _largest_deviation,
    "start_off_ms": _largest_deviation,
    "loudness_off_lu": _largest_deviation,
    "true_peak_dbtp": max,
    "silent_for_s": min,
    "end_db": max,
})  # fmt: skip
"""Metric -> which of many values is the worst."""


def clip_rows(found: Sequence[ScoredClip]) -> Iterator[tuple[str, Summaries]]:
    """A row for all clips, the worst of each metric, and one for each clip, over its seeds. Raises DataError."""
    if not found:
        raise DataError("no clip could be scored: give a folder of videos")
    yield "all clips, the worst", _summaries(found)
    for name in dict.fromkeys(each.name for each in found):
        yield name, _summaries([each for each in found if each.name == name])


def _summaries(found: Sequence[ScoredClip]) -> Summaries:
    seeds = sorted({each.seed for each in found})
    row: dict[str, Summary] = {}
    for metric, worst in WORST.items():
        by_seed = [np.array([getattr(each, metric) for each in found if each.seed == seed]) for seed in seeds]
        known = [some for values in by_seed if len(some := values[np.isfinite(values)])]
        row |= {metric: extreme(known, worst)} if known else {}
    errors = [[each.cut_errors_ms for each in found if each.seed == seed] for seed in seeds]
    return row | dict(cuts.summarise(errors)) | {"strong_cuts": single(float(sum(map(len, errors[0]))))}
