"""`prune_`: rank the blocks, spend the budget, zero what goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor, nn

from hw.errors import UserError
from prune.allocate import Curve, allocate
from prune.blocks import BlockMask, PrunableLayer, prunable_layers
from prune.budget import Budget
from prune.calibration.store import Store
from prune.methods import BlockMethod, Ranking

TOLERANCE = 1e-3
"""Relative distance from the budget at which the search stops."""
_CORRECTIONS = 4
_ATTEMPTS = 24
_TRIALS = 100


@dataclass(frozen=True)
class Allocation:
    """Masks that meet a budget."""

    masks: dict[str, BlockMask]
    distortion: dict[str, float]
    """Each layer's distortion, as its method counts it."""
    cost: float
    """Of the masked network, in the budget's unit."""


def prune_(
    model: nn.Module,
    method: BlockMethod,
    budget: Budget,
    calibration: Tensor,
    store: Store | None = None,
) -> Allocation:
    """Remove blocks of `model` in place until it costs at most `budget`.

    Args:
        calibration: normalized images (N, channels, height, width), on the model's device.
        store: keeps what is finished, and gives it back to an interrupted run.

    Raises:
        UserError: when the budget cannot be reached.
    """
    layers = prunable_layers(model, method.block)
    store = store or Store()
    rankings = method.rank(model, layers, calibration, store)
    allocation = spend(budget, layers, rankings, method.min_keep)
    masks = method.apply_(model, layers, allocation.masks, calibration, store)
    return replace(allocation, masks=masks)


def spend(
    budget: Budget,
    layers: Sequence[PrunableLayer],
    rankings: Mapping[str, Ranking],
    min_keep: float,
) -> Allocation:
    """Choose how many blocks each layer keeps, in the order of `rankings`.

    What the layers save is known one by one and about; so the saving asked of the allocation is
    corrected, then bisected, until the exact total lies within `TOLERANCE` below the limit. Where
    blocks are too coarse for that, single blocks come back as long as they fit.

    Raises:
        UserError: when the budget cannot be reached with `min_keep` of every layer.
    """
    search = _Search(budget, layers, rankings, min_keep)
    removed, cost = search.dense()
    if cost > budget.limit:
        removed, cost = search.restore(*search.bisect(*search.least()))
    return Allocation(
        search.masks(removed),
        {name: float(rankings[name].distortion[count]) for name, count in removed.items()},
        cost,
    )


Removed = dict[str, int]
"""Blocks removed from each layer."""


class _Search:
    """Looks for the removal that costs most without passing the limit."""

    def __init__(
        self,
        budget: Budget,
        layers: Sequence[PrunableLayer],
        rankings: Mapping[str, Ranking],
        min_keep: float,
    ) -> None:
        self._budget = budget
        self._layers = layers
        self._rankings = rankings
        self._min_keep = min_keep
        self._curves = {layer.name: self._curve(layer) for layer in layers}

    def _curve(self, layer: PrunableLayer) -> Curve:
        ranking = self._rankings[layer.name]
        least = max(1, int(np.ceil(self._min_keep * layer.grid.total)))
        length = layer.grid.total - least + 1
        saved = self._budget.cost.saved(layer, ranking.order)
        return Curve(saved[:length], ranking.objective[:length])

    def masks(self, removed: Removed) -> dict[str, BlockMask]:
        return {
            layer.name: self._rankings[layer.name].mask(layer.grid, removed[layer.name])
            for layer in self._layers
        }

    def cost(self, removed: Removed) -> float:
        return self._budget.cost.total(self.masks(removed))

    def _close_enough(self, cost: float) -> bool:
        return (1 - TOLERANCE) * self._budget.limit <= cost <= self._budget.limit

    def dense(self) -> tuple[Removed, float]:
        """Nothing removed, and its cost."""
        return {layer.name: 0 for layer in self._layers}, self._budget.cost.dense

    def least(self) -> tuple[Removed, float]:
        """Everything removed that may be, and its cost."""
        removed = {name: len(curve.saved) - 1 for name, curve in self._curves.items()}
        cost = self.cost(removed)
        if cost > self._budget.limit:
            raise UserError(_unreachable(self._budget, cost, self._min_keep))
        return removed, cost

    def bisect(self, best: Removed, best_cost: float) -> tuple[Removed, float]:
        """The best of the allocations for some saving; `best` is one that fits."""
        limit = self._budget.limit
        low, high = 0.0, sum(float(curve.saved[-1]) for curve in self._curves.values())
        required = self._budget.cost.dense - limit
        for attempt in range(_ATTEMPTS):
            removed = allocate(self._curves, required)
            cost = self.cost(removed)
            if best_cost < cost <= limit:
                best, best_cost = removed, cost
            if self._close_enough(best_cost):
                break
            low, high = (required, high) if cost > limit else (low, required)
            required += cost - limit
            if attempt >= _CORRECTIONS or not low < required < high:
                required = (low + high) / 2
        return best, best_cost

    def restore(self, removed: Removed, cost: float) -> tuple[Removed, float]:
        """Put single blocks back, the most harmful first, while the cost allows."""
        trials = 0
        fits = True
        while fits and trials < _TRIALS and not self._close_enough(cost):
            fits = False
            for name in sorted(removed, key=lambda name: -self._harm(name, removed[name])):
                if removed[name] == 0 or trials >= _TRIALS:
                    continue
                trials += 1
                trial = {**removed, name: removed[name] - 1}
                trial_cost = self.cost(trial)
                if trial_cost <= self._budget.limit:
                    removed, cost, fits = trial, trial_cost, True
                    break
        return removed, cost

    def _harm(self, name: str, count: int) -> float:
        """What the last of `count` removed blocks added to the objective."""
        objective = self._curves[name].objective
        return float(objective[count] - objective[count - 1]) if count else 0.0


def _unreachable(budget: Budget, least: float, min_keep: float) -> str:
    unit, dense = budget.cost.unit, budget.cost.dense
    smallest = np.ceil(1e4 * least / dense) / 1e4
    return (
        f"budget {budget.fraction:g}: {budget.limit:.0f} {unit} cannot be reached, because every "
        f"layer keeps {min_keep:.0%} of its blocks and attention is not pruned; "
        f"use at least {smallest:.4f} ({least:.0f} of {dense:.0f} {unit})"
    )
