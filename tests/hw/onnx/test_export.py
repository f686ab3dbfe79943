"""Integer ONNX: the values of the reference, bit for bit, in a file that any reader accepts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from hw.errors import UserError
from hw.ir import Network, load_network
from hw.onnx.domain import DOMAIN
from hw.onnx.export import export_integer
from hw.onnx.names import IMAGE, tensor_name
from hw.onnx.run import OnnxExecutor, with_all_outputs
from sim.images import input_image
from sim.reference import logits, quantize_image, run
from tests.hw.onnx.networks import KINDS, SELECTING, network_of, random_images
from tests.support import small_network

DEMO = Path(__file__).parents[2] / "golden" / "demo"


def assert_equal_tensors(network: Network, found: Mapping[str, Any], image: Any) -> None:
    """That values are those of the reference, tensor after tensor, and selections are, too."""
    expected = run(network, quantize_image(network.image, image))
    for name, array in expected.tensors.items():
        assert found[name].dtype == array.dtype, name
        np.testing.assert_array_equal(found[name], array, name)
    for name, selection in expected.selections[0].items():
        np.testing.assert_array_equal(found[f"{name}.scores"], selection.scores)
        np.testing.assert_array_equal(found[f"{name}.kept"], selection.kept)


@pytest.mark.parametrize("kind", [*KINDS, *SELECTING])
def test_every_tensor_equals_the_reference(kind: str) -> None:
    network = network_of(kind)
    executor = OnnxExecutor(export_integer(network), every=True)
    for image in random_images(network, 2):
        assert_equal_tensors(network, executor.tensors(image), image)


@pytest.mark.parametrize("kind", ["prefix and extremes", "two selectors"])
def test_bodies_mean_the_same_to_the_standards_own_evaluator(kind: str) -> None:
    network = network_of(kind)
    model = with_all_outputs(export_integer(network))
    image = random_images(network, 1)
    found = ReferenceEvaluator(model).run(None, {IMAGE: image})
    names = [tensor_name(value.name) for value in model.graph.output]
    values = {name: array[0] for name, array in zip(names, found, strict=True)}
    assert_equal_tensors(network, values, image[0])


@pytest.mark.parametrize("kind", [*KINDS, *SELECTING])
def test_file_passes_the_full_check_and_strict_shape_inference(kind: str) -> None:
    model = export_integer(network_of(kind))
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)


def test_bodies_use_standard_operators_only() -> None:
    model = export_integer(network_of("two selectors"))
    ours = {function.name for function in model.functions}
    for function in model.functions:
        foreign = {node.op_type for node in function.node if node.domain not in ("", DOMAIN)}
        called = {node.op_type for node in function.node if node.domain == DOMAIN}
        assert not foreign and called <= ours


@pytest.mark.parametrize("kind", ["distilled", "two selectors"])
def test_images_together_give_the_logits_of_each(kind: str) -> None:
    network = network_of(kind)
    images = random_images(network, 5)
    found = OnnxExecutor(export_integer(network)).logits(images, batch=3)
    assert found.dtype == np.int16
    np.testing.assert_array_equal(found, logits(network, quantize_image(network.image, images)))


def test_bundled_images_of_the_demo_give_the_logits_of_the_reference() -> None:
    network = load_network(DEMO)
    images = [input_image(network.image, str(number)) for number in range(4)]
    pixels = np.stack([image.pixels for image in images])
    found = OnnxExecutor(export_integer(network)).logits(pixels)
    expected = logits(network, np.stack([image.patches for image in images]))
    np.testing.assert_array_equal(found, expected)


def test_file_shrinks_with_the_density() -> None:
    shape = {"heads": 4, "head_features": 32, "hidden": 512}
    dense, half = (
        export_integer(small_network(density=density, **shape)).ByteSize() for density in (1, 0.5)
    )
    assert half < 0.6 * dense


def test_two_values_of_one_name_are_refused() -> None:
    network = small_network()
    network.ops[-1] = replace(network.ops[-1], output="fc1.payload")
    network.tensors["fc1.payload"] = network.tensors["head"]
    with pytest.raises(UserError, match=r"'fc1\.payload' would name 2 values"):
        export_integer(network)
