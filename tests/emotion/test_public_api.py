"""What `import emotion` offers, and that it imports nothing heavy until it is asked."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import emotion
import video2music
from emotion.errors import SoundError
from emotion.judge import Judge
from tests.emotion.plain_model import Plain, midi_file, register_judge

HEAVY = ("torch", "numpy", "scipy", "matplotlib", "sklearn", "miditok", "transformers", "av")


@pytest.fixture
def piece(tmp_path: Path) -> Path:
    return midi_file(tmp_path / "piece.mid", *((float(start), start + 1.0, 60 + start) for start in range(12)))


@pytest.mark.parametrize("module", ["emotion", "emotion.cli"])
def test_nothing_heavy_is_imported_with_it(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == ""


def test_every_public_name_is_found() -> None:
    assert all(getattr(emotion, name) is not None for name in emotion.__all__)
    assert set(emotion.__all__) < set(dir(emotion))
    with pytest.raises(AttributeError, match="no attribute 'mood'"):
        _ = emotion.mood  # type: ignore[attr-defined]


def test_both_packages_are_of_one_version_and_typed() -> None:
    assert emotion.__version__ == video2music.__version__
    assert all((Path(str(package.__file__)).parent / "py.typed").is_file() for package in (emotion, video2music))


def test_a_file_is_predicted_by_the_default_judge(piece: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register_judge(monkeypatch, unified=Plain)
    report = emotion.predict(str(piece))
    assert (report.judge, report.heard, report.whole.end_s) == ("plain", "MIDI", 12.0)
    assert report.whole == emotion.predict(piece, judge="unified").whole


def test_a_loaded_judge_is_used_as_it_is(piece: Path) -> None:
    model = Plain(modalities=("MIDI",))
    assert emotion.predict(piece, judge=Judge(model)).heard == "MIDI" and model.batches


def test_midi_beside_midi_is_refused(piece: Path) -> None:
    with pytest.raises(SoundError, match="give one of them"):
        emotion.predict(piece, midi=piece)


def test_a_report_or_a_file_is_compared_with_a_curve(piece: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register_judge(monkeypatch, unified=Plain)
    curve = emotion.AffectCurve(np.full(12, 0.5), np.full(12, -0.5), "point")
    found = emotion.compare(piece, curve)
    assert found.match == emotion.compare(emotion.predict(piece), curve).match
    assert 0 <= found.match.score <= 1 and found.target == (3, 3)  # q4, in both windows
