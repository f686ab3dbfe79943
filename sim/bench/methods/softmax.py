"""Softmax in integers, the ways that were compared before one was chosen.

Each function has the signature of `hw.integer.softmax`: int16 scores (..., n) in units of 2^-8 of a
power of two in, shares 0..127 out. They differ in how a lane raises two to a fraction and in what
happens to a row's sum.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hw.integer import (
    EXP2_FRACTION_BITS,
    EXP2_TABLE,
    INT8_MAX,
    SOFTMAX_SHIFT,
    IntArray,
    round_shift,
)

Softmax = Callable[[IntArray, int], NDArray[np.int64]]
"""The signature of `hw.integer.softmax`."""

ONE = 1 << 15
"""2^0 as a power has 15 fractional bits."""
FRACTION_MASK = (1 << EXP2_FRACTION_BITS) - 1
SEGMENT_BITS = 4
"""The interpolated table has 2^4 segments."""
SEGMENT_START = np.round(2.0 ** (15 - np.arange(17) / 16.0)).astype(np.int64)
SEGMENT_DROP = SEGMENT_START[:-1] - SEGMENT_START[1:]

# The polynomial of I-BERT (Kim et al., 2021, arXiv 2101.01321, section 3.5) approximates exp on
# (-ln 2, 0] by 0.3585 (p + 1.353)^2 + 0.344. With p = -f ln 2 / 256 this is proportional to
# (1.353 * 256 / ln 2 - f)^2 + 0.344 / 0.3585 * (256 / ln 2)^2; the division by the sum removes the
# common factor.
_UNIT = 256 / np.log(2)
POLYNOMIAL_START = round(1.353 * _UNIT)
POLYNOMIAL_OFFSET = round(0.344 / 0.3585 * _UNIT**2)
POLYNOMIAL_DROP = 3
"""Low bits that go, so that a power has 16 bits as with the other methods."""


def table_power(fraction: IntArray) -> NDArray[np.int64]:
    """2^15 * 2^(-fraction / 256) from a table of 256 entries."""
    return EXP2_TABLE[fraction]


def line_power(fraction: IntArray) -> NDArray[np.int64]:
    """One line from 2^15 to 2^14: `2^-f ~ 1 - f / 2`."""
    return ONE - (fraction.astype(np.int64) << (14 - EXP2_FRACTION_BITS))


def segment_power(fraction: IntArray) -> NDArray[np.int64]:
    """Sixteen lines between exact powers."""
    low = EXP2_FRACTION_BITS - SEGMENT_BITS
    segment, position = fraction >> low, fraction & ((1 << low) - 1)
    drop = round_shift(SEGMENT_DROP[segment] * position, low)
    return np.asarray(SEGMENT_START[segment] - drop, dtype=np.int64)


def polynomial_power(fraction: IntArray) -> NDArray[np.int64]:
    """The second-order polynomial of I-BERT, times a constant."""
    distance = POLYNOMIAL_START - fraction.astype(np.int64)
    return (distance * distance + POLYNOMIAL_OFFSET) >> POLYNOMIAL_DROP


def whole_power(fraction: IntArray) -> NDArray[np.int64]:
    """No fraction at all: the nearest power of two, 2^15 or 2^14."""
    return np.where(fraction >= 1 << (EXP2_FRACTION_BITS - 1), ONE >> 1, ONE).astype(np.int64)


def divided(total: IntArray, probability_mult: int) -> NDArray[np.int64]:
    """The reciprocal of a row's sum by a division."""
    return np.asarray((probability_mult << 16) // total, dtype=np.int64)


def rounded_to_power(total: IntArray, probability_mult: int) -> NDArray[np.int64]:
    """The reciprocal with the sum rounded to a power of two, up from 1.5: a shift divides."""
    _, bits = np.frexp(total.astype(np.float64))
    whole = bits.astype(np.int64) - 1
    return np.int64(probability_mult << 16) >> (whole + (total >> (whole - 1) & 1))


def _method(
    power: Callable[[IntArray], NDArray[np.int64]],
    reciprocal: Callable[[IntArray, int], NDArray[np.int64]] = divided,
) -> Softmax:
    def softmax(scores: IntArray, probability_mult: int) -> NDArray[np.int64]:
        x = scores.astype(np.int64)
        distance = x.max(axis=-1, keepdims=True) - x
        whole = np.minimum(distance >> EXP2_FRACTION_BITS, 31)
        powers = power(distance & FRACTION_MASK) >> whole
        scale = reciprocal(powers.sum(axis=-1, keepdims=True), probability_mult)
        return np.minimum(round_shift(powers * scale, SOFTMAX_SHIFT), INT8_MAX)

    return softmax


def exact(scores: IntArray, probability_mult: int) -> NDArray[np.float64]:
    """The real shares in output units that the integer methods approximate, at most 127."""
    x = scores.astype(np.float64)
    powers = np.exp2((x - x.max(axis=-1, keepdims=True)) / (1 << EXP2_FRACTION_BITS))
    share = powers / powers.sum(axis=-1, keepdims=True)
    return np.minimum(share * probability_mult / 2.0**12, INT8_MAX)


table256 = _method(table_power)
segments16 = _method(segment_power)
polynomial = _method(polynomial_power)
line = _method(line_power)
powers_only = _method(whole_power)
line_shift = _method(line_power, rounded_to_power)
