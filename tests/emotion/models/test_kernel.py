"""Kernel ridge against scikit-learn's."""

import numpy as np
import pytest
import torch

from emotion.models.kernel import KernelRidge


def test_it_is_scikit_learns_kernel_ridge_on_z_scores() -> None:
    oracle = pytest.importorskip("sklearn.kernel_ridge")
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(3, 2, (40, 5)).astype(np.float32), rng.normal(size=(40, 2)).astype(np.float32)
    ours = KernelRidge(40, 5, 2, gamma=0.1)
    ours.fit(torch.from_numpy(inputs), torch.from_numpy(targets), ridge=0.5)
    z = (inputs - inputs.mean(0)) / (inputs.std(0, ddof=1) + 1e-3)
    theirs = oracle.KernelRidge(alpha=0.5, kernel="rbf", gamma=0.1).fit(z, targets - targets.mean(0))
    new = rng.normal(3, 2, (7, 5)).astype(np.float32)
    expected = theirs.predict((new - inputs.mean(0)) / (inputs.std(0, ddof=1) + 1e-3)) + targets.mean(0)
    np.testing.assert_allclose(ours(torch.from_numpy(new)), expected, atol=1e-3)


def test_far_from_all_that_is_known_it_gives_the_mean() -> None:
    ours = KernelRidge(3, 2, 1, gamma=5.0)
    targets = torch.tensor([[0.0], [1.0], [5.0]])
    ours.fit(torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0]]), targets, ridge=0.1)
    assert ours(torch.tensor([[900.0, -900.0]])).item() == pytest.approx(2.0, abs=1e-3)
