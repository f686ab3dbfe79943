"""Rounding while training is the rounding of the integer network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from prune.data import calibration_images
from prune.finetune.qat import QuantizationAware, RoundedConv2d, RoundedLinear
from prune.models import LoadedModel, load_model
from prune.quantize import normalize, quantize


@pytest.fixture
def demo() -> LoadedModel:
    return load_model("demo")


@pytest.fixture
def pixels(demo: LoadedModel) -> torch.Tensor:
    return calibration_images(demo, count=16)


def test_rounding_changes_the_output_a_little(demo: LoadedModel, pixels: torch.Tensor) -> None:
    images = normalize(demo, pixels)
    before = demo.model(images)
    QuantizationAware(demo, pixels)
    after = demo.model(images)
    distance = float((after - before).norm() / before.norm())
    assert 1e-4 < distance < 0.2


def test_rounded_weights_are_those_of_the_integer_network(
    demo: LoadedModel, pixels: torch.Tensor
) -> None:
    network = quantize(demo, pixels)
    qat = QuantizationAware(demo, pixels)
    for name in ("patch_embed.proj", "blocks.0.mlp.fc1", "blocks.1.mlp.fc2", "blocks.2.attn.proj"):
        layer = qat.layers[name]
        levels = layer.rounded_weight() / layer.weight_scale[:, None]
        found = levels.round().to(torch.int8).numpy()
        # Rounding halves up or to even is the only difference.
        assert np.mean(found != network.params[f"{name}.weight"]) < 1e-3, name


def test_rounded_inputs_have_the_scale_of_the_integer_network(
    demo: LoadedModel, pixels: torch.Tensor
) -> None:
    network = quantize(demo, pixels)
    qat = QuantizationAware(demo, pixels)
    for op in network.linears():
        scale = network.tensors[op.inputs[0]].scales[0]
        assert float(qat.layers[op.name].input_scale) == pytest.approx(scale, rel=1e-5), op.name


def test_zero_weights_stay_zero(demo: LoadedModel, pixels: torch.Tensor) -> None:
    weight = demo.model.blocks[0].mlp.fc1.weight
    weight[:16, :32] = 0
    qat = QuantizationAware(demo, pixels)
    assert not qat.layers["blocks.0.mlp.fc1"].rounded_weight()[:16, :32].any()


def test_gradient_passes_straight_through(demo: LoadedModel, pixels: torch.Tensor) -> None:
    images = normalize(demo, pixels)
    weight = demo.model.requires_grad_(True).blocks[1].mlp.fc1.weight
    demo.model(images).square().sum().backward()
    exact = weight.grad.clone()
    weight.grad = None
    QuantizationAware(demo, pixels)
    demo.model(images).square().sum().backward()
    similarity = torch.nn.functional.cosine_similarity(exact.flatten(), weight.grad.flatten(), 0)
    assert similarity > 0.95


def test_state_dict_keeps_its_names(demo: LoadedModel, pixels: torch.Tensor) -> None:
    before = {name: tensor.clone() for name, tensor in demo.model.state_dict().items()}
    QuantizationAware(demo, pixels)
    after = demo.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_removing_gives_the_float_layers_back(demo: LoadedModel, pixels: torch.Tensor) -> None:
    images = normalize(demo, pixels)
    before = demo.model(images)
    QuantizationAware(demo, pixels).remove()
    assert not any(isinstance(m, RoundedLinear | RoundedConv2d) for m in demo.model.modules())
    assert torch.equal(demo.model(images), before)


def test_calibration_follows_the_weights(tiny_vit: VisionTransformer) -> None:
    loaded = LoadedModel(tiny_vit, "tiny", "random", (0.5,) * 3, (0.5,) * 3, random=True)
    qat = QuantizationAware(loaded, torch.rand(4, 3, 32, 32))
    layer = qat.layers["blocks.0.mlp.fc1"]
    before = layer.weight_scale.clone()
    with torch.no_grad():
        layer.weight.mul_(2)
    qat.calibrate()
    torch.testing.assert_close(layer.weight_scale, 2 * before)
