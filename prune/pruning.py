"""`prune_`: rank the blocks, spend the budgets, zero what goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn

from prune.allocation.budget import Budget
from prune.allocation.spend import Allocation, spend
from prune.blocks import prunable_layers
from prune.calibration.store import Store
from prune.methods import BlockMethod
from prune.tokens.access import same_shapes


def prune_(
    model: nn.Module,
    method: BlockMethod,
    budget: Budget | Sequence[Budget],
    calibration: Tensor,
    store: Store | None = None,
) -> Allocation:
    """Remove blocks of `model` in place until it costs at most `budget`, or all of several.

    Where it has token selectors, dropped tokens stay in the tensors meanwhile, without influence.

    Args:
        calibration: normalized images (N, channels, height, width), on the model's device.
        store: keeps what is finished, and gives it back to an interrupted run.

    Raises:
        UserError: when a budget cannot be reached.
    """
    layers = prunable_layers(model, method.block)
    store = store or Store()
    with same_shapes(model):
        rankings = method.rank(model, layers, calibration, store)
        allocation = spend(budget, layers, rankings, method.min_keep)
        masks = method.apply_(model, layers, allocation.masks, calibration, store)
    return replace(allocation, masks=masks)
