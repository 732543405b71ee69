"""A small model for tests: arousal from loudness and density of notes, valence from brightness and pitch."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType

import mido
import numpy as np
import pytest

from emotion import judge
from emotion.judge import JudgeSpec, Segment
from emotion.midi.notes import Notes


class Plain:
    """Predicts each segment by itself; `batches` records the batches it was given."""

    name = "plain"
    sha256 = "0" * 64

    def __init__(self, modalities: Iterable[str] = ("audio", "MIDI"), longest_s: float = 60.0) -> None:
        self.modalities = frozenset(modalities)
        self.longest_s = longest_s
        self.batches: list[list[Segment]] = []

    def predict(self, segments: Sequence[Segment]) -> np.ndarray:
        self.batches.append(list(segments))
        return np.stack([prediction_of(segment) for segment in segments])


def prediction_of(segment: Segment) -> np.ndarray:
    """(6,) valence, arousal and the quadrants' probabilities, the softmax of the products with their signs."""
    points = []
    if segment.mel is not None:
        level, center = segment.mel.mean(), (10 ** (segment.mel.mean(0) / 20)).argmax()
        points.append((center / 48 - 1, (level + 40) / 40))
    if segment.notes is not None:
        density = len(segment.notes) / max(segment.duration_s, 0.1)
        points.append(((segment.notes.pitch.mean() - 60) / 40, density / 5 - 1))
    valence, arousal = np.tanh(np.mean(points, axis=0))
    weights = np.exp([valence + arousal, arousal - valence, -valence - arousal, valence - arousal])
    return np.array([valence, arousal, *(weights / weights.sum())])


def played(*notes: tuple[float, float, int]) -> Notes:
    """Piano notes (start in s, end in s, pitch), in order of their start."""
    table = np.array(notes, float).reshape(-1, 3)
    whole = np.zeros(len(table), np.int64)
    return Notes(table[:, 0], table[:, 1], table[:, 2].astype(np.int64), whole + 80, whole, whole > 0, np.zeros((0, 2)))


def midi_file(path: Path, *notes: tuple[float, float, int]) -> Path:
    """Write piano notes (start in s, end in s, pitch); a tick is a millisecond."""
    events = [(start, "note_on", pitch) for start, _, pitch in notes] + [
        (end, "note_off", pitch) for _, end, pitch in notes
    ]
    file, track, now = mido.MidiFile(ticks_per_beat=500), mido.MidiTrack(), 0
    for time_s, kind, pitch in sorted(events):
        track.append(mido.Message(kind, note=pitch, velocity=80, time=round(time_s * 1000) - now))
        now = round(time_s * 1000)
    file.tracks.append(track)
    file.save(path)
    return path


def register_judge(monkeypatch: pytest.MonkeyPatch, **models: type) -> None:
    """Let these be all the judges there are: for each name a class whose instance predicts."""
    specs = {}
    for name, model in models.items():
        module = ModuleType(f"model_of_{name}")
        module.load = lambda folder, *, device, model=model: model()  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        specs[name] = JudgeSpec(name, ("audio", "MIDI"), "nothing", "none", module.__name__, Path("nowhere"))
    monkeypatch.setattr(judge, "JUDGES", specs)
