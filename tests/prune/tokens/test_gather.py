"""Gathered evaluation against the masked form."""

import pytest
import torch
from torch import Tensor, nn

from prune.tokens import Record, masked, recording
from tests.prune.tokens.small import MODELS, images, plain, selective, selectors

every_model = pytest.mark.parametrize("kind", MODELS)
LEAST, MOST = 1e-9, 1 - 1e-9
"""Thresholds that keep everything and nothing."""


@torch.no_grad()
def answers(model: nn.Module, given: Tensor) -> tuple[Tensor, Record]:
    with recording(model) as record:
        return model(given), record


@torch.no_grad()
def masked_answers(model: nn.Module, given: Tensor) -> tuple[Tensor, Record]:
    with masked(model), recording(model) as record:
        return model(given), record


@every_model
def test_ragged_batch_gives_the_masked_answers(kind: str) -> None:
    model = selective(kind)
    gathered, record = answers(model, images(model))
    expected, expected_record = masked_answers(model, images(model))
    assert any(len(set(selection.tokens.tolist())) > 1 for selection in record.values())
    torch.testing.assert_close(gathered, expected, rtol=1e-4, atol=1e-6)
    for block, selection in record.items():
        torch.testing.assert_close(selection.scores, expected_record[block].scores)
        assert torch.equal(selection.keep, expected_record[block].keep)
        assert torch.equal(selection.tokens, expected_record[block].tokens)


@every_model
def test_single_images_give_the_masked_answers(kind: str) -> None:
    model = selective(kind)
    single = torch.cat([answers(model, image)[0] for image in images(model).split(1)])
    torch.testing.assert_close(
        single, masked_answers(model, images(model))[0], rtol=1e-4, atol=1e-6
    )


@every_model
@pytest.mark.parametrize(
    "thresholds",
    [(LEAST, LEAST, LEAST), (MOST, MOST, MOST), (0.5, MOST, LEAST), (MOST, LEAST, LEAST)],
    ids=["all kept", "all but the prefix dropped", "packed again", "package alone"],
)
def test_extreme_selections_give_the_masked_answers(
    kind: str, thresholds: tuple[float, ...]
) -> None:
    model = selective(kind)
    for selector, threshold in zip(selectors(model), thresholds, strict=True):
        selector.threshold = threshold
    gathered, _ = answers(model, images(model))
    expected, _ = masked_answers(model, images(model))
    torch.testing.assert_close(gathered, expected, rtol=1e-4, atol=1e-6)


def test_attention_operation_by_operation_gives_the_fused_answers() -> None:
    model = selective()
    fused, _ = answers(model, images(model))
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False
    torch.testing.assert_close(answers(model, images(model))[0], fused, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(masked_answers(model, images(model))[0], fused, rtol=1e-4, atol=1e-6)


def test_layers_see_live_tokens_alone() -> None:
    model, seen = selective(), list[int]()
    for block in model.blocks:
        block.mlp.register_forward_hook(lambda _, given, __: seen.append(given[0][..., 0].numel()))
    _, record = answers(model, images(model))
    assert seen[0] == 4 * 37
    assert seen[1:] == [int(selection.tokens.sum()) for selection in record.values()]


def test_dropping_everything_leaves_the_prefix_and_a_package() -> None:
    model = selective("registers and mean")
    for selector in selectors(model):
        selector.threshold = MOST
    _, record = answers(model, images(model))
    prefix = model.num_prefix_tokens
    assert all(torch.equal(s.tokens, torch.full((4,), prefix + 1.0)) for s in record.values())


def test_keeping_everything_makes_no_package() -> None:
    model = selective()
    for selector in selectors(model):
        selector.threshold = LEAST
    gathered, record = answers(model, images(model))
    assert all(torch.equal(s.tokens, torch.full((4,), 37.0)) for s in record.values())
    torch.testing.assert_close(gathered, plain()(images(model)), rtol=1e-4, atol=1e-6)


def test_package_is_the_score_weighted_mean_with_the_earlier_package_in_it() -> None:
    model, seen = selective(positions=(1, 2)), list[Tensor]()
    for block in model.blocks[1:3]:
        block.norm1.register_forward_hook(lambda _, given, __: seen.append(given[0][0]))
    model.blocks[1].register_forward_hook(lambda _, __, output: seen.append(output[0]))
    image = images(model, 1)
    _, record = answers(model, image)
    _, before, after = seen
    scores = selectors(model)[1](before.unsqueeze(0))[0]
    stays = scores >= 0.5
    stays[-1] = False
    weights = scores[~stays].unsqueeze(1)
    package = (weights * before[1:][~stays]).sum(dim=0) / weights.sum()
    torch.testing.assert_close(after, torch.cat([before[:1], before[1:][stays], package[None]]))
    assert stays.sum() > 2 and (~stays).sum() > 2
    assert int(record[2].tokens) == len(after)
