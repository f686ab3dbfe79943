"""QDQ ONNX: the network in standard operators, within one step of the reference."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from hw.ir import Network, TokenSelect, load_network
from hw.onnx.names import IMAGE
from hw.onnx.qdq.export import export_qdq
from hw.onnx.qdq.scales import tensor_scales
from sim.images import input_image
from sim.reference import logits, quantize_image, run
from tests.hw.onnx.networks import KINDS, SELECTING, network_of, random_images
from tests.hw.onnx.qdq.alone import levels_alone, session

DEMO = Path(__file__).parents[3] / "golden" / "demo"
INT8_STEP = 256
"""One int8 step of a tensor of 16 bits."""
MILD = sorted((KINDS | SELECTING).keys() - {"prefix and extremes"})
"""Kinds whose sums stay inside int32, as the quantizer's do."""


@pytest.fixture(scope="module")
def demo() -> Network:
    return load_network(DEMO)


def pixels(network: Network, count: int) -> NDArray[np.float32]:
    """Bundled images (count, C, H, W)."""
    images = [input_image(network.image, str(number)).pixels for number in range(count)]
    return np.stack([image for image in images if image is not None]).astype(np.float32)


def assert_operations_agree(network: Network, image: np.ndarray) -> None:
    """That each operation, given the reference's inputs, is at most one step off."""
    patches = quantize_image(network.image, image)
    found = run(network, patches)
    tensors = {network.INPUT: patches, **found.tensors}
    for op in network.ops:
        after = op.after if isinstance(op, TokenSelect) else ""
        package = after != "" and found.selections[0][after].package
        levels = levels_alone(network, op, [tensors[name] for name in op.inputs], package)
        bits = network.tensors[op.output].bits
        inside = np.clip(levels, -(1 << bits - 1), (1 << bits - 1) - 1)
        expected = tensors[op.output]
        assert levels.shape == expected.shape, op.name
        np.testing.assert_allclose(inside, expected, rtol=0, atol=1.01, err_msg=op.name)


@pytest.mark.parametrize("kind", MILD)
def test_every_operation_alone_is_within_one_step(kind: str) -> None:
    network = network_of(kind)
    for image in random_images(network, 2):
        assert_operations_agree(network, image)


def test_every_operation_of_the_demo_is_within_one_step(demo: Network) -> None:
    assert_operations_agree(demo, pixels(demo, 1)[0])


def test_logits_of_the_demo_are_within_one_int8_step(demo: Network) -> None:
    images = pixels(demo, 4)
    expected = logits(demo, quantize_image(demo.image, images))
    real = session(export_qdq(demo)).run(None, {IMAGE: images})[0]
    levels = real / tensor_scales(demo)[demo.output]
    assert np.abs(levels - expected).max() <= INT8_STEP
    assert np.array_equal(levels.argmax(axis=1), expected.argmax(axis=1))


@pytest.mark.parametrize("kind", KINDS | SELECTING)
def test_file_is_valid_and_in_standard_operators(kind: str) -> None:
    model = export_qdq(network_of(kind))
    onnx.checker.check_model(model, full_check=True)
    assert [opset.domain for opset in model.opset_import] == [""]
    assert not model.functions
    assert {node.domain for node in model.graph.node} == {""}


def test_every_level_is_symmetric_int8(demo: Network) -> None:
    model = export_qdq(demo)
    arrays = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            zero = arrays[node.input[2]]
            assert zero.dtype == np.int8
            assert not zero.any()
            assert (arrays[node.input[1]] > 0).all()


def test_several_images_give_what_each_gives_alone(demo: Network) -> None:
    images = pixels(demo, 3)
    run_model = session(export_qdq(demo))
    together = run_model.run(None, {IMAGE: images})[0]
    alone = [run_model.run(None, {IMAGE: image[None]})[0][0] for image in images]
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", SELECTING)
def test_network_with_selectors_runs_whole(kind: str) -> None:
    network = network_of(kind)
    found = session(export_qdq(network)).run(None, {IMAGE: random_images(network, 1)})[0]
    assert found.shape == (1, network.tensors[network.output].features)
    assert np.isfinite(found).all()


def test_onnx_runtime_multiplies_weights_in_int8(demo: Network, tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    model = export_qdq(demo).SerializeToString()
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    nodes = onnx.load(options.optimized_model_filepath).graph.node
    kinds = Counter(node.op_type for node in nodes)
    assert kinds["MatMulIntegerToFloat"] + kinds["QGemm"] == len(list(demo.linears()))
    attention = sum(op.kind in ("scores", "attend") for op in demo.ops)
    assert kinds["MatMul"] == attention
    assert kinds["Gemm"] == 0
