"""Which weights meet the image's tokens, and why the others stay dense."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hw.errors import UserError
from prune.blocks import prunable_layers
from prune.models.reach import uses, why_dense

SHAPE = (3, 8, 8)


class Net(nn.Module):
    """A toy that says what images it takes, and runs `forward_with(self, tokens)`."""

    def __init__(self, forward_with: Any, **layers: nn.Module) -> None:
        super().__init__()
        self.pretrained_cfg = {"input_size": SHAPE}
        self.embed = nn.Conv2d(3, 32, 4, 4)
        self.norm = nn.BatchNorm2d(32)
        for name, layer in layers.items():
            self.add_module(name, layer)
        self._forward_with = forward_with

    def forward(self, images: Tensor) -> Tensor:
        return self._forward_with(self, self.norm(self.embed(images)))


def tokens(features: Tensor) -> Tensor:
    return features.flatten(2).mT


def reason(forward_with: Any, **layers: nn.Module) -> str | None:
    """Why the first of `layers` stays dense."""
    return why_dense(Net(forward_with, **layers))[next(iter(layers))]


def test_weight_handed_to_linear_past_its_module_is_prunable() -> None:
    def forward(net: Any, x: Tensor) -> Tensor:
        return F.linear(tokens(x), weight=net.qkv.weight)

    assert reason(forward, qkv=nn.Linear(32, 96, bias=False)) is None


def test_generator_of_positions_stays_dense() -> None:
    def forward(net: Any, x: Tensor) -> Tensor:
        return tokens(x) + net.positions(torch.ones(4, 32))

    assert "sees no image" in str(reason(forward, positions=nn.Linear(32, 32)))


def test_gate_on_the_pooled_image_stays_dense() -> None:
    def forward(net: Any, x: Tensor) -> Tensor:
        return x * net.gate(x.mean((2, 3), keepdim=True))

    assert "gate" in str(reason(forward, gate=nn.Conv2d(32, 32, 1)))


def test_mix_of_heads_stays_dense() -> None:
    def forward(net: Any, x: Tensor) -> Tensor:
        return net.mix(tokens(x)[..., :8])

    assert "mix of attention heads" in str(reason(forward, mix=nn.Linear(8, 8)))


def test_weight_changed_before_use_stays_dense() -> None:
    def forward(net: Any, x: Tensor) -> Tensor:
        return F.linear(tokens(x), net.scaled.weight * 2)

    assert "takes its weight as it is" in str(reason(forward, scaled=nn.Linear(32, 32)))


def test_grouped_convolution_stays_dense() -> None:
    def forward(net: Any, x: Tensor) -> Tensor:
        return net.depthwise(x)

    assert "grouped" in str(reason(forward, depthwise=nn.Conv2d(32, 32, 1, groups=32)))


def test_packed_weights_are_named() -> None:
    attention = nn.MultiheadAttention(32, 2, batch_first=True)

    def forward(net: Any, x: Tensor) -> Tensor:
        return net.attention(tokens(x), tokens(x), tokens(x))[0]

    reasons = why_dense(Net(forward, attention=attention))
    assert "MultiheadAttention" in str(reasons["attention.in_proj_weight"])


def test_shared_module_is_listed_once_and_shared_weight_belongs_to_the_first() -> None:
    layer, twin = nn.Linear(32, 32), nn.Linear(32, 32)
    twin.weight = layer.weight

    def forward(net: Any, x: Tensor) -> Tensor:
        return net.twin(net.again(net.layer(tokens(x))))

    net = Net(forward, layer=layer, again=layer, twin=twin)
    names = [found.name for found in prunable_layers(net, (16, 16))]
    assert names == ["embed", "layer"]
    assert why_dense(net)["twin"] == "shares the weight of layer"


def test_positions_count_every_use_of_a_weight() -> None:
    def forward(net: Any, x: Tensor) -> Tensor:
        return net.layer(net.layer(tokens(x)))

    net = Net(forward, layer=nn.Linear(32, 32))
    assert uses(net, SHAPE)[id(net.layer.weight)].positions == 2 * 4


def test_model_is_left_as_it_was() -> None:
    net = Net(lambda net, x: tokens(x)).train()
    net.embed.requires_grad_(False)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    why_dense(net)
    assert net.training and net.norm.training
    assert not net.embed.weight.requires_grad and net.norm.weight.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_model_that_says_no_image_size_is_judged_by_its_modules() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Conv2d(4, 4, 1, groups=2))
    assert why_dense(net) == {"0": None, "1": "a grouped convolution"}


def test_image_that_the_model_cannot_run_is_refused() -> None:
    net = Net(lambda net, x: x.view(-1, 5))
    with pytest.raises(UserError, match="cannot run an image of"):
        why_dense(net)


@pytest.mark.parametrize(
    ("name", "overrides", "dense"),
    [
        ("swinv2_tiny_window8_256", {"depths": (1, 1)}, "layers.0.blocks.0.attn.cpb_mlp.0"),
        ("xcit_nano_12_p16_224", {"depth": 1}, "pos_embed.token_projection"),
        ("cait_xxs24_224", {"depth": 1}, "blocks.0.attn.proj_l"),
        ("convit_tiny", {"depth": 1}, "blocks.0.attn.pos_proj"),
    ],
)
def test_what_is_no_map_of_tokens_stays_dense_in_timm(
    name: str, overrides: dict[str, Any], dense: str
) -> None:
    extra = {"num_heads": (2, 4), "window_size": 4} if name.startswith("swin") else {}
    assert why_dense(timm.create_model(name, img_size=64, **overrides, **extra))[dense] is not None
