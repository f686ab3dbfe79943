"""Hidden units that nothing reads, or that are constant, are left out without a trace."""

from __future__ import annotations

import numpy as np
import pytest

from hw.ir import Network
from hw.onnx.qdq.compact import without_idle_units
from sim.reference import logits, quantize_image
from tests.hw.onnx.networks import random_images
from tests.support import small_network

READ, CONSTANT = (slice(None), slice(4, 12)), (slice(16, 20), slice(None))
"""Blocks of 4x4 of fc2's weight (out, in) and of fc1's."""


def network(cut_behind: bool = True, cut_before: bool = True) -> Network:
    found = small_network(hidden=22, density=1.0)
    if cut_behind:
        found.params["fc2.weight"][READ] = 0
    if cut_before:
        found.params["fc1.weight"][CONSTANT] = 0
    return found


@pytest.mark.parametrize(
    ("behind", "before", "units"), [(True, False, 14), (False, True, 18), (True, True, 10)]
)
def test_idle_units_go_and_logits_stay(behind: bool, before: bool, units: int) -> None:
    whole = network(behind, before)
    short = without_idle_units(whole)
    short.validate()
    assert short.tensors["fc1"].features == units
    patches = quantize_image(whole.image, random_images(whole, 4))
    assert np.array_equal(logits(short, patches), logits(whole, patches))


def test_parts_of_blocks_stay() -> None:
    found = network(False, False)
    found.params["fc2.weight"][:, 5:11] = 0
    assert without_idle_units(found).tensors["fc1"].features == 22


def test_layer_without_any_weight_keeps_one_group() -> None:
    found = network(False, False)
    found.params["fc2.weight"][:] = 0
    short = without_idle_units(found)
    assert short.tensors["fc1"].features == 4
    patches = quantize_image(found.image, random_images(found, 2))
    assert np.array_equal(logits(short, patches), logits(found, patches))


def test_given_network_stays_as_it_is() -> None:
    whole = network()
    before = {name: array.copy() for name, array in whole.params.items()}
    without_idle_units(whole)
    assert all(np.array_equal(whole.params[name], array) for name, array in before.items())
    assert whole.tensors["fc1"].features == 22
