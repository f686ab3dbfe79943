"""Cycles of live tokens, in torch and exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest
import torch

from hw.config import ArrayConfig
from hw.ir import Network
from prune.models import LoadedModel
from prune.quantize import quantize
from prune.tokens import attach_
from prune.tokens.cost import TokenCost
from prune.tokens.exact import ImageCycles
from prune.tokens.live import image_counts
from sim.cycles import network_cycles
from tests.prune.tokens.small import plain

CONFIG = ArrayConfig()
NEAR = 0.06
"""Of the torch form; in so small a network what overlaps weighs much. The demo is 1 % off."""
ALL = 37
"""Tokens of the small model: 36 patches and the class token."""


@cache
def selecting(positions: Sequence[int]) -> Network:
    """The integer network of the small model with selectors there."""
    model = plain()
    if positions:
        attach_(model, positions)
    loaded = LoadedModel(model, "small", "random", (0.5,) * 3, (0.5,) * 3, random=True)
    return quantize(loaded, torch.rand(2, 3, 48, 48), (16, 16))


@pytest.mark.parametrize("live", [(37, 37), (30, 20), (20, 8), (12, 3)])
def test_cost_is_near_the_exact_cycles(live: tuple[int, int]) -> None:
    network = selecting((1, 3))
    tokens = dict(zip((1, 3), live, strict=True))
    exact = ImageCycles(network, CONFIG)
    wanted = float(exact({block: torch.tensor([count]) for block, count in tokens.items()}))
    assert TokenCost(network, CONFIG).at(tokens) == pytest.approx(wanted, rel=NEAR)


def test_all_tokens_cost_what_the_network_does() -> None:
    for positions in ((), (1, 3)):
        network = selecting(positions)
        found = TokenCost(network, CONFIG).at(dict.fromkeys(positions, ALL))
        assert found == pytest.approx(network_cycles(network, CONFIG).total, rel=NEAR)


def test_selectors_that_are_not_there_cost_nothing() -> None:
    everywhere = TokenCost(selecting((1, 2, 3)), CONFIG)
    plain_cycles = network_cycles(selecting(()), CONFIG).total
    assert everywhere.at({}) == pytest.approx(plain_cycles, rel=NEAR)
    assert everywhere.at({2: ALL}) > everywhere.at({})


def test_every_selector_gets_the_gradient_of_its_tokens() -> None:
    live = {block: torch.tensor(24.0, requires_grad=True) for block in (1, 3)}
    TokenCost(selecting((1, 3)), CONFIG)(live).backward()
    # Two blocks follow the first selector before the second, and one the second.
    assert live[1].grad is not None and live[3].grad is not None
    assert live[1].grad > live[3].grad > 0


def test_removed_blocks_are_not_charged() -> None:
    network = selecting((1, 3))
    weight = network.params["blocks.1.mlp.fc1.weight"]
    pruned = {**network.params, "blocks.1.mlp.fc1.weight": weight.copy()}
    pruned["blocks.1.mlp.fc1.weight"][:, :16] = 0
    fewer = replace(network, params=pruned)
    tokens = {1: 30.0, 3: 20.0}
    assert TokenCost(fewer, CONFIG).at(tokens) < TokenCost(network, CONFIG).at(tokens)


def test_images_are_priced_one_by_one() -> None:
    exact = ImageCycles(selecting((1, 3)), CONFIG)
    both = exact({1: torch.tensor([37, 10]), 3: torch.tensor([20, 5])})
    first = exact({1: torch.tensor([37]), 3: torch.tensor([20])})
    assert both[0] == first[0] > both[1]


def test_live_counts_are_named_as_the_selections() -> None:
    live = {1: torch.tensor([37.0]), 3: torch.tensor([20.0])}
    assert image_counts(live) == [{"selectors.1.select": 37, "selectors.3.select": 20}]
