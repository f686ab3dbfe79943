"""Refitting what survives: every layer's weights are recomputed for its mask, in closed form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from prune.blocks import BlockMask, PrunableLayer, apply_masks_
from prune.calibration.importance import Importance
from prune.calibration.inputs import visit_beside, visit_inputs
from prune.calibration.moments import Moments, moments
from prune.calibration.store import Arrays, Store

Choose = Callable[[PrunableLayer, BlockMask, Moments, Importance | None], BlockMask]


def solve(moments: Moments, mask: BlockMask) -> Tensor:
    """The weights of least squared error that are 0 where `mask` removes.

    With S the inputs that a block row keeps, W_S = (T H)_S (H_SS)^-1.

    Returns:
        (out, in), or (out, in + 1) with the bias when the moments have a constant.
    """
    grid = mask.grid
    solution = torch.zeros_like(moments.target)
    constant = moments.target.shape[1] - grid.shape[1]
    kept = np.repeat(mask.keep, grid.block[1], axis=1)[:, : grid.shape[1]]
    kept = np.pad(kept, ((0, 0), (0, constant)), constant_values=True)
    for row, survivors in enumerate(torch.from_numpy(kept).to(solution.device)):
        index = survivors.nonzero()[:, 0]
        if len(index):
            rows = slice(row * grid.block[0], (row + 1) * grid.block[0])
            factor = torch.linalg.cholesky(moments.second[index[:, None], index])
            wanted = moments.target[rows, index]
            solution[rows, index] = torch.cholesky_solve(wanted.T, factor).T
    return solution


def refit_(
    model: nn.Module,
    layers: Sequence[PrunableLayer],
    masks: Mapping[str, BlockMask],
    images: Tensor,
    ridge: float,
    sequential: bool,
    importance: Mapping[str, Importance],
    choose: Choose,
    store: Store,
) -> dict[str, BlockMask]:
    """Prune a dense model in place, each layer with the best weights for its mask.

    Args:
        masks: how many blocks each layer keeps, and which, unless `choose` takes others.
        images: normalized, (N, channels, height, width), on the model's device.
        ridge: see `prune.calibration.moments`.
        sequential: fit to the inputs that the layers pruned before give, instead of the dense ones.
        store: of the layers' results.

    Returns:
        The masks that hold now.
    """
    chosen = dict(masks)
    finished: dict[str, Arrays] = {}

    def fit(layer: PrunableLayer, dense: Tensor, now: Tensor | None) -> None:
        arrays = store.get(layer.name)
        if arrays is None:
            weights = importance.get(layer.name)
            found = moments(
                layer,
                dense if now is None else now,
                len(images),
                ridge,
                None if now is None else dense,
                None if weights is None else weights.tokens,
            )
            mask = choose(layer, masks[layer.name], found, weights)
            solution = solve(found, mask).to(layer.matrix().dtype)
            arrays = {"weights": solution.cpu().numpy(), "keep": mask.keep}
            store.put(layer.name, arrays)
        finished[layer.name] = arrays
        chosen[layer.name] = BlockMask(layer.grid, arrays["keep"])
        if now is not None:
            _set_(layer, arrays["weights"])

    if sequential:
        visit_beside(model, layers, images, fit)
    else:
        visit_inputs(model, layers, images, lambda layer, inputs: fit(layer, inputs, None))
        for layer in layers:
            if layer.name in finished:
                _set_(layer, finished[layer.name]["weights"])
    apply_masks_(model, chosen)
    return chosen


@torch.no_grad()
def _set_(layer: PrunableLayer, weights: np.ndarray) -> None:
    """Give a layer its weight and, in a further column, its bias."""
    module, features = layer.module, layer.grid.shape[1]
    values = torch.from_numpy(weights).to(module.weight.device)
    module.weight.copy_(values[:, :features].view_as(module.weight))
    if module.bias is not None:
        module.bias.copy_(values[:, features])
