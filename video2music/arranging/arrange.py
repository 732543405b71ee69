"""Arranging: chords, density, loudness, form and style become notes.

Density chooses the accompaniment patterns (`texture`), loudness the velocities (`playing`); both together are the
energy, which says which instruments play in which part (`grid`) and what the drums play (`drums`). Expression sets the
register, articulation and pedal. Chords come in C major or A minor and are transposed to the key here, once. The melody
is written in `melody`, the bass's approach notes in `bass`.

N (no chord) is not silence: the harmony before it goes on in the bass alone; at the start the harmony that follows, or
the tonic if there is no chord at all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from video2music.arranging import bass, drums, melody, playing, texture
from video2music.arranging.expression import Expression
from video2music.arranging.grid import (
    Floats,
    Grid,
    active_instruments,
    part_energies,
    parts_of,
    players_by_part,
)
from video2music.arranging.texture import NoteEvent, Pitches, VoicedHarmony
from video2music.arranging.voicing import Voicing, carried_through, voice
from video2music.chords import Chord
from video2music.errors import OptionError
from video2music.styles import CHORD_VOICES, MELODY, PAD, Style
from video2music.values import Dynamics, Form, Key, Marker, Score

ROLL_S = 0.016  # between two voices of the final chord, from low to high
MAX_ROLL = 0.01  # the same as a share of the final chord's time, at most
_LOW_VOICES = ("sub", "bass", "pulse", "octave")  # those that carry a harmony on through N
_FIFTH = 7  # semitones


def arrange(
    chords: Sequence[Chord],
    dynamics: Dynamics,
    form: Form,
    style: Style,
    *,
    key: Key,
    rng: np.random.Generator,
    markers: Iterable[Marker] = (),
    expression: Expression | None = None,
) -> Score:
    """The score of a clip: one chord and one row of dynamics per step of the form; raises OptionError if they differ.

    `chords` are in C major or A minor, the score sounds in `key`. The final chord is struck on the last downbeat and
    held to end_s. The score's markers are the given ones and the starts of the sections. `rng` draws what varies
    between seeds: patterns and motifs of equal fitness, drum fills, approach notes, and the players' unevenness.
    Without an `expression` all is played as it is written.
    """
    if not len(chords) == len(dynamics) == len(form):
        raise OptionError(
            f"the form has {len(form)} steps, but there are {len(chords)} chords and {len(dynamics)} rows of dynamics"
        )
    grid, expression = Grid.of(form), expression or Expression.neutral(len(form))
    part = parts_of(grid)
    energy = part_energies(dynamics, part)
    active = active_instruments(style, part, energy)
    grid = replace(grid, part=part, players=players_by_part(style, part, active))
    harmony = _harmony(chords, grid, style, expression, key)
    wanted = np.asarray(dynamics.density, float)
    # The order of the draws below is part of what a seed means: motifs, patterns, approaches, drums, playing.
    melodic, chordal = _pitched_events(grid, style, harmony, wanted, expression.length, rng)
    chordal = bass.with_approaches(chordal, grid=grid, form=form, style=style, harmony=harmony, rng=rng)
    kit = next((row for instrument, row in zip(style.instruments, active, strict=True) if instrument.drums), None)
    percussive = [] if kit is None else drums.drum_events(form, style, part=part, energy=energy, plays=kit, rng=rng)
    final = _final_chord(form, style, grid, harmony)
    # Swing moves written times, so it comes before the random deviations of `performed`.
    notes = playing.swung(sorted([*melodic, *chordal, *percussive, *final]), form, style.swing)
    played = playing.performed(notes, dynamics, form, style, expression, rng)
    pedals = playing.pedals_of(grid, harmony.pitches, expression.pedal)
    tracks = tuple(
        playing.track_of(instrument, played, row, form, pedals)
        for instrument, row in zip(style.instruments, active, strict=True)
    )
    sections = [Marker(section.start_s, f"section {number}") for number, section in enumerate(form.sections, start=1)]
    in_order = tuple(sorted([*markers, *sections], key=lambda marker: marker.time_s))
    return Score(tracks, form.tempi, form.metres, key, form.duration_s, in_order)


def _harmony(chords: Sequence[Chord], grid: Grid, style: Style, expression: Expression, key: Key) -> VoicedHarmony:
    """The chords as they sound in the key, with voice leading. N is the bass alone, but for the final chord."""
    tonic = Chord(0, "maj") if key.mode == "major" else Chord(9, "min")
    sounding = [chord.transpose(key.shift) for chord in carried_through(chords, tonic)]
    # One shift a section, so that no melody breaks in the middle of a phrase.
    mean_shift = np.bincount(grid.section, expression.register) / np.maximum(np.bincount(grid.section), 1)
    shifts: list[int] = np.clip(np.rint(mean_shift), *_shift_limits(style))[grid.section].astype(int).tolist()
    registers = style.registers
    voicings = voice(
        sounding, bass=registers.bass, upper=registers.upper, inversions=registers.inversions, shifts=shifts
    )
    bass_only = [chord.root is None for chord in chords[:-1]] + [False]
    pitches = [_pitches_by_voice(*one) for one in zip(voicings, sounding, bass_only, strict=True)]
    return VoicedHarmony(sounding, pitches, shifts, key)


def _pitches_by_voice(voicing: Voicing, chord: Chord, bass_only: bool) -> Pitches:
    """The pitch of each voice. Over a third in the bass, `octave` takes the root, because a third is not doubled."""
    low, *upper = voicing
    root = chord.pitch_classes[0]
    octave = low + ((root - low) % 12 or 12)
    pitches = dict(zip(_LOW_VOICES, (max(low - 12, 0), low, low, octave), strict=True))
    if not bass_only:
        pitches |= dict(zip(("tenor", "alto", "soprano"), upper, strict=True)) | dict(zip(PAD, upper, strict=True))
    return pitches


def _shift_limits(style: Style) -> tuple[int, int]:
    """How many semitones all voices may move down and up before one of them leaves an instrument's range.

    The upper voices share a register, the tenor its lower and the soprano its upper part.
    """
    (low, high), (bottom, top) = style.registers.bass, style.registers.upper
    upper = ((bottom, top - _FIFTH), (bottom + _FIFTH // 2, top - _FIFTH // 2), (bottom + _FIFTH, top))
    spans = {
        "bass": (low, high),
        "octave": (low + 12, high + 12),
        **dict(zip(("tenor", "alto", "soprano"), upper, strict=True)),
        **dict(zip(PAD, upper, strict=True)),
        MELODY: style.registers.melody,
    }  # sub and pulse set no limit: their instruments take them in any octave
    played = [(i.range, i.transpose, spans[voice]) for i in style.instruments for voice in i.voices if voice in spans]
    down = max((lowest - span[0] - up for (lowest, _), up, span in played), default=0)
    up = min((highest - span[1] - up for (_, highest), up, span in played), default=0)
    return min(down, 0), max(up, 0)


def _pitched_events(
    grid: Grid, style: Style, harmony: VoicedHarmony, wanted: Floats, length: Floats, rng: np.random.Generator
) -> tuple[list[NoteEvent], list[NoteEvent]]:
    """Melody and accompaniment before the final chord: the accompaniment adds the density that the melody lacks."""
    before_last = len(grid) - 1
    motifs = melody.choose_motifs(grid, style, wanted, rng)[:before_last]
    melodic = melody.melody_events(grid, motifs, style, harmony)
    remaining = wanted - grid.doublings(MELODY) * texture.event_density(grid, melodic)
    patterns = texture.choose_patterns(grid, style, harmony.pitches, remaining, rng, length=length)[:before_last]
    chordal = [
        event
        for name in CHORD_VOICES
        for event in texture.note_events(
            grid, patterns, name, lambda step, *_, name=name: harmony.pitches[step].get(name)
        )
    ]
    return melodic, chordal


def _final_chord(form: Form, style: Style, grid: Grid, harmony: VoicedHarmony) -> list[NoteEvent]:
    """The final chord, rolled from low to high on the last downbeat and held to end_s; the melody ends on the root.

    Where no active instrument has a voice of the style's cadence, those that are active play what they have.
    """
    start_s = float(form.steps_s[-1])
    roll_s = min(ROLL_S, MAX_ROLL * (form.end_s - start_s))
    low, high = style.registers.melody
    roots = [pitch for pitch in range(low, high + 1) if pitch % 12 == harmony.chords[-1].pitch_classes[0]]
    above = [root for root in roots if root > harmony.pitches[-1]["soprano"]] or roots[-1:]
    pitches = {**harmony.pitches[-1], MELODY: above[0]}
    active = [name for name in (*CHORD_VOICES, MELODY) if grid.doublings(name)[-1]]
    voices = [name for name in active if name in style.cadence] or active
    rank = {pitch: place for place, pitch in enumerate(sorted({pitches[name] for name in voices}))}
    return [NoteEvent(start_s + rank[pitches[name]] * roll_s, form.end_s, pitches[name], "X", name) for name in voices]
