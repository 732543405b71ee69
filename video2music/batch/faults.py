"""What can go wrong around the clips; what goes wrong with a clip is told in its Outcome."""

from video2music.errors import Video2MusicError


class BatchError(Video2MusicError):
    """A batch that cannot begin or go on: nothing to do, a journal in use, workers that do not start."""


class WorkerLost(Video2MusicError):
    """A worker that died over a clip, or took too long; the sentence says which."""
