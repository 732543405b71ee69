"""The Affective Multimodal Transformer of Video2Music (Kang, Poria, Herremans 2024; arXiv 2311.00968).

A transformer encoder reads the video, a causal decoder with Music Transformer relative positions (Huang et al. 2019)
writes one chord a step. Sequences start from PAD; position i of the input is the chord before step i. `decode` samples
from it.

`copying`, which the paper has not, makes another model of it: a decoder with inputs for harmonic rhythm and for where
the song's past matches its present, which may copy from there; the video is taken into account after it
(`VideoConditioning`), where the paper's decoder attends to the encoded video in every layer.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from emotion.checkpoint import Checkpoint, save_module
from video2music.chords import END, N_CHORDS, PAD, QUALITIES, VOCABULARY_SIZE
from video2music.model import loading
from video2music.model.attention import AMTConfig, DecoderLayer, LayerCache
from video2music.model.conditioning import VideoConditioning, VideoContext
from video2music.model.copying import N_RHYTHMS, HarmonicRhythm, MatchBias, Pointer, RepeatMatcher
from video2music.model.video import VideoBatch, VideoEmbedding

KIND = "amt"
WEIGHTS = loading.SHIPPED / KIND
MOST_AGE = 23  # steps; a chord that has lasted longer counts as this old


@dataclass(frozen=True)
class CopyInputs:
    """All K inputs `ids` (B, K); of the last L `age` (B, L), `matches` (B, L, K), `rhythm` (B, L, N_RHYTHMS)."""

    ids: Tensor
    age: Tensor
    matches: Tensor
    rhythm: Tensor


class CopyTracker:
    """Computes the inputs of the copy mechanism as chords arrive: how they match and when they change."""

    def __init__(self, batch: int, device: torch.device) -> None:
        self._matcher = RepeatMatcher(batch, device)
        self._rhythm = HarmonicRhythm(batch, device)

    def extend(self, chords: Tensor) -> CopyInputs:
        """Append inputs (B, L)."""
        matches = self._matcher.extend(chords)
        age = self._matcher.age[:, -chords.shape[1] :]
        return CopyInputs(self._matcher.ids, age, matches, self._rhythm.extend(age == 1))


class DecoderState:
    """What decoding carries from step to step; `AMT.advance` changes it in place.

    mask          of the encoded video, None where nothing is padding
    projected     keys and values of the encoded video for the cross-attention of each layer
    context       the video as the conditioning reads it, None without video
    caches        keys and values of the steps before for each layer; empty where all steps come at once
    pointer_keys  (B, steps, width), the pointer's keys of the steps before
    match_table   biases of the copy mechanism by class of match
    """

    def __init__(self, minor: Tensor) -> None:
        self.minor = minor
        self.mask: Tensor | None = None
        self.projected: list[tuple[Tensor, Tensor]] = []
        self.context: VideoContext | None = None
        self.caches: list[LayerCache] = []
        self.copy_tracker = CopyTracker(len(minor), minor.device)
        self.pointer_keys: Tensor | None = None
        self.match_table: Tensor | None = None
        self.steps = 0


class CopyMechanism(nn.Module):
    """Embeddings of age and rhythm, biases for matches, the pointer."""

    def __init__(self, config: AMTConfig) -> None:
        super().__init__()
        self.age = nn.Embedding(MOST_AGE + 1, config.width)
        self.rhythm = nn.Sequential(nn.Linear(N_RHYTHMS, 32), nn.GELU(), nn.Linear(32, config.width))
        self.bias = MatchBias(config.decoder_layers * config.heads + 1)
        self.norm = nn.LayerNorm(config.width)
        self.pointer = Pointer(config.width, config.max_steps)

    def embed(self, inputs: CopyInputs) -> Tensor:
        """Embedding (B, L, width) of age and rhythm, to add to that of the chords."""
        embedded: Tensor = self.age(inputs.age.clamp(max=MOST_AGE)) + self.rhythm(inputs.rhythm)
        return embedded


class VideoEncoder(nn.Module):
    """The paper's encoder: VideoBatch -> memory (B, T, width) for the decoder to attend to."""

    positions: Tensor

    def __init__(self, config: AMTConfig) -> None:
        super().__init__()
        self.embedding = VideoEmbedding(config.width)
        layer = nn.TransformerEncoderLayer(
            config.width, config.heads, config.feedforward, config.dropout, batch_first=True
        )
        self.layers = nn.TransformerEncoder(layer, config.encoder_layers, enable_nested_tensor=False)
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("positions", sinusoids(config.max_steps, config.width), persistent=False)

    def forward(self, video: VideoBatch) -> Tensor:
        x = self.embedding(video)
        x = self.dropout(x + self.positions[: x.shape[1]])
        memory: Tensor = self.layers(x, src_key_padding_mask=~video.mask)
        return memory


class AMT(nn.Module):
    """Video and the chords so far -> logits of the next chord over the 159 ids."""

    positions: Tensor
    root_of: Tensor
    quality_of: Tensor

    def __init__(self, config: AMTConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = None if config.copying else VideoEncoder(config)
        self.root = nn.Embedding(15, config.width)  # N, 12 roots, END, PAD
        self.quality = nn.Embedding(16, config.width)  # N, 13 qualities, END, PAD
        self.join = nn.Linear(config.width + 1, config.width)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        self.head = nn.Linear(config.width, VOCABULARY_SIZE)
        self.copying = CopyMechanism(config) if config.copying else None
        self.conditioning = VideoConditioning() if config.copying else None
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("positions", sinusoids(config.max_steps, config.width), persistent=False)
        for name, ids in zip(("root_of", "quality_of"), _roots_and_qualities(), strict=True):
            self.register_buffer(name, ids, persistent=False)

    @property
    def video_embedding(self) -> VideoEmbedding:
        """The layer that takes the video's rows, whose statistics training sets."""
        return cast(VideoEncoder | VideoConditioning, self.encoder or self.conditioning).embedding

    def forward(self, chords: Tensor, minor: Tensor, video: VideoBatch | None) -> Tensor:
        """Logits (B, L, 159) of the chord at each step from the chords before, (B, L) ids starting with PAD.

        `minor` (B,) bool is the mode. L is at most `max_steps`. Padding belongs at the end, where the causal mask keeps
        real steps from attending to it. Without video, which only a copying model can do, these are log-probabilities
        from the song alone, which knows not even when it ends.
        """
        return self.advance(self._initial_state(video, minor), chords)

    def start(self, video: VideoBatch, minor: Tensor) -> DecoderState:
        """Encode the video once; `advance` then takes chord by chord."""
        state = self._initial_state(video, minor)
        state.caches = [
            LayerCache(layer.self_attention.distances(), len(minor), self.config.heads)
            for layer in self._decoder_layers()
        ]
        return state

    def advance(self, state: DecoderState, chords: Tensor) -> Tensor:
        """Logits (B, L, 159) after the next inputs (B, L), which follow those that went into the state before."""
        start, state.steps = state.steps, state.steps + chords.shape[1]
        embedded = self.root(self.root_of[chords]) + self.quality(self.quality_of[chords])
        mode = state.minor.to(embedded.dtype)[:, None, None].expand(-1, embedded.shape[1], 1)
        x = self.join(torch.cat([embedded, mode], dim=-1))
        if self.copying is None:
            x = self.dropout(x + self.positions[start : state.steps])
            logits: Tensor = self.head(self._through_layers(x, state, start))
            return logits
        inputs = state.copy_tracker.extend(chords)
        biases = self.copying.bias(inputs.matches, cast(Tensor, state.match_table))  # (B, layers · heads + 1, L, steps)
        x = self.dropout(x + self.copying.embed(inputs))
        x = self.copying.norm(self._through_layers(x, state, start, biases))
        keys = self.copying.pointer.key(x)
        state.pointer_keys = keys if state.pointer_keys is None else torch.cat([state.pointer_keys, keys], dim=1)
        log_probs: Tensor = self.copying.pointer(x, state.pointer_keys, self.head(x), inputs.ids, biases[:, -1])
        if self.conditioning is None or state.context is None:
            return log_probs
        conditioned: Tensor = self.conditioning(log_probs, chords, state.context, start)
        return conditioned

    def condition(self, log_probs: Tensor, chords: Tensor, video: VideoBatch) -> Tensor:
        """What `forward` gives, from what it gave without video, `log_probs` (B, L, 159); for copying models."""
        conditioning = cast(VideoConditioning, self.conditioning)
        logits: Tensor = conditioning(log_probs, chords, conditioning.encode(video))
        return logits

    def calibration(self) -> tuple[Tensor, Tensor]:
        """Scale and offset that make the logits those of the published affective loss."""
        if self.conditioning is None:
            return torch.ones(()), torch.zeros(())
        scale, offset = self.conditioning.emotion_bias.calibration.unbind()
        return scale, offset

    def _initial_state(self, video: VideoBatch | None, minor: Tensor) -> DecoderState:
        state = DecoderState(minor)
        if self.copying is not None:
            state.match_table = self.copying.bias.table()
        if video is None:
            return state
        if self.encoder is not None:
            memory = self.encoder(video)
            state.projected = [layer.project(memory) for layer in self._decoder_layers()]
            # Without a mask scaled_dot_product_attention may take a faster kernel.
            state.mask = None if video.mask.all() else video.mask[:, None, None, :]
        if self.conditioning is not None:
            state.context = self.conditioning.encode(video)
        return state

    def _through_layers(self, x: Tensor, state: DecoderState, start: int, biases: Tensor | None = None) -> Tensor:
        heads = self.config.heads
        for index, layer in enumerate(self._decoder_layers()):
            matches = None if biases is None else biases[:, index * heads : (index + 1) * heads]
            memory = state.projected[index] if state.projected else None
            cache = state.caches[index] if state.caches else None
            x = layer(x, memory, state.mask, matches, cache, start)
        return x

    def _decoder_layers(self) -> list[DecoderLayer]:
        return [cast(DecoderLayer, layer) for layer in self.layers]


def load(folder: Path | None = None, *, device: str | torch.device = "cpu") -> tuple[AMT, Checkpoint]:
    """A trained AMT, ready to compose; without a folder the one in use. Raises CheckpointError."""
    return loading.load(KIND, AMTConfig, AMT, folder, device=device)


def save(model: AMT, folder: Path, **card: object) -> None:
    """Write config and weights (float16) to `folder`, with anything else that the config should hold."""
    save_module(model, folder, kind=KIND, config={"model": asdict(model.config), **card})


def _roots_and_qualities() -> tuple[Tensor, Tensor]:
    """Root and quality index of each of the 159 ids."""
    ids = torch.arange(VOCABULARY_SIZE)
    root, quality = 1 + (ids - 1) // len(QUALITIES), 1 + (ids - 1) % len(QUALITIES)
    root[0] = quality[0] = 0  # N
    assert N_CHORDS == END
    root[END], root[PAD] = 13, 14
    quality[END], quality[PAD] = 14, 15
    return root, quality


def sinusoids(length: int, width: int) -> Tensor:
    """Sinusoidal positions (length, width) of Vaswani et al. 2017."""
    angles = torch.arange(length)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(10000) / width))
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
