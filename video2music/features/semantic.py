"""CLIP: embeddings and six zero-shot emotions of pictures, in the definitions of MuVi-Sync.

OpenAI's weights with QuickGELU; image embeddings as they come, not normalised; the emotions are the softmax of CLIP's
scaled image-text logits over the six bare words (Kang, Poria, Herremans, "Video2Music", arXiv 2311.00968).
"""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emotion.affect import EMOTIONS, expected_point
from emotion.runtime import make_torchvision_importable, resolve_device
from video2music.errors import EncoderError
from video2music.features import encoders
from video2music.features.download import fetch
from video2music.features.embedding import EncoderOutput
from video2music.features.encoders import EncoderSpec, Progress
from video2music.features.pixels import Pixels
from video2music.values import Floats

SEMANTIC_WIDTH = 768  # of ViT-L/14; the models were trained on no other
LOGIT_SCALES = (90.0, 110.0)  # OpenAI trained until the scale met its limit of 100; an untrained CLIP has 14.3
COLOURS = {
    "red": (255, 0, 0), "green": (0, 160, 0), "blue": (0, 0, 255),
    "yellow": (255, 255, 0), "black": (0, 0, 0), "white": (255, 255, 255),
}  # fmt: skip
COLOURS_TO_NAME = 5  # of the six; a guess names one

NO_TORCHVISION = (
    "CLIP cannot be loaded because torchvision does not fit this torch ({error}): 'video2music doctor' "
    "gives the command that fixes it; the encoder color works without"
)


def download(name: str, *, progress: Progress | None = None) -> Path:
    """Download the weights of an encoder, test that they were trained, and return their path.

    Weights that were here before are tested, too, and removed if they fail. `progress` is called with the fraction
    that has come. Raises EncoderError.
    """
    spec = encoders.ENCODERS.get(name)
    if spec is None or spec.remote is None:
        known = " and ".join(one.name for one in encoders.downloadable())
        raise EncoderError(f"nothing to download for {name!r}: {known} have weights to fetch")
    if spec.remote.path.is_file():
        try:
            load(spec.remote.path, semantic=spec.semantic).self_test()
        except EncoderError as error:
            spec.remote.path.unlink(missing_ok=True)
            raise EncoderError(f"{error}; the file is removed: run 'video2music download {name}' again") from None
    return obtain(spec, progress=progress)


def obtain(spec: EncoderSpec, *, progress: Progress | None = None) -> Path:
    """The path of an encoder's weights, downloaded if they are not here yet, and then kept only if they were trained.

    Raises EncoderError.
    """
    import_open_clip()  # where this fails, hundreds of megabytes need not come first
    return fetch(spec, test=lambda path: load(path, semantic=spec.semantic).self_test(), progress=progress)


class ClipModel:
    """A CLIP with OpenAI's weights on one device. `semantic` says whether its embeddings become semantic rows."""

    def __init__(self, model: Any, *, semantic: bool, device: str = "cpu") -> None:
        open_clip = import_open_clip()
        self._model = model.to(device).eval()
        self._device = device
        self._semantic = semantic
        self._preprocess = open_clip.image_transform(model.visual.image_size, is_train=False)
        self._words = self._text(EMOTIONS)

    def preprocess(self, picture: Pixels) -> Floats:
        """The normalised centre (3, side, side) of a picture, scaled as OpenAI did."""
        from PIL import Image

        return np.asarray(self._preprocess(Image.fromarray(picture)), np.float32)

    def embed(self, inputs: Sequence[Floats]) -> Floats:
        """Image embeddings (B, D), not normalised."""
        import torch

        with torch.inference_mode():
            batch = torch.from_numpy(np.stack(inputs)).to(self._device)
            return np.asarray(self._model.encode_image(batch).float().cpu(), np.float32)

    def predict(self, embeddings: Floats, motion: Floats, scene_offset: Floats) -> EncoderOutput:
        """Emotions of each second; the affect is their expected point on the plane."""
        emotion = self._compare(embeddings, self._words)
        return EncoderOutput(
            emotion, expected_point(emotion), embeddings.astype(np.float32) if self._semantic else None
        )

    def self_test(self) -> None:
        """Plain squares must be called by their colours. Raises EncoderError for weights that were not trained."""
        low, high = LOGIT_SCALES
        if not low <= self._scale <= high:
            raise EncoderError(
                f"these CLIP weights were never trained: their logit scale is {self._scale:.1f}, not 100"
            )
        squares = [np.full((64, 64, 3), colour, np.uint8) for colour in COLOURS.values()]
        called = self._compare(self.embed([self.preprocess(square) for square in squares]), self._text(tuple(COLOURS)))
        named = int((called.argmax(1) == np.arange(len(COLOURS))).sum())
        if named < COLOURS_TO_NAME:
            raise EncoderError(
                f"these CLIP weights name {named} of {len(COLOURS)} plain colours: they were not trained"
            )

    @property
    def _scale(self) -> float:
        return math.exp(float(self._model.logit_scale.detach()))

    def _text(self, words: Sequence[str]) -> Floats:
        """Text embeddings (n, D), normalised."""
        import torch

        tokens = import_open_clip().tokenize(list(words)).to(self._device)
        with torch.inference_mode():
            return _normalised(self._model.encode_text(tokens).float().cpu().numpy())

    def _compare(self, rows: Floats, words: Floats) -> Floats:
        """Softmax (T, n) of the scaled logits of images against words."""
        logits = self._scale * _normalised(rows) @ words.T
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))  # no overflow: the largest is exp(0)
        return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def load(path: Path, *, semantic: bool, device: str | None = None) -> ClipModel:
    """Read OpenAI's TorchScript archive at `path`; nothing in it is unpickled at will. Raises EncoderError."""
    import torch

    open_clip = import_open_clip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript is deprecated, but it is what OpenAI published
            archive = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
        model = open_clip.model.build_model_from_openai_state_dict(dict(archive.state_dict())).float()
        clip = ClipModel(model, semantic=semantic, device=str(resolve_device(device)))
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


def import_open_clip() -> Any:
    """Late: it takes seconds, and beside some builds of torch it fails. Raises EncoderError."""
    try:
        make_torchvision_importable()
        import open_clip
    except (ImportError, RuntimeError, AttributeError) as error:
        raise EncoderError(NO_TORCHVISION.format(error=str(error).splitlines()[0])) from None
    return open_clip


def _normalised(rows: Floats) -> Floats:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
