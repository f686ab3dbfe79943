"""The cycle model: cycles of every instruction from shapes, kept tiles and live tokens alone.

It follows the units of the core event by event, not cycle by cycle: when the loader takes a run of
lines, when a block starts, when a tile's last result is written, when the vector unit writes a word
row. While memory answers at its stated latency it equals the RTL to the cycle, overlaps included,
which the tests hold it to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hw.config import ArrayConfig
from hw.ir import Linear, Network
from hw.program.compiler import record_bytes
from hw.program.isa import NORM_BYTES, TABLE_BYTES, Instruction, instruction_bytes, tile_head_bytes
from hw.program.lowering import build_schedule, image_load
from hw.program.schedule import Kept, Schedule, kept_tiles, tile_order
from sim.events import FIELDS, block_indices, count_blocks, evaluate
from sim.live import LiveCounts, LiveProgram, all_live

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Window:
    """When an instruction is at work: its first and last cycle."""

    id: int
    start_cycle: int
    end_cycle: int


@dataclass(frozen=True)
class NetworkCycles:
    """Cycles of a network on one geometry."""

    total: int
    by_op: dict[str, int]
    """Cycles of each operation that are no other's: the array is at work for it, or waits for it.
    They sum to the total, but for those of the program's end."""
    array_ends: dict[int, int]
    """Last cycle of every instruction of the array, and of the program's end, by id."""
    vector: tuple[Window, ...] = field(repr=False, default=())
    """Instructions of the vector unit, in order."""


class CycleModel:
    """Cycles of one network on one geometry, for any choice of kept tiles and live tokens.

    Args:
        network: gives operations and shapes; its weights are not read.
        config: the geometry.
    """

    def __init__(self, network: Network, config: ArrayConfig) -> None:
        self.config = config
        self.schedule: Schedule = build_schedule(network, config)
        self._geometry = _geometry(network, config, self.schedule)
        entries = self.schedule.entries
        self._instructions = np.array(
            [[_field(e.instruction, name) for name in FIELDS] for e in entries], np.int64
        )
        self._live_program = LiveProgram(network, self.schedule)
        self._all_live = all_live(network)
        self._owners = [None if e.op is None else network.ops[e.op].name for e in entries]
        self._layers = _layers(network, self.schedule)
        self._tile_start = np.zeros(len(entries), np.int64)
        position = 0
        for layer in self._layers:
            for number, first in zip(layer.instructions, layer.starts, strict=True):
                self._tile_start[number] = position + first
            position += len(layer.tiles)

    def evaluate(self, kept: Mapping[str, Kept], live: LiveCounts | None = None) -> NetworkCycles:
        """Cycles with these tiles kept, of an image with these live counts.

        Args:
            kept: (input tiles, output tiles) of every linear layer.
            live: tokens that come out of every `TokenSelect`, its package token included; by
                default all tokens stay.
        """
        counts, indices, places = [np.zeros(1, np.int64)], [], []
        for layer in self._layers:
            blocks = count_blocks(kept[layer.name])[layer.tiles]
            order, place = layer.order(blocks, self.schedule, self.config)
            counts.append(blocks[order])
            indices.append(block_indices(kept[layer.name], layer.tiles[order]))
            places.append(place)
        offsets = np.cumsum(np.concatenate(counts))
        stream = (offsets, np.concatenate(indices), np.concatenate(places))
        instructions = self._instructions_with(self._all_live if live is None else live)
        ends, starts, waits = evaluate(instructions, self._tile_start, stream, self._geometry)
        return self._summary(ends, starts, waits)

    def _instructions_with(self, live: LiveCounts) -> IntArray:
        """The instruction table of an image."""
        if not self._all_live:
            return self._instructions
        table = self._instructions.copy()
        for name, values in self._live_program.counts(live).items():
            table[:, FIELDS.index(name)] = values
        return table

    def _summary(self, ends: IntArray, starts: IntArray, waits: IntArray) -> NetworkCycles:
        """Cycles by operation.

        Args:
            ends: last cycle of every instruction, -1 of loads.
            starts: first cycle of those of the vector unit, -1 of the others.
            waits: (n, 2) cycles [first, last) in which the array waits for the vector unit.
        """
        vector = np.flatnonzero(starts >= 0)
        windows = [Window(int(i), int(starts[i]), int(ends[i])) for i in vector]
        array = [int(i) for i in np.flatnonzero((starts < 0) & (ends >= 0))]
        cycles = np.zeros(len(ends), np.int64)
        cycles[array] = np.diff(ends[array], prepend=-1)
        array_ends = ends[array]
        for first, last in waits:
            at = int(np.searchsorted(ends[vector], first))
            while at < len(windows) and windows[at].start_cycle < last:
                window = windows[at]
                share = min(last, window.end_cycle + 1) - max(first, window.start_cycle)
                cycles[window.id] += share
                cycles[array[int(np.searchsorted(array_ends, first))]] -= share
                at += 1
        by_op: dict[str, int] = {}
        for owner, count in zip(self._owners, cycles, strict=True):
            if owner is not None:
                by_op[owner] = by_op.get(owner, 0) + int(count)
        return NetworkCycles(
            total=int(ends[array[-1]]) + 1,
            by_op=by_op,
            array_ends={number: int(ends[number]) for number in array},
            vector=tuple(windows),
        )


@dataclass(frozen=True)
class _Layer:
    """The output tiles of a linear layer, instruction by instruction."""

    name: str
    instructions: tuple[int, ...]
    starts: tuple[int, ...]
    """Where each instruction's tiles start in `tiles`."""
    tiles: IntArray
    places: IntArray
    """Place of every tile in its instruction."""

    def order(
        self, blocks: IntArray, schedule: Schedule, config: ArrayConfig
    ) -> tuple[IntArray, IntArray]:
        """The tiles in the order of their computation, as positions and as places."""
        if blocks.all():
            return np.arange(len(blocks)), self.places
        order, place = np.arange(len(blocks)), self.places.copy()
        for number, first in zip(self.instructions, self.starts, strict=True):
            instruction = schedule.entries[number].instruction
            part = slice(first, first + instruction.tiles)
            place[part] = tile_order(blocks[part], instruction, config)
            order[part] = first + place[part]
        return order, place


def _field(instruction: Instruction, name: str) -> int:
    return int(getattr(instruction, "tiles" if name == "records" else name))


def _layers(network: Network, schedule: Schedule) -> list[_Layer]:
    numbers: dict[str, list[int]] = {op.name: [] for op in network.linears()}
    for number, entry in enumerate(schedule.entries):
        op = None if entry.op is None else network.ops[entry.op]
        if isinstance(op, Linear) and entry.instruction.is_matmul:
            numbers[op.name].append(number)
    layers = []
    for name, instructions in numbers.items():
        counts = [schedule.entries[i].instruction.tiles for i in instructions]
        tiles = [np.asarray(schedule.entries[i].tiles, np.int64) for i in instructions]
        starts = np.cumsum([0, *counts])[:-1]
        layers.append(
            _Layer(
                name,
                tuple(instructions),
                tuple(int(start) for start in starts),
                np.concatenate(tiles),
                np.concatenate([np.arange(count) for count in counts]),
            )
        )
    return layers


def _geometry(network: Network, config: ArrayConfig, schedule: Schedule) -> IntArray:
    """What `sim.events.evaluate` needs to know of the machine, in the order of its `GEOMETRY`."""
    line = config.line_bytes
    image = image_load(schedule, network)
    head = instruction_bytes(config) + image.operand * config.word_bytes
    values = {
        "beat_log": config.lines_per_beat.bit_length() - 1,
        "burst_log": config.burst_beats.bit_length() - 1,
        "fifo_bursts": config.fifo_beats // config.burst_beats,
        "latency": config.mem_latency,
        "interval": config.mem_interval,
        "rows": config.rows,
        "cols": config.cols,
        "lanes": config.vector_lanes,
        "instr_lines": instruction_bytes(config) // line,
        "table_lines": TABLE_BYTES // line,
        "param_lines": tile_head_bytes(config) // line - 1,
        "block_lines": config.block_lines,
        "word_lines": config.word_bytes // line,
        "norm_lines": NORM_BYTES * config.word_bytes // line,
        "image_lines": head // line - instruction_bytes(config) // line,
        "pad_lines": (record_bytes(image, config) - head) // line,
        "store_beats": max(2 * config.word_bytes // config.mem_bytes, 1),
    }
    return np.array(list(values.values()), np.int64)


def network_cycles(
    network: Network, config: ArrayConfig, live: LiveCounts | None = None
) -> NetworkCycles:
    """Cycles of a quantized network, its kept tiles being those with a weight other than zero.

    Args:
        live: as for `CycleModel.evaluate`.
    """
    model = CycleModel(network, config)
    return model.evaluate(kept_tiles(network, model.schedule), live)


def tile_cycles(config: ArrayConfig, tokens: int) -> int:
    """Cycles that one kept tile costs: its tokens, or its way through the loader if that is longer.

    Tokens beyond the accumulators' depth go through in nearly equal parts, a tile load for each.
    """
    chunks = -(-tokens // config.acc_depth)
    parts = [tokens * (i + 1) // chunks - tokens * i // chunks for i in range(chunks)]
    return sum(max(part, config.block_lines + 1) for part in parts)
