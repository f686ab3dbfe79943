"""Linear layers and layer norms of torch in real numbers, and as integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from hw.errors import UserError
from hw.integer import WEIGHT_MAX
from hw.quantization import BIAS_LIMIT, Floats, RealNorm, requantization, round_half_up
from prune.quantize.scales import weight_scales


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
    if inputs * 128 * WEIGHT_MAX > BIAS_LIMIT:
        raise UserError(
            f"{name}: {inputs} input features may overflow the int32 accumulator; "
            f"expected at most {int(BIAS_LIMIT) // (128 * WEIGHT_MAX)}"
        )
    scale_out = np.broadcast_to(np.asarray(scale_out, dtype=np.float64), (outputs,))
    scales = weight_scales(real.weight)
    # A channel of zeros has only its bias, which then is in units of 2^-8 of the output's.
    scales = np.where(scales > 0, scales, scale_out / scale_in / 256)
    scales = np.maximum(scales, 1.001 * np.abs(real.bias) / (scale_in * BIAS_LIMIT))
    levels = round_half_up(real.weight / scales[:, None])
    levels = np.clip(levels, -WEIGHT_MAX, WEIGHT_MAX)
    bias = real.bias
    if mean_in is not None:
        bias = bias - (levels * scales[:, None] - real.weight) @ mean_in
    return {
        "weight": levels.astype(np.int8),
        **requantization(scale_in, scales, scale_out, bias),
    }


def real_norm(norm: nn.LayerNorm) -> RealNorm:
    """A layer norm of torch in real numbers."""
    gain = norm.weight.detach().double().numpy()
    offset = np.zeros(len(gain)) if norm.bias is None else norm.bias.detach().double().numpy()
    return RealNorm(gain, offset, norm.eps)
