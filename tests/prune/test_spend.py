"""Spending a budget: met from below, with the floor, and exact zeros."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from timm.models.vision_transformer import VisionTransformer

from hw.errors import UserError
from prune.blocks import BlockMask, PrunableLayer, prunable_layers
from prune.budget import Budget, Unit
from prune.methods import LPViT, Magnitude
from prune.pruning import TOLERANCE, prune_, spend

FIXED = 5000.0


class CostWithOverhead:
    """A fixed part, 10 a block, and 25 a block row that is not empty; `saved` leaves those out."""

    unit: Unit = "cycles"

    def __init__(self, layers: list[PrunableLayer]) -> None:
        whole = {
            layer.name: BlockMask(layer.grid, np.ones(layer.grid.size, bool)) for layer in layers
        }
        self.dense = self.total(whole)

    def saved(self, layer: PrunableLayer, order: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.arange(layer.grid.total + 1) * np.float64(10.0)

    def total(self, masks: Mapping[str, BlockMask]) -> float:
        rows = sum(int(mask.keep.any(axis=1).sum()) for mask in masks.values())
        return FIXED + 25.0 * rows + 10.0 * sum(mask.kept for mask in masks.values())


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
    assert allocation.cost == budget.cost.total(allocation.masks)
    assert (1 - TOLERANCE) * budget.target - 35 <= allocation.cost <= budget.target


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
    with pytest.raises(UserError, match=r"budget 0\.01: .* use at least") as failure:
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
    assert spend(budget, layers, rankings, 0.05).cost <= budget.limit < budget.target


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
