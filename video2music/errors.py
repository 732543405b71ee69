"""Errors whose text is one plain sentence for the user: what is wrong, what was given, what to do.

The command line prints the sentence and exits with 1, the page shows it; anything else is a bug with a traceback.

emotion.errors.UserError
└── Video2MusicError
    ├── ChordError           text or number that is no chord of the vocabulary
    ├── KeyNameError         text that is no key
    ├── OptionError          an option that cannot be used as given
    ├── MediaError           a file that is no usable video, or that cannot be written
    ├── EncoderError         an encoder without its weights
    ├── StyleError           a style table that is missing or wrong
    └── ManifestError        a manifest that cannot be replayed
"""

from emotion.errors import UserError


class Video2MusicError(UserError):
    """Base of the errors of this package."""


class ChordError(Video2MusicError):
    """Text or number that is no chord of the vocabulary."""


class KeyNameError(Video2MusicError):
    """Text that is no key."""


class OptionError(Video2MusicError):
    """An option that cannot be used as given."""


class MediaError(Video2MusicError):
    """A file that is no usable video, or that cannot be written."""


class EncoderError(Video2MusicError):
    """An encoder without its weights."""


class StyleError(Video2MusicError):
    """A style table that is missing or wrong."""


class ManifestError(Video2MusicError):
    """A manifest that cannot be replayed."""
