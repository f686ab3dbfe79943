"""What an array operation has to do: products, blocks and tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hw.config import ArrayConfig
from hw.ir import Linear, Network
from hw.program.isa import MODES, Instruction
from hw.program.schedule import Kept


@dataclass(frozen=True)
class Blocks:
    """Prunable weight blocks of a linear layer."""

    shape: tuple[int, int]
    """(output features, input features)"""
    total: int
    kept: int
    weights: int
    """Weights inside kept blocks, zeros included; real features only."""


@dataclass(frozen=True)
class Tiles:
    """Tiles of the weight operand over all heads."""

    total: int
    kept: int
    macs: int
    """MACs of all tiles, padding included."""
    load_cycles: int
    """Cycles that the weight operand needs at least."""


def blocks(network: Network, op: Linear) -> Blocks:
    """Blocks of a layer, kept when one of their weights is not zero."""
    weight = network.param(op, "weight")
    alive: NDArray[np.bool_] = weight != 0
    starts = [
        np.arange(0, size, step) for size, step in zip(weight.shape, op.block_shape, strict=True)
    ]
    for axis, first in enumerate(starts):
        alive = np.logical_or.reduceat(alive, first, axis=axis)
    sizes = [np.diff(first, append=n) for first, n in zip(starts, weight.shape, strict=True)]
    return Blocks(
        op.block_shape, alive.size, int(alive.sum()), int((alive * np.outer(*sizes)).sum())
    )


def tiles(
    instructions: Sequence[Instruction],
    heads: int,
    kept: Kept | None,
    program_bytes: int,
    config: ArrayConfig,
) -> Tiles:
    """Tiles of one array operation.

    Args:
        instructions: its products, of all heads, tokens and word rows.
        kept: (input tiles, output tiles) of a linear layer; None for products of activations.
        program_bytes: what the program holds for it.
    """
    macs = grids = reads = 0
    for i in instructions:
        depth = i.depth if kept is None else kept.shape[0]
        grids += i.tiles * depth
        macs += i.tiles * depth * config.pes * i.tokens
        if i.mode != MODES["STREAM"]:
            columns = i.mode == MODES["COLUMNS"]
            reads += i.tiles * depth * (config.rows + columns * config.cols)
    passes = len(instructions) // heads
    lines, beats = program_bytes // config.line_bytes, program_bytes // config.mem_bytes
    return Tiles(
        total=grids // passes if kept is None else kept.size,
        kept=grids // passes if kept is None else int(kept.sum()),
        macs=macs,
        load_cycles=reads + max(lines, beats * config.mem_interval),
    )
