"""The ducking curve: down before the first word, up after the last, smooth, and constant between words."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.video2music.speech_audio import RATE
from video2music.mixing import balance
from video2music.mixing.loudness import SPAN
from video2music.mixing.speech import SpeechSegment

PER_S = RATE // SPAN
STEEPEST = balance.DEPTH_DB * np.pi / 2 / balance.ATTACK_S  # dB a second, of a raised cosine

stretches = st.lists(st.tuples(st.floats(0, 30), st.floats(0.1, 8)), max_size=8).map(
    lambda found: [SpeechSegment(start, start + length) for start, length in sorted(found)]
)


@settings(max_examples=60, deadline=None)
@given(stretches)
def test_music_is_down_for_all_of_the_speech_and_never_moves_fast(speech: list[SpeechSegment]) -> None:
    gain_db = balance.ducking_curve(speech, 40 * PER_S)
    now_s = (np.arange(len(gain_db)) + 0.5) / PER_S
    for start_s, end_s in speech:
        assert gain_db[(now_s >= start_s) & (now_s <= end_s)] == pytest.approx(-balance.DEPTH_DB)
    assert np.abs(np.diff(gain_db)).max() * PER_S <= 1.001 * STEEPEST
    assert gain_db.max() <= 0
    assert gain_db.min() >= -balance.DEPTH_DB - 1e-9


@settings(max_examples=60, deadline=None)
@given(stretches)
def test_no_step_is_done_within_fifty_milliseconds(speech: list[SpeechSegment]) -> None:
    gain_db = balance.ducking_curve(speech, 40 * PER_S)
    window = PER_S // 20
    moved = np.abs(gain_db[window:] - gain_db[:-window]).max()
    assert moved < balance.DEPTH_DB / 3


def test_attack_and_release_take_the_time_they_say() -> None:
    gain_db = balance.ducking_curve([SpeechSegment(5.0, 8.0)], 20 * PER_S)
    moving = np.flatnonzero(np.abs(np.diff(gain_db)) > 1e-9) / PER_S
    falling, rising = moving[moving < 6], moving[moving > 6]
    assert falling[-1] - falling[0] == pytest.approx(balance.ATTACK_S, abs=0.02)
    assert falling[-1] == pytest.approx(5.0, abs=0.01)
    assert rising[0] == pytest.approx(8.0 + balance.HOLD_S, abs=0.01)
    assert rising[-1] - rising[0] == pytest.approx(balance.RELEASE_S, abs=0.02)


def test_pauses_between_words_do_not_pump() -> None:
    words = [SpeechSegment(3 + 0.8 * number, 3.3 + 0.8 * number) for number in range(9)]
    gain_db = balance.ducking_curve(words, 20 * PER_S)
    assert gain_db[3 * PER_S + 1 : 9 * PER_S] == pytest.approx(-balance.DEPTH_DB)


def test_long_gaps_come_all_the_way_back() -> None:
    gain_db = balance.ducking_curve([SpeechSegment(2, 4), SpeechSegment(8, 9)], 20 * PER_S)
    assert gain_db[6 * PER_S] == 0


def test_without_speech_nothing_happens() -> None:
    assert not balance.ducking_curve([], 300).any()
