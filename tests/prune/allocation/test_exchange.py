"""Exchange of blocks between layers, against the exact optimum."""

import numpy as np
import pytest

from prune.allocation.allocate import Curve, allocate
from prune.allocation.exchange import exchange
from tests.prune.small import Curves, least_objective


def bulging(budgets: int, seed: int) -> Curves:
    """Layers of 80 blocks whose first blocks harm most, so that the hull is one segment."""
    rng = np.random.default_rng(seed)
    steps = np.arange(81.0)
    return {
        str(layer): Curve(
            np.outer(rng.uniform(0.5, 2, budgets), steps),
            rng.uniform(1, 3) * 80 * (steps / 80) ** rng.uniform(0.3, 0.7),
        )
        for layer in range(8)
    }


def saving(curves: Curves, removed: dict[str, int]) -> np.ndarray:
    return np.sum([curves[name].saved[:, n] for name, n in removed.items()], axis=0)


def harm(curves: Curves, removed: dict[str, int]) -> float:
    return sum(float(curves[name].objective[n]) for name, n in removed.items())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("budgets", [1, 2])
def test_exchange_closes_most_of_the_gap_that_bulging_curves_leave(budgets: int, seed: int) -> None:
    curves = bulging(budgets, seed)
    required = 0.45 * np.sum([curve.saved[:, -1] for curve in curves.values()], axis=0)
    removed = allocate(curves, required.tolist()).removed
    found = exchange(curves, removed, required)
    optimum = least_objective(curves, required)
    before, after = harm(curves, removed) - optimum, harm(curves, found) - optimum
    assert (saving(curves, found) >= required - 1e-9).all()
    assert -1e-9 <= after <= before
    assert after <= 0.02 * optimum


def test_two_layers_move_where_one_alone_could_not() -> None:
    """Removing four of `b` instead of three of `a` saves as much at less harm."""
    curves = {
        "a": Curve(np.arange(5.0)[None] * 4, np.array([0.0, 3.0, 4.0, 5.0, 6.0])),
        "b": Curve(np.arange(5.0)[None] * 3, np.array([0.0, 1.9, 2.0, 2.1, 2.2])),
    }
    assert exchange(curves, {"a": 3, "b": 0}, np.array([12.0])) == {"a": 0, "b": 4}


def test_missing_saving_is_made_up_for_at_the_least_harm() -> None:
    curves = {
        "a": Curve(np.arange(4.0)[None], np.array([0.0, 5.0, 6.0, 7.0])),
        "b": Curve(np.arange(4.0)[None], np.array([0.0, 1.0, 3.0, 6.0])),
    }
    assert exchange(curves, {"a": 0, "b": 0}, np.array([2.0])) == {"a": 0, "b": 2}


def test_optimum_stays() -> None:
    curves = {name: Curve(np.arange(4.0)[None], np.arange(4.0) ** 2) for name in "ab"}
    assert exchange(curves, {"a": 1, "b": 1}, np.array([2.0])) == {"a": 1, "b": 1}
