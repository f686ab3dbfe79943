"""Allocation: how many blocks each layer loses so that every budget is met at the least harm.

Minimise the sum of the layers' objectives subject to savings, one requirement a budget. With one
budget that is equal slope along its price. With several, a price is a mix of them: blocks go at
equal slope along the sum of multiplier x saving, and the best multipliers are those of the
Lagrangian dual. Along a mix the dual is what equal slope solves; over the mixes its maximum is
quasi-concave, and the savings of the optimum at one mix tell which budget needs a larger share. So
the mix is found by bisection, nested where there are more than two budgets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from prune.allocation.equal_slope import Counts, EqualSlope, Floats, equal_slope

_STEPS = 24
"""Halvings of the mix."""
_MET = 1 - 1e-9
"""Share of a requirement that rounding may miss."""


@dataclass(frozen=True)
class Curve:
    """One layer: index n is the state after its first n blocks went."""

    saved: Floats
    """(budgets, blocks + 1): cost saved, each from 0 and never falling."""
    objective: Floats
    """(blocks + 1): what is minimised."""


@dataclass(frozen=True)
class Division:
    """Blocks that every layer loses, and what the dual says of it."""

    removed: dict[str, int]
    prices: tuple[float, ...]
    """Multiplier of each budget: objective per unit of its cost; 0 where it does not bind."""
    binding: tuple[bool, ...]
    """Which budgets decide: those in the mix that blocks go by."""
    objective: float
    """Sum over the layers."""
    bound: float
    """The Lagrangian dual at `prices`: no choice of blocks that saves as much has less.

    `objective - bound` is the optimality gap. It includes both what the hull leaves out (points of
    a curve that is not convex) and that blocks are whole. A negative slope is priced 0: where the
    objective falls with blocks that no budget asks for, the gap counts them.
    """


def allocate(curves: Mapping[str, Curve], required: Sequence[float]) -> Division:
    """Remove blocks so that at least `required` is saved, a number for each budget.

    When the layers together cannot save as much, everything the curves hold goes.
    """
    if not curves:
        return Division({}, (0.0,) * len(required), (False,) * len(required), 0.0, 0.0)
    problem = _Problem.of(curves)
    needed = np.array(required, dtype=np.float64)
    asked = np.flatnonzero(needed > 0)
    weights = np.zeros(len(needed))
    if len(asked):
        best, *others = problem.mixes(problem.saved[asked], needed[asked])
        weights[asked], slope = best.weights, best.optimum.slope
        choices = [problem.filled(mix.optimum.removed, needed) for mix in (best, *others)]
        removed = min(choices, key=problem.total)
    else:
        slope, removed = 0.0, np.zeros(len(curves), np.int64)
    prices = weights * max(slope, 0.0)
    return Division(
        dict(zip(curves, removed.tolist(), strict=True)),
        tuple(prices.tolist()),
        tuple((weights > 0).tolist()),
        problem.total(removed),
        problem.dual(prices, needed),
    )


@dataclass(frozen=True)
class _Mix:
    weights: Floats
    """Of the budgets in the price, up to a factor that the slope holds."""
    optimum: EqualSlope


@dataclass(frozen=True)
class _Problem:
    """All layers' curves one after the other."""

    saved: Floats
    """(budgets, points)"""
    objective: Floats
    first: Counts
    """(layers + 1): the first point of every layer, and their number."""

    @staticmethod
    def of(curves: Mapping[str, Curve]) -> _Problem:
        lengths = [len(curve.objective) for curve in curves.values()]
        return _Problem(
            np.concatenate([curve.saved for curve in curves.values()], axis=1),
            np.concatenate([curve.objective for curve in curves.values()]),
            np.cumsum([0, *lengths]),
        )

    def total(self, removed: Counts) -> float:
        return float(self.objective[self.first[:-1] + removed].sum())

    def dual(self, prices: Floats, required: Floats) -> float:
        """Least objective minus the price of what is saved, plus that of what is required."""
        priced = self.objective - prices @ self.saved
        return float(np.minimum.reduceat(priced, self.first[:-1]).sum() + prices @ required)

    def mixes(self, saved: Floats, required: Floats) -> list[_Mix]:
        """The best mix of some budgets; a bisected one first, then the one on its other side.

        Args:
            saved: (budgets, points).
            required: (budgets), above 0.
        """
        for alone, (price, needed) in enumerate(zip(saved, required, strict=True)):
            optimum = equal_slope(price, self.objective, self.first, needed)
            if len(required) == 1 or (self._reached(optimum, saved, required) >= _MET).all():
                return [_Mix(np.eye(len(required))[alone], optimum)]
        low, high = 0.0, 1.0  # the first budget's share, of the first two
        sides: dict[bool, _Mix] = {}
        for _ in range(_STEPS):
            middle = (low + high) / 2
            share = np.array([middle, 1 - middle]) / required[:2]
            price = np.vstack([share @ saved[:2], saved[2:]])
            inner = self.mixes(price, np.concatenate([[1.0], required[2:]]))[0]
            weights = np.concatenate([inner.weights[0] * share, inner.weights[1:]])
            reached = self._reached(inner.optimum, saved, required)
            short = bool(reached[0] < reached[1])
            sides.pop(short, None)
            sides[short] = _Mix(weights, inner.optimum)
            low, high = (middle, high) if short else (low, middle)
        return list(reversed(sides.values()))

    def _reached(self, optimum: EqualSlope, saved: Floats, required: Floats) -> Floats:
        """(budgets): share of what is required that the optimum over the hulls saves."""
        return np.array([optimum.total(values, self.first) for values in saved]) / required

    def filled(self, removed: Counts, required: Floats) -> Counts:
        """`removed` and more, at equal slope of each budget that it leaves short."""
        for price, needed in zip(self.saved, required, strict=True):
            begin = self.first[:-1] + removed
            missing = needed - float(price[begin].sum())
            if missing > (1 - _MET) * needed > 0:
                lengths = self.first[1:] - begin
                first = np.concatenate([[0], np.cumsum(lengths)])
                left = np.arange(first[-1]) + np.repeat(begin - first[:-1], lengths)
                more = equal_slope(price[left], self.objective[left], first, missing)
                removed = removed + more.removed
        return removed
