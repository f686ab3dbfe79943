"""From the IR to instructions: everything about a program but the weights.

The schedule depends on shapes alone, so the cycle model and the pruner build it once and then try
any choice of kept tiles on it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import ARRAY_OPS, Attend, Linear, Network, Op, Scores
from hw.program.isa import MODES, OPCODES, Instruction
from hw.program.layout import Placement, place_tensors

Kept = NDArray[np.bool_]
"""Kept weight tiles of a linear layer: (input tiles, output tiles)."""


@dataclass(frozen=True)
class Step:
    """The instructions of one array operation, or of a run of host operations."""

    ops: tuple[int, ...]
    """Indices into `Network.ops`: one array operation, or neighbouring host operations."""
    instructions: tuple[Instruction, ...]

    @property
    def on_array(self) -> bool:
        return self.instructions[0].opcode == OPCODES["MATMUL"]


@dataclass(frozen=True)
class Schedule:
    """All steps in order, the last of which is the end of the program."""

    config: ArrayConfig
    steps: tuple[Step, ...]
    placements: dict[str, Placement]

    @property
    def instructions(self) -> list[Instruction]:
        return [i for step in self.steps for i in step.instructions]


def tile_grid(op: Linear, schedule: Schedule) -> tuple[int, int]:
    """(input tiles, output tiles) of a linear layer as laid out in memory."""
    config = schedule.config
    source, target = schedule.placements[op.inputs[0]], schedule.placements[op.output]
    inputs = source.groups * source.written_features(config.word_bytes)
    outputs = target.groups * target.written_features(config.word_bytes)
    return -(-inputs // config.rows), -(-outputs // config.cols)


def tile_weights(op: Linear, network: Network, schedule: Schedule) -> NDArray[np.int8]:
    """The weights of a layer as tiles: (input tiles, output tiles, rows, cols)."""
    config = schedule.config
    in_tiles, out_tiles = tile_grid(op, schedule)
    source, target = schedule.placements[op.inputs[0]], schedule.placements[op.output]
    padded = np.zeros((in_tiles * config.rows, out_tiles * config.cols), np.int8)
    rows = source.positions(config.word_bytes)
    cols = target.positions(config.word_bytes)
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
    blocks: NDArray[np.int64], first: Instruction, config: ArrayConfig
) -> NDArray[np.int64]:
    """The order in which a layer's output tiles are computed.

    A tile of few blocks takes longer to store than to compute. Such tiles are spread among the
    others, so that the array works on while their results leave.

    Args:
        blocks: kept blocks of every output tile.
        first: the layer's first instruction; those of its other tokens follow the same order.
    """
    computing = blocks * max(first.tokens, config.block_lines + 1)
    return spread_order(computing < first.tokens * (1 + first.wide))


def nonzero_tiles(tiles: NDArray[np.int8]) -> Kept:
    """Which of (input tiles, output tiles, rows, cols) hold a weight other than zero."""
    return np.asarray(tiles.any(axis=(2, 3)), dtype=np.bool_)


def kept_tiles(network: Network, schedule: Schedule) -> dict[str, Kept]:
    """Tiles with a weight other than zero, by layer."""
    return {op.name: nonzero_tiles(tile_weights(op, network, schedule)) for op in network.linears()}


def _chunks(tokens: int, depth: int) -> list[tuple[int, int]]:
    """(first token, tokens) of nearly equal parts that fit the accumulators."""
    count = -(-tokens // depth)
    edges = [tokens * i // count for i in range(count + 1)]
    return [(a, b - a) for a, b in pairwise(edges)]


def _linear_fields(op: Linear, schedule: Schedule) -> list[dict[str, Any]]:
    source, target = schedule.placements[op.inputs[0]], schedule.placements[op.output]
    return [
        {
            "mode": MODES["STREAM"],
            "gelu": int(op.gelu),
            "tiles": tile_grid(op, schedule)[1],
            "in_addr": source.base,
            "out_addr": target.base,
        }
    ]


def _scores_fields(op: Scores, schedule: Schedule) -> list[dict[str, Any]]:
    config = schedule.config
    qkv, target = schedule.placements[op.inputs[0]], schedule.placements[op.output]
    return [
        {
            "mode": MODES["COLUMNS"],
            "tiles": -(-target.written_features(config.word_bytes) // config.cols),
            "depth": -(-(qkv.features // qkv.groups) // config.rows),
            "valid": qkv.tokens,
            "in_addr": qkv.group_address(head),
            "w_addr": qkv.group_address(op.heads + head),
            "w_stride": qkv.stride,
            "out_addr": target.group_address(head),
        }
        for head in range(op.heads)
    ]


def _attend_fields(op: Attend, schedule: Schedule) -> list[dict[str, Any]]:
    config = schedule.config
    probabilities, qkv = (schedule.placements[name] for name in op.inputs)
    target = schedule.placements[op.output]
    return [
        {
            "mode": MODES["ROWS"],
            "tiles": -(-target.written_features(config.word_bytes) // config.cols),
            "depth": -(-qkv.tokens // config.rows),
            "valid": qkv.tokens,
            "in_addr": probabilities.group_address(head),
            "w_addr": qkv.group_address(2 * op.heads + head),
            "w_stride": qkv.stride,
            "out_addr": target.group_address(head),
        }
        for head in range(op.heads)
    ]


def _fields(op: Op, schedule: Schedule) -> list[dict[str, Any]]:
    match op:
        case Linear():
            return _linear_fields(op, schedule)
        case Scores():
            return _scores_fields(op, schedule)
        case Attend():
            return _attend_fields(op, schedule)
    raise TypeError(f"{op.name} does not run on the array")


def _array_instructions(op: Op, schedule: Schedule) -> list[Instruction]:
    fields = _fields(op, schedule)
    source, target = schedule.placements[op.inputs[0]], schedule.placements[op.output]
    if source.planes != 1:
        raise UserError(f"{op.name}: reads an int16 tensor, the array takes int8")
    return [
        Instruction(
            opcode=OPCODES["MATMUL"],
            id=0,
            **{**entry, "in_addr": entry["in_addr"] + first, "out_addr": entry["out_addr"] + first},
            wide=int(target.planes == 2),
            tokens=tokens,
            in_stride=source.stride,
            out_stride=target.stride,
        )
        for entry in fields
        for first, tokens in _chunks(source.tokens, schedule.config.acc_depth)
    ]


def build_schedule(network: Network, config: ArrayConfig) -> Schedule:
    """Lower the operations to instructions.

    Raises:
        UserError: when the network does not fit the machine.
    """
    schedule = Schedule(config, (), place_tensors(network, config))
    steps: list[Step] = []
    for index, op in enumerate(network.ops):
        if isinstance(op, ARRAY_OPS):
            steps.append(Step((index,), tuple(_array_instructions(op, schedule))))
        elif steps and not steps[-1].on_array:
            steps[-1] = replace(steps[-1], ops=(*steps[-1].ops, index))
        else:
            steps.append(Step((index,), (Instruction(OPCODES["HOST"], 0),)))
    steps.append(Step((), (Instruction(OPCODES["END"], 0),)))
    for i, (step, following) in enumerate(pairwise(steps)):
        if step.on_array and not following.on_array:
            last = replace(step.instructions[-1], drain=1)
            steps[i] = replace(step, instructions=(*step.instructions[:-1], last))
    number = 0
    for i, step in enumerate(steps):
        numbered = tuple(
            replace(instruction, id=number + j) for j, instruction in enumerate(step.instructions)
        )
        number += len(numbered)
        steps[i] = replace(step, instructions=numbered)
    if number > 1 << 16:
        raise UserError(f"{network.model}: {number} instructions, the machine numbers 65536")
    return replace(schedule, steps=tuple(steps))
