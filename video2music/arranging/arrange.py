"""Arranging: chords, density, loudness, form and style become notes.

Density drives the texture (which figure plays, see `texture`), loudness the velocities (see `playing`); both together
are the energy, which says who plays in which part (see `ensemble`) and what the drums do (see `drums`). Expression says
in which register, how detached and with how much pedal. Chords come in C major or A minor and are transposed to the key
here, once. The upper line is written in `melody`, the bass's way into the next chord in `bass`.

N, no chord, is no silence: the harmony before it goes on in the bass alone (at the start the harmony that follows; the
tonic if there is no chord at all).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from video2music.arranging import bass, drums, melody, playing, texture
from video2music.arranging.expression import Expression
from video2music.arranging.grid import Grid, active_instruments, bands, energies, parts
from video2music.arranging.texture import Harmony, Pitches, Strike
from video2music.arranging.voicing import Voicing, voice
from video2music.chords import Chord
from video2music.errors import OptionError
from video2music.styles import CHORD_VOICES, PAD, Style
from video2music.values import Dynamics, Form, Key, Marker, Score

ROLL_S = 0.016  # between two voices of the final chord, from low to high
LONGEST_ROLL = 0.01  # share of the final chord's time that is between two voices at most
_LOW_VOICES = ("sub", "bass", "pulse", "octave")  # those that carry a harmony on through N


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
    between takes: figures and motifs of equal fitness, drum fills, approaches of the bass, and the players' unevenness.
    Without an `expression` all is played as it is written.
    """
    if not len(chords) == len(dynamics) == len(form):
        raise OptionError(
            f"the form has {len(form)} steps, but there are {len(chords)} chords and {len(dynamics)} rows of dynamics"
        )
    grid, expression = Grid.of(form), expression or Expression.neutral(len(form))
    part = parts(grid)
    energy = energies(dynamics, part)
    there = active_instruments(style, part, energy)
    grid = replace(grid, part=part, bands=bands(style, part, there))
    harmony = _harmonised(chords, grid, style, expression, key)
    line, chordal = _body(grid, style, harmony, np.asarray(dynamics.density, float), expression.length, rng)
    chordal = bass.approached(chordal, grid=grid, form=form, style=style, harmony=harmony, rng=rng)
    beaten = _beaten(form, style, part, energy, there, rng)
    final = _cadence(form, style, grid, harmony)
    notes = playing.swung(sorted([*line, *chordal, *beaten, *final]), form, style.swing)
    played = playing.performed(notes, dynamics, form, style, expression, rng)
    pedals = playing.pedalled(grid, harmony.pitches, expression.pedal)
    tracks = tuple(
        playing.track(instrument, played, row, form, pedals)
        for instrument, row in zip(style.instruments, there, strict=True)
    )
    return Score(tracks, form.tempi, form.metres, key, form.duration_s, _markers(form, markers))


def _harmonised(chords: Sequence[Chord], grid: Grid, style: Style, expression: Expression, key: Key) -> Harmony:
    """The chords as they sound in the key, led from voice to voice. N is the bass alone, but for the final chord."""
    sounding = [chord.transpose(key.shift) for chord in _carried(chords, key)]
    shifts, registers = _shifts(grid, style, expression), style.registers
    voicings = voice(
        sounding, bass=registers.bass, upper=registers.upper, inversions=registers.inversions, shifts=shifts
    )
    bare = [chord.root is None for chord in chords[:-1]] + [False]
    pitches = [_by_voice(*one) for one in zip(voicings, sounding, bare, strict=True)]
    return Harmony(sounding, pitches, shifts, key)


def _carried(chords: Sequence[Chord], key: Key) -> list[Chord]:
    """The chords with each N replaced by the harmony it carries on."""
    home = Chord(0, "maj") if key.mode == "major" else Chord(9, "min")
    sounding = next((chord for chord in chords if chord.root is not None), home)
    harmony = []
    for chord in chords:
        sounding = sounding if chord.root is None else chord
        harmony.append(sounding)
    return harmony


def _by_voice(voicing: Voicing, chord: Chord, only_low: bool) -> Pitches:
    """The pitch of each voice. Over a third in the bass `octave` takes the root: a third is not doubled."""
    low, *upper = voicing
    root = chord.pitch_classes[0]
    above = low + ((root - low) % 12 or 12)
    everyone = dict(zip(_LOW_VOICES, (max(low - 12, 0), low, low, above), strict=True))
    if not only_low:
        everyone |= dict(zip(("tenor", "alto", "soprano"), upper, strict=True)) | dict(zip(PAD, upper, strict=True))
    return everyone


def _shifts(grid: Grid, style: Style, expression: Expression) -> list[int]:
    """Semitones by which each step's voices move: one number a section, so that no melody breaks."""
    steps = np.bincount(grid.section)
    mean = np.bincount(grid.section, expression.register) / np.maximum(steps, 1)
    return np.clip(np.rint(mean), *_room(style))[grid.section].astype(int).tolist()


def _room(style: Style) -> tuple[int, int]:
    """How many semitones all voices may move down and up before one of them leaves an instrument's range.

    The upper voices share a register, the tenor its lower and the soprano its upper part.
    """
    (low, high), (bottom, top), (floor, ceiling) = style.registers.bass, style.registers.upper, style.registers.line
    fifth = 7
    tenor, alto, soprano = (bottom, top - fifth), (bottom + fifth // 2, top - fifth // 2), (bottom + fifth, top)
    spans = {
        "bass": (low, high),
        "octave": (low + 12, high + 12),
        **dict(zip(("tenor", "alto", "soprano"), (tenor, alto, soprano), strict=True)),
        **dict(zip(PAD, (tenor, alto, soprano), strict=True)),
        "line": (floor, ceiling),
    }  # sub and pulse are where their instruments have them
    played = [(i.range, i.transpose, spans[voice]) for i in style.instruments for voice in i.voices if voice in spans]
    down = max((lowest - span[0] - up for (lowest, _), up, span in played), default=0)
    up = min((highest - span[1] - up for (_, highest), up, span in played), default=0)
    return min(down, 0), max(up, 0)


def _body(
    grid: Grid,
    style: Style,
    harmony: Harmony,
    wanted: NDArray[np.float64],
    length: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[list[Strike], list[Strike]]:
    """What sounds before the final chord, but for drums: the upper line, and figures that fill the density up."""
    before_last = len(grid) - 1
    motifs = melody.motifs(grid, style, wanted, rng)[:before_last]
    line = melody.sung(grid, motifs, style, harmony)
    room = wanted - grid.octaves("line") * texture.sounding(grid, line)
    figures = texture.choose(grid, style, harmony.pitches, room, rng, length=length)[:before_last]
    chordal = [
        strike
        for name in CHORD_VOICES
        for strike in texture.strikes(grid, figures, name, lambda step, *_, name=name: harmony.pitches[step].get(name))
    ]
    return line, chordal


def _beaten(
    form: Form,
    style: Style,
    part: NDArray[np.int64],
    energy: NDArray[np.float64],
    there: NDArray[np.bool_],
    rng: np.random.Generator,
) -> list[Strike]:
    """What the drums play, where the style has any."""
    kit = next((row for instrument, row in zip(style.instruments, there, strict=True) if instrument.drums), None)
    return [] if kit is None else drums.strikes(form, style, part=part, energy=energy, plays=kit, rng=rng)


def _cadence(form: Form, style: Style, grid: Grid, harmony: Harmony) -> list[Strike]:
    """The final chord, rolled from low to high on the last downbeat and held to end_s; the line ends on the root.

    Where nobody is there to play the style's cadence, those who are there end with what they have.
    """
    start_s = float(form.steps_s[-1])
    roll_s = min(ROLL_S, LONGEST_ROLL * (form.end_s - start_s))
    low, high = style.registers.line
    roots = [pitch for pitch in range(low, high + 1) if pitch % 12 == harmony.chords[-1].pitch_classes[0]]
    above = [root for root in roots if root > harmony.pitches[-1]["soprano"]] or roots[-1:]
    tops = {**harmony.pitches[-1], "line": above[0]}
    there = [name for name in (*CHORD_VOICES, "line") if grid.octaves(name)[-1]]
    order = [name for name in there if name in style.cadence] or there
    rolled = {pitch: place for place, pitch in enumerate(sorted({tops[name] for name in order}))}
    return [Strike(start_s + rolled[tops[name]] * roll_s, form.end_s, tops[name], "X", name) for name in order]


def _markers(form: Form, markers: Iterable[Marker]) -> tuple[Marker, ...]:
    sections = [Marker(section.start_s, f"section {number}") for number, section in enumerate(form.sections, start=1)]
    return tuple(sorted([*markers, *sections], key=lambda marker: marker.time_s))
