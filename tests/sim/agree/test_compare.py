"""The comparison of executors with the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hw.config import ArrayConfig
from hw.ir import Network
from sim import reference
from sim.agree import EXECUTORS, agreements, first_difference
from sim.agree.executors import Mismatch, Onnx, Opening
from sim.images import InputImage, input_images
from tests.support import small_network

SHAPE = {"tokens": 9, "prefix": 1, "blocks": 2, "selectors": (1,), "kept": (0.5,)}


class Wrong:
    """The reference, with one value changed in the second image since some tensor."""

    tensor = ""

    def __init__(self, network: Network) -> None:
        self.network = network

    def logits(self, images: Sequence[InputImage]) -> NDArray[np.integer[Any]]:
        found = reference.logits(self.network, np.stack([image.patches for image in images]))
        found[1, 0] += 1
        return found

    def tensors(self, image: InputImage) -> Mapping[str, NDArray[np.integer[Any]]]:
        found = {**reference.execute(self.network, image.patches)}
        for op in reversed(self.network.ops):
            found[op.output] = found[op.output] + 1
            if op.output == self.tensor:
                break
        return found


class Failing(Wrong):
    """An executor that finds a wrong value itself."""

    def logits(self, images: Sequence[InputImage]) -> NDArray[np.integer[Any]]:
        raise Mismatch("image 1: wrong value at cycle 7")


def opening(executor: type[Wrong]) -> Opening:
    return lambda network, array: nullcontext(executor(network))


@pytest.fixture
def network() -> Network:
    return small_network(0, **SHAPE)


def answers(network: Network, *executors: str) -> list[str | None]:
    images = input_images(network.image, "0", 3)
    found = list(agreements(network, ArrayConfig(), images, executors))
    return [result.difference for result in found]


def test_onnx_agrees_with_the_reference(network: Network) -> None:
    images = input_images(network.image, "0", 3)
    found = list(agreements(network, ArrayConfig(), images, ("onnx",)))
    assert [(r.executor, r.images, r.equal) for r in found] == [("reference", 3, 3), ("onnx", 3, 3)]


def test_first_operation_that_differs_is_named(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    select = next(op for op in network.ops if op.kind == "token_select")
    monkeypatch.setattr(Wrong, "tensor", select.output)
    monkeypatch.setitem(EXECUTORS, "onnx", opening(Wrong))
    difference = answers(network, "onnx")[1]
    assert difference is not None
    assert difference.startswith(f"bundled test image 1, resized as a stand-in: {select.name}: ")
    assert "token 0, feature 0" in difference


def test_executor_that_finds_a_difference_itself_is_quoted(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EXECUTORS, "rtl", opening(Failing))
    assert answers(network, "rtl")[1] == "image 1: wrong value at cycle 7"


def test_shapes_may_differ_too(network: Network) -> None:
    image = input_images(network.image, "0", 1)[0]
    expected = reference.execute(network, image.patches)
    op = network.ops[3]
    found = {op.output: expected[op.output][:-1]}
    assert (first_difference(network, expected, found) or "").startswith(f"{op.name}: (")


def test_every_tensor_of_onnx_is_the_references(network: Network) -> None:
    image = input_images(network.image, "0", 1)[0]
    expected = reference.execute(network, image.patches)
    found = Onnx(network).tensors(image)
    assert {op.output for op in network.ops} <= found.keys()
    assert first_difference(network, expected, found) is None
