"""Pairs of video and music: which music belongs to a video, what a judge predicts for it and what the target is.

A video's own sound is its music unless other music is named: by the caller, by a CSV file with the columns video and
music, or by a file of the same stem beside it in a folder. The target is that of the manifest beside a video that
`generate` scored, otherwise what an encoder predicts from the picture.
"""

import csv
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import emotion.judge
from emotion.affect import QUADRANTS, quadrant
from emotion.alignment import FEWEST, STILL_SD, Alignment, align, over_spans, predicted_points, shared, spans_s
from emotion.errors import SoundError, UserError
from emotion.files import MIDI_NAMES, SOUND_NAMES, is_midi
from emotion.metrics import AXES
from emotion.midi import notes as midi_notes
from emotion.midi import synthesis
from emotion.midi.soundfont import find_soundfont
from emotion.values import AffectCurve, EmotionReport
from video2music import features
from video2music.composing import manifest
from video2music.composing.target import video_target
from video2music.errors import ManifestError, MediaError, OptionError
from video2music.media import clip
from video2music.media.clip import VIDEO_NAMES
from video2music.mixing import mix

TABLE_NAME = ".csv"
PAIR_COLUMNS = ("video", "music")
SCORED = ".scored"  # ends the stem of a video that `generate` wrote


@dataclass(frozen=True)
class VideoMusicPair:
    """A video and its music: sound or MIDI, None for the video's own sound."""

    video: Path
    music: Path | None = None

    def __str__(self) -> str:
        return f"{self.video} with {self.music}" if self.music else str(self.video)


@dataclass(frozen=True)
class FailedPair:
    """An input that could not be used, and the error message."""

    name: str
    error: str


@dataclass(frozen=True, eq=False)
class ManifestTarget:
    """From the manifest of a scored video: its music file (None if it is gone), target and encoder."""

    music: Path | None
    target: AffectCurve
    encoder: str


def find_pairs(paths: Sequence[Path], *, music: Path | None = None) -> list[VideoMusicPair | FailedPair]:
    """Every pair in the inputs, each once, in order; an input without one gives a FailedPair in its place.

    A path is a video, a folder of videos at any depth, or a CSV file with the columns `video` and `music`, whose paths
    are relative to it; a video without music in it has its own. `music` is for one video alone. Raises OptionError.
    """
    if music is not None:
        if len(paths) != 1 or paths[0].is_dir() or paths[0].suffix.lower() == TABLE_NAME:
            given = f"{len(paths)} paths" if len(paths) != 1 else str(paths[0])
            raise OptionError(f"--music {music} is for one video, but was given with {given}: name one video")
        return [VideoMusicPair(paths[0], music)]
    found: dict[object, VideoMusicPair | FailedPair] = {}
    for path in paths:
        for one in _pairs_of(path):
            found.setdefault(_identity(one), one)
    return list(found.values())


def _identity(one: VideoMusicPair | FailedPair) -> object:
    if isinstance(one, FailedPair):
        return one
    return one.video.resolve(), one.music and one.music.resolve()


def _pairs_of(path: Path) -> Iterator[VideoMusicPair | FailedPair]:
    """The pairs of one input; an input that cannot be used gives a FailedPair."""
    try:
        if path.is_dir():
            yield from _folder_pairs(path)
        elif path.suffix.lower() == TABLE_NAME:
            yield from _table_pairs(path)
        else:
            yield VideoMusicPair(path)
    except UserError as error:
        yield FailedPair(str(path), str(error))
    except OSError as error:
        yield FailedPair(
            str(path), f"{path} cannot be read ({error.strerror or error}): check its name and your rights"
        )


def _folder_pairs(folder: Path) -> list[VideoMusicPair]:
    """The videos of a folder, each with the music of its own stem that is beside it. Raises MediaError."""
    within = (path for path in folder.rglob("*") if not is_hidden(path, folder))
    videos = sorted(path for path in within if path.suffix.lower() in VIDEO_NAMES and path.is_file())
    if not videos:
        raise MediaError(f"there is no video in {folder}: give a folder with files such as .mp4, .mov or .webm")
    return [VideoMusicPair(video, _music_beside(video)) for video in videos]


def is_hidden(path: Path, folder: Path) -> bool:
    """Whether a file or any folder on the way to it from `folder` is hidden."""
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _music_beside(video: Path) -> Path | None:
    """The music of a video's stem in its folder, sound before MIDI."""
    named = {path.suffix.lower(): path for path in sorted(video.parent.iterdir()) if path.stem == video.stem}
    return next((named[suffix] for suffix in (*SOUND_NAMES, *MIDI_NAMES) if suffix in named), None)


def _table_pairs(path: Path) -> list[VideoMusicPair]:
    """The pairs of a CSV file. Raises OptionError."""
    try:
        rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""))
        rows.fieldnames = heading = [name.strip() for name in rows.fieldnames or ()]
        found = [[(row.get(name) or "").strip() for name in PAIR_COLUMNS] for row in rows]
    except FileNotFoundError:
        raise OptionError(f"no table at {path}: give a CSV file with the columns {','.join(PAIR_COLUMNS)}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise OptionError(f"the table {path} cannot be read ({error}): it must be a CSV file in UTF-8") from None
    if missing := [name for name in PAIR_COLUMNS if name not in heading]:
        raise OptionError(
            f"the table {path} has no column {missing[0]}: its first line must be {','.join(PAIR_COLUMNS)}"
        )
    if not found or not all(video for video, _ in found):
        raise OptionError(f"the table {path} must name a video in every row, and have one at least")
    return [VideoMusicPair(path.parent / video, path.parent / music if music else None) for video, music in found]


def manifest_target(video: Path) -> ManifestTarget | None:
    """Read the manifest beside a scored video, None where there is none. Raises ManifestError."""
    stem = video.stem.removesuffix(SCORED)
    path = video.with_name(f"{stem}.json")
    if stem == video.stem or not path.is_file():
        return None
    replay = manifest.read(path)
    music = video.with_name(f"{stem}.{replay.options.audio_format}")
    return ManifestTarget(music if music.is_file() else None, replay.composition.target, replay.composition.encoder)


def labels(found: Sequence[VideoMusicPair]) -> list[str]:
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


UNIFORM = 1 / len(QUADRANTS)  # probability of the likeliest quadrant where all are equally likely
RELEASE_S = 2.0  # rendered after a MIDI file's last note, for its decay

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class JudgedPair:
    """A pair with the judge's report on its music and the target that the music is compared with.

    music    the file that was judged
    encoder  the encoder of the video, now or when the music was composed
    notes    sentences on what limits the metrics
    """

    name: str
    pair: VideoMusicPair
    music: Path
    report: EmotionReport
    target: AffectCurve
    encoder: str
    notes: tuple[str, ...]

    @cached_property
    def alignment(self) -> Alignment:
        """The music against its own target."""
        return align(self.report, self.target)

    @property
    def target_point(self) -> tuple[float, float]:
        """The target's mean valence and arousal."""
        valence, arousal = self.target.points.mean(0).tolist()
        return valence, arousal

    @property
    def target_quadrant(self) -> int:
        """The index of that point's quadrant."""
        return QUADRANTS.index(quadrant(*self.target_point))

    @property
    def predicted_quadrant(self) -> int | None:
        """The index of the likeliest quadrant of the whole music, None where all are equally likely."""
        whole = self.report.whole
        return None if whole.confidence <= UNIFORM else QUADRANTS.index(whole.quadrant)

    def window_points(self, target: AffectCurve | None = None) -> tuple[Floats, Floats]:
        """Predicted and target points, (W, 2) each, over the windows compared with a target, by default its own."""
        target = target or self.target
        compared = shared(self.report, target)
        return predicted_points(compared), over_spans(target, spans_s(compared))


def judge_pair(
    pair: VideoMusicPair,
    judge: emotion.judge.Judge,
    *,
    name: str,
    encoder: str,
    progress: Callable[[float], None] | None = None,
) -> JudgedPair:
    """Predict the emotion of a pair's music, and determine its target.

    Where a manifest is beside a scored video and no music is named, the music file and the target are those of the
    manifest; otherwise the target is predicted from the picture. Raises UserError.
    """
    found, notes = _from_manifest(pair)
    music = pair.music or (found and found.music) or pair.video
    if not clip.probe(pair.video).has_audio and music == pair.video:
        raise MediaError(f"{music} has no sound: name its music, with --music or in a CSV file, or lay it beside it")
    if found is None:
        video_features = features.extract(pair.video, encoder=encoder, progress=progress)
        target, encoder = video_target(video_features), video_features.encoder
    else:
        target, encoder = found.target, found.encoder
    report, more = _predict(judge, music, len(target))
    if all(window.confidence <= UNIFORM for window in report.windows):
        raise SoundError(f"{music} holds no sound that can be judged ({'; '.join(report.remarks)}): give other music")
    every = (*notes, *more, *report.remarks, *_limits(report, target))
    return JudgedPair(name, pair, music, report, target, encoder, every)


def _from_manifest(pair: VideoMusicPair) -> tuple[ManifestTarget | None, tuple[str, ...]]:
    """The manifest's target of a video without other music, and notes on it."""
    if pair.music is not None:
        return None, ()
    try:
        own = manifest_target(pair.video)
    except ManifestError as error:
        return None, (f"it is judged without its manifest: {error}",)
    if own is None or own.music is not None:
        return own, ()
    return own, (
        "its music file is not beside it: the video's own sound is judged, which may hold more than the music",
    )


def _predict(judge: emotion.judge.Judge, music: Path, picture_s: float) -> tuple[EmotionReport, tuple[str, ...]]:
    """A report on sound or MIDI, and notes; MIDI is rendered as `generate` does for a judge of sound alone."""
    if not is_midi(music):
        return judge.predict(music), ()
    if emotion.judge.MIDI in judge.model.modalities:
        return judge.predict(midi=music), ()
    notes = midi_notes.read(music)
    lasting_s = min(notes.duration_s + RELEASE_S, picture_s)
    if not len(notes):
        raise SoundError(f"{music} has no notes: give a MIDI file with music")
    with tempfile.TemporaryDirectory(prefix="alignment-") as folder:
        sound = Path(folder, "music.wav")
        mix.master(synthesis.render(music, duration_s=lasting_s), sound, duration_s=lasting_s)
        return judge.predict(sound), (f"its MIDI was played with {find_soundfont().name}",)


def _limits(report: EmotionReport, target: AffectCurve) -> Iterator[str]:
    """Notes on metrics that a pair's lengths or its target rule out."""
    music_s, picture_s = report.whole.end_s, len(target)
    if abs(music_s - picture_s) > max(2.0, 0.1 * picture_s):
        yield f"the music lasts {music_s:.0f} s and the picture {picture_s} s: what they share is compared"
    compared = shared(report, target)
    count = len(compared.windows)
    if count < FEWEST:
        yield f"{count} window{'s' * (count > 1)}: too few for CCC and lag, which take {FEWEST}"
        return
    target_points = over_spans(target, spans_s(compared))
    for axis, column in zip(AXES, target_points.T, strict=True):
        if column.std() < STILL_SD:
            yield f"the target's {axis} hardly changes: no CCC and no lag, see bias and RMSE"
