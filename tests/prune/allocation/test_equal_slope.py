"""Equal slope against exhaustive search, and its treatment of awkward curves."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from prune.allocation.equal_slope import EqualSlope, equal_slope, lower_hull


@dataclass(frozen=True)
class Curve:
    saved: NDArray[np.float64]
    objective: NDArray[np.float64]


def solve(curves: dict[str, Curve], required: float) -> EqualSlope:
    first = np.cumsum([0, *(len(curve.saved) for curve in curves.values())])
    saved, objective = (
        np.concatenate([getattr(curve, name) for curve in curves.values()])
        for name in ("saved", "objective")
    )
    return equal_slope(saved, objective, first, required)


def allocate(curves: dict[str, Curve], required: float) -> dict[str, int]:
    return dict(zip(curves, solve(curves, required).removed.tolist(), strict=True))


def exhaustive(curves: dict[str, Curve], required: float) -> float:
    """Least objective of all choices that save at least `required`."""
    choices = product(*(range(len(curve.saved)) for curve in curves.values()))
    return min(
        sum(c.objective[n] for c, n in zip(curves.values(), choice, strict=True))
        for choice in choices
        if sum(c.saved[n] for c, n in zip(curves.values(), choice, strict=True)) >= required
    )


def test_allocation_of_convex_curves_is_optimal() -> None:
    rng = np.random.default_rng(0)
    curves = {
        name: Curve(np.arange(6.0), np.concatenate([[0.0], np.cumsum(np.sort(rng.random(5)))]))
        for name in "abc"
    }
    for required in range(16):
        removed = allocate(curves, required)
        objective = sum(curves[name].objective[count] for name, count in removed.items())
        assert sum(removed.values()) == required
        assert objective == pytest.approx(exhaustive(curves, required))


def test_dearer_blocks_go_first_at_equal_harm() -> None:
    harm = np.array([0.0, 1.0, 2.0, 3.0])
    curves = {"cheap": Curve(np.arange(4.0), harm), "dear": Curve(np.arange(4.0) * 10, harm)}
    assert allocate(curves, 20) == {"cheap": 0, "dear": 2}


def test_curve_that_is_not_convex_is_crossed_to_its_hull_corner() -> None:
    bump = Curve(np.arange(5.0), np.array([0.0, 4.0, 4.1, 4.2, 4.3]))
    straight = Curve(np.arange(5.0), 1.05 * np.arange(5.0))
    assert lower_hull(bump.saved, bump.objective).tolist() == [0, 4]
    assert allocate({"bump": bump, "straight": straight}, 3) == {"bump": 0, "straight": 3}


def test_hull_keeps_both_ends_of_a_concave_curve() -> None:
    x = np.arange(5.0)
    assert lower_hull(x, np.sqrt(x)).tolist() == [0, 4]


def test_hull_segment_is_cut_at_the_block_that_reaches_the_saving() -> None:
    curve = Curve(np.array([0.0, 3.0, 5.0, 9.0]), np.array([0.0, 5.0, 6.0, 7.0]))
    assert allocate({"layer": curve}, 4) == {"layer": 2}


def test_nothing_goes_when_nothing_is_required() -> None:
    curve = Curve(np.arange(3.0), np.array([0.0, -1.0, -2.0]))
    assert allocate({"layer": curve}, 0) == {"layer": 0}


def test_everything_goes_when_too_much_is_required() -> None:
    curve = Curve(np.arange(3.0), np.array([0.0, 1.0, 2.0]))
    assert allocate({"a": curve, "b": curve}, 100) == {"a": 2, "b": 2}


def test_layer_that_may_lose_nothing_is_left_alone() -> None:
    fixed = Curve(np.zeros(1), np.zeros(1))
    free = Curve(np.arange(3.0), np.arange(3.0))
    assert allocate({"fixed": fixed, "free": free}, 1) == {"fixed": 0, "free": 1}


def test_block_that_saves_nothing_goes_only_with_one_that_does() -> None:
    curve = Curve(np.array([0.0, 0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 2.0, 3.0, 4.0]))
    assert lower_hull(curve.saved, curve.objective).tolist() == [0, 3]
    assert allocate({"layer": curve}, 0.5) == {"layer": 3}
    assert allocate({"layer": curve}, 9) == {"layer": 3}


def test_optimum_over_the_hulls_takes_one_segment_in_part() -> None:
    bump = Curve(np.arange(5.0), np.array([0.0, 4.0, 4.1, 4.2, 4.4]))
    straight = Curve(np.arange(5.0), 1.2 * np.arange(5.0))
    found, first = solve({"bump": bump, "straight": straight}, 3), np.array([0, 5, 10])
    assert found.slope == pytest.approx(1.1)
    assert found.total(np.tile(np.arange(5.0), 2), first) == pytest.approx(3)
    assert found.total(np.concatenate([bump.objective, straight.objective]), first) == (
        pytest.approx(3 * 1.1)
    )
