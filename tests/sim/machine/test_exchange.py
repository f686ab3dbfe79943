"""The writes that the machine is held to cover every tensor."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hw.config import ArrayConfig
from hw.ir import Add, Embed, Network
from hw.program.compiler import Program, compile_network
from hw.program.layout import Memory
from sim.benches.random_network import Shape, random_network
from sim.live import all_live
from sim.machine.exchange import array_writes, read_result, vector_writes
from tests.hw.program.shapes import CONFIGS, SHAPES

UNITS = (array_writes, vector_writes)


def times_written(network: Network, program: Program) -> dict[str, np.ndarray]:
    """How often every feature of every token is written, by tensor: (tokens, features)."""
    schedule = program.schedule
    config, word = schedule.config, schedule.config.word_bytes
    counts: dict[str, Counter[tuple[int, int, int]]] = {}
    of_units = (writes(network, program, all_live(network)) for writes in UNITS)
    for writes in chain.from_iterable(of_units):
        assert writes.entry.output is not None
        found = counts.setdefault(writes.entry.output, Counter())
        for _, row, part in writes.rows:
            for token in range(writes.tokens):
                found[writes.entry.first_token + token, row, part] += 1
    result = {}
    for name, found in counts.items():
        place = schedule.placements[name]
        of_array = place.memory in (Memory.FEATURES, Memory.SUMS)
        lanes = config.cols if of_array else config.vector_lanes
        positions = place.positions(word)
        times = np.zeros((place.tokens, place.features), np.int64)
        for (token, row, part), count in found.items():
            inside = (positions // word == row) & (positions % word // lanes == part)
            times[token, inside] += count
        result[name] = times
    return result


def expected_times(network: Network, program: Program, name: str) -> np.ndarray:
    """Once; twice where two results of the array are added; prefix tokens are loaded."""
    places = program.schedule.placements
    op = next(op for op in network.ops if op.output == name)
    times = np.ones((places[name].tokens, places[name].features), np.int64)
    if isinstance(op, Add) and all(places[i].memory is Memory.SUMS for i in op.inputs):
        times += 1
    if isinstance(op, Embed):
        times[: places[name].tokens - places[op.inputs[0]].tokens] = 0
    return times


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(SHAPES, st.sampled_from(list(CONFIGS.values())))
def test_every_feature_is_written_once(shape: Shape, config: ArrayConfig) -> None:
    network, _ = random_network(shape)
    program = compile_network(network, config)
    found = times_written(network, program)
    assert set(found) == {op.output for op in network.ops}
    for name, times in found.items():
        assert np.array_equal(times, expected_times(network, program, name)), name


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(SHAPES, st.sampled_from(list(CONFIGS.values())))
def test_image_record_is_whole_bursts_before_the_program(shape: Shape, config: ArrayConfig) -> None:
    network, tensors = random_network(shape)
    program = compile_network(network, config)
    record = program.image_record(tensors[Network.INPUT].astype(np.int8), Network.INPUT)
    assert record.size % config.burst_bytes == 0
    assert record.size == program.image_beats * config.mem_bytes <= program.base
    assert program.base + program.stream.size <= program.result_base


def test_result_is_read_from_dram_words(tmp_path: Path) -> None:
    """Words lie `store_bytes` apart, a beat a line, its most significant byte first."""
    network, tensors = random_network(Shape())
    for config in CONFIGS.values():
        program = compile_network(network, config)
        place, expected = program.schedule.placements[network.output], tensors[network.output]
        rows = place.to_rows(expected, config.word_bytes).reshape(-1, config.word_bytes)
        data = np.zeros((len(rows), config.store_bytes // 2), "<i2")
        data[:, : config.word_bytes] = rows
        beats = data.view(np.uint8).reshape(-1, config.mem_bytes)
        path = tmp_path / "0.result"
        path.write_text("".join(f"{beat[::-1].tobytes().hex()}\n" for beat in beats))
        assert np.array_equal(read_result(path, network, program), expected)
