"""Activity counts: by hand on small instructions, and against the bytes of a program."""

from __future__ import annotations

import numpy as np
import pytest

from hw.config import ArrayConfig
from hw.program.compiler import compile_network
from hw.program.disassembler import disassemble
from hw.program.isa import MODES, OPCODES, Instruction
from sim.activity import (
    END,
    Activity,
    load_activity,
    matmul_activity,
    operation_activities,
    vector_activity,
)
from sim.benches.random_network import Shape, random_network

CONFIG = ArrayConfig(rows=4, cols=4, mem_bytes=4, acc_depth=32, act_words=4096, wide_words=4096)
PRODUCT = Instruction(OPCODES["MATMUL"], tokens=10, tiles=2)


def test_product_works_on_kept_blocks_only() -> None:
    found = matmul_activity(PRODUCT, (3, 0), CONFIG)
    assert found.macs == 3 * 16 * 10
    assert found.features_read == 3 * 10 * 32
    assert found.accumulator_written == 3 * 10 * 4 * 32
    assert found.weight_bytes == 3 * 16


def test_sums_are_read_for_every_block_and_once_for_the_result() -> None:
    assert matmul_activity(PRODUCT, (3, 1), CONFIG).accumulator_read == (4 + 2) * 10 * 4 * 32


def test_tile_without_blocks_adds_nothing_and_writes_its_results() -> None:
    found = matmul_activity(PRODUCT, (0, 0), CONFIG)
    assert found.accumulator_written == found.macs == 0
    assert found.features_written == 2 * 10 * 4 * 8


def test_wide_results_are_written_to_the_sums() -> None:
    wide = Instruction(OPCODES["MATMUL"], tokens=10, tiles=2, wide=1, normal=1)
    found = matmul_activity(wide, (1, 1), CONFIG)
    assert (found.features_written, found.sums_written) == (0, 2 * 10 * 4 * 16)
    assert (found.features_read, found.normal_read) == (0, 2 * 10 * 32)


@pytest.mark.parametrize("mode", ["ROWS", "COLUMNS"])
def test_weights_from_memory_are_no_bytes_of_the_program(mode: str) -> None:
    i = Instruction(OPCODES["MATMUL"], mode=MODES[mode], tokens=10, tiles=2, depth=3)
    found = matmul_activity(i, (3, 3), CONFIG)
    assert found.weight_bytes == 0
    assert found.operand_read == 6 * 4 * 32


def test_addition_reads_both_operands_once() -> None:
    i = Instruction(OPCODES["ADD"], tokens=10, rows=3, second=1, write=1)
    found = vector_activity(i, CONFIG)
    words = 10 * 3 * 4 * 16
    assert found.residual_read == found.sums_read == found.residual_written == words
    assert (found.lane_adds, found.lane_products, found.state_written) == (10 * 3 * 4, 0, 0)


def test_addition_for_a_layer_norm_squares_and_keeps_sums() -> None:
    i = Instruction(OPCODES["ADD"], tokens=10, rows=3, stats=1)
    found = vector_activity(i, CONFIG)
    assert (found.residual_written, found.lane_products) == (0, 10 * 3 * 4)
    assert found.state_written == found.state_read == 10 * 3 * (28 + 44)


def test_softmax_reads_scores_three_times() -> None:
    i = Instruction(OPCODES["SOFTMAX"], sums=1, tokens=10, rows=3)
    found = vector_activity(i, CONFIG)
    assert found.sums_read == 3 * 10 * 3 * 4 * 16
    assert found.normal_written == 10 * 3 * 4 * 8


def test_layer_norm_takes_its_parameters_from_the_program() -> None:
    i = Instruction(OPCODES["LAYERNORM"], tokens=10, rows=3)
    found = vector_activity(i, CONFIG)
    assert found.norm_written == 8 * 3 * 4 * 6
    assert found.metadata_bytes == 32 + 3 * 4 * 6
    assert found.normal_written == 10 * 3 * 4 * 8


def test_narrow_vector_unit_reads_a_word_for_each_of_its_slices() -> None:
    wide = ArrayConfig(rows=16, cols=16, lanes=4)
    i = Instruction(OPCODES["ADD"], tokens=10, rows=3, write=1)
    found = vector_activity(i, wide)
    assert found.residual_read == 4 * found.residual_written == 4 * 10 * 3 * 16 * 16


def test_store_brings_the_result_to_dram() -> None:
    i = Instruction(OPCODES["STORE"], sums=1, tokens=2, rows=3)
    assert vector_activity(i, CONFIG).result_bytes == 2 * 3 * 4 * 2


def test_loaded_words_are_written_once() -> None:
    found = load_activity(Instruction(OPCODES["LOAD"], wide=1, operand=5), CONFIG)
    assert found.residual_written == 5 * 4 * 16
    assert found.metadata_bytes == 32 + 5 * 4 * 2


def test_bytes_are_those_of_the_compiled_program() -> None:
    network, _ = random_network(Shape(tokens=37))
    program = compile_network(network, CONFIG)
    found = operation_activities(network, program.schedule, program.kept)
    decoded = list(disassemble(program.stream.tobytes(), CONFIG))
    total = sum(found.values(), Activity())
    assert total.weight_bytes == sum(entry.weight_bytes for entry in decoded)
    assert total.metadata_bytes == sum(entry.metadata_bytes for entry in decoded)
    assert total.image_bytes == program.image_beats * CONFIG.mem_bytes


def test_every_operation_has_its_activity() -> None:
    network, _ = random_network(Shape())
    program = compile_network(network, CONFIG)
    found = operation_activities(network, program.schedule, program.kept)
    assert list(found) == [*(op.name for op in network.ops), END]
    assert all(activity != Activity() for activity in found.values())


def test_removed_blocks_leave_other_operations_as_they_are() -> None:
    network, _ = random_network(Shape())
    program = compile_network(network, CONFIG)
    kept = dict(program.kept)
    kept["fc1"] = np.zeros_like(kept["fc1"])
    before = operation_activities(network, program.schedule, program.kept)
    after = operation_activities(network, program.schedule, kept)
    assert [name for name in before if before[name] != after[name]] == ["fc1"]
    assert after["fc1"].macs == 0
