"""The Affective Multimodal Transformer of Video2Music (Kang, Poria, Herremans 2024; arXiv 2311.00968).

A transformer encoder reads the video, a causal decoder with Music Transformer relative positions (Huang et al. 2019)
writes one chord a step. Sequences start from PAD; position i of the input is the chord before step i. With `copying`,
which the paper has not, the decoder also knows where the song's past matches its present, and may copy from there.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from emotion import checkpoint
from video2music.chords import END, N_CHORDS, PAD, QUALITIES, VOCABULARY_SIZE
from video2music.model.copying import N_FEATURES, History, Pointer
from video2music.model.picture import Picture, PictureInput

KIND = "amt"
WEIGHTS = Path(__file__).parent.parent / "weights" / KIND


@dataclass(frozen=True)
class AMTConfig:
    """Dimensions of an AMT; `max_steps` is the longest sequence it sees at once, `copying` the path over its past."""

    width: int = 192
    heads: int = 6
    feedforward: int = 512
    encoder_layers: int = 2
    decoder_layers: int = 4
    dropout: float = 0.2
    max_steps: int = 300
    copying: bool = True

    @property
    def head_width(self) -> int:
        return self.width // self.heads


CONFIGS: Mapping[str, AMTConfig] = MappingProxyType({
    "shipped": AMTConfig(),
    "paper": AMTConfig(512, 8, 1024, encoder_layers=6, decoder_layers=6, dropout=0.1, copying=False),
    "tiny": AMTConfig(width=32, heads=2, feedforward=64, encoder_layers=1, decoder_layers=2),
})  # fmt: skip


class LayerCache:
    """Keys and values of one decoder layer, each (B, heads, steps, head width), written in place as steps arrive.

    `distances` (max_steps, head width) is the layer's table of relative positions, scaled, the present step last.
    """

    def __init__(self, memory: tuple[Tensor, Tensor], distances: Tensor) -> None:
        batch, heads, _, width = memory[0].shape
        self.memory = memory[0].contiguous(), memory[1].contiguous()
        self.distances = distances
        self.keys = memory[0].new_empty(batch, heads, len(distances), width)
        self.values = torch.empty_like(self.keys)

    def append(self, keys: Tensor, values: Tensor, start: int) -> tuple[Tensor, Tensor]:
        """Take those of the steps from `start` on; returns all so far."""
        end = start + keys.shape[2]
        self.keys[:, :, start:end] = keys
        self.values[:, :, start:end] = values
        return self.keys[:, :, :end], self.values[:, :, :end]


class State:
    """What decoding carries from step to step: a cache a layer, the mode, the history, the pointer's keys so far.

    `advance` changes it in place.
    """

    def __init__(self, caches: tuple[LayerCache, ...], memory_mask: Tensor | None, minor: Tensor, width: int) -> None:
        self.caches, self.memory_mask, self.minor = caches, memory_mask, minor
        self.history = History(len(minor), minor.device)
        self.pointer_keys = torch.zeros(len(minor), 0, width, device=minor.device)

    @property
    def steps(self) -> int:
        return self.history.ids.shape[1]


class RelativeSelfAttention(nn.Module):
    """Causal attention whose logits add query · table[distance]; the table is shared by the heads of a layer."""

    def __init__(self, config: AMTConfig) -> None:
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.scale = 1 / math.sqrt(config.head_width)
        self.inputs = nn.Linear(config.width, 3 * config.width)
        self.output = nn.Linear(config.width, config.width)
        self.table = nn.Parameter(torch.randn(config.max_steps, config.head_width) * 0.02)  # row d: d steps back
        self.by_match = nn.Parameter(torch.zeros(config.heads, N_FEATURES)) if config.copying else None

    def forward(
        self, x: Tensor, matches: Tensor | None = None, cache: LayerCache | None = None, start: int = 0
    ) -> Tensor:
        """x (B, L, width) are the steps from `start` on; with a cache they also see the steps before.

        `matches` (B, L, steps, N_FEATURES) tells how well the past matches each of them.
        """
        queries, keys, values = self.inputs(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        if cache is not None:
            keys, values = cache.append(keys, values, start)
        if cache is not None and x.shape[1] == 1:
            bias = queries @ cache.distances[-keys.shape[2] :].T
        else:
            bias = self._bias(queries, keys.shape[2], start)
        if self.by_match is not None and matches is not None:
            bias = bias + (matches @ self.by_match.T).permute(0, 3, 1, 2)
        dropout = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=bias, dropout_p=dropout)
        return self.output(_join(mixed))

    def distances(self) -> Tensor:
        """The table, scaled as logits are, its last row the distance 0."""
        return (self.table * self.scale).flip(0)

    def _bias(self, queries: Tensor, n_keys: int, start: int) -> Tensor:
        """(B, heads, L, keys): relative logits at the scale of the others, minus infinity on what is still to come."""
        steps = torch.arange(start, start + queries.shape[2], device=queries.device)[:, None]
        distance = steps - torch.arange(n_keys, device=queries.device)
        by_distance = queries @ (self.table[:n_keys] * self.scale).T
        bias = by_distance.gather(-1, distance.clamp(min=0).expand(*queries.shape[:2], -1, -1))
        return bias.masked_fill(distance < 0, -math.inf)


class CrossAttention(nn.Module):
    """Attention of the chords over the video."""

    def __init__(self, config: AMTConfig) -> None:
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.query = nn.Linear(config.width, config.width)
        self.memory = nn.Linear(config.width, 2 * config.width)
        self.output = nn.Linear(config.width, config.width)

    def project(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of the memory (B, T, width), each (B, heads, T, head width)."""
        keys, values = self.memory(memory).chunk(2, dim=-1)
        return _split(keys, self.heads), _split(values, self.heads)

    def forward(self, x: Tensor, memory: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        dropout = self.dropout if self.training else 0.0
        queries = _split(self.query(x), self.heads)
        mixed = functional.scaled_dot_product_attention(queries, *memory, attn_mask=mask, dropout_p=dropout)
        return self.output(_join(mixed))


class DecoderLayer(nn.Module):
    """Self-attention, cross-attention and feed-forward, each followed by its residual and a layer norm (post-LN)."""

    def __init__(self, config: AMTConfig) -> None:
        super().__init__()
        self.self_attention = RelativeSelfAttention(config)
        self.cross_attention = CrossAttention(config)
        self.feedforward = nn.Sequential(
            nn.Linear(config.width, config.feedforward),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.feedforward, config.width),
        )
        self.norms = nn.ModuleList(nn.LayerNorm(config.width) for _ in range(3))
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        memory: tuple[Tensor, Tensor],
        mask: Tensor | None,
        matches: Tensor | None,
        cache: LayerCache | None = None,
        start: int = 0,
    ) -> Tensor:
        x = self.norms[0](x + self._dropped(self.self_attention(x, matches, cache, start)))
        x = self.norms[1](x + self._dropped(self.cross_attention(x, memory, mask)))
        return self.norms[2](x + self._dropped(self.feedforward(x)))

    def _dropped(self, x: Tensor) -> Tensor:
        return self.dropout(x) if self.training else x


class AMT(nn.Module):
    """Video and the chords so far -> logits of the next chord over the 159 ids."""

    positions: Tensor
    root_of: Tensor
    quality_of: Tensor

    def __init__(self, config: AMTConfig) -> None:
        super().__init__()
        self.config = config
        self.picture = PictureInput(config.width)
        layer = nn.TransformerEncoderLayer(
            config.width, config.heads, config.feedforward, config.dropout, batch_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, config.encoder_layers, enable_nested_tensor=False)
        self.root = nn.Embedding(15, config.width)  # N, 12 roots, END, PAD
        self.quality = nn.Embedding(16, config.width)  # N, 13 qualities, END, PAD
        self.join = nn.Linear(config.width + 1, config.width)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        self.head = nn.Linear(config.width, VOCABULARY_SIZE)
        self.pointer = Pointer(config.width, config.max_steps) if config.copying else None
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("positions", _sinusoids(config.max_steps, config.width), persistent=False)
        for name, ids in zip(("root_of", "quality_of"), _parts(), strict=True):
            self.register_buffer(name, ids, persistent=False)

    def encode(self, picture: Picture) -> Tensor:
        """The video as memory, (B, T, width)."""
        x = self.picture(picture)
        x = self.dropout(x + self.positions[: x.shape[1]])
        return self.encoder(x, src_key_padding_mask=~picture.mask)

    def forward(self, chords: Tensor, minor: Tensor, picture: Picture) -> Tensor:
        """Logits (B, L, 159) of the chord at each step from the chords before, (B, L) ids starting with PAD.

        `minor` (B,) bool is the mode. L is at most `max_steps`. Padding belongs at the end, where the causal mask keeps
        real steps from seeing it.
        """
        mask = picture.mask[:, None, None, :]
        matches = History(len(chords), chords.device).extend(chords) if self.pointer else None
        x = self._embed(chords, minor, 0)
        for layer, seen in zip(self.layers, self._project(self.encode(picture)), strict=True):
            x = layer(x, seen, mask, matches)
        if self.pointer is None or matches is None:
            return self.head(x)
        return self.pointer(x, self.pointer.key(x), self.head(x), chords, matches)

    def start(self, picture: Picture, minor: Tensor) -> State:
        """Read the video once; `advance` then writes chord by chord."""
        memory = self._project(self.encode(picture))
        tables = [cast(DecoderLayer, layer).self_attention.distances() for layer in self.layers]
        caches = tuple(map(LayerCache, memory, tables))
        mask = None if picture.mask.all() else picture.mask[:, None, None, :]
        return State(caches, mask, minor, self.config.width)

    def advance(self, state: State, chords: Tensor) -> Tensor:
        """Logits (B, L, 159) after the next inputs (B, L), which follow those the state has seen."""
        start = state.steps
        matches = state.history.extend(chords)
        x = self._embed(chords, state.minor, start)
        for layer, cache in zip(self.layers, state.caches, strict=True):
            x = layer(x, cache.memory, state.memory_mask, matches, cache, start)
        if self.pointer is None:
            return self.head(x)
        state.pointer_keys = torch.cat([state.pointer_keys, self.pointer.key(x)], dim=1)
        return self.pointer(x, state.pointer_keys, self.head(x), state.history.ids, matches)

    def _project(self, memory: Tensor) -> list[tuple[Tensor, Tensor]]:
        """The memory's keys and values for each decoder layer."""
        return [cast(DecoderLayer, layer).cross_attention.project(memory) for layer in self.layers]

    def _embed(self, chords: Tensor, minor: Tensor, start: int) -> Tensor:
        x = self.root(self.root_of[chords]) + self.quality(self.quality_of[chords])
        mode = minor.to(x.dtype)[:, None, None].expand(-1, x.shape[1], 1)
        x = self.join(torch.cat([x, mode], dim=-1))
        return self.dropout(x + self.positions[start : start + x.shape[1]])


def load(folder: Path = WEIGHTS) -> tuple[AMT, checkpoint.Checkpoint]:
    """A trained AMT, ready to compose. Raises CheckpointError."""
    found = checkpoint.load(folder, kind=KIND)
    model = AMT(AMTConfig(**found.config["model"]))
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


def _sinusoids(length: int, width: int) -> Tensor:
    """Sinusoidal positions (length, width) of Vaswani et al. 2017."""
    angles = torch.arange(length)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(10000) / width))
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


def _split(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def _join(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)
