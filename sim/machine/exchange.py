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
from hw.program.isa import OPCODES
from hw.program.layout import Placement
from hw.program.schedule import Entry, tile_order

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


def array_writes(network: Network, program: Program) -> Iterator[Writes]:
    """What the output stage writes."""
    config = program.schedule.config
    slices = config.word_bytes // config.cols
    for entry in program.schedule.entries:
        instruction = entry.instruction
        if not instruction.is_matmul:
            continue
        assert entry.op is not None
        op = network.ops[entry.op]
        places = np.arange(instruction.tiles)
        if isinstance(op, Linear):
            blocks = program.kept[op.name].sum(axis=0)[np.asarray(entry.tiles)]
            places = tile_order(blocks, instruction, config)
        rows = tuple(
            (
                instruction.out_addr + int(place) // slices * instruction.out_stride,
                entry.first_row + int(place) // slices,
                int(place) % slices,
            )
            for place in places
        )
        yield Writes(entry, rows, instruction.tokens)


def vector_writes(program: Program) -> Iterator[Writes]:
    """What the vector unit writes."""
    config = program.schedule.config
    slices = config.word_bytes // config.vector_lanes
    for entry in program.schedule.entries:
        instruction = entry.instruction
        if not instruction.is_vector or entry.output is None:
            continue
        if instruction.opcode == OPCODES["ADD"] and not instruction.write:
            continue
        rows = tuple(
            (instruction.out_addr + row * instruction.out_stride, entry.first_row + row, part)
            for row in range(instruction.rows)
            for part in range(slices)
        )
        mean = instruction.opcode == OPCODES["MEAN"]
        yield Writes(entry, rows, 1 if mean else instruction.tokens)


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
    images: dict[str, NDArray[np.integer[Any]]] = {}
    with replacing(path) as temporary, temporary.open("wb") as file:
        for writes in all_writes:
            name = writes.entry.output
            assert name is not None
            placement = program.schedule.placements[name]
            if writes.entry.copies is not None:
                words = placement.to_rows(tensors[writes.entry.copies], config.word_bytes)
            else:
                if name not in images:
                    images[name] = placement.to_rows(
                        tensors[name], config.word_bytes, padding.get(name, 0)
                    )
                words = images[name]
            file.write(_records(writes, placement, words, lanes).tobytes())


def write_case(
    folder: Path, number: int, network: Network, program: Program, tensors: Tensors
) -> None:
    """Write the files of one image.

    Args:
        tensors: every tensor by name, (tokens, features), from `sim.reference.execute`.
    """
    config: ArrayConfig = program.schedule.config
    memory = np.zeros(program.base + program.stream.size, np.uint8)
    record = program.image_record(tensors[Network.INPUT].astype(np.int8), Network.INPUT)
    memory[: record.size] = record
    memory[program.base :] = program.stream
    with replacing(folder / f"{number}.memory") as path:
        beats = memory.reshape(-1, config.mem_bytes)
        path.write_bytes(np.ascontiguousarray(beats[:, ::-1]).tobytes())
    for name, writes, lanes in (
        ("array", array_writes(network, program), config.cols),
        ("vector", vector_writes(program), config.vector_lanes),
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
