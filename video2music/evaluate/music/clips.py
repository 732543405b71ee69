"""Every clip of a folder is scored as a user would, and the file that comes out is decoded and measured."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError, UserError
from video2music import pipeline
from video2music.composing import form, manifest
from video2music.composing.composition import Composition
from video2music.errors import MediaError
from video2music.evaluate.intervals import Errors, Figure, Row, extreme, single
from video2music.evaluate.music import cuts, decoded
from video2music.options import Options, Result

log = logging.getLogger(__name__)

TARGET_LUFS = -14.0
SILENT_DB = -40.0  # below the piece's own level: what has decayed
LAST_S, WINDOW_S = 0.05, 0.01
SHORTEST_S = 1.0  # of a clip whose loudness and ending are told: a note takes that long to be heard and to decay


@dataclass(frozen=True, eq=False)
class Scored:
    """What was measured of one scored clip, and the piece that was composed for it.

    length_off_ms   how much longer the decoded sound is than the picture
    start_off_ms    how much later it starts
    loudness_off_lu how far the integrated loudness lies from the target
    true_peak_dbtp  of the scored file
    silent_for_s    how long before the end the music's last window above SILENT_DB ended
    end_db          the music's last 50 ms against all of it
    cut_errors_ms   how late the nearest downbeat is for each strong cut

    Of clips below SHORTEST_S loudness and ending are not numbers.
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
    cut_errors_ms: Errors


@dataclass(frozen=True)
class Measured:
    """All that was scored, and the sentences about files that are no video and about those that failed."""

    scored: tuple[Scored, ...]
    refused: tuple[str, ...]
    failed: tuple[str, ...]

    def by_seed(self) -> list[list[Composition]]:
        """The compositions of each seed, those of the same clips in the same order."""
        seeds = sorted({each.seed for each in self.scored})
        return [[each.composition for each in self.scored if each.seed == seed] for seed in seeds]


def measure(folder: Path, work: Path, *, seeds: int) -> Measured:
    """Score every file of a folder, at any depth, into `work`; one that is no video is told of and stops nothing.

    Raises DataError where there is no file.
    """
    paths = files(folder)
    scored: list[Scored] = []
    refused, failed = [], []
    for number, path in enumerate(paths):
        log.info("clip %d of %d, %s", number + 1, len(paths), path.name)
        try:
            scored += [_scored(path, work / f"{number}-{seed}", seed) for seed in range(seeds)]
        except MediaError as error:
            refused.append(_told(error, folder))
        except UserError as error:
            failed.append(f"{path.name}: {_told(error, folder)}")
        except Exception as error:  # the other clips are still worth scoring
            log.debug("traceback", exc_info=error)
            failed.append(f"{path.name}: something unforeseen happened ({type(error).__name__}: {error})")
    for sentence in [*refused, *failed]:
        log.warning("%s", sentence)
    return Measured(tuple(scored), tuple(refused), tuple(failed))


def _told(error: UserError, folder: Path) -> str:
    """The sentence of an error, without where the folder lies: reports are for other machines, too."""
    return str(error).replace(f"{folder.absolute()}/", "").replace(f"{folder}/", "")


def files(folder: Path) -> list[Path]:
    """Every file of a folder, at any depth, that is not hidden, in order. Raises DataError."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not found:
        raise DataError(f"there are no clips at {folder}: give a folder of videos")
    return found


def _scored(clip: Path, out: Path, seed: int) -> Scored:
    result = pipeline.compose(clip, out, Options(encoder="color", candidates=1, seed=seed))
    return of_result(clip.name, seed, result)


def of_result(name: str, seed: int, result: Result) -> Scored:
    """Measure what `compose` made. Raises MediaError, ManifestError."""
    found, music = decoded.decode(result.video), decoded.sound(result.audio)
    composition = manifest.read(result.manifest).composition
    strong_s = np.array(form.strong(composition.form.duration_s, composition.cuts))
    long = found.picture_s >= SHORTEST_S
    silent_for_s, end_db = ending(music) if long else (float("nan"), float("nan"))
    return Scored(
        name,
        seed,
        composition,
        length_off_ms=1000 * (found.sound_s - found.picture_s),
        start_off_ms=1000 * found.sound_starts_s,
        loudness_off_lu=decoded.integrated_lufs(found.samples) - TARGET_LUFS if long else float("nan"),
        true_peak_dbtp=decoded.true_peak_dbtp(found.samples),
        silent_for_s=silent_for_s,
        end_db=end_db,
        cut_errors_ms=cuts.errors_ms(strong_s, composition.form.bars_s),
    )


def ending(music: NDArray[np.floating], *, rate: int = decoded.RATE) -> tuple[float, float]:
    """How long before its end music (frames, 2) has decayed, in s, and the level of its last 50 ms, in dB of all."""
    power = (np.asarray(music, float) ** 2).mean(1)
    whole = max(power.mean(), 1e-20)
    window = round(WINDOW_S * rate)
    count = len(power) // window
    levels = power[len(power) - count * window :].reshape(count, window).mean(1)
    sounding = np.flatnonzero(levels > whole * 10 ** (SILENT_DB / 10))
    last = sounding[-1] + 1 if len(sounding) else 0
    end = power[-round(LAST_S * rate) :].mean()
    return (count - last) * window / rate, float(10 * np.log10(max(end, 1e-20) / whole))


def _furthest(values: Errors) -> float:
    return float(values[np.abs(values).argmax()])


WORST: Mapping[str, Callable[[Errors], float]] = MappingProxyType({
    "length_off_ms": _furthest,
    "start_off_ms": _furthest,
    "loudness_off_lu": _furthest,
    "true_peak_dbtp": max,
    "silent_for_s": min,
    "end_db": max,
})  # fmt: skip
"""Metric -> which of many values is the worst."""


def rows(found: Sequence[Scored]) -> Iterator[tuple[str, Row]]:
    """A row for all clips, the worst of each metric, and one for each clip, over its seeds. Raises DataError."""
    if not found:
        raise DataError("no clip could be scored: give a folder of videos")
    yield "all clips, the worst", _row(found)
    for name in dict.fromkeys(each.name for each in found):
        yield name, _row([each for each in found if each.name == name])


def _row(found: Sequence[Scored]) -> Row:
    seeds = sorted({each.seed for each in found})
    row: dict[str, Figure] = {}
    for metric, worst in WORST.items():
        by_seed = [np.array([getattr(each, metric) for each in found if each.seed == seed]) for seed in seeds]
        known = [some for values in by_seed if len(some := values[np.isfinite(values)])]
        row |= {metric: extreme(known, worst)} if known else {}
    errors = [[each.cut_errors_ms for each in found if each.seed == seed] for seed in seeds]
    return row | dict(cuts.figures(errors)) | {"strong_cuts": single(float(sum(map(len, errors[0]))))}
