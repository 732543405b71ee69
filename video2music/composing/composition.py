"""What was composed, before it is played: everything a manifest must hold so that it can be played again."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from emotion.errors import UserError
from emotion.values import AffectCurve
from video2music.arranging.expression import Pull
from video2music.chords import Chord
from video2music.errors import ManifestError, OptionError
from video2music.values import Cut, Dynamics, Form, Key, Section, Tempo


@dataclass(frozen=True)
class Take:
    """A section that was drawn anew: its number from 1, the seed, and the chords of its steps."""

    section: int
    seed: int
    chords: tuple[Chord, ...]


@dataclass(frozen=True, eq=False)
class Composition:
    """Chords (one a step of the form, in C major or A minor), dynamics, and what they were made for.

    `cuts` are the clip's, `encoder` is what watched it, `weights` are the sha256 of every model that had a part, by
    name, and `style` is the TOML text to play it in, in its own metre or with `beats_per_bar`, by all its instruments
    but those of `without`. `seed` is of every draw, the player's too, and `pull` says how hard the target pulled.
    `takes` are sections that replace those of the piece, the later ones those of the earlier.
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
    pull: Pull
    beats_per_bar: int | None = None
    without: tuple[str, ...] = ()
    takes: tuple[Take, ...] = ()

    def steps(self, section: int) -> slice:
        """The steps of a section, counted from 1; a pickup belongs to the first. Raises OptionError."""
        sections = self.form.sections
        if not 1 <= section <= len(sections):
            raise OptionError(f"there is no section {section}: the piece has {len(sections)}")
        starts_s = [0.0, *(part.start_s for part in sections[1:]), np.inf]
        first, after = np.searchsorted(self.form.steps_s, np.array(starts_s[section - 1 : section + 1]) - 1e-6)
        return slice(int(first), int(after))

    @property
    def sounding(self) -> tuple[Chord, ...]:
        """The chords as they are played, those of every take in their place."""
        chords = list(self.chords)
        for take in self.takes:
            chords[self.steps(take.section)] = take.chords
        return tuple(chords)

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers; `from_json` gives the same floats back."""
        return {
            "key": str(self.key),
            "form": _lists(asdict(self.form)),
            "chords": [str(chord) for chord in self.chords],
            "dynamics": _lists(asdict(self.dynamics)),
            "target": _lists(asdict(self.target)),
            "cuts": [asdict(cut) for cut in self.cuts],
            "encoder": self.encoder,
            "weights": dict(self.weights),
            "style": self.style,
            "beats_per_bar": self.beats_per_bar,
            "without": list(self.without),
            "drawn": {"seed": self.seed, "pull": list(self.pull)},
            "takes": [{**vars(take), "chords": [str(chord) for chord in take.chords]} for take in self.takes],
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Composition":
        """Read what `to_json` wrote. Raises ManifestError."""
        try:
            drawn = found.get("drawn") or {"seed": found["seed"], "pull": (0.0, 0.0)}  # before there was expression
            return cls(
                Key.parse(found["key"]),
                _form(found["form"]),
                tuple(Chord.parse(name) for name in found["chords"]),
                Dynamics(**{name: np.array(row, np.float32) for name, row in found["dynamics"].items()}),
                AffectCurve(**found["target"]),
                tuple(Cut(**cut) for cut in found["cuts"]),
                str(found["encoder"]),
                dict(found["weights"]),
                str(found["style"]),
                int(drawn["seed"]),
                Pull(*map(float, drawn["pull"])),
                found.get("beats_per_bar"),
                tuple(found.get("without", ())),
                tuple(_take(take) for take in found.get("takes", ())),
            )
        except (KeyError, TypeError, ValueError, AttributeError, UserError) as error:
            raise ManifestError(
                f"the manifest does not hold a whole composition ({error}): compose the clip anew"
            ) from None


def _take(found: Mapping[str, Any]) -> Take:
    return Take(int(found["section"]), int(found["seed"]), tuple(Chord.parse(name) for name in found["chords"]))


def _form(found: Mapping[str, Any]) -> Form:
    rows = {name: np.array(found[name], float) for name in ("beats_s", "bars_s", "steps_s")}
    sections = tuple(Section(**section) for section in found["sections"])
    tempi = tuple(Tempo(**tempo) for tempo in found.get("tempi", ()))  # there were none before a section could have two
    return Form(
        found["duration_s"],
        found["end_s"],
        **rows,
        sections=sections,
        tempi=tempi,
        cut_errors_ms=tuple(found["cut_errors_ms"]),
        hit_errors_ms=tuple(found.get("hit_errors_ms", ())),
    )


def _lists(value: Any) -> Any:
    """Arrays and tuples, however deep, as lists of Python numbers."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {name: _lists(part) for name, part in value.items()}
    return [_lists(part) for part in value] if isinstance(value, (list, tuple)) else value
