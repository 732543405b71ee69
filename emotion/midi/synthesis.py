"""MIDI to sound: a .mid is rendered through a SoundFont in blocks of about a second, whatever its length.

FluidSynth plays where libfluidsynth can be loaded; elsewhere symusic's own synthesizer, which plays notes only (pedal
and pan are applied here) and has no reverb.
Both give the same samples for the same file on one machine. Events fall on FluidSynth's own grid of 64 frames, 1.5 ms
at 44.1 kHz; see https://www.fluidsynth.org/api/.
"""

import ctypes
import importlib
import io
import logging
import math
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.errors import SoundError
from emotion.midi.performance import CENTRE, PAN, PEDAL_DOWN, SUSTAIN, Event, Performance, read
from emotion.midi.soundfont import checked, find_soundfont, in_tune

log = logging.getLogger(__name__)

SAMPLE_RATE = 44_100
GRID = 64  # frames that FluidSynth computes at once

# Linear. FluidSynth's default of .2 is meant for 16-bit output that must not clip; here samples are floats.
GAIN = 1.2
CHUNK_S = 10.0  # of music that symusic renders at once
LONGEST_NOTE_S = 60.0  # for symusic, so that its memory stays bounded

# A short reverb: longer ones blur chord changes. No chorus.
_SETTINGS = MappingProxyType({
    "synth.gain": GAIN,
    "synth.polyphony": 512,  # a held pedal keeps many voices alive
    "synth.cpu-cores": 1,  # more change the order of addition, and so the last bits
    "synth.dynamic-sample-loading": 1,  # reads only the presets that play: FluidR3 opens in .01 to .06 s, not .75 s
    "synth.lock-memory": 0,
    "synth.chorus.active": 0,
    "synth.reverb.active": 1,
    "synth.reverb.room-size": 0.35,
    "synth.reverb.damp": 0.3,
    "synth.reverb.width": 0.7,
    "synth.reverb.level": 0.5,
})  # fmt: skip

Samples = NDArray[np.float32]


def render(
    midi: Path, *, duration_s: float, soundfont: Path | None = None, sample_rate: int = SAMPLE_RATE
) -> Iterator[Samples]:
    """Play a .mid: float32 blocks (frames, 2) of about a second, round(duration_s * sample_rate) frames in all.

    Without a `soundfont` the one of `find_soundfont` plays. Samples are not limited to 1; louder velocities are louder.
    Raises SoundError before the first block.
    """
    return play(read(midi), duration_s=duration_s, soundfont=soundfont, sample_rate=sample_rate)


def play(
    performance: Performance, *, duration_s: float, soundfont: Path | None = None, sample_rate: int = SAMPLE_RATE
) -> Iterator[Samples]:
    """The same for a performance that was read before and may be changed."""
    font = find_soundfont() if soundfont is None else checked(soundfont)
    _warn_without_fluidsynth()
    return _sound(performance, font, duration_s, sample_rate)


def _warn_without_fluidsynth() -> None:
    if _fluidsynth() is None:
        log.warning("libfluidsynth is not installed: symusic's plainer synthesizer plays instead")


def _sound(performance: Performance, font: Path, duration_s: float, sample_rate: int) -> Iterator[Samples]:
    frames, library = round(duration_s * sample_rate), _fluidsynth()
    if library is None:
        return _in_blocks(_play_symusic(performance, font, sample_rate), frames, sample_rate)
    return _play_fluidsynth(FluidSynth(library, font, sample_rate, performance.drums), performance, frames, sample_rate)


def stems(
    midi: Path, *, duration_s: float, soundfont: Path | None = None, sample_rate: int = SAMPLE_RATE
) -> dict[str, Iterator[Samples]]:
    """The same music part by part: blocks as `render` gives, of the same lengths for all, by the names of the tracks.

    The parts add up to what `render` plays, their reverb included, and may be read in any order or side by side; each
    has a synthesizer of its own from its first block to its last. A track without notes is silent. FluidSynth 2.3 fills
    the last 1.5 ms of a voice up with what another one left in its buffer, so that the sum is not the same to the bit:
    it differs in such moments, 60 dB below the music. Raises SoundError.
    """
    performance = read(midi)
    font = find_soundfont() if soundfont is None else checked(soundfont)
    _warn_without_fluidsynth()
    return {
        name: _lazy_sound(_single_part(performance, part), font, duration_s, sample_rate)
        for part, name in enumerate(performance.names)
    }


def _lazy_sound(performance: Performance, font: Path, duration_s: float, sample_rate: int) -> Iterator[Samples]:
    """`_sound` that opens its synthesizer when the first block is asked for: a part that is not read costs nothing."""
    yield from _sound(performance, font, duration_s, sample_rate)


def _single_part(performance: Performance, part: int) -> Performance:
    """One part of a performance."""
    events = tuple(replace(event, part=0) for event in performance.events if event.part == part)
    return Performance(events, performance.drums[part : part + 1], performance.names[part : part + 1])


def synthesizer() -> str:
    """Name and version of the synthesizer that `render` uses here."""
    library = _fluidsynth()
    if library is None:
        return f"symusic {version('symusic')}"
    numbers = [ctypes.c_int() for _ in range(3)]
    library.fluid_version(*numbers)
    return "FluidSynth " + ".".join(str(number.value) for number in numbers)


# Function of libfluidsynth for each message; called with the synthesizer, the channel and the message's values.
_SENDS = MappingProxyType({
    "note_on": "fluid_synth_noteon",
    "note_off": "fluid_synth_noteoff",
    "control_change": "fluid_synth_cc",
    "program_change": "fluid_synth_program_change",
    "pitchwheel": "fluid_synth_pitch_bend",
    "aftertouch": "fluid_synth_channel_pressure",
    "polytouch": "fluid_synth_key_pressure",
})  # fmt: skip
_VALUES = MappingProxyType({"note_off": 1})  # how many are passed; FluidSynth has no release velocity

_LogFunction = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


@_LogFunction  # type: ignore[untyped-decorator]
def _to_log(_level: int, message: bytes, _data: object) -> None:
    log.debug("FluidSynth: %s", message.decode(errors="replace"))


@lru_cache(maxsize=1)
def _fluidsynth() -> ctypes.CDLL | None:
    """libfluidsynth as pyfluidsynth finds it, its messages sent to the log; None where it is not installed."""
    try:
        with redirect_stdout(io.StringIO()):  # with CI in the environment the import prints
            library = ctypes.CDLL(importlib.import_module("fluidsynth").lib)
        for name, result, *arguments in _PROTOTYPES:
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (ImportError, OSError, AttributeError) as error:  # missing, broken, or older than version 2
        log.debug("libfluidsynth: %s", error)
        return None
    for level in range(5):  # panic to debug
        library.fluid_set_log_function(level, _to_log, None)
    return library


_P, _I, _D, _S = ctypes.c_void_p, ctypes.c_int, ctypes.c_double, ctypes.c_char_p
_PROTOTYPES: tuple[tuple[Any, ...], ...] = (
    ("fluid_version", None, *[ctypes.POINTER(_I)] * 3),
    ("fluid_set_log_function", _P, _I, _LogFunction, _P),
    ("new_fluid_settings", _P),
    ("delete_fluid_settings", None, _P),
    ("fluid_settings_setint", _I, _P, _S, _I),
    ("fluid_settings_setnum", _I, _P, _S, _D),
    ("new_fluid_synth", _P, _P),
    ("delete_fluid_synth", None, _P),
    ("fluid_synth_sfload", _I, _P, _S, _I),
    ("fluid_synth_set_channel_type", _I, _P, _I, _I),
    ("fluid_synth_noteon", _I, _P, _I, _I, _I),
    ("fluid_synth_noteoff", _I, _P, _I, _I),
    ("fluid_synth_cc", _I, _P, _I, _I, _I),
    ("fluid_synth_program_change", _I, _P, _I, _I),
    ("fluid_synth_pitch_bend", _I, _P, _I, _I),
    ("fluid_synth_channel_pressure", _I, _P, _I, _I),
    ("fluid_synth_key_pressure", _I, _P, _I, _I, _I),
    ("fluid_synth_write_float", _I, _P, _I, _P, _I, _I, _P, _I, _I),
)
_MELODIC, _DRUMS = 0, 1  # FluidSynth's channel types


class FluidSynth:
    """A synthesizer of its own for one rendering: opening one is cheap and nothing is shared between threads."""

    def __init__(self, library: ctypes.CDLL, soundfont: Path, sample_rate: int, drums: Sequence[bool]) -> None:
        self._library = library
        self._settings = library.new_fluid_settings()
        channels = max(16, -(-len(drums) // 16) * 16)
        chosen = {**_SETTINGS, "synth.sample-rate": float(sample_rate), "synth.midi-channels": channels}
        for name, value in chosen.items():
            put = library.fluid_settings_setnum if isinstance(value, float) else library.fluid_settings_setint
            put(self._settings, name.encode(), value)
        self._synth = library.new_fluid_synth(self._settings)
        if not self._synth or library.fluid_synth_sfload(self._synth, str(soundfont).encode(), 1) < 0:
            self.close()
            raise SoundError(f"FluidSynth cannot load the SoundFont {soundfont}: give another one")
        for channel, drum in enumerate(drums):
            library.fluid_synth_set_channel_type(self._synth, channel, _DRUMS if drum else _MELODIC)
            library.fluid_synth_program_change(self._synth, channel, 0)

    def send(self, event: Event) -> None:
        """Play a message now."""
        values = event.values[: _VALUES.get(event.kind)]
        getattr(self._library, _SENDS[event.kind])(self._synth, event.part, *values)

    def write(self, samples: Samples) -> None:
        """Fill samples (frames, 2) with the sound that comes next."""
        if len(samples):
            start = samples.ctypes.data
            self._library.fluid_synth_write_float(self._synth, len(samples), start, 0, 2, start, 1, 2)

    def close(self) -> None:
        """Free the memory."""
        if self._synth:
            self._library.delete_fluid_synth(self._synth)
        self._library.delete_fluid_settings(self._settings)
        self._synth = None


def _play_fluidsynth(synth: FluidSynth, performance: Performance, frames: int, sample_rate: int) -> Iterator[Samples]:
    try:
        block_size = round(sample_rate / GRID) * GRID
        events = [(round(event.time_s * sample_rate / GRID) * GRID, event) for event in performance.events]
        done = 0
        for start in range(0, frames, block_size):
            block = np.empty((min(block_size, frames - start), 2), np.float32)
            filled = 0
            while done < len(events) and events[done][0] - start < len(block):
                at = events[done][0] - start
                synth.write(block[filled:at])
                synth.send(events[done][1])
                filled, done = at, done + 1
            synth.write(block[filled:])
            yield block
    finally:
        synth.close()


@dataclass(frozen=True)
class _Tone:
    """A note as symusic takes it, the pedal already in its length; `pan` is MIDI's, 0 left to 127 right."""

    start_s: float
    end_s: float
    pitch: int
    velocity: int
    program: int
    drums: bool
    pan: int


def _tones(performance: Performance) -> list[_Tone]:
    """The notes of a performance by onset; a held pedal sustains them to its release or the next onset of the pitch."""
    states = [_PartState(drums) for drums in performance.drums]
    for event in performance.events:
        states[event.part].play(event)
    for state in states:
        state.release_all(math.inf)
    return sorted((tone for state in states for tone in state.tones), key=lambda tone: (tone.start_s, tone.pitch))


class _PartState:
    """Turns the messages of one part into tones."""

    def __init__(self, drums: bool) -> None:
        self.tones: list[_Tone] = []
        self._drums = drums
        self._program = 0
        self._pan = CENTRE
        self._pedal = False
        self._down: dict[int, tuple[float, int]] = {}
        self._held: dict[int, tuple[float, int]] = {}

    def play(self, event: Event) -> None:
        action = self._ACTIONS.get(event.kind)
        if action is not None:
            action(self, event.time_s, *event.values)

    def release_all(self, time_s: float) -> None:
        """End every note that still sounds."""
        for pitch in [*self._down, *self._held]:
            self._stop(pitch, time_s)

    def _on(self, time_s: float, pitch: int, velocity: int) -> None:
        if not velocity:
            self._off(time_s, pitch)
            return
        self._stop(pitch, time_s)
        self._down[pitch] = time_s, velocity

    def _off(self, time_s: float, pitch: int, _velocity: int = 0) -> None:
        if pitch in self._down and self._pedal and not self._drums:
            self._held[pitch] = self._down.pop(pitch)
        elif pitch in self._down:
            self._stop(pitch, time_s)

    def _control(self, time_s: float, number: int, value: int) -> None:
        if number == PAN:
            self._pan = value
        elif number == SUSTAIN:
            self._pedal = value >= PEDAL_DOWN
            if not self._pedal:
                for pitch in list(self._held):
                    self._stop(pitch, time_s)

    def _change(self, _time_s: float, program: int) -> None:
        self._program = program

    def _stop(self, pitch: int, time_s: float) -> None:
        started = self._down.pop(pitch, None) or self._held.pop(pitch, None)
        if started is not None:
            end_s = min(max(time_s, started[0] + 0.01), started[0] + LONGEST_NOTE_S)
            tone = _Tone(started[0], end_s, pitch, started[1], self._program, self._drums, self._pan)
            self.tones.append(tone)

    _ACTIONS: MappingProxyType[str, Callable[..., None]] = MappingProxyType({
        "note_on": _on,
        "note_off": _off,
        "control_change": _control,
        "program_change": _change,
    })  # fmt: skip


def _play_symusic(performance: Performance, soundfont: Path, sample_rate: int) -> Iterator[Samples]:
    """Chunks of CHUNK_S, each rendered alone; the tails are added to the next ones."""
    import symusic

    with tempfile.TemporaryDirectory(prefix="soundfont-") as folder:
        synth = symusic.Synthesizer(str(in_tune(soundfont, Path(folder, "copy.sf2"))), sample_rate=sample_rate)
        chunk = round(CHUNK_S * sample_rate)
        pending = _tones(performance)[::-1]
        tail = np.zeros((0, 2), np.float32)
        start_s = 0.0
        while pending or len(tail):
            tones = []
            while pending and pending[-1].start_s < start_s + CHUNK_S:
                tones.append(pending.pop())
            for (velocity, pan), same in _by_velocity_and_pan(tones).items():
                loudness = GAIN * (velocity / 127) ** 2  # the SoundFont curve, 40 dB a decade: symusic has none
                sound = synth.render(_symusic_score(same, start_s), stereo=True).T
                tail = _add(tail, sound * (loudness * _pan_gains(pan)))
            yield _padded(tail[:chunk], chunk)
            tail = tail[chunk:]
            start_s += CHUNK_S


def _by_velocity_and_pan(tones: Sequence[_Tone]) -> dict[tuple[int, int], list[_Tone]]:
    """Tones of one velocity and pan, which one rendering can hold."""
    groups: dict[tuple[int, int], list[_Tone]] = defaultdict(list)
    for tone in tones:
        groups[tone.velocity, tone.pan].append(tone)
    return groups


def _pan_gains(pan: int) -> Samples:
    """Linear gain of left and right at a MIDI pan, 1 and 1 in the centre: their powers always add up to 2."""
    angle = math.pi / 4 * (1 + np.clip((pan - CENTRE) / (127 - CENTRE), -1, 1))
    return (math.sqrt(2) * np.array([math.cos(angle), math.sin(angle)])).astype(np.float32)


def _symusic_score(tones: Sequence[_Tone], start_s: float) -> Any:
    import symusic

    score: Any = symusic.Score(ttype="second")
    tracks: dict[tuple[int, bool], Any] = {}
    for tone in tones:
        kind = tone.program, tone.drums
        if kind not in tracks:
            tracks[kind] = symusic.Track("", *kind, ttype="second")
        tracks[kind].notes.append(
            symusic.Note(tone.start_s - start_s, tone.end_s - tone.start_s, tone.pitch, tone.velocity, ttype="second")
        )
    for track in tracks.values():
        score.tracks.append(track)
    return score


def _in_blocks(chunks: Iterator[Samples], frames: int, sample_rate: int) -> Iterator[Samples]:
    """Chunks cut to blocks of a second, `frames` in all, silence where they end early."""
    left = frames
    for chunk in chunks:
        for start in range(0, len(chunk), sample_rate):
            block = chunk[start : start + sample_rate][:left]
            if not len(block):
                return
            left -= len(block)
            yield block
    while left:
        block = np.zeros((min(left, sample_rate), 2), np.float32)
        left -= len(block)
        yield block


def _add(one: Samples, other: Samples) -> Samples:
    longest = max(len(one), len(other))
    return _padded(one, longest) + _padded(other, longest)


def _padded(samples: Samples, frames: int) -> Samples:
    return np.pad(samples, ((0, frames - len(samples)), (0, 0))).astype(np.float32, copy=False)
