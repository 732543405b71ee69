"""What every encoder does (preprocess, embed, predict), and the embedding of a clip: each distinct picture once.

Used by `extraction`. Rows are seconds, D is the width of an encoder's embeddings.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from video2music.features.pixels import Pixels, mean_difference
from video2music.features.scenes import CutDetector
from video2music.values import Floats


class EncoderOutput(NamedTuple):
    """emotion (T, 6), affect (T, 2) and semantic (T, 768) or None, as in VideoFeatures."""

    emotion: Floats
    affect: Floats
    semantic: Floats | None = None


class Encoder(Protocol):
    """An encoder with its weights."""

    def preprocess(self, picture: Pixels) -> Floats:
        """The encoder's input for an upright picture (H, W, 3) RGB; as small as can be, for many wait in memory."""
        ...

    def embed(self, inputs: Sequence[Floats]) -> Floats:
        """Embeddings (B, D) of a batch of inputs."""
        ...

    def predict(self, embeddings: Floats, motion: Floats, scene_offset: Floats) -> EncoderOutput:
        """The features of a clip from its embeddings (T, D), motion (T,) and scene offset (T,)."""
        ...


# Mean difference of the small pictures, of 255, below which they count as one: the noise of a codec makes about 1 of a
# still picture.
SAME_PICTURE_BELOW = 2.0
BATCH_SIZE = 8


class FrameEmbedder:
    """Collects the pictures of a clip's seconds and embeds the distinct ones in batches.

    A picture counts as the one before if it differs from the last embedded one by less than SAME_PICTURE_BELOW and lies
    in the same scene. As cuts are known two frames late, pictures wait until their scene is settled.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._pending: deque[_Pending] = deque()
        self._last_embedded: tuple[int, Pixels] | None = None  # its scene, and the picture scaled down
        self._batch: list[Floats] = []
        self._embeddings: list[Floats] = []
        self._distinct = 0
        self._index: list[int] = []  # of each second's picture among the distinct ones

    def add(self, time_s: float, small: Pixels, picture: Pixels) -> None:
        """The next second's picture: when it is shown, scaled down, and upright at full size, RGB."""
        self._pending.append(_Pending(time_s, small, self._encoder.preprocess(picture)))

    def repeat(self) -> None:
        """The next second still shows the frame of the second before."""
        self._pending.append(self._pending[-1]._replace(input=None) if self._pending else _REPEATED)

    def embed_settled(self, cuts: CutDetector) -> None:
        """Embed the pending pictures whose scene no later cut can change."""
        while self._pending and self._pending[0].time_s <= cuts.known_until_s:
            self._take(self._pending.popleft(), cuts)

    def finish(self, cuts: CutDetector) -> Floats:
        """Embeddings (T, D) of all seconds."""
        while self._pending:
            self._take(self._pending.popleft(), cuts)
        self._embed_batch()
        return np.concatenate(self._embeddings)[self._index]

    def _take(self, pending: "_Pending", cuts: CutDetector) -> None:
        if pending.input is not None and not self._is_repetition(pending, cuts):
            self._batch.append(pending.input)
            self._distinct += 1
            if len(self._batch) == BATCH_SIZE:
                self._embed_batch()
        self._index.append(self._distinct - 1)

    def _is_repetition(self, pending: "_Pending", cuts: CutDetector) -> bool:
        scene = cuts.scene(pending.time_s)
        if self._last_embedded:
            last_scene, last_picture = self._last_embedded
            if last_scene == scene and mean_difference(last_picture, pending.small) < SAME_PICTURE_BELOW:
                return True
        self._last_embedded = scene, pending.small
        return False

    def _embed_batch(self) -> None:
        if self._batch:
            self._embeddings.append(self._encoder.embed(self._batch))
            self._batch = []


class _Pending(NamedTuple):
    """A second whose scene is not settled yet; no input where it repeats the second before."""

    time_s: float
    small: Pixels
    input: Floats | None


_REPEATED = _Pending(-1.0, np.zeros((1, 1, 3), np.uint8), None)
