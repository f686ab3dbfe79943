"""The machine against the reference and the cycle model, over geometries and awkward shapes."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest

from hw.config import ArrayConfig
from hw.program.compiler import compile_network
from sim.benches.random_network import Shape, random_network
from sim.cycles import CycleModel
from sim.machine.run import Case, Conditions, Outcome, run_cases

GEOMETRIES = {
    "4x4": ArrayConfig(rows=4, cols=4, acc_depth=32, act_words=16384),
    "8x8": ArrayConfig(rows=8, cols=8, acc_depth=32, act_words=16384, mem_latency=7),
    "16x16": ArrayConfig(acc_depth=32, act_words=16384),
    "32x32": ArrayConfig(rows=32, cols=32, acc_depth=32, act_words=16384, mem_latency=200),
    "8x16": ArrayConfig(rows=8, cols=16, acc_depth=32, act_words=16384, mem_bytes=4),
    "16x4": ArrayConfig(
        rows=16, cols=4, acc_depth=32, act_words=16384, burst_beats=4, fifo_beats=16
    ),
}


def shapes(config: ArrayConfig) -> dict[str, Shape]:
    block = (config.cols, config.rows)
    odd = {"heads": 2, "head_features": config.rows + 1, "hidden": 2 * config.cols + 3}
    return {
        "one_token": Shape(tokens=1, block=block, **odd),
        "tokens_fill_accumulators": Shape(tokens=32, block=block, **odd),
        "one_token_more_than_accumulators": Shape(tokens=33, block=block, **odd),
        "features_divide_tiles": Shape(
            tokens=9, heads=2, head_features=config.word_bytes, hidden=64, block=block
        ),
        "one_head": Shape(tokens=11, heads=1, head_features=config.word_bytes + 4, block=block),
        "wholly_dense": Shape(tokens=20, block=block, density=1.0, **odd),
        "wholly_empty": Shape(tokens=20, block=block, density=0.0, **odd),
        "empty_layer": Shape(tokens=20, block=block, densities={"fc1": 0.0}, **odd),
        "mostly_empty_output_tiles": Shape(tokens=20, block=block, density=0.1, **odd),
        "extreme_values": Shape(tokens=13, block=block, density=0.7, extreme=True, **odd),
    }


NAMES = tuple(shapes(ArrayConfig()))
STALLED = Conditions(stall_percent=30, seed=7)


@cache
def runs(geometry: str) -> dict[str, tuple[Outcome, Outcome, tuple[int, ...], list[int]]]:
    """By shape: the outcome, the outcome under stalls, the model's and the RTL's cycles by step."""
    config = GEOMETRIES[geometry]
    cases, models, schedules = [], [], []
    for seed, shape in enumerate(shapes(config).values()):
        network, tensors = random_network(shape, seed)
        program = compile_network(network, config)
        cases.append(Case(network, program, tensors))
        cases.append(Case(network, program, tensors, STALLED))
        models.append(CycleModel(network, config).evaluate(program.kept).by_step)
        schedules.append(program.schedule)
    outcomes = run_cases(cases)
    result = {}
    for i, name in enumerate(NAMES):
        cycles = {entry.id: entry.total for entry in outcomes[2 * i].instructions}
        measured = [sum(cycles[j.id] for j in s.instructions) for s in schedules[i].steps]
        result[name] = (outcomes[2 * i], outcomes[2 * i + 1], models[i], measured)
    return result


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("geometry", GEOMETRIES)
class TestMachine:
    def test_bit_exact(self, geometry: str, name: str) -> None:
        assert runs(geometry)[name][0].difference is None

    def test_bit_exact_under_stalls(self, geometry: str, name: str) -> None:
        assert runs(geometry)[name][1].difference is None

    def test_stalls_cost_cycles(self, geometry: str, name: str) -> None:
        free, stalled, _, _ = runs(geometry)[name]
        assert stalled.total_cycles > free.total_cycles

    def test_cycle_model_equals_rtl_step_by_step(self, geometry: str, name: str) -> None:
        _, _, model, measured = runs(geometry)[name]
        assert list(model) == measured

    def test_counters_cover_every_cycle_once(self, geometry: str, name: str) -> None:
        instructions = runs(geometry)[name][1].instructions
        ends = [instruction.end_cycle for instruction in instructions]
        lengths = [b - a for a, b in pairwise([-1, *ends])]
        assert [instruction.total for instruction in instructions] == lengths
