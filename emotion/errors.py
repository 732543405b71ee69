"""Errors whose message is one plain sentence for the person at the keyboard.

UserError                what went wrong, what was given, what to do; a command prints it and exits with 1
├── AffectError          a request or a curve that is not on the valence-arousal plane
├── CheckpointError      weights that are missing, damaged or of another kind
├── DataError            a data set that is missing or not in its official layout
├── OutputError          a result that cannot be written where it was asked for
└── SoundError           a sound, a MIDI file, a SoundFont or a synthesizer that cannot be used
"""


class UserError(Exception):
    """Base of every error a user can cause or mend."""


class AffectError(UserError):
    """A point, name or curve that is not on the valence-arousal plane."""


class CheckpointError(UserError):
    """Weights that are missing, damaged or of another kind."""


class DataError(UserError):
    """A data set that is missing or not in its official layout."""


class OutputError(UserError):
    """A result that cannot be written where it was asked for."""


class SoundError(UserError):
    """A sound, a MIDI file, a SoundFont or a synthesizer that cannot be used."""
