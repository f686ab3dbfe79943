"""Cycles as a differentiable function of the tokens that selectors leave.

The network has a selector before every block where one may stand; those that a schedule leaves out
count for nothing. So one cost prices every schedule, and training's latency term.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from hw.config import ArrayConfig
from hw.ir import ARRAY_OPS, Network
from prune.blocks import BlockGrid
from prune.objective.cost import SoftCycles

_SELECTOR = re.compile(r"selectors\.(\d+)\.")


class TokenCost:
    """Cycles of a network, as a torch function of the live tokens behind its selectors.

    Example: `TokenCost(network, config)({3: tokens}).backward()`.
    """

    def __init__(self, network: Network, config: ArrayConfig) -> None:
        """Measure the network.

        Args:
            network: with or without removed blocks and selectors.
            config: the array.

        Raises:
            UserError: when the network's blocks are not made of whole tiles of the array.
        """
        weights = {op.name: network.param(op, "weight") for op in network.linears()}
        self._keep = {
            op.name: _kept_blocks(weights[op.name], op.block_shape) for op in network.linears()
        }
        filled = {f"{name}.weight": np.ones_like(weight) for name, weight in weights.items()}
        dense = replace(network, params={**network.params, **filled})
        self._cycles = SoftCycles(dense, config)
        self._selector: dict[str, int] = {}
        """Block of the selector that an operation on the array belongs to."""
        self._block: dict[str, int] = {}
        """Block whose tokens an operation on the array has."""
        depth = max(op.block for op in network.ops) + 1
        reached = 0
        for op in network.ops:
            reached = max(reached, op.block)
            if not isinstance(op, ARRAY_OPS):
                continue
            found = _SELECTOR.match(op.name)
            if found:
                self._selector[op.name] = int(found[1])
            if network.tensors[op.output].tokens > 1:
                last = depth if op.block < 0 and reached == depth - 1 else op.block
                self._block[op.name] = last - 1 if found else last

    def __call__(self, live: Mapping[int, Tensor]) -> Tensor:
        """Cycles, a float64 scalar.

        Args:
            live: tokens behind each selector, prefix and package included, by its block; scalars.
        """
        tokens = {}
        for name, block in self._block.items():
            before = [selector for selector in live if selector <= block]
            if before:
                tokens[name] = live[max(before)].cpu()
        cycles = self._cycles.by_op(self._keep, tokens)
        absent = [cycles[name] for name, selector in self._selector.items() if selector not in live]
        total = self._cycles.total(cycles)
        return total - torch.stack(absent).sum() if absent else total

    def at(self, live: Mapping[int, float]) -> float:
        """The same of numbers."""
        tokens = {block: torch.tensor(count).double() for block, count in live.items()}
        return float(self(tokens))


def _kept_blocks(weight: np.ndarray, block: tuple[int, int]) -> Tensor:
    grid = BlockGrid((weight.shape[0], weight.shape[1]), block)
    return torch.from_numpy(grid.sums(torch.from_numpy(weight != 0)) > 0)
