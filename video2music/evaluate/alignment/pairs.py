"""Which music belongs to which video: what a user names, and what our own manifests say.

A video stands for itself, its own sound being the music, unless music is named for it: by the caller, by a CSV file
with the columns video and music, or by a file of the same stem beside it in a folder.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from emotion.errors import UserError
from emotion.files import MIDI_NAMES, SOUND_NAMES
from emotion.values import AffectCurve
from video2music.composing import manifest
from video2music.errors import MediaError, OptionError
from video2music.media.clip import VIDEO_NAMES

TABLE_NAME = ".csv"
COLUMNS = ("video", "music")
SCORED = ".scored"  # ends the stem of a video that `generate` wrote


@dataclass(frozen=True)
class Pair:
    """A video, and the music for it: sound or MIDI, None where the video's own sound is meant."""

    video: Path
    music: Path | None = None

    def __str__(self) -> str:
        return f"{self.video} with {self.music}" if self.music else str(self.video)


@dataclass(frozen=True)
class Failed:
    """What was given and could not be used, and the sentence that says why."""

    name: str
    sentence: str


@dataclass(frozen=True, eq=False)
class Ours:
    """What our manifest says of a scored video: its music file, None where that is gone, its target, what watched."""

    music: Path | None
    target: AffectCurve
    encoder: str


def pairs(paths: Sequence[Path], *, music: Path | None = None) -> list[Pair | Failed]:
    """Every pair of what was named, each once, in order; what holds none is told of in its place.

    A path is a video, a folder of videos at any depth, or a CSV file with the columns `video` and `music`, whose paths
    are relative to it; a video without music in it has its own. `music` is for one video alone. Raises OptionError.
    """
    if music is not None:
        if len(paths) != 1 or paths[0].is_dir() or paths[0].suffix.lower() == TABLE_NAME:
            given = f"{len(paths)} paths" if len(paths) != 1 else str(paths[0])
            raise OptionError(f"--music {music} is for one video, but was given with {given}: name one video")
        return [Pair(paths[0], music)]
    found: dict[object, Pair | Failed] = {}
    for path in paths:
        for one in _tried(path):
            found.setdefault(_identity(one), one)
    return list(found.values())


def _identity(one: Pair | Failed) -> object:
    if isinstance(one, Failed):
        return one
    return one.video.resolve(), one.music and one.music.resolve()


def _tried(path: Path) -> Iterator[Pair | Failed]:
    """What one path holds; a path that cannot be used is told of."""
    try:
        if path.is_dir():
            yield from _in_folder(path)
        elif path.suffix.lower() == TABLE_NAME:
            yield from _in_table(path)
        else:
            yield Pair(path)
    except UserError as error:
        yield Failed(str(path), str(error))
    except OSError as error:
        yield Failed(str(path), f"{path} cannot be read ({error.strerror or error}): check its name and your rights")


def _in_folder(folder: Path) -> list[Pair]:
    """The videos of a folder, each with the music of its own stem that lies beside it. Raises MediaError."""
    within = (path for path in folder.rglob("*") if not _hidden(path.relative_to(folder)))
    videos = sorted(path for path in within if path.suffix.lower() in VIDEO_NAMES and path.is_file())
    if not videos:
        raise MediaError(f"there is no video in {folder}: give a folder with files such as .mp4, .mov or .webm")
    return [Pair(video, _beside(video)) for video in videos]


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _beside(video: Path) -> Path | None:
    """The music of a video's stem in its folder, sound before MIDI."""
    named = {path.suffix.lower(): path for path in sorted(video.parent.iterdir()) if path.stem == video.stem}
    return next((named[suffix] for suffix in (*SOUND_NAMES, *MIDI_NAMES) if suffix in named), None)


def _in_table(path: Path) -> list[Pair]:
    """The pairs of a CSV file. Raises OptionError."""
    try:
        rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""))
        rows.fieldnames = heading = [name.strip() for name in rows.fieldnames or ()]
        found = [[(row.get(name) or "").strip() for name in COLUMNS] for row in rows]
    except FileNotFoundError:
        raise OptionError(f"no table at {path}: give a CSV file with the columns {','.join(COLUMNS)}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise OptionError(f"the table {path} cannot be read ({error}): it must be a CSV file in UTF-8") from None
    if missing := [name for name in COLUMNS if name not in heading]:
        raise OptionError(f"the table {path} has no column {missing[0]}: its first line must be {','.join(COLUMNS)}")
    if not found or not all(video for video, _ in found):
        raise OptionError(f"the table {path} must name a video in every row, and have one at least")
    return [Pair(path.parent / video, path.parent / music if music else None) for video, music in found]


def ours(video: Path) -> Ours | None:
    """What our manifest beside a scored video says, None where there is none. Raises ManifestError."""
    stem = video.stem.removesuffix(SCORED)
    told = video.with_name(f"{stem}.json")
    if stem == video.stem or not told.is_file():
        return None
    replay = manifest.read(told)
    music = video.with_name(f"{stem}.{replay.options.audio_format}")
    return Ours(music if music.is_file() else None, replay.composition.target, replay.composition.encoder)


def labels(found: Sequence[Pair]) -> list[str]:
    """A short name for each pair, all different: the video's, with its folder or its music where that is needed."""
    choices = (
        lambda pair: pair.video.name,
        lambda pair: f"{pair.video.parent.name}/{pair.video.name}",
        lambda pair: f"{pair.video.name} with {pair.music.name if pair.music else 'its own sound'}",
    )
    for choice in choices:
        if len({choice(pair) for pair in found}) == len(found):
            return [choice(pair) for pair in found]
    return [str(pair) for pair in found]
