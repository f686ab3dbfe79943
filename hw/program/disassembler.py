"""From the bytes of a program back to its instructions, tiles and blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.program.isa import (
    INSTRUCTION_WORDS,
    MODES,
    OPCODES,
    TABLE_BYTES,
    Instruction,
    data_bytes,
    decode,
    decode_tile,
    instruction_bytes,
    tile_head_bytes,
)

_OPCODE_NAMES = {value: name for name, value in OPCODES.items()}
_MODE_NAMES = {value: name for name, value in MODES.items()}
_MATMUL_FLAGS = ("gelu", "wide", "normal", "common_normal", "live")
_VECTOR_FLAGS = ("sums", "wide", "write", "stats", "fresh", "live")


@dataclass(frozen=True)
class Decoded:
    """One instruction and everything in the stream up to the next one."""

    offset: int
    """Its first byte."""
    instruction: Instruction
    blocks: tuple[int, ...]
    """Weight tiles of each output tile: those in the stream, or those read from memory."""
    weight_bytes: int
    """Payload of the blocks in the stream."""
    metadata_bytes: int
    """Everything else: the instruction, tables, headers, biases and scales, words to load."""


def disassemble(data: bytes, config: ArrayConfig) -> Iterator[Decoded]:
    """Decode a program from its first instruction to its END.

    Raises:
        UserError: when the bytes are no program for this geometry.
    """
    line = config.line_bytes
    position = 0
    while True:
        offset = position
        words = _words(data, position, INSTRUCTION_WORDS)
        instruction = decode(words)
        if instruction.opcode not in _OPCODE_NAMES or instruction.mode not in _MODE_NAMES:
            raise UserError(f"program: no instruction at byte {position}; compile it again")
        position += instruction_bytes(config) + instruction.gelu * TABLE_BYTES
        position += data_bytes(instruction, config)
        blocks = [0] * instruction.tiles
        streamed = instruction.mode == MODES["STREAM"]
        for tile in range(instruction.tiles):
            count, place = decode_tile(_words(data, position, 1)[0])
            if streamed and place >= instruction.tiles:
                raise UserError(f"program: no output tile at byte {position}; compile it again")
            blocks[place if streamed else tile] = count
            position += tile_head_bytes(config) + streamed * count * (line + config.pes)
        weight_bytes = streamed * sum(blocks) * config.pes
        metadata_bytes = position - offset - weight_bytes
        yield Decoded(offset, instruction, tuple(blocks), weight_bytes, metadata_bytes)
        if instruction.opcode == OPCODES["END"]:
            return


def _words(data: bytes, position: int, count: int) -> list[int]:
    if position + 4 * count > len(data):
        raise UserError(f"program: cut short after {len(data)} bytes; compile it again")
    return [int(word) for word in np.frombuffer(data, "<u4", count, position)]


def listing(program: Sequence[Decoded], names: Sequence[str]) -> Iterator[str]:
    """The program as text, a line an instruction.

    Args:
        names: what each instruction works for.
    """
    yield (
        f"{'id':>5} {'offset':>9} {'opcode':10}{'mode':8}{'tokens':>6} {'tiles':>5} {'blocks':>6} "
        f"{'in':>7} {'second':>8} {'out':>8} {'bytes':>9}  operation"
    )
    for entry, name in zip(program, names, strict=True):
        yield f"{_line(entry)}  {name}"


def _line(entry: Decoded) -> str:
    i = entry.instruction
    size = entry.weight_bytes + entry.metadata_bytes
    if i.is_matmul:
        mode, second = _MODE_NAMES[i.mode], str(i.w_addr) if i.depth else ""
        counts = f"{i.tokens:6} {i.tiles:5} {sum(entry.blocks):6}"
        flags = [name for name in _MATMUL_FLAGS if getattr(i, name)]
        if i.mode == MODES["STREAM"] and i.depth:
            flags.append(f"common={i.depth}")
    else:
        mode, second = "", str(i.operand) if i.second or i.opcode == OPCODES["SCORE"] else ""
        counts = f"{i.tokens:6} {i.rows:5} {'':6}" if i.rows else " " * 19
        flags = [name for name in _VECTOR_FLAGS if getattr(i, name)]
        if i.opcode == OPCODES["SCORE"]:
            flags += [f"threshold={i.threshold}", f"prefix={i.first_token}"]
    places = f"{i.in_addr:7} {second:>8} {i.out_addr:8}" if i.tokens or i.operand else " " * 25
    return (
        f"{i.id:5} {entry.offset:9} {_OPCODE_NAMES[i.opcode]:10}{mode:8}{counts} {places} {size:9}"
        + (f"  [{' '.join(flags)}]" if flags else "")
    )
