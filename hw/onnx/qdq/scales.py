"""The scale of every tensor of a network in its QDQ form, and the real numbers behind its integers.

Integers of the IR stay what they are; a scale says what they are worth in the file. The IR's own
scales are taken where its operations leave a choice. Where they do not, the scale follows from
the operation: of scores, of probabilities, and of tokens that are only moved. A tensor of
several groups gets one scale: its groups' ratios go into the weights before it and into the
factors of the products behind it, so that the integers stay.
"""

from __future__ import annotations

import numpy as np

from hw.integer import NORM_FRACTION_BITS
from hw.ir import Network
from hw.ops import (
    Add,
    Embed,
    LayerNorm,
    MeanTokens,
    Op,
    Scores,
    SelectToken,
    Softmax,
    TokenSelect,
)
from hw.quantization import SCORE_SCALE, Floats, RealNorm

_MOVING = (SelectToken, MeanTokens, TokenSelect, Embed)


def single(value: float) -> float:
    """As the file holds it."""
    return float(np.float32(value))


def factors(mult: object, shift: object) -> Floats:
    """Real values of `mult / 2^shift`."""
    exponents = -np.asarray(shift, np.float64)
    return np.asarray(mult, np.float64) * np.exp2(exponents)


def tensor_scales(network: Network) -> dict[str, float]:
    """The scale of every tensor, by name."""
    scales = {network.INPUT: single(network.image.scale)}
    votes = {name for op in network.ops if isinstance(op, TokenSelect) for name in op.inputs[1:]}
    for op in network.ops:
        scales[op.output] = 1.0 if op.output in votes else single(_scale(network, op, scales))
    return scales


def _scale(network: Network, op: Op, scales: dict[str, float]) -> float:
    if isinstance(op, Scores):
        return SCORE_SCALE
    if isinstance(op, Softmax):
        return float(1 << 12) / op.probability_mult
    if isinstance(op, _MOVING):
        return scales[op.inputs[0]]
    own = float(np.mean(network.tensors[op.output].scales))
    if (
        isinstance(op, Add)
        and network.tensors[op.output].scales == network.tensors[op.inputs[0]].scales
    ):
        return scales[op.inputs[0]]
    return own if np.isfinite(own) and own > 0 else 1.0


def real_norm(network: Network, op: LayerNorm, scale_in: float, scale_out: float) -> RealNorm:
    """A layer norm in real numbers: the inverse of `hw.quantization.layernorm_params`."""
    gain, offset = (network.param(op, name).astype(np.float64) for name in ("gain", "offset"))
    return RealNorm(
        gain * 2.0 ** (NORM_FRACTION_BITS - op.shift) * scale_out,
        offset * 2.0**-op.shift * scale_out,
        op.epsilon * scale_in**2 / len(gain) ** 2,
    )
