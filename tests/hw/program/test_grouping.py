"""Which operations run together."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hw.ir import Network
from hw.program.grouping import group_operations
from sim.benches.random_network import Shape, random_network
from tests.hw.program.shapes import SELECTED, SHAPES


def names(network: Network) -> list[list[str]]:
    return [[network.ops[i].name for i in g.indices] for g in group_operations(network)]


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.one_of(SHAPES, SELECTED))
def test_groups_are_all_operations_in_order(shape: Shape) -> None:
    network, _ = random_network(shape)
    found = [index for group in group_operations(network) for index in group.indices]
    assert found == list(range(len(network.ops)))


def test_attention_is_one_group() -> None:
    network, _ = random_network(Shape())
    assert ["scores", "softmax", "attend"] in names(network)


def test_layer_joins_its_addition_and_the_norm_behind() -> None:
    network, _ = random_network(Shape(prefix=1))
    found = names(network)
    assert ["embed", "positions", "norm1"] in found
    assert ["proj", "add1", "norm2"] in found
    assert ["fc2", "add2"] in found


def test_two_products_of_the_array_are_added_apart() -> None:
    """Without positions, the stream that `proj` is added to comes from the array as well."""
    network, _ = random_network(Shape())
    assert ["proj"] in names(network)
