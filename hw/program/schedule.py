"""The schedule of a program: its instructions and what each writes; a layer's weights as tiles."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hw.config import ArrayConfig
from hw.ir import Linear, Network
from hw.program.isa import Instruction
from hw.program.layout import Placement

Kept = NDArray[np.bool_]
"""Kept weight tiles of a linear layer: (input tiles, output tiles)."""


@dataclass(frozen=True)
class Entry:
    """An instruction, and which part of which tensor it writes."""

    instruction: Instruction
    op: int | None
    """Index into `Network.ops`; None for the end of the program."""
    output: str | None = None
    """The place that it writes: of a tensor, or of a copy."""
    first_row: int = 0
    """The first word row of it, of all groups, and the first token that it writes."""
    first_token: int = 0
    tiles: tuple[int, ...] = ()
    """Of a linear layer: its output tiles, in their natural order."""
    copies: str | None = None
    """The tensor whose values it writes there, where they are not the output's own."""


@dataclass(frozen=True)
class Schedule:
    """All instructions in order, the last of which is the end of the program."""

    config: ArrayConfig
    placements: dict[str, Placement]
    entries: tuple[Entry, ...] = field(default=())

    @property
    def instructions(self) -> list[Instruction]:
        return [entry.instruction for entry in self.entries]


def common_start(op: Linear, schedule: Schedule) -> int:
    """The first input tile of a layer's common input, behind all words of the other; else 0."""
    config = schedule.config
    if len(op.inputs) == 1:
        return 0
    return schedule.placements[op.inputs[0]].word_rows * config.word_bytes // config.rows


def _tiles(place: Placement, word_bytes: int, side: int) -> int:
    return -(-place.groups * place.written_features(word_bytes) // side)


def tile_grid(op: Linear, schedule: Schedule) -> tuple[int, int]:
    """(input tiles, output tiles) of a linear layer as laid out in memory."""
    config, places = schedule.config, schedule.placements
    inputs = common_start(op, schedule)
    inputs += _tiles(places[op.inputs[-1]], config.word_bytes, config.rows)
    return inputs, _tiles(places[op.output], config.word_bytes, config.cols)


def input_positions(op: Linear, schedule: Schedule) -> NDArray[np.int64]:
    """Position of every input feature of a layer among those of its input tiles."""
    config, places = schedule.config, schedule.placements
    positions = [places[name].positions(config.word_bytes) for name in op.inputs]
    positions[-1] = positions[-1] + common_start(op, schedule) * config.rows
    return np.concatenate(positions)


def tile_weights(op: Linear, network: Network, schedule: Schedule) -> NDArray[np.int8]:
    """The weights of a layer as tiles: (input tiles, output tiles, rows, cols)."""
    config = schedule.config
    in_tiles, out_tiles = tile_grid(op, schedule)
    padded = np.zeros((in_tiles * config.rows, out_tiles * config.cols), np.int8)
    rows = input_positions(op, schedule)
    cols = schedule.placements[op.output].positions(config.word_bytes)
    padded[np.ix_(rows, cols)] = network.param(op, "weight").T
    tiles = padded.reshape(in_tiles, config.rows, out_tiles, config.cols)
    return tiles.transpose(0, 2, 1, 3)


def spread_order(light: NDArray[np.bool_]) -> NDArray[np.int64]:
    """An order that spreads the light ones evenly among the others, and keeps theirs."""
    count = int(np.count_nonzero(light))
    others = light.size - count
    if count == 0 or others == 0:
        return np.arange(light.size)
    place = np.empty(light.size)
    place[~light] = np.arange(others)
    place[light] = np.arange(count) * others / count + 0.5
    return np.argsort(place, kind="stable")


def tile_order(
    blocks: NDArray[np.int64], instruction: Instruction, config: ArrayConfig
) -> NDArray[np.int64]:
    """The order in which an instruction computes its output tiles.

    A tile of few blocks takes longer to store than to compute. Such tiles are spread among the
    others, so that the array works on while their results leave.

    Args:
        blocks: kept blocks of every output tile of the instruction.
        instruction: one of a layer; those for its other tokens follow the same order.
    """
    computing = blocks * max(instruction.tokens, config.block_lines + 1)
    return spread_order(computing < instruction.tokens)


def nonzero_tiles(tiles: NDArray[np.int8]) -> Kept:
    """Which of (input tiles, output tiles, rows, cols) hold a weight other than zero."""
    return np.asarray(tiles.any(axis=(2, 3)), dtype=np.bool_)


def kept_tiles(network: Network, schedule: Schedule) -> dict[str, Kept]:
    """Tiles with a weight other than zero, by layer."""
    return {op.name: nonzero_tiles(tile_weights(op, network, schedule)) for op in network.linears()}
