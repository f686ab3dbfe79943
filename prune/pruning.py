"""`prune_`: rank the blocks, spend the budgets, zero what goes."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from prune.blocks import apply_masks_, prunable_layers
from prune.budget import Budget
from prune.methods import BlockMethod
from prune.spend import Allocation, spend


def prune_(
    model: nn.Module,
    method: BlockMethod,
    budget: Budget | Sequence[Budget],
    calibration: Tensor,
) -> Allocation:
    """Zero blocks of `model` in place until it costs at most `budget`, or all of several.

    Args:
        calibration: normalized images (N, channels, height, width).

    Raises:
        UserError: when a budget cannot be reached.
    """
    layers = prunable_layers(model, method.block)
    allocation = spend(budget, layers, method.rank(model, layers, calibration), method.min_keep)
    apply_masks_(model, allocation.masks)
    return allocation
