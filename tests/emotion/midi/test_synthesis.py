"""Rendering is checked by ear: pitch and onset of what comes out, against the notes that went in."""

from pathlib import Path

import mido
import numpy as np
import pytest

from emotion.errors import SoundError
from emotion.midi import synthesis

RATE = 44_100
SYNTHESIZERS = ["fluidsynth", "symusic"]


@pytest.fixture(params=SYNTHESIZERS)
def synthesizer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each synthesizer in turn; FluidSynth only where its library is installed."""
    if request.param == "symusic":
        pytest.importorskip("symusic")
        monkeypatch.setattr(synthesis, "_fluidsynth", lambda: None)
    elif synthesis._fluidsynth() is None:
        pytest.skip("libfluidsynth is not installed here")
    return request.param


@pytest.fixture
def fluidsynth() -> None:
    if synthesis._fluidsynth() is None:
        pytest.skip("libfluidsynth is not installed here")


def midi(path: Path, *tracks: list[mido.Message]) -> Path:
    """A .mid at 120 beats a minute and 500 ticks a beat: a tick is a millisecond; message times are absolute ticks."""
    file = mido.MidiFile(ticks_per_beat=500)
    for messages in tracks:
        track, now = mido.MidiTrack(), 0
        for message in sorted(messages, key=lambda one: one.time):
            track.append(message.copy(time=message.time - now))
            now = message.time
        file.tracks.append(track)
    file.save(path)
    return path


def note(pitch: int, start_ms: int, end_ms: int, velocity: int = 100, channel: int = 0) -> list[mido.Message]:
    return [
        mido.Message("note_on", note=pitch, velocity=velocity, channel=channel, time=start_ms),
        mido.Message("note_off", note=pitch, channel=channel, time=end_ms),
    ]


def control(number: int, value: int, at_ms: int = 0) -> list[mido.Message]:
    return [mido.Message("control_change", control=number, value=value, time=at_ms)]


def rendered(path: Path, duration_s: float, **options: object) -> np.ndarray:
    return np.concatenate(list(synthesis.render(path, duration_s=duration_s, **options)))


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.square(samples, dtype=np.float64).mean()))


def loudest_hz(samples: np.ndarray) -> float:
    mono = samples.mean(axis=1) * np.hanning(len(samples))
    return float(np.abs(np.fft.rfft(mono, 4 * RATE)).argmax() / 4)


@pytest.mark.parametrize("pitch", [57, 69, 81])
def test_a_note_sounds_at_its_pitch_and_at_its_time(pitch: int, synthesizer: str, tmp_path: Path) -> None:
    samples = rendered(midi(tmp_path / "a.mid", note(pitch, 1000, 2000)), 3.0)
    expected = 440 * 2 ** ((pitch - 69) / 12)
    found = loudest_hz(samples[RATE : 2 * RATE])
    harmonic = max(1, round(found / expected))
    assert found / harmonic == pytest.approx(expected, rel=0.006)  # within ten cents of it or of a harmonic
    assert harmonic <= 2
    onset = np.flatnonzero(np.abs(samples).max(axis=1) > 1e-3)[0] / RATE
    assert onset == pytest.approx(1.0, abs=0.005)


@pytest.mark.parametrize("duration_s", [0.0, 0.5, 1.0, 2.7182])
def test_the_length_is_exact_to_the_frame(duration_s: float, synthesizer: str, tmp_path: Path) -> None:
    path = midi(tmp_path / "a.mid", note(60, 0, 900))
    assert sum(len(block) for block in synthesis.render(path, duration_s=duration_s)) == round(duration_s * RATE)


def test_the_same_file_gives_the_same_samples(synthesizer: str, tmp_path: Path) -> None:
    path = midi(tmp_path / "a.mid", note(60, 0, 900), note(64, 333, 1200, channel=1))
    assert np.array_equal(rendered(path, 2.0), rendered(path, 2.0))


def test_louder_velocities_are_louder_by_forty_decibels_a_decade(synthesizer: str, tmp_path: Path) -> None:
    soft, loud = (rms(rendered(midi(tmp_path / "a.mid", note(60, 0, 900, velocity)), 1.0)) for velocity in (40, 120))
    assert 20 * np.log10(loud / soft) == pytest.approx(40 * np.log10(3), abs=1.0)


def test_the_pedal_holds_a_note_until_it_rises(synthesizer: str, tmp_path: Path) -> None:
    dry = rendered(midi(tmp_path / "dry.mid", note(60, 0, 300)), 3.0)
    held = rendered(midi(tmp_path / "held.mid", [*note(60, 0, 300), *control(64, 127), *control(64, 0, 1500)]), 3.0)
    late = slice(int(1.2 * RATE), int(1.4 * RATE))
    assert rms(held[late]) > 10 * rms(dry[late])
    assert rms(held[int(2.8 * RATE) :]) < 0.05 * rms(held[late])


def share_above_2_khz(samples: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(samples.mean(axis=1))) ** 2
    return float(power[2000 * len(samples) // RATE :].sum() / power.sum())


def test_channel_ten_is_drums(synthesizer: str, tmp_path: Path) -> None:
    hi_hat = rendered(midi(tmp_path / "drums.mid", note(42, 0, 500, channel=9)), 0.5)
    piano = rendered(midi(tmp_path / "piano.mid", note(42, 0, 500)), 0.5)
    assert share_above_2_khz(hi_hat) > 0.5 > 5 * share_above_2_khz(piano)


def test_programs_change_the_instrument(synthesizer: str, tmp_path: Path) -> None:
    piano = rendered(midi(tmp_path / "a.mid", note(60, 0, 3000)), 3.0)
    organ = rendered(midi(tmp_path / "b.mid", [mido.Message("program_change", program=19), *note(60, 0, 3000)]), 3.0)
    sustained = [rms(take[2 * RATE :]) / rms(take[:RATE]) for take in (piano, organ)]
    assert sustained[1] > 2 * sustained[0]


def test_tracks_that_share_a_channel_keep_their_own_programs(synthesizer: str, tmp_path: Path) -> None:
    organ = [mido.Message("program_change", program=19), *note(60, 0, 2000)]
    piano = [mido.Message("program_change", program=0), *note(72, 0, 2000)]
    together = rendered(midi(tmp_path / "both.mid", organ, piano), 2.0)
    apart = rendered(midi(tmp_path / "one.mid", organ), 2.0) + rendered(midi(tmp_path / "two.mid", piano), 2.0)
    assert rms(together - apart) < 0.05 * rms(apart)


def test_tempo_changes_move_later_notes(synthesizer: str, tmp_path: Path) -> None:
    tempo = mido.MetaMessage("set_tempo", tempo=1_000_000, time=500)  # from .5 s on a tick is 2 ms
    samples = rendered(midi(tmp_path / "a.mid", [tempo], note(69, 750, 1000)), 2.0)
    assert np.flatnonzero(np.abs(samples).max(axis=1) > 1e-3)[0] / RATE == pytest.approx(1.0, abs=0.005)


def test_blocks_of_any_size_make_the_same_music(fluidsynth: None, tmp_path: Path) -> None:
    path = midi(tmp_path / "a.mid", *[note(60 + step, 137 * step, 137 * step + 800) for step in range(8)])
    performance, font = synthesis.read(path), synthesis.find_soundfont()
    synths = [synthesis.FluidSynth(synthesis._fluidsynth(), font, RATE, performance.drums) for _ in range(2)]
    whole = np.empty((64 * 1500, 2), np.float32)
    frame = [round(event.time_s * RATE / 64) * 64 for event in performance.events]
    done = 0
    for at, event in zip(frame, performance.events, strict=True):
        synths[0].write(whole[done:at])
        synths[0].send(event)
        done = at
    synths[0].write(whole[done:])
    blocks = list(synthesis._play_fluidsynth(synths[1], performance, len(whole), RATE))
    synths[0].close()
    assert len(blocks) > 2
    assert np.array_equal(np.concatenate(blocks), whole)


def test_symusic_in_chunks_equals_symusic_in_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("symusic")
    monkeypatch.setattr(synthesis, "_fluidsynth", lambda: None)
    path = midi(tmp_path / "a.mid", *[note(60 + step, 337 * step, 337 * step + 1500) for step in range(8)])
    whole = rendered(path, 5.0)
    monkeypatch.setattr(synthesis, "CHUNK_S", 1.0)
    assert np.allclose(rendered(path, 5.0), whole, atol=1e-5)


def test_missing_libfluidsynth_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr(synthesis, "_fluidsynth", lambda: None)
    next(synthesis.render(midi(tmp_path / "a.mid", note(60, 0, 100)), duration_s=0.1))
    assert "libfluidsynth is not installed" in caplog.text
    assert synthesis.synthesizer().startswith("symusic")


def ensemble(path: Path) -> Path:
    """Four parts in different places and rooms, one of them drums, one named twice, and one without a note."""
    voices = [("pad", 0, 48, 20, 90), ("keys", 1, 0, 100, 20), ("keys", 2, 11, 64, 0), ("kit", 9, 0, 50, 60)]
    tracks = [
        [
            mido.MetaMessage("track_name", name=name),
            mido.Message("program_change", program=program, channel=channel),
            *(one.copy(channel=channel) for one in [*control(10, pan), *control(91, room)]),
            *(one for step in range(6) for one in note(40 + 7 * step % 24, 400 * step, 400 * step + 350, 80, channel)),
        ]
        for name, channel, program, pan, room in voices
    ]
    empty = [mido.MetaMessage("track_name", name="rest"), mido.Message("program_change", program=5, channel=4)]
    return midi(path, *tracks, empty)


def parts(path: Path, duration_s: float) -> dict[str, np.ndarray]:
    return {name: np.concatenate(list(part)) for name, part in synthesis.stems(path, duration_s=duration_s).items()}


def test_the_parts_add_up_to_the_whole(synthesizer: str, tmp_path: Path) -> None:
    path = ensemble(tmp_path / "a.mid")
    alone, whole = parts(path, 4.0), rendered(path, 4.0)
    assert list(alone) == ["pad", "keys", "keys 2", "kit", "rest"]
    off = np.abs(sum(alone.values()) - whole).max(axis=1)
    if synthesizer == "symusic":
        assert off.max() < 1e-5
    else:  # but for the last 64 frames of some voices, in which FluidSynth 2.3 leaves what another one left there
        assert rms(sum(alone.values()) - whole) < 1e-3 * rms(whole)
        assert np.mean(off[: len(off) // 64 * 64].reshape(-1, 64).max(axis=1) > 1e-4) < 0.03


def test_a_part_without_notes_is_silent_and_the_others_are_not(synthesizer: str, tmp_path: Path) -> None:
    alone = parts(ensemble(tmp_path / "a.mid"), 3.0)
    assert np.abs(alone.pop("rest")).max() < 1e-6
    assert all(rms(part) > 1e-3 for part in alone.values())


def test_parts_can_be_read_side_by_side(synthesizer: str, tmp_path: Path) -> None:
    path = ensemble(tmp_path / "a.mid")
    alone, lanes = parts(path, 3.5), synthesis.stems(path, duration_s=3.5)
    rows = [list(blocks) for blocks in zip(*lanes.values(), strict=True)]
    assert all(len({len(block) for block in row}) == 1 for row in rows)
    for name, blocks in zip(lanes, zip(*rows, strict=True), strict=True):
        assert np.array_equal(np.concatenate(blocks), alone[name])


def test_a_missing_fluidsynth_is_warned_of_once_for_all_parts(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr(synthesis, "_fluidsynth", lambda: None)
    parts(ensemble(tmp_path / "a.mid"), 0.5)
    assert caplog.text.count("libfluidsynth is not installed") == 1


def test_stems_refuse_what_is_no_soundfont_at_once(tmp_path: Path) -> None:
    with pytest.raises(SoundError, match=r"piano\.sf2 cannot be opened"):
        synthesis.stems(ensemble(tmp_path / "a.mid"), duration_s=1.0, soundfont=tmp_path / "piano.sf2")


def test_a_midi_without_any_part_has_no_stems(tmp_path: Path) -> None:
    assert synthesis.stems(midi(tmp_path / "a.mid", []), duration_s=1.0) == {}


@pytest.mark.parametrize(("pan", "louder"), [(0, 0), (127, 1), (30, 0), (90, 1)])
def test_what_is_panned_to_a_side_is_louder_there(pan: int, louder: int, synthesizer: str, tmp_path: Path) -> None:
    placed = rendered(midi(tmp_path / "a.mid", [*control(10, pan), *note(60, 0, 900)]), 1.0)
    centre = rendered(midi(tmp_path / "b.mid", note(60, 0, 900)), 1.0)
    there, away = ([rms(take[:, side]) for take in (placed, centre)] for side in (louder, 1 - louder))
    assert there[0] * away[1] > 1.03 * there[1] * away[0]  # the piano is sampled in stereo, which bounds the turn


def test_more_reverb_rings_longer(fluidsynth: None, tmp_path: Path) -> None:
    tails = []
    for room in (0, 127):
        rooms = [one.copy(channel=9) for one in control(91, room)]
        path = midi(tmp_path / "a.mid", [*rooms, *note(75, 0, 30, channel=9)])
        tails.append(rms(rendered(path, 2.0)[RATE // 5 :]))
    assert tails[1] > 2 * tails[0]


def test_twenty_instruments_on_nine_channels_are_twenty_parts(tmp_path: Path) -> None:
    tracks = [
        [mido.Message("program_change", program=number, channel=number % 9), *note(60, 0, 500, 90, number % 9)]
        for number in range(20)
    ]
    assert len(synthesis.read(midi(tmp_path / "many.mid", *tracks)).drums) == 20


def test_a_second_track_without_a_program_plays_the_channel_s_instrument(tmp_path: Path) -> None:
    right = [mido.Message("program_change", program=19), *note(60, 0, 500)]
    assert len(synthesis.read(midi(tmp_path / "two.mid", right, note(48, 0, 500))).drums) == 1


@pytest.mark.parametrize("content", [b"", b"not a midi file at all", b"MThd\x00\x00\x00\x06\x00\x01"])
def test_what_is_no_midi_is_refused_in_a_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.mid"
    path.write_bytes(content)
    with pytest.raises(SoundError, match=r"bad\.mid"):
        synthesis.render(path, duration_s=1.0)


def test_a_missing_midi_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SoundError, match=r"none\.mid"):
        synthesis.render(tmp_path / "none.mid", duration_s=1.0)


def test_what_is_no_soundfont_is_refused_before_the_first_block(tmp_path: Path) -> None:
    path = midi(tmp_path / "a.mid", note(60, 0, 100))
    font = tmp_path / "piano.sf2"
    with pytest.raises(SoundError, match=r"piano\.sf2 cannot be opened"):
        synthesis.render(path, duration_s=1.0, soundfont=font)
    font.write_bytes(b"RIFF\x00\x00\x00\x00WAVE")
    with pytest.raises(SoundError, match="is not a SoundFont"):
        synthesis.render(path, duration_s=1.0, soundfont=font)


def test_a_damaged_soundfont_is_refused_in_a_sentence(synthesizer: str, tmp_path: Path) -> None:
    font = tmp_path / "piano.sf2"
    font.write_bytes(b"RIFF\x20\x00\x00\x00sfbk" + b"LIST\x0c\x00\x00\x00pdta" + bytes(8))
    with pytest.raises(SoundError, match=r"piano\.sf2"):
        rendered(midi(tmp_path / "a.mid", note(60, 0, 100)), 1.0, soundfont=font)
