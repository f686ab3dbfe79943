"""Block OBS as a method: exact distortion curves, and weights that make up for what goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from hw.errors import UserError
from prune.blocks import BlockMask, PrunableLayer
from prune.calibration.importance import Importance, importance, pack, unpack
from prune.calibration.inputs import visit_inputs
from prune.calibration.moments import Moments, moments, weight_and_bias
from prune.calibration.store import Arrays, Store
from prune.methods.base import BlockMethod, Ranking, Update, mask_without
from prune.methods.elimination import eliminate, merge


@dataclass(frozen=True)
class BlockOBS(BlockMethod):
    """Optimal brain surgeon over blocks; see `prune.methods.elimination`.

    The ranking's distortion is the layer's squared error on the dense network's inputs, an image,
    with the weights that are best for the blocks that are left. With row weights it estimates the
    harm to the network's loss, and so compares layers.
    """

    update: Update = "sequential"
    row_weights: bool = True
    """Count each output row by the loss's mean squared gradient there."""
    token_weights: bool = True
    """Count each token by it as well."""
    reselect: bool = False
    """Choose the blocks again for the inputs of the pruned network, when fitting to them."""
    balance: float | None = None
    """Most blocks that a block row keeps, as a multiple of the layer's mean; None: no limit."""
    seed: int = 0
    """Of the labels that are drawn for the gradients."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.balance is not None and not self.balance >= 1:
            raise UserError(f"balance={self.balance}: expected a multiple of the mean from 1")

    def rank(
        self,
        model: nn.Module,
        layers: Sequence[PrunableLayer],
        calibration: Tensor,
        store: Store | None = None,
    ) -> dict[str, Ranking]:
        store = store or Store()
        weights = self.importance(model, layers, calibration, store)
        rankings: dict[str, Ranking] = {}

        def visit(layer: PrunableLayer, inputs: Tensor) -> None:
            arrays = store.get(f"{layer.name}.ranking")
            if arrays is None:
                own = weights.get(layer.name)
                tokens = None if own is None else own.tokens
                found = moments(layer, inputs, len(calibration), self.ridge, token_weights=tokens)
                arrays = self._order(layer, weight_and_bias(layer), found, own)
                store.put(f"{layer.name}.ranking", arrays)
            distortion = arrays["distortion"]
            rankings[layer.name] = Ranking(arrays["order"], distortion, distortion)

        visit_inputs(model, layers, calibration, visit)
        for layer in layers:
            if layer.name not in rankings:  # the forward never calls it: nothing is lost with it
                nothing = np.zeros(layer.grid.total + 1)
                rankings[layer.name] = Ranking(np.arange(layer.grid.total), nothing, nothing)
        return rankings

    def importance(
        self,
        model: nn.Module,
        layers: Sequence[PrunableLayer],
        calibration: Tensor,
        store: Store,
    ) -> dict[str, Importance]:
        if not (self.row_weights or self.token_weights):
            return {}
        arrays = store.get("importance")
        if arrays is None:
            arrays = pack(importance(model, layers, calibration, self.seed))
            store.put("importance", arrays)
        found = unpack(arrays, calibration.device)
        return {
            name: Importance(
                weights.tokens if self.token_weights else torch.ones_like(weights.tokens),
                weights.rows if self.row_weights else torch.ones_like(weights.rows),
            )
            for name, weights in found.items()
        }

    def choose(
        self, layer: PrunableLayer, mask: BlockMask, moments: Moments, importance: Importance | None
    ) -> BlockMask:
        if not self.reselect or mask.kept == mask.grid.total:
            return mask
        best = torch.linalg.solve(moments.second, moments.target.T).T
        order = self._order(layer, best, moments, importance)["order"]
        return mask_without(mask.grid, order[: mask.grid.total - mask.kept])

    def _order(
        self, layer: PrunableLayer, weight: Tensor, moments: Moments, own: Importance | None
    ) -> Arrays:
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(moments.second))
        rows = weight.new_ones(len(weight)) if own is None else own.rows
        precision = layer.matrix().dtype
        elimination = eliminate(weight.to(precision), inverse.to(precision), layer.grid, rows)
        order, distortion = merge(elimination, self.balance)
        return {"order": order, "distortion": distortion}
