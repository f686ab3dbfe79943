"""Budgets: what blocks cost, what a masked network costs in all, and how much of it may stay.

Both costs read a network that was quantized dense: only its shapes and the zeros of its weights
matter, so that one quantization serves every mask that is tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import Attend, Linear, Network, Op, Scores
from hw.program.schedule import kept_tiles
from prune.blocks import BlockMask, PrunableLayer
from prune.reach import uses
from sim.cycles import CycleModel, tile_cycles

Unit = Literal["cycles", "flops"]


class Cost(Protocol):
    """A cost of a network on the array, attention included."""

    unit: Unit
    dense: float
    """Cost of the network with every block."""

    def saved(self, layer: PrunableLayer, order: NDArray[np.int64]) -> NDArray[np.float64]:
        """(blocks + 1): what the layer saves, about, when the first n blocks of `order` go."""
        ...

    def total(self, masks: Mapping[str, BlockMask]) -> float:
        """Cost of the network under `masks`."""
        ...


def masked(network: Network, masks: Mapping[str, BlockMask]) -> Network:
    """`network` with the weights of removed blocks 0; the other parameters are shared."""
    params = dict(network.params)
    for name, mask in masks.items():
        params[f"{name}.weight"] = params[f"{name}.weight"] * mask.weights()
    return replace(network, params=params)


def _tokens(network: Network) -> dict[str, int]:
    """Rows that stream through every linear layer, by its name."""
    return {op.name: network.tensors[op.inputs[0]].tokens for op in network.linears()}


class CycleCost:
    """Cycles of the array, from the cycle model.

    The total is exact. What a block saves is that of its tiles, but none once the layer's results
    take longer to store than to compute: the compiler spreads the output tiles so that one goes on
    during the other.
    """

    unit: Unit = "cycles"

    def __init__(self, network: Network, config: ArrayConfig) -> None:
        self._network = network
        self._config = config
        self._model = CycleModel(network, config)
        self._storing = {op.name: storing_cycles(network, op) for op in network.linears()}
        self._tokens = _tokens(network)
        self.dense: float = self.total({})

    def saved(self, layer: PrunableLayer, order: NDArray[np.int64]) -> NDArray[np.float64]:
        config, grid = self._config, layer.grid
        in_tiles = grid.pieces((grid.shape[0], config.rows))[0]  # of a block, for one output tile
        out_tiles = grid.pieces((config.cols, grid.shape[1]))[:, 0]
        tiles = np.outer(out_tiles, in_tiles).ravel()[order]
        computing = tiles * float(tile_cycles(config, self._tokens[layer.name]))
        left = computing.sum() - np.concatenate([[0.0], np.cumsum(computing)])
        cycles = np.maximum(left, out_tiles.sum() * float(self._storing[layer.name]))
        return cycles[0] - cycles

    def total(self, masks: Mapping[str, BlockMask]) -> float:
        kept = kept_tiles(masked(self._network, masks), self._model.schedule)
        return self._model.evaluate(kept).total


def storing_cycles(network: Network, op: Op) -> int:
    """Cycles in which the results of one output tile are stored: one a token."""
    return network.tensors[op.output].tokens


class FlopCost:
    """Multiply-accumulates of the linear layers and of attention; kept blocks count in full."""

    unit: Unit = "flops"

    def __init__(self, positions: Mapping[str, int], dense: float) -> None:
        """Args: vectors that each layer multiplies, by its name; cost of the dense network."""
        self._positions = positions
        self.dense = dense

    @staticmethod
    def of_network(network: Network) -> FlopCost:
        """The cost of an integer network."""
        positions, dense = _tokens(network), 0
        for op in network.ops:
            if isinstance(op, Linear):
                dense += positions[op.name] * network.param(op, "weight").size
            elif isinstance(op, Scores | Attend):
                # Scores: T x T x features / heads a head; attend: the same, from the qkv tensor.
                qkv = network.tensors[op.inputs[-1]]
                dense += qkv.tokens**2 * qkv.features // 3
        return FlopCost(positions, dense)

    @staticmethod
    def of_model(model: nn.Module, image: Tensor) -> FlopCost:
        """The cost of a float model, counted while it runs one (channels, height, width).

        Raises:
            UserError: the model cannot run such an image.
        """
        with FlopCounterMode(display=False) as counter:
            used = uses(model, (image.shape[0], image.shape[1], image.shape[2]))
        positions = {
            name: used[id(module.weight)].positions
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear | nn.Conv2d) and id(module.weight) in used
        }
        return FlopCost(positions, counter.get_total_flops() / 2)

    def saved(self, layer: PrunableLayer, order: NDArray[np.int64]) -> NDArray[np.float64]:
        elements = layer.grid.elements().ravel()[order]
        return np.concatenate([[0.0], np.cumsum(elements * float(self._positions[layer.name]))])

    def total(self, masks: Mapping[str, BlockMask]) -> float:
        removed = sum(
            self._positions[name] * int((mask.grid.elements() * ~mask.keep).sum())
            for name, mask in masks.items()
        )
        return self.dense - removed


@dataclass(frozen=True)
class Budget:
    """The share of the dense cost that may stay.

    Raises:
        UserError: when the share is outside (0, 1].
    """

    fraction: float
    cost: Cost
    aim: float | None = None
    """Cost to aim at instead of `target`, after a measurement differed from the prediction."""

    def __post_init__(self) -> None:
        check_fraction(self.fraction)

    @property
    def target(self) -> float:
        """The cost that may stay, in the cost's unit."""
        return self.fraction * self.cost.dense

    @property
    def limit(self) -> float:
        """What pruning stays at or just below."""
        return self.target if self.aim is None else self.aim


def check_fraction(fraction: float) -> None:
    """Raises UserError unless `fraction` lies in (0, 1]."""
    if not 0 < fraction <= 1:
        raise UserError(f"budget {fraction}: expected a share of the dense cost in (0, 1]")


def check_unit(unit: str) -> None:
    """Raises UserError unless `unit` is a unit of cost."""
    if unit not in get_args(Unit):
        raise UserError(f"budget unit {unit!r}: expected one of {', '.join(get_args(Unit))}")


def cost_in(unit: str, network: Network, config: ArrayConfig) -> Cost:
    """The cost that the command line calls `unit`.

    Raises:
        UserError: no such unit.
    """
    check_unit(unit)
    return CycleCost(network, config) if unit == "cycles" else FlopCost.of_network(network)
