"""The machine against the reference and the cycle model, over geometries and awkward shapes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import pytest

from hw.config import ArrayConfig
from hw.program.compiler import Program, compile_network
from sim.benches.random_network import Shape, random_network
from sim.cycles import CycleModel, NetworkCycles
from sim.live import counted
from sim.machine.run import Case, Conditions, Outcome, run_cases
from tests.sim.machine.support import CONFIG, small

GEOMETRIES = {
    "4x4": CONFIG,
    "8x8": small(8, 8, lanes=4, mem_latency=7, mem_interval=3),
    "16x16": small(16, 16, lanes=8),
    "32x32": small(32, 32, mem_latency=200),
    "16x32": small(16, 32, mem_bytes=8, mem_interval=2),
    "16x4": small(16, 4, mem_bytes=4, burst_beats=4, fifo_beats=16),
}


def shapes(config: ArrayConfig) -> dict[str, Shape]:
    block = (config.cols, config.rows)
    odd = {"heads": 2, "head_features": config.rows + 1, "hidden": 2 * config.cols + 3}
    return {
        "one_token": Shape(tokens=1, block=block, **odd),
        "tokens_fill_accumulators": Shape(tokens=32, block=block, prefix=1, **odd),
        "one_token_more_than_accumulators": Shape(tokens=33, block=block, prefix=0, **odd),
        "class_token_alone_behind_accumulators": Shape(tokens=33, block=block, prefix=1, **odd),
        "features_divide_tiles": Shape(
            tokens=9, heads=2, head_features=config.word_bytes, hidden=64, block=block
        ),
        "one_head": Shape(
            tokens=11, heads=1, head_features=config.word_bytes + 4, block=block, prefix=2
        ),
        "norm_before_the_block": Shape(tokens=12, block=block, prefix=1, norm_pre=True, **odd),
        "mean_of_patches": Shape(tokens=35, block=block, prefix=2, mean=True, **odd),
        "wholly_dense": Shape(tokens=20, block=block, density=1.0, prefix=1, **odd),
        "wholly_empty": Shape(tokens=20, block=block, density=0.0, prefix=1, **odd),
        "empty_layer": Shape(tokens=20, block=block, densities={"fc1": 0.0}, **odd),
        "mostly_empty_output_tiles": Shape(tokens=20, block=block, density=0.1, **odd),
        "extreme_values": Shape(tokens=13, block=block, density=0.7, extreme=True, **odd),
        "tokens_dropped_twice": Shape(
            tokens=31, prefix=1, blocks=2, selectors=(0, 1), kept=(0.7, 0.5), block=block,
            density=0.8, **odd,
        ),
        "mean_of_tokens_kept": Shape(
            tokens=24, prefix=2, blocks=2, selectors=(1,), kept=(0.5,), mean=True, block=block,
            density=0.8, heads=4, head_features=6, hidden=19,
        ),
        "all_then_some_then_no_tokens_kept": Shape(
            tokens=17, prefix=1, blocks=2, selectors=(0, 1, 2), kept=(1.0, 0.5, 0.0), block=block,
            density=0.8, heads=3, head_features=5,
        ),
    }  # fmt: skip


NAMES = tuple(shapes(ArrayConfig()))
STALLED = Conditions(stall_percent=30, seed=7)


@dataclass(frozen=True)
class Run:
    """A network on the machine, undisturbed and with stalls, and in the cycle model."""

    program: Program
    operations: tuple[str, ...]
    free: Outcome
    stalled: Outcome
    model: NetworkCycles

    def cycles_by_operation(self) -> dict[str, int]:
        """Cycles that are an operation's alone."""
        found: dict[str, int] = {}
        for instruction in (*self.free.array, *self.free.vector):
            index = self.program.schedule.entries[instruction.id].op
            if index is not None:
                name = self.operations[index]
                found[name] = found.get(name, 0) + instruction.total
        return found


@cache
def runs(geometry: str) -> dict[str, Run]:
    """By shape."""
    config = GEOMETRIES[geometry]
    cases, models = [], []
    for seed, shape in enumerate(shapes(config).values()):
        network, tensors = random_network(shape, seed)
        program = compile_network(network, config)
        cases.append(Case(network, program, tensors))
        cases.append(Case(network, program, tensors, STALLED))
        live = counted(network, tensors)
        models.append(CycleModel(network, config).evaluate(program.kept, live))
    outcomes = run_cases(cases)
    return {
        name: Run(
            cases[2 * i].program,
            tuple(op.name for op in cases[2 * i].network.ops),
            outcomes[2 * i],
            outcomes[2 * i + 1],
            models[i],
        )
        for i, name in enumerate(NAMES)
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("geometry", GEOMETRIES)
class TestMachine:
    def test_bit_exact(self, geometry: str, name: str) -> None:
        free = runs(geometry)[name].free
        assert (free.difference, free.error) == (None, None)

    def test_bit_exact_under_stalls(self, geometry: str, name: str) -> None:
        stalled = runs(geometry)[name].stalled
        assert (stalled.difference, stalled.error) == (None, None)

    def test_stalls_cost_cycles(self, geometry: str, name: str) -> None:
        run = runs(geometry)[name]
        assert run.stalled.total_cycles > run.free.total_cycles

    def test_model_ends_every_array_instruction_when_the_rtl_does(
        self, geometry: str, name: str
    ) -> None:
        run = runs(geometry)[name]
        assert run.model.array_ends == {i.id: i.end_cycle for i in run.free.array}

    def test_model_places_every_vector_instruction_where_the_rtl_does(
        self, geometry: str, name: str
    ) -> None:
        run = runs(geometry)[name]
        model = [(w.id, w.start_cycle, w.end_cycle) for w in run.model.vector]
        assert model == [(i.id, i.start_cycle, i.end_cycle) for i in run.free.vector]

    def test_model_gives_every_operation_its_cycles(self, geometry: str, name: str) -> None:
        run = runs(geometry)[name]
        assert run.cycles_by_operation() == run.model.by_op
        assert run.free.total_cycles == run.model.total

    def test_counters_cover_every_cycle_once(self, geometry: str, name: str) -> None:
        for outcome in (runs(geometry)[name].free, runs(geometry)[name].stalled):
            assert outcome.total_cycles == outcome.array[-1].end_cycle + 1
