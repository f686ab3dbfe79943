"""Cycles of the methods without training."""

from functools import cache

import pytest
import torch

from hw.config import ArrayConfig
from hw.errors import UserError
from prune.models import LoadedModel
from prune.quantize import quantize
from prune.tokens import EViT, ToMe, attach_, recording
from prune.tokens.pricing import BaselineCycles, evits, selectable, tomes, within
from sim.cycles import network_cycles
from tests.prune.tokens.small import images, plain

CONFIG = ArrayConfig()
PIXELS = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))


def loaded() -> LoadedModel:
    return LoadedModel(plain(), "small", "random", (0.5,) * 3, (0.5,) * 3, random=True)


@cache
def cycles() -> BaselineCycles:
    return BaselineCycles(selectable(loaded(), PIXELS), CONFIG)


def test_all_tokens_take_what_the_plain_network_takes() -> None:
    plain_cycles = network_cycles(quantize(loaded(), PIXELS), CONFIG).total
    assert cycles().dense == pytest.approx(plain_cycles, rel=2e-3)
    assert cycles()(ToMe(0)) == cycles()(EViT({})) == cycles().dense


@pytest.mark.parametrize("method", [EViT({1: 0.7, 3: 0.5}), ToMe((5, 0, 3, 4))])
def test_tokens_are_those_of_the_model(method: EViT | ToMe) -> None:
    model = attach_(plain(), method)
    with torch.no_grad(), recording(model) as record:
        model(images(model))
    patches = 36
    for block in range(4):
        patches = method.left(block, patches)
        if block in record:
            assert int(record[block].tokens[0]) == 1 + patches


def test_what_stays_in_the_last_block_counts_behind_its_attention_alone() -> None:
    """The class token alone is read there, but the MLP runs on all."""
    last, none = cycles()(EViT({3: 0.2})), cycles().dense
    both = cycles()(EViT({2: 0.2}))
    assert 2 * (none - last) < none - both


@pytest.mark.parametrize("share", [0.9, 0.7])
def test_a_budget_is_met_closely(share: float) -> None:
    for methods in (evits(4), tomes(4, 36)):
        spent = cycles()(within(cycles(), methods, share)) / cycles().dense
        assert share - 0.05 < spent <= share


def test_budgets_out_of_reach_are_refused() -> None:
    with pytest.raises(UserError, match="cannot be reached"):
        within(cycles(), tomes(4, 36), 0.01)
