"""What the user may wish for, each with the product's default, and what comes of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from emotion.affect import PLACES
from emotion.values import EmotionReport
from video2music.chords import parse_sequence
from video2music.errors import OptionError
from video2music.values import Key


@dataclass(frozen=True)
class Options:
    """What the user may wish for, each with the product's default.

    encoder       clip, clip-small, color or auto
    key           as in `A minor`; None follows the picture's valence for the mode and the seed for the tonic
    primer        first chords in the sounding key, as in `Am F C G`
    emotion       one of the six emotions or of the quadrants q1..q4; valence and arousal: a point; curve: a CSV file
                  with t_s,valence,arousal. At most one of the three; without one the picture decides
    strength      0..1, how hard the emotion pulls the chords and the dynamics; 0 is off
    temperature   of sampling; 0 takes the likeliest chord. top_p: smallest set of chords with this much probability
    max_repeat    how many steps one chord may last
    candidates    how many pieces are begun, of which the judge keeps the one that feels nearest to the target; 1: no
                  search
    style         a name from video2music/styles or the path of a TOML file
    tempo         slowest and fastest, in beats a minute, instead of the style's; never left
    beats_per_bar quarter notes in a bar, instead of the style's
    only, without instruments of the style that play alone, or that keep silent
    intensity     -1..1: from sparse and soft to dense and loud, beside what the picture asks for
    hits          times in s that must fall on a downbeat if any can
    source        what becomes of the clip's own sound: replace leaves it out, keep lays the music under it, duck lowers
                  the music while somebody speaks
    stems         whether each instrument is written as a file of its own, too
    audio_format  of the music file: wav, flac or m4a
    preview_s     score only so many seconds from the clip's beginning
    variants      how many different pieces are made, each in a folder of its own
    seed          of every draw

    Raises OptionError, KeyNameError or ChordError.
    """

    encoder: str = "auto"
    key: str | None = None
    primer: str | None = None
    emotion: str | None = None
    valence: float | None = None
    arousal: float | None = None
    curve: str | None = None
    strength: float = 0.5
    seed: int = 0
    temperature: float = 1.0
    top_p: float = 0.95
    max_repeat: int = 4
    candidates: int = 8
    style: str = "piano"
    tempo: tuple[float, float] | None = None
    beats_per_bar: int | None = None
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    intensity: float = 0.0
    hits: tuple[float, ...] = ()
    source: str = "duck"
    stems: bool = False
    audio_format: str = "wav"
    preview_s: float | None = None
    variants: int = 1

    def __post_init__(self) -> None:
        for name, kind in _LISTS.items():
            object.__setattr__(self, name, _listed(name, getattr(self, name), kind))
        for refuse in (self._refuse_moods, self._refuse_form, self._refuse_unknown, self._refuse_beyond):
            refuse()
        if self.key is not None:
            Key.parse(self.key)
        if self.primer is not None:
            parse_sequence(self.primer)

    def _refuse_moods(self) -> None:
        point = self.valence is not None or self.arousal is not None
        if sum((self.emotion is not None, point, self.curve is not None)) > 1:
            raise OptionError("wish for one thing: an emotion, or a valence and arousal, or a curve, not several")
        if (self.valence is None) != (self.arousal is None):
            raise OptionError("a point on the plane needs both valence and arousal, each from -1 to 1")
        if self.emotion is not None and self.emotion not in PLACES:
            raise OptionError(f"unknown emotion {self.emotion!r}: choose one of {', '.join(PLACES)}")

    def _refuse_form(self) -> None:
        tempo = (SLOWEST, FASTEST) if self.tempo is None else self.tempo
        if len(tempo) != 2 or not SLOWEST <= tempo[0] <= tempo[1] <= FASTEST:
            wished = " to ".join(f"{bpm:g}" for bpm in tempo)
            raise OptionError(f"the tempo must rise within {SLOWEST} to {FASTEST} beats a minute, not {wished}")
        if self.only and self.without:
            raise OptionError("name the instruments that play or those that do not, not both")
        for hit in self.hits:
            if not 0 < hit < math.inf:
                raise OptionError(f"a hit is a time in seconds above 0, but is {hit}")

    def _refuse_unknown(self) -> None:
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise OptionError(
                    f"unknown {_plain(name)} {getattr(self, name)!r}: choose one of {', '.join(map(str, known))}"
                )

    def _refuse_beyond(self) -> None:
        for name, low, high in _RANGES:
            given = getattr(self, name)
            if isinstance(low, int) and isinstance(high, int) and not isinstance(given, int | None):
                raise OptionError(f"{_plain(name)} must be a whole number, but is {given!r}")
            if given is not None and not low <= given <= high:
                raise OptionError(f"{_plain(name)} must lie between {low:g} and {high:g}, but is {given:g}")


def _plain(name: str) -> str:
    """An option's name in words."""
    return name.removesuffix("_s").replace("_", " ")


def _listed(name: str, given: Any, kind: type) -> tuple[Any, ...] | None:
    """A list of numbers or words as a tuple; a manifest gives them as lists. Raises OptionError."""
    if given is None:
        return None
    fitting = (int, float) if kind is float else kind
    if not isinstance(given, list | tuple) or not all(isinstance(one, fitting) for one in given):
        what = "numbers" if kind is float else "words"
        raise OptionError(f"{name} must be a list of {what}, but is {given!r}")
    return tuple(given)


_LISTS = MappingProxyType({"tempo": float, "only": str, "without": str, "hits": float})
SLOWEST, FASTEST = 30, 300  # beats a minute that can be wished for
SOURCES = ("replace", "keep", "duck")
AUDIO_FORMATS = ("wav", "flac", "m4a")
_CHOICES = MappingProxyType({"source": SOURCES, "audio_format": AUDIO_FORMATS})
_RANGES = (
    ("valence", -1.0, 1.0),
    ("arousal", -1.0, 1.0),
    ("strength", 0.0, 1.0),
    ("seed", 0, 2**63 - 1),
    ("temperature", 0.0, 5.0),
    ("top_p", 0.01, 1.0),
    ("max_repeat", 1, 1000),
    ("candidates", 1, 64),
    ("beats_per_bar", 2, 7),
    ("intensity", -1.0, 1.0),
    ("preview_s", 1.0, 6 * 3600.0),
    ("variants", 1, 20),
)


def read_tempo(text: str | None) -> tuple[float, float] | None:
    """`90` or `80-110` as slowest and fastest. Raises OptionError."""
    if text is None:
        return None
    parts = text.split("-")
    try:
        bounds = [float(part) for part in parts]
    except ValueError:
        bounds = []
    if len(bounds) not in (1, 2):
        raise OptionError(f"the tempo {text!r} is none: give beats a minute such as 90, or a range such as 80-110")
    return bounds[0], bounds[-1]


def read_metre(text: str | None) -> int | None:
    """The beats of a metre in quarter notes, as `3/4` or `3`. Raises OptionError."""
    if text is None:
        return None
    beats = text.removesuffix("/4")
    if not beats.isdecimal():
        raise OptionError(f"the metre {text!r} is none that can be played: give quarter notes a bar, such as 3/4")
    return int(beats)


@dataclass(frozen=True)
class Result:
    """Where the work lies and how long each stage took.

    `audio` is the music alone; in `video` the clip's own sound lies beside it, as the options say. `chords` is a .lab
    file, `chart` plain text and `lead_sheet` MusicXML; `stems` is a folder, where stems were wished for. `report` is
    what a judge that had no part in the choice hears in the finished music, None without its weights. Of several
    `variants` this is the first.
    """

    video: Path
    audio: Path
    midi: Path
    chords: Path
    chart: Path
    lead_sheet: Path
    manifest: Path
    duration_s: float
    seconds: Mapping[str, float] = field(default_factory=dict)
    report: EmotionReport | None = None
    stems: Path | None = None
    variants: tuple["Result", ...] = ()
