"""Multiply-accumulates as a cost: of an integer network, or of any float model by running it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hw.ir import Network
from prune.allocation.budget import Unit
from prune.blocks import BlockMask, PrunableLayer
from prune.models.reach import uses
from sim.work import dense_macs, product


class FlopCost:
    """Multiply-accumulates of linear layers and of what is between; kept blocks count in full.

    Args:
        dense: of the network with every block.
        tokens: rows that stream through every linear layer, by name.
    """

    unit: Unit = "flops"

    def __init__(self, dense: int, tokens: Mapping[str, int]) -> None:
        self._tokens = dict(tokens)
        self.dense: float = dense

    @classmethod
    def of_network(cls, network: Network) -> FlopCost:
        """The cost of an integer network: its linear layers and the products of attention."""
        return cls(
            dense_macs(network), {op.name: product(network, op).m for op in network.linears()}
        )

    @classmethod
    def of_model(cls, model: nn.Module, image: Tensor) -> FlopCost:
        """The cost of a float model, which need not have an integer form.

        The model runs once on an image of the shape of `image`, (channels, height, width).
        Counted is what `torch.utils.flop_counter` sees: linear layers, convolutions and matrix
        products, those of attention included. A layer's rows are those of all its uses.

        Raises:
            UserError: the model cannot run such an image.
        """
        channels, height, width = image.shape
        with FlopCounterMode(display=False) as counter:
            used = uses(model, (channels, height, width))
        rows = {
            name: used[id(module.weight)].positions
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear | nn.Conv2d) and id(module.weight) in used
        }
        return cls(counter.get_total_flops() // 2, rows)

    def saved(self, layer: PrunableLayer, order: NDArray[np.int64]) -> NDArray[np.float64]:
        elements = layer.grid.elements().ravel()[order]
        return np.concatenate([[0.0], np.cumsum(elements * float(self._tokens[layer.name]))])

    def total(self, masks: Mapping[str, BlockMask]) -> float:
        removed = sum(
            self._tokens[name] * int((mask.grid.elements() * ~mask.keep).sum())
            for name, mask in masks.items()
        )
        return self.dense - removed
