"""The codebook and the window rule against plain loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion.models.poolingvq.quantizer import RULES, STRIDE, WINDOW, Codebook, VQPooling, windows


def by_hand(rows: np.ndarray, codes: np.ndarray, there: np.ndarray) -> list[np.ndarray]:
    """The rule of the module's docstring, window by window, for one sequence."""
    pooled, start = [], 0
    while True:
        inside = [at for at in range(start, min(start + WINDOW, len(rows))) if there[at]]
        distinct = {codes[at] for at in inside}
        if not inside:
            pooled.append(np.zeros(rows.shape[1]))
        elif len(distinct) == 1:
            pooled.append(rows[inside].mean(0))
        elif len(distinct) <= 3:
            weights = np.array([1 / sum(codes[other] == codes[at] for other in inside) for at in inside])
            pooled.append((rows[inside] * weights[:, None]).sum(0) / weights.sum())
        else:
            pooled.append(rows[inside].max(0))
        if start + WINDOW >= len(rows):
            return pooled
        start += STRIDE


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 23), st.integers(1, 6), st.integers(0, 10**6))
def test_the_adaptive_rule_is_the_loop(length: int, n_codes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, codes = rng.normal(size=(2, length, 4)).astype(np.float32), rng.integers(0, n_codes, (2, length))
    there = np.arange(length) < np.array([[length], [rng.integers(0, length + 1)]])
    cut = windows(torch.from_numpy(rows))
    pooled = RULES["adaptive"](
        cut,
        windows(torch.from_numpy(codes).unsqueeze(-1)).squeeze(-1),
        windows(torch.from_numpy(there).unsqueeze(-1)).squeeze(-1),
    )
    for index in range(2):
        expected = by_hand(rows[index], codes[index], there[index])
        np.testing.assert_allclose(pooled[index], expected, atol=1e-5)


@pytest.mark.parametrize("name", ["mean", "max"])
def test_the_other_rules_are_numpys(name: str) -> None:
    rows = torch.randn(1, 1, WINDOW, 3, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[[True, True, False, True, False]]])
    expected = getattr(np, name)(rows[0, 0].numpy()[[0, 1, 3]], axis=0)
    np.testing.assert_allclose(RULES[name](rows, torch.zeros(1, 1, WINDOW), mask)[0, 0], expected, atol=1e-6)


def test_pooling_keeps_about_a_third_of_the_rows_and_none_of_the_padding() -> None:
    rows = torch.randn(2, 30, 8, generator=torch.Generator().manual_seed(0))
    mask = torch.arange(30) < torch.tensor([[30], [5]])
    pooled, there, _ = VQPooling(8, n_codes=4, pooling="adaptive").eval()(rows, mask)
    assert pooled.shape == (2, 10, 8)
    assert there.sum(1).tolist() == [10, 1]  # the window at 3 holds no row of the second that the first does not
    alone, _, _ = VQPooling(8, n_codes=4, pooling="mean").eval()(rows[1:, :5], mask[1:, :5])
    both, _, _ = VQPooling(8, n_codes=4, pooling="mean").eval()(rows, mask)
    np.testing.assert_allclose(both[1, 0], alone[0, 0], atol=1e-6)


def test_no_pooling_leaves_the_rows_as_they_are() -> None:
    rows, mask = torch.randn(1, 7, 4), torch.ones(1, 7, dtype=torch.bool)
    pooled, there, loss = VQPooling(4, n_codes=2, pooling="none")(rows, mask)
    assert pooled is rows and there is mask and loss == 0


def test_assignment_is_by_angle_not_by_distance() -> None:
    book = Codebook(2, 2)
    book.codes.data = torch.tensor([[1.0, 0.0], [0.0, 100.0]])
    assert book.assign(torch.tensor([[50.0, 1.0], [0.01, 0.02]])).tolist() == [0, 1]


def test_k_means_finds_separate_directions() -> None:
    generator = torch.Generator().manual_seed(1)
    centres = torch.eye(6)[:3]
    rows = centres.repeat_interleave(40, 0) * torch.rand(120, 1, generator=generator).add(0.5)
    rows = rows + 0.02 * torch.randn(120, 6, generator=generator)
    book = Codebook(3, 6)
    losses = []
    for seed in range(5):
        book.start(rows, torch.Generator().manual_seed(seed))
        assigned = book.assign(rows)
        losses.append(book.loss(rows, assigned, torch.ones(120)).item())
    assert min(losses) < 0.01
    assert len({tuple(assigned[group * 40 : group * 40 + 40].tolist()) for group in range(3)}) >= 2


def test_the_loss_draws_codes_to_rows_and_rows_less_so_to_codes() -> None:
    book = Codebook(1, 2)
    book.codes.data = torch.tensor([[1.0, 0.0]])
    rows = torch.tensor([[[1.0, 1.0]]], requires_grad=True)
    book.loss(rows, book.assign(rows), torch.ones(1, 1)).backward()
    assert book.codes.grad is not None and rows.grad is not None
    assert book.codes.grad[0, 1] < 0  # the code must turn towards the row
    assert rows.grad[0, 0, 1] > 0  # and the row towards the code
    assert book.codes.grad[0, 1].abs() > rows.grad[0, 0, 1].abs()


def test_what_is_padded_has_no_part_in_the_loss() -> None:
    book = Codebook(3, 4)
    rows = torch.randn(1, 6, 4, generator=torch.Generator().manual_seed(2))
    mask = torch.tensor([[True, True, True, False, False, False]])
    whole = book.loss(rows, book.assign(rows), mask)
    part = book.loss(rows[:, :3], book.assign(rows[:, :3]), mask[:, :3])
    assert whole.item() == pytest.approx(part.item(), abs=1e-6)
