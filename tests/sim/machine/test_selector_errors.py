"""A wrong instruction of a token selector, or on the tokens it leaves, stops the machine."""

from __future__ import annotations

from functools import cache

import pytest

from hw.ir import Network
from hw.program.compiler import Program, compile_network
from hw.program.isa import ERRORS, OPCODES
from sim.benches.random_network import IntArray, Shape, random_network
from sim.machine.run import Case, Outcome, run_cases
from tests.sim.machine.support import CONFIG, first_of, with_instruction

FAR = 1 << 20
"""A word that no memory has."""
SELECT, MIX = "selectors.0.select", "selectors.0.mix"

CHANGES: dict[str, tuple[str, str, str, dict[str, int]]] = {
    "live tokens before a score": ("ILLEGAL", "embed", "MATMUL", {"live": 1}),
    "score without tokens": ("ILLEGAL", SELECT, "SCORE", {"tokens": 0}),
    "score of too many tokens": ("ILLEGAL", SELECT, "SCORE", {"tokens": CONFIG.acc_depth + 1}),
    "selection without rows": ("ILLEGAL", SELECT, "SELECT", {"rows": 0}),
    "more live tokens than there is room for": ("ILLEGAL", "norm1", "LAYERNORM", {"tokens": 1}),
    "product of more tokens than there is room for": ("ILLEGAL", "qkv", "MATMUL", {"tokens": 1}),
    "keep values behind the sums": ("ADDRESS", SELECT, "SCORE", {"operand": FAR}),
    "weights of the heads behind the residual": ("ADDRESS", SELECT, "SCORE", {"in_addr": FAR}),
    "kept tokens behind the residual": ("ADDRESS", SELECT, "SELECT", {"out_addr": FAR}),
    "common token behind its memory": ("ADDRESS", MIX, "MATMUL", {"w_addr": FAR}),
}
"""By what is wrong: the error, operation, opcode and fields of an instruction."""
LONELY = "selection without a score"


@cache
def compiled() -> tuple[Network, Program, dict[str, IntArray]]:
    shape = Shape(tokens=9, prefix=1, selectors=(0,), density=1.0)
    network, tensors = random_network(shape)
    return network, compile_network(network, CONFIG), tensors


def number_of(operation: str, opcode: str) -> int:
    network, program, _ = compiled()
    return first_of(network, program, operation, opcode)


@cache
def outcomes() -> dict[str, Outcome]:
    network, program, tensors = compiled()
    programs = {
        name: with_instruction(program, number_of(operation, opcode), **fields)
        for name, (_, operation, opcode, fields) in CHANGES.items()
    }
    score = number_of(SELECT, "SCORE")
    programs[LONELY] = with_instruction(program, score, opcode=OPCODES["ADD"])
    programs["right"] = program
    found = run_cases([Case(network, changed, tensors) for changed in programs.values()])
    return dict(zip(programs, found, strict=True))


@pytest.mark.parametrize("name", CHANGES)
def test_wrong_instruction_ends_with_its_error(name: str) -> None:
    error = outcomes()[name].error
    assert error is not None
    assert error.code == ERRORS[CHANGES[name][0]]


@pytest.mark.parametrize("name", [name for name, change in CHANGES.items() if "ILL" in change[0]])
def test_illegal_instruction_is_named(name: str) -> None:
    error = outcomes()[name].error
    assert error is not None
    assert error.id == number_of(*CHANGES[name][1:3])


def test_selection_needs_a_score_right_before_it() -> None:
    error = outcomes()[LONELY].error
    assert error is not None
    assert (error.code, error.id) == (ERRORS["ILLEGAL"], number_of(SELECT, "SELECT"))


def test_machine_runs_the_right_program() -> None:
    right = outcomes()["right"]
    assert (right.error, right.difference) == (None, None)
