"""Dropped tokens in the masked form: no influence, and gradients all the same."""

import pytest
import torch
from torch import Tensor, nn

from prune.tokens import masked, recording
from prune.tokens.attention import KeyWeights
from tests.prune.tokens.small import MODELS, images, selective

HEADS = torch.randn(3, 2, 3, 6, 4, generator=torch.Generator().manual_seed(0))
"""Queries, keys and values (N, heads, T, d)."""


class Disturbance:
    """Makes dropped tokens large in front of a block."""

    def __init__(self, record: dict, block: int, prefix: int) -> None:
        self._record, self._block, self._prefix = record, block, prefix

    def __call__(self, _: nn.Module, given: tuple[Tensor]) -> tuple[Tensor]:
        x, keep = given[0].clone(), self._record[self._block].keep
        x[:, self._prefix : self._prefix + keep.shape[1]][keep == 0] += 100.0
        return (x,)


@pytest.mark.parametrize("kind", [kind for kind in MODELS if "pit" not in kind])
@torch.no_grad()
def test_dropped_tokens_influence_nothing(kind: str) -> None:
    model = selective(kind, (1, 3))
    with masked(model), recording(model) as record:
        expected = model(images(model))
        disturb = Disturbance(dict(record), 1, model.num_prefix_tokens)
        model.blocks[2].register_forward_pre_hook(disturb)
        torch.testing.assert_close(model(images(model)), expected, rtol=1e-4, atol=1e-6)


def test_dropped_tokens_have_no_gradient_in_evaluation() -> None:
    """So that what they contain counts nothing when layers are pruned."""
    model, seen = selective(positions=(1,)), list[Tensor]()
    model.blocks[1].mlp.register_forward_hook(lambda _, __, output: seen.append(output))
    with masked(model), recording(model) as record:
        answers = model(images(model))
    (gradient,) = torch.autograd.grad(answers.square().sum(), seen)
    dropped = record[1].keep == 0
    assert not gradient[:, 1:-1][dropped].any() and gradient[:, 1:-1][~dropped].any()


def test_masked_attention_is_the_published_formula() -> None:
    q, k, v = HEADS
    weights = torch.tensor([[1.0, 1, 0, 1, 0, 1], [1, 0, 0, 0, 0, 1]])
    products = q @ k.transpose(-2, -1) / 2
    shifted = (products - products.amax(dim=-1, keepdim=True)).exp()
    mask = torch.maximum(weights[:, None, None], torch.eye(6))
    expected = (shifted * mask / (shifted * mask).sum(dim=-1, keepdim=True)) @ v
    found = KeyWeights(weights.requires_grad_(), own=True).attention(q, k, v, 0.0, 0.5)
    torch.testing.assert_close(found, expected)


def test_both_forms_of_attention_agree_where_queries_are_live() -> None:
    q, k, v = HEADS
    weights = torch.tensor([[1.0, 1, 0, 1, 0, 1], [1, 0, 0, 0, 0, 1]])
    fused = KeyWeights(weights, own=True).attention(q, k, v, 0.0, 0.5)
    explicit = KeyWeights(weights.clone().requires_grad_(), own=True).attention(q, k, v, 0.0, 0.5)
    live = weights.bool()
    rows = fused.transpose(1, 2)[live], explicit.transpose(1, 2)[live]
    torch.testing.assert_close(*rows)


def test_a_dropped_key_with_a_huge_product_neither_counts_nor_overflows() -> None:
    scores = torch.zeros(1, 1, 2, 2)
    scores[..., 1] = 1e4
    weights = torch.tensor([[1.0, 0.0]], requires_grad=True)
    probabilities = KeyWeights(weights).softmax(scores)
    assert torch.equal(probabilities, torch.tensor([1.0, 0.0]).expand(1, 1, 2, 2))
    probabilities.square().sum().backward()
    assert weights.grad is not None and weights.grad.isfinite().all()


def test_dropped_keys_learn_whether_they_are_missed() -> None:
    """A hard mask in a logarithm would have no gradient where a token is dropped."""
    weights = torch.tensor([[1.0, 1, 0, 1, 0, 1], [1, 0, 0, 0, 0, 1]], requires_grad=True)
    KeyWeights(weights, own=True).attention(*HEADS, 0.0, 0.5).square().sum().backward()
    assert weights.grad is not None and (weights.grad[weights == 0] != 0).all()
