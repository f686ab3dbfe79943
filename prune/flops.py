"""Multiply-accumulates as a cost: of an integer network, or of any float model by running it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hw.ir import Network
from prune.blocks import BlockMask, PrunableLayer
from prune.budget import Unit
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

        The model runs once on one image (channels, height, width), normalized. Counted is what
        `torch.utils.flop_counter` sees: linear layers, convolutions and matrix products, those of
        attention included. A layer's rows are those of all its calls.
        """
        counter = FlopCounterMode(display=False)
        with torch.no_grad(), _rows_of_layers(model) as rows, counter:
            model(image[None])
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


@contextmanager
def _rows_of_layers(model: nn.Module) -> Iterator[dict[str, int]]:
    """Counts the rows that go through every linear layer and convolution while it is open."""
    layers = {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)}
    rows = dict.fromkeys(layers, 0)

    def count(name: str, features: int) -> Any:
        def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            rows[name] += output.numel() // features

        return add

    hooks = [
        module.register_forward_hook(count(name, module.weight.shape[0]))
        for name, module in layers.items()
    ]
    try:
        yield rows
    finally:
        for hook in hooks:
            hook.remove()
