"""What tokens matter without training, and what a schedule costs by it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from prune.tokens.probe import Probe
from prune.tokens.ranking import attending, behind, class_attention, top_tokens
from tests.prune.tokens.small import images, plain


@pytest.mark.parametrize("kind", ["deit", "distilled", "normalized queries"])
def test_attention_is_the_models(kind: str) -> None:
    model: Any = plain(kind)
    prefix, block = model.num_prefix_tokens, model.blocks[1]
    block.attn.fused_attn = False
    seen: dict[str, torch.Tensor] = {}
    block.register_forward_pre_hook(lambda _, inputs: seen.update(x=inputs[0]))
    block.attn.attn_drop.register_forward_pre_hook(lambda _, inputs: seen.update(a=inputs[0]))
    with torch.no_grad():
        model(images(model))
        found = class_attention(block, seen["x"], prefix)
    torch.testing.assert_close(found, seen["a"].mean(1)[:, 0, prefix:])


def test_attention_of_all_tokens_counts_without_prefix() -> None:
    model: Any = plain("latent query, no prefix")
    x = torch.randn(2, 36, 48)
    with torch.no_grad():
        found = class_attention(model.blocks[0], x, 0)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(2))


def test_blocks_behind_count_too() -> None:
    first, second, third = (torch.full((1, 2), value) for value in (3.0, 2.0, 1.0))
    assert [float(mean[0, 0]) for mean in behind([first, second, third])] == [2.0, 1.5, 1.0]


def test_attention_is_collected_block_by_block_and_no_longer_than_asked() -> None:
    model: Any = plain()
    with torch.no_grad(), attending(model.blocks[1:], 1) as found:
        model(images(model))
    assert [tuple(attention.shape) for attention in found] == [(4, 36)] * 3
    model(images(model))
    assert len(found) == 3


def test_top_tokens_stay_in_order() -> None:
    assert top_tokens(torch.tensor([[0.1, 0.5, 0.2, 0.4]]), 3).tolist() == [[1, 2, 3]]


@pytest.fixture(scope="module")
def probe() -> Probe:
    model: Any = plain()
    return Probe(model, images(model), torch.tensor([0, 1, 2, 3]))


def test_all_tokens_give_the_models_own_answer(probe: Probe) -> None:
    model: Any = plain()
    with torch.no_grad():
        wanted = model(images(model)).softmax(-1)[range(4), range(4)].mean()
    assert probe({}) == pytest.approx(float(wanted), rel=1e-5)
    assert probe({1: 1.0, 3: 1.0}) == pytest.approx(float(wanted), rel=1e-5)


def test_tokens_really_leave(probe: Probe) -> None:
    model: Any = probe._model
    seen = []
    hooks = [
        block.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[1]))
        for block in model.blocks
    ]
    probe({1: 0.5, 3: 0.25})
    for hook in hooks:
        hook.remove()
    assert seen == [1 + 18 + 1, 1 + 18 + 1, 1 + 9 + 1]


def test_package_token_is_the_weighted_mean_of_all_dropped(probe: Probe) -> None:
    x = torch.randn(1, 5, 3)  # a class token and four patches
    attention = torch.tensor([[0.1, 0.4, 0.2, 0.3]])
    found, packaged = probe._drop(x, attention, 2, packaged=False)
    wanted = (0.1 * x[0, 1] + 0.2 * x[0, 3]) / 0.3
    assert packaged
    torch.testing.assert_close(found[0], torch.stack([x[0, 0], x[0, 2], x[0, 4], wanted]))
    again, _ = probe._drop(found, torch.tensor([[0.1, 0.5, 0.4]]), 1, packaged=True)
    wanted = (0.1 * found[0, 1] + 0.4 * found[0, 3]) / 0.5
    torch.testing.assert_close(again[0], torch.stack([x[0, 0], x[0, 4], wanted]))
