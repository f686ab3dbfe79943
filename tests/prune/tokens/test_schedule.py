"""The layer-to-phase schedule."""

from __future__ import annotations

import pytest

from hw.errors import UserError
from prune.tokens.schedule import (
    Rates,
    Search,
    find_schedule,
    fit,
    layer_rates,
    least_share,
    merge,
)

BLOCKS = [1, 2, 3, 4, 5]
NEEDS = {1: 0.8, 2: 0.75, 3: 0.5, 4: 0.25, 5: 0.2}
"""Share of the tokens that each block of a made-up model needs."""


def accuracy(rates: Rates) -> float:
    """Falls by 0.1 a full share that a block lacks."""
    found, live = 0.9, 1.0
    for block in BLOCKS:
        live = rates.get(block, live)
        found -= 0.1 * max(NEEDS[block] - live, 0.0)
    return found


def cycles(rates: Rates) -> float:
    """100 for a block with all tokens, 2 a selector, and nothing saved below a fifth."""
    total, live = 100.0, 1.0
    for block in BLOCKS:
        live = rates.get(block, live)
        total += 100 * max(live, 0.2) + 2 * (block in rates)
    return total


def test_every_block_gets_the_least_share_that_it_tolerates() -> None:
    found = layer_rates(accuracy, BLOCKS, tolerance=1e-6)
    assert list(found) == BLOCKS
    for block, rate in found.items():
        assert NEEDS[block] <= rate <= NEEDS[block] + 1 / 16


def test_no_block_gets_fewer_tokens_than_those_behind_it_need() -> None:
    found = layer_rates(accuracy, BLOCKS, tolerance=0.03)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_tolerated_loss_counts_from_the_schedule_behind() -> None:
    found = layer_rates(accuracy, BLOCKS, tolerance=0.005)
    assert 0.9 - accuracy(found) <= 5 * 0.005
    # The last block may lose 0.05 of what it needs, and does.
    assert found[5] == pytest.approx(0.1875)


def test_block_that_tolerates_nothing_has_no_selector() -> None:
    assert layer_rates(lambda rates: -float(len(rates)), BLOCKS, tolerance=0.5) == {}


def test_neighbours_within_the_tolerance_share_a_selector() -> None:
    found = merge({1: 0.8, 2: 0.75, 3: 0.5, 4: 0.25, 5: 0.2}, within=0.085, most=5)
    assert found == pytest.approx({1: 0.775, 3: 0.5, 4: 0.225})


def test_closest_neighbours_are_merged_down_to_the_most_phases() -> None:
    found = merge({1: 0.9, 2: 0.7, 3: 0.4, 4: 0.25}, within=0.01, most=2)
    assert found == pytest.approx({1: 0.8, 3: 0.325})


def test_rates_are_fitted_to_the_budget() -> None:
    for target in (350.0, 500.0):
        assert cycles(fit({1: 0.8, 3: 0.5}, cycles, target)) == pytest.approx(target, rel=2e-4)


def test_fitted_rates_are_not_below_the_least() -> None:
    assert min(fit({1: 0.9, 4: 0.3}, cycles, 300.0, least=0.25).values()) == 0.25


def test_share_below_which_nothing_is_saved_is_found() -> None:
    assert least_share(cycles, 1) == pytest.approx(3 / 16)


@pytest.mark.parametrize("target", [300.0, 350.0, 450.0])
def test_schedule_meets_the_budget_where_blocks_need_few_tokens(target: float) -> None:
    found = find_schedule(accuracy, cycles, BLOCKS, target, Search())
    assert cycles(found.rates) == pytest.approx(target, rel=2e-4)
    assert len(found.rates) <= 3
    at_once = fit({1: 0.5}, cycles, target)
    assert accuracy(found.rates) > accuracy(at_once)


def test_budget_beyond_selectors_is_refused() -> None:
    with pytest.raises(UserError, match=r"150 cycles.*allow more with --cycles"):
        find_schedule(accuracy, cycles, BLOCKS, 150.0, Search())


def test_model_that_loses_nothing_keeps_to_the_budget() -> None:
    found = find_schedule(lambda rates: 0.1, cycles, BLOCKS, 450.0, Search())
    assert cycles(found.rates) == pytest.approx(450.0, rel=2e-4)
