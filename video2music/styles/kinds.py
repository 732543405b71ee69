"""What a style is made of: instruments, accompaniment patterns, motifs, drum patterns, registers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

PAD = ("pad tenor", "pad alto", "pad soprano")  # what the one row `pad` stands for: three voices that strike together
CHORD_VOICES = ("sub", "bass", "pulse", "octave", "tenor", "alto", "soprano", *PAD)
MELODY = "melody"
VOICES = (*CHORD_VOICES, MELODY)
GROUPS = MappingProxyType({"pad": PAD})  # rows that stand for several voices
STRIKES, HOLD, SILENCE = "Xxo", "-", "."
PASSING = "~"
PATTERNS, LEARNED = "patterns", "learned"  # where a style's accompaniment comes from

# Rows of the drums and their keys in General MIDI; an orchestra's kit (program 48) has its cymbals at crash2 and ride2.
DRUMS = MappingProxyType({
    "kick": 36, "rim": 37, "snare": 38, "clap": 39, "brush": 40, "hat": 42, "pedal_hat": 44, "open_hat": 46,
    "floor_tom": 43, "low_tom": 45, "mid_tom": 47, "high_tom": 50, "crash": 49, "crash2": 57, "splash": 55,
    "ride": 51, "bell": 53, "ride2": 59, "tambourine": 54, "cowbell": 56, "bongo": 60, "low_bongo": 61,
    "conga": 63, "low_conga": 64, "shaker": 70, "woodblock": 76, "triangle": 81,
})  # fmt: skip
BEAT, FILL, OPENING, FINAL = "beat", "fill", "opening", "final"
ROLES = (BEAT, FILL, OPENING, FINAL)

Span = tuple[int, int]


@dataclass(frozen=True)
class Instrument:
    """A General MIDI program that plays some voices, or a drum kit.

    range        lowest and highest pitch; a note outside is moved by octaves
    transpose    semitones added to what it plays, 12 for a doubling in octaves
    level        added to every velocity
    pedal        whether the sustain pedal follows the chords
    drums        a kit: `program` says which, and its voices are the drum patterns' rows
    pan          position in the stereo image, -1 left to 1 right
    reverb_send  how much of it is sent to the reverberation, 0..1
    from_energy, until_energy   it plays in the parts of a piece whose energy is between them, 0..1
    enters, leaves              the part it may first play in, 1 or more, and how many parts at the end go without it
    """

    name: str
    program: int
    voices: tuple[str, ...]
    range: Span
    transpose: int = 0
    level: int = 0
    pedal: bool = False
    drums: bool = False
    pan: float = 0.0
    reverb_send: float = 0.3
    from_energy: float = 0.0
    until_energy: float = 1.0
    enters: int = 1
    leaves: int = 0


@dataclass(frozen=True)
class Pattern:
    """An accompaniment pattern or a motif: rows by voice, all of one length, a whole number of times `grid` columns.

    One that is `fitted` was generated for the step it is played in, however short that is.
    """

    name: str
    grid: int
    rows: Mapping[str, str]
    fitted: bool = False

    @property
    def steps(self) -> int:
        """How many chords it lasts before it repeats."""
        return len(next(iter(self.rows.values()))) // self.grid

    def columns(self, voice: str, phase: int) -> str:
        """The columns of one chord, the `phase`th since the pattern began; silence where the voice has no row."""
        row = self.rows.get(voice)
        start = phase % self.steps * self.grid
        return row[start : start + self.grid] if row else SILENCE * self.grid


@dataclass(frozen=True)
class DrumPattern:
    """A drum pattern, `grid` columns a beat, drawn for bars of `beats` beats.

    role    beat, fill (at the end of a phrase), opening (on a part's first downbeat) or final (on the last)
    energy  of a beat: the energy 0..1 it fits best; of the others: the least energy they need
    """

    name: str
    grid: int
    beats: int
    energy: float
    role: str
    rows: Mapping[str, str]

    @property
    def bars(self) -> int:
        """How many bars it lasts before it repeats."""
        return max(1, len(next(iter(self.rows.values()))) // (self.grid * self.beats))

    def columns(self, row: str, bar: int, beats: int) -> str:
        """The columns of its `bar`th bar of `beats` beats: cut for a shorter bar, restarted in a longer one."""
        start = bar % self.bars * self.beats * self.grid
        drawn = self.rows[row][start : start + self.beats * self.grid]
        return (drawn * -(-beats // self.beats))[: beats * self.grid]


@dataclass(frozen=True)
class Registers:
    """Lowest and highest pitch of the voices, and whether a chord's third may be the bass."""

    bass: Span
    upper: Span
    melody: Span
    inversions: bool


@dataclass(frozen=True)
class Style:
    """Everything the arranger knows of a style.

    tempo          beats a minute at arousal -1 and at +1
    balance        added to the velocity of a voice
    cadence        the voices that play the final chord
    melody_from    notes a second (as MuVi-Sync counts density) from which on there is a melody
    swing          share of a beat that its first half takes: .5 is even, .67 a triplet
    approach       share of the changes of harmony that the bass leads into with an approach note
    accompaniment  patterns: those of the style; learned: drawn by the networks of `arranging.accompaniment`, the
                   style's patterns where the density is outside what they learned
    """

    name: str
    tempo: tuple[float, float]
    beats_per_bar: int
    registers: Registers
    balance: Mapping[str, int]
    cadence: tuple[str, ...]
    melody_from: float
    instruments: tuple[Instrument, ...]
    patterns: tuple[Pattern, ...]
    motifs: tuple[Pattern, ...]
    swing: float = 0.5
    approach: float = 0.0
    drums: tuple[DrumPattern, ...] = field(default=())
    accompaniment: str = PATTERNS
