"""Instructions survive encoding; the RTL package says the same as Python."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.program.isa import (
    ERROR_MEANINGS,
    ERRORS,
    INSTRUCTION_WORDS,
    MATMUL_FIELDS,
    OPCODES,
    TILE_FIELDS,
    VECTOR_FIELDS,
    VECTOR_OPCODES,
    Field,
    Instruction,
    decode,
    decode_tile,
    encode,
    encode_tile,
    fields_of,
    systemverilog_package,
)


@st.composite
def instructions(draw: st.DrawFn) -> Instruction:
    opcode = draw(st.sampled_from(sorted(OPCODES.values())))
    values = {
        field.name: draw(st.integers(0, (1 << field.width) - 1))
        for field in fields_of(opcode)
        if field.name != "opcode"
    }
    return Instruction(opcode, **values)


@given(instructions())
def test_instruction_comes_back(instruction: Instruction) -> None:
    assert decode(encode(instruction)) == instruction


@given(instructions())
def test_words_have_32_bits(instruction: Instruction) -> None:
    words = encode(instruction)
    assert len(words) == INSTRUCTION_WORDS
    assert all(0 <= word < 1 << 32 for word in words)


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_tile_header_comes_back(blocks: int, place: int) -> None:
    assert decode_tile(encode_tile(blocks, place)) == (blocks, place)


@pytest.mark.parametrize("opcode", OPCODES.values(), ids=list(OPCODES))
def test_value_too_large_for_its_field_is_refused(opcode: int) -> None:
    for field in fields_of(opcode):
        if field.name == "opcode":
            continue
        with pytest.raises(ValueError, match=f"{field.name}={1 << field.width} does not fit"):
            encode(Instruction(opcode, **{field.name: 1 << field.width}))


@pytest.mark.parametrize("fields", [MATMUL_FIELDS, VECTOR_FIELDS, TILE_FIELDS])
def test_fields_do_not_overlap(fields: tuple[Field, ...]) -> None:
    bits = [(f.word, bit) for f in fields for bit in range(f.lsb, f.lsb + f.width)]
    assert len(bits) == len(set(bits))
    assert all(bit < 32 for _, bit in bits)


@pytest.mark.parametrize("name", OPCODES)
def test_each_opcode_goes_to_one_unit(name: str) -> None:
    instruction = Instruction(OPCODES[name])
    assert instruction.is_matmul == (name == "MATMUL")
    assert instruction.is_vector == (name not in ("MATMUL", "LOAD", "END"))


def test_no_opcode_is_zero() -> None:
    """Lines of zeros between instructions are skipped."""
    assert 0 not in OPCODES.values()
    assert set(VECTOR_OPCODES) < set(OPCODES.values())


def test_epsilon_joins_its_two_fields() -> None:
    assert Instruction(OPCODES["LAYERNORM"], second_stride=3, operand=5).epsilon == (3 << 32) + 5


def test_every_error_has_a_code_and_a_meaning() -> None:
    assert set(ERRORS) == set(ERROR_MEANINGS)
    assert 0 not in ERRORS.values()
    assert len(set(ERRORS.values())) == len(ERRORS)


@pytest.mark.parametrize(
    ("name", "fields"), [("instr_t", MATMUL_FIELDS), ("vector_t", VECTOR_FIELDS)]
)
def test_package_places_every_field(name: str, fields: tuple[Field, ...]) -> None:
    """The struct's members, from the top bit down, fill an instruction."""
    body = re.search(rf"typedef struct packed {{([^}}]*)}} {name};", systemverilog_package())
    assert body
    top, found = 32 * INSTRUCTION_WORDS, {}
    for high, member in re.findall(r"logic \[(\d+):0\] (\w+);", body[1]):
        top -= int(high) + 1
        found[member] = (top, int(high) + 1)
    assert top == 0
    expected = {f.name: (32 * f.word + f.lsb, f.width) for f in fields}
    assert {key: found[key] for key in expected} == expected
