"""Thresholds that meet a budget."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from prune.tokens.levels import (
    live_at,
    meet_budget,
    rate_thresholds,
    set_thresholds,
    shifted,
)
from tests.prune.tokens.small import images, selective, selectors

scores = torch.linspace(0.01, 0.99, 99)


def count(thresholds: list[float]) -> dict[int, Tensor]:
    """One image, whose scores are evenly spread."""
    return {block: (scores >= t).sum().view(1) for block, t in enumerate(thresholds)}


def cycles(live: dict[int, Tensor]) -> Tensor:
    return torch.stack([tokens.double() for tokens in live.values()]).sum(0)


@pytest.mark.parametrize("target", [20, 90, 130, 190])
def test_mean_cycles_are_at_most_the_budget_and_close_to_it(target: int) -> None:
    found = float(cycles(count(meet_budget([0.5, 0.5], count, cycles, target))))
    assert target - 4 <= found <= target


def test_thresholds_keep_their_order() -> None:
    low, high = meet_budget([0.3, 0.6], count, cycles, 60)
    assert low < high


def test_budget_that_no_threshold_meets_gives_the_highest() -> None:
    stubborn = meet_budget([0.5], lambda _: {0: torch.ones(1)}, cycles, 0.5)
    assert stubborn == [253 / 254]


def test_budget_that_all_tokens_meet_gives_the_lowest() -> None:
    assert meet_budget([0.5], count, cycles, 1000) == [1 / 254]


def test_levels_are_those_of_the_integer_network() -> None:
    for level in shifted([0.2, 0.5, 0.9], 0.37):
        assert (level * 254) == pytest.approx(round(level * 254), abs=1e-9)


def test_live_tokens_follow_the_thresholds() -> None:
    model = selective(positions=(1, 3))
    pixels = images(model)
    means = []
    for level in (0.01, 0.5, 0.99):
        live = live_at(model, pixels, [level, level])
        assert list(live) == [1, 3] and all(len(tokens) == 4 for tokens in live.values())
        means.append(float(live[3].mean()))
    assert means[0] > means[1] > means[2]


def test_every_selector_keeps_its_share() -> None:
    model = selective(positions=(1, 3))
    pixels = images(model)
    thresholds = rate_thresholds(model, pixels, {1: 0.75, 3: 0.5})
    live = live_at(model, pixels, thresholds)
    assert float(live[1].mean()) == pytest.approx(1 + 27 + 1, abs=0.5)
    assert float(live[3].mean()) == pytest.approx(1 + 18 + 1, abs=0.5)


def test_every_selector_gets_its_threshold() -> None:
    model = selective(positions=(1, 3))
    set_thresholds(model, [0.25, 0.75])
    assert [float(selector.threshold) for selector in selectors(model)] == [0.25, 0.75]
