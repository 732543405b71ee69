"""The values that modules pass to each other: frozen, with their units, checked when made. Time is seconds as float."""

import math
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.affect import EMOTIONS
from video2music.chords import FLAT_ROOTS, ROOTS, parse_note
from video2music.errors import ChordError, KeyNameError, Video2MusicError

Floats = NDArray[np.float32]


class RandomStream(IntEnum):
    """Independent streams of random numbers under the one seed of a piece, so that one draw does not shift another.

    The numbers are part of what a seed means: another number gives other music.
    """

    KEY = 1
    ARRANGER = 2
    CANDIDATES = 3
    REDRAW = 4
    VARIANTS = 5
    PAGE = 6

    def generator(self, seed: int, *more: int) -> np.random.Generator:
        """The stream's generator for a seed; `more` are further numbers that tell draws of one stream apart."""
        return np.random.default_rng([seed, self, *more])


def _finite(what: str, **numbers: Any) -> None:
    """Raise Video2MusicError unless every number is one."""
    for name, values in numbers.items():
        if not np.isfinite(values).all():
            raise Video2MusicError(f"{what}: {name} must be made of finite numbers, but is {values}")


@dataclass(frozen=True)
class Cut:
    """A hard cut: when, and the detector's strength (how many times the frame change exceeds its neighbours)."""

    time_s: float
    strength: float

    def __post_init__(self) -> None:
        _finite("cut", time_s=self.time_s, strength=self.strength)


@dataclass(frozen=True, eq=False)
class VideoFeatures:
    """Features of a video, one row a second.

    semantic      (T, 768) raw CLIP image embeddings, not normalised, or None
    emotion       (T, 6) probabilities in the order of emotion.affect.EMOTIONS, rows sum to 1
    motion        (T,) mean absolute RGB difference 0..255 between the first frame at or after each whole second and the
                  frame just before it; second 0 is 0
    scene_offset  (T,) whole seconds since the cut
    affect        (T, 2) valence and arousal in [-1, 1]
    cuts          the hard cuts, in order
    """

    duration_s: float
    encoder: str
    emotion: Floats
    motion: Floats
    scene_offset: Floats
    affect: Floats
    cuts: tuple[Cut, ...] = ()
    semantic: Floats | None = None

    def __post_init__(self) -> None:
        rows = len(self.motion)
        shapes = {"emotion": (rows, len(EMOTIONS)), "motion": (rows,), "scene_offset": (rows,), "affect": (rows, 2)}
        if self.semantic is not None:
            shapes["semantic"] = (rows, 768)
        for name, shape in shapes.items():
            found = getattr(self, name).shape
            if found != shape or not rows:
                raise Video2MusicError(f"video features: {name} has the shape {found}, {shape} was expected")
        _finite("video features", duration_s=self.duration_s, **{name: getattr(self, name) for name in shapes})
        if not np.allclose(self.emotion.sum(1), 1, atol=1e-3):  # a softmax in float32 sums to 1 only nearly
            raise Video2MusicError("video features: the six emotions of a second must sum to 1")

    def __len__(self) -> int:
        return len(self.motion)


MODES = ("major", "minor")


@dataclass(frozen=True)
class Key:
    """A tonic 0..11 (0 is C) and `major` or `minor`."""

    tonic: int
    mode: str

    def __post_init__(self) -> None:
        if self.tonic not in range(12) or self.mode not in MODES:
            raise KeyNameError(
                f"no key has tonic {self.tonic} and mode {self.mode!r}: write it as 'A minor' or 'Eb major'"
            )

    @classmethod
    def parse(cls, text: str) -> "Key":
        """Read `A minor`, `Eb major`, `F#m` or `C`. Raises KeyNameError."""
        words = text.split() or [""]
        name, mode = words[0], (words[1].lower() if len(words) == 2 else "major")
        if len(words) == 1 and name.endswith("m"):
            name, mode = name[:-1], "minor"
        try:
            tonic = parse_note(name[:1].upper() + name[1:])
        except ChordError:
            tonic = -1
        if tonic < 0 or mode not in MODES or len(words) > 2:
            raise KeyNameError(f"unknown key {text!r}: write it as 'A minor', 'Eb major' or 'F#m'")
        return cls(tonic, mode)

    @property
    def shift(self) -> int:
        """Semitones, -5..6, from C major or A minor to this key."""
        home = 0 if self.mode == "major" else 9  # C or A
        # The nearer way round the octave, so that voices leave their registers as little as possible.
        return (self.tonic - home + 5) % 12 - 5

    @property
    def flats(self) -> bool:
        """Whether it is written with flats: F, B flat, E flat, A flat, D flat major and their relatives."""
        # A minor key has the signature of the major key three semitones above it.
        return (self.tonic + (0 if self.mode == "major" else 3)) % 12 in (5, 10, 3, 8, 1)

    def __str__(self) -> str:
        return f"{(FLAT_ROOTS if self.flats else ROOTS)[self.tonic]} {self.mode}"


@dataclass(frozen=True)
class Tempo:
    """From start_s on there are so many beats a minute."""

    start_s: float
    bpm: float

    def __post_init__(self) -> None:
        if not (0 <= self.start_s < math.inf and 0 < self.bpm < math.inf):
            raise Video2MusicError(f"not a tempo: {self}")


@dataclass(frozen=True)
class Metre:
    """From start_s on a bar has so many beats, quarter notes."""

    start_s: float
    beats: int

    def __post_init__(self) -> None:
        if not (0 <= self.start_s < math.inf and self.beats >= 1):
            raise Video2MusicError(f"not a metre: {self}")


@dataclass(frozen=True)
class Section:
    """Music from one section start to the next, with the tempo it starts in, in beats per minute."""

    start_s: float
    end_s: float
    tempo: float

    def __post_init__(self) -> None:
        _finite("section", start_s=self.start_s, end_s=self.end_s, tempo=self.tempo)
        if not (0 <= self.start_s < self.end_s and self.tempo > 0):
            raise Video2MusicError(f"not a section: {self}")


@dataclass(frozen=True, eq=False)
class Form:
    """The grid in time of the music.

    beats_s        onset of every beat
    bars_s         onset of every downbeat
    steps_s        (N,) onset of each chord
    sections       in order, without gaps, from the first bar to end_s
    tempi          in order, the first from 0 on; where it is not given, that of each section
    end_s          when the last bar ends: the final chord is released here and rings on until duration_s
    cut_errors_ms  for each cut of the clip, how far its nearest downbeat is, in milliseconds (signed: + is late)
    hit_errors_ms  the same for each requested hit
    """

    duration_s: float
    end_s: float
    beats_s: NDArray[np.float64]
    bars_s: NDArray[np.float64]
    steps_s: NDArray[np.float64]
    sections: tuple[Section, ...]
    tempi: tuple[Tempo, ...] = ()
    cut_errors_ms: tuple[float, ...] = ()
    hit_errors_ms: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.sections:
            raise Video2MusicError("form: there must be a section, which says the tempo")
        if not self.tempi:
            tempi = [Tempo(section.start_s, section.tempo) for section in self.sections]
            # The instance is frozen, and a pickup before the first section needs a tempo, too.
            object.__setattr__(self, "tempi", (Tempo(0.0, tempi[0].bpm), *tempi[1:]))
        _finite(
            "form", **{name: getattr(self, name) for name in ("duration_s", "end_s", "beats_s", "bars_s", "steps_s")}
        )
        for name in ("beats_s", "bars_s", "steps_s"):
            onsets = getattr(self, name)
            if not len(onsets) or (np.diff(onsets) <= 0).any() or onsets[0] < 0 or onsets[-1] >= self.end_s:
                raise Video2MusicError(
                    f"form: {name} must rise from 0 or later and stay before the end at {self.end_s:g} s"
                )
        if not 0 < self.end_s <= self.duration_s + 1e-9:  # both may come from sums of beats
            raise Video2MusicError(
                f"form: the end at {self.end_s:g} s must lie inside the clip's {self.duration_s:g} s"
            )

    def __len__(self) -> int:
        return len(self.steps_s)

    def first(self, steps: int) -> "Form":
        """The grid of the first steps, 1 at least, which ends with the last of them."""
        if steps >= len(self):
            return self
        end_s = float(self.steps_s[max(steps, 1)])
        beats_s, bars_s, steps_s = (onsets[onsets < end_s] for onsets in (self.beats_s, self.bars_s, self.steps_s))
        kept = [section for section in self.sections if section.start_s < end_s]
        kept = kept or [replace(self.sections[0], start_s=0.0)]  # it ends within the pickup
        sections = (*kept[:-1], replace(kept[-1], end_s=end_s))
        tempi = tuple(tempo for tempo in self.tempi if tempo.start_s < end_s)
        return Form(end_s, end_s, beats_s, bars_s if len(bars_s) else beats_s[:1], steps_s, sections, tempi)

    @property
    def bar_beats(self) -> NDArray[np.int64]:
        """Beats of each bar; the last one, which holds one chord and may be of any length, counts as the one before."""
        starts = np.searchsorted(self.beats_s, self.bars_s - 1e-6)  # a downbeat may differ from its beat by rounding
        beats = np.diff(np.append(starts, len(self.beats_s)))
        return np.append(beats[:-1], beats[-2] if len(beats) > 1 else beats[-1])

    @property
    def metres(self) -> tuple[Metre, ...]:
        """Where the number of beats in a bar changes, a pickup first."""
        pickup = int(np.searchsorted(self.beats_s, self.bars_s[0] - 1e-6))
        found = [Metre(0.0, pickup)] if pickup else []
        for start_s, beats in zip(self.bars_s.tolist(), self.bar_beats.tolist(), strict=True):
            # After a pickup bars are counted anew, even where both have the same number of beats.
            if not found or found[-1].beats != beats or (pickup and len(found) == 1):
                found.append(Metre(start_s, beats))
        return tuple(found)

    @property
    def step_ends_s(self) -> NDArray[np.float64]:
        """(N,) when each chord gives way to the next, the last one at end_s."""
        return np.append(self.steps_s[1:], self.end_s)


@dataclass(frozen=True, eq=False)
class Dynamics:
    """density (N,): notes sounding within the second; loudness (N,): linear RMS as in MuVi-Sync, 0 to about .57."""

    density: Floats
    loudness: Floats

    def __post_init__(self) -> None:
        if self.density.shape != self.loudness.shape or self.density.ndim != 1:
            raise Video2MusicError(
                f"dynamics: density {self.density.shape} and loudness {self.loudness.shape} must be rows of one length"
            )
        _finite("dynamics", density=self.density, loudness=self.loudness)

    def __len__(self) -> int:
        return len(self.density)


@dataclass(frozen=True, order=True)
class Note:
    """pitch 0..127 sounding from start_s to end_s at velocity 1..127."""

    start_s: float
    end_s: float
    pitch: int
    velocity: int

    def __post_init__(self) -> None:
        if not (0 <= self.pitch <= 127 and 1 <= self.velocity <= 127 and 0 <= self.start_s < self.end_s):
            raise Video2MusicError(f"not a note: {self}")


@dataclass(frozen=True)
class Pedal:
    """The sustain pedal goes down or up."""

    time_s: float
    down: bool


@dataclass(frozen=True)
class Track:
    """One instrument: a General MIDI program 0..127, or the drum kit; of a kit, which one.

    pan          position in the stereo image, from -1 on the left to 1 on the right
    reverb_send  how much of it is sent to the reverberation, 0..1
    """

    name: str
    program: int
    notes: tuple[Note, ...]
    drums: bool = False
    pedals: tuple[Pedal, ...] = ()
    pan: float = 0.0
    reverb_send: float = 0.3

    def __post_init__(self) -> None:
        if not (0 <= self.program <= 127 and -1 <= self.pan <= 1 and 0 <= self.reverb_send <= 1):
            raise Video2MusicError(
                f"not a track: program {self.program} (0 to 127), pan {self.pan} (-1 to 1), "
                f"reverb_send {self.reverb_send} (0 to 1)"
            )


@dataclass(frozen=True)
class Marker:
    """A word at a time, such as a cut or a section."""

    time_s: float
    text: str


@dataclass(frozen=True)
class Score:
    """Tracks of notes in seconds, with the tempi, the metres, the key and the markers that a .mid file carries.

    Tempi and metres each begin at 0; a metre begins anew wherever its bars are counted anew, as after a pickup.
    """

    tracks: tuple[Track, ...]
    tempi: tuple[Tempo, ...]
    metres: tuple[Metre, ...]
    key: Key
    duration_s: float
    markers: tuple[Marker, ...] = ()
