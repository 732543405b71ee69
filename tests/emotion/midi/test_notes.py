"""Notes of MIDI files against pretty_midi's reading of the same files, and cutting against a loop."""

import mido
import numpy as np
import pretty_midi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion.errors import SoundError
from emotion.midi import notes
from tests.emotion.plain_model import midi_file, played


def orchestral(path):
    """Two tempos, three instruments on three tracks, drums and a pedal."""
    file = mido.MidiFile(ticks_per_beat=480)
    tempo = mido.MidiTrack([
        mido.MetaMessage("set_tempo", tempo=600_000, time=0),
        mido.MetaMessage("set_tempo", tempo=400_000, time=960),
    ])  # fmt: skip
    file.tracks.append(tempo)
    for channel, program, pitches in ((0, 0, (60, 64)), (1, 48, (72, 76)), (9, 0, (36, 38))):
        track = mido.MidiTrack([mido.Message("program_change", channel=channel, program=program, time=0)])
        for pitch in pitches:
            track.append(mido.Message("note_on", channel=channel, note=pitch, velocity=50 + channel, time=240))
            track.append(mido.Message("control_change", channel=channel, control=64, value=100, time=100))
            track.append(mido.Message("note_off", channel=channel, note=pitch, time=500))
            track.append(mido.Message("control_change", channel=channel, control=64, value=0, time=100))
        file.tracks.append(track)
    file.save(path)
    return path


def rows_of(found: notes.Notes) -> list[tuple]:
    columns = (found.start_s.round(3), found.end_s.round(3), found.pitch, found.velocity, found.program, found.drums)
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


def rows_by_pretty_midi(path) -> list[tuple]:
    return sorted(
        (round(note.start, 3), round(note.end, 3), note.pitch, note.velocity, part.program, part.is_drum)
        for part in pretty_midi.PrettyMIDI(str(path)).instruments
        for note in part.notes
    )


def agree(found: list[tuple], expected: list[tuple]) -> None:
    np.testing.assert_allclose(np.array(found, float), np.array(expected, float), atol=2e-3)


def test_notes_are_those_that_pretty_midi_reads(tmp_path):
    path = orchestral(tmp_path / "a.mid")
    found = notes.read(path)
    agree(rows_of(found), rows_by_pretty_midi(path))
    assert len(found) == 6 and found.duration_s == pytest.approx(1.2 + 820 / 480 * 0.4, abs=1e-3)


def test_notes_are_in_order_of_their_start(tmp_path):
    found = notes.read(orchestral(tmp_path / "a.mid"))
    assert (np.diff(found.start_s) >= 0).all()


def test_pedals_are_the_times_between_its_messages(tmp_path):
    path = orchestral(tmp_path / "a.mid")
    expected = []
    for part in pretty_midi.PrettyMIDI(str(path)).instruments:
        changes = [change for change in part.control_changes if change.number == 64]
        expected += [(down.time, up.time) for down, up in zip(changes[::2], changes[1::2], strict=True)]
    np.testing.assert_allclose(notes.read(path).pedal_s, sorted(expected), atol=2e-3)


def pressed(path, *messages):
    """A note of 4 s with messages of the pedal (time in s, value)."""
    file = mido.MidiFile(ticks_per_beat=500)
    events = [mido.Message("control_change", control=64, value=value, time=round(at * 1000)) for at, value in messages]
    events += [mido.Message("note_on", note=60, time=0), mido.Message("note_off", note=60, time=4000)]
    track, now = mido.MidiTrack(), 0
    for event in sorted(events, key=lambda one: one.time):
        track.append(event.copy(time=event.time - now))
        now = event.time
    file.tracks.append(track)
    file.save(path)
    return path


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([(1, 127), (2, 0), (3, 64), (3.5, 63)], [[1, 2], [3, 3.5]]),
        ([(1, 0), (2, 100), (3, 0)], [[2, 3]]),
        ([(1, 70), (1.5, 90), (2, 0), (2.5, 0)], [[1, 2]]),
        ([(1, 127)], [[1, 4]]),
        ([(0, 0)], []),
        ([(0, 127), (3, 0)], [[0, 3]]),
    ],
)
def test_a_pedal_is_down_from_being_pressed_until_let_go(messages, expected, tmp_path):
    found = notes.read(pressed(tmp_path / "pedal.mid", *messages)).pedal_s
    np.testing.assert_allclose(found, np.reshape(expected, (-1, 2)), atol=2e-3)


def test_real_clips_are_read_as_pretty_midi_reads_them(shared):
    clips = sorted((shared / "data/emopia").rglob("*.mid"))[::200]
    if not clips:
        pytest.skip("needs the clips of EMOPIA: set V2M_DATA to the folder that holds data/emopia")
    for clip in clips:
        found, expected = rows_of(notes.read(clip)), rows_by_pretty_midi(clip)
        assert len(found) == len(expected)
        agree(found, expected)


def test_times_stay_exact_for_hours(tmp_path):
    found = notes.read(midi_file(tmp_path / "late.mid", (3 * 3600.125, 3 * 3600.5, 60)))
    assert (found.start_s[0], found.end_s[0]) == pytest.approx((10_800.375, 10_801.5), abs=2e-3)


def test_a_file_without_notes_has_no_rows(tmp_path):
    found = notes.read(midi_file(tmp_path / "none.mid"))
    assert len(found) == 0 and found.duration_s == 0 and found.pedal_s.shape == (0, 2)


times = st.integers(0, 400).map(lambda value: value / 10)
some_notes = st.lists(st.tuples(times, times, st.integers(0, 127)), max_size=20).map(
    lambda rows: sorted((min(one, other), max(one, other) + 0.05, pitch) for one, other, pitch in rows)
)


@given(some_notes, times, times, st.sampled_from([0.5, 1.0, float("inf")]))
@settings(deadline=None)
def test_notes_within_a_segment_are_those_that_a_loop_finds(rows, one, other, held_s):
    start_s, end_s = min(one, other), max(one, other)
    expected = []
    for start, end, pitch in rows:
        if start_s <= start < end_s:
            expected.append((start - start_s, end - start_s, pitch))
        elif start < start_s and end - start_s >= held_s:
            expected.append((0.0, end - start_s, pitch))
    found = played(*rows).within(start_s, end_s, held_s=held_s)
    np.testing.assert_allclose(
        np.stack([found.start_s, found.end_s, found.pitch], axis=1), np.reshape(expected, (-1, 3)), atol=1e-9
    )
    assert (np.diff(found.start_s) >= 0).all()


def test_earlier_notes_count_only_with_held_s():
    held = played((0, 30, 60), (12, 13, 64))
    assert held.within(8, 16).pitch.tolist() == [64]
    assert held.within(8, 16, held_s=0.5).pitch.tolist() == [60, 64]


def test_pedals_are_cut_to_the_segment():
    held = played((0, 30, 60))
    cut = notes.Notes(*[getattr(held, name) for name in ("start_s", "end_s", "pitch", "velocity", "program", "drums")],
                      np.array([[1.0, 9.0], [10.0, 12.0], [15.0, 40.0]])).within(8, 16)  # fmt: skip
    assert cut.pedal_s.tolist() == [[0, 1], [2, 4], [7, 8]]


def damaged(path, kind: str):
    whole = orchestral(path).read_bytes()
    changed = {
        "empty": b"",
        "text": b"a text file called .mid\n" * 40,
        "cut off": whole[: len(whole) * 2 // 3],
        "cut in the head": whole[:20],
        "no ticks": whole[:12] + b"\0\0" + whole[14:],
        "film frames": whole[:12] + b"\xe8\x28" + whole[14:],
        "last event too long": whole[:-4] + b"\x00\xff\x01\x7f",
        "endless number": whole.replace(b"\x00\xff\x51\x03", b"\xff\xff\xff\xff"),
    }[kind]
    path.write_bytes(changed)
    return path


@pytest.mark.parametrize("kind", ["empty", "text", "cut off", "cut in the head", "no ticks", "film frames",
                                  "last event too long", "endless number"])  # fmt: skip
def test_a_damaged_file_is_refused_in_one_sentence_that_names_it(kind, tmp_path):
    path = damaged(tmp_path / "bad.mid", kind)
    with pytest.raises(SoundError) as raised:
        notes.read(path)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value) and "MiniMidi" not in str(raised.value)


def test_a_folder_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(SoundError, match="Is a directory"):
        notes.read(tmp_path)
    with pytest.raises(SoundError, match=r"no MIDI file at .*nowhere\.mid"):
        notes.read(tmp_path / "nowhere.mid")


@pytest.mark.parametrize("seed", range(4))
def test_a_file_that_is_cut_or_changed_anywhere_never_ends_the_process(seed, tmp_path):
    """symusic alone reads past the end of cut files: one in forty ended the process."""
    whole = orchestral(tmp_path / "a.mid").read_bytes()
    random = np.random.default_rng(seed)
    read = 0
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(random.integers(1, 4)):
            data[random.integers(len(data))] = random.integers(256)
        if random.random() < 0.5:
            data = data[: random.integers(len(data))]
        (tmp_path / "b.mid").write_bytes(data)
        try:
            found = notes.read(tmp_path / "b.mid")
        except SoundError:
            continue
        read += 1
        assert np.isfinite(found.end_s).all() and max(found.pitch.max(initial=0), found.velocity.max(initial=0)) < 128
    assert read > 5


def test_bytes_after_the_last_track_are_ignored(tmp_path):
    path = orchestral(tmp_path / "a.mid")
    expected = rows_of(notes.read(path))
    path.write_bytes(path.read_bytes() + b"\0\0\x805 and more")
    assert rows_of(notes.read(path)) == expected
