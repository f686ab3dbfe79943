"""Estimated cycles of HLS layers, from the loops of their kernels."""

from __future__ import annotations

from hw.config import ArrayConfig
from hw.hls.estimate import FILL, estimate_cycles
from hw.hls.lowering import layer_entries
from tests.support import small_network

ARRAY = ArrayConfig(rows=4, cols=4)


def test_a_dense_layer_takes_a_cycle_a_kept_block_and_token() -> None:
    network = small_network(density=0.5)
    layer = layer_entries(network)["qkv"][0]
    cycles = layer["n_tokens"] * (layer["n_blocks"] + 4 * layer["n_empty"])
    found = estimate_cycles(network, ARRAY)["qkv"]
    assert found == cycles + FILL * (1 + (layer["n_empty"] > 0))


def test_every_operation_has_an_estimate() -> None:
    network = small_network(prefix=1, blocks=2, selectors=(1,), mean=True)
    found = estimate_cycles(network, ARRAY)
    assert list(found) == [op.name for op in network.ops]
    assert all(cycles > 0 for cycles in found.values())


def test_fewer_lanes_take_longer() -> None:
    network = small_network()
    slow = estimate_cycles(network, ARRAY, overrides={"LayerName": {"add1": {"ReuseFactor": 16}}})
    fast = estimate_cycles(network, ARRAY, overrides={"LayerName": {"add1": {"ReuseFactor": 1}}})
    assert slow["add1"] - fast["add1"] == 15 * network.tensors["add1"].tokens


def test_live_tokens_alone_count() -> None:
    network = small_network(prefix=1, blocks=2, selectors=(1,))
    most = {name: spec.tokens for name, spec in network.tensors.items()}
    few = {name: min(tokens, 3) for name, tokens in most.items()}
    assert (
        estimate_cycles(network, ARRAY, few)["fc1"] < estimate_cycles(network, ARRAY, most)["fc1"]
    )


def test_removed_blocks_save_their_cycles() -> None:
    half = estimate_cycles(small_network(density=0.5), ARRAY)
    whole = estimate_cycles(small_network(density=1.0), ARRAY)
    assert half["fc1"] < 0.8 * whole["fc1"]
