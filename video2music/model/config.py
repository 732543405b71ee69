"""Dimensions of the AMT: ours, the paper's, and the smallest for tests."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class AMTConfig:
    """Dimensions of an AMT; `max_steps` is the longest sequence it sees at once, `copying` the path over its past.

    With `copying` there is no encoder.
    """

    width: int = 160
    heads: int = 5
    feedforward: int = 320
    encoder_layers: int = 0
    decoder_layers: int = 4
    dropout: float = 0.15
    max_steps: int = 300
    copying: bool = True

    @property
    def head_width(self) -> int:
        return self.width // self.heads


CONFIGS: Mapping[str, AMTConfig] = MappingProxyType({
    "shipped": AMTConfig(),
    "paper": AMTConfig(512, 8, 1024, encoder_layers=6, decoder_layers=6, dropout=0.1, copying=False),
    "tiny": AMTConfig(width=32, heads=2, feedforward=64, decoder_layers=2),
})  # fmt: skip
