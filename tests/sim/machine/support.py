"""The machine that most tests share, and programs with a changed instruction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hw.config import ArrayConfig
from hw.ir import Network
from hw.program.compiler import Program
from hw.program.disassembler import disassemble
from hw.program.isa import OPCODES, encode


def small(rows: int, cols: int, **fields: Any) -> ArrayConfig:
    """A machine with small memories."""
    return ArrayConfig(rows=rows, cols=cols, acc_depth=32, act_words=16384, **fields)


CONFIG = small(4, 4)
"""Also the one of the command lines' tests: they share a build."""


def with_instruction(program: Program, number: int, **fields: int) -> Program:
    """The program with one instruction changed; results are expected at its new address."""
    schedule = program.schedule
    decoded = list(disassemble(program.stream.tobytes(), schedule.config))[number]
    entry = schedule.entries[number]
    instruction = replace(entry.instruction, **fields)
    words = np.array(encode(instruction), "<u4").view(np.uint8)
    stream = program.stream.copy()
    stream[decoded.offset : decoded.offset + words.size] = words
    moved = replace(entry.instruction, out_addr=instruction.out_addr)
    changed = replace(entry, instruction=moved)
    entries = (*schedule.entries[:number], changed, *schedule.entries[number + 1 :])
    return replace(program, stream=stream, schedule=replace(schedule, entries=entries))


def first_of(network: Network, program: Program, operation: str, opcode: str) -> int:
    """The first instruction of an operation with this opcode."""
    return next(
        entry.instruction.id
        for entry in program.schedule.entries
        if entry.op is not None
        and network.ops[entry.op].name == operation
        and entry.instruction.opcode == OPCODES[opcode]
    )


def without_end(program: Program) -> Program:
    """The program up to its last instruction, in whole beats."""
    config = program.schedule.config
    *_, end = disassemble(program.stream.tobytes(), config)
    whole = end.offset // config.mem_bytes * config.mem_bytes
    return replace(program, stream=program.stream[:whole])
