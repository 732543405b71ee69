"""Checks for degenerate pieces, which the search rejects without asking a judge.

Each check takes a piece, or as much of it as is written, and returns a sentence that says what is wrong, or None.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from types import MappingProxyType

from video2music.arranging.playing import MAX_VELOCITY
from video2music.composing.composition import Composition
from video2music.values import Note, Score

STUCK_SHARE = 0.7  # of the steps that one chord takes
STUCK_STEPS = 8  # in shorter pieces no chord is stuck
SILENT_S = 4.0  # or half of a piece shorter than twice that
PITCH_SHARE = 0.5  # of the notes that have one pitch
FEWEST_PITCHES, FEW_NOTES = 4, 12  # pieces of fewer notes may have fewer pitches
CEILING_SHARE = 0.5  # of the notes at the highest velocity


def stuck_chord(composition: Composition, score: Score) -> str | None:
    """One chord takes most of the piece, or does not change for long."""
    chords = composition.chords
    if len(chords) < STUCK_STEPS:
        return None
    chord, steps = Counter(chords).most_common(1)[0]
    if steps > STUCK_SHARE * len(chords):
        return f"the chord {chord} takes {steps} of {len(chords)} steps"
    chord, steps = max(((chord, len(list(run))) for chord, run in groupby(chords)), key=lambda run: run[1])
    return f"the chord {chord} lasts {steps} steps without a change" if steps >= 2 * STUCK_STEPS else None


def silence(composition: Composition, score: Score) -> str | None:
    """No note sounds for long."""
    sounding_s, gap_s = 0.0, 0.0
    for note in _notes(score):
        gap_s = max(gap_s, note.start_s - sounding_s)
        sounding_s = max(sounding_s, note.end_s)
    gap_s = max(gap_s, composition.form.end_s - sounding_s)
    longest_s = min(SILENT_S, composition.form.end_s / 2)
    return f"nothing sounds for {gap_s:.1f} s" if gap_s > longest_s else None


def one_note(composition: Composition, score: Score) -> str | None:
    """One pitch takes most of the notes, drums apart, or there are hardly any pitches."""
    pitches = Counter(note.pitch for track in score.tracks if not track.drums for note in track.notes)
    notes = pitches.total()
    if notes < FEW_NOTES:
        return None
    pitch, times = pitches.most_common(1)[0]
    if times > PITCH_SHARE * notes:
        return f"the pitch {pitch} takes {times} of {notes} notes"
    return f"only {len(pitches)} pitches are played" if len(pitches) < FEWEST_PITCHES else None


def ceiling(composition: Composition, score: Score) -> str | None:
    """Most notes have the highest velocity, so that there are no dynamics."""
    notes = _notes(score)
    at_ceiling = sum(note.velocity >= MAX_VELOCITY for note in notes)
    return f"{at_ceiling} of {len(notes)} notes are at the loudest" if at_ceiling > CEILING_SHARE * len(notes) else None


CHECKS = MappingProxyType({
    "stuck chord": stuck_chord,
    "silence": silence,
    "one note": one_note,
    "ceiling": ceiling,
})  # fmt: skip


def faults(composition: Composition, score: Score) -> tuple[str, ...]:
    """The sentence of every check that a piece fails."""
    found = (check(composition, score) for check in CHECKS.values())
    return tuple(sentence for sentence in found if sentence)


def _notes(score: Score) -> Sequence[Note]:
    return sorted(note for track in score.tracks for note in track.notes)
