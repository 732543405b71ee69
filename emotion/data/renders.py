"""MIDI pieces as sound, in several versions: the plain one, and others by other instruments, rooms, keys and tempi.

A render is kept as its log-mel in thirds of a decibel, one byte a value, in `CACHE/<set>/<piece>.<version>.npy`. Which
variation a version is depends on the piece's name and the version alone, so a cache can be filled in any order.
"""

import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion import sound, synthesis
from emotion.errors import SoundError
from emotion.files import whole_file
from emotion.sound import Samples
from emotion.soundfont import installed

TAIL_S = 1.0  # of ringing after the last key is let go
STEPS_PER_DB = 3  # what a byte counts: 0 is the floor of -80 dB, 240 is 0 dB
PIANOS = (0, 0, 0, 1, 2, 3, 4, 5)  # General MIDI programs; the grand thrice as often
OTHERS = (8, 11, 12, 24, 25, 46, 48, 49, 52, 88, 89, 91)  # celesta .. pads: labels of the piano hold less surely
OTHER_SHARE = 0.25
MOST_SEMITONES, MOST_TEMPO, MOST_VELOCITY = 5, 0.08, 0.15
GAINS_DB = (-14.0, 6.0)


@dataclass(frozen=True)
class Variation:
    """How a version differs: General MIDI program (None: the file's own), semitones up, tempo and velocity as factors,
    `room` 0..127 (how much reverb), gain in dB, and which of the installed SoundFonts plays."""

    program: int | None = None
    semitones: int = 0
    tempo: float = 1.0
    velocity: float = 1.0
    room: int | None = None
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
        room=int(rng.integers(0, 110)),
        gain_db=float(rng.uniform(*GAINS_DB)),
        soundfont=int(rng.integers(8)),
    )


def rendered(midi: Path, change: Variation, *, longest_s: float) -> Iterator[Samples]:
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


def mel_of(midi: Path, change: Variation, *, longest_s: float) -> NDArray[np.uint8]:
    """(T, 96) log-mel bytes of a varied .mid, at most `longest_s` seconds of it. Raises SoundError."""
    return to_bytes(sound.log_mel(rendered(midi, change, longest_s=longest_s)))


def to_bytes(rows: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Decibels as bytes."""
    return np.clip(np.round((rows - sound.FLOOR_DB) * STEPS_PER_DB), 0, 255).astype(np.uint8)


def to_decibels(rows: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Bytes as decibels, within a sixth of one of what they were."""
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
    if change.room is not None:
        track.controls.append(symusic.ControlChange(0, 91, change.room))
    for note in track.notes:
        note.velocity = int(np.clip(round(note.velocity * change.velocity), 1, 127))
        if not track.is_drum:
            note.pitch = int(np.clip(note.pitch + change.semitones, 0, 127))


@dataclass(frozen=True)
class Renders:
    """A cache of renders under `folder`, at most `longest_s` seconds each."""

    folder: Path
    longest_s: float

    def mel(self, midi: Path, piece: str, version: int) -> NDArray[np.uint8]:
        """(T, 96) bytes of a piece's version, rendered when it is asked for first."""
        path = self.folder / f"{piece}.{version}.npy"
        if path.is_file():
            return np.load(path, allow_pickle=False)
        rows = mel_of(midi, variation(piece, version), longest_s=self.longest_s)
        self.folder.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as partial, partial.open("wb") as file:
            np.save(file, rows)
        return rows
