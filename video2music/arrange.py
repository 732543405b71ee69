"""Arranging: chords, density, loudness, form and style become notes.

Density drives the texture (which figure plays, see `texture`) and nothing else; loudness drives the velocities and
nothing else. Chords come in C major or A minor and are transposed to the key here, once.

N, no chord, is no silence: the harmony before it goes on in the bass alone (at the start the harmony that follows; the
tonic if there is no chord at all).
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from video2music import texture
from video2music.chords import Chord
from video2music.errors import OptionError
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
TOGETHER_S = 0.05  # two voices that strike one key within this time strike it once
ROLL_S = 0.016  # between two voices of the final chord, from low to high
PEDAL_GAP_S = 0.06  # the pedal is up this long when the harmony changes
_LOW_VOICES = ("sub", "bass", "octave")  # those that carry a harmony on through N


def arrange(
    chords: Sequence[Chord],
    dynamics: Dynamics,
    form: Form,
    style: Style,
    *,
    key: Key,
    rng: np.random.Generator,
    markers: Iterable[Marker] = (),
) -> Score:
    """The score of a clip: one chord and one row of dynamics per step of the form; raises OptionError if they differ.

    `chords` are in C major or A minor, the score sounds in `key`. The final chord is struck on the last downbeat and
    held to end_s. The score's markers are the given ones and the starts of the sections. `rng` draws what varies
    between takes: figures and motifs of equal fitness, and the players' unevenness.
    """
    if not len(chords) == len(dynamics) == len(form):
        raise OptionError(
            f"the form has {len(form)} steps, but there are {len(chords)} chords and {len(dynamics)} rows of dynamics"
        )
    grid, wanted = Grid.of(form), np.asarray(dynamics.density, float)
    harmony = [chord.transpose(key.shift) for chord in _carried(chords, key)]
    registers = style.registers
    voicings = voice(harmony, bass=registers.bass, upper=registers.upper, inversions=registers.inversions)
    bare = [chord.root is None for chord in chords]
    pitches = [_by_voice(pitched, only_low) for pitched, only_low in zip(voicings, bare, strict=True)]
    notes = [*_body(grid, style, harmony, pitches, wanted, rng), *_cadence(form, style, harmony[-1], voicings[-1])]
    played = _performed(sorted(notes), dynamics, form, style, rng)
    pedals = _pedals(grid, pitches, form)
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


def _body(
    grid: Grid,
    style: Style,
    harmony: Sequence[Chord],
    pitches: Sequence[Pitches],
    wanted: NDArray[np.float64],
    rng: np.random.Generator,
) -> list[Strike]:
    """All that sounds before the final chord: the upper line, and figures that fill the density up."""
    before_last = len(grid) - 1
    motifs = texture.motifs(grid, style, wanted, rng)[:before_last]
    line = list(texture.strikes(grid, motifs, "line", _line_pitch(style, harmony, pitches)))
    players = sum("line" in instrument.voices for instrument in style.instruments)
    room = wanted - players * texture.sounding(grid, line)
    figures = texture.choose(grid, style, pitches, room, rng)[:before_last]
    chordal = [
        strike
        for name in CHORD_VOICES
        for strike in texture.strikes(grid, figures, name, lambda step, *_, name=name: pitches[step].get(name))
    ]
    return line + chordal


def _line_pitch(style: Style, harmony: Sequence[Chord], pitches: Sequence[Pitches]):
    """Reads the signs of a motif: a digit counts chord tones up from the one nearest to the line's resting place."""
    low, high = style.registers.line
    resting = low + (high - low) / 4

    def pitch_of(step: int, sign: str, sounding: int | None) -> int | None:
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
    notes: Sequence[Strike], dynamics: Dynamics, form: Form, style: Style, rng: np.random.Generator
) -> list[tuple[str, Note]]:
    """Notes as players strike them: velocity from the loudness and the metre, all a little uneven."""
    onsets = np.array([note.start_s for note in notes])
    bar = np.maximum(np.searchsorted(form.bars_s, onsets + 1e-6) - 1, 0)
    on_downbeat = np.abs(form.bars_s[bar] - onsets) < 1e-6
    bar_s = np.diff(np.append(form.bars_s, form.end_s))[bar]
    in_phrase = np.clip((bar % texture.PHRASE_BARS + (onsets - form.bars_s[bar]) / bar_s) / texture.PHRASE_BARS, 0, 1)
    velocity = velocity_of(np.interp(onsets, form.steps_s, dynamics.loudness))
    velocity += [ACCENTS.get(note.sign, 0) + style.balance.get(note.voice, 0) for note in notes]
    velocity += DOWNBEAT * on_downbeat + SWELL * np.sin(np.pi * in_phrase) + rng.normal(0, UNEVEN, len(notes))
    late_s = np.minimum(np.abs(rng.normal(0, LATE_S, len(notes))), LATEST_S)
    final_s = form.steps_s[-1]
    played = []
    for note, loud, late, downbeat in zip(notes, velocity.tolist(), late_s.tolist(), on_downbeat, strict=True):
        on_time = note.start_s >= final_s or (downbeat and note.voice in _LOW_VOICES)
        start_s = note.start_s + (0.0 if on_time else min(late, 0.1 * (note.end_s - note.start_s)))
        end_s = min(note.end_s + LEGATO_S, form.end_s)
        level = min(max(round(loud), FAINTEST), LOUDEST)
        played.append((note.voice, Note(float(start_s), end_s, note.pitch, level)))
    return played


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


def _pedals(grid: Grid, pitches: Sequence[Pitches], form: Form) -> tuple[Pedal, ...]:
    """Down from the first chord, renewed with every change of harmony and every bar, up at end_s."""
    moments = [Pedal(float(grid.starts_s[0]), down=True)]
    for step in range(1, len(grid)):
        if pitches[step] != pitches[step - 1] or grid.bar[step] != grid.bar[step - 1]:
            start_s = float(grid.starts_s[step])
            gap_s = min(PEDAL_GAP_S, float(grid.ends_s[step] - start_s) / 4)
            moments += [Pedal(start_s, down=False), Pedal(start_s + gap_s, down=True)]
    return (*moments, Pedal(form.end_s, down=False))


def _markers(form: Form, markers: Iterable[Marker]) -> tuple[Marker, ...]:
    sections = [Marker(section.start_s, f"section {number}") for number, section in enumerate(form.sections, start=1)]
    return tuple(sorted([*markers, *sections], key=lambda marker: marker.time_s))
