"""Causal attention with relative positions against plain loops."""

import math

import pytest
import torch

from tests.video2music.model.conftest import loud
from video2music.model.attention import CONFIGS, LayerCache, RelativeSelfAttention

CONFIG = CONFIGS["tiny"]


@pytest.fixture
def attention():
    torch.manual_seed(0)
    return loud(RelativeSelfAttention(CONFIG))


@pytest.mark.parametrize(("length", "keys"), [(5, 5), (1, 1), (3, 7), (1, 9), (8, 9)])
def test_relative_logits_are_those_of_a_plain_loop(attention, length, keys):
    queries = torch.randn(2, CONFIG.heads, length, CONFIG.head_width)
    bias = attention._bias(queries, keys)
    assert bias.shape == (2, CONFIG.heads, length, keys)
    for row in range(length):
        step = keys - length + row  # the queries are the last of the steps
        for key in range(step + 1):
            expected = (queries[1, 1, row] @ attention.table[step - key]).item() / math.sqrt(CONFIG.head_width)
            assert bias[1, 1, row, key].item() == pytest.approx(expected, abs=1e-5)
        assert (bias[:, :, row, step + 1 :] == -math.inf).all()


def in_a_plain_loop(attention, x, matches):
    """What one song's attention gives, a step and a head at a time."""
    width = CONFIG.head_width
    queries, keys, values = attention.inputs(x).chunk(3, dim=-1)
    rows = []
    for step in range(len(x)):
        heads = []
        for head in range(CONFIG.heads):
            own = slice(head * width, (head + 1) * width)
            query = queries[step, own]
            logits = [
                query @ (keys[past, own] + attention.table[step - past]) / math.sqrt(width) + matches[head, step, past]
                for past in range(step + 1)
            ]
            shares = torch.stack(logits).softmax(0)
            heads.append(sum(share * values[past, own] for past, share in enumerate(shares)))
        rows.append(attention.output(torch.cat(heads)))
    return torch.stack(rows)


@torch.no_grad()
def test_attention_is_that_of_a_plain_loop(attention):
    x, matches = torch.randn(2, 6, CONFIG.width), torch.randn(2, CONFIG.heads, 6, 6)
    found = attention(x, matches)
    for song in range(2):
        torch.testing.assert_close(found[song], in_a_plain_loop(attention, x[song], matches[song]), atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("pieces", [(6,), (1, 1, 1, 1, 1, 1), (3, 1, 2), (1, 4, 1)])
def test_a_cache_fed_in_any_pieces_changes_nothing(attention, pieces):
    x, matches = torch.randn(2, 6, CONFIG.width), torch.randn(2, CONFIG.heads, 6, 6)
    cache, start, found = LayerCache(attention.distances(), 2, CONFIG.heads), 0, []
    for piece in pieces:
        end = start + piece
        found.append(attention(x[:, start:end], matches[:, :, start:end, :end], cache, start))
        start = end
    torch.testing.assert_close(torch.cat(found, dim=1), attention(x, matches), atol=1e-5, rtol=0)
