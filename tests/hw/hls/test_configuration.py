"""hls4ml's configuration dictionary: what the machine sets, and what a user changes."""

from __future__ import annotations

from typing import Any

import pytest

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.hls.configuration import hls_config
from hw.hls.graph import model_graph
from hw.hls.lowering import layer_entries
from hw.ir import Network
from tests.support import small_network

ARRAY = ArrayConfig(rows=4, cols=4)


@pytest.fixture(scope="module")
def network() -> Network:
    return small_network(prefix=1)


def settings(network: Network, overrides: dict[str, Any] | None = None, **array: int) -> Any:
    entries = [entry for group in layer_entries(network).values() for entry in group]
    return hls_config(entries, ArrayConfig(**{"rows": 4, "cols": 4, **array}), overrides)


def attributes(network: Network, overrides: dict[str, Any] | None = None) -> dict[str, Any]:
    graph = model_graph(network, ARRAY, overrides=overrides)
    return {layer.name: layer.attributes for layer in graph.get_layers()}


def test_a_dense_layer_has_as_many_multipliers_as_the_array(network: Network) -> None:
    qkv = attributes(network)["qkv"]
    assert qkv["width"] == 16
    assert qkv["reuse_factor"] == qkv["n_blocks"]


def test_a_larger_array_than_a_block_has_a_block_in_parallel(network: Network) -> None:
    graph = model_graph(network, ArrayConfig(rows=32, cols=32))
    assert (
        next(layer for layer in graph.get_layers() if layer.name == "qkv").attributes["width"] == 16
    )


def test_vector_layers_have_as_many_lanes_as_the_vector_unit(network: Network) -> None:
    add = layer_of(network, "add1")
    assert settings(network, lanes=4)["LayerName"]["add1"]["ReuseFactor"] == add["n_in"] // 4


def layer_of(network: Network, name: str) -> Any:
    return layer_entries(network)[name][-1]


def test_precisions_are_the_irs(network: Network) -> None:
    named = settings(network)["LayerName"]
    assert named["qkv"]["Precision"]["result"] == "ap_int<8>"
    assert named["add1"]["Precision"]["result"] == "ap_int<16>"
    assert named["qkv"]["Precision"]["accum"] == "ap_int<32>"


@pytest.mark.parametrize(
    "overrides",
    [
        {"Model": {"ReuseFactor": 2}},
        {"LayerType": {"SaturatingAdd": {"ReuseFactor": 2}}},
        {"LayerName": {"add1": {"ReuseFactor": 2}}},
        {"Model": {"ReuseFactor": 7}, "LayerName": {"add1": {"ReuseFactor": 2}}},
    ],
)
def test_the_closest_section_sets_a_reuse_factor(network: Network, overrides: Any) -> None:
    assert settings(network, overrides)["LayerName"]["add1"]["ReuseFactor"] == 2


def test_other_layers_keep_theirs(network: Network) -> None:
    changed = settings(network, {"LayerName": {"add1": {"ReuseFactor": 2}}})["LayerName"]
    assert changed["add2"] == settings(network)["LayerName"]["add2"]


def test_a_layers_precision_becomes_its_type(network: Network) -> None:
    overrides = {"LayerName": {"qkv": {"Precision": {"accum": "ap_int<24>"}}}}
    assert attributes(network, overrides)["qkv"]["accum_t"].precision.width == 24


def test_a_single_precision_is_the_results(network: Network) -> None:
    overrides = {"LayerName": {"add1": {"Precision": "ap_int<12>"}}}
    assert attributes(network, overrides)["add1"]["result_t"].precision.width == 12


def test_latency_keeps_weights_in_registers(network: Network) -> None:
    overrides = {"LayerType": {"BlockSparseLinear": {"Strategy": "Latency"}}}
    assert attributes(network, overrides)["qkv"]["strategy"] == "latency"


def test_a_layer_goes_by_its_name_in_the_ir() -> None:
    network = small_network(prefix=1, blocks=2)
    overrides = {"LayerName": {"blocks.1.add1": {"ReuseFactor": 2}}}
    assert settings(network, overrides)["LayerName"]["blocks_1_add1"]["ReuseFactor"] == 2


def test_an_impossible_reuse_factor_becomes_the_closest(network: Network) -> None:
    with pytest.warns(UserWarning, match="qkv.*valid"):
        found = attributes(network, {"LayerName": {"qkv": {"ReuseFactor": 1}}})
    assert f"reuse_factor = {found['qkv']['n_blocks']};" in found["qkv"]["config_cpp"]


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"Layers": {}}, "Layers"),
        ({"LayerName": {"nothing": {}}}, "nothing"),
        ({"LayerType": {"Dense": {}}}, "Dense"),
        ({"LayerName": {"add1": {"Strategy": "Latency"}}}, "Strategy"),
        ({"LayerName": {"add1": {"Precision": {"weight": "ap_int<8>"}}}}, "weight"),
        ({"LayerName": {"add1": {"ReuseFactor": 0}}}, "ReuseFactor"),
        ({"LayerName": {"qkv": {"Strategy": "Unrolled"}}}, "Unrolled"),
    ],
)
def test_a_wrong_change_is_named(network: Network, overrides: Any, named: str) -> None:
    with pytest.raises(UserError, match=named):
        settings(network, overrides)


@pytest.mark.parametrize(
    ("precision", "named"), [("ap_fixed<16,6>", "integers"), ("ap_int<2>", "hold")]
)
def test_a_type_that_cannot_hold_the_weights_is_refused(
    network: Network, precision: str, named: str
) -> None:
    with pytest.raises(UserError, match=named):
        attributes(network, {"LayerName": {"qkv": {"Precision": {"weight": precision}}}})


def test_results_inside_a_network_with_selectors_need_io_parallel() -> None:
    network = small_network(prefix=1, selectors=(0,))
    with pytest.raises(UserError, match="io_parallel"):
        model_graph(network, ARRAY, io_type="io_stream", outputs=["norm1"])
