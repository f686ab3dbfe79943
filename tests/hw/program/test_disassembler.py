"""The disassembler reads back what the compiler wrote."""

from __future__ import annotations

from typing import Any

import pytest

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import Linear
from hw.program.compiler import Program, compile_network
from hw.program.disassembler import disassemble, listing
from sim.benches.random_network import Shape, random_network

CONFIGS = {
    "4x4": ArrayConfig(rows=4, cols=4, acc_depth=16, act_words=16384),
    "8x16": ArrayConfig(rows=8, cols=16, acc_depth=16, act_words=16384, mem_bytes=4),
    "16x8": ArrayConfig(rows=16, cols=8, acc_depth=16, act_words=16384, mem_bytes=32),
}


def compiled(config: ArrayConfig) -> tuple[Any, Program]:
    network, _ = random_network(Shape(tokens=19, block=(config.cols, config.rows)))
    return network, compile_network(network, config)


@pytest.fixture(params=CONFIGS.values(), ids=list(CONFIGS))
def config(request: pytest.FixtureRequest) -> ArrayConfig:
    return request.param


def test_every_instruction_comes_back(config: ArrayConfig) -> None:
    _, program = compiled(config)
    found = [entry.instruction for entry in disassemble(program.stream.tobytes(), config)]
    assert found == program.schedule.instructions


def test_weights_and_metadata_cover_the_stream(config: ArrayConfig) -> None:
    _, program = compiled(config)
    entries = list(disassemble(program.stream.tobytes(), config))
    covered = sum(entry.weight_bytes + entry.metadata_bytes for entry in entries)
    assert 0 <= program.stream.size - covered < config.mem_bytes


def test_streamed_blocks_are_the_kept_tiles(config: ArrayConfig) -> None:
    network, program = compiled(config)
    by_id = {e.instruction.id: e for e in disassemble(program.stream.tobytes(), config)}
    for step in program.schedule.steps:
        op = network.ops[step.ops[0]] if step.ops else None
        if isinstance(op, Linear):
            kept = tuple(program.kept[op.name].sum(axis=0).tolist())
            assert all(by_id[i.id].blocks == kept for i in step.instructions)


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
