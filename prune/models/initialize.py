"""Seeded random weights that behave like trained ones, for when there are no others.

Default initializations leave attention uniform, norms without effect and biases at zero, so that
they exercise little of an integer pipeline. Here every weight matrix keeps the variance of its
input, output channels differ in size by a few times, norms and biases are spread, and attention
logits have a standard deviation near 1.5. Residual branches are damped by the square root of the
depth, so that the residual stream grows gently. What this file does not know of a model (relative
position tables, averages of batch norms) keeps timm's own initialization.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_CHANNEL_SPREAD = 0.35
"""Standard deviation of the logarithm of an output channel's size."""
_ATTENTION_GAIN = 1.25
"""Of queries and keys: their product has this gain squared as its standard deviation."""


_NORMS = (nn.LayerNorm, nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm)


class _Generator:
    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def normal(self, shape: torch.Size | tuple[int, ...]) -> Tensor:
        return torch.randn(tuple(shape), generator=self._generator)

    def spread(self, shape: torch.Size | tuple[int, ...]) -> Tensor:
        return torch.exp(_CHANNEL_SPREAD * self.normal(shape))


@torch.no_grad()
def initialize(model: nn.Module, seed: int) -> None:
    """Overwrite the weights, norms, scales and tokens of `model`, alike for the same seed."""
    generator = _Generator(seed)
    modules = dict(model.named_modules())
    depth = max(1, sum(name.endswith("mlp.fc2") for name in modules))
    for name, module in modules.items():
        if isinstance(module, nn.Linear | nn.Conv2d):
            _initialize_linear(name, module, depth, generator)
        elif isinstance(module, _NORMS) and isinstance(module.weight, nn.Parameter):
            module.weight.copy_(generator.spread(module.weight.shape))
            if module.bias is not None:
                module.bias.copy_(0.2 * generator.normal(module.bias.shape))
        else:  # LayerScale, and the layer scales that other models' blocks hold themselves
            for parameter_name, parameter in module.named_parameters(recurse=False):
                if parameter_name.startswith("gamma"):
                    parameter.copy_(generator.spread(parameter.shape))
    for name in ("cls_token", "reg_token", "dist_token", "pos_embed"):
        parameter = getattr(model, name, None)
        if isinstance(parameter, nn.Parameter):
            parameter.copy_(0.5 * generator.normal(parameter.shape))


def _initialize_linear(
    name: str, module: nn.Linear | nn.Conv2d, depth: int, generator: _Generator
) -> None:
    weight = module.weight
    gain = generator.spread(weight.shape[:1])
    if name.endswith("attn.qkv"):
        gain[: 2 * len(gain) // 3] *= _ATTENTION_GAIN
    if name.endswith(("attn.proj", "mlp.fc2")):
        gain /= math.sqrt(depth)
    values = generator.normal(weight.shape) / math.sqrt(weight[0].numel())
    weight.copy_(values * gain.view(-1, *[1] * (weight.ndim - 1)))
    if module.bias is not None:
        module.bias.copy_(0.1 * gain * generator.normal(module.bias.shape))
