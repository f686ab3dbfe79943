"""The checker beside the machine notices wrong expectations and names them."""

from __future__ import annotations

import numpy as np

from hw.program.compiler import compile_network
from sim.benches.random_network import Shape, random_network
from sim.machine.run import Case, Difference, run_cases
from tests.sim.machine.support import CONFIG


def difference_after_changing(tensor: str, token: int, feature: int, by: int) -> Difference | None:
    """What the checker says when the reference differs from the machine in one value."""
    network, tensors = random_network(Shape(tokens=9), seed=3)
    program = compile_network(network, CONFIG)
    changed = tensors[tensor].astype(np.int64)
    changed[token, feature] += by
    wrong = {**tensors, tensor: changed.astype(tensors[tensor].dtype)}
    return run_cases([Case(network, program, wrong)])[0].difference


def test_wrong_value_is_named_with_tensor_and_index() -> None:
    found = difference_after_changing("qkv", 5, 21, 1)
    assert found is not None
    assert (found.tensor, found.token, found.feature) == ("qkv", 5, 21)
    assert found.reason == "wrong value of the array"


def test_wrong_value_says_expected_actual_and_cycle() -> None:
    found = difference_after_changing("attend", 8, 3, 1)
    assert found is not None
    assert found.expected - found.actual in (1, -255)
    assert found.cycle > 0


def test_wrong_high_byte_is_found() -> None:
    found = difference_after_changing("scores", 2, 4, 256)
    assert found is not None
    assert (found.tensor, found.token, found.feature) == ("scores", 2, 4)


def test_wrong_value_of_the_vector_unit_is_found() -> None:
    found = difference_after_changing("norm1", 7, 6, 1)
    assert found is not None
    assert (found.tensor, found.token, found.feature) == ("norm1", 7, 6)
    assert found.reason == "wrong value of the vector unit"


def test_wrong_value_in_the_result_is_found() -> None:
    found = difference_after_changing("head", 0, 9, -1)
    assert found is not None
    assert (found.tensor, found.token, found.feature) == ("head", 0, 9)
