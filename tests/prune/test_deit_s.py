"""The whole of DeiT-S on the RTL, image to logits: exact, the array busy, the model right."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from hw.config import ArrayConfig
from hw.ir import Network
from hw.program.compiler import compile_network
from prune.data import calibration_images
from prune.models import load_model
from prune.quantize import quantize
from sim.images import InputImage
from sim.machine.run import Conditions
from sim.measure import Measurement, measure
from sim.work import dense_macs

CONFIG = ArrayConfig()
DENSITIES = (1.0, 0.5)
LEAST_BUSY = {1.0: 0.92, 0.5: 0.85}
"""Least share of the array's multipliers at work over the whole run, by density."""

pytestmark = pytest.mark.slow


def thinned(network: Network, density: float, seed: int) -> Network:
    """Keep a share of all 16x16 blocks of every layer, drawn at random."""
    rng = np.random.default_rng(seed)
    params = dict(network.params)
    for op in network.linears():
        weight = params[f"{op.name}.weight"]
        grid = [-(-size // 16) for size in weight.shape]
        count = grid[0] * grid[1]
        kept = rng.permutation(count) < round(density * count)
        mask = np.kron(kept.reshape(grid), np.ones((16, 16), np.int8))
        params[f"{op.name}.weight"] = weight * mask[: weight.shape[0], : weight.shape[1]]
    return Network(network.model, network.image, network.ops, network.tensors, params, network.info)


@dataclass(frozen=True)
class Run:
    """DeiT-S with some of its blocks on the machine."""

    found: Measurement
    busy: float
    """Multiply-accumulates of kept tiles / (rows x cols x cycles of the whole run)."""


@cache
def run(density: float) -> Run:
    loaded = load_model("deit_s", seed=0)
    network = quantize(loaded, calibration_images(loaded, count=4), (16, 16))
    products = dense_macs(network)
    linear = sum(
        network.tensors[op.inputs[0]].tokens * network.param(op, "weight").size
        for op in network.linears()
    )
    network = thinned(network, density, seed=0)
    program = compile_network(network, CONFIG)
    spec = network.tensors[Network.INPUT]
    patches = np.random.default_rng(0).integers(-128, 128, (spec.tokens, spec.features), np.int8)
    image = InputImage(patches, "random patches", None)
    found = measure(network, program, image, Conditions())
    work = products - linear * (1 - density)
    busy = work / CONFIG.pes / found.outcome.total_cycles
    print(f"{density:.0%}: {found.outcome.total_cycles} cycles, {100 * busy:.2f} % busy")
    return Run(found, busy)


@pytest.mark.parametrize("density", DENSITIES)
def test_every_value_is_exact(density: float) -> None:
    found = run(density).found
    assert (found.error, found.difference) == (None, None)


@pytest.mark.parametrize("density", DENSITIES)
def test_logits_in_memory_are_the_references(density: float) -> None:
    found = run(density).found
    assert found.outcome.result is not None
    assert int(found.outcome.result[0].argmax()) == found.prediction


@pytest.mark.parametrize("density", DENSITIES)
def test_cycle_model_equals_rtl_instruction_by_instruction(density: float) -> None:
    assert run(density).found.model_difference is None


@pytest.mark.parametrize("density", DENSITIES)
def test_array_is_busy_over_the_whole_run(density: float) -> None:
    assert run(density).busy >= LEAST_BUSY[density]
