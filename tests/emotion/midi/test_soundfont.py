"""Copies of SoundFonts are checked by reading them with another program and by what their notes sound like."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from emotion.errors import SoundError
from emotion.midi import soundfont

RATE = 44_100


@pytest.fixture(scope="module")
def small_font() -> Path:
    """TimGM6mb, which every installation of pretty_midi has."""
    package = importlib.util.find_spec("pretty_midi")
    return Path(package.submodule_search_locations[0], "TimGM6mb.sf2")


def played(font: Path, pitch: int) -> float:
    """Frequency that symusic's synthesizer gives a piano key, by autocorrelation around the key's own period."""
    symusic = pytest.importorskip("symusic")
    score, track = symusic.Score(ttype="second"), symusic.Track("", 0, False, ttype="second")
    track.notes.append(symusic.Note(0.0, 1.5, pitch, 100, ttype="second"))
    score.tracks.append(track)
    sound = symusic.Synthesizer(str(font), sample_rate=RATE).render(score, stereo=True)[0][4410:48510]
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 4 * RATE))
    return float(spectrum.argmax() / 4)


def test_the_copy_plays_in_tune_where_the_original_does_not(small_font: Path, tmp_path: Path) -> None:
    copy = soundfont.in_tune(small_font, tmp_path / "copy.sf2")
    for pitch in (57, 63, 69, 74):
        expected = 440 * 2 ** ((pitch - 69) / 12)
        assert played(copy, pitch) / expected == pytest.approx(round(played(copy, pitch) / expected), rel=0.01)
        assert abs(played(small_font, pitch) / expected - round(played(small_font, pitch) / expected)) > 0.03


def test_the_copy_is_a_soundfont_with_the_same_sound_data(small_font: Path, tmp_path: Path) -> None:
    copy = soundfont.checked(soundfont.in_tune(small_font, tmp_path / "copy.sf2"))
    old, new = small_font.read_bytes(), copy.read_bytes()
    assert int.from_bytes(new[4:8], "little") == len(new) - 8
    at = old.index(b"smpl")
    size = int.from_bytes(old[at + 4 : at + 8], "little")
    assert new[at : at + 8 + size] == old[at : at + 8 + size]
    assert len(new) > len(old)


def test_a_font_is_found_and_is_one() -> None:
    assert soundfont.checked(soundfont.find_soundfont()).suffix == ".sf2"


def test_a_machine_without_fonts_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundfont, "_INSTALLED", ())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SoundError, match="fluid-soundfont-gm"):
        soundfont.find_soundfont()
