"""Whatever is wrong with a program or the memory, the machine stops and says what."""

from __future__ import annotations

from functools import cache

import pytest

from hw.ir import Network
from hw.program.compiler import Program, compile_network
from hw.program.isa import ERRORS
from sim.benches.random_network import IntArray, Shape, random_network
from sim.machine.run import Case, Conditions, MachineError, Outcome, run_cases
from tests.sim.machine.support import CONFIG, first_of, with_instruction, without_end

FAR = 1 << 20
"""A word that no memory has."""


@cache
def compiled() -> tuple[Network, Program, dict[str, IntArray]]:
    network, tensors = random_network(Shape(tokens=9, prefix=1))
    return network, compile_network(network, CONFIG), tensors


def number_of(operation: str, opcode: str) -> int:
    network, program, _ = compiled()
    return first_of(network, program, operation, opcode)


def wrong_programs() -> dict[str, tuple[str, Program]]:
    """By what is wrong: the error that it must end with, and the program."""
    program = compiled()[1]

    def change(operation: str, kind: str, **fields: int) -> Program:
        return with_instruction(program, number_of(operation, kind), **fields)

    def result_and_reader(first: tuple[str, str], second: tuple[str, str], field: str) -> Program:
        """The result of the first behind its memory, where the second waits for it."""
        moved = with_instruction(program, number_of(*first), out_addr=FAR)
        return with_instruction(moved, number_of(*second), **{field: FAR})

    columns = program.schedule.entries[number_of("scores", "MATMUL")].instruction
    return {
        "unknown opcode": ("ILLEGAL", change("norm1", "LAYERNORM", opcode=200)),
        "matmul without tokens": ("ILLEGAL", change("qkv", "MATMUL", tokens=0)),
        "matmul of mode 3": ("ILLEGAL", change("qkv", "MATMUL", mode=3)),
        "addition without tokens": ("ILLEGAL", change("add1", "ADD", tokens=0)),
        "softmax without rows": ("ILLEGAL", change("softmax", "SOFTMAX", rows=0)),
        "load of nothing": ("ILLEGAL", change("positions", "LOAD", operand=0)),
        "results behind the features": ("ADDRESS", change("qkv", "MATMUL", out_addr=FAR)),
        "results behind the sums": (
            "ADDRESS",
            result_and_reader(("proj", "MATMUL"), ("add1", "ADD"), "operand"),
        ),
        "results behind the normal": (
            "ADDRESS",
            result_and_reader(("norm1", "LAYERNORM"), ("qkv", "MATMUL"), "in_addr"),
        ),
        "results behind the residual": ("ADDRESS", change("add1", "ADD", out_addr=FAR)),
        "tokens behind the features": ("ADDRESS", change("fc2", "MATMUL", in_addr=FAR)),
        "tokens behind the normal": ("ADDRESS", change("qkv", "MATMUL", in_addr=FAR)),
        "operand behind the sums": ("ADDRESS", change("add1", "ADD", operand=FAR)),
        "operand behind the residual": ("ADDRESS", change("add1", "ADD", in_addr=FAR)),
        "weights behind the features": ("ADDRESS", change("scores", "MATMUL", w_addr=FAR)),
        "load behind the residual": ("ADDRESS", change("positions", "LOAD", out_addr=FAR)),
        "address of 32 bits": ("ADDRESS", change("qkv", "MATMUL", in_addr=0xFFFFFFFF)),
        "program without an end": ("CUT", without_end(program)),
        "keys that are its own result": (
            "STUCK",
            change("scores", "MATMUL", wide=0, out_addr=columns.w_addr + columns.w_stride),
        ),
    }


NAMES = (
    "unknown opcode", "matmul without tokens", "matmul of mode 3", "addition without tokens",
    "softmax without rows", "load of nothing", "results behind the features",
    "results behind the sums", "results behind the normal", "results behind the residual",
    "tokens behind the features", "tokens behind the normal", "operand behind the sums",
    "operand behind the residual", "weights behind the features", "load behind the residual",
    "address of 32 bits", "program without an end", "keys that are its own result",
)  # fmt: skip


@cache
def fault_free_cycles() -> int:
    network, program, tensors = compiled()
    return run_cases([Case(network, program, tensors)])[0].total_cycles


def faulty_memories() -> dict[str, tuple[str, Conditions]]:
    """By what is wrong: the error that a right program must end with, and the memory."""
    program, cycles = compiled()[1], fault_free_cycles()
    middle = program.base + program.beats // 2 * CONFIG.mem_bytes
    return {
        "image cannot be read": ("BUS", Conditions(fail_read=0)),
        "program cannot be read": ("BUS", Conditions(fail_read=middle)),
        "result cannot be written": ("BUS", Conditions(fail_write=1)),
        "silent from the start": ("SILENT", Conditions(silent_from=0)),
        "silent in the middle": ("SILENT", Conditions(silent_from=200)),
        "silent while results are stored": (
            "SILENT",
            Conditions(silent_from=cycles - CONFIG.mem_latency // 2),
        ),
        "silent under stalls": ("SILENT", Conditions(stall_percent=30, silent_from=300)),
    }


MEMORIES = (
    "image cannot be read", "program cannot be read", "result cannot be written",
    "silent from the start", "silent in the middle", "silent while results are stored",
    "silent under stalls",
)  # fmt: skip


@cache
def outcomes() -> dict[str, Outcome]:
    """Of all wrong programs and faulty memories."""
    network, program, tensors = compiled()
    cases = {n: Case(network, p, tensors) for n, (_, p) in wrong_programs().items()}
    cases |= {n: Case(network, program, tensors, c) for n, (_, c) in faulty_memories().items()}
    right = {"right": Case(network, program, tensors)}
    found = run_cases([*cases.values(), *right.values()])
    return dict(zip([*cases, *right], found, strict=True))


def reason(outcome: Outcome) -> str:
    """The name of the error; what the checker says when there is none."""
    if outcome.error is None:
        return str(outcome.difference)
    return {code: name for name, code in ERRORS.items()}[outcome.error.code]


@pytest.mark.parametrize("name", NAMES)
def test_wrong_program_ends_with_its_error(name: str) -> None:
    assert reason(outcomes()[name]) == wrong_programs()[name][0]


@pytest.mark.parametrize("name", MEMORIES)
def test_faulty_memory_ends_with_its_error(name: str) -> None:
    assert reason(outcomes()[name]) == faulty_memories()[name][0]


def test_every_error_is_provoked() -> None:
    provoked = {error for error, _ in (wrong_programs() | faulty_memories()).values()}
    assert provoked == set(ERRORS)
    assert set(NAMES) == set(wrong_programs())
    assert set(MEMORIES) == set(faulty_memories())


@pytest.mark.parametrize("name", [n for n in NAMES if "without tokens" in n or "opcode" in n])
def test_illegal_instruction_is_named(name: str) -> None:
    operation, opcode = {
        "unknown opcode": ("norm1", "LAYERNORM"),
        "matmul without tokens": ("qkv", "MATMUL"),
        "addition without tokens": ("add1", "ADD"),
    }[name]
    error = outcomes()[name].error
    assert error is not None
    assert error.id == number_of(operation, opcode)


def test_machine_runs_again_after_errors() -> None:
    right = outcomes()["right"]
    assert (right.error, right.difference) == (None, None)


def test_error_reads_as_a_sentence() -> None:
    assert str(MachineError(ERRORS["CUT"], 7)) == (
        "the machine stopped: a program without an end, while it loaded instruction 7"
    )
