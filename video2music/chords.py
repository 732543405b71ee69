"""The chord vocabulary of MuVi-Sync (Kang, Poria, Herremans 2024): N, 12 roots x 13 qualities, END and PAD; 159 ids.

id 0            N, no chord
id 1 + 13·r + q root r (0 is C) with quality q in the order of QUALITIES
id 157, 158     END and PAD, which are no chords; a sequence starts from PAD as well
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType

from video2music.errors import ChordError

ROOTS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
FLAT_ROOTS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
INTERVALS = MappingProxyType({
    "maj": (0, 4, 7),
    "dim": (0, 3, 6),
    "sus4": (0, 5, 7),
    "min7": (0, 3, 7, 10),
    "min": (0, 3, 7),
    "sus2": (0, 2, 7),
    "aug": (0, 4, 8),
    "dim7": (0, 3, 6, 9),
    "maj6": (0, 4, 7, 9),
    "hdim7": (0, 3, 6, 10),
    "7": (0, 4, 7, 10),
    "min6": (0, 3, 7, 9),
    "maj7": (0, 4, 7, 11),
})  # fmt: skip
"""Semitones above the root, by quality."""

QUALITIES = tuple(INTERVALS)
END, PAD = 157, 158
VOCABULARY_SIZE = 159
N_CHORDS = 157  # ids below this one are chords, N among them

_NATURALS = MappingProxyType({"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11})
_CHORD = re.compile(r"([A-G])([#b]*)(?::?(.*))?")
_SHORTHAND = MappingProxyType(
    {"": "maj", "m": "min", "m7": "min7", "m6": "min6", "6": "maj6", "M7": "maj7", "sus": "sus4"}
)


@dataclass(frozen=True)
class Chord:
    """A root 0..11 (0 is C) with one of the 13 qualities, or no chord at all: `Chord(None, None)`, printed N."""

    root: int | None
    quality: str | None

    def __post_init__(self) -> None:
        if self.root is None and self.quality is None:
            return
        if self.root not in range(12) or self.quality not in INTERVALS:
            raise ChordError(
                f"no chord has root {self.root} and quality {self.quality!r}: "
                f"a root is 0 to 11, a quality one of {', '.join(QUALITIES)}"
            )

    @classmethod
    def parse(cls, text: str) -> "Chord":
        """Read `C#:min7`, `Bb`, `Am`, `G7` or `N`. Raises ChordError."""
        if text == "N":
            return NO_CHORD
        match = _CHORD.fullmatch(text)
        quality = _SHORTHAND.get(match[3] or "", match[3]) if match else None
        if not match or quality not in INTERVALS:
            raise ChordError(
                f"unknown chord {text!r}: a root is A to G with # or b, as in 'C#:min7' or 'Am'; 'N' is no chord"
            )
        return cls(parse_note(match[1] + match[2]), quality)

    @classmethod
    def from_id(cls, chord_id: int) -> "Chord":
        """The chord of an id 0..156. Raises ChordError for END, PAD and anything else."""
        if not 0 <= chord_id < N_CHORDS:
            raise ChordError(f"id {chord_id} is no chord: chords have the ids 0 to {N_CHORDS - 1}")
        if chord_id == 0:
            return NO_CHORD
        root, quality = divmod(chord_id - 1, len(QUALITIES))
        return cls(root, QUALITIES[quality])

    @property
    def id(self) -> int:
        """Index in the vocabulary, 0..156."""
        if self.root is None or self.quality is None:
            return 0
        return 1 + len(QUALITIES) * self.root + QUALITIES.index(self.quality)

    @property
    def pitch_classes(self) -> tuple[int, ...]:
        """Pitch classes 0..11 from the root upward; empty for N."""
        if self.root is None or self.quality is None:
            return ()
        return tuple((self.root + interval) % 12 for interval in INTERVALS[self.quality])

    def transpose(self, semitones: int) -> "Chord":
        """The same quality `semitones` higher."""
        return self if self.root is None else Chord((self.root + semitones) % 12, self.quality)

    def __str__(self) -> str:
        return self.spelt(flats=False)

    def spelt(self, *, flats: bool) -> str:
        """The name with sharps, as the vocabulary has it, or with flats, as flat keys want it."""
        if self.root is None:
            return "N"
        root = (FLAT_ROOTS if flats else ROOTS)[self.root]
        return root if self.quality == "maj" else f"{root}:{self.quality}"


NO_CHORD = Chord(None, None)


def parse_note(text: str) -> int:
    """Pitch class 0..11 of a note name such as `Eb` or `F#`. Raises ChordError."""
    if not re.fullmatch(r"[A-G](#*|b*)", text):
        raise ChordError(f"unknown note {text!r}: a note is A to G with # or b, as in 'F#' or 'Eb'")
    # Modulo 12, because Cb is B and B# is C.
    return (_NATURALS[text[0]] + text.count("#") - text.count("b")) % 12


def parse_sequence(text: str) -> tuple[Chord, ...]:
    """Read chords separated by spaces, commas or bars, as in `Am F C G`. Raises ChordError."""
    chords = tuple(Chord.parse(word) for word in re.split(r"[\s,|]+", text.strip()) if word)
    if not chords:
        raise ChordError("the chord sequence is empty: write chords such as 'Am F C G'")
    return chords


def lab_lines(
    chords: Iterable[Chord], starts_s: Iterable[float], ends_s: Iterable[float], *, flats: bool = False
) -> str:
    """The text of a .lab file as mir_eval reads it: a line `start end label` for each chord, in seconds.

    Equal neighbours are not merged: a line is a step of the form.
    """
    rows = zip(chords, starts_s, ends_s, strict=True)
    return "".join(f"{start_s:.6f} {end_s:.6f} {chord.spelt(flats=flats)}\n" for chord, start_s, end_s in rows)
