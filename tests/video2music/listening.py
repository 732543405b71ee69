"""A judge made for the tests: it hears notes by plain rules of its own, and remembers what it was given."""

import numpy as np

from emotion.values import EmotionReport, Prediction

MAJOR_THIRD, MINOR_THIRD = 4, 3


class RuleJudge:
    """Arousal from notes a second and velocity, valence from which third stands over the commonest bass note."""

    def __init__(self, *, valence=True):
        self.rounds, self.valence = [], valence

    def predict_many_notes(self, pieces):
        pieces = list(pieces)
        self.rounds.append(pieces)
        return tuple(report(self.place(notes, duration_s), duration_s) for notes, duration_s in pieces)

    def place(self, notes, duration_s):
        per_second = np.mean(notes.start_s < duration_s) * len(notes) / duration_s
        arousal = np.tanh((per_second - 7) / 5 + (notes.velocity.mean() - 75) / 40)
        return (third(notes) if self.valence else 0.0), float(arousal)


def third(notes):
    """-1..1: share of major over minor thirds above the commonest pitch class of the bass."""
    counts = np.bincount(notes.pitch % 12, minlength=12)
    bass = np.bincount(notes.pitch[notes.pitch < 55] % 12, minlength=12).argmax()
    major, minor = (counts[(bass + interval) % 12] for interval in (MAJOR_THIRD, MINOR_THIRD))
    return float((major - minor) / max(1, major + minor))


def report(place, duration_s, name="rules"):
    """Heard at one place all along; the quadrant it lies in is likely."""
    quadrants = np.full(4, 0.1)
    quadrants[(0 if place[0] >= 0 else 1) if place[1] >= 0 else (3 if place[0] >= 0 else 2)] = 0.7
    heard = Prediction(0.0, duration_s, *place, tuple(quadrants.tolist()))
    return EmotionReport(heard, (heard,), "MIDI", name, "5" * 64)


class Reporter:
    """Hears a sound file and says where its loudness puts it."""

    def __init__(self):
        self.heard = []

    def predict(self, audio):
        import wave

        with wave.open(str(audio)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
            duration_s = file.getnframes() / file.getframerate()
        self.heard.append(audio.name)
        return report((0.0, float(np.clip(np.sqrt((samples**2).mean()) * 5 - 0.5, -1, 1))), duration_s, "loudness")
