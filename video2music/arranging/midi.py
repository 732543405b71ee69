"""Score <-> .mid: a Standard MIDI File with tempo map, time signatures, key, markers, pedals, a track an instrument.

Times survive within half a tick, 0.6 ms at 50 beats a minute. The tempo of a MIDI file is a whole number of
microseconds a beat; ticks are counted with the rounded tempo, from each change of tempo on, so that errors do not
accumulate.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotion.files import atomic_write, failure
from emotion.midi.notes import Notes
from emotion.midi.performance import DRUM_CHANNEL, PAN, PEDAL_DOWN, SUSTAIN
from video2music.errors import MediaError, Video2MusicError
from video2music.values import MODES, Key, Marker, Metre, Note, Pedal, Score, Tempo, Track

if TYPE_CHECKING:
    import mido
    import pretty_midi

TICKS_PER_BEAT = 960
_REVERB_SEND = 91  # control change, "Effects 1 depth"; 40 is the default of General MIDI 2
_MELODIC_CHANNELS = tuple(channel for channel in range(16) if channel != DRUM_CHANNEL)
_SIGNATURES = {
    "major": ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"),
    "minor": ("Cm", "C#m", "Dm", "Ebm", "Em", "Fm", "F#m", "Gm", "G#m", "Am", "Bbm", "Bm"),
}
_ORDER = {"note_off": 0, "note_on": 2}  # at one tick: ends of notes, then all other events (1), then onsets


def write(score: Score, path: Path) -> None:
    """Write `score` as a .mid, atomically; the same score gives the same bytes.

    Raises Video2MusicError for more instruments than MIDI has channels, MediaError where the file cannot be written.
    """
    import mido

    melodic = sum(not track.drums for track in score.tracks)
    if melodic > len(_MELODIC_CHANNELS):
        raise Video2MusicError(f"the score has {melodic} instruments, but MIDI has channels for 15: give fewer")
    free = iter(_MELODIC_CHANNELS)
    clock = _TickMap.of(score)
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT, charset="utf-8")
    file.tracks.append(_conductor(score, clock))
    for track in score.tracks:  # drums share their channel, every other instrument has its own
        file.tracks.append(_instrument_track(track, DRUM_CHANNEL if track.drums else next(free), clock))
    try:
        with atomic_write(path) as partial:
            file.save(partial)
    except OSError as error:
        raise MediaError(failure(error, path, called=f"the MIDI file {path.name}")) from None


def notes_of(score: Score) -> Notes:
    """The notes of a score as a judge would read them from its .mid."""
    rows = [
        (note.start_s, note.end_s, note.pitch, note.velocity, track.program, track.drums)
        for track in score.tracks
        for note in track.notes
    ]
    table = np.array(sorted(rows, key=lambda row: (row[0], row[2])), float).reshape(-1, 6)
    whole = table[:, 2:].astype(np.int64)
    pedal = sorted(span for track in score.tracks for span in _pedal_spans(track.pedals, score.duration_s))
    return Notes(
        table[:, 0],
        table[:, 1],
        pitch=whole[:, 0],
        velocity=whole[:, 1],
        program=whole[:, 2],
        drums=whole[:, 3].astype(bool),
        pedal_s=np.array(pedal, float).reshape(-1, 2),
    )


def _pedal_spans(pedals: Iterable[Pedal], end_s: float) -> Iterator[tuple[float, float]]:
    """From when to when the pedal is down."""
    down_s = None
    for pedal in pedals:
        if pedal.down and down_s is None:
            down_s = pedal.time_s
        elif not pedal.down and down_s is not None:
            yield down_s, pedal.time_s
            down_s = None
    if down_s is not None:
        yield down_s, end_s


def read(path: Path) -> Score:
    """The score in a .mid, written by this program or not. Raises MediaError.

    Instruments without notes are left out; a missing metre is taken as 4/4, a missing key as C major.
    """
    import mido
    import pretty_midi

    try:
        file = mido.MidiFile(path, charset="utf-8")
        # Not from `file`: PrettyMIDI would overwrite its delta times with absolute ticks.
        parsed = pretty_midi.PrettyMIDI(str(path), charset="utf-8")
    except (OSError, EOFError, ValueError, IndexError, KeyError) as error:
        raise MediaError(f"the MIDI file {path} cannot be read: {error}") from None
    mode, tonic = 0, 0
    if parsed.key_signature_changes:
        mode, tonic = divmod(parsed.key_signature_changes[0].key_number, 12)  # 0..11 major, 12..23 minor
    duration_s = max(parsed.tick_to_time(sum(message.time for message in track)) for track in file.tracks)
    return Score(
        tuple(_track_from(instrument) for instrument in parsed.instruments),
        _tempi(file, parsed),
        tuple(Metre(float(change.time), change.numerator) for change in parsed.time_signature_changes)
        or (Metre(0.0, 4),),
        Key(tonic, MODES[mode]),
        float(duration_s),
        tuple(Marker(float(parsed.tick_to_time(tick)), message.text) for tick, message in _metas(file, "marker")),
    )


@dataclass(frozen=True)
class _TickMap:
    """Converts seconds to ticks; the tempo is constant from each anchor (tick, its exact time, microseconds a beat)."""

    anchors: tuple[tuple[int, float, int], ...]

    @classmethod
    def of(cls, score: Score) -> "_TickMap":
        first, *others = score.tempi
        anchors = [(0, 0.0, round(60e6 / first.bpm))]
        for tempo in others:
            tick, time_s, tempo_us = anchors[-1]
            ticks = round((tempo.start_s - time_s) * 1e6 / tempo_us * TICKS_PER_BEAT)
            anchors.append((tick + ticks, time_s + ticks * tempo_us / TICKS_PER_BEAT / 1e6, round(60e6 / tempo.bpm)))
        return cls(tuple(anchors))

    def tick(self, time_s: float) -> int:
        """The tick nearest to a time."""
        starts = [start_s for _, start_s, _ in self.anchors]
        tick, start_s, tempo_us = self.anchors[max(bisect_right(starts, time_s) - 1, 0)]
        return tick + round((time_s - start_s) * 1e6 / tempo_us * TICKS_PER_BEAT)


def _conductor(score: Score, clock: _TickMap) -> "mido.MidiTrack":
    """The first track: tempi, metres, key, markers."""
    from mido import MetaMessage as Meta

    events = [(tick, Meta("set_tempo", tempo=tempo_us)) for tick, _, tempo_us in clock.anchors]
    for metre in score.metres:
        signature = Meta("time_signature", numerator=metre.beats, denominator=4)
        events.append((clock.tick(metre.start_s), signature))
    events.append((0, Meta("key_signature", key=_SIGNATURES[score.key.mode][score.key.tonic])))
    events += [(clock.tick(marker.time_s), Meta("marker", text=marker.text)) for marker in score.markers]
    return _closed_track(events, clock.tick(score.duration_s))


def _instrument_track(track: Track, channel: int, clock: _TickMap) -> "mido.MidiTrack":
    from mido import Message, MetaMessage

    events = [(0, MetaMessage("track_name", name=track.name))]
    events.append((0, Message("program_change", channel=channel, program=track.program)))
    for control, value in ((PAN, 64 + 63 * track.pan), (_REVERB_SEND, 127 * track.reverb_send)):
        events.append((0, Message("control_change", channel=channel, control=control, value=round(value))))
    for pedal in track.pedals:
        change = Message("control_change", channel=channel, control=SUSTAIN, value=127 if pedal.down else 0)
        events.append((clock.tick(pedal.time_s), change))
    for note in track.notes:
        start = clock.tick(note.start_s)
        end = max(clock.tick(note.end_s), start + 1)  # a note of no ticks would never sound
        events.append((start, Message("note_on", channel=channel, note=note.pitch, velocity=note.velocity)))
        events.append((end, Message("note_off", channel=channel, note=note.pitch, velocity=0)))
    return _closed_track(events, 0)


def _closed_track(events: "Iterable[tuple[int, mido.Message]]", end: int) -> "mido.MidiTrack":
    """A track of events at ticks, in order, closed at `end` or at its last event."""
    import mido

    track, now = mido.MidiTrack(), 0
    for tick, message in sorted(events, key=lambda event: (event[0], _ORDER.get(event[1].type, 1))):
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=max(end - now, 0)))
    return track


def _metas(file: "mido.MidiFile", kind: str) -> "Iterator[tuple[int, mido.MetaMessage]]":
    """The meta messages of a kind with their ticks, track by track."""
    for track in file.tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.type == kind:
                yield tick, message


def _track_from(instrument: "pretty_midi.Instrument") -> Track:
    played = [note for note in instrument.notes if note.end > note.start and note.velocity]
    notes = [Note(float(note.start), float(note.end), note.pitch, note.velocity) for note in played]
    pedals = [
        Pedal(float(c.time), down=c.value >= PEDAL_DOWN) for c in instrument.control_changes if c.number == SUSTAIN
    ]
    last = {change.number: change.value for change in instrument.control_changes}
    pan, reverb_send = (last.get(PAN, 64) - 64) / 63, last.get(_REVERB_SEND, 40) / 127
    return Track(
        instrument.name,
        int(instrument.program),
        tuple(sorted(notes)),
        instrument.is_drum,
        tuple(pedals),
        pan=max(pan, -1.0),
        reverb_send=reverb_send,
    )


def _tempi(file: "mido.MidiFile", parsed: "pretty_midi.PrettyMIDI") -> tuple[Tempo, ...]:
    """One for each tempo event; 120 beats a minute where there is none, as the standard says."""
    given = [
        Tempo(float(parsed.tick_to_time(tick)), 60e6 / message.tempo) for tick, message in _metas(file, "set_tempo")
    ]
    return tuple(given) if given and not given[0].start_s else (Tempo(0.0, 120.0), *given)
