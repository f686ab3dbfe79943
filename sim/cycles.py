"""The cycle model: cycles of every instruction from shapes, kept tiles and live tokens alone.

It follows the units of the core event by event, not cycle by cycle: when the loader takes a run of
lines, when a block starts, when a tile's last result is written. While memory answers at its stated
latency it equals the RTL to the cycle, which the tests hold it to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hw.config import ArrayConfig
from hw.ir import Linear, Network
from hw.program.isa import MODES, OPCODES, TABLE_BYTES, instruction_bytes, tile_head_bytes
from hw.program.schedule import Kept, Schedule, build_schedule, kept_tiles, tile_order

IntArray = NDArray[np.int64]

_MATMUL, _HOST = OPCODES["MATMUL"], OPCODES["HOST"]
_STREAM, _COLUMNS = MODES["STREAM"], MODES["COLUMNS"]
_FIELDS = (
    "opcode", "mode", "wide", "gelu", "drain", "tokens", "tiles", "depth",
    "in_addr", "in_stride", "w_stride", "out_addr", "out_stride", "w_addr", "valid",
)  # fmt: skip
_OUTPUT_STAGES = 5
_SLOTS = 4


@dataclass(frozen=True)
class NetworkCycles:
    """Cycles of a network on one geometry."""

    total: int
    by_step: tuple[int, ...]
    """Cycles of each step of the schedule, in order."""
    by_op: dict[str, int]
    """Cycles of each array operation, by name."""


# Functions under @njit are typed by numba, for every kind of array they meet.


@njit(cache=True)
def _pop(lines, t, state, pops, geometry):  # type: ignore[no-untyped-def]
    """Take `lines` lines from the stream, none before cycle `t`; return the cycle after the last.

    Within a burst beats arrive every cycle, so only its first line taken can have to wait.

    `state`: 0 line of the stream, 1 burst last asked for, 2 its request cycle, 3 the cycle its
    first beat arrives. `pops`: the cycle in which each of the last bursts was used up.
    """
    beat_log, burst_log, fifo_bursts, latency = geometry[0], geometry[1], geometry[2], geometry[3]
    line = state[0]
    end = line + lines
    while line < end:
        burst = line >> (beat_log + burst_log)
        while state[1] < burst:
            state[1] += 1
            request = state[2] + 1
            if state[1] >= fifo_bursts:
                request = max(request, pops[state[1] & (fifo_bursts - 1)] + 1)
            state[3] = max(request + latency, state[3] + (1 << burst_log))
            state[2] = request
        beat = (line >> beat_log) & ((1 << burst_log) - 1)
        t = max(t, state[3] + beat + 1)
        burst_end = (burst + 1) << (beat_log + burst_log)
        taken = min(end, burst_end) - line
        t += taken
        line += taken
        if line == burst_end:
            pops[burst & (fifo_bursts - 1)] = t - 1
    state[0] = end
    return t


@njit(cache=True)
def _count_blocks(kept):  # type: ignore[no-untyped-def]
    """Kept blocks of every output tile, from (input tiles, output tiles)."""
    counts = np.zeros(kept.shape[1], np.int64)
    for row in range(kept.shape[0]):
        for column in range(kept.shape[1]):
            counts[column] += kept[row, column]
    return counts


@njit(cache=True)
def _block_indices(kept, order):  # type: ignore[no-untyped-def]
    """Input tiles of all kept blocks, output tile after output tile in `order`."""
    indices = np.empty(kept.size, np.int64)
    position = 0
    for column in order:
        for row in range(kept.shape[0]):
            if kept[row, column]:
                indices[position] = row
                position += 1
    return indices[:position]


@njit(cache=True)
def _clear_of(first, last, ranges, t):  # type: ignore[no-untyped-def]
    """The first cycle from `t` on in which no result due in words [first, last) is pending."""
    for slot in range(_SLOTS):
        if first < ranges[slot, 1] and ranges[slot, 0] < last:
            t = max(t, ranges[slot, 2] + 1)
    return t


@njit(cache=True)
def _evaluate(instructions, tile_start, blocks, geometry):  # type: ignore[no-untyped-def]
    """Last cycle of every instruction, counted from 0.

    Args:
        instructions: (n, fields) as in `_FIELDS`
        tile_start: (n, 2) position of the instruction's first tile in `blocks`' offsets
        blocks: offsets of every stream tile, its kept input tiles, its place in the output
        geometry: see `CycleModel`
    """
    offsets, kept, places = blocks
    rows, cols = geometry[4], geometry[5]
    instr_lines, table_lines = geometry[6], geometry[7]
    param_lines, block_lines = geometry[8], geometry[9]
    in_slices, out_slices = max(cols // rows, 1), max(rows // cols, 1)
    count = instructions.shape[0]
    ends = np.zeros(count, np.int64)
    state = np.array([0, -1, -1, -(1 << 40)], np.int64)
    pops = np.zeros(geometry[2], np.int64)
    ranges = np.zeros((_SLOTS, 3), np.int64)  # first word, end, cycle of the last write, by slot
    ranges[:, 2] = -1
    banks = np.full(2, -1, np.int64)  # cycle of the last write of its tile
    bank = 0
    t = 0  # the loader's next cycle
    taken = -(1 << 40)  # cycle the last item was taken
    stream_end = -1  # last cycle of the last token
    closed = -1  # cycle in which the last draining instruction ended
    gelu_freed = -1
    output_end = -1  # cycle of the last read of the accumulators
    written = -1  # cycle of the last write of all
    tile_number = 0
    for i in range(count):
        opcode, mode, wide, gelu = (
            instructions[i, 0], instructions[i, 1], instructions[i, 2], instructions[i, 3],
        )  # fmt: skip
        drain, tokens, tiles, depth = (
            instructions[i, 4], instructions[i, 5], instructions[i, 6], instructions[i, 7],
        )  # fmt: skip
        in_addr, in_stride, w_stride = (
            instructions[i, 8], instructions[i, 9], instructions[i, 10],
        )  # fmt: skip
        out_addr, out_stride, w_addr, valid = (
            instructions[i, 11], instructions[i, 12], instructions[i, 13], instructions[i, 14],
        )  # fmt: skip
        t = _pop(instr_lines, t, state, pops, geometry) + 1
        if opcode != _MATMUL:
            t = max(t, taken + 1) + 1
            idle = max(max(t, stream_end + 1), max(written + 1, closed + 1))
            taken = idle + 1 if opcode == _HOST else idle
            ends[i] = taken
            continue
        if gelu:
            t = _pop(table_lines, max(t, gelu_freed + 1), state, pops, geometry)
        for tile in range(tiles):
            slot = tile_number % _SLOTS
            tile_number += 1
            t = _pop(1, max(t, ranges[slot, 2] + 1), state, pops, geometry)
            t = _pop(param_lines, t, state, pops, geometry)
            position = tile_start[i] + tile
            tile_blocks, place = depth, tile
            if mode == _STREAM:
                tile_blocks = offsets[position + 1] - offsets[position]
                place = places[position]
            first_word = out_addr + place // out_slices * out_stride * (1 + wide)
            end_word = first_word + tokens + wide * out_stride
            done = 0
            for block in range(max(tile_blocks, 1)):
                empty = tile_blocks == 0
                index = block
                if empty:
                    t = max(t, taken + 1) + 1
                elif mode == _STREAM:
                    index = kept[offsets[position] + block]
                    t = _pop(1, t, state, pops, geometry)
                    t = _pop(block_lines, max(t, taken + 1), state, pops, geometry)
                else:
                    t = max(t + 1, taken + 1)
                    if mode == _COLUMNS:
                        t = max(t, taken + rows)
                        first = w_addr + block // in_slices * w_stride + tile * cols
                        last = first + min(cols, valid - tile * cols)
                        t = _clear_of(first, last, ranges, t) + cols
                    else:
                        first = w_addr + tile // out_slices * w_stride + block * rows
                        last = first + min(rows, valid - block * rows)
                        t = _clear_of(first, last, ranges, t) + rows
                take = max(t, closed + 1)
                take = max(take, stream_end + 1 if empty else stream_end)
                if block == 0 and not empty:
                    take = max(take, banks[bank] + 1)
                if not empty:
                    first = in_addr + index // in_slices * in_stride
                    take = _clear_of(first, first + tokens, ranges, take)
                taken = take
                if block == 0:
                    ranges[slot, 0], ranges[slot, 1] = first_word, end_word
                    ranges[slot, 2] = 1 << 60
                if empty:
                    done = take + 1
                else:
                    stream_end = take + tokens
                    done = stream_end + rows + 3
            output_end = max(done, output_end) + tokens * (1 + wide)
            written = output_end + _OUTPUT_STAGES
            ranges[slot, 2] = written
            if tile_blocks:
                banks[bank] = written
                bank ^= 1
            if gelu:
                gelu_freed = written
        last = max(stream_end, taken)
        if drain:
            closed = max(max(stream_end + 1, written + 1), taken + 1)
            last = closed
        ends[i] = last
    return ends


class CycleModel:
    """Cycles of one network on one geometry, for any choice of kept tiles.

    Args:
        network: gives operations and shapes; its weights are not read.
        config: the geometry.
    """

    def __init__(self, network: Network, config: ArrayConfig) -> None:
        self.config = config
        self.schedule: Schedule = build_schedule(network, config)
        line = config.line_bytes
        self._geometry = np.array(
            [
                config.lines_per_beat.bit_length() - 1,
                config.burst_beats.bit_length() - 1,
                config.fifo_beats // config.burst_beats,
                config.mem_latency,
                config.rows,
                config.cols,
                instruction_bytes(config) // line,
                TABLE_BYTES // line,
                tile_head_bytes(config) // line - 1,
                config.block_lines,
            ],
            np.int64,
        )
        instructions = self.schedule.instructions
        self._instructions = np.array(
            [[getattr(i, name) for name in _FIELDS] for i in instructions], np.int64
        )
        self._step_ends = np.cumsum([len(s.instructions) for s in self.schedule.steps]) - 1
        self._array_steps = [
            (number, network.ops[step.ops[0]].name)
            for number, step in enumerate(self.schedule.steps)
            if step.on_array
        ]
        steps = {number: step for step in self.schedule.steps for number in step.ops}
        self._first = {
            op.name: steps[number].instructions[0]
            for number, op in enumerate(network.ops)
            if isinstance(op, Linear)
        }
        tiles = [first.tiles for first in self._first.values()]
        start = dict(zip(self._first, np.cumsum([0, *tiles]), strict=False))
        self._tile_start = np.array(
            [
                start.get(network.ops[step.ops[0]].name, 0) if step.ops else 0
                for step in self.schedule.steps
                for _ in step.instructions
            ],
            np.int64,
        )

    def evaluate(self, kept: dict[str, Kept]) -> NetworkCycles:
        """Cycles with these tiles kept.

        Args:
            kept: (input tiles, output tiles) of every linear layer.
        """
        counts, indices, places = [np.zeros(1, np.int64)], [], []
        for name, first in self._first.items():
            blocks = _count_blocks(kept[name])
            order = tile_order(blocks, first, self.config)
            counts.append(blocks[order])
            indices.append(_block_indices(kept[name], order))
            places.append(order)
        offsets = np.cumsum(np.concatenate(counts))
        ends = _evaluate(
            self._instructions,
            self._tile_start,
            (offsets, np.concatenate(indices), np.concatenate(places)),
            self._geometry,
        )
        at_step = ends[self._step_ends] + 1
        by_step = np.diff(at_step, prepend=0)
        return NetworkCycles(
            total=int(at_step[-1]),
            by_step=tuple(int(c) for c in by_step),
            by_op={name: int(by_step[number]) for number, name in self._array_steps},
        )


def network_cycles(network: Network, config: ArrayConfig) -> NetworkCycles:
    """Cycles of a quantized network, its kept tiles being those with a weight other than zero."""
    model = CycleModel(network, config)
    return model.evaluate(kept_tiles(network, model.schedule))


def tile_cycles(config: ArrayConfig, tokens: int) -> int:
    """Cycles that one kept tile costs: its tokens, or its way through the loader if that is longer.

    Tokens beyond the accumulators' depth go through in nearly equal parts, a tile load for each.
    """
    chunks = -(-tokens // config.acc_depth)
    parts = [tokens * (i + 1) // chunks - tokens * i // chunks for i in range(chunks)]
    return sum(max(part, config.block_lines + 1) for part in parts)
