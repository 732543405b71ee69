"""A score survives the way to a .mid and back, and the same score gives the same bytes."""

import mido
import numpy as np
import pretty_midi
import pytest

from emotion.midi import notes
from video2music.arranging import midi
from video2music.arranging.arrange import arrange
from video2music.chords import parse_sequence
from video2music.composing.form import plan
from video2music.errors import MediaError, Video2MusicError
from video2music.styles import load_style, names
from video2music.values import Cut, Dynamics, Key, Marker, Metre, Note, Pedal, Score, Tempo, Track


def composed(style="piano", duration_s=50.0, key="D minor", arousal=0.1):
    style = load_style(style)
    cuts = [Cut(8.3, 9.0), Cut(21.7, 20.0), Cut(33.4, 15.0)]
    form = plan(duration_s, cuts, arousal=arousal, style=style)
    steps = len(form)
    loop = parse_sequence("Am F C G")
    dynamics = Dynamics(np.linspace(3, 18, steps, dtype=np.float32), np.linspace(0.05, 0.3, steps, dtype=np.float32))
    markers = [Marker(cut.time_s, "cut") for cut in cuts]
    chords = [loop[step % 4] for step in range(steps)]
    rng = np.random.default_rng(0)
    return form, arrange(chords, dynamics, form, style, key=Key.parse(key), rng=rng, markers=markers)


def assert_close(one: Score, two: Score) -> None:
    assert [(t.name, t.program, t.drums) for t in one.tracks] == [(t.name, t.program, t.drums) for t in two.tracks]
    for before, after in zip(one.tracks, two.tracks, strict=True):
        key = sorted((n.pitch, n.start_s, n.end_s, n.velocity) for n in before.notes)
        got = sorted((n.pitch, n.start_s, n.end_s, n.velocity) for n in after.notes)
        np.testing.assert_allclose(got, key, atol=1e-3, rtol=0)
        np.testing.assert_allclose([p.time_s for p in after.pedals], [p.time_s for p in before.pedals], atol=1e-3)
        assert [p.down for p in after.pedals] == [p.down for p in before.pedals]
    np.testing.assert_allclose([m.time_s for m in two.markers], [m.time_s for m in one.markers], atol=1e-3)
    assert [m.text for m in two.markers] == [m.text for m in one.markers]
    for before, after in zip(one.tempi, two.tempi, strict=True):
        assert after.start_s == pytest.approx(before.start_s, abs=1e-3)
        assert after.bpm == pytest.approx(before.bpm, rel=1e-5)
    for before, after in zip(one.metres, two.metres, strict=True):
        assert after.start_s == pytest.approx(before.start_s, abs=1e-3)
        assert after.beats == before.beats
    assert one.key == two.key
    assert two.duration_s == pytest.approx(one.duration_s, abs=1e-3)


@pytest.mark.parametrize("style", names())
@pytest.mark.parametrize("arousal", [-0.9, 0.1, 0.9])
def test_a_score_comes_back_from_its_file_within_a_millisecond(tmp_path, style, arousal):
    _, score = composed(style, arousal=arousal)
    midi.write(score, tmp_path / "a.mid")
    assert_close(score, midi.read(tmp_path / "a.mid"))


def test_times_do_not_drift_over_an_hour_of_changing_tempi(tmp_path):
    tempi = np.random.default_rng(0).uniform(55, 130, 100)
    marks = tuple(Tempo(36.0 * i, float(tempo)) for i, tempo in enumerate(tempi))
    notes = tuple(Note(t, t + 0.4, 60, 80) for t in np.arange(0, 3599, 7.77).tolist())
    score = Score((Track("piano", 0, notes),), marks, (Metre(0.0, 4),), Key(0, "major"), 3600.0)
    midi.write(score, tmp_path / "hour.mid")
    heard = pretty_midi.PrettyMIDI(str(tmp_path / "hour.mid"))
    found = sorted(note.start for note in heard.instruments[0].notes)
    assert np.abs(np.array(found) - [note.start_s for note in notes]).max() < 1e-3


def test_downbeats_of_the_file_are_on_the_bars_of_the_form_also_after_a_pickup(tmp_path):
    for duration_s, arousal in ((50.0, 0.1), (50.0, -0.6), (41.0, 0.7), (30.0, 0.0)):
        form, score = composed(duration_s=duration_s, arousal=arousal)
        midi.write(score, tmp_path / "bars.mid")
        downbeats = pretty_midi.PrettyMIDI(str(tmp_path / "bars.mid")).get_downbeats()
        for bar in form.bars_s:
            assert np.abs(downbeats - bar).min() < 2e-3


def test_the_same_score_gives_the_same_bytes(tmp_path):
    for name in ("one.mid", "two.mid"):
        midi.write(composed()[1], tmp_path / name)
    assert (tmp_path / "one.mid").read_bytes() == (tmp_path / "two.mid").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.mid", "two.mid"]


def test_other_programs_find_tempo_metre_key_markers_and_pedal(tmp_path):
    _, score = composed(key="Eb major")
    midi.write(score, tmp_path / "a.mid")
    heard = pretty_midi.PrettyMIDI(str(tmp_path / "a.mid"))
    assert pretty_midi.key_number_to_key_name(heard.key_signature_changes[0].key_number) == "Eb Major"
    assert heard.time_signature_changes[-1].numerator == 4
    assert heard.get_tempo_changes()[1][0] == pytest.approx(score.tempi[0].bpm, rel=1e-4)
    metas = [message for track in mido.MidiFile(tmp_path / "a.mid").tracks for message in track]
    assert sum(message.type == "marker" and message.text == "cut" for message in metas) == 3
    assert any(change.number == 64 for change in heard.instruments[0].control_changes)
    assert heard.instruments[0].name == "piano"


@pytest.mark.parametrize("mode", ["major", "minor"])
@pytest.mark.parametrize("tonic", range(12))
def test_every_key_survives(tmp_path, tonic, mode):
    score = Score(
        (Track("a", 0, (Note(0.0, 1.0, 60, 64),)),), (Tempo(0.0, 100.0),), (Metre(0.0, 4),), Key(tonic, mode), 1.0
    )
    midi.write(score, tmp_path / "k.mid")
    assert midi.read(tmp_path / "k.mid").key == Key(tonic, mode)


def test_a_key_struck_again_at_once_stays_two_notes(tmp_path):
    notes = (Note(0.0, 0.5, 60, 64), Note(0.5, 1.0, 60, 70))
    score = Score((Track("a", 0, notes),), (Tempo(0.0, 97.3),), (Metre(0.0, 4),), Key(0, "major"), 1.0)
    midi.write(score, tmp_path / "k.mid")
    assert [note.velocity for note in midi.read(tmp_path / "k.mid").tracks[0].notes] == [64, 70]


def test_drums_play_on_channel_ten_and_no_other_instrument_does(tmp_path):
    note = (Note(0.0, 1.0, 38, 64),)
    tracks = (*(Track(f"t{i}", i, note) for i in range(12)), Track("kit", 0, note, drums=True))
    score = Score(tracks, (Tempo(0.0, 100.0),), (Metre(0.0, 4),), Key(0, "major"), 1.0)
    midi.write(score, tmp_path / "d.mid")
    channels = [
        {message.channel for message in track if message.type == "note_on"}
        for track in mido.MidiFile(tmp_path / "d.mid").tracks[1:]
    ]
    assert channels[-1] == {9} and all({9} != other for other in channels[:-1])
    assert len(set.union(*channels)) == 13
    assert [track.drums for track in midi.read(tmp_path / "d.mid").tracks] == [False] * 12 + [True]


def test_names_in_any_script_survive(tmp_path):
    track = Track("фортепиано", 0, (Note(0.0, 1.0, 60, 64),), pedals=(Pedal(0.1, True), Pedal(0.9, False)))
    score = Score((track,), (Tempo(0.0, 100.0),), (Metre(0.0, 4),), Key(0, "major"), 1.0, (Marker(0.5, "Schnitt – ä"),))
    midi.write(score, tmp_path / "n.mid")
    assert_close(score, midi.read(tmp_path / "n.mid"))


def test_more_instruments_than_channels_are_refused(tmp_path):
    tracks = tuple(Track(str(i), 0, (Note(0.0, 1.0, 60, 64),)) for i in range(16))
    score = Score(tracks, (Tempo(0.0, 100.0),), (Metre(0.0, 4),), Key(0, "major"), 1.0)
    with pytest.raises(Video2MusicError, match="16 instruments"):
        midi.write(score, tmp_path / "many.mid")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_or_read_is_reported_in_a_sentence(tmp_path):
    with pytest.raises(MediaError, match="cannot be written"):
        midi.write(composed(duration_s=3.0)[1], tmp_path / "nowhere" / "a.mid")
    for name, content in (("empty.mid", b""), ("text.mid", b"this is no MIDI file at all, not even nearly")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(MediaError, match="cannot be read"):
            midi.read(tmp_path / name)
    with pytest.raises(MediaError, match="cannot be read"):
        midi.read(tmp_path / "missing.mid")


@pytest.mark.parametrize("style", names())
def test_the_rows_of_a_score_are_those_that_a_judge_reads_from_its_file(tmp_path, style):
    _, score = composed(style)
    midi.write(score, tmp_path / "a.mid")
    rows, read = midi.notes_of(score), notes.read(tmp_path / "a.mid")
    order = [np.lexsort((one.start_s, one.pitch, one.program)) for one in (rows, read)]
    for name in ("start_s", "end_s", "pitch", "velocity", "program", "drums"):
        got, expected = (np.asarray(getattr(one, name), float)[at] for one, at in zip((rows, read), order, strict=True))
        np.testing.assert_allclose(got, expected, atol=1.5e-3)
    np.testing.assert_allclose(rows.pedal_s, read.pedal_s, atol=1.5e-3)
    assert (np.diff(rows.start_s) >= 0).all()


def test_a_score_without_notes_has_no_rows():
    empty = Score((Track("piano", 0, ()),), (Tempo(0.0, 90.0),), (Metre(0.0, 4),), Key(0, "major"), 5.0)
    assert len(midi.notes_of(empty)) == 0 and midi.notes_of(empty).pedal_s.shape == (0, 2)
