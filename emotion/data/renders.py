"""Versions of MIDI pieces for training: other instruments, keys, tempi and reverb, rendered, and kept on disk.

A model that learns such versions of a piece under one label has to rely on rhythm, harmony and dynamics, because timbre
is no longer informative. There are two kinds:

Reorchestration     of pieces for several instruments (game music): events of a Performance, other programs by part
Variation           of piano pieces: a .mid with one other program, key, tempo, velocities, reverb, SoundFont

RenderCache keeps the log-mel of variations in thirds of a decibel, one byte a value, in
`FOLDER/<piece>.<version>.npy`. The variation of a version depends on the piece's name and the version alone, so a cache
can be filled in any order.
"""

import tempfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.errors import SoundError
from emotion.features import sound
from emotion.features.sound import Samples
from emotion.files import atomic_write
from emotion.midi import synthesis
from emotion.midi.performance import Event, Performance
from emotion.midi.soundfont import installed

LOWEST, HIGHEST = 21, 108  # the keys of a piano


@dataclass(frozen=True)
class Instrumentation:
    """General MIDI programs (from 0) for the lowest part and for the others; `once`: all others get the same one."""

    bass: tuple[int, ...]
    others: tuple[int, ...]
    once: bool = False


INSTRUMENTATIONS = MappingProxyType({
    "piano": Instrumentation((0,), (0,), once=True),
    "bright piano": Instrumentation((1,), (1,), once=True),
    "electric piano": Instrumentation((4, 5, 33), (4, 5), once=True),
    "strings": Instrumentation((42, 43, 48), (40, 41, 44, 45, 48, 49)),
    "string ensemble": Instrumentation((48, 49), (48, 49, 50), once=True),
    "pads": Instrumentation((0, 33, 38, 89), (0, 11, 14, 46, 52, 88, 89, 91, 92, 94, 95)),
    "guitars": Instrumentation((32, 33, 34), (24, 25, 26, 27)),
    "rock": Instrumentation((33, 34, 38), (18, 27, 29, 30, 62, 80, 81)),
    "winds": Instrumentation((43, 58, 70), (56, 57, 60, 64, 66, 68, 71, 73)),
    "bells and harp": Instrumentation((32, 46), (8, 9, 10, 11, 12, 13, 46)),
    "organ": Instrumentation((16, 19), (16, 17, 19, 20, 21)),
    "mixed": Instrumentation((0, 32, 33, 38, 43, 48), (0, 4, 11, 24, 40, 46, 48, 56, 60, 68, 71, 73, 80, 88, 89)),
})  # fmt: skip


@dataclass(frozen=True)
class Reorchestration:
    """How a piece is played: an instrumentation by name (None: as written), with drums or not, semitones, and speed."""

    instrumentation: str | None = None
    drums: bool = True
    semitones: int = 0
    speed: float = 1.0


def reorchestrations(count: int, rng: np.random.Generator) -> Iterator[Reorchestration]:
    """The first as written, the others by instrumentations in random order, each once before one is repeated."""
    names = [
        str(name) for _ in range(0, count, len(INSTRUMENTATIONS)) for name in rng.permutation(list(INSTRUMENTATIONS))
    ]
    yield Reorchestration()
    for name in names[: count - 1]:
        drums = bool(rng.random() < 0.4)
        yield Reorchestration(name, drums, int(rng.integers(-4, 5)), float(np.exp(rng.uniform(-0.06, 0.06))))


def excerpt(performance: Performance, start_s: float, end_s: float) -> Performance:
    """Notes that begin in [start_s, end_s), in times from start_s; earlier programs and controls hold from 0."""
    events = [
        replace(event, time_s=max(event.time_s - start_s, 0.0))
        for event in performance.events
        if event.time_s < end_s and (event.time_s >= start_s or not event.kind.startswith("note"))
    ]
    return Performance(tuple(events), performance.drums)


def reorchestrate(performance: Performance, chosen: Reorchestration, rng: np.random.Generator) -> Performance:
    """The performance with the parts, programs, key and speed of a reorchestration."""
    # a piece of drums alone keeps them
    kept = [part for part, drums in enumerate(performance.drums) if chosen.drums or not drums]
    if not any(_note_ons(performance, kept)):
        kept = list(range(len(performance.drums)))
    programs = _programs(performance, chosen, rng) if chosen.instrumentation else {}
    numbers = {part: number for number, part in enumerate(kept)}
    events = [
        Event(0.0, numbers[part], "program_change", (program,)) for part, program in programs.items() if part in numbers
    ]
    for event in performance.events:
        if event.part in numbers and not (event.part in programs and event.kind == "program_change"):
            transposed = _transposed(event, 0 if performance.drums[event.part] else chosen.semitones)
            events.append(replace(transposed, time_s=event.time_s / chosen.speed, part=numbers[event.part]))
    return Performance(tuple(events), tuple(performance.drums[part] for part in kept))


def _note_ons(performance: Performance, parts: Sequence[int]) -> Iterator[Event]:
    return (
        event for event in performance.events if event.kind == "note_on" and event.values[1] and event.part in parts
    )


def _programs(performance: Performance, chosen: Reorchestration, rng: np.random.Generator) -> dict[int, int]:
    """A program for each part that is no drum kit."""
    instrumentation = INSTRUMENTATIONS[chosen.instrumentation or ""]
    melodic = [part for part, drums in enumerate(performance.drums) if not drums]
    pitches = defaultdict(list)
    for event in _note_ons(performance, melodic):
        pitches[event.part].append(event.values[0])
    # the part with the lowest notes on average is the bass
    lowest = min(pitches, key=lambda part: float(np.mean(pitches[part])), default=None)
    one = int(rng.choice(instrumentation.others))
    return {
        part: int(rng.choice(instrumentation.bass))
        if part == lowest
        else one
        if instrumentation.once
        else int(rng.choice(instrumentation.others))
        for part in melodic
    }


def _transposed(event: Event, semitones: int) -> Event:
    """A note event in another key, moved by an octave where it would leave the piano's range."""
    if not semitones or event.kind not in ("note_on", "note_off", "polytouch"):
        return event
    pitch = event.values[0] + semitones
    pitch += 12 * (pitch < LOWEST) - 12 * (pitch > HIGHEST)
    return replace(event, values=(pitch, *event.values[1:]))


TAIL_S = 1.0  # of ringing after the last note-off
STEPS_PER_DB = 3  # of a byte: 0 is the floor of -80 dB, 240 is 0 dB
PIANOS = (0, 0, 0, 1, 2, 3, 4, 5)  # General MIDI programs; the grand piano is three times as likely
# celesta, vibraphone, marimba, guitars, harp, strings, choir and pads: labels of piano music are less certain with them
OTHERS = (8, 11, 12, 24, 25, 46, 48, 49, 52, 88, 89, 91)
OTHER_SHARE = 0.25
MOST_SEMITONES, MOST_TEMPO, MOST_VELOCITY = 5, 0.08, 0.15
GAINS_DB = (-14.0, 6.0)


@dataclass(frozen=True)
class Variation:
    """How a version differs: General MIDI program (None: the file's own), semitones up, tempo and velocity as factors,
    `reverb` 0..127 (MIDI control 91), gain in dB, and which of the installed SoundFonts plays."""

    program: int | None = None
    semitones: int = 0
    tempo: float = 1.0
    velocity: float = 1.0
    reverb: int | None = None
    gain_db: float = 0.0
    soundfont: int = 0


PLAIN = Variation()


def variation(piece: str, version: int) -> Variation:
    """The variation of a piece's version; version 0 is the plain one."""
    if not version:
        return PLAIN
    rng = np.random.default_rng([zlib.crc32(piece.encode()), version])
    programs = OTHERS if rng.random() < OTHER_SHARE else PIANOS
    return Variation(
        program=int(rng.choice(programs)),
        semitones=int(rng.integers(-MOST_SEMITONES, MOST_SEMITONES + 1)),
        tempo=float(np.exp(rng.uniform(-MOST_TEMPO, MOST_TEMPO))),
        velocity=float(np.exp(rng.uniform(-MOST_VELOCITY, MOST_VELOCITY))),
        reverb=int(rng.integers(0, 110)),
        gain_db=float(rng.uniform(*GAINS_DB)),
        soundfont=int(rng.integers(8)),
    )


def render_samples(midi: Path, change: Variation, *, longest_s: float) -> Iterator[Samples]:
    """Mono samples at 24 kHz of a varied .mid, at most `longest_s` seconds of it. Raises SoundError."""
    fonts = installed()
    with tempfile.TemporaryDirectory(prefix="render-") as folder:
        varied = Path(folder, "varied.mid")
        duration_s = min(_vary(midi, change, varied) + TAIL_S, longest_s)
        blocks = synthesis.render(
            varied,
            duration_s=duration_s,
            soundfont=fonts[change.soundfont % len(fonts)],
            sample_rate=sound.SAMPLE_RATE,
        )
        gain = 10 ** (change.gain_db / 20)
        yield from (block.mean(1) * gain for block in blocks)


def render_mel(midi: Path, change: Variation, *, longest_s: float) -> NDArray[np.uint8]:
    """(T, 96) log-mel bytes of a varied .mid, at most `longest_s` seconds of it. Raises SoundError."""
    return to_bytes(sound.log_mel(render_samples(midi, change, longest_s=longest_s)))


def to_bytes(rows: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Decibels as bytes."""
    return np.clip(np.round((rows - sound.FLOOR_DB) * STEPS_PER_DB), 0, 255).astype(np.uint8)


def to_decibels(rows: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Bytes as decibels, within a sixth of a decibel of the original."""
    return rows.astype(np.float32) / np.float32(STEPS_PER_DB) + np.float32(sound.FLOOR_DB)


def _vary(midi: Path, change: Variation, target: Path) -> float:
    """Write the varied file; returns its length in seconds. Raises SoundError."""
    import symusic

    try:
        score: Any = symusic.Score.from_midi(midi.read_bytes())
    except (OSError, RuntimeError) as error:
        raise SoundError(f"{midi} is not a MIDI file that can be read ({error}): give a .mid") from None
    for tempo in score.tempos:
        tempo.mspq = round(tempo.mspq / change.tempo)
    if not len(score.tempos):
        score.tempos.append(symusic.Tempo(0, qpm=120 * change.tempo))
    for track in score.tracks:
        _vary_track(track, change)
    target.write_bytes(score.dumps_midi())
    return float(score.to("second").end())


def _vary_track(track: Any, change: Variation) -> None:
    import symusic

    if change.program is not None and not track.is_drum:
        track.program = change.program
    if change.reverb is not None:
        track.controls.append(symusic.ControlChange(0, 91, change.reverb))
    for note in track.notes:
        note.velocity = int(np.clip(round(note.velocity * change.velocity), 1, 127))
        if not track.is_drum:
            note.pitch = int(np.clip(note.pitch + change.semitones, 0, 127))


@dataclass(frozen=True)
class RenderCache:
    """A cache of renders under `folder`, at most `longest_s` seconds each."""

    folder: Path
    longest_s: float

    def mel(self, midi: Path, piece: str, version: int) -> NDArray[np.uint8]:
        """(T, 96) bytes of a piece's version, rendered on first use."""
        path = self.folder / f"{piece}.{version}.npy"
        if path.is_file():
            kept: NDArray[np.uint8] = np.load(path, allow_pickle=False)
            return kept
        rows = render_mel(midi, variation(piece, version), longest_s=self.longest_s)
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as partial, partial.open("wb") as file:
            np.save(file, rows)
        return rows
