"""Selectors in models: what attaching changes, and what it refuses."""

import copy

import pytest
import timm
import torch
from torch import nn

from hw.errors import UserError
from prune.tokens import attach_, detach_, masked, recording
from prune.tokens.decision import Drawing
from tests.prune.tokens.small import MODELS, images, plain, selective, selectors

every_model = pytest.mark.parametrize("kind", MODELS)


@every_model
def test_attaching_changes_no_answer(kind: str) -> None:
    model = plain(kind)
    before = model(images(model))
    attach_(model, [0, 2, 3])
    torch.testing.assert_close(model(images(model)), before, rtol=1e-5, atol=1e-6)


@every_model
def test_detaching_restores_the_model(kind: str) -> None:
    model = selective(kind)
    detach_(model)
    assert model.state_dict().keys() == plain(kind).state_dict().keys()
    assert torch.equal(model(images(model)), plain(kind)(images(model)))


def test_state_dict_names_selectors_by_block() -> None:
    names = attach_(plain(), [1, 3]).state_dict()
    assert {name.split(".")[1] for name in names if name.startswith("selectors.")} == {"1", "3"}


def test_state_dict_carries_the_selectors() -> None:
    model = selective()
    other = attach_(plain(), [1, 2, 3])
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(images(model)), model(images(model)))


def test_a_copy_selects_by_its_own_weights() -> None:
    model = selective()
    answers = model(images(model))
    other = copy.deepcopy(model)
    for parameter in model.parameters():
        parameter.data.zero_()
    assert torch.equal(other(images(model)), answers)


def test_training_trains_every_selector() -> None:
    model = selective("registers and mean").train()
    model(images(model)).square().sum().backward()
    for name, parameter in model.selectors.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_only_training_is_random() -> None:
    model = selective()
    with torch.no_grad():
        assert torch.equal(model(images(model)), model(images(model)))
        model.train()
        assert not torch.equal(model(images(model)), model(images(model)))


def test_low_temperature_does_not_end_the_noise() -> None:
    """The noise is as large as the logits; the temperature is the width of the gradient alone."""
    model = selective().train()
    model.selectors.drawing = Drawing(temperature=1e-3)
    with torch.no_grad():
        assert not torch.equal(model(images(model)), model(images(model)))


def test_without_noise_training_decides_as_inference_does() -> None:
    model = selective().train()
    model.selectors.drawing = Drawing(noise=0.0)
    with torch.no_grad(), recording(model) as record:
        model(images(model))
        drawn = {block: found.keep for block, found in record.items()}
        with masked(model.eval()):
            model(images(model))
    assert all(torch.equal(drawn[block], found.keep) for block, found in record.items())


def test_runs_in_mixed_precision() -> None:
    model = selective("registers and mean")
    with torch.autocast("cpu", torch.bfloat16):
        assert model(images(model)).isfinite().all()
        model.train()(images(model)).float().square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.selectors.parameters())


def test_thresholds_are_one_each() -> None:
    model = attach_(plain(), [1, 2], [0.3, 0.6])
    assert [selector.threshold for selector in selectors(model)] == [0.3, 0.6]


@pytest.mark.parametrize("positions", [[], [2, 1], [1, 1], [-1], [4]])
def test_positions_that_are_no_rising_block_numbers_are_refused(positions: list[int]) -> None:
    with pytest.raises(UserError, match="out of 0 to 3"):
        attach_(plain(), positions)


@pytest.mark.parametrize("thresholds", [0.0, 1, [0.5]])
def test_unusable_thresholds_are_refused(thresholds: float | list[float]) -> None:
    with pytest.raises(UserError, match="threshold"):
        attach_(plain(), [1, 2], thresholds)


def test_other_models_are_refused() -> None:
    swin = timm.create_model("swin_tiny_patch4_window7_224", depths=(1, 1), num_heads=(3, 6))
    with pytest.raises(UserError, match="SwinTransformer"):
        attach_(swin, [0])


def test_a_second_attachment_is_refused() -> None:
    with pytest.raises(UserError, match="has token selectors"):
        attach_(selective(), [0])


@pytest.mark.parametrize("context", [masked, recording])
def test_models_without_selectors_are_refused(context: type) -> None:
    with pytest.raises(UserError, match="attach them first"), context(plain()):
        pass


def test_gradient_checkpointing_is_refused() -> None:
    model = selective()
    model.set_grad_checkpointing(True)
    with pytest.raises(UserError, match="checkpointing"):
        model(images(model))


def test_attention_that_is_not_seen_is_refused() -> None:
    class Blind(nn.Module):
        def forward(self, x: torch.Tensor, **_: object) -> torch.Tensor:
            return x

    model = selective(positions=(1,))
    model.blocks[1].attn = Blind()
    with pytest.raises(UserError, match="attention"):
        model(images(model))
