"""Layer norms in integers that were compared before one was chosen.

Each function has the signature of `hw.integer.layernorm`: x int16 (..., channels), gain int16 and
offset int32 (channels), the result `bits` wide. They differ in how a token's variance becomes the
reciprocal of its root; `v` is scaled by an even power of two first, so that every method works on a
number of fixed width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hw.integer import NORM_FRACTION_BITS, IntArray, integer_sqrt, round_shift, saturate

CENTRED_BITS = 27
"""Signed width of the centred values `d`, up to 2048 channels."""
SCALED_BITS = 32
"""Width of the scaled variance whose root gets 16 bits."""


def _reciprocals(first: int, bits: int) -> NDArray[np.int64]:
    """`2^31 / sqrt(v)` in the middle of every step of 2^(32 - bits), from `first` steps on."""
    middle = (np.arange(first, 1 << bits) + 0.5) * 2.0 ** (SCALED_BITS - bits)
    return np.round(2.0**31 / np.sqrt(middle)).astype(np.int64)


TABLE_BITS = 10
TABLE_FIRST = 1 << (TABLE_BITS - 2)
RECIPROCAL_TABLE = _reciprocals(TABLE_FIRST, TABLE_BITS)
NEWTON_BITS = 18
NEWTON_DROP = 10
NEWTON_FIRST = 1 << (NEWTON_BITS - NEWTON_DROP - 2)
NEWTON_TABLE = _reciprocals(NEWTON_FIRST, NEWTON_BITS - NEWTON_DROP)
NEWTON_ONE = 1 << 16


class LayerNorm(Protocol):
    """The signature of `hw.integer.layernorm`."""

    def __call__(
        self,
        x: IntArray,
        gain: IntArray,
        offset: IntArray,
        shift: int,
        epsilon: int,
        bits: int = 8,
    ) -> NDArray[np.int64]: ...


def statistics(x: IntArray, epsilon: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`C x - sum(x)` (..., channels) and `C sum(x^2) - sum(x)^2 + epsilon` (..., 1)."""
    x = x.astype(np.int64)
    channels = x.shape[-1]
    total = x.sum(axis=-1, keepdims=True)
    variance = channels * (x * x).sum(axis=-1, keepdims=True) - total * total + epsilon
    return channels * x - total, variance


def bit_length(x: IntArray) -> NDArray[np.int64]:
    """Bits of each positive number below 2^63."""
    _, exponent = np.frexp(x.astype(np.float64))
    length = exponent.astype(np.int64)
    # Numbers above 2^53 may round up to the next power of two.
    return length - ((np.int64(1) << np.minimum(length - 1, 62)) > x)


def scale_variance(
    variance: NDArray[np.int64], bits: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`floor(v 4^h)` in [2^(bits - 2), 2^bits), and h; `bits` is even."""
    half_shift = (bits - bit_length(variance)) // 2
    up = variance << np.maximum(2 * half_shift, 0)
    return up >> np.maximum(-2 * half_shift, 0), half_shift


def drop_bits(channels: int, half_shift: IntArray) -> NDArray[np.int64]:
    """Low bits of a token's centred values that go, so that the others fit into `CENTRED_BITS`.

    Only a large variance allows values that need it: v >= 2^32, or half_shift < 0. Small values
    lose nothing, so that tokens of nearly equal values stay exact.
    """
    return np.where(half_shift < 0, max(0, (channels - 1).bit_length() - 10), 0)


def _affine(
    normalized: IntArray, gain: IntArray, offset: IntArray, shift: int, bits: int
) -> NDArray[np.int64]:
    return saturate(round_shift(normalized * gain + offset, shift), bits)


def exact(
    x: IntArray, gain: IntArray, offset: IntArray, shift: int, epsilon: int, bits: int = 8
) -> NDArray[np.float64]:
    """The real numbers that the integer methods approximate, within the range of `bits`."""
    centred, variance = statistics(x, epsilon)
    normalized = centred / np.sqrt(variance.astype(np.float64)) * 2.0**NORM_FRACTION_BITS
    half = 2.0 ** (bits - 1)
    return np.clip((normalized * gain + offset) / 2.0**shift, -half, half - 1)


def root24(
    x: IntArray, gain: IntArray, offset: IntArray, shift: int, epsilon: int, bits: int = 8
) -> NDArray[np.int64]:
    """The root to 24 bits, then one division of 2^46."""
    centred, variance = statistics(x, epsilon)
    scaled, half_shift = scale_variance(variance, 48)
    reciprocal = (1 << 46) // integer_sqrt(scaled)
    normalized = round_shift(centred * reciprocal, 34 - half_shift)
    return _affine(normalized, gain, offset, shift, bits)


def _from_reciprocal(reciprocal: Callable[[IntArray], NDArray[np.int64]], width: int) -> LayerNorm:
    """A layer norm whose reciprocal, `2^31 / sqrt(v 4^h)`, has 17 bits.

    Args:
        reciprocal: of the scaled variance, `floor(v 4^h / 2^(32 - width))`.
        width: bits of the scaled variance, even.
    """

    def layernorm(
        x: IntArray, gain: IntArray, offset: IntArray, shift: int, epsilon: int, bits: int = 8
    ) -> NDArray[np.int64]:
        centred, variance = statistics(x, epsilon)
        scaled, below = scale_variance(variance, width)
        half_shift = below + (SCALED_BITS - width) // 2
        drop = drop_bits(x.shape[-1], half_shift)
        scale = reciprocal(scaled)
        normalized = round_shift((centred >> drop) * scale, 19 - half_shift - drop)
        return _affine(normalized, gain, offset, shift, bits)

    return layernorm


def root_reciprocal(scaled: IntArray) -> NDArray[np.int64]:
    """The root of 32 bits to 16 bits, then one division of 2^31."""
    return (1 << 31) // integer_sqrt(scaled)


def table_reciprocal(scaled: IntArray) -> NDArray[np.int64]:
    """The reciprocal of the root of 10 bits, from a table."""
    return RECIPROCAL_TABLE[scaled - TABLE_FIRST]


def newton_reciprocal(scaled: IntArray) -> NDArray[np.int64]:
    """A guess from a table of the upper 8 of 18 bits, bettered by one step of Newton's method.

    The step is `y (3 - m y^2) / 2`, of relative error 3/2 e^2 after e.
    """
    guess = NEWTON_TABLE[(scaled >> NEWTON_DROP) - NEWTON_FIRST]
    square = guess * guess >> 15
    correction = 3 * NEWTON_ONE - (scaled * square >> 17)  # m y^2 is 1 at 2^16
    return guess * correction >> 17


def power_reciprocal(scaled: IntArray) -> NDArray[np.int64]:
    """The nearest power of two of a variance of 2 bits: no multiplication is left."""
    return np.where(scaled >= 2, 1 << 15, 1 << 16).astype(np.int64)


root16 = _from_reciprocal(root_reciprocal, SCALED_BITS)
table768 = _from_reciprocal(table_reciprocal, TABLE_BITS)
newton = _from_reciprocal(newton_reciprocal, NEWTON_BITS)
power = _from_reciprocal(power_reciprocal, 2)
