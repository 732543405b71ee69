"""Small models and videos for the tests of the models."""

import numpy as np
import pytest
import torch

from video2music.model.amt import AMT
from video2music.model.attention import CONFIGS, AMTConfig
from video2music.model.video import VideoBatch, collate

PAPER_STYLE = AMTConfig(32, 2, 64, encoder_layers=2, decoder_layers=2, copying=False)


def loud(model: torch.nn.Module) -> torch.nn.Module:
    """The model with random weights large enough that every part of it matters."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval()


@pytest.fixture
def tiny_amt() -> AMT:
    """The AMT at its smallest."""
    torch.manual_seed(0)
    return loud(AMT(CONFIGS["tiny"]))


@pytest.fixture
def paper_amt() -> AMT:
    """The paper's model, small."""
    torch.manual_seed(0)
    return loud(AMT(PAPER_STYLE))


@pytest.fixture(params=["tiny_amt", "paper_amt"])
def any_amt(request) -> AMT:
    """One after the other: a model that copies and is conditioned after the decoder, one that attends to the video."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def video():
    """Makes a batch of random videos of the given lengths."""

    def make(*lengths: int, semantic: bool = True, seed: int = 0) -> VideoBatch:
        rng = np.random.default_rng(seed)
        return collate([
            (rng.normal(size=(n, 768)) if semantic else None, rng.dirichlet(np.ones(6), n), rng.random((n, 2)))
            for n in lengths
        ])  # fmt: skip

    return make
