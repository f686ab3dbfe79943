"""The RTL and the cycle model, timed."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.program.compiler import compile_network
from hw.program.schedule import Kept
from sim.benches.random_network import Shape, random_network
from sim.cycles import CycleModel
from sim.machine.build import build_machine, network_bench
from sim.machine.run import Case, run_cases


@dataclass(frozen=True)
class MachineRun:
    """One network through the RTL, checked bit by bit."""

    seconds: float
    build_seconds: float
    cycles: int
    model_seconds: float


def time_model(model: CycleModel, kept: dict[str, Kept], rounds: int = 20) -> float:
    """Median seconds of an evaluation, compilation left out."""
    model.evaluate(kept)
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        model.evaluate(kept)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def run_machine(shape: Shape, config: ArrayConfig) -> MachineRun:
    """Simulate the products of a network.

    Raises:
        UserError: when the RTL differs from the reference or the model.
    """
    network, tensors = random_network(shape)
    program = compile_network(network, config)
    model = CycleModel(network, config)
    predicted = model.evaluate(program.kept).total
    model_seconds = time_model(model, program.kept)
    started = time.perf_counter()
    machine = build_machine(network_bench(config, program.dram_bytes))
    built = time.perf_counter()
    case = Case(network, program, tensors, expected_cycles=predicted)
    outcome = run_cases([case], machine)[0]
    if outcome.difference or outcome.total_cycles != predicted:
        raise UserError(f"the RTL disagrees: {outcome.difference or outcome.total_cycles}")
    seconds = time.perf_counter() - built
    return MachineRun(seconds, built - started, outcome.total_cycles, model_seconds)
