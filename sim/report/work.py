"""What an array operation has to do: products, blocks, tiles and bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hw.config import ArrayConfig
from hw.ir import Attend, Linear, Network, Op, Scores
from hw.program.isa import MODES, TABLE_BYTES, instruction_bytes, tile_head_bytes
from hw.program.schedule import Kept, Step


@dataclass(frozen=True)
class Product:
    """An operation as `heads` matrix products of (m, k) and (k, n)."""

    heads: int
    m: int
    k: int
    n: int

    @property
    def macs(self) -> int:
        return self.heads * self.m * self.k * self.n


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
    """Tiles of the weight operand over all heads, and what moves through the array for them."""

    total: int
    kept: int
    macs: int
    """MACs of all tiles, padding included."""
    act_bytes: int
    out_bytes: int
    weight_bytes: int
    metadata_bytes: int
    operand_bytes: int
    """Keys or values from activation memory."""
    load_cycles: int
    """Cycles that the weight operand needs at least."""


def product(network: Network, op: Op) -> Product:
    """The matrix product of an array operation."""
    source, target = network.tensors[op.inputs[0]], network.tensors[op.output]
    if isinstance(op, Scores):
        return Product(op.heads, source.tokens, source.group_features, source.tokens)
    if isinstance(op, Attend):
        return Product(op.heads, target.tokens, source.tokens, target.group_features)
    assert isinstance(op, Linear)
    return Product(1, source.tokens, source.features, target.features)


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


def tiles(step: Step, heads: int, kept: Kept | None, config: ArrayConfig) -> Tiles:
    """Tiles and traffic of one array operation.

    Args:
        step: its instructions: as many passes over the tokens for every head.
        kept: (input tiles, output tiles) of a linear layer; None for products of activations.
    """
    line, passes = config.line_bytes, len(step.instructions) // heads
    total = used = macs = act = out = metadata = keys = 0
    for i in step.instructions:
        grid = i.tiles * i.depth if kept is None else kept.size
        streamed = grid if kept is None else int(kept.sum())
        total += grid
        used += streamed
        macs += grid * config.pes * i.tokens
        act += streamed * config.rows * i.tokens
        out += i.tiles * config.cols * i.tokens * (1 + i.wide)
        metadata += instruction_bytes(config) + i.gelu * TABLE_BYTES
        metadata += i.tiles * tile_head_bytes(config)
        keys += streamed if i.mode == MODES["COLUMNS"] else 0
    weights = operand = 0
    if kept is None:
        operand = used * config.pes
        load = used * config.rows + keys * config.cols
    else:
        weights, load = used * config.pes, 0
        metadata += used * line
    load += (weights + metadata) // line
    return Tiles(
        total=total // passes,
        kept=used // passes,
        macs=macs,
        act_bytes=act,
        out_bytes=out,
        weight_bytes=weights,
        metadata_bytes=metadata,
        operand_bytes=operand,
        load_cycles=load,
    )
