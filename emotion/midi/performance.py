"""MIDI files for a synthesizer: channel messages in seconds, and the part that each belongs to. Read with mido."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from emotion.errors import SoundError

DRUM_CHANNEL = 9  # counted from 0; General MIDI's channel 10
SUSTAIN, PEDAL_DOWN = 64, 64  # controller of the sustain pedal; this value and above is down
PAN, CENTRE = 10, 64  # controller from left (0) to right (127)
PLAYED = frozenset({"note_on", "note_off", "control_change", "program_change", "pitchwheel", "aftertouch", "polytouch"})


@dataclass(frozen=True)
class Event:
    """A channel message: `kind` as mido names it, `values` its data in order; `part` counts instruments from 0."""

    time_s: float
    part: int
    kind: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class Performance:
    """The messages of a .mid in order of time, which parts are drum kits, and the parts' names by their tracks.

    Names are unique; `names` may be empty.
    """

    events: tuple[Event, ...]
    drums: tuple[bool, ...]
    names: tuple[str, ...] = ()


def read(midi: Path) -> Performance:
    """The channel messages of a .mid in seconds. Raises SoundError.

    A channel is one part, except where several tracks set different programs on it: MIDI has 16 channels, and files
    of more instruments use some twice, so each such track is a part of its own.
    """
    import mido

    try:
        file = mido.MidiFile(midi, clip=True)
        if file.type == 2 or file.ticks_per_beat <= 0:
            raise SoundError(f"the MIDI file {midi} counts time in a way that is not supported: save it as type 0 or 1")
        messages = sorted(_messages(file), key=lambda item: item[0])
    except (OSError, EOFError, ValueError, LookupError) as error:
        raise SoundError(f"{midi} is not a MIDI file that can be read ({error}): give a .mid") from None
    parts = _Parts(messages)
    clock = _Clock(file.ticks_per_beat)
    events = []
    for tick, track, message in messages:
        time_s = clock.at(tick)
        if message.type == "set_tempo":
            clock.change(message.tempo)
        elif message.type in PLAYED:
            data = message.bytes()[1:] if message.type != "pitchwheel" else (message.pitch + 8192,)
            events.append(Event(time_s, parts.of(track, message.channel), message.type, tuple(data)))
    return Performance(tuple(events), parts.drums, parts.names([track.name for track in file.tracks]))


def _messages(file: Any) -> Iterator[tuple[int, int, Any]]:
    for index, track in enumerate(file.tracks):
        tick = 0
        for message in track:
            tick += message.time
            yield tick, index, message


class _Clock:
    """Seconds of rising ticks under a tempo that changes."""

    def __init__(self, ticks_per_beat: int) -> None:
        self._ticks_per_beat = ticks_per_beat
        self._tick, self._time_s, self._tempo_us = 0, 0.0, 500_000  # 120 beats a minute unless the file says otherwise

    def at(self, tick: int) -> float:
        self._time_s += (tick - self._tick) * self._tempo_us * 1e-6 / self._ticks_per_beat
        self._tick = tick
        return self._time_s

    def change(self, tempo_us: int) -> None:
        self._tempo_us = tempo_us


class _Parts:
    """Numbers the parts of a file by track and channel."""

    def __init__(self, messages: Sequence[tuple[int, int, Any]]) -> None:
        programs: dict[int, dict[int, int]] = defaultdict(dict)
        for _, track, message in messages:
            if message.type == "program_change":
                programs[message.channel].setdefault(track, message.program)
        self._shared_twice = {channel for channel, first in programs.items() if len(set(first.values())) > 1}
        self._numbers: dict[tuple[int, int], int] = {}
        self._tracks: list[int] = []  # the first that plays each part

    def of(self, track: int, channel: int) -> int:
        key = channel, track if channel in self._shared_twice else -1
        if key not in self._numbers:
            self._tracks.append(track)
        return self._numbers.setdefault(key, len(self._numbers))

    def names(self, tracks: Sequence[str]) -> tuple[str, ...]:
        """For each part the name of its track, `part` where it has none, numbered from the second of a name on."""
        names: list[str] = []
        for track in self._tracks:
            name = tracks[track].strip() or "part"
            numbered = (f"{name} {number}" for number in count(2))
            names.append(name if name not in names else next(one for one in numbered if one not in names))
        return tuple(names)

    @property
    def drums(self) -> tuple[bool, ...]:
        return tuple(channel == DRUM_CHANNEL for channel, _ in self._numbers)
