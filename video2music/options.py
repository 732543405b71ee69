"""What a user may choose for a piece. Each option is declared once, as a field of `Options`.

The field's default, help, range, choices and spellings become an `OptionSpec`, from which are made: the checks of
`Options`, the parameters of `generate` and `batch`, the columns of a jobs table, the page's widgets and the table in
the docs. How a run is executed (device, folders, SoundFont) is no option of a piece: see `emotion.runtime`.
"""

import importlib
import math
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from numbers import Real
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from video2music.chords import parse_sequence
from video2music.errors import OptionError

if TYPE_CHECKING:
    from emotion.values import EmotionReport

SLOWEST_BPM, FASTEST_BPM = 30, 300
SOURCES = ("replace", "keep", "duck")
AUDIO_FORMATS = ("wav", "flac", "m4a")
SEPARATOR = ";"  # between the values of a list in one line of text, such as a cell of a jobs table
UNBOUNDED = 1e6  # a limit above this only keeps a number representable; no reader needs to know it
_YES_NO = MappingProxyType({"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False})
_KIND_NAMES = MappingProxyType({str: "text", int: "a whole number", float: "a number", bool: "yes or no"})

# How much of an existing piece an option changes: its files only, what is drawn in a section, or the whole piece.
Scope = Literal["files", "section", "piece"]


@dataclass(frozen=True)
class OptionSpec:
    """One option: all that its check, command line, table column, widget and documentation are made from.

    name        of the field of Options
    kind        str, int, float or bool: of the value, or of each value where `is_list`
    help        one sentence or two, for the command line, the page's tooltip and the docs
    label       of the widget
    group       heading that related options stand under
    low, high   inclusive limits of a number; `step` is the widget's
    choices     the only values there are
    names_from  `module:name` of a function or collection that knows the values. It is text, and read late, because
                those modules import this one or are slow to import
    is_open     other values are allowed, too; whoever uses the option checks them
    cli         on the command line and, with dashes, in a table's head, where that differs from the name
    metavar     what stands for the value in the help
    read        makes a value of one line of text, where the kind alone does not say how
    is_path     a value that is not suggested is a file's path
    scope       how much of an existing piece the option changes
    kept_with   part of a piece, `chords` or `form`, that fixes the option when it is locked
    replaces    options that this one takes the place of when it is given later
    """

    name: str
    kind: type
    default: Any
    help: str
    label: str
    group: str
    is_list: bool = False
    low: float | None = None
    high: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    names_from: str = ""
    is_open: bool = False
    cli: str = ""
    metavar: str | None = None
    read: Callable[[str], Any] | None = None
    is_path: bool = False
    scope: Scope = "piece"
    kept_with: str | None = None
    replaces: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        """The option on the command line, as in `--audio-format`."""
        return f"--{self.column}"

    @property
    def column(self) -> str:
        """The option in the head of a jobs table, as in `audio-format`."""
        return (self.cli or self.name).replace("_", "-")

    @property
    def repeats(self) -> bool:
        """Whether the flag may be given several times, once for each value."""
        return self.is_list and self.read is None

    @property
    def names(self) -> tuple[str, ...]:
        """The values that can be named: all there are, or those to suggest beside others such as paths."""
        if not self.names_from:
            return self.choices
        module, name = self.names_from.split(":")
        found = getattr(importlib.import_module(module), name)
        return tuple(found() if callable(found) else found)

    @property
    def full_help(self) -> str:
        """The help with the names or the range that it leaves to the record."""
        parts = [self.help]
        if self.names:
            parts.append(f"One of {', '.join(self.names)}{', or a path' if self.is_path else ''}.")
        if self.low is not None and self.high is not None and self.high < UNBOUNDED:
            parts.append(f"{self.low:g} to {self.high:g}.")
        return " ".join(parts)

    def parse(self, text: str) -> Any:
        """A value from one line of text; those of a list are separated by SEPARATOR. Raises OptionError."""
        if self.read:
            return self.read(text)
        if self.is_list:
            return tuple(self._parse_one(part.strip()) for part in text.split(SEPARATOR) if part.strip())
        return self._parse_one(text)

    def _parse_one(self, text: str) -> Any:
        try:
            return _YES_NO[text.lower()] if self.kind is bool else self.kind(text)
        except (ValueError, KeyError):
            raise OptionError(f"{text!r} is not {_KIND_NAMES[self.kind]}") from None

    def check(self, value: Any) -> None:
        """Raise OptionError for a value of another type, one beyond the limits, or one that is no choice."""
        if value is None and self.default is None:
            return
        words = self.name.removesuffix("_s").replace("_", " ")
        if (self.choices or self.names_from) and not self.is_open and value not in self.names:
            raise OptionError(f"unknown {words} {value!r}: choose one of {', '.join(self.names)}")
        if self.low is None or self.high is None:
            return
        number: Any = value
        if not isinstance(value, int if self.kind is int else Real):  # Real: a float of numpy counts, too
            raise OptionError(f"{words} must be {_KIND_NAMES[self.kind]}, but is {value!r}")
        if not self.low <= number <= self.high:
            raise OptionError(f"{words} must lie between {self.low:g} and {self.high:g}, but is {value:g}")

    def as_tuple(self, given: Any) -> tuple[Any, ...] | None:
        """A list's values as a tuple, as JSON holds them in lists. Raises OptionError."""
        if given is None:
            return None
        fitting = (int, float) if self.kind is float else self.kind
        if not isinstance(given, list | tuple) or not all(isinstance(one, fitting) for one in given):
            what = "numbers" if self.kind is float else "words"
            raise OptionError(f"{self.name} must be a list of {what}, but is {given!r}")
        return tuple(given)


def option(default: Any, *, help: str, label: str, group: str, **more: Any) -> Any:
    """A field of Options with what an OptionSpec says of it beside its name, type and default."""
    return field(default=default, metadata={"option": {"help": help, "label": label, "group": group, **more}})


@cache
def specs(cls: Any) -> Mapping[str, OptionSpec]:
    """The options that a dataclass declares, by name, in its order."""
    hints = get_type_hints(cls)
    found = {}
    for each in fields(cls):
        kind, is_list = _kind(hints[each.name])
        found[each.name] = OptionSpec(each.name, kind, each.default, is_list=is_list, **each.metadata["option"])
    return MappingProxyType(found)


def _kind(hint: Any) -> tuple[type, bool]:
    """The type of an option's value, or of each of its values, and whether there are several."""
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(one for one in get_args(hint) if one is not types.NoneType)
    return (get_args(hint)[0], True) if get_origin(hint) is tuple else (hint, False)


def read_tempo(text: str) -> tuple[float, float]:
    """`90` or `80-110` as slowest and fastest. Raises OptionError."""
    try:
        bounds = [float(part) for part in text.split("-")]
    except ValueError:
        bounds = []
    if len(bounds) not in (1, 2):
        raise OptionError(f"the tempo {text!r} is none: give beats a minute such as 90, or a range such as 80-110")
    return bounds[0], bounds[-1]


def read_metre(text: str) -> int:
    """The beats of a metre in quarter notes, as `3/4` or `3`. Raises OptionError."""
    beats = text.removesuffix("/4")
    if not beats.isdecimal():
        raise OptionError(f"the metre {text!r} is none that can be played: give quarter notes a bar, such as 3/4")
    return int(beats)


@dataclass(frozen=True)
class Options:
    """What a user may choose for a piece, each with the product's default.

    The emotion to aim at is a name, a point (valence and arousal) or a curve, at most one of the three; without one it
    is what the picture shows. Raises OptionError, KeyNameError or ChordError.
    """

    encoder: str = option(
        "auto", group="Video", label="Encoder", is_open=True, names_from="video2music.features.encoders:names",
        help="What analyses the picture; auto takes the best whose weights are on this machine.",
    )  # fmt: skip
    key: str | None = option(
        None, group="Harmony", label="Key", metavar="KEY", kept_with="chords",
        help="Such as 'A minor'. Default: the mode follows the emotion, the tonic the seed.",
    )  # fmt: skip
    primer: str | None = option(
        None, group="Harmony", label="First chords", metavar="CHORDS", kept_with="chords",
        help="Chords to begin with, in the sounding key, such as 'Am F C G'.",
    )  # fmt: skip
    emotion: str | None = option(
        None, group="Emotion", label="Emotion", names_from="emotion.affect:VA_ANCHORS",
        replaces=("valence", "arousal", "curve"),
        help="Target emotion, or quadrant of the valence-arousal plane. Default: that of the picture.",
    )  # fmt: skip
    valence: float | None = option(
        None, group="Emotion", label="Valence", low=-1.0, high=1.0, step=0.05, replaces=("emotion", "curve"),
        help="Target, with arousal: -1 is unpleasant, 1 is pleasant.",
    )  # fmt: skip
    arousal: float | None = option(
        None, group="Emotion", label="Arousal", low=-1.0, high=1.0, step=0.05, replaces=("emotion", "curve"),
        help="Target, with valence: -1 is calm, 1 is excited.",
    )  # fmt: skip
    curve: str | None = option(
        None, group="Emotion", label="Emotion curve", metavar="FILE.csv", is_path=True,
        replaces=("emotion", "valence", "arousal"), help="Target over time: a CSV file with t_s,valence,arousal.",
    )  # fmt: skip
    strength: float = option(
        0.5, group="Emotion", label="Strength", low=0.0, high=1.0, step=0.05,
        help="How strongly the target emotion shapes chords and dynamics; 0 is off.",
    )  # fmt: skip
    seed: int = option(
        0, group="Search", label="Seed", low=0, high=2**63 - 1, step=1, scope="section",
        help="Of all random draws: another seed gives another piece.",
    )  # fmt: skip
    temperature: float = option(
        1.0, group="Harmony", label="Temperature", low=0.0, high=5.0, step=0.05, scope="section", kept_with="chords",
        help="Of the sampling of chords: 0 takes the likeliest, above 1 they are more surprising.",
    )  # fmt: skip
    top_p: float = option(
        0.95, group="Harmony", label="Top p", low=0.01, high=1.0, step=0.01,
        help="Chords are sampled from the smallest set with this much probability.",
    )  # fmt: skip
    max_repeat: int = option(
        4, group="Harmony", label="Longest chord", low=1, high=1000, step=1,
        help="How many steps of the harmonic rhythm one chord may last.",
    )  # fmt: skip
    candidates: int = option(
        8, group="Search", label="Candidates", low=1, high=64, step=1,
        help="Pieces that are begun, of which a judge keeps the one nearest to the target; 1 is no search.",
    )  # fmt: skip
    style: str = option(
        "piano", group="Arrangement", label="Style", is_path=True, is_open=True,
        names_from="video2music.styles:names", replaces=("only", "without"),
        help="Instruments and patterns: a style's name or the path of a TOML file.",
    )  # fmt: skip
    tempo: tuple[float, float] | None = option(
        None, group="Form", label="Tempo", metavar="BPM", read=read_tempo, kept_with="form",
        help="Beats a minute, or the slowest and the fastest: 90 or 80-110. Default: the style's.",
    )  # fmt: skip
    beats_per_bar: int | None = option(
        None, group="Form", label="Metre", low=2, high=7, cli="metre", metavar="N/4", read=read_metre,
        kept_with="form", help="Quarter notes in a bar, such as 3/4. Default: the style's.",
    )  # fmt: skip
    only: tuple[str, ...] = option(
        (), group="Arrangement", label="Only these instruments", metavar="NAME", replaces=("without",),
        help="An instrument of the style that plays, and no other; may repeat.",
    )  # fmt: skip
    without: tuple[str, ...] = option(
        (), group="Arrangement", label="Without these instruments", metavar="NAME", replaces=("only",),
        help="An instrument of the style that is left out; may repeat.",
    )  # fmt: skip
    intensity: float = option(
        0.0, group="Arrangement", label="Intensity", low=-1.0, high=1.0, step=0.05,
        help="-1 is sparser and softer, 1 denser and louder than the picture asks for.",
    )  # fmt: skip
    hits: tuple[float, ...] = option(
        (), group="Form", label="Hits", cli="hit", metavar="SECONDS", kept_with="form",
        help="A time that a downbeat should fall on; may repeat.",
    )  # fmt: skip
    source: str = option(
        "duck", group="Output", label="The clip's own sound", choices=SOURCES, scope="files",
        help="The clip's own sound: replace leaves it out, keep mixes the music under it, duck also lowers the music "
        "during speech.",
    )  # fmt: skip
    stems: bool = option(
        False, group="Output", label="Stems", scope="files", help="Write each instrument as a file of its own, too."
    )
    audio_format: str = option(
        "wav",
        group="Output",
        label="Audio format",
        choices=AUDIO_FORMATS,
        scope="files",
        help="Format of the music file.",
    )
    preview_s: float | None = option(
        None, group="Form", label="Preview", low=1.0, high=6 * 3600.0, cli="preview", metavar="SECONDS",
        kept_with="form", help="Score only the beginning of the clip, as a short piece of its own.",
    )  # fmt: skip
    variants: int = option(
        1, group="Search", label="Variants", low=1, high=20, step=1, scope="section",
        help="Different pieces to make, in the folders v1/, v2/ and so on.",
    )  # fmt: skip

    def __post_init__(self) -> None:
        # mypy takes the hash of the instances, which are unhashable to it, for that of the class
        declared = specs(type(self)).values()  # type: ignore[arg-type]
        for spec in declared:
            if spec.is_list:
                object.__setattr__(self, spec.name, spec.as_tuple(getattr(self, spec.name)))
        self._check_together()
        for spec in declared:
            spec.check(getattr(self, spec.name))
        if self.key is not None:
            from video2music.values import Key  # late: it brings numpy, which --help does without

            Key.parse(self.key)
        if self.primer is not None:
            parse_sequence(self.primer)

    def _check_together(self) -> None:
        """Raise OptionError for options that exclude or need each other, and for what a range alone cannot say."""
        point = self.valence is not None or self.arousal is not None
        if sum((self.emotion is not None, point, self.curve is not None)) > 1:
            raise OptionError("give one target: an emotion, or a valence and arousal, or a curve, not several")
        if (self.valence is None) != (self.arousal is None):
            raise OptionError("a point on the plane needs both valence and arousal, each from -1 to 1")
        tempo = (SLOWEST_BPM, FASTEST_BPM) if self.tempo is None else self.tempo
        if len(tempo) != 2 or not SLOWEST_BPM <= tempo[0] <= tempo[1] <= FASTEST_BPM:
            given = " to ".join(f"{bpm:g}" for bpm in tempo)
            raise OptionError(f"the tempo must rise within {SLOWEST_BPM} to {FASTEST_BPM} beats a minute, not {given}")
        if self.only and self.without:
            raise OptionError("name the instruments that play or those that do not, not both")
        for hit in self.hits:
            if not 0 < hit < math.inf:
                raise OptionError(f"a hit is a time in seconds above 0, but is {hit}")


SPECS = specs(Options)


def options_table(declared: Mapping[str, OptionSpec] = SPECS) -> str:
    """The options as a Markdown table for the docs, grouped as in the help."""
    lines = ["| Option | Default | Meaning |", "| --- | --- | --- |"]
    for group in dict.fromkeys(spec.group for spec in declared.values()):
        lines.append(f"| **{group}** | | |")
        for spec in declared.values():
            if spec.group == group:
                default = f"`{str(spec.default).lower() if spec.kind is bool else spec.default}`"
                shown = "" if spec.default in (None, ()) else default
                meta = "" if spec.kind is bool else f" {spec.metavar or spec.kind.__name__.upper()}"
                lines.append(f"| `{spec.flag}{meta}` | {shown} | {spec.full_help} |")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Result:
    """The files of a scored clip and how long each stage took.

    `audio` is the music alone; in `video` it is mixed with the clip's own sound, as the options say. `chords` is a .lab
    file, `chart` plain text and `lead_sheet` MusicXML; `stems` is a folder, None unless the options ask for stems.
    `report` is the prediction for the finished music of a judge that had no part in the choice, None without its
    weights. Of several `variants` this is the first.
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
    report: "EmotionReport | None" = None
    stems: Path | None = None
    variants: tuple["Result", ...] = ()
