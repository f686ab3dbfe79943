"""`spend`: the masks that meet every budget, by exact totals, and how far they are from optimal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hw.errors import UserError
from prune.allocation.allocate import Curve, allocate
from prune.allocation.budget import Budget, Unit
from prune.allocation.equal_slope import Floats
from prune.allocation.exchange import exchange
from prune.blocks import BlockMask, PrunableLayer
from prune.methods import Ranking

TOLERANCE = 1e-3
"""Relative distance from the budget at which the search stops."""
_CORRECTIONS = 4
_ATTEMPTS = 24
_EXCHANGES = 8
_SMALL_GAP = 2e-3
"""Share of the objective above the dual bound that is left as it is."""
_TRIALS = 100

Removed = dict[str, int]
"""Blocks removed from each layer."""


@dataclass(frozen=True)
class Allocation:
    """Masks that meet the budgets."""

    masks: dict[str, BlockMask]
    distortion: dict[str, float]
    """Each layer's distortion, as its method counts it."""
    costs: dict[Unit, float]
    """Of the masked network, by unit of budget."""
    prices: dict[Unit, float]
    """Multipliers: what a unit of cost is worth in objective; 0 for a budget that does not bind."""
    binding: dict[Unit, bool]
    """Which budgets decided what goes."""
    objective: float
    """What was minimised: the sum over the layers."""
    bound: float
    """Lagrangian dual bound: no masks of these rankings within the budgets have less.

    The curves price what blocks save layer by layer, and about; for the bound, their error at these
    masks, where the total is exact, is taken to hold for all.
    """

    @property
    def gap(self) -> float:
        """(objective - bound) / objective, from 0: how far from optimal the masks may be at most.

        It holds what blocks that are whole cost, what the convex hull of the curves leaves out, and
        what of the budgets no block was small enough to spend.
        """
        size = max(abs(self.objective), abs(self.bound))
        return (self.objective - self.bound) / size if size else 0.0


def spend(
    budgets: Budget | Sequence[Budget],
    layers: Sequence[PrunableLayer],
    rankings: Mapping[str, Ranking],
    min_keep: float,
) -> Allocation:
    """Choose how many blocks each layer keeps, in the order of `rankings`.

    What the layers save is known one by one and about; so the savings asked of the allocation are
    corrected, of a budget that binds alone then bisected, until every exact total that binds lies
    within `TOLERANCE` below its limit, and no other above. Where that leaves a gap above the dual
    bound, layers exchange blocks. Where blocks are too coarse, single ones come back as they fit.

    Raises:
        UserError: when a budget cannot be reached with `min_keep` of every layer.
    """
    given = [budgets] if isinstance(budgets, Budget) else list(budgets)
    search = _Search(given, layers, rankings, min_keep)
    removed = search.dense()
    if not search.fits(search.costs(removed)):
        removed, binding = search.divide(search.least())
        removed = search.restore(search.exchanged(removed), binding)
    return search.allocation(removed)


class _Search:
    """Looks for the removal of least harm that passes no limit."""

    def __init__(
        self,
        budgets: Sequence[Budget],
        layers: Sequence[PrunableLayer],
        rankings: Mapping[str, Ranking],
        min_keep: float,
    ) -> None:
        self._budgets = budgets
        self._limits = np.array([budget.limit for budget in budgets])
        self._layers = layers
        self._rankings = rankings
        self._min_keep = min_keep
        self._curves = {layer.name: self._curve(layer) for layer in layers}

    def _curve(self, layer: PrunableLayer) -> Curve:
        ranking = self._rankings[layer.name]
        least = max(1, int(np.ceil(self._min_keep * layer.grid.total)))
        length = layer.grid.total - least + 1
        saved = [budget.cost.saved(layer, ranking.order)[:length] for budget in self._budgets]
        return Curve(np.array(saved), ranking.objective[:length])

    def masks(self, removed: Removed) -> dict[str, BlockMask]:
        return {
            layer.name: self._rankings[layer.name].mask(layer.grid, removed[layer.name])
            for layer in self._layers
        }

    def costs(self, removed: Removed) -> Floats:
        """Exact totals, a number for each budget."""
        masks = self.masks(removed)
        return np.array([budget.cost.total(masks) for budget in self._budgets])

    def fits(self, costs: Floats) -> bool:
        return bool((costs <= self._limits).all())

    def _spent(self, costs: Floats) -> NDArray[np.bool_]:
        """Whether each budget is spent but for the tolerance."""
        return costs >= (1 - TOLERANCE) * self._limits

    def _objective(self, removed: Removed) -> float:
        return sum(float(self._curves[name].objective[n]) for name, n in removed.items())

    def dense(self) -> Removed:
        """Nothing removed."""
        return {layer.name: 0 for layer in self._layers}

    def least(self) -> Removed:
        """Everything removed that may be."""
        removed = {name: len(curve.objective) - 1 for name, curve in self._curves.items()}
        for budget, cost in zip(self._budgets, self.costs(removed), strict=True):
            if cost > budget.limit:
                raise UserError(_unreachable(budget, float(cost), self._min_keep))
        return removed

    def divide(self, best: Removed) -> tuple[Removed, NDArray[np.bool_]]:
        """The best of the allocations for some savings, and which budgets bind there.

        Args:
            best: a removal that fits.
        """
        low = np.zeros(len(self._limits))
        high = np.sum([curve.saved[:, -1] for curve in self._curves.values()], axis=0)
        required = self.costs(self.dense()) - self._limits
        least_harm, binding = np.inf, np.ones(len(self._limits), bool)
        for attempt in range(_ATTEMPTS):
            division = allocate(self._curves, required.tolist())
            costs = self.costs(division.removed)
            binds = np.array(division.binding)
            if self.fits(costs):
                if self._spent(costs)[binds].all() and binds.any():
                    return division.removed, binds
                if division.objective < least_harm:
                    best, least_harm, binding = division.removed, division.objective, binds
            over = costs > self._limits
            low, high = np.where(over, required, low), np.where(over, high, required)
            late = attempt >= _CORRECTIONS
            ahead = self._saved(division.removed) - required
            step = (costs - self._limits) * (0.5 if late else 1.0)
            corrected = required + np.where(binds, step, ahead + costs - self._limits)
            # What one budget asks for moves the other's cost, so that none has a bracket.
            halve = binds & (late | (corrected <= low) | (corrected >= high)) & (binds.sum() == 1)
            required = np.where(halve, (low + high) / 2, corrected)
        return best, binding

    def _saved(self, removed: Removed) -> Floats:
        """What the curves say that is saved, a number for each budget."""
        return np.sum([self._curves[name].saved[:, n] for name, n in removed.items()], axis=0)

    def exchanged(self, removed: Removed) -> Removed:
        """The same with blocks exchanged between layers, where that leaves less harm and fits.

        Not where losing blocks lowers an objective: the exchange would go on below the budgets.
        """
        if any(curve.objective.min() < curve.objective[0] for curve in self._curves.values()):
            return removed
        best, least_harm = removed, self._objective(removed)
        required = self._required(removed)
        bound = allocate(self._curves, required.tolist()).bound
        if least_harm - bound <= _SMALL_GAP * abs(least_harm):
            return removed
        for _ in range(_EXCHANGES):
            trial = exchange(self._curves, removed, required)
            if trial == removed:
                break
            removed, required = trial, self._required(trial)
            if self._objective(trial) < least_harm and self.fits(self.costs(trial)):
                best, least_harm = trial, self._objective(trial)
        return best

    def _required(self, removed: Removed) -> Floats:
        """What the curves must save to be within the limits, by their error at `removed`."""
        return self._saved(removed) + self.costs(removed) - self._limits

    def restore(self, removed: Removed, binding: NDArray[np.bool_]) -> Removed:
        """Put single blocks back, the most harmful first, until the budgets that bind are spent."""
        costs = self.costs(removed)
        trials = 0
        fits = True
        while fits and trials < _TRIALS and not self._spent(costs)[binding].all():
            fits = False
            for name in sorted(removed, key=lambda name: -self._harm(name, removed[name])):
                if removed[name] == 0 or trials >= _TRIALS:
                    continue
                trials += 1
                trial = {**removed, name: removed[name] - 1}
                trial_costs = self.costs(trial)
                if self.fits(trial_costs):
                    removed, costs, fits = trial, trial_costs, True
                    break
        return removed

    def _harm(self, name: str, count: int) -> float:
        """What the last of `count` removed blocks added to the objective."""
        objective = self._curves[name].objective
        return float(objective[count] - objective[count - 1]) if count else 0.0

    def allocation(self, removed: Removed) -> Allocation:
        """The masks, their exact costs and the dual at what they leave required."""
        costs = self.costs(removed)
        dual = allocate(self._curves, self._required(removed).tolist())
        units = [budget.cost.unit for budget in self._budgets]
        return Allocation(
            masks=self.masks(removed),
            distortion={n: float(self._rankings[n].distortion[k]) for n, k in removed.items()},
            costs=dict(zip(units, costs.tolist(), strict=True)),
            prices=dict(zip(units, dual.prices, strict=True)),
            binding=dict(zip(units, dual.binding, strict=True)),
            objective=self._objective(removed),
            bound=dual.bound,
        )


def _unreachable(budget: Budget, least: float, min_keep: float) -> str:
    unit, dense = budget.cost.unit, budget.cost.dense
    measure = "uJ" if unit == "energy" else unit
    smallest = np.ceil(1e4 * least / dense) / 1e4
    return (
        f"budget {unit}={budget.fraction:g}: {budget.limit:.0f} {measure} cannot be reached, "
        f"because every layer keeps {min_keep:.0%} of its blocks and attention is not pruned; "
        f"use at least {smallest:.4f} ({least:.0f} of {dense:.0f} {measure})"
    )
