"""A pair of video and music becomes what was heard and what was wanted: one judge listens, one encoder watches."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import emotion.judge
from emotion.affect import QUADRANTS, quadrant
from emotion.alignment import AXES, FEWEST, STILL_SD, Alignment, align, heard_points, over_spans, shared, spans_s
from emotion.errors import SoundError
from emotion.files import is_midi
from emotion.midi import notes as midi_notes
from emotion.midi import synthesis
from emotion.values import AffectCurve, EmotionReport
from video2music import features
from video2music.composing.target import from_picture
from video2music.errors import ManifestError, MediaError
from video2music.evaluate.alignment import pairs
from video2music.evaluate.alignment.pairs import Ours, Pair
from video2music.media import clip
from video2music.mixing import mix

UNKNOWN = 1 / len(QUADRANTS)  # probability of the likeliest quadrant where nothing is known
RING_S = 2.0  # after a MIDI file's last key is let go

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Heard:
    """A pair that could be heard: what was heard, and what was wanted.

    music    the file that was heard
    encoder  what watched the picture, now or when the music was composed
    notes    sentences on what limits the figures
    """

    name: str
    pair: Pair
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
    def wanted_place(self) -> tuple[float, float]:
        """The target's mean valence and arousal."""
        valence, arousal = self.target.points.mean(0).tolist()
        return valence, arousal

    @property
    def wanted_quadrant(self) -> int:
        """The quadrant of that place, counted from 0."""
        return QUADRANTS.index(quadrant(*self.wanted_place))

    @property
    def heard_quadrant(self) -> int | None:
        """The likeliest quadrant of the whole music, None where nothing is known of it."""
        whole = self.report.whole
        return None if whole.confidence <= UNKNOWN else QUADRANTS.index(whole.quadrant)

    def places(self, target: AffectCurve | None = None) -> tuple[Floats, Floats]:
        """Heard and wanted, (W, 2) each, over the windows that are compared with a target, by default its own."""
        target = target or self.target
        compared = shared(self.report, target)
        return heard_points(compared), over_spans(target, spans_s(compared))


def hear(
    pair: Pair,
    judge: emotion.judge.Judge,
    *,
    name: str,
    encoder: str,
    on_progress: Callable[[float], None] | None = None,
) -> Heard:
    """What the judge hears in a pair's music, and what was wanted of it.

    Where our own manifest lies beside a scored video and no music is named, the music file and the target are those of
    the manifest. Raises UserError.
    """
    own, notes = _ours(pair)
    music = pair.music or (own and own.music) or pair.video
    if not clip.probe(pair.video).has_audio and music == pair.video:
        raise MediaError(f"{music} has no sound: name its music, with --music or in a CSV file, or lay it beside it")
    if own is None:
        seen = features.extract(pair.video, encoder=encoder, progress=on_progress)
        target, watched = from_picture(seen), seen.encoder
    else:
        target, watched = own.target, own.encoder
    report, more = _heard(judge, music, len(target))
    if all(window.confidence <= UNKNOWN for window in report.windows):
        raise SoundError(f"{music} holds nothing that could be heard ({'; '.join(report.remarks)}): give other music")
    every = (*notes, *more, *report.remarks, *_limits(report, target))
    return Heard(name, pair, music, report, target, watched, every)


def _ours(pair: Pair) -> tuple[Ours | None, tuple[str, ...]]:
    """What our manifest says of a video without other music, and what is to be told of it."""
    if pair.music is not None:
        return None, ()
    try:
        own = pairs.ours(pair.video)
    except ManifestError as error:
        return None, (f"it is judged as any video is, for {error}",)
    if own is None or own.music is not None:
        return own, ()
    return own, ("its music file is not beside it: the video's own sound is heard, in which there may be more",)


def _heard(judge: emotion.judge.Judge, music: Path, picture_s: float) -> tuple[EmotionReport, tuple[str, ...]]:
    """A report on sound or MIDI; MIDI is played as `generate` plays it for a judge that hears none."""
    if not is_midi(music):
        return judge.hear(music), ()
    if emotion.judge.MIDI in judge.listener.hears:
        return judge.hear(midi=music), ()
    notes = midi_notes.read(music)
    lasting_s = min(notes.duration_s + RING_S, picture_s)
    if not len(notes):
        raise SoundError(f"{music} has no notes: give a MIDI file with music")
    with tempfile.TemporaryDirectory(prefix="alignment-") as folder:
        sound = Path(folder, "music.wav")
        mix.master(synthesis.render(music, duration_s=lasting_s), sound, duration_s=lasting_s)
        return judge.hear(sound), (f"its MIDI was played with {synthesis.find_soundfont().name}",)


def _limits(report: EmotionReport, target: AffectCurve) -> Iterator[str]:
    """Sentences on what a pair's lengths and its target leave out."""
    music_s, picture_s = report.whole.end_s, len(target)
    if abs(music_s - picture_s) > max(2.0, 0.1 * picture_s):
        yield f"the music lasts {music_s:.0f} s and the picture {picture_s} s: what they share is compared"
    compared = shared(report, target)
    count = len(compared.windows)
    if count < FEWEST:
        yield f"{count} window{'s' * (count > 1)}: too few for CCC and lag, which take {FEWEST}"
        return
    wanted = over_spans(target, spans_s(compared))
    for axis, column in zip(AXES, wanted.T, strict=True):
        if column.std() < STILL_SD:
            yield f"the wanted {axis} hardly moves: no CCC and no lag, see bias and RMSE"
