"""Multiply-accumulates as a cost: of an integer network, or of any float model by running it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hw.ir import ARRAY_OPS, Network
from prune.allocation.budget import Unit
from prune.blocks import BlockMask, PrunableLayer
from prune.models.reach import uses
from sim.live import LiveCounts, all_live, tensor_tokens
from sim.work import product


class FlopCost:
    """Multiply-accumulates of linear layers and of what is between; kept blocks count in full.

    Args:
        whole: of the network with every block.
        tokens: rows that stream through every linear layer, by name.
        dense: cost that budgets are shares of; None: `whole`.
    """

    unit: Unit = "flops"

    def __init__(self, whole: int, tokens: Mapping[str, int], dense: float | None = None) -> None:
        self._tokens = dict(tokens)
        self._whole = whole
        self.dense: float = whole if dense is None else dense

    @classmethod
    def of_network(
        cls, network: Network, live: LiveCounts | None = None, dense: float | None = None
    ) -> FlopCost:
        """The cost of an integer network: its linear layers and the products of attention.

        Args:
            live: tokens that its selectors leave; None: all stay.
            dense: as for the class.
        """
        tokens = tensor_tokens(network, all_live(network) if live is None else live)
        work = {
            op.name: product(network, op, tokens[op.inputs[0]])
            for op in network.ops
            if isinstance(op, ARRAY_OPS)
        }
        whole = sum(found.macs for found in work.values())
        return cls(whole, {op.name: work[op.name].m for op in network.linears()}, dense)

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
        return self._whole - removed
