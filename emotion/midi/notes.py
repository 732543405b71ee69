"""The notes of a MIDI file as arrays in seconds: the way in for models, descriptors and key estimation.

Three libraries take MIDI here, each for what only it can do. symusic parses a file in milliseconds and gives notes with
absolute times: `read` gives it users' files after a check of every byte; only readers of data sets, which need
tracks or tempos, call it themselves. mido keeps all channel messages in order, which a synthesizer needs:
emotion.midi.performance. MidiTok has the Octuple vocabulary; it is given `Notes`, never a file: emotion.midi.tokens.
"""

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.errors import SoundError
from emotion.midi.performance import PEDAL_DOWN, SUSTAIN

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_HEADER = b"MThd\0\0\0\6"
_META, _SYSEX, _ESCAPE = 0xFF, 0xF0, 0xF7
_HAS_LENGTH = frozenset({_META, _SYSEX, _ESCAPE})
_DATA_BYTES = MappingProxyType({0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2})


@dataclass(frozen=True, eq=False)
class Notes:
    """Notes in order of their start: each (N,), times in s, pitch and velocity 0..127, General MIDI program 0..127.

    `drums` marks the notes of drum kits, whose pitch is an instrument. `pedal_s` (P, 2) are the spans in which the
    sustain pedal of any instrument is down; notes that it sustains end at their note-off all the same.
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
        """Time of the last note-off in s."""
        return float(self.end_s.max(initial=0.0))

    def within(self, start_s: float, end_s: float, *, held_s: float = math.inf) -> "Notes":
        """The notes with onsets in [start_s, end_s), times counted from start_s.

        Earlier notes that last for held_s or longer beyond start_s are included, with their onset there.
        """
        onset = (self.start_s >= start_s) & (self.start_s < end_s)
        kept = onset | ((self.start_s < start_s) & (self.end_s - start_s >= held_s))
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
        _check_bytes(data)
        score: Any = symusic.Score.from_midi(data, ttype="second")
    except FileNotFoundError:
        raise SoundError(f"no MIDI file at {path}: check the name") from None
    except (OSError, RuntimeError, ValueError) as error:
        log.debug("%s: %s", path, error)
        reason = getattr(error, "strerror", None) or (error if type(error) is ValueError else "it is damaged")
        raise SoundError(f"{path} is not a MIDI file that can be read ({reason}): give a .mid") from None
    return of_tracks(score.tracks)


def _check_bytes(data: bytes) -> None:
    """Walk every event of every track (RP-001, "Standard MIDI Files 1.0", 1996). Raises ValueError if one is cut.

    symusic trusts the lengths in a file: it reads past the end of one that was cut off, which can end the process.
    """
    if data[:8] != _HEADER or len(data) < 14:
        raise ValueError("it does not begin as one")
    if data[12] >= 0x80 or not any(data[12:14]):
        raise ValueError("it counts time in SMPTE frames, or not at all")
    position, tracks = 14, int.from_bytes(data[10:12], "big")
    try:
        while tracks and position < len(data):  # bytes after the last track are ignored
            kind, size = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "big")
            position += 8
            if position + size > len(data):
                raise ValueError("it was cut off")
            if kind == b"MTrk":
                _walk_track(data, position, position + size)
                tracks -= 1
            position += size
    except IndexError:
        raise ValueError("it was cut off") from None


def _walk_track(data: bytes, position: int, end: int) -> None:
    """Go from event to event of a track; each must end before the track does."""
    status = 0
    while position < end:
        position = _skip_number(data, position)
        if data[position] >= 0x80:
            status = data[position]
            position += 1
        if status in _HAS_LENGTH:
            position += status == _META  # its type
            start = _skip_number(data, position)
            position = start + _number_at(data, position, start)
        elif status & 0xF0 in _DATA_BYTES:
            position += _DATA_BYTES[status & 0xF0]
        else:
            raise ValueError("it holds bytes that are no event")
    if position > end:
        raise ValueError("its last event is longer than its track")


def _skip_number(data: bytes, position: int) -> int:
    """Position after a variable-length quantity, which has four bytes at most."""
    last = position + 3
    while data[position] >= 0x80:
        if position == last:
            raise ValueError("it holds a number that is too long")
        position += 1
    return position + 1


def _number_at(data: bytes, start: int, end: int) -> int:
    """Value of a variable-length quantity: seven bits a byte."""
    value = 0
    for byte in data[start:end]:
        value = value << 7 | byte & 0x7F
    return value


def of_tracks(tracks: Any) -> Notes:
    """The notes of symusic tracks that count time in seconds."""
    rows = [_rows(track) for track in tracks if len(track.notes)]
    table = np.concatenate(rows) if rows else np.zeros((0, 6))
    table = table[np.lexsort((table[:, 2], table[:, 0]))]
    whole = table[:, 2:].astype(np.int64).clip(0, 127)  # damaged files have bytes above
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
    """Spans of a track's pedal, from its messages: in symusic's own list the first one always begins at 0."""
    found = track.controls.numpy()
    messages = found["number"] == SUSTAIN
    times, down = found["time"][messages], found["value"][messages] >= PEDAL_DOWN
    if not len(times):
        return [[pedal.time, pedal.time + pedal.duration] for pedal in track.pedals]
    changes = np.flatnonzero(np.diff(down, prepend=False, append=False))  # of n messages, n: the pedal stays to the end
    ends = np.append(times, max(float(times[-1]), track.end()))
    return [[float(ends[first]), float(ends[last])] for first, last in changes.reshape(-1, 2)]
