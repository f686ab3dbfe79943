"""The whole of DeiT-S on the RTL: every matrix product exact, the array busy, the model right."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from hw.config import ArrayConfig
from hw.ir import Network
from hw.program.compiler import Program, compile_network
from prune.data import calibration_images
from prune.models import load_model
from prune.quantize import quantize
from sim.cycles import CycleModel, NetworkCycles
from sim.machine.run import Case, Outcome, run_cases
from sim.reference import execute

CONFIG = ArrayConfig()
DENSITY = 0.5

pytestmark = pytest.mark.slow


def half_of_the_blocks(network: Network, seed: int) -> Network:
    """Remove half of all 16x16 blocks of every layer, drawn at random."""
    rng = np.random.default_rng(seed)
    params = dict(network.params)
    for op in network.linears():
        weight = params[f"{op.name}.weight"]
        grid = [-(-size // 16) for size in weight.shape]
        count = grid[0] * grid[1]
        kept = rng.permutation(count) < round(DENSITY * count)
        mask = np.kron(kept.reshape(grid), np.ones((16, 16), np.int8))
        params[f"{op.name}.weight"] = weight * mask[: weight.shape[0], : weight.shape[1]]
    return Network(network.model, network.image, network.ops, network.tensors, params, network.info)


def utilization(network: Network, program: Program, cycles: NetworkCycles) -> float:
    """Share of the array's cycles that the linear layers' kept tiles fill."""
    kept = sum(
        int(program.kept[op.name].sum()) * network.tensors[op.inputs[0]].tokens
        for op in network.linears()
    )
    return kept / sum(cycles.by_op[op.name] for op in network.linears())


@cache
def run() -> tuple[Network, Program, NetworkCycles, Outcome]:
    loaded = load_model("deit_s", seed=0)
    network = quantize(loaded, calibration_images(loaded, count=4), (16, 16))
    network = half_of_the_blocks(network, seed=0)
    program = compile_network(network, CONFIG)
    model = CycleModel(network, CONFIG).evaluate(program.kept)
    spec = network.tensors[Network.INPUT]
    rng = np.random.default_rng(0)
    patches = rng.integers(-128, 128, (spec.tokens, spec.features), np.int8)
    tensors = {**execute(network, patches), Network.INPUT: patches}
    outcome = run_cases([Case(network, program, tensors, expected_cycles=model.total)])[0]
    print(f"{outcome.total_cycles} cycles, {100 * utilization(network, program, model):.2f} % busy")
    return network, program, model, outcome


def test_every_matrix_product_is_exact() -> None:
    assert run()[3].difference is None


def test_cycle_model_equals_rtl_step_by_step() -> None:
    _, program, model, outcome = run()
    cycles = {entry.id: entry.total for entry in outcome.instructions}
    measured = [sum(cycles[i.id] for i in step.instructions) for step in program.schedule.steps]
    assert list(model.by_step) == measured


def test_linear_layers_use_at_least_95_percent_of_the_array() -> None:
    network, program, model, _ = run()
    assert utilization(network, program, model) >= 0.95
