"""Balance: the parts of a mix made with it, measured separately with pyloudnorm."""

import numpy as np
import pyloudnorm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.video2music.speech_audio import RATE, seconds
from video2music.mixing import balance, limiter, loudness
from video2music.mixing.balance import SourceAudio
from video2music.mixing.speech import SpeechSegment

SECONDS = 12
SPEECH = [SpeechSegment(3.0, 5.5), SpeechSegment(8.0, 10.0)]


def noise(level: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, level, (SECONDS * RATE, 2)).astype(np.float32)


def voice(level: float, crest: float = 1.0) -> np.ndarray:
    """Noise where speech is, with syllables `crest` times as loud as what is between."""
    now_s = np.arange(SECONDS * RATE) / RATE
    spoken = sum((now_s >= start) & (now_s < end) for start, end in SPEECH)
    syllable = 1 + (crest - 1) * ((now_s * 4) % 1 < 0.1)
    return noise(level, 1) * (spoken * syllable)[:, None].astype(np.float32)


def lufs(samples: np.ndarray) -> float:
    return pyloudnorm.Meter(RATE).integrated_loudness(samples.astype(float))


def played(samples: np.ndarray, gain: np.ndarray) -> np.ndarray:
    return np.concatenate(list(limiter.applied(seconds(samples), gain)))


def source_of(samples: np.ndarray, speech: list[SpeechSegment]) -> SourceAudio:
    return SourceAudio(loudness.measured(seconds(samples)), speech)


@settings(max_examples=10, deadline=None)
@given(st.floats(-60, 0), st.floats(-50, 0), st.floats(1, 6), st.booleans())
def test_music_is_below_the_speech_whatever_the_levels(
    music_db: float, voice_db: float, crest: float, ducked: bool
) -> None:
    music, said = noise(0.3 * 10 ** (music_db / 20)), voice(0.1 * 10 ** (voice_db / 20), crest)
    found = balance.balance(loudness.measured(seconds(music)), source_of(said, SPEECH), ducked=ducked, lufs=-14.0)
    limited = played(said, found.source)
    audible = 10 ** (-voice_db / 20)  # of both, or the gates would leave nothing of faint ones to measure
    speech_lufs = lufs(audible * np.concatenate([limited[int(a * RATE) : int(b * RATE)] for a, b in SPEECH]))
    gap = audible * played(music, found.music)[: 2 * RATE]
    wanted = balance.DUCKED_LU if ducked else balance.BESIDE_LU
    assert speech_lufs - lufs(gap) == pytest.approx(wanted, abs=1.0)


def test_speech_is_limited_by_itself_so_that_the_master_hardly_works() -> None:
    music, said = noise(0.05), voice(0.1, 6.0)
    found = balance.balance(loudness.measured(seconds(music)), source_of(said, SPEECH), ducked=True, lufs=-14.0)
    assert found.source_limited_db > 3
    mixed = played(music, found.music) + played(said, found.source)
    assert limiter.gain_for(loudness.measured(seconds(mixed)), -14.0).limited_db < found.source_limited_db / 2


@pytest.mark.parametrize("level", [0.5, 0.05, 1e-3])
def test_ambience_is_below_the_music_and_is_hardly_raised(level: float) -> None:
    music, own = noise(0.1), noise(level, 2)
    found = balance.balance(loudness.measured(seconds(music)), source_of(own, []), ducked=True, lufs=-20.0)
    apart = lufs(played(music, found.music)) - lufs(played(own, found.source))
    assert apart >= balance.AMBIENCE_LU - 0.2
    assert found.source_db <= balance.MAX_RAISE_DB
    assert apart == pytest.approx(balance.AMBIENCE_LU, abs=0.3) or found.source_db == balance.MAX_RAISE_DB
    assert not found.ducking_db.any()


def test_how_much_lower_the_music_is_counts_its_ways_down_and_up() -> None:
    own = source_of(voice(0.1), SPEECH)
    found = balance.balance(loudness.measured(seconds(noise(0.1))), own, ducked=True, lufs=-14.0)
    assert balance.DEPTH_DB - 3 < found.ducked_db(own) < balance.DEPTH_DB
    assert found.ducked_db(source_of(voice(0.1), [])) == 0
    assert found.ducked_db(source_of(voice(0.1), [SpeechSegment(-1.0, SECONDS + 1.0)])) > 0


@pytest.mark.parametrize("frames", [0, 300, 44_100])
@pytest.mark.parametrize("speech", [[], [SpeechSegment(0.0, 9.0)]])
def test_silence_and_moments_do_no_harm(frames: int, speech: list[SpeechSegment]) -> None:
    silent = loudness.measured(seconds(np.zeros((frames, 2), np.float32)))
    faint = loudness.measured(seconds(np.full((frames, 2), 1e-4, np.float32)))
    for music, own in ((silent, faint), (faint, silent)):
        found = balance.balance(music, SourceAudio(own, speech), ducked=True, lufs=-14.0)
        assert np.isfinite(found.music).all()
        assert np.isfinite(found.source).all()
