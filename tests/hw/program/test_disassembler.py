"""The disassembler reads back what the compiler wrote."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import Linear
from hw.program.compiler import Program, compile_network
from hw.program.disassembler import disassemble, listing
from hw.program.isa import MODES
from sim.benches.random_network import Shape, random_network
from tests.hw.program.shapes import CONFIGS, SELECTED, SHAPES


def compiled(config: ArrayConfig) -> tuple[Any, Program]:
    shape = Shape(tokens=19, prefix=1, norm_pre=True, block=(config.cols, config.rows))
    network, _ = random_network(shape)
    return network, compile_network(network, config)


@pytest.fixture(params=CONFIGS.values(), ids=list(CONFIGS))
def config(request: pytest.FixtureRequest) -> ArrayConfig:
    return request.param


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.one_of(SHAPES, SELECTED), st.sampled_from(list(CONFIGS.values())))
def test_every_instruction_comes_back(shape: Shape, config: ArrayConfig) -> None:
    program = compile_network(random_network(shape)[0], config)
    found = [entry.instruction for entry in disassemble(program.stream.tobytes(), config)]
    assert found == program.schedule.instructions


def test_weights_and_metadata_cover_the_stream(config: ArrayConfig) -> None:
    _, program = compiled(config)
    entries = list(disassemble(program.stream.tobytes(), config))
    covered = sum(entry.weight_bytes + entry.metadata_bytes for entry in entries)
    assert 0 <= program.stream.size - covered < config.mem_bytes


def test_streamed_blocks_are_the_kept_tiles(config: ArrayConfig) -> None:
    network, program = compiled(config)
    decoded = disassemble(program.stream.tobytes(), config)
    for entry, found in zip(program.schedule.entries, decoded, strict=True):
        op = network.ops[entry.op] if entry.op is not None else None
        if isinstance(op, Linear) and found.instruction.is_matmul:
            assert found.blocks == tuple(program.kept[op.name].sum(axis=0)[list(entry.tiles)])


def test_blocks_from_memory_are_counted(config: ArrayConfig) -> None:
    _, program = compiled(config)
    for found in disassemble(program.stream.tobytes(), config):
        if found.instruction.mode != MODES["STREAM"]:
            assert set(found.blocks) == {found.instruction.depth}
            assert found.weight_bytes == 0


def test_listing_names_every_instruction() -> None:
    _, program = compiled(CONFIGS["4x4"])
    entries = list(disassemble(program.stream.tobytes(), CONFIGS["4x4"]))
    lines = list(listing(entries, [f"operation {i}" for i in range(len(entries))]))
    assert len(lines) == 1 + len(entries)
    assert all(line.endswith(f"operation {i}") for i, line in enumerate(lines[1:]))


def test_cut_program_is_refused() -> None:
    _, program = compiled(CONFIGS["4x4"])
    data = program.stream.tobytes()
    with pytest.raises(UserError, match="cut short"):
        list(disassemble(data[: len(data) // 2], CONFIGS["4x4"]))


def test_bytes_of_another_geometry_are_refused() -> None:
    _, program = compiled(CONFIGS["4x4"])
    with pytest.raises(UserError, match="program"):
        list(disassemble(program.stream.tobytes(), CONFIGS["16x8"]))
