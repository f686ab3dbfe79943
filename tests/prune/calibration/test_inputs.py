"""Visiting layers: in which order, with what, and what the layers behind them see."""

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from prune.blocks import PrunableLayer, prunable_layers
from prune.calibration.inputs import tokens_in, tokens_out, visit_beside, visit_inputs

BLOCK = (16, 16)


@pytest.mark.parametrize(
    "conv",
    [nn.Conv2d(3, 8, 4, stride=4), nn.Conv2d(3, 8, 3, stride=2, padding=1, dilation=2)],
    ids=["patches", "overlapping"],
)
def test_convolution_is_its_matrix_times_its_tokens(conv: nn.Conv2d) -> None:
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    product = tokens_in(conv, images) @ conv.weight.flatten(1).T + conv.bias
    torch.testing.assert_close(product, tokens_out(conv, conv(images)))


def test_layers_are_visited_once_each_as_the_forward_reaches_them(
    tiny_vit: VisionTransformer, tiny_images: Tensor
) -> None:
    layers = prunable_layers(tiny_vit, BLOCK)
    seen: list[str] = []

    def visit(layer: PrunableLayer, inputs: Tensor) -> None:
        seen.append(layer.name)
        assert inputs.shape[1] == layer.grid.shape[1]

    visit_inputs(tiny_vit, layers[::-1], tiny_images, visit)
    assert seen == [layer.name for layer in layers]


def test_layers_see_what_those_changed_before_them_give(
    tiny_vit: VisionTransformer, tiny_images: Tensor
) -> None:
    layers = prunable_layers(tiny_vit, BLOCK)
    fc1, fc2 = tiny_vit.blocks[0].mlp.fc1, "blocks.0.mlp.fc2"
    found: dict[str, tuple[Tensor, Tensor]] = {}

    def visit(layer: PrunableLayer, before: Tensor, now: Tensor) -> None:
        found[layer.name] = before.clone(), now.clone()
        if layer.module is fc1:
            fc1.weight.mul_(0.5)
            fc1.bias.add_(1.0)

    dense: dict[str, Tensor] = {}
    visit_inputs(tiny_vit, layers, tiny_images, lambda a, x: dense.update({a.name: x.clone()}))
    visit_beside(tiny_vit, layers, tiny_images, visit)
    pruned: dict[str, Tensor] = {}
    visit_inputs(tiny_vit, layers, tiny_images, lambda a, x: pruned.update({a.name: x.clone()}))
    for name in found:
        torch.testing.assert_close(found[name][0], dense[name])
        torch.testing.assert_close(found[name][1], pruned[name])
    assert not torch.allclose(found[fc2][0], found[fc2][1])


class Borrowing(nn.Module):
    """Multiplies with a layer's weight without calling the layer, as BEiT does."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 16, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        once = nn.functional.linear(input=x, weight=self.layer.weight, bias=torch.ones(16))
        return nn.functional.linear(once, self.layer.weight)


def test_weight_used_without_its_module_is_seen() -> None:
    model = Borrowing()
    images = torch.randn(4, 16)
    given: list[Tensor] = []
    layers = [PrunableLayer("layer", model.layer, prunable_layers(model, BLOCK)[0].grid)]
    visit_inputs(model, layers, images, lambda layer, x: given.append(x))
    assert len(given) == 1
    assert torch.equal(given[0], images)


def test_second_call_of_a_layer_stays_dense_in_the_dense_half() -> None:
    model = Borrowing()
    images = torch.randn(4, 16)
    wanted = model(images)
    layers = [PrunableLayer("layer", model.layer, prunable_layers(model, BLOCK)[0].grid)]
    outputs: list[Tensor] = []
    model.register_forward_hook(lambda module, x, y: outputs.append(y))
    visit_beside(model, layers, images, lambda layer, before, now: layer.module.weight.zero_())
    torch.testing.assert_close(outputs[0][:4], wanted)
    assert (outputs[0][4:] == 0).all()


def test_model_is_left_in_its_mode(tiny_vit: VisionTransformer, tiny_images: Tensor) -> None:
    tiny_vit.train()
    visit_inputs(tiny_vit, prunable_layers(tiny_vit, BLOCK), tiny_images, lambda layer, x: None)
    assert tiny_vit.training


def test_visits_of_a_forward_in_bf16_compute_in_full(
    tiny_vit: VisionTransformer, tiny_images: Tensor
) -> None:
    layers = prunable_layers(tiny_vit, BLOCK)
    exact = torch.rand(40, 40)

    def visit(layer: PrunableLayer, inputs: Tensor) -> None:
        torch.testing.assert_close(exact @ exact, (exact.double() @ exact.double()).float())

    with torch.autocast("cpu", torch.bfloat16):
        visit_inputs(tiny_vit, layers, tiny_images, visit)
