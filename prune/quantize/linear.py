"""Integer parameters of linear layers and layer norms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from hw.errors import UserError
from hw.integer import (
    EPSILON_BITS,
    INT16_MAX,
    NORM_FRACTION_BITS,
    WEIGHT_MAX,
    quantize_multiplier,
)
from prune.quantize.scales import Floats, round_half_up, weight_scales

_BIAS_LIMIT = float(1 << 30)
"""Biases stay below it, so that bias and products together fit int32."""
_EPSILON_LIMIT = (1 << EPSILON_BITS) - 1
_NORM_SHIFT_MAX = 30
_FACTOR_LIMIT = 2.0**15 - 1


@dataclass(frozen=True)
class RealLinear:
    """A linear layer in real numbers: weight (out, in) and bias (out)."""

    weight: Floats
    bias: Floats

    @staticmethod
    def of(module: nn.Linear | nn.Conv2d, layer_scale: nn.Module | None = None) -> RealLinear:
        """The layer, a convolution as its matrix, with the layer scale after it folded in."""
        weight = module.weight.detach().flatten(1).double().numpy()
        bias = np.zeros(len(weight))
        if module.bias is not None:
            bias = module.bias.detach().double().numpy()
        gamma = getattr(layer_scale, "gamma", None)
        if gamma is not None:
            factors = gamma.detach().double().numpy()
            weight, bias = weight * factors[:, None], bias * factors
        return RealLinear(weight, bias)

    def less(self, constant: float) -> RealLinear:
        """The layer whose outputs are all smaller by a constant."""
        return RealLinear(self.weight, self.bias - constant)


def linear_params(
    name: str,
    real: RealLinear,
    scale_in: float,
    scale_out: float | Floats,
    mean_in: Floats | None = None,
) -> dict[str, NDArray[np.generic]]:
    """weight, bias, mult and shift of an integer linear layer.

    Weights of zero stay zero. With `mean_in` (in), the mean of the input, the bias takes back the
    mean error that rounding the weights leaves in the output.

    Args:
        name: for error messages.
        real: the layer.
        scale_in: of the int8 input.
        scale_out: of the output, or one value an output channel.
        mean_in: mean of the real input.
    """
    outputs, inputs = real.weight.shape
    if inputs * 128 * WEIGHT_MAX > _BIAS_LIMIT:
        raise UserError(
            f"{name}: {inputs} input features may overflow the int32 accumulator; "
            f"expected at most {int(_BIAS_LIMIT) // (128 * WEIGHT_MAX)}"
        )
    scale_out = np.broadcast_to(np.asarray(scale_out, dtype=np.float64), (outputs,))
    scales = weight_scales(real.weight)
    # A channel of zeros has only its bias, which then is in units of 2^-8 of the output's.
    scales = np.where(scales > 0, scales, scale_out / scale_in / 256)
    scales = np.maximum(scales, 1.001 * np.abs(real.bias) / (scale_in * _BIAS_LIMIT))
    levels = round_half_up(real.weight / scales[:, None])
    levels = np.clip(levels, -WEIGHT_MAX, WEIGHT_MAX)
    bias = real.bias
    if mean_in is not None:
        bias = bias - (levels * scales[:, None] - real.weight) @ mean_in
    mult, shift = quantize_multiplier(np.minimum(scale_in * scales / scale_out, _FACTOR_LIMIT))
    bias = np.clip(round_half_up(bias / (scale_in * scales)), -_BIAS_LIMIT, _BIAS_LIMIT)
    return {
        "weight": levels.astype(np.int8),
        "bias": bias.astype(np.int32),
        "mult": mult,
        "shift": shift,
    }


@dataclass(frozen=True)
class RealNorm:
    """The gain and offset of a layer norm in real numbers (features), and its epsilon."""

    gain: Floats
    offset: Floats
    epsilon: float

    @staticmethod
    def of(norm: nn.LayerNorm) -> RealNorm:
        gain = norm.weight.detach().double().numpy()
        offset = np.zeros(len(gain)) if norm.bias is None else norm.bias.detach().double().numpy()
        return RealNorm(gain, offset, norm.eps)


def layernorm_params(
    norm: RealNorm, scale_in: float, scale_out: float
) -> tuple[dict[str, NDArray[np.generic]], int, int]:
    """gain and offset of an integer layer norm, its shift and its epsilon."""
    gain, offset = norm.gain / scale_out, norm.offset / scale_out
    shift = 0
    for candidate in range(_NORM_SHIFT_MAX + 1):
        gain_peak = np.abs(gain).max() * 2.0 ** (candidate - NORM_FRACTION_BITS)
        if gain_peak <= INT16_MAX and np.abs(offset).max() * 2.0**candidate < _BIAS_LIMIT:
            shift = candidate
    gain = round_half_up(gain * 2.0 ** (shift - NORM_FRACTION_BITS))
    offset = round_half_up(offset * 2.0**shift)
    epsilon = round(norm.epsilon * len(gain) ** 2 / scale_in**2)
    params: dict[str, NDArray[np.generic]] = {
        "gain": np.clip(gain, -INT16_MAX, INT16_MAX).astype(np.int16),
        "offset": np.clip(offset, -_BIAS_LIMIT, _BIAS_LIMIT).astype(np.int32),
    }
    return params, shift, min(max(epsilon, 1), _EPSILON_LIMIT)
