"""Whether bytes are a whole Standard MIDI File, by walking every event of every track.

symusic trusts the lengths in a file: it reads past the end of one that was cut off, which can end the whole process.
So bytes are walked here before they are given to it. The format is RP-001, "Standard MIDI Files 1.0" (MIDI
Manufacturers Association, 1996).
"""

from types import MappingProxyType

_HEADER = b"MThd\0\0\0\6"
_META, _SYSEX, _ESCAPE = 0xFF, 0xF0, 0xF7
_HAS_LENGTH = frozenset({_META, _SYSEX, _ESCAPE})
_DATA_BYTES = MappingProxyType({0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2})


def check(data: bytes) -> None:
    """Raise ValueError with the reason why bytes are no whole MIDI file."""
    if data[:8] != _HEADER or len(data) < 14:
        raise ValueError("it does not begin as one")
    if data[12] >= 0x80 or not any(data[12:14]):
        raise ValueError("it counts time in frames of film, or not at all")
    position, tracks = 14, int.from_bytes(data[10:12], "big")
    try:
        while tracks and position < len(data):  # what follows the last track is of no concern
            kind, size = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "big")
            position += 8
            if position + size > len(data):
                raise ValueError("it was cut off")
            if kind == b"MTrk":
                _walk(data, position, position + size)
                tracks -= 1
            position += size
    except IndexError:
        raise ValueError("it was cut off") from None


def _walk(data: bytes, position: int, end: int) -> None:
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
            position = start + _number(data, position, start)
        elif status & 0xF0 in _DATA_BYTES:
            position += _DATA_BYTES[status & 0xF0]
        else:
            raise ValueError("it holds bytes that are no event")
    if position > end:
        raise ValueError("its last event is longer than its track")


def _skip_number(data: bytes, position: int) -> int:
    """Where a number of variable length ends."""
    last = position + 3
    while data[position] >= 0x80:
        if position == last:
            raise ValueError("it holds a number that is too long")
        position += 1
    return position + 1


def _number(data: bytes, start: int, end: int) -> int:
    """The number of variable length, seven bits a byte."""
    value = 0
    for byte in data[start:end]:
        value = value << 7 | byte & 0x7F
    return value
