"""Spending budgets: met from below, with the floor, near the exact optimum, and exact zeros."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from timm.models.vision_transformer import VisionTransformer

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import Network
from prune.allocation.allocate import Curve
from prune.allocation.budget import Budget, Unit
from prune.allocation.price import CycleCost, EnergyCost, Machine
from prune.allocation.spend import TOLERANCE, spend
from prune.blocks import BlockMask, PrunableLayer, prunable_layers
from prune.methods import LPViT, Magnitude
from prune.pruning import prune_
from tests.prune.small import least_objective, small_vit

FIXED = 5000.0


class CostWithOverhead:
    """A fixed part, 10 a block, and 25 a block row that is not empty; `saved` leaves those out.

    Layers in `dear` cost three times as much.
    """

    def __init__(
        self, layers: list[PrunableLayer], unit: Unit = "cycles", dear: str = "none"
    ) -> None:
        self.unit = unit
        self._dear = dear
        whole = {
            layer.name: BlockMask(layer.grid, np.ones(layer.grid.size, bool)) for layer in layers
        }
        self.dense = self.total(whole)

    def saved(self, layer: PrunableLayer, order: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.arange(layer.grid.total + 1) * np.float64(10.0) * self._factor(layer.name)

    def total(self, masks: Mapping[str, BlockMask]) -> float:
        costs = (
            self._factor(name) * (25.0 * int(mask.keep.any(axis=1).sum()) + 10.0 * mask.kept)
            for name, mask in masks.items()
        )
        return FIXED + sum(costs)

    def _factor(self, name: str) -> float:
        return 3.0 if self._dear in name else 1.0


@pytest.fixture
def layers(tiny_vit: VisionTransformer) -> list[PrunableLayer]:
    return prunable_layers(tiny_vit, (8, 8))


@pytest.mark.parametrize("fraction", [0.9, 0.7, 0.5, 0.4])
def test_exact_total_lands_just_below_the_budget(
    fraction: float, tiny_vit: VisionTransformer, layers: list[PrunableLayer]
) -> None:
    budget = Budget(fraction, CostWithOverhead(layers))
    rankings = Magnitude((8, 8)).rank(tiny_vit, layers, torch.empty(0))
    allocation = spend(budget, layers, rankings, 0.05)
    cost = allocation.costs["cycles"]
    assert cost == budget.cost.total(allocation.masks)
    assert (1 - TOLERANCE) * budget.target - 35 <= cost <= budget.target


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.6, 0.45), (0.45, 0.6), (0.3, 0.9)])
def test_two_budgets_are_met_and_one_is_spent(
    shares: tuple[float, float], tiny_vit: VisionTransformer, layers: list[PrunableLayer]
) -> None:
    costs = (CostWithOverhead(layers, "cycles", "attn"), CostWithOverhead(layers, "energy", "mlp"))
    budgets = [Budget(share, cost) for share, cost in zip(shares, costs, strict=True)]
    rankings = Magnitude((8, 8)).rank(tiny_vit, layers, torch.empty(0))
    allocation = spend(budgets, layers, rankings, 0.05)
    for budget in budgets:
        cost = allocation.costs[budget.cost.unit]
        assert cost == budget.cost.total(allocation.masks)
        assert cost <= budget.target
        if allocation.binding[budget.cost.unit]:
            assert cost >= (1 - TOLERANCE) * budget.target - 105
    assert any(allocation.binding.values())


def test_second_budget_that_is_met_anyway_leaves_the_masks_alone(
    tiny_vit: VisionTransformer, layers: list[PrunableLayer]
) -> None:
    first = Budget(0.5, CostWithOverhead(layers, "cycles", "attn"))
    second = Budget(0.9, CostWithOverhead(layers, "energy", "mlp"))
    rankings = Magnitude((8, 8)).rank(tiny_vit, layers, torch.empty(0))
    alone, both = (spend(b, layers, rankings, 0.05) for b in (first, [first, second]))
    assert both.prices == {**alone.prices, "energy": 0.0}
    for name, mask in alone.masks.items():
        assert np.array_equal(both.masks[name].keep, mask.keep)


@pytest.mark.parametrize("shares", [{"cycles": 0.6}, {"energy": 0.6}, {"cycles": 0.6, "energy": 0}])
def test_exact_optimum_lies_in_the_gap(shares: dict[Unit, float], network: Network) -> None:
    """Energy 0: as little more than the budget in cycles leaves that both decide."""
    model = small_vit(32)
    layers = prunable_layers(model, (16, 16))
    rankings = Magnitude().rank(model, layers, torch.empty(0))
    machine = Machine(network, ArrayConfig())
    cycles = CycleCost(machine)
    costs = {"cycles": cycles, "energy": EnergyCost(machine, cycles)}
    if not shares.get("energy", 1):
        ends = [spend(Budget(0.6, cost), layers, rankings, 0.05).masks for cost in costs.values()]
        energy = [costs["energy"].total(masks) / costs["energy"].dense for masks in ends]
        shares = {**shares, "energy": sum(energy) / 2}
    budgets = [Budget(share, costs[unit]) for unit, share in shares.items()]
    found = spend(budgets, layers, rankings, 0.05)
    curves, required = {}, np.zeros(len(budgets))
    for layer in layers:
        ranking = rankings[layer.name]
        length = layer.grid.total - max(1, int(np.ceil(0.05 * layer.grid.total))) + 1
        saved = np.array([b.cost.saved(layer, ranking.order)[:length] for b in budgets])
        curves[layer.name] = Curve(saved, ranking.objective[:length])
        required += saved[:, layer.grid.total - found.masks[layer.name].kept]
    # What the curves must save for the exact totals to be the limits.
    required += [found.costs[b.cost.unit] - b.limit for b in budgets]
    optimum = least_objective(curves, required)
    assert found.bound <= optimum * (1 + 1e-9)
    assert optimum <= found.objective * (1 + 1e-9)
    assert found.gap < 0.02


def test_every_layer_keeps_its_least_share(
    tiny_vit: VisionTransformer, layers: list[PrunableLayer]
) -> None:
    cost = CostWithOverhead(layers)
    rankings = Magnitude((8, 8)).rank(tiny_vit, layers, torch.empty(0))
    floor = {layer.name: int(np.ceil(0.05 * layer.grid.total)) for layer in layers}
    least = cost.total(
        {
            layer.name: rankings[layer.name].mask(layer.grid, layer.grid.total - floor[layer.name])
            for layer in layers
        }
    )
    masks = spend(Budget(least / cost.dense, cost), layers, rankings, 0.05).masks
    assert {name: mask.kept for name, mask in masks.items()} == floor


def test_unreachable_budget_names_the_smallest_that_is_not(
    tiny_vit: VisionTransformer, layers: list[PrunableLayer]
) -> None:
    cost = CostWithOverhead(layers)
    rankings = Magnitude((8, 8)).rank(tiny_vit, layers, torch.empty(0))
    with pytest.raises(UserError, match=r"budget cycles=0\.01: .* use at least") as failure:
        spend(Budget(0.01, cost), layers, rankings, 0.05)
    smallest = float(str(failure.value).split("use at least ")[1].split()[0])
    spend(Budget(smallest, cost), layers, rankings, 0.05)
    with pytest.raises(UserError):
        spend(Budget(smallest - 2e-4, cost), layers, rankings, 0.05)


def test_whole_budget_removes_nothing(
    tiny_vit: VisionTransformer, layers: list[PrunableLayer]
) -> None:
    rankings = Magnitude((8, 8)).rank(tiny_vit, layers, torch.empty(0))
    masks = spend(Budget(1.0, CostWithOverhead(layers)), layers, rankings, 0.05).masks
    assert all(mask.keep.all() for mask in masks.values())


def test_aim_replaces_the_target(tiny_vit: VisionTransformer, layers: list[PrunableLayer]) -> None:
    budget = Budget(0.8, CostWithOverhead(layers), aim=0.6 * CostWithOverhead(layers).dense)
    rankings = Magnitude((8, 8)).rank(tiny_vit, layers, torch.empty(0))
    assert spend(budget, layers, rankings, 0.05).costs["cycles"] <= budget.limit < budget.target


@pytest.mark.parametrize("fraction", [0.0, -0.5, 1.01, float("nan")])
def test_budget_outside_its_range_is_refused(fraction: float, layers: list[PrunableLayer]) -> None:
    with pytest.raises(UserError, match=r"expected a share of the dense cost in \(0, 1\]"):
        Budget(fraction, CostWithOverhead(layers))


@pytest.mark.parametrize("method", [Magnitude((8, 8)), LPViT((8, 8))], ids=["magnitude", "lpvit"])
def test_pruned_model_has_exact_zeros_in_removed_blocks(
    method: Magnitude | LPViT,
    tiny_vit: VisionTransformer,
    tiny_images: torch.Tensor,
    layers: list[PrunableLayer],
) -> None:
    allocation = prune_(tiny_vit, method, Budget(0.5, CostWithOverhead(layers)), tiny_images)
    for layer in layers:
        dead = ~torch.from_numpy(allocation.masks[layer.name].weights())
        assert (layer.matrix()[dead] == 0).all()
