"""The judge with a plain model: its segments, batches, means, and remarks on what it cannot know."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion import judge
from emotion.errors import CheckpointError, SoundError
from emotion.features import mert, sound
from emotion.judge import Judge, Segment
from tests.emotion.plain_model import Plain, midi_file, played, prediction_of, register_judge
from tests.emotion.waves import wav

RATE = sound.SAMPLE_RATE
UNKNOWN = (0.25, 0.25, 0.25, 0.25)


def tones(seconds: float, hz: float = 440.0, level: float = 0.3) -> np.ndarray:
    """Two rows of partials, so that it is no noise."""
    moments = np.arange(round(seconds * RATE)) / RATE
    return (level * (np.sin(2 * np.pi * hz * moments) + np.sin(2 * np.pi * 3 * hz * moments)) / 2).astype(np.float32)


def scale(seconds: float, first: int = 48) -> list[tuple[float, float, int]]:
    """Two notes a second, going up and beginning anew."""
    return [(index / 2, index / 2 + 0.45, first + index % 24) for index in range(round(2 * seconds))]


def piece(seconds: float) -> Segment:
    return Segment(sound.log_mel([tones(seconds)]), played(*scale(seconds)), seconds)


@given(st.floats(0, 500))
def test_windows_cover_a_piece_without_a_gap(duration_s):
    found = judge.windows(duration_s)
    assert found[0][0] == 0 and found[-1][1] == duration_s
    assert all(later[0] <= earlier[1] for earlier, later in itertools.pairwise(found))
    assert all(end - start == pytest.approx(min(8, duration_s)) for start, end in found)
    assert len(found) <= max(1, duration_s / 4)


def test_windows_begin_every_four_seconds_and_the_last_ends_at_the_end():
    assert judge.windows(17.5) == ((0, 8), (4, 12), (8, 16), (9.5, 17.5))
    assert judge.windows(8.0) == ((0, 8),) and judge.windows(3.0) == ((0, 3),)


@given(st.floats(0.1, 1e4), st.floats(8, 120))
def test_parts_are_equal_consecutive_and_short_enough(duration_s, longest_s):
    found = judge.parts(duration_s, longest_s)
    lengths = np.array([end - start for start, end in found])
    assert found[0][0] == 0 and found[-1][1] == pytest.approx(duration_s)
    assert all(one[1] == other[0] for one, other in itertools.pairwise(found))
    assert np.ptp(lengths) < 1e-6 and lengths.max() <= longest_s + 1e-6
    assert duration_s / max(len(found) - 1, 0.5) > longest_s or len(found) == 1


def test_a_window_is_the_prediction_of_its_segment():
    whole = piece(20.0)
    report = Judge(Plain()).predict_segments([whole])[0]
    for window in report.windows:
        cut = whole.cut(window.start_s, window.end_s)
        valence, arousal, *quadrants = prediction_of(cut)
        assert (window.valence, window.arousal) == pytest.approx((valence, arousal))
        assert window.quadrants == pytest.approx(quadrants)
    assert (report.whole.valence, report.whole.arousal) == pytest.approx(prediction_of(whole)[:2])
    assert (report.judge, report.sha256, report.heard, report.remarks) == ("plain", "0" * 64, "audio and MIDI", ())


def test_rows_and_notes_of_a_cut_are_of_the_same_seconds():
    cut = piece(20.0).cut(4.0, 12.0)
    assert len(cut.mel) == 8 * sound.ROWS_PER_S + 1
    assert cut.notes.start_s.tolist() == pytest.approx(np.arange(0, 8, 0.5).tolist())
    np.testing.assert_array_equal(cut.mel, piece(20.0).mel[200:601])


def test_a_model_that_needs_mert_gets_its_rows_of_the_same_seconds(tmp_path, monkeypatch):
    class Rows:
        def rows(self, blocks):
            seconds = sum(map(len, blocks)) / RATE
            return np.arange(round(seconds * 75), dtype=np.float32)[:, None]

    monkeypatch.setattr(mert, "load", lambda device: Rows())
    model = Plain()
    path = wav(tmp_path / "a.wav", np.concatenate([tones(11.5), np.zeros(round(12.5 * RATE))]), RATE)
    assert not Judge(model).read(path, None).rows
    model.frontends = ("mert",)
    Judge(model).predict(path)
    firsts = [segment.rows["mert"][0, 0] / 75 for batch in model.batches for segment in batch]
    assert sorted(firsts) == [0, 0, 4, 8]  # the whole, and the windows that hold sound
    assert all(len(segment.rows["mert"]) == pytest.approx(len(segment.mel) * 1.5, abs=2)
               for batch in model.batches for segment in batch)  # fmt: skip


def test_a_long_piece_is_the_mean_of_its_parts_that_hold_something():
    notes = played(*scale(25.0), *[(time + 60, end + 60, pitch + 30) for time, end, pitch in scale(30.0)])
    report = Judge(Plain(longest_s=30.0)).predict_notes(notes, 90.0)
    heard = [prediction_of(Segment(None, notes.within(start, start + 30), 30.0)) for start in (0.0, 60.0)]
    assert (report.whole.valence, report.whole.arousal, *report.whole.quadrants) == pytest.approx(np.mean(heard, 0))
    assert any("mean of 2 segments of 30 s" in remark for remark in report.remarks)


def test_batches_stay_small_and_pad_little():
    model = Plain()
    Judge(model).predict_notes(played(*scale(600.0)), 600.0)
    for batch in model.batches:
        lengths = [segment.duration_s for segment in batch]
        assert len(batch) * max(lengths) <= judge.BATCH_S and max(lengths) <= 2 * min(lengths)
    assert len(model.batches) <= 2 + 149 // 32 + 10 // 4 + 1


def test_pieces_of_one_batch_are_predicted_as_if_alone():
    pieces = [(played(*scale(seconds, first)), seconds) for seconds, first in ((5.0, 40), (70.0, 60), (0.0, 60))]
    plain = Judge(Plain())
    together = plain.predict_many_notes(pieces)
    assert together == tuple(plain.predict_notes(*one) for one in pieces)
    assert len({report.whole for report in together}) == 3


def test_a_silent_window_is_unknown_and_does_not_count():
    samples = np.concatenate([tones(16.0), np.zeros(16 * RATE, np.float32)])
    report = Judge(Plain(longest_s=16.0)).predict_segments([Segment(sound.log_mel([samples]), None, 32.0)])[0]
    unknown = [window.start_s for window in report.windows if window.quadrants == UNKNOWN]
    assert unknown == [20.0, 24.0]  # the one from 16 s still holds the tone's end
    assert any("2 of 7 windows are silent" in remark for remark in report.remarks)
    assert all((window.valence, window.arousal) == (0, 0) for window in report.windows if window.start_s in unknown)


def test_a_note_held_into_a_window_sounds_there():
    report = Judge(Plain()).predict_notes(played((0, 30, 60)), 30.0)
    assert all(window.quadrants != UNKNOWN for window in report.windows)
    silent = Judge(Plain()).predict_notes(played((0, 8.3, 60), (29, 30, 60)), 30.0)
    assert [window.quadrants == UNKNOWN for window in silent.windows] == [False, False, True, True, True, True, False]


def test_silence_is_reported_as_unknown():
    report = Judge(Plain()).predict_segments([Segment(sound.log_mel([np.zeros(20 * RATE)]), None, 20.0)])[0]
    assert report.whole.quadrants == UNKNOWN and (report.whole.valence, report.whole.arousal) == (0, 0)
    assert report.heard == "audio" and report.remarks == ("the sound is silent: its emotion is unknown",)


def test_a_faint_hiss_counts_as_silence():
    hiss = np.random.default_rng(0).normal(0, 1e-4, 10 * RATE)
    report = Judge(Plain()).predict_segments([Segment(sound.log_mel([hiss]), None, 10.0)])[0]
    assert report.whole.quadrants == UNKNOWN


def test_quiet_music_is_no_silence():
    report = Judge(Plain()).predict_segments([Segment(sound.log_mel([tones(10.0, level=0.01)]), None, 10.0)])[0]
    assert report.whole.quadrants != UNKNOWN and report.remarks == ()


def test_a_piece_without_notes_is_reported_as_unknown():
    report = Judge(Plain()).predict_notes(played(), 0.0)
    assert report.whole.quadrants == UNKNOWN and report.heard == "MIDI" and len(report.windows) == 1
    assert report.remarks == ("the MIDI has no notes: its emotion is unknown",)


def test_silent_audio_with_notes_is_predicted_from_its_notes():
    silent = Segment(sound.log_mel([np.zeros(20 * RATE)]), played(*scale(20.0)), 20.0)
    report = Judge(Plain()).predict_segments([silent])[0]
    assert report.heard == "MIDI" and report.remarks == ("the sound is silent: only the MIDI counts",)
    assert report.whole.valence == pytest.approx(prediction_of(Segment(None, silent.notes, 20.0))[0])


def test_a_short_piece_has_a_remark():
    report = Judge(Plain()).predict_notes(played(*scale(1.0)), 1.0)
    assert report.remarks == ("it lasts 1.0 s: less than 5 s says little",) and len(report.windows) == 1


def colored(exponent: float, seconds: float = 12.0) -> np.ndarray:
    """Noise whose power falls as frequency to the minus exponent."""
    count = round(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(3).standard_normal(count))
    spectrum[1:] *= np.arange(1, len(spectrum)) ** (-exponent / 2)
    samples = np.fft.irfft(spectrum, count)
    return (samples / np.abs(samples).max() / 2).astype(np.float32)


@pytest.mark.parametrize("exponent", [-1, 0, 1, 2])
def test_noise_of_any_colour_has_a_remark(exponent):
    report = Judge(Plain()).predict_segments([Segment(sound.log_mel([colored(exponent)]), None, 12.0)])[0]
    assert [remark for remark in report.remarks if "sounds like noise" in remark]


def test_tones_in_noise_are_no_noise():
    samples = colored(1) / 4 + tones(12.0)
    report = Judge(Plain()).predict_segments([Segment(sound.log_mel([samples]), None, 12.0)])[0]
    assert report.remarks == ()


def test_real_songs_are_no_noise(shared):
    songs = sorted((shared / "data/fourq/audio").rglob("*.opus"))[::300]
    if not songs:
        pytest.skip("needs the songs of fourq: set V2M_DATA to the folder that holds data/fourq")
    assert min(judge.tonality(sound.log_mel(sound.read(song))) for song in songs) > judge.NOISE_DB


def test_different_lengths_have_a_remark(tmp_path):
    differing = Segment(sound.log_mel([tones(30.0)]), played(*scale(19.5), (19.5, 20.0, 60)), 30.0)
    (remark,) = [one for one in Judge(Plain()).predict_segments([differing])[0].remarks if "same piece" in one]
    assert remark == "the sound lasts 30.0 s and the MIDI 20.0 s: they may not be of the same piece"
    close = Segment(sound.log_mel([tones(30.0)]), played(*scale(28.5)), 30.0)
    assert not [one for one in Judge(Plain()).predict_segments([close])[0].remarks if "same piece" in one]


def test_a_modality_that_the_model_does_not_take_is_refused(tmp_path):
    midi = midi_file(tmp_path / "a.mid", *scale(2.0))
    with pytest.raises(SoundError, match="takes only audio"):
        Judge(Plain(["audio"])).predict(midi=midi)
    with pytest.raises(SoundError, match="there is no input"):
        Judge(Plain()).predict()


def test_of_two_files_only_the_modality_that_the_model_takes_is_read(tmp_path):
    midi = midi_file(tmp_path / "a.mid", *scale(10.0))
    report = Judge(Plain(["MIDI"])).predict(tmp_path / "never-opened.wav", midi)
    assert report.heard == "MIDI"
    assert report.whole.valence == Judge(Plain()).predict(midi=midi).whole.valence


def test_of_three_hours_only_the_segments_with_notes_are_predicted(tmp_path):
    midi = midi_file(tmp_path / "late.mid", (3 * 3600 - 1, 3 * 3600, 60))
    model = Plain()
    report = Judge(model).predict(midi=midi)
    assert len(report.windows) == 2699 and sum(map(len, model.batches)) == 2  # a window and a part
    assert report.windows[-1].quadrants != UNKNOWN and report.whole.quadrants != UNKNOWN


def test_a_piece_of_days_is_refused(tmp_path):
    midi = midi_file(tmp_path / "days.mid", (200_000, 200_001, 60))
    with pytest.raises(SoundError, match="more than 12 hours: cut it"):
        Judge(Plain()).predict(midi=midi)


def test_a_sound_of_days_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(sound, "read", lambda path: itertools.repeat(np.zeros(RATE * 3600, np.float32)))
    monkeypatch.setattr(sound, "log_mel", lambda blocks: sum(len(block) for block in blocks))
    with pytest.raises(SoundError, match=r"long\.wav lasts more than 12 hours"):
        Judge(Plain()).predict(tmp_path / "long.wav")


def test_predictions_that_are_no_numbers_are_refused():
    class Broken(Plain):
        def predict(self, segments):
            return np.full((len(segments), 6), np.nan)

    with pytest.raises(Exception, match="not a prediction"):
        Judge(Broken()).predict_notes(played(*scale(3.0)), 3.0)


def test_a_judge_is_loaded_once(monkeypatch):
    register_judge(monkeypatch, unified=Plain)
    judge._load.cache_clear()
    try:
        assert judge.load() is judge.load("unified")
    finally:
        judge._load.cache_clear()


def test_an_unknown_judge_is_refused():
    with pytest.raises(CheckpointError, match="unknown judge 'nobody'"):
        judge.load("nobody")


@pytest.fixture(scope="module")
def shipped() -> Judge:
    """PoolingVQ, which selects among candidates."""
    return judge.load("poolingvq")


def test_the_shipped_judge_predicts_a_minute_of_both(shipped, tmp_path):
    audio = wav(tmp_path / "a.wav", tones(60.0), RATE)
    midi = midi_file(tmp_path / "a.mid", *[(n / 8, n / 8 + 0.3, 40 + n * 7 % 40) for n in range(480)])
    report = shipped.predict(audio, midi)
    assert report.heard == "audio and MIDI" and report.judge == "poolingvq" and len(report.sha256) == 64
    assert report.whole.quadrants != UNKNOWN and len(report.windows) == 15


def test_the_shipped_judge_ranks_fast_and_high_above_slow_and_low(shipped):
    slow = played(*[(n * 2.0, n * 2.0 + 1.9, 40 + (0, 3, 7)[n % 3]) for n in range(15)])
    fast = played(*[(n / 8, n / 8 + 0.1, 64 + (0, 4, 7, 12)[n % 4]) for n in range(240)])
    calm, excited = shipped.predict_many_notes([(slow, 30.0), (fast, 30.0)])
    assert excited.whole.arousal > calm.whole.arousal + 0.1


def test_the_shipped_judge_reports_silence_as_unknown(shipped):
    report = shipped.predict_segments([Segment(sound.log_mel([np.zeros(20 * RATE)]), played(), 20.0)])[0]
    assert report.whole.quadrants == UNKNOWN and len(report.remarks) == 2


def test_a_drone_is_cut_with_its_segment():
    seen = []

    class Recording(Plain):
        def predict(self, segments):
            seen.extend(segments)
            return super().predict(segments)

    notes = played((0, 3600, 36), *scale(16.0))
    Judge(Recording()).predict_notes(notes, 16.0)
    assert all(segment.notes.end_s.max() <= segment.duration_s + 2.0 for segment in seen)


def test_drums_alone_are_unknown():
    drums = replace(played(*scale(12.0)), drums=np.ones(len(played(*scale(12.0))), bool))
    report = Judge(Plain()).predict_notes(drums, 12.0)
    assert report.whole.confidence == 0.25 and report.whole.valence == report.whole.arousal == 0
    assert any("drums alone" in remark for remark in report.remarks)
