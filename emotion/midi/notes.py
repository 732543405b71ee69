"""The notes of a MIDI file as arrays in seconds, for models that hear notes: read by symusic in milliseconds."""

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.errors import SoundError
from emotion.midi import midi_bytes
from emotion.midi.performance import PEDAL_DOWN, SUSTAIN

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Notes:
    """Notes in order of their start: each (N,), times in s, pitch and velocity 0..127, General MIDI program 0..127.

    `drums` marks the notes of drum kits, whose pitch is an instrument. `pedal_s` (P, 2) are the times between which the
    sustain pedal of any instrument is down; keys that it holds end where they are let go.
    """

    start_s: Floats
    end_s: Floats
    pitch: Integers
    velocity: Integers
    program: Integers
    drums: NDArray[np.bool_]
    pedal_s: Floats

    def __len__(self) -> int:
        return len(self.start_s)

    @property
    def duration_s(self) -> float:
        """When the last key is let go."""
        return float(self.end_s.max(initial=0.0))

    def within(self, start_s: float, end_s: float, *, held_s: float = math.inf) -> "Notes":
        """The notes struck from start_s until before end_s, with start_s as their zero.

        Notes struck before that are still held for held_s or longer after start_s count as struck then.
        """
        struck = (self.start_s >= start_s) & (self.start_s < end_s)
        kept = struck | ((self.start_s < start_s) & (self.end_s - start_s >= held_s))
        pedal = self.pedal_s[(self.pedal_s[:, 0] < end_s) & (self.pedal_s[:, 1] > start_s)]
        return Notes(
            np.maximum(self.start_s[kept] - start_s, 0.0),
            self.end_s[kept] - start_s,
            self.pitch[kept],
            self.velocity[kept],
            self.program[kept],
            self.drums[kept],
            np.clip(pedal, start_s, end_s) - start_s,
        )


def read(path: Path) -> Notes:
    """The notes of a .mid; a file without any gives no rows. Raises SoundError."""
    import symusic

    try:
        data = path.read_bytes()
        midi_bytes.check(data)
        score: Any = symusic.Score.from_midi(data, ttype="second")
    except FileNotFoundError:
        raise SoundError(f"no MIDI file at {path}: check the name") from None
    except (OSError, RuntimeError, ValueError) as error:
        log.debug("%s: %s", path, error)
        reason = getattr(error, "strerror", None) or (error if type(error) is ValueError else "it is damaged")
        raise SoundError(f"{path} is not a MIDI file that can be read ({reason}): give a .mid") from None
    return of_tracks(score.tracks)


def of_tracks(tracks: Any) -> Notes:
    """The notes of symusic tracks that count time in seconds."""
    rows = [_rows(track) for track in tracks if len(track.notes)]
    table = np.concatenate(rows) if rows else np.zeros((0, 6))
    table = table[np.lexsort((table[:, 2], table[:, 0]))]
    whole = table[:, 2:].astype(np.int64).clip(0, 127)  # damaged files hold more
    pedal = [span for track in tracks for span in _pedals(track)]
    return Notes(
        table[:, 0],
        table[:, 1],
        whole[:, 0],
        whole[:, 1],
        whole[:, 2],
        whole[:, 3].astype(bool),
        np.array(sorted(pedal), float).reshape(-1, 2),
    )


def _rows(track: Any) -> Floats:
    """(N, 6): start, end, pitch, velocity, program, drums."""
    found = track.notes.numpy()
    columns = [found["time"], found["time"] + found["duration"], found["pitch"], found["velocity"]]
    same = np.ones(len(columns[0]))
    return np.stack([*columns, same * track.program, same * track.is_drum], axis=1).astype(float)


def _pedals(track: Any) -> list[list[float]]:
    """When the pedal of a track is down; symusic's own list lets the first one begin at 0, wherever it is pressed."""
    found = track.controls.numpy()
    messages = found["number"] == SUSTAIN
    times, down = found["time"][messages], found["value"][messages] >= PEDAL_DOWN
    if not len(times):
        return [[pedal.time, pedal.time + pedal.duration] for pedal in track.pedals]
    changes = np.flatnonzero(np.diff(down, prepend=False, append=False))  # of n messages, n: the pedal stays to the end
    ends = np.append(times, max(float(times[-1]), track.end()))
    return [[float(ends[first]), float(ends[last])] for first, last in changes.reshape(-1, 2)]
