"""The Affective Multimodal Transformer of Video2Music (Kang, Poria, Herremans 2024; arXiv 2311.00968).

A transformer encoder reads the video, a causal decoder with Music Transformer relative positions (Huang et al. 2019)
writes one chord a step. Sequences start from PAD; position i of the input is the chord before step i.

`copying`, which the paper has not, makes another model of it: a decoder that knows its harmonic rhythm and where the
song's past matches its present, and may copy from there; what the picture changes of its word is learnt after it
(`watching`), where the paper's decoder attends to the encoded video in every layer.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from emotion import checkpoint
from video2music.chords import END, N_CHORDS, PAD, QUALITIES, VOCABULARY_SIZE
from video2music.model.attention import AMTConfig, DecoderLayer, LayerCache
from video2music.model.conditioning import Glimpses, Watching
from video2music.model.copying import N_BELIEFS, HarmonicRhythm, History, MatchBias, Pointer
from video2music.model.video import Picture, PictureInput

KIND = "amt"
WEIGHTS = Path(__file__).parent.parent / "weights" / KIND
OLDEST = 23  # steps; a chord that has lasted longer counts as this old


@dataclass(frozen=True)
class Seen:
    """All K inputs `ids` (B, K); of the last L `age` (B, L), `matches` (B, L, K), `rhythm` (B, L, N_BELIEFS)."""

    ids: Tensor
    age: Tensor
    matches: Tensor
    rhythm: Tensor


class Past:
    """What the copying path knows of the chords so far: how they match and when they change."""

    def __init__(self, batch: int, device: torch.device) -> None:
        self._history = History(batch, device)
        self._rhythm = HarmonicRhythm(batch, device)

    def extend(self, chords: Tensor) -> Seen:
        """Add inputs (B, L)."""
        matches = self._history.extend(chords)
        age = self._history.age[:, -chords.shape[1] :]
        return Seen(self._history.ids, age, matches, self._rhythm.extend(age == 1))


class State:
    """What decoding carries from step to step; `advance` changes it in place.

    `projected` are the encoded video's keys and values for each layer's cross-attention, `glimpses` what the copying
    path saw of the video (None: nothing), `caches` what each layer keeps of the steps before, none where all steps come
    at once; `table` holds the copying path's biases.
    """

    def __init__(self, minor: Tensor) -> None:
        self.minor = minor
        self.mask: Tensor | None = None
        self.projected: list[tuple[Tensor, Tensor]] = []
        self.glimpses: Glimpses | None = None
        self.caches: list[LayerCache] = []
        self.past = Past(len(minor), minor.device)
        self.pointer_keys: Tensor | None = None
        self.table: Tensor | None = None
        self.steps = 0


class Copying(nn.Module):
    """The copying path: embeddings of age and rhythm, biases for matches, the pointer."""

    def __init__(self, config: AMTConfig) -> None:
        super().__init__()
        self.age = nn.Embedding(OLDEST + 1, config.width)
        self.rhythm = nn.Sequential(nn.Linear(N_BELIEFS, 32), nn.GELU(), nn.Linear(32, config.width))
        self.bias = MatchBias(config.decoder_layers * config.heads + 1)
        self.norm = nn.LayerNorm(config.width)
        self.pointer = Pointer(config.width, config.max_steps)

    def embed(self, seen: Seen) -> Tensor:
        """What (B, L, width) the steps get to know beside their chords."""
        return self.age(seen.age.clamp(max=OLDEST)) + self.rhythm(seen.rhythm)


class Encoder(nn.Module):
    """The paper's reader of the video: Picture -> memory (B, T, width) for the decoder to attend to."""

    positions: Tensor

    def __init__(self, config: AMTConfig) -> None:
        super().__init__()
        self.picture = PictureInput(config.width)
        layer = nn.TransformerEncoderLayer(
            config.width, config.heads, config.feedforward, config.dropout, batch_first=True
        )
        self.layers = nn.TransformerEncoder(layer, config.encoder_layers, enable_nested_tensor=False)
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("positions", sinusoids(config.max_steps, config.width), persistent=False)

    def forward(self, picture: Picture) -> Tensor:
        x = self.picture(picture)
        return self.layers(self.dropout(x + self.positions[: x.shape[1]]), src_key_padding_mask=~picture.mask)


class AMT(nn.Module):
    """Video and the chords so far -> logits of the next chord over the 159 ids."""

    positions: Tensor
    root_of: Tensor
    quality_of: Tensor

    def __init__(self, config: AMTConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = None if config.copying else Encoder(config)
        self.root = nn.Embedding(15, config.width)  # N, 12 roots, END, PAD
        self.quality = nn.Embedding(16, config.width)  # N, 13 qualities, END, PAD
        self.join = nn.Linear(config.width + 1, config.width)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        self.head = nn.Linear(config.width, VOCABULARY_SIZE)
        self.copying = Copying(config) if config.copying else None
        self.watching = Watching() if config.copying else None
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("positions", sinusoids(config.max_steps, config.width), persistent=False)
        for name, ids in zip(("root_of", "quality_of"), _parts(), strict=True):
            self.register_buffer(name, ids, persistent=False)

    @property
    def eyes(self) -> PictureInput:
        """The part that takes the picture's rows."""
        return cast(Encoder | Watching, self.encoder or self.watching).picture

    def forward(self, chords: Tensor, minor: Tensor, picture: Picture | None) -> Tensor:
        """Logits (B, L, 159) of the chord at each step from the chords before, (B, L) ids starting with PAD.

        `minor` (B,) bool is the mode. L is at most `max_steps`. Padding belongs at the end, where the causal mask keeps
        real steps from seeing it. Without a picture, which only a copying model can do, the song speaks alone, not even
        knowing when it ends.
        """
        return self.advance(self._state(picture, minor), chords)

    def start(self, picture: Picture, minor: Tensor) -> State:
        """Read the video once; `advance` then writes chord by chord."""
        state = self._state(picture, minor)
        state.caches = [
            LayerCache(layer.self_attention.distances(), len(minor), self.config.heads) for layer in self._decoders()
        ]
        return state

    def advance(self, state: State, chords: Tensor) -> Tensor:
        """Logits (B, L, 159) after the next inputs (B, L), which follow those the state has seen."""
        start, state.steps = state.steps, state.steps + chords.shape[1]
        x = self._embed(chords, state.minor)
        if self.copying is None:
            x = self.dropout(x + self.positions[start : state.steps])
            return self.head(self._through_layers(x, state, start))
        seen = state.past.extend(chords)
        biases = self.copying.bias(seen.matches, cast(Tensor, state.table))
        x = self.dropout(x + self.copying.embed(seen))
        x = self.copying.norm(self._through_layers(x, state, start, biases))
        keys = self.copying.pointer.key(x)
        state.pointer_keys = keys if state.pointer_keys is None else torch.cat([state.pointer_keys, keys], dim=1)
        said = self.copying.pointer(x, state.pointer_keys, self.head(x), seen.ids, biases[:, -1])
        if self.watching is None or state.glimpses is None:
            return said
        return self.watching(said, chords, state.glimpses, start)

    def watch(self, said: Tensor, chords: Tensor, picture: Picture) -> Tensor:
        """What `forward` gives, from what it gave without the picture, `said` (B, L, 159); for copying models."""
        watching = cast(Watching, self.watching)
        return watching(said, chords, watching.look(picture))

    def calibration(self) -> tuple[Tensor, Tensor]:
        """Scale and offset that make the logits those of the published affective loss."""
        if self.watching is None:
            return torch.ones(()), torch.zeros(())
        scale, offset = self.watching.tilt.calibration.unbind()
        return scale, offset

    def _state(self, picture: Picture | None, minor: Tensor) -> State:
        state = State(minor)
        if self.copying is not None:
            state.table = self.copying.bias.table()
        if picture is None:
            return state
        if self.encoder is not None:
            memory = self.encoder(picture)
            state.projected = [layer.project(memory) for layer in self._decoders()]
            state.mask = None if picture.mask.all() else picture.mask[:, None, None, :]
        if self.watching is not None:
            state.glimpses = self.watching.look(picture)
        return state

    def _through_layers(self, x: Tensor, state: State, start: int, biases: Tensor | None = None) -> Tensor:
        heads = self.config.heads
        for index, layer in enumerate(self._decoders()):
            matches = None if biases is None else biases[:, index * heads : (index + 1) * heads]
            memory = state.projected[index] if state.projected else None
            cache = state.caches[index] if state.caches else None
            x = layer(x, memory, state.mask, matches, cache, start)
        return x

    def _decoders(self) -> list[DecoderLayer]:
        return [cast(DecoderLayer, layer) for layer in self.layers]

    def _embed(self, chords: Tensor, minor: Tensor) -> Tensor:
        x = self.root(self.root_of[chords]) + self.quality(self.quality_of[chords])
        mode = minor.to(x.dtype)[:, None, None].expand(-1, x.shape[1], 1)
        return self.join(torch.cat([x, mode], dim=-1))


def load(folder: Path = WEIGHTS) -> tuple[AMT, checkpoint.Checkpoint]:
    """A trained AMT, ready to compose. Raises CheckpointError."""
    found = checkpoint.load(folder, kind=KIND)
    model = AMT(checkpoint.dimensions(found, AMTConfig))
    checkpoint.fill(model, found)
    return model, found


def save(model: AMT, folder: Path, **card: object) -> None:
    """Write config and weights (float16) to `folder`, with anything else the config should tell."""
    checkpoint.save_module(model, folder, kind=KIND, config={"model": asdict(model.config), **card})


def _parts() -> tuple[Tensor, Tensor]:
    """Root and quality index of each of the 159 ids."""
    ids = torch.arange(VOCABULARY_SIZE)
    root, quality = 1 + (ids - 1) // len(QUALITIES), 1 + (ids - 1) % len(QUALITIES)
    root[0] = quality[0] = 0
    assert N_CHORDS == END
    root[END], root[PAD] = 13, 14
    quality[END], quality[PAD] = 14, 15
    return root, quality


def sinusoids(length: int, width: int) -> Tensor:
    """Sinusoidal positions (length, width) of Vaswani et al. 2017."""
    angles = torch.arange(length)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(10000) / width))
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
