"""What blocks cost on the machine: in cycles, by the cycle model, and in energy.

Both costs read a network that was quantized dense: only its shapes and the zeros of its weights
matter, so that one quantization serves every mask that is tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hw.config import ArrayConfig
from hw.ir import Network
from hw.program.schedule import Kept
from prune.allocation.budget import Unit
from prune.allocation.tiles import TileMap
from prune.blocks import BlockGrid, BlockMask, PrunableLayer
from sim.activity import Activity, matmul_activity, operation_activities
from sim.cycles import CycleModel, NetworkCycles, tile_cycles
from sim.energy import energy
from sim.live import LiveCounts, LiveProgram, all_live, tensor_tokens


class Machine:
    """A network on an array: kept tiles and cycles of any masks.

    Args:
        network: whose weights and shapes count.
        config: the array.
        live: tokens that its selectors leave; None: all stay.
    """

    def __init__(
        self, network: Network, config: ArrayConfig, live: LiveCounts | None = None
    ) -> None:
        self.network = network
        self.live = all_live(network) if live is None else live
        self.config = config
        self.model = CycleModel(network, config)
        self.linears = list(network.linears())
        tokens = tensor_tokens(network, self.live)
        self.tokens = {op.name: tokens[op.inputs[0]] for op in self.linears}
        """Rows that stream through every linear layer, by its name: one takes a cycle in each tile,
        and one to be stored."""
        self._maps: dict[tuple[str, BlockGrid], TileMap] = {}
        self._last: tuple[bytes, NetworkCycles] | None = None

    def kept(self, masks: Mapping[str, BlockMask]) -> dict[str, Kept]:
        """Tiles with a weight under `masks`, by layer; a layer left out is dense."""
        kept = {}
        for op in self.linears:
            grid = BlockGrid(self.network.param(op, "weight").shape, op.block_shape)
            mask = masks.get(op.name) or BlockMask(grid, np.ones(grid.size, bool))
            key = op.name, mask.grid
            if key not in self._maps:
                self._maps[key] = TileMap(op, self.network, self.model.schedule, mask.grid)
            kept[op.name] = self._maps[key].kept(mask.keep)
        return kept

    def cycles(self, kept: dict[str, Kept]) -> NetworkCycles:
        """Of the network with these tiles; asked again for the same, it does not count again."""
        key = b"".join(tiles.tobytes() for tiles in kept.values())
        if self._last is None or self._last[0] != key:
            self._last = key, self.model.evaluate(kept, self.live)
        return self._last[1]


class CycleCost:
    """Cycles of the array, from the cycle model.

    The total is exact. What a block saves is that of its tiles, but none once the layer's results
    take longer to store than to compute: the compiler spreads the output tiles so that one goes on
    during the other.

    Args:
        machine: the network on its array.
        dense: cost that budgets are shares of; None: that of the network with every block.
    """

    unit: Unit = "cycles"

    def __init__(self, machine: Machine, dense: float | None = None) -> None:
        self._machine = machine
        self.dense: float = self.total({}) if dense is None else dense

    def saved(self, layer: PrunableLayer, order: NDArray[np.int64]) -> NDArray[np.float64]:
        config, tokens = self._machine.config, self._machine.tokens[layer.name]
        out_tiles, in_tiles = _tiles(layer.grid, config)
        computing = np.outer(out_tiles, in_tiles).ravel()[order] * float(
            tile_cycles(config, tokens)
        )
        left = computing.sum() - np.concatenate([[0.0], np.cumsum(computing)])
        cycles = np.maximum(left, out_tiles.sum() * float(tokens))
        return cycles[0] - cycles

    def total(self, masks: Mapping[str, BlockMask]) -> float:
        return self._machine.cycles(self._machine.kept(masks)).total


class EnergyCost:
    """Microjoules, as a report estimates them: activity times cited energies, `sim.energy`.

    An operation's activity grows by the same for every kept tile, and the clock and leakage by the
    same in every cycle; so the total is that of `sim.energy` but for rounding, and what a block
    saves is exact in its tiles and as good as `CycleCost` in its cycles.

    Args:
        machine: the network on its array.
        cycles: its cycles.
        dense: as for `CycleCost`.
    """

    unit: Unit = "energy"

    def __init__(self, machine: Machine, cycles: CycleCost, dense: float | None = None) -> None:
        self._machine = machine
        self._cycles = cycles
        config, network, schedule = machine.config, machine.network, machine.model.schedule
        none = {name: np.zeros_like(tiles) for name, tiles in machine.kept({}).items()}
        activities = operation_activities(network, schedule, none, machine.live).values()
        self._empty = energy(sum(activities, Activity()), 0, config).total
        self._cycle = energy(Activity(), 1, config).total
        self._tile = _tile_energies(machine)
        self.dense: float = self.total({}) if dense is None else dense

    def saved(self, layer: PrunableLayer, order: NDArray[np.int64]) -> NDArray[np.float64]:
        tiles = np.outer(*_tiles(layer.grid, self._machine.config)).ravel()[order]
        removed = np.concatenate([[0.0], np.cumsum(tiles)])
        uj = self._tile[layer.name].mean()
        return uj * removed + self._cycle * self._cycles.saved(layer, order)

    def total(self, masks: Mapping[str, BlockMask]) -> float:
        kept = self._machine.kept(masks)
        tiles = sum(float(kept[name].sum(axis=0) @ uj) for name, uj in self._tile.items())
        return self._empty + tiles + self._cycle * self._machine.cycles(kept).total


def _tiles(grid: BlockGrid, config: ArrayConfig) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Output tiles of every block row and input tiles of every block column."""
    out_tiles = grid.pieces((config.cols, grid.shape[1]))[:, 0]
    return out_tiles, grid.pieces((grid.shape[0], config.rows))[0]


def _tile_energies(machine: Machine) -> dict[str, NDArray[np.float64]]:
    """(output tiles): microjoules of one more kept tile, without its cycles, by linear layer."""
    config, network = machine.config, machine.network
    found = {name: np.zeros(tiles.shape[1]) for name, tiles in machine.kept({}).items()}
    schedule = machine.model.schedule
    taken = LiveProgram(network, schedule).instructions(machine.live)
    for entry, instruction in zip(schedule.entries, taken, strict=True):
        name = None if entry.op is None else network.ops[entry.op].name
        if instruction.is_matmul and name in found:
            none, one = (matmul_activity(instruction, (n,), config) for n in (0, 1))
            uj = energy(one, 0, config).total - energy(none, 0, config).total
            found[name][list(entry.tiles)] += uj
    return found


def masked(network: Network, masks: Mapping[str, BlockMask]) -> Network:
    """`network` with the weights of removed blocks 0; the other parameters are shared."""
    params = dict(network.params)
    for name, mask in masks.items():
        params[f"{name}.weight"] = params[f"{name}.weight"] * mask.weights()
    return replace(network, params=params)
