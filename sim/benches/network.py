"""The whole core: a small random network, every value that array and vector unit write checked."""

from __future__ import annotations

from pathlib import Path

from hw.config import ArrayConfig
from hw.program.compiler import compile_network
from sim.benches.random_network import Shape, random_network
from sim.machine.run import Case, Conditions, run_cases
from sim.machine.simulator import TestResult

NAME = "network"
SENTENCE = "A small random network on the whole core, with and without stalls, checked bit by bit."
STALL_PERCENT = 30


def run_network(config: ArrayConfig, seed: int = 1, waves: Path | None = None) -> list[TestResult]:
    """Run one random network, first undisturbed, then with random stalls.

    Args:
        waves: where to leave an FST file.

    Raises:
        UserError: when the network does not fit the geometry, tools are missing, the build fails
            or the simulator dies.
    """
    network, tensors = random_network(Shape(block=(config.cols, config.rows)), seed)
    program = compile_network(network, config)
    conditions = {
        "undisturbed": Conditions(seed=seed),
        "random_stalls": Conditions(stall_percent=STALL_PERCENT, seed=seed),
    }
    cases = [Case(network, program, tensors, condition) for condition in conditions.values()]
    outcomes = run_cases(cases, waves=waves)
    return [
        TestResult(name, outcome.seconds, str(outcome.error or outcome.difference or ""))
        for name, outcome in zip(conditions, outcomes, strict=True)
    ]
