"""Arranging: chords, density, loudness, form and style become notes.

Density drives the texture (which figure plays, see `texture`) and nothing else; loudness drives the velocities and
nothing else; expression (see `expression`) says in which register, how detached and with how much pedal. Chords come
in C major or A minor and are transposed to the key here, once.

N, no chord, is no silence: the harmony before it goes on in the bass alone (at the start the harmony that follows; the
tonic if there is no chord at all).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from video2music import texture
from video2music.chords import Chord
from video2music.errors import OptionError
from video2music.expression import Expression
from video2music.styles import CHORD_VOICES, HOLD, Instrument, Style
from video2music.texture import Grid, Pitches, Strike
from video2music.values import Dynamics, Form, Key, Marker, Note, Pedal, Score, Track
from video2music.voicing import Voicing, voice

# Velocity grows with a power of the loudness, for a synthesizer's amplitude grows with about the square of velocity:
# 35 at a linear RMS of .02, 112 at .4, where MuVi-Sync's loudness runs from .098 to .246 between its quartiles.
SOFT_RMS, SOFT_VELOCITY = 0.02, 35
LOUD_RMS, LOUD_VELOCITY = 0.4, 112
EXPONENT = math.log(LOUD_VELOCITY / SOFT_VELOCITY) / math.log(LOUD_RMS / SOFT_RMS)
FAINTEST, LOUDEST = 16, 122  # velocities

ACCENTS = {"X": 7, "x": 0, "o": -9, HOLD: -9}  # velocity by sign; the upper line's digits have none
DOWNBEAT = 4  # velocity added on the first beat of a bar
SWELL = 3  # velocity added in the middle of a phrase
UNEVEN = 2.5  # standard deviation of the velocity
LATE_S, LATEST_S = 0.004, 0.012  # spread and limit of how late a player strikes; the bass is on time on downbeats
LEGATO_S = 0.03  # a finger leaves its key this long after the next has struck
LEGATO = 0.95  # share of its written length from which a note is bound to the next
DETACHED_S = 0.4  # no note is let go earlier than this before its written end
TOGETHER_S = 0.05  # two voices that strike one key within this time strike it once
ROLL_S = 0.016  # between two voices of the final chord, from low to high
PEDAL_GAP_S = 0.06  # the pedal is up this long when the harmony changes
_LOW_VOICES = ("sub", "bass", "octave")  # those that carry a harmony on through N

LinePitch = Callable[[int, str, int | None], int | None]
"""(step, sign, pitch that sounds) -> pitch of the upper line, None where it is silent."""


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
    between takes: figures and motifs of equal fitness, and the players' unevenness. Without an `expression` all is
    played as it is written.
    """
    if not len(chords) == len(dynamics) == len(form):
        raise OptionError(
            f"the form has {len(form)} steps, but there are {len(chords)} chords and {len(dynamics)} rows of dynamics"
        )
    grid, wanted = Grid.of(form), np.asarray(dynamics.density, float)
    harmony = [chord.transpose(key.shift) for chord in _carried(chords, key)]
    registers, expression = style.registers, expression or Expression.neutral(len(form))
    shifts = _shifts(grid, style, expression)
    voicings = voice(
        harmony, bass=registers.bass, upper=registers.upper, inversions=registers.inversions, shifts=shifts
    )
    bare = [chord.root is None for chord in chords]
    pitches = [_by_voice(pitched, only_low) for pitched, only_low in zip(voicings, bare, strict=True)]
    line = _line_pitch(style, harmony, pitches, shifts)
    notes = [
        *_body(grid, style, line, pitches, wanted, expression.length, rng),
        *_cadence(form, style, harmony[-1], voicings[-1]),
    ]
    played = _performed(sorted(notes), dynamics, form, style, expression, rng)
    pedals = _pedals(grid, pitches, form, expression.pedal)
    tracks = tuple(_track(instrument, played, pedals) for instrument in style.instruments)
    return Score(tracks, form.sections, style.beats_per_bar, key, form.duration_s, _markers(form, markers))


def _carried(chords: Sequence[Chord], key: Key) -> list[Chord]:
    """The chords with each N replaced by the harmony it carries on."""
    home = Chord(0, "maj") if key.mode == "major" else Chord(9, "min")
    sounding = next((chord for chord in chords if chord.root is not None), home)
    harmony = []
    for chord in chords:
        sounding = sounding if chord.root is None else chord
        harmony.append(sounding)
    return harmony


def _by_voice(voicing: Voicing, only_low: bool) -> Pitches:
    bass, *upper = voicing
    everyone = dict(zip(CHORD_VOICES, (max(bass - 12, 0), bass, bass + 12, *upper), strict=True))
    return {name: everyone[name] for name in _LOW_VOICES} if only_low else everyone


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
    spans = {
        "bass": (low, high),
        "octave": (low + 12, high + 12),
        "tenor": (bottom, top - fifth),
        "alto": (bottom + fifth // 2, top - fifth // 2),
        "soprano": (bottom + fifth, top),
        "line": (floor, ceiling),
    }  # the sub is an octave below the bass where its instrument has that, and with the bass where not
    played = [(i.range, i.transpose, spans[voice]) for i in style.instruments for voice in i.voices if voice in spans]
    down = max((lowest - span[0] - up for (lowest, _), up, span in played), default=0)
    up = min((highest - span[1] - up for (_, highest), up, span in played), default=0)
    return min(down, 0), max(up, 0)


def _body(
    grid: Grid,
    style: Style,
    line_pitch: LinePitch,
    pitches: Sequence[Pitches],
    wanted: NDArray[np.float64],
    length: NDArray[np.float64],
    rng: np.random.Generator,
) -> list[Strike]:
    """All that sounds before the final chord: the upper line, and figures that fill the density up."""
    before_last = len(grid) - 1
    motifs = texture.motifs(grid, style, wanted, rng)[:before_last]
    line = list(texture.strikes(grid, motifs, "line", line_pitch))
    players = sum("line" in instrument.voices for instrument in style.instruments)
    room = wanted - players * texture.sounding(grid, line)
    figures = texture.choose(grid, style, pitches, room, rng, length=length)[:before_last]
    chordal = [
        strike
        for name in CHORD_VOICES
        for strike in texture.strikes(grid, figures, name, lambda step, *_, name=name: pitches[step].get(name))
    ]
    return line + chordal


def _line_pitch(style: Style, harmony: Sequence[Chord], pitches: Sequence[Pitches], shifts: Sequence[int]) -> LinePitch:
    """Reads the signs of a motif: a digit counts chord tones up from the one nearest to the line's resting place."""

    def pitch_of(step: int, sign: str, sounding: int | None) -> int | None:
        low, high = (pitch + shifts[step] for pitch in style.registers.line)
        resting = low + (high - low) / 4
        tones = [pitch for pitch in range(low, high + 1) if pitch % 12 in harmony[step].pitch_classes]
        if "soprano" not in pitches[step]:  # N: the bass is alone
            return None
        if sign == HOLD:
            return min(tones, key=lambda tone: abs(tone - sounding)) if sounding is not None else None
        nearest = min(range(len(tones)), key=lambda index: abs(tones[index] - resting))
        return tones[min(nearest + int(sign), len(tones) - 1)]

    return pitch_of


def _cadence(form: Form, style: Style, chord: Chord, voicing: Voicing) -> list[Strike]:
    """The final chord, rolled from low to high on the last downbeat and held to end_s; the line ends on the root."""
    start_s = float(form.steps_s[-1])
    roll_s = min(ROLL_S, 0.01 * (form.end_s - start_s))
    low, high = style.registers.line
    roots = [pitch for pitch in range(low, high + 1) if pitch % 12 == chord.pitch_classes[0]]
    above = [root for root in roots if root > voicing[-1]] or roots[-1:]
    tops = {**_by_voice(voicing, only_low=False), "line": above[0]}
    order = [name for name in (*CHORD_VOICES, "line") if name in style.cadence]
    return [Strike(start_s + place * roll_s, form.end_s, tops[name], "X", name) for place, name in enumerate(order)]


def velocity_of(loudness: NDArray[np.floating] | float) -> NDArray[np.float64]:
    """Velocity, not rounded, of a linear RMS loudness on MuVi-Sync's scale; it rises with it over the whole range."""
    return LOUD_VELOCITY * (np.maximum(loudness, 0) / LOUD_RMS) ** EXPONENT


def _performed(
    notes: Sequence[Strike],
    dynamics: Dynamics,
    form: Form,
    style: Style,
    expression: Expression,
    rng: np.random.Generator,
) -> list[tuple[str, Note]]:
    """Notes as players strike them: velocity from the loudness, the touch and the metre, all a little uneven."""
    onsets = np.array([note.start_s for note in notes])
    bar = np.maximum(np.searchsorted(form.bars_s, onsets + 1e-6) - 1, 0)
    on_downbeat = np.abs(form.bars_s[bar] - onsets) < 1e-6
    bar_s = np.diff(np.append(form.bars_s, form.end_s))[bar]
    in_phrase = np.clip((bar % texture.PHRASE_BARS + (onsets - form.bars_s[bar]) / bar_s) / texture.PHRASE_BARS, 0, 1)
    velocity = velocity_of(np.interp(onsets, form.steps_s, dynamics.loudness))
    velocity += np.interp(onsets, form.steps_s, expression.velocity)
    length = expression.length[np.searchsorted(form.steps_s, onsets + 1e-6) - 1]
    velocity += [ACCENTS.get(note.sign, 0) + style.balance.get(note.voice, 0) for note in notes]
    velocity += DOWNBEAT * on_downbeat + SWELL * np.sin(np.pi * in_phrase) + rng.normal(0, UNEVEN, len(notes))
    late_s = np.minimum(np.abs(rng.normal(0, LATE_S, len(notes))), LATEST_S)
    final_s = form.steps_s[-1]
    played = []
    rows = (velocity.tolist(), late_s.tolist(), on_downbeat, length.tolist())
    for note, loud, late, downbeat, share in zip(notes, *rows, strict=True):
        on_time = note.start_s >= final_s or (downbeat and note.voice in _LOW_VOICES)
        start_s = note.start_s + (0.0 if on_time else min(late, 0.1 * (note.end_s - note.start_s)))
        end_s = form.end_s if note.start_s >= final_s else min(_released_s(note, share), form.end_s)
        level = min(max(round(loud), FAINTEST), LOUDEST)
        played.append((note.voice, Note(float(start_s), end_s, note.pitch, level)))
    return played


def _released_s(note: Strike, length: float) -> float:
    """When the finger leaves the key of a note that is held for a share of its written length."""
    if length >= LEGATO:
        return note.end_s + LEGATO_S
    return note.end_s - min((1 - length) * (note.end_s - note.start_s), DETACHED_S)


def _track(instrument: Instrument, played: Sequence[tuple[str, Note]], pedals: tuple[Pedal, ...]) -> Track:
    notes = [_placed(note, instrument) for name, note in played if name in instrument.voices]
    return Track(instrument.name, instrument.program, tuple(_unmixed(notes)), pedals=pedals if instrument.pedal else ())


def _placed(note: Note, instrument: Instrument) -> Note:
    """The note within the instrument's range, moved by octaves."""
    low, high = instrument.range
    pitch = note.pitch + instrument.transpose
    pitch = low + (pitch - low) % 12 if pitch < low else high - (high - pitch) % 12 if pitch > high else pitch
    return Note(note.start_s, note.end_s, pitch, min(max(note.velocity + instrument.level, 1), 127))


def _unmixed(notes: Sequence[Note]) -> list[Note]:
    """One key sounds once: notes of a pitch that start together are one, and one that is struck again ends there."""
    kept: list[Note] = []
    for note in sorted(notes, key=lambda note: (note.pitch, note.start_s)):
        before = kept[-1] if kept else None
        if before and before.pitch == note.pitch and before.end_s > note.start_s:
            together = note.start_s - before.start_s < TOGETHER_S
            end_s = max(before.end_s, note.end_s) if together else note.start_s
            loudest = max(before.velocity, note.velocity) if together else before.velocity
            kept[-1] = Note(before.start_s, end_s, note.pitch, loudest)
            if together:
                continue
        kept.append(note)
    return sorted(kept)


def _pedals(grid: Grid, pitches: Sequence[Pitches], form: Form, share: NDArray[np.float64]) -> tuple[Pedal, ...]:
    """Down from the first chord, renewed with every change of harmony and every bar, up at end_s.

    Where the `share` (N,) of a step is below 1 the pedal comes up that much earlier, and where it is next to nothing it
    stays up.
    """
    changes = [
        step
        for step in range(len(grid))
        if not step or pitches[step] != pitches[step - 1] or grid.bar[step] != grid.bar[step - 1]
    ]
    moments = []
    for step, after in pairwise([*changes, len(grid)]):
        start_s, end_s = float(grid.starts_s[step]), float(grid.ends_s[after - 1])
        gap_s = min(PEDAL_GAP_S, float(grid.ends_s[step] - start_s) / 4) if step else 0.0
        held_s = (end_s - start_s) * float(share[step:after].mean()) if after < len(grid) else end_s - start_s
        if held_s > gap_s:
            moments += [Pedal(start_s + gap_s, down=True), Pedal(min(start_s + held_s, end_s), down=False)]
    return tuple(moments)


def _markers(form: Form, markers: Iterable[Marker]) -> tuple[Marker, ...]:
    sections = [Marker(section.start_s, f"section {number}") for number, section in enumerate(form.sections, start=1)]
    return tuple(sorted([*markers, *sections], key=lambda marker: marker.time_s))
