"""Whole networks in C simulation: every tensor equals the reference's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.hls import build
from hw.hls.simulate import Simulation
from hw.ir import Network, load_network
from sim.benches.random_network import Shape, random_network
from sim.reference import execute, logits
from tests.hw.onnx.networks import KINDS, SELECTING

SMALL = ArrayConfig(rows=4, cols=4)
DEMO = Path(__file__).parents[2] / "golden" / "demo"


def assert_equal(network: Network, patches: np.ndarray, array: ArrayConfig = SMALL) -> None:
    """All tensors of all images (images, patches, features)."""
    with Simulation(network, array, [op.name for op in network.ops]) as simulation:
        for image in patches:
            expected, found = execute(network, image), simulation.run(image)
            for op in network.ops:
                np.testing.assert_array_equal(found[op.output], expected[op.output], op.name)


def random_case(shape: Shape, images: int = 2) -> tuple[Network, np.ndarray]:
    network, tensors = random_network(shape, seed=3)
    first = tensors[Network.INPUT]
    others = np.random.default_rng(0).integers(-128, 128, (images - 1, *first.shape), np.int8)
    return network, np.stack([first, *others])


def test_every_tensor_of_a_network_with_selectors_is_the_references() -> None:
    shape = Shape(tokens=9, prefix=1, selectors=(0, 1), mean=True)
    assert_equal(*random_case(shape, images=4))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS | SELECTING)
def test_every_tensor_of_a_network_is_the_references(kind: str) -> None:
    assert_equal(*random_case(Shape(**(KINDS | SELECTING)[kind])))


def demo() -> tuple[Network, np.ndarray]:
    """The bundled network and random images."""
    network = load_network(DEMO)
    spec = network.tensors[Network.INPUT]
    size = (4, spec.tokens, spec.features)
    return network, np.random.default_rng(0).integers(-128, 128, size, np.int8)


@pytest.mark.slow
def test_every_tensor_of_the_demo_is_the_references() -> None:
    assert_equal(*demo(), ArrayConfig())


@pytest.mark.slow
def test_streams_give_the_demos_logits() -> None:
    network, patches = demo()
    with Simulation(network, ArrayConfig(), io_type="io_stream") as simulation:
        np.testing.assert_array_equal(simulation.logits(patches), logits(network, patches))


def encoder_block(network: Network) -> Network:
    """The first encoder block alone: it reads the residual stream."""
    first = next(op for op in network.ops if op.name.endswith("norm1"))
    last = next(op for op in network.ops if op.name.endswith("add2"))
    ops = network.ops[network.ops.index(first) : network.ops.index(last) + 1]
    stream = first.inputs[0]
    ops = [
        replace(op, inputs=tuple(Network.INPUT if name == stream else name for name in op.inputs))
        for op in ops
    ]
    tensors = {op.output: network.tensors[op.output] for op in ops}
    tensors[Network.INPUT] = network.tensors[stream]
    return Network("block", network.image, ops, tensors, network.params)


@pytest.mark.slow
def test_an_encoder_block_of_deit_s_with_half_its_blocks_is_the_references() -> None:
    shape = Shape(
        tokens=197, heads=6, head_features=64, hidden=1536, block=(16, 16), density=0.5, prefix=1
    )
    block = encoder_block(random_network(shape)[0])
    stream = np.random.default_rng(0).integers(-3000, 3000, (1, 197, 384)).astype(np.int16)
    assert_equal(block, stream, ArrayConfig())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["prefix and extremes", "two selectors"])
def test_streams_give_the_references_logits(kind: str) -> None:
    network, patches = random_case(Shape(**(KINDS | SELECTING)[kind]), images=3)
    with Simulation(network, SMALL, io_type="io_stream") as simulation:
        np.testing.assert_array_equal(simulation.logits(patches), logits(network, patches))


@pytest.mark.parametrize(
    "reuse_factor",
    [pytest.param(1, marks=pytest.mark.slow), 3, pytest.param(10**6, marks=pytest.mark.slow)],
)
def test_reuse_factors_change_no_bit(reuse_factor: int) -> None:
    network, patches = random_case(Shape())
    overrides = {"Model": {"ReuseFactor": reuse_factor}}
    with (
        pytest.warns(UserWarning, match="ReuseFactor"),
        Simulation(network, SMALL, overrides=overrides) as simulation,
    ):
        np.testing.assert_array_equal(simulation.logits(patches), logits(network, patches))


def test_two_networks_of_one_shape_share_a_library_but_no_weights() -> None:
    one, patches = random_case(Shape())
    other = replace(one, params={**one.params, "head.bias": one.params["head.bias"] + 1000})
    with Simulation(one, SMALL) as first, Simulation(other, SMALL) as second:
        np.testing.assert_array_equal(first.logits(patches), logits(one, patches))
        np.testing.assert_array_equal(second.logits(patches), logits(other, patches))


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "COMPILER", "no-such-compiler")
    build.compiler_version.cache_clear()
    with pytest.raises(UserError, match="no-such-compiler"):
        Simulation(random_case(Shape())[0], SMALL)
