"""A composition: chords, form and dynamics before they are arranged, which is all that a manifest needs to replay it.

Times are in seconds; chords are in C major or A minor, one a step of the form, and transposed to the key when arranged.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from emotion.errors import UserError
from emotion.values import AffectCurve
from video2music.arranging.expression import Guidance
from video2music.chords import Chord
from video2music.errors import ManifestError, OptionError
from video2music.values import Cut, Dynamics, Form, Key, Section, Tempo


@dataclass(frozen=True)
class SectionRedraw:
    """A section that was drawn again: its number from 1, the seed, and the chords of its steps."""

    section: int
    seed: int
    chords: tuple[Chord, ...]


@dataclass(frozen=True, eq=False)
class Composition:
    """Chords and dynamics on the steps of a form, and what they were composed for and with.

    target         the affect curve that was aimed at
    cuts           of the clip
    encoder        name of the encoder of the video features
    weights        sha256 of the weights of every model that had a part, by name
    style          TOML text of the style
    seed           of every random draw, the arranger's too
    guidance       how strongly the target acted on the music
    beats_per_bar  in place of the style's own, or None
    without        instruments of the style that are silent
    redraws        sections drawn again, in order; a later one replaces an earlier one of the same section
    """

    key: Key
    form: Form
    chords: tuple[Chord, ...]
    dynamics: Dynamics
    target: AffectCurve
    cuts: tuple[Cut, ...]
    encoder: str
    weights: Mapping[str, str]
    style: str
    seed: int
    guidance: Guidance
    beats_per_bar: int | None = None
    without: tuple[str, ...] = ()
    redraws: tuple[SectionRedraw, ...] = ()

    def steps(self, section: int) -> slice:
        """The steps of a section, counted from 1; a pickup belongs to the first. Raises OptionError."""
        sections = self.form.sections
        if not 1 <= section <= len(sections):
            raise OptionError(f"there is no section {section}: the piece has {len(sections)}")
        starts_s = [0.0, *(part.start_s for part in sections[1:]), np.inf]
        # Less a microsecond: a step that begins with the section may be off by the rounding of its sum.
        first, after = np.searchsorted(self.form.steps_s, np.array(starts_s[section - 1 : section + 1]) - 1e-6)
        return slice(int(first), int(after))

    @property
    def final_chords(self) -> tuple[Chord, ...]:
        """The chords with every redraw applied."""
        chords = list(self.chords)
        for redraw in self.redraws:
            chords[self.steps(redraw.section)] = redraw.chords
        return tuple(chords)

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers; `from_json` gives the same floats back."""
        return {
            "key": str(self.key),
            "form": _to_lists(asdict(self.form)),
            "chords": [str(chord) for chord in self.chords],
            "dynamics": _to_lists(asdict(self.dynamics)),
            "target": _to_lists(asdict(self.target)),
            "cuts": [asdict(cut) for cut in self.cuts],
            "encoder": self.encoder,
            "weights": dict(self.weights),
            "style": self.style,
            "seed": self.seed,
            "guidance": list(self.guidance),
            "beats_per_bar": self.beats_per_bar,
            "without": list(self.without),
            "redraws": [{**vars(redraw), "chords": [str(chord) for chord in redraw.chords]} for redraw in self.redraws],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Composition":
        """Read what `to_json` wrote. Raises ManifestError."""
        try:
            grid = data["form"]
            form = Form(
                grid["duration_s"],
                grid["end_s"],
                **{name: np.array(grid[name], float) for name in ("beats_s", "bars_s", "steps_s")},
                sections=tuple(Section(**section) for section in grid["sections"]),
                tempi=tuple(Tempo(**tempo) for tempo in grid["tempi"]),
                cut_errors_ms=tuple(grid["cut_errors_ms"]),
                hit_errors_ms=tuple(grid["hit_errors_ms"]),
            )
            return cls(
                key=Key.parse(data["key"]),
                form=form,
                chords=_chords(data["chords"]),
                dynamics=Dynamics(**{name: np.array(row, np.float32) for name, row in data["dynamics"].items()}),
                target=AffectCurve(**data["target"]),
                cuts=tuple(Cut(**cut) for cut in data["cuts"]),
                encoder=str(data["encoder"]),
                weights=dict(data["weights"]),
                style=str(data["style"]),
                seed=int(data["seed"]),
                guidance=Guidance(*map(float, data["guidance"])),
                beats_per_bar=data["beats_per_bar"],
                without=tuple(data["without"]),
                redraws=tuple(
                    SectionRedraw(int(redraw["section"]), int(redraw["seed"]), _chords(redraw["chords"]))
                    for redraw in data["redraws"]
                ),
            )
        except (KeyError, TypeError, ValueError, AttributeError, UserError) as error:
            raise ManifestError(
                f"the manifest does not hold a whole composition ({error}): compose the clip anew"
            ) from None


def _chords(names: Iterable[str]) -> tuple[Chord, ...]:
    return tuple(Chord.parse(name) for name in names)


def _to_lists(value: Any) -> Any:
    """Arrays and tuples, however deep, as lists of Python numbers."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {name: _to_lists(part) for name, part in value.items()}
    return [_to_lists(part) for part in value] if isinstance(value, (list, tuple)) else value
