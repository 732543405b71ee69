"""Degenerate pieces: what no judge needs to hear, because nobody would keep it.

Each gate looks at a piece, or at as much of it as is written, and says in a sentence what is wrong, or nothing.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from types import MappingProxyType

from video2music.arranging.playing import LOUDEST
from video2music.composing.composition import Composition
from video2music.values import Note, Score

STUCK_SHARE, STUCK_STEPS = 0.7, 8  # of the steps that one chord takes; in shorter pieces nothing is stuck
SILENT_S = 4.0
PITCH_SHARE, FEWEST_PITCHES, FEW_NOTES = 0.5, 4, 12
CEILING_SHARE = 0.5


def stuck_chord(composition: Composition, score: Score) -> str | None:
    """One chord takes nearly all of the piece, or an unbroken stretch that long."""
    chords = composition.chords
    if len(chords) < STUCK_STEPS:
        return None
    chord, steps = Counter(chords).most_common(1)[0]
    if steps > STUCK_SHARE * len(chords):
        return f"the chord {chord} takes {steps} of {len(chords)} steps"
    chord, steps = max(((chord, len(list(run))) for chord, run in groupby(chords)), key=lambda run: run[1])
    return f"the chord {chord} lasts {steps} steps without a change" if steps >= 2 * STUCK_STEPS else None


def silence(composition: Composition, score: Score) -> str | None:
    """Nothing sounds for a while."""
    sounding_s, gap_s = 0.0, 0.0
    for note in _notes(score):
        gap_s = max(gap_s, note.start_s - sounding_s)
        sounding_s = max(sounding_s, note.end_s)
    gap_s = max(gap_s, composition.form.end_s - sounding_s)
    longest_s = min(SILENT_S, composition.form.end_s / 2)
    return f"nothing sounds for {gap_s:.1f} s" if gap_s > longest_s else None


def one_note(composition: Composition, score: Score) -> str | None:
    """One pitch is struck over and over, by others than drums."""
    pitches = Counter(note.pitch for track in score.tracks if not track.drums for note in track.notes)
    struck = pitches.total()
    if struck < FEW_NOTES:
        return None
    pitch, times = pitches.most_common(1)[0]
    if times > PITCH_SHARE * struck:
        return f"the pitch {pitch} takes {times} of {struck} notes"
    return f"only {len(pitches)} pitches are played" if len(pitches) < FEWEST_PITCHES else None


def ceiling(composition: Composition, score: Score) -> str | None:
    """The notes are as loud as notes can be: nothing is louder than anything else."""
    notes = _notes(score)
    at_ceiling = sum(note.velocity >= LOUDEST for note in notes)
    return f"{at_ceiling} of {len(notes)} notes are at the loudest" if at_ceiling > CEILING_SHARE * len(notes) else None


GATES = MappingProxyType({
    "stuck chord": stuck_chord,
    "silence": silence,
    "one note": one_note,
    "ceiling": ceiling,
})  # fmt: skip


def faults(composition: Composition, score: Score) -> tuple[str, ...]:
    """The sentence of every gate that a piece does not pass."""
    found = (gate(composition, score) for gate in GATES.values())
    return tuple(sentence for sentence in found if sentence)


def _notes(score: Score) -> Sequence[Note]:
    return sorted(note for track in score.tracks for note in track.notes)
