"""Small models and pictures for the tests of the models."""

import numpy as np
import pytest
import torch

from video2music.model.amt import AMT, CONFIGS
from video2music.model.picture import Picture, collate


@pytest.fixture
def tiny_amt() -> AMT:
    """The AMT at its smallest, with random weights large enough that every part of it matters."""
    torch.manual_seed(0)
    model = AMT(CONFIGS["tiny"]).eval()
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


@pytest.fixture
def picture():
    """Makes a batch of random videos of the given lengths."""

    def make(*lengths: int, semantic: bool = True, seed: int = 0) -> Picture:
        rng = np.random.default_rng(seed)
        return collate([
            (rng.normal(size=(n, 768)) if semantic else None, rng.dirichlet(np.ones(6), n), rng.random((n, 2)))
            for n in lengths
        ])  # fmt: skip

    return make
