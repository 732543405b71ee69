"""CLIP: embeddings and six zero-shot emotions of pictures, in the definitions of MuVi-Sync.

OpenAI's weights with QuickGELU; image embeddings as they come, not normalised; the emotions are the softmax of CLIP's
scaled image-text logits over the six bare words (Kang, Poria, Herremans, "Video2Music", arXiv 2311.00968).
"""

import math
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotion.affect import EMOTIONS, expected_place
from emotion.runtime import make_torchvision_importable
from video2music.errors import EncoderError
from video2music.features.download import WEIGHTS, OnProgress, fetch, weights_path
from video2music.features.pixels import Pixels
from video2music.features.rows import Reading
from video2music.values import Floats

if TYPE_CHECKING:
    import torch

SEMANTIC_WIDTH = 768  # of ViT-L/14; the models were trained on no other
LOGIT_SCALES = (90.0, 110.0)  # OpenAI trained until the scale met its limit of 100; an untrained CLIP has 14.3
COLOURS = {
    "red": (255, 0, 0), "green": (0, 160, 0), "blue": (0, 0, 255),
    "yellow": (255, 255, 0), "black": (0, 0, 0), "white": (255, 255, 255),
}  # fmt: skip
COLOURS_TO_NAME = 5  # of the six; a guess names one

NO_TORCHVISION = (
    "CLIP cannot be loaded because torchvision does not fit this torch ({error}): 'video2music doctor' "
    "tells the command that mends it; the encoder color works without"
)


def download(name: str, *, on_progress: OnProgress | None = None) -> Path:
    """Fetch the weights of `clip` or `clip-small`, see that they know something, and tell where they lie.

    Weights that were here before are put to the test, too, and removed if they fail. `on_progress` is told the fraction
    that has come. Raises EncoderError.
    """
    was_here = name in WEIGHTS and weights_path(name).is_file()
    path = obtain(name, on_progress=on_progress)
    if was_here:
        try:
            _test(name, path)
        except EncoderError as error:
            path.unlink(missing_ok=True)
            raise EncoderError(f"{error}; the file is removed: run 'video2music download {name}' again") from None
    return path


def obtain(name: str, *, on_progress: OnProgress | None = None) -> Path:
    """Where the weights of `clip` or `clip-small` lie, fetched if they are not here yet.

    What was fetched must know something, or it is not kept. Raises EncoderError.
    """
    if name in WEIGHTS:
        _import_open_clip()  # where this fails, hundreds of megabytes need not come first
    return fetch(name, test=partial(_test, name), on_progress=on_progress)


def _test(name: str, path: Path) -> None:
    load(path, semantic=gives_semantic(name)).self_test()


def gives_semantic(name: str) -> bool:
    """Whether an encoder's embeddings are those the models were trained on."""
    return name == "clip"


class Clip:
    """A CLIP with OpenAI's weights on one device. `semantic` says whether its embeddings go out as semantic rows."""

    def __init__(self, model: Any, *, semantic: bool, device: str = "cpu") -> None:
        open_clip = _import_open_clip()
        self._model = model.to(device).eval()
        self._device = device
        self._semantic = semantic
        self._preprocess = open_clip.image_transform(model.visual.image_size, is_train=False)
        self._words = self._text(EMOTIONS)

    def look(self, picture: Pixels) -> Floats:
        """The normalised centre (3, side, side) of a picture, scaled as OpenAI did."""
        from PIL import Image

        return self._preprocess(Image.fromarray(picture)).numpy()

    def embed(self, looks: Sequence[Floats]) -> Floats:
        """Image embeddings (B, D), not normalised."""
        import torch

        with torch.inference_mode():
            batch = torch.from_numpy(np.stack(looks)).to(self._device)
            return self._model.encode_image(batch).float().cpu().numpy()

    def read(self, rows: Floats, motion: Floats, scene_offset: Floats) -> Reading:
        """Emotions of each row; the affect is their expected place on the plane."""
        emotion = self._compare(rows, self._words)
        return Reading(emotion, expected_place(emotion), rows.astype(np.float32) if self._semantic else None)

    def self_test(self) -> None:
        """Plain squares must be called by their colours. Raises EncoderError for weights that know nothing."""
        low, high = LOGIT_SCALES
        if not low <= self._scale <= high:
            raise EncoderError(
                f"these CLIP weights were never trained: their logit scale is {self._scale:.1f}, not 100"
            )
        squares = [np.full((64, 64, 3), colour, np.uint8) for colour in COLOURS.values()]
        called = self._compare(self.embed([self.look(square) for square in squares]), self._text(tuple(COLOURS)))
        named = int((called.argmax(1) == np.arange(len(COLOURS))).sum())
        if named < COLOURS_TO_NAME:
            raise EncoderError(f"these CLIP weights name {named} of {len(COLOURS)} plain colours: they know nothing")

    @property
    def _scale(self) -> float:
        return math.exp(float(self._model.logit_scale.detach()))

    def _text(self, words: Sequence[str]) -> Floats:
        """Text embeddings (n, D), normalised."""
        import torch

        tokens = _import_open_clip().tokenize(list(words)).to(self._device)
        with torch.inference_mode():
            return _normalised(self._model.encode_text(tokens).float().cpu().numpy())

    def _compare(self, rows: Floats, words: Floats) -> Floats:
        """Softmax (T, n) of the scaled logits of images against words."""
        logits = self._scale * _normalised(rows) @ words.T
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def load(path: Path, *, semantic: bool, device: str = "cpu") -> Clip:
    """Read OpenAI's TorchScript archive at `path`; nothing in it is unpickled at will. Raises EncoderError."""
    open_clip = _import_open_clip()
    try:
        model = open_clip.model.build_model_from_openai_state_dict(_state(path)).float()
        clip = Clip(model, semantic=semantic, device=device)
    except (RuntimeError, KeyError, ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EncoderError(
            f"the CLIP weights {path} cannot be read ({reason}): fetch them with 'video2music download'"
        ) from None
    if semantic and model.text_projection.shape[1] != SEMANTIC_WIDTH:
        raise EncoderError(
            f"{path} gives embeddings {model.text_projection.shape[1]} wide, {SEMANTIC_WIDTH} are needed"
        )
    return clip


def _state(path: Path) -> "dict[str, torch.Tensor]":
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, but it is what OpenAI published
        return dict(torch.jit.load(path, map_location="cpu").state_dict())


def _import_open_clip() -> Any:
    """Late: it takes seconds, and beside some builds of torch it fails. Raises EncoderError."""
    try:
        make_torchvision_importable()
        import open_clip
    except (ImportError, RuntimeError, AttributeError) as error:
        raise EncoderError(NO_TORCHVISION.format(error=str(error).splitlines()[0])) from None
    return open_clip


def _normalised(rows: Floats) -> Floats:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
