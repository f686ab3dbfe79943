"""The energy model in torch: differentiable in the kept blocks and in the live tokens.

What a network takes is split, instruction by instruction, by what it grows with: results with the
tokens, loading weights with the kept tiles, products with both; so is it in `sim.activity`, whose
counts and energies are taken as they are. Clock and leakage follow `SoftCycles`. On the dense
network this equals `sim.energy` by construction. In the blocks it is exact but for the cycles. In
the tokens the image, the embedding of positions, and the number of parts that a layer's tokens go
through in are taken as constant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hw.config import ArrayConfig
from hw.ir import ARRAY_OPS, Attend, Linear, Network, Op, Scores, Softmax
from hw.program.isa import OPCODES, Instruction
from hw.program.lowering import build_schedule
from hw.program.schedule import kept_tiles, tile_grid
from prune.blocks import BlockGrid
from prune.objective.cost import SoftCycles, ceil_through
from sim.activity import Activity, matmul_activity, operation_activities, vector_activity
from sim.cycles import network_cycles
from sim.energy import energy


@dataclass
class _Amounts:
    """Microjoules of an operation when everything stays, by what they grow with."""

    tokens: int
    """All tokens, to compare the live ones with."""
    side: int | None = None
    """Tokens that fill a tile, where the number of tiles follows the tokens."""
    across: bool = False
    """Whether those are output tiles, not the input tiles of each."""
    headers: float = 0.0
    """Output tiles."""
    results: float = 0.0
    """Output tiles x tokens; of the vector unit: word rows x tokens."""
    loading: float = 0.0
    """Kept tiles."""
    products: float = 0.0
    """Kept tiles x tokens."""


_Vector = tuple[str, _Amounts]
"""Of an operation of the vector unit, and the operation on the array whose tokens it has."""


class SoftEnergy:
    """Microjoules of a network on the array, as a torch function of kept blocks and live tokens.

    Arguments are those of `SoftCycles`.
    """

    def __init__(self, network: Network, config: ArrayConfig) -> None:
        """Split the energy of `network`, whose weights must be dense.

        Raises:
            UserError: when the network's blocks are not made of whole tiles of the array.
        """
        self.cycles = SoftCycles(network, config)
        self._tiles: dict[str, Tensor] = {}
        """Tiles of each block, by linear layer: float64 of the block grid's size."""
        for op in network.linears():
            grid = BlockGrid(network.param(op, "weight").shape, op.block_shape)
            self._tiles[op.name] = torch.from_numpy(
                grid.pieces((config.cols, config.rows))
            ).double()
        self._array, self._vector = _split(network, config)
        self._per_cycle = energy(Activity(), 1, config).total
        self._constant = 0.0
        cycles = network_cycles(network, config).total
        self._constant = _exact(network, config, cycles) - float(self.at(torch.tensor(cycles)))

    def __call__(
        self,
        keep: Mapping[str, Tensor] | None = None,
        tokens: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Microjoules of the whole network, a float64 scalar.

        Raises:
            KeyError: on a name that is no operation on the array, or no linear layer for `keep`.
        """
        return self.at(self.cycles(keep, tokens), keep, tokens)

    def at(
        self,
        cycles: Tensor,
        keep: Mapping[str, Tensor] | None = None,
        tokens: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """The same where the cycles are known already: a scalar."""
        keep, tokens = keep or {}, tokens or {}
        total = self._constant + self._per_cycle * cycles.double()
        for name, amounts in self._array.items():
            live, tiles = _shares(amounts, tokens.get(name))
            kept = tiles
            if name in keep:
                blocks = self._tiles[name]
                kept = (keep[name].double() * blocks).sum() / blocks.sum()
            columns = tiles if amounts.across else 1.0
            total = total + columns * (amounts.headers + amounts.results * live)
            total = total + kept * (amounts.loading + amounts.products * live)
        for name, amounts in self._vector:
            live, tiles = _shares(amounts, tokens.get(name))
            total = total + amounts.results * live * tiles
        return total


def _shares(amounts: _Amounts, tokens: Tensor | None) -> tuple[Tensor, Tensor]:
    """The live share of the tokens, and of the tiles that they fill."""
    one = torch.ones((), dtype=torch.float64)
    if tokens is None:
        return one, one
    live = tokens.double()
    if amounts.side is None:
        return live / amounts.tokens, one
    filled = ceil_through(live / amounts.side) / math.ceil(amounts.tokens / amounts.side)
    return live / amounts.tokens, filled


def _split(network: Network, config: ArrayConfig) -> tuple[dict[str, _Amounts], list[_Vector]]:
    """The amounts of operations on the array, by name, and of the vector unit's."""
    array: dict[str, _Amounts] = {}
    vector: list[_Vector] = []
    names = [op.name if isinstance(op, ARRAY_OPS) else None for op in network.ops]
    schedule = build_schedule(network, config)
    for entry in schedule.entries:
        if entry.op is None:
            continue
        op, instruction = network.ops[entry.op], entry.instruction
        if instruction.is_matmul:
            amounts = array.setdefault(op.name, _amounts(network, op, config))
            depth = tile_grid(op, schedule)[0] if isinstance(op, Linear) else instruction.depth
            _add_products(amounts, instruction, depth, config)
        elif instruction.is_vector and instruction.opcode != OPCODES["MEAN"]:
            follows = next((name for name in names[entry.op :] if name is not None), None)
            if follows is not None:
                vector.append((follows, _of_vector(network, op, instruction, config)))
    return array, vector


def _amounts(network: Network, op: Op, config: ArrayConfig) -> _Amounts:
    tokens = network.tensors[op.output].tokens
    if isinstance(op, Scores):
        return _Amounts(tokens, config.cols, across=True)
    return _Amounts(tokens, config.rows if isinstance(op, Attend) else None)


def _add_products(
    amounts: _Amounts, instruction: Instruction, depth: int, config: ArrayConfig
) -> None:
    """Add an instruction's share; `depth` is the input tiles of an output tile."""

    def uj(kept: int, tiles: int, tokens: int) -> float:
        part = replace(instruction, tiles=tiles, tokens=tokens)
        return energy(matmul_activity(part, (kept,), config), 0, config).total

    tiles, tokens = instruction.tiles, instruction.tokens
    kept = tiles * depth
    headers = uj(0, tiles, 0) - uj(0, 0, 0)
    results = uj(0, tiles, tokens) - uj(0, tiles, 0)
    loading = uj(kept, tiles, 0) - uj(0, tiles, 0)
    amounts.headers += headers
    amounts.results += results
    amounts.loading += loading
    amounts.products += uj(kept, tiles, tokens) - uj(kept, tiles, 0) - results


def _of_vector(network: Network, op: Op, instruction: Instruction, config: ArrayConfig) -> _Amounts:
    tokens = network.tensors[op.output].tokens
    amounts = _Amounts(tokens, config.word_bytes if isinstance(op, Softmax) else None)
    none, every = (
        vector_activity(replace(instruction, tokens=count), config)
        for count in (0, instruction.tokens)
    )
    amounts.results = energy(every, 0, config).total - energy(none, 0, config).total
    return amounts


def _exact(network: Network, config: ArrayConfig, cycles: int) -> float:
    """Microjoules by the exact model."""
    model = build_schedule(network, config)
    activities = operation_activities(network, model, kept_tiles(network, model))
    return energy(sum(activities.values(), Activity()), cycles, config).total
