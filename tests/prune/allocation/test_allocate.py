"""Allocation under several budgets against an exact solver, and its dual bound."""

import numpy as np
import pytest
from numpy.typing import NDArray

from prune.allocation.allocate import Curve, allocate
from tests.prune.small import Curves, least_objective


def random_curves(budgets: int, seed: int, convex: bool, layers: int = 6) -> Curves:
    """Curves of 20 to 60 blocks whose budgets are worth different amounts in every layer."""
    rng = np.random.default_rng(seed)
    curves = {}
    for layer in range(layers):
        blocks = rng.integers(20, 60)
        saved = rng.random((budgets, blocks)) * rng.uniform(0.2, 3, (budgets, 1))
        harm = rng.random(blocks) ** 3 * rng.uniform(0.5, 5)
        if convex:
            saved, harm = np.repeat(saved[:, :1], blocks, axis=1), np.sort(harm)
        curves[str(layer)] = Curve(
            np.hstack([np.zeros((budgets, 1)), saved.cumsum(axis=1)]),
            np.concatenate([[0.0], harm.cumsum()]),
        )
    return curves


def most(curves: Curves) -> NDArray[np.float64]:
    return np.sum([curve.saved[:, -1] for curve in curves.values()], axis=0)


def saving(curves: Curves, removed: dict[str, int]) -> NDArray[np.float64]:
    return np.sum([curves[name].saved[:, n] for name, n in removed.items()], axis=0)


def test_one_budget_is_shared_at_equal_slope() -> None:
    curves = {
        "cheap": Curve(np.arange(4.0)[None], np.arange(4.0)),
        "dear": Curve(10 * np.arange(4.0)[None], np.arange(4.0)),
    }
    division = allocate(curves, [20])
    assert division.removed == {"cheap": 0, "dear": 2}
    assert division.prices == (pytest.approx(0.1),)
    assert division.objective == division.bound == 2


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("budgets", [1, 2, 3])
@pytest.mark.parametrize("convex", [True, False])
def test_exact_optimum_lies_between_bound_and_objective(
    budgets: int, seed: int, convex: bool
) -> None:
    curves = random_curves(budgets, seed, convex)
    required = most(curves) * np.random.default_rng(seed).uniform(0.45, 0.55, budgets)
    division = allocate(curves, required.tolist())
    optimum = least_objective(curves, required)
    assert (saving(curves, division.removed) >= required - 1e-9).all()
    assert division.bound <= optimum + 1e-9
    assert optimum <= division.objective + 1e-9


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("budgets", [1, 2])
def test_gap_of_convex_curves_is_about_a_block(budgets: int, seed: int) -> None:
    curves = random_curves(budgets, seed, convex=True)
    required = 0.5 * most(curves)
    division = allocate(curves, required.tolist())
    largest = max(np.diff(curve.objective).max() for curve in curves.values())
    assert division.objective - division.bound <= budgets * largest
    assert least_objective(curves, required) - division.bound <= largest


def test_both_prices_are_paid_where_no_budget_alone_meets_the_other() -> None:
    """Half of the layers save the first cost best, half the second."""
    harm = np.arange(11.0) ** 2
    curves = {
        str(layer): Curve(np.outer([1, 4] if layer % 2 else [4, 1], np.arange(11.0)), harm)
        for layer in range(6)
    }
    required = 0.5 * most(curves)
    for budget, other in ((0, 1), (1, 0)):
        one = {name: Curve(c.saved[[budget]], c.objective) for name, c in curves.items()}
        removed = allocate(one, [required[budget]]).removed
        assert saving(curves, removed)[other] < required[other]
    both = allocate(curves, required.tolist())
    assert both.binding == (True, True)
    assert both.prices[0] == pytest.approx(both.prices[1], rel=1e-3)
    assert set(both.removed.values()) == {5}


def test_budget_that_does_not_bind_changes_nothing() -> None:
    curves = random_curves(2, 1, convex=False)
    first = {name: Curve(curve.saved[:1], curve.objective) for name, curve in curves.items()}
    needed = 0.5 * most(curves)[0]
    slack = 0.5 * saving(curves, allocate(first, [needed]).removed)[1]
    both = allocate(curves, [needed, slack])
    assert both.removed == allocate(first, [needed]).removed
    assert both.binding == (True, False)
    assert both.prices[1] == 0


def test_nothing_required_removes_nothing() -> None:
    curves = random_curves(2, 2, convex=False)
    division = allocate(curves, [0, -1])
    assert set(division.removed.values()) == {0}
    assert division.objective == division.bound == 0


def test_bound_of_a_falling_objective_counts_what_no_budget_asks_for() -> None:
    curve = Curve(np.arange(4.0)[None], np.array([0.0, -1.0, -1.5, -1.0]))
    division = allocate({"layer": curve}, [1])
    assert division.removed == {"layer": 1}
    assert (division.objective, division.bound) == (-1.0, -1.5)
