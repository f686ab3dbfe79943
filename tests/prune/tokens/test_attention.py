"""Attention with weights of keys."""

import pytest
import torch
import torch.nn.functional as F

from hw.errors import UserError
from prune.tokens.attention import Attending, KeyWeights

HEADS = torch.randn(3, 1, 2, 4, 8, generator=torch.Generator().manual_seed(0))
"""Queries, keys and values (N, heads, T, d)."""
COUNTS = torch.tensor([[1, 3, 2, 1]])


@pytest.mark.parametrize("differentiable", [False, True])
def test_a_weight_counts_as_that_many_equal_keys(differentiable: bool) -> None:
    q, k, v = HEADS
    repeated = (x.repeat_interleave(COUNTS[0], dim=2) for x in (k, v))
    expected = F.scaled_dot_product_attention(q, *repeated)
    weights = COUNTS.float().requires_grad_(differentiable)
    with Attending(KeyWeights(weights)):
        found = F.scaled_dot_product_attention(q, k, v)
    torch.testing.assert_close(found, expected)


def test_softmax_of_the_products_is_the_same_attention() -> None:
    q, k, v = HEADS
    with Attending(KeyWeights(COUNTS.float())):
        fused = F.scaled_dot_product_attention(q, k, v)
        steps = (q @ k.transpose(-2, -1) / 8**0.5).softmax(dim=-1) @ v
    torch.testing.assert_close(fused, steps)


def test_other_functions_are_left_alone() -> None:
    with Attending(KeyWeights(torch.tensor([[1.0, 0.0]]))):
        assert torch.equal(torch.zeros(1, 2).softmax(dim=-1), torch.full((1, 2), 0.5))


def test_a_mask_of_the_callers_is_refused() -> None:
    q, k, v = HEADS
    with Attending(KeyWeights(COUNTS.float())), pytest.raises(UserError, match="attention mask"):
        F.scaled_dot_product_attention(q, k, v, is_causal=True)
