"""A model that ONNX Runtime's tools quantized runs on the machine, as close as there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import Network
from hw.onnx.load import load_onnx
from hw.program.compiler import compile_network
from prune.export import export_onnx
from prune.quantize import normalize
from sim import reference
from tests.prune.test_quantize import SMALL, images_for, loaded_model

VARIANTS: dict[str, dict[str, Any]] = {
    "class token": {},
    "mean behind the norm": {"class_token": False, "global_pool": "avg", "fc_norm": False},
    "layer scale, registers": {"init_values": 0.1, "reg_tokens": 2, "no_embed_class": True},
    "norm before blocks, ReLU": {"pre_norm": True, "act_layer": nn.ReLU, "qkv_bias": False},
    "quick GELU": {"act_layer": "quick_gelu"},
}


class _Images(CalibrationDataReader):
    def __init__(self, images: np.ndarray) -> None:
        self._images = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self._images, None)
        return None if image is None else {"image": image[None]}


def quantized_by_others(
    folder: Path, model: VisionTransformer, **options: Any
) -> tuple[Path, np.ndarray, np.ndarray]:
    """A QDQ file, images in [0, 1] (N, C, H, W), and the float model's logits of them."""
    loaded = loaded_model(model)
    images = images_for(loaded, 12)
    inputs = normalize(loaded, images).numpy()
    plain, prepared, file = (folder / name for name in ("float.onnx", "prepared.onnx", "qdq.onnx"))
    export_onnx(loaded, plain)
    quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared),
        str(file),
        _Images(inputs),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        weight_type=QuantType.QInt8,
        **{"activation_type": QuantType.QInt8, **options},
        extra_options={"ActivationSymmetric": not options, "WeightSymmetric": True},
    )
    return file, images.numpy(), run_onnx(plain, inputs)


def run_onnx(path: Path, inputs: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options)
    return np.concatenate([session.run(None, {"image": image[None]})[0] for image in inputs])


def real_logits(network: Network, images: np.ndarray) -> np.ndarray:
    patches = reference.quantize_image(network.image, images)
    return reference.logits(network, patches) * network.tensors[network.output].scales[0]


def deviation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.mean((a - b) ** 2)) / b.std())


@pytest.mark.parametrize(
    "variant",
    [pytest.param(name, marks=pytest.mark.slow if VARIANTS[name] else ()) for name in VARIANTS],
)
def test_model_quantized_by_others_runs_on_the_machine(variant: str, tmp_path: Path) -> None:
    model = VisionTransformer(**{**SMALL, **VARIANTS[variant]})
    file, images, expected = quantized_by_others(tmp_path, model)
    network = load_onnx(file)
    theirs = run_onnx(file, (images - 0.5) / np.float32(0.25))
    found = real_logits(network, images)
    assert deviation(found, expected) < 1.1 * deviation(theirs, expected)
    assert (network.image.mean, network.image.std) == ((0.5,) * 3, (0.25,) * 3)
    compile_network(network, ArrayConfig())


def test_asymmetric_activations_are_refused_node_by_node(tmp_path: Path) -> None:
    model = VisionTransformer(**SMALL)
    file, _, _ = quantized_by_others(tmp_path, model, activation_type=QuantType.QUInt8)
    with pytest.raises(UserError, match="nodes cannot be mapped") as refusal:
        load_onnx(file)
    assert all("zero point" in line for line in refusal.value.details)
    names = {node.name for node in onnx.load(file).graph.node}
    assert {line.partition(":")[0] for line in refusal.value.details} <= names


def test_float_model_is_refused_for_its_weights(tmp_path: Path) -> None:
    loaded = loaded_model(VisionTransformer(**SMALL))
    export_onnx(loaded, tmp_path / "float.onnx")
    with pytest.raises(UserError, match="cannot be mapped") as refusal:
        load_onnx(tmp_path / "float.onnx")
    assert "weight that is not int8 behind DequantizeLinear" in refusal.value.details[0]
