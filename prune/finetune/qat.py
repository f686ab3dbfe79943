"""Quantization-aware training: layers that round weights and inputs as the integer network will.

The rounding is that of `prune.quantize`, with its rules for scales and its smoothing of channels;
gradients pass straight through it, except to inputs that are clipped (Jacob et al. 2018,
arXiv:1712.05877). Scales come from calibration images and stay until the next calibration.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hw.integer import INT8_MAX, INT8_MIN, WEIGHT_MAX
from hw.quantization import Floats
from prune.models import LoadedModel
from prune.quantize import normalize
from prune.quantize.embedding import image_spec
from prune.quantize.linear import RealLinear
from prune.quantize.observe import Site, observe
from prune.quantize.scales import int8_scale, weight_scales
from prune.quantize.smooth import Smoothing
from prune.quantize.table import fit_table


class _Rounded(nn.Module):
    """What rounded layers share: the scales, as buffers outside the state dict."""

    weight: Any
    bias: Any
    input_scale: Tensor
    """Scale of the int8 input."""
    shift: Tensor
    factor: Tensor
    """Of every input feature, which is rounded as `(x - shift) / factor`."""
    weight_scale: Tensor
    """Scale of every output feature's weights, times the factors."""

    def set_scales(self, input_scale: float, smoothing: Smoothing, weight: Floats) -> None:
        """Take new scales over; `weight` is (out, in)."""
        scales = weight_scales(weight * smoothing.factor)
        found = {
            "input_scale": np.array(input_scale),
            "shift": smoothing.shift,
            "factor": smoothing.factor,
            "weight_scale": np.where(scales > 0, scales, 1.0),
        }
        self.load_scales({name: torch.from_numpy(value).float() for name, value in found.items()})

    def load_scales(self, scales: dict[str, Tensor]) -> None:
        """The inverse of `scales`."""
        for name, value in scales.items():
            self.register_buffer(name, value.to(self.weight.device), persistent=False)

    def scales(self) -> dict[str, Tensor]:
        return dict(self.named_buffers(recurse=False))

    def rounded_weight(self) -> Tensor:
        """(out, in), to be multiplied with the smoothed input; zeros stay zero."""
        matrix = self.weight.float().flatten(1) * self.factor
        zero_points = torch.zeros_like(self.weight_scale, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(
            matrix, self.weight_scale, zero_points, 0, -WEIGHT_MAX, WEIGHT_MAX
        )

    def rounded_input(self, x: Tensor) -> Tensor:
        zero_point = torch.zeros_like(self.input_scale, dtype=torch.int32)
        return torch.fake_quantize_per_tensor_affine(
            x.float(), self.input_scale, zero_point, INT8_MIN, INT8_MAX
        )


class RoundedLinear(_Rounded, nn.Linear):
    """A linear layer that shares its parameters with the one it stands for."""

    def forward(self, input: Tensor) -> Tensor:  # the name is torch's
        smooth = self.rounded_input((input - self.shift) / self.factor)
        bias = self.weight.float().flatten(1) @ self.shift
        if self.bias is not None:
            bias = bias + self.bias
        return F.linear(smooth, self.rounded_weight(), bias)


class RoundedConv2d(_Rounded, nn.Conv2d):
    """A patch convolution, not smoothed, that shares its parameters with the one it stands for."""

    def forward(self, input: Tensor) -> Tensor:  # the name is torch's
        weight = self.rounded_weight().view_as(self.weight)
        return self._conv_forward(self.rounded_input(input), weight, self.bias)


class QuantizationAware:
    """The rounded layers of a model, in place of its linear layers and patch convolution."""

    def __init__(self, loaded: LoadedModel, calibration: Tensor) -> None:
        """Replace the layers.

        Args:
            loaded: the model, changed in place; its state dict keeps its names.
            calibration: pixels in [0, 1] (N, C, H, W).

        Raises:
            UserError: the model has no integer form.
        """
        self._loaded = loaded
        self._images = normalize(loaded, calibration)
        self._floating: Any = deepcopy(loaded.compilable()).cpu().eval()
        self._plain = _float_layers(loaded.model)
        self.layers = {name: _rounded(layer) for name, layer in self._plain.items()}
        for name, layer in self.layers.items():
            loaded.model.set_submodule(name, layer)
        self.calibrate()

    @torch.no_grad()
    def calibrate(self) -> None:
        """Choose scales for the weights as they are now."""
        model = self._floating
        model.load_state_dict(self._loaded.model.state_dict())
        seen = observe(model, self._images)
        for name, layer in self.layers.items():
            twin = model.get_submodule(name)
            if isinstance(layer, nn.Conv2d):
                scale, smoothing = _of_image(self._loaded, twin)
            else:
                scale, smoothing = _of_input(model, name, seen)
            layer.set_scales(scale, smoothing, RealLinear.of(twin).weight)

    def remove(self) -> None:
        """Put the float layers back, with the trained parameters."""
        for name, layer in self._plain.items():
            self._loaded.model.set_submodule(name, layer)

    def state(self) -> dict[str, dict[str, Tensor]]:
        """All scales, by layer."""
        return {name: layer.scales() for name, layer in self.layers.items()}

    def load_state(self, state: dict[str, dict[str, Tensor]]) -> None:
        """The inverse of `state`."""
        for name, scales in state.items():
            self.layers[name].load_scales(scales)

    def share_scales(self, copy: nn.Module) -> None:
        """Give a copy of the model the same scales."""
        for name, scales in self.state().items():
            layer = copy.get_submodule(name)
            assert isinstance(layer, _Rounded)
            layer.load_scales(scales)


def _float_layers(model: nn.Module) -> dict[str, nn.Linear | nn.Conv2d]:
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    }


def _rounded(layer: nn.Linear | nn.Conv2d) -> RoundedLinear | RoundedConv2d:
    rounded: Any
    with torch.device("meta"):
        if isinstance(layer, nn.Conv2d):
            rounded = RoundedConv2d(
                layer.in_channels,
                layer.out_channels,
                (layer.kernel_size[0], layer.kernel_size[1]),
                (layer.stride[0], layer.stride[1]),
                bias=layer.bias is not None,
            )
        else:
            rounded = RoundedLinear(
                layer.in_features, layer.out_features, bias=layer.bias is not None
            )
    rounded.weight, rounded.bias = layer.weight, layer.bias
    return rounded


def _of_image(loaded: LoadedModel, layer: nn.Conv2d) -> tuple[float, Smoothing]:
    features = layer.weight[0].numel()
    return image_spec(loaded).scale, Smoothing.constant(0.0, features)


def _of_input(model: Any, name: str, seen: dict[str, Site]) -> tuple[float, Smoothing]:
    """Scale and smoothing of a linear layer's input, as `prune.quantize.lower` chooses them."""
    layer = model.get_submodule(name)
    parent = model.get_submodule(name.rpartition(".")[0])
    if name.endswith(".fc2"):
        table = fit_table(parent.act, seen[name.replace(".fc2", ".fc1")].values)
        return table.scale_out, Smoothing.constant(table.center_out, layer.in_features)
    real, block = RealLinear.of(layer), model.get_submodule(name.partition(".attn.")[0])
    if name.endswith(".attn.proj"):
        real = RealLinear.of(layer, block.ls1)
    elif name.endswith(".attn.qkv"):
        projection = f"{name.removesuffix('qkv')}proj"
        values = Smoothing.between(
            seen[f"{projection}.in"], RealLinear.of(block.attn.proj, block.ls1)
        )
        real = Smoothing.attention(seen[name], block.attn.num_heads, values).producer(real)
    site = seen[f"{name}.in"]
    smoothing = Smoothing.between(site, real)
    return int8_scale(smoothing.site(site)), smoothing
