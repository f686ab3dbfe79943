"""The files through which Python and the simulated machine exchange data.

`N.memory` is DRAM: image record, program, room for the result. `N.array` and `N.vector` hold every
write of the array's output stage and of the vector unit, in order. A write is 8 bytes, memory (0
int8, 1 int16), slice of the word, two zeros and the word's address, then its lanes as int16 (int8
values fill the low half, as the machine's lanes do). `N.result` comes back: the words stored, a
beat a line.

All follow `$fread`: the most significant byte of a word comes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.artifacts import replacing
from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import Linear, Network
from hw.program.compiler import Program
from hw.program.isa import OPCODES, Instruction
from hw.program.layout import Placement
from hw.program.schedule import Entry, tile_order
from sim.live import LiveCounts, LiveProgram, counted
from sim.reference import fill_up

Tensors = Mapping[str, NDArray[np.integer[Any]]]


@dataclass(frozen=True)
class Writes:
    """The writes of one instruction, in order: `rows` x `tokens`, a slice of a word each."""

    entry: Entry
    rows: tuple[tuple[int, int, int], ...]
    """(word of the first token, word row of the tensor, slice) of every run of tokens."""
    tokens: int

    @property
    def count(self) -> int:
        return len(self.rows) * self.tokens


def array_writes(network: Network, program: Program, live: LiveCounts) -> Iterator[Writes]:
    """What the output stage writes.

    Args:
        live: the live counts of the image.
    """
    config = program.schedule.config
    slices = config.word_bytes // config.cols
    taken = LiveProgram(network, program.schedule).instructions(live)
    for entry, instruction in zip(program.schedule.entries, taken, strict=True):
        if not instruction.is_matmul:
            continue
        assert entry.op is not None
        op = network.ops[entry.op]
        places = np.arange(instruction.tiles)
        if isinstance(op, Linear):
            blocks = program.kept[op.name].sum(axis=0)[np.asarray(entry.tiles)]
            places = tile_order(blocks, entry.instruction, config)
        rows = tuple(
            (
                instruction.out_addr + int(place) // slices * instruction.out_stride,
                entry.first_row + int(place) // slices,
                int(place) % slices,
            )
            for place in places
        )
        yield Writes(entry, rows, instruction.tokens)


def vector_writes(network: Network, program: Program, live: LiveCounts) -> Iterator[Writes]:
    """What the vector unit writes.

    Args:
        live: the live counts of the image.
    """
    config = program.schedule.config
    slices = config.word_bytes // config.vector_lanes
    taken = LiveProgram(network, program.schedule).instructions(live)
    for entry, instruction in zip(program.schedule.entries, taken, strict=True):
        if not instruction.is_vector or entry.output is None:
            continue
        if instruction.opcode == OPCODES["ADD"] and not instruction.write:
            continue
        rows = tuple(
            (instruction.out_addr + row * instruction.out_stride, entry.first_row + row, part)
            for row in range(instruction.rows)
            for part in range(slices)
        )
        yield Writes(entry, rows, _tokens_written(network, entry, instruction, live))


def _tokens_written(
    network: Network, entry: Entry, instruction: Instruction, live: LiveCounts
) -> int:
    if instruction.opcode == OPCODES["MEAN"]:
        return 1
    if instruction.opcode == OPCODES["SELECT"]:
        assert entry.op is not None
        return live[network.ops[entry.op].name]
    return instruction.tokens


def _records(
    writes: Writes, placement: Placement, words: NDArray[np.integer[Any]], lanes: int
) -> NDArray[np.uint8]:
    """(writes, bytes a record) of one instruction."""
    count, tokens = writes.count, writes.tokens
    records = np.zeros((count, 8 + 2 * lanes), np.uint8)
    records[:, 0] = placement.memory.wide
    first = np.array([row[0] for row in writes.rows])
    address = (first[:, None] + np.arange(tokens)).reshape(-1)
    records[:, 4:8] = address.astype(">u4").view(np.uint8).reshape(-1, 4)
    records[:, 1] = np.repeat([row[2] for row in writes.rows], tokens)
    start = writes.entry.first_token
    values = np.concatenate(
        [
            words[row, start : start + tokens, part * lanes : (part + 1) * lanes]
            for _, row, part in writes.rows
        ]
    )
    values = np.ascontiguousarray(values[:, ::-1].astype(">i2"))
    records[:, 8:] = values.view(np.uint8).reshape(count, -1)
    return records


def _write_records(
    path: Path,
    all_writes: Iterator[Writes],
    lanes: int,
    network: Network,
    program: Program,
    tensors: Tensors,
) -> None:
    config = program.schedule.config
    padding = {
        op.output: int(network.param(op, "table")[128]) for op in network.linears() if op.gelu
    }
    images: dict[tuple[str, bool], NDArray[np.integer[Any]]] = {}
    with replacing(path) as temporary, temporary.open("wb") as file:
        for writes in all_writes:
            name = writes.entry.output
            assert name is not None
            placement = program.schedule.placements[name]
            copied = writes.entry.copies
            source = copied or name
            key = (source, copied is not None)
            if key not in images:
                values = fill_up(tensors[source], network.tensors[source])
                behind = 0 if copied else padding.get(source, 0)
                images[key] = placement.to_rows(values, config.word_bytes, behind)
            words = images[key]
            file.write(_records(writes, placement, words, lanes).tobytes())


def write_case(
    folder: Path, number: int, network: Network, program: Program, tensors: Tensors
) -> None:
    """Write the files of one image.

    Args:
        tensors: every tensor of one image by name, (live tokens, features), from
            `sim.reference.execute`.
    """
    config: ArrayConfig = program.schedule.config
    memory = np.zeros(program.base + program.stream.size, np.uint8)
    record = program.image_record(tensors[Network.INPUT].astype(np.int8), Network.INPUT)
    memory[: record.size] = record
    memory[program.base :] = program.stream
    with replacing(folder / f"{number}.memory") as path:
        beats = memory.reshape(-1, config.mem_bytes)
        path.write_bytes(np.ascontiguousarray(beats[:, ::-1]).tobytes())
    live = counted(network, tensors)
    for name, writes, lanes in (
        ("array", array_writes(network, program, live), config.cols),
        ("vector", vector_writes(network, program, live), config.vector_lanes),
    ):
        _write_records(folder / f"{number}.{name}", writes, lanes, network, program, tensors)


def result_beats(program: Program) -> int:
    """Beats of DRAM that the result takes."""
    config = program.schedule.config
    return program.result_words * config.store_bytes // config.mem_bytes


def read_result(path: Path, network: Network, program: Program) -> NDArray[np.int16]:
    """The network's output as it lies in DRAM: (tokens, features).

    Raises:
        UserError: when the simulator left something else.
    """
    lines = path.read_text().split()
    if len(lines) != result_beats(program):
        raise UserError(f"{path}: {len(lines)} beats, expected {result_beats(program)}")
    data = b"".join(bytes.fromhex(line)[::-1] for line in lines)
    return result_values(data, network, program)


def result_values(data: bytes, network: Network, program: Program) -> NDArray[np.int16]:
    """The network's output, (tokens, features), from the bytes of its words."""
    config = program.schedule.config
    place = program.schedule.placements[network.output]
    words = np.frombuffer(data, "<i2").reshape(-1, config.store_bytes // 2)
    rows = words[:, : config.word_bytes].reshape(place.word_rows, place.tokens, -1)
    padded = rows.transpose(1, 0, 2).reshape(place.tokens, -1)
    return padded[:, place.positions(config.word_bytes)].astype(np.int16)
