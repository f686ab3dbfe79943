"""EViT: tokens that the class token attends to."""

import math

import pytest
import torch
from torch import Tensor

from hw.errors import UserError
from prune.tokens import EViT, attach_, detach_, masked, recording
from tests.prune.tokens.small import MODELS, images, plain

RATES = {1: 0.7, 2: 0.5}
WITH_CLASS_TOKEN = sorted(
    set(MODELS) - {"registers and mean", "latent query, no prefix", "parallel"}
)


@pytest.mark.parametrize("kind", WITH_CLASS_TOKEN)
@torch.no_grad()
def test_tensors_become_shorter_by_the_published_counts(kind: str) -> None:
    model = attach_(plain(kind), EViT(RATES))
    seen = list[int]()
    for module in model.modules():
        if type(module).__name__ == "Mlp":
            module.register_forward_hook(lambda _, given, __: seen.append(given[0].shape[1]))
    with recording(model) as record:
        model(images(model))
    assert [seen[block] for block in record] == [int(s.tokens[0]) for s in record.values()]
    if "pit" not in kind:
        prefix = model.num_prefix_tokens
        first = math.ceil(0.7 * 36) + 1
        assert seen[1:3] == [prefix + first, prefix + math.ceil(0.5 * first) + 1]


@torch.no_grad()
def test_others_are_fused_by_the_class_tokens_attention() -> None:
    model = attach_(plain(), EViT({1: 0.5}))
    block, seen = model.blocks[1], list[tuple[Tensor, Tensor]]()
    for layer in (block.norm1, block.attn, block.norm2):
        layer.register_forward_hook(lambda _, given, output: seen.append((given[0], output)))
    model(images(model, 1))
    (x, normal), (_, attended), (left, _) = seen
    q, k, _ = block.attn.qkv(normal).view(37, 3, 3, 16).permute(1, 2, 0, 3)
    attention = (q[:, 0:1] @ k.transpose(-2, -1) / 4).softmax(dim=-1).mean(dim=0)[0, 1:]
    after = (x + attended)[0]
    best = sorted(attention.topk(18).indices.tolist())
    rest = [token for token in range(36) if token not in best]
    fused = sum(attention[token] * after[1 + token] for token in rest)
    expected = torch.stack([after[0], *(after[1 + token] for token in best), fused])
    torch.testing.assert_close(left[0], expected)


@torch.no_grad()
def test_keeping_all_changes_nothing() -> None:
    model = attach_(plain(), EViT({1: 1.0}))
    torch.testing.assert_close(model(images(model)), plain()(images(model)))


@torch.no_grad()
def test_attention_operation_by_operation_gives_the_fused_answers() -> None:
    model = attach_(plain(), EViT(RATES))
    fused = model(images(model))
    for block in model.blocks:
        block.attn.fused_attn = False
    torch.testing.assert_close(model(images(model)), fused, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_detaching_restores_the_model() -> None:
    model = detach_(attach_(plain(), EViT(RATES)))
    assert torch.equal(model(images(model)), plain()(images(model)))


def test_it_adds_nothing_to_the_state_dict() -> None:
    assert attach_(plain(), EViT(RATES)).state_dict().keys() == plain().state_dict().keys()


@torch.no_grad()
def test_places_lead_to_the_token_that_stands_for_a_patch() -> None:
    model = attach_(plain(), EViT(RATES))
    with recording(model) as record:
        model(images(model, 1))
    selection = record[2]
    count = int(selection.tokens)
    assert selection.place.min() >= 1 and selection.place.max() < count
    alone = selection.place[selection.keep > 0]
    assert len(alone.unique()) == len(alone)
    assert not set(alone.tolist()) & set(selection.place[selection.keep == 0].tolist())


@pytest.mark.parametrize("kind", ["registers and mean", "latent query, no prefix"])
def test_models_without_a_class_token_are_refused(kind: str) -> None:
    with pytest.raises(UserError, match="class token"):
        attach_(plain(kind), EViT(RATES))


@pytest.mark.parametrize("rates", [{4: 0.5}, {1: 0.0}, {1: 1.1}])
def test_unusable_rates_are_refused(rates: dict[int, float]) -> None:
    with pytest.raises(UserError, match="rate"):
        attach_(plain(), EViT(rates))


def test_blocks_without_a_place_between_attention_and_mlp_are_refused() -> None:
    with pytest.raises(UserError, match="ParallelThingsBlock"):
        attach_(plain("parallel"), EViT(RATES))


def test_it_has_no_masked_form() -> None:
    with pytest.raises(UserError, match="masked form"), masked(attach_(plain(), EViT(RATES))):
        pass
