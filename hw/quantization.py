"""From real numbers and scales to the integers of the IR: the formulas that its operations mean.

A scale is what one unit of an integer tensor is worth. `prune.quantize` chooses scales from
activations, `hw.onnx.qdq` reads them in a file; what follows from them is the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hw.integer import (
    EPSILON_BITS,
    EXP2_FRACTION_BITS,
    INT8_MAX,
    INT8_MIN,
    INT16_MAX,
    INT16_MIN,
    NORM_FRACTION_BITS,
    PROBABILITY_MULT_BITS,
    quantize_multiplier,
)

Floats = NDArray[np.float64]

SCORE_SCALE = math.log(2.0) / (1 << EXP2_FRACTION_BITS)
"""Real value of one unit of a score."""
LEAST_PROBABILITY = 1.001 * 2.0 ** (12 - PROBABILITY_MULT_BITS)
"""Least scale of attention's probabilities, so that its multiplier fits."""
BIAS_LIMIT = float(1 << 30)
"""Biases stay below it, so that bias and products together fit int32."""
_EPSILON_LIMIT = (1 << EPSILON_BITS) - 1
_NORM_SHIFT_MAX = 30
_FACTOR_LIMIT = 2.0**15 - 1


def round_half_up(x: Floats) -> Floats:
    """The machine's rounding rule, on reals."""
    return np.floor(x + 0.5)


def to_int8(x: Floats, scale: float | Floats) -> Floats:
    """Nearest int8 levels, as floats."""
    return np.clip(round_half_up(x / scale), INT8_MIN, INT8_MAX)


def to_int16(x: Floats, scale: float) -> NDArray[np.int16]:
    """Nearest int16 levels."""
    return np.clip(round_half_up(x / scale), INT16_MIN, INT16_MAX).astype(np.int16)


def requantization(
    scale_in: float, weight_scales: Floats, scale_out: float | Floats, bias: Floats
) -> dict[str, NDArray[np.generic]]:
    """bias, mult and shift of a linear layer.

    Args:
        scale_in: of the int8 input.
        weight_scales: of the int8 weights (out).
        scale_out: of the output, or one value an output channel.
        bias: real (out).
    """
    units = scale_in * weight_scales
    mult, shift = quantize_multiplier(np.minimum(units / scale_out, _FACTOR_LIMIT))
    levels = np.clip(round_half_up(bias / units), -BIAS_LIMIT, BIAS_LIMIT)
    return {"bias": levels.astype(np.int32), "mult": mult, "shift": shift}


def multipliers(factors: Floats) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """mult and shift of real factors, as the IR's fields."""
    mult, shift = quantize_multiplier(factors)
    return tuple(mult.tolist()), tuple(shift.tolist())


def probability_multiplier(scale: float) -> int:
    """`Softmax.probability_mult` of probabilities of a scale, at least `LEAST_PROBABILITY`."""
    return round((1 << 12) / scale)


@dataclass(frozen=True)
class RealNorm:
    """The gain and offset of a layer norm in real numbers (features), and its epsilon."""

    gain: Floats
    offset: Floats
    epsilon: float


def layernorm_params(
    norm: RealNorm, scale_in: float, scale_out: float
) -> tuple[dict[str, NDArray[np.generic]], int, int]:
    """gain and offset of an integer layer norm, its shift and its epsilon."""
    gain, offset = norm.gain / scale_out, norm.offset / scale_out
    shift = 0
    for candidate in range(_NORM_SHIFT_MAX + 1):
        gain_peak = np.abs(gain).max() * 2.0 ** (candidate - NORM_FRACTION_BITS)
        if gain_peak <= INT16_MAX and np.abs(offset).max() * 2.0**candidate < BIAS_LIMIT:
            shift = candidate
    gain = round_half_up(gain * 2.0 ** (shift - NORM_FRACTION_BITS))
    offset = round_half_up(offset * 2.0**shift)
    epsilon = round(norm.epsilon * len(gain) ** 2 / scale_in**2)
    params: dict[str, NDArray[np.generic]] = {
        "gain": np.clip(gain, -INT16_MAX, INT16_MAX).astype(np.int16),
        "offset": np.clip(offset, -BIAS_LIMIT, BIAS_LIMIT).astype(np.int32),
    }
    return params, shift, min(max(epsilon, 1), _EPSILON_LIMIT)
