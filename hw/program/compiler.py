"""From a schedule and weights to the program: the stream of bytes that the machine reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hw.config import ArrayConfig
from hw.ir import Attend, Linear, Network, Scores
from hw.program.isa import TABLE_BYTES, Instruction, encode, encode_tile
from hw.program.schedule import (
    Kept,
    Schedule,
    build_schedule,
    nonzero_tiles,
    tile_grid,
    tile_order,
    tile_weights,
)

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Program:
    """A schedule, its kept tiles, and its bytes."""

    schedule: Schedule
    kept: dict[str, Kept]
    stream: Bytes

    @property
    def beats(self) -> int:
        return self.stream.size // self.schedule.config.mem_bytes


def _lines(data: Bytes, line_bytes: int) -> Bytes:
    return np.pad(data, (0, -data.size % line_bytes))


def _words(values: list[int] | NDArray[np.integer], line_bytes: int) -> Bytes:
    return _lines(np.asarray(values, "<u4").view(np.uint8), line_bytes)


def _tile_header(
    blocks: int,
    place: int,
    bias: NDArray[np.int32],
    mult: NDArray[np.uint16],
    shift: NDArray[np.uint8],
    line_bytes: int,
) -> Bytes:
    scales = mult.astype(np.uint32) | shift.astype(np.uint32) << 16
    params = np.concatenate(
        [bias.astype("<i4").view(np.uint8), scales.astype("<u4").view(np.uint8)]
    )
    return np.concatenate([_words([encode_tile(blocks, place)], line_bytes), params])


def _linear_tiles(
    op: Linear, first: Instruction, network: Network, schedule: Schedule
) -> tuple[Kept, list[Bytes]]:
    """Kept tiles of a layer, and the stream of each of its output tiles in their order."""
    config = schedule.config
    line = config.line_bytes
    tiles = tile_weights(op, network, schedule)
    kept = nonzero_tiles(tiles)
    target = schedule.placements[op.output]
    out_tiles = tile_grid(op, schedule)[1]
    params: dict[str, NDArray[np.integer]] = {}
    for suffix in ("bias", "mult", "shift"):
        values = network.param(op, suffix)
        params[suffix] = np.zeros(out_tiles * config.cols, values.dtype)
        params[suffix][target.positions(config.word_bytes)] = values
    by_tile = {key: value.reshape(out_tiles, config.cols) for key, value in params.items()}
    records = []
    for n in tile_order(kept.sum(axis=0), first, config):
        index = np.flatnonzero(kept[:, n])
        header = np.zeros((index.size, line), np.uint8)
        header[:, :4] = index.astype("<u4").view(np.uint8).reshape(-1, 4)
        payload = tiles[index, n].reshape(index.size, config.pes).view(np.uint8)
        blocks = np.concatenate([header, payload], axis=1).ravel()
        head = _tile_header(
            index.size, int(n), by_tile["bias"][n], by_tile["mult"][n], by_tile["shift"][n], line
        )
        records.append(np.concatenate([head, blocks]))
    return kept, records


def _attention_tile(mult: int, shift: int, blocks: int, config: ArrayConfig) -> Bytes:
    return _tile_header(
        blocks,
        0,  # read in `STREAM` mode only
        np.zeros(config.cols, np.int32),
        np.full(config.cols, mult, np.uint16),
        np.full(config.cols, shift, np.uint8),
        config.line_bytes,
    )


def _step_stream(
    instructions: tuple[Instruction, ...], records: list[list[Bytes]], table: Bytes, line: int
) -> Iterator[Bytes]:
    for instruction, tiles in zip(instructions, records, strict=True):
        yield _words(encode(instruction), line)
        yield table
        yield from tiles


def compile_network(network: Network, config: ArrayConfig) -> Program:
    """Compile the IR for one geometry.

    Raises:
        UserError: when the network does not fit the machine.
    """
    schedule = build_schedule(network, config)
    line = config.line_bytes
    kept: dict[str, Kept] = {}
    parts: list[Bytes] = []
    for step in schedule.steps:
        table = np.zeros(0, np.uint8)
        records: list[list[Bytes]] = [[] for _ in step.instructions]
        if step.on_array:
            op = network.ops[step.ops[0]]
            if isinstance(op, Linear):
                kept[op.name], tiles = _linear_tiles(op, step.instructions[0], network, schedule)
                records = [tiles for _ in step.instructions]
                if op.gelu:
                    table = _lines(network.param(op, "table").view(np.uint8), line)
                    assert table.size == TABLE_BYTES
            elif isinstance(op, Scores | Attend):
                chunks = len(step.instructions) // op.heads
                records = [
                    [
                        _attention_tile(
                            op.mult[i // chunks], op.shift[i // chunks], ins.depth, config
                        )
                    ]
                    * ins.tiles
                    for i, ins in enumerate(step.instructions)
                ]
        parts.extend(_step_stream(step.instructions, records, table, line))
    stream = np.concatenate(parts)
    return Program(schedule, kept, _lines(stream, config.mem_bytes))
