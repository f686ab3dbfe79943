"""Rounding, saturation, requantization and averages, as functions that the operations call."""

from __future__ import annotations

from onnxscript import script

from hw.integer import AVERAGE_BITS, AVERAGE_RECIPROCAL_BITS
from hw.onnx.domain import DOUBLE, INT8, INT16, INT64, UINT64, blockvit, constant, op

# A module's constants become constants of the bodies, floats as such of their neighbours' type.
WORD = 2.0**32
HALF_WORD = 2.0**31
POWERS = constant([1 << bit for bit in range(62)], "int64")
MOST_WEIGHT = 2.0**AVERAGE_BITS - 1


@script(blockvit)
def PowerOfTwo(exponent):
    """2^exponent as a double, of integers of 0 to 63."""
    one = op.Cast(op.Constant(value_int=1), to=UINT64)
    power = op.BitShift(one, op.Cast(exponent, to=UINT64), direction="LEFT")
    return op.Cast(power, to=DOUBLE)


@script(blockvit)
def RoundShift(x, shift):
    """floor(x / 2^shift + 1/2) of a double that holds an integer below 2^52."""
    return op.Floor(x / PowerOfTwo(shift) + 0.5)


@script(blockvit)
def Saturate(x, dtype: int):
    """A double that holds an integer as int8 (dtype 3) or int16 (dtype 5)."""
    half = op.Cast(op.Where(dtype == INT8, 128.0, 32768.0), to=DOUBLE)
    return op.Cast(op.Clip(x, -half, half - 1.0), to=dtype)


@script(blockvit)
def Requantize(acc, bias, mult, shift, dtype: int):
    """saturate(round((acc + bias) * mult / 2^shift)), acc + bias wrapped to 32 bits.

    acc: double, any shape that the others broadcast to; bias int32, mult uint16, shift uint8.
    """
    total = acc + op.Cast(bias, to=DOUBLE)
    wrapped = total - WORD * op.Floor((total + HALF_WORD) / WORD)
    return Saturate(RoundShift(wrapped * op.Cast(mult, to=DOUBLE), shift), dtype=dtype)


@script(blockvit)
def Product(a, b):
    """The matrix product of integers, as a double: exact in any order of its additions."""
    return op.MatMul(op.Cast(a, to=DOUBLE), op.Cast(b, to=DOUBLE))


@script(blockvit)
def BitLength(x):
    """Bits of int64 numbers (..., 1) from 0 to 2^62 - 1."""
    reached = op.Cast(x >= op.Constant(value=POWERS), to=INT64)
    return op.ReduceSum(reached, op.Constant(value_ints=[-1]), keepdims=1)


@script(blockvit)
def Average(x, scores):
    """The average (N, 1, features) of int16 tokens (N, tokens, features), by scores (N, tokens).

    Scores are int64 of 0 to 255. With B their sum and b its bit length, a token weighs
    min(round(score * (2^(23 + b) // B), 6 + b), 2^17 - 1) of about 2^17.
    """
    total = op.Max(op.ReduceSum(scores, op.Constant(value_ints=[-1]), keepdims=1), 1)
    length = BitLength(total)
    reciprocal = op.Cast(PowerOfTwo(length + AVERAGE_RECIPROCAL_BITS), to=INT64) / total
    share = RoundShift(
        op.Cast(scores * reciprocal, to=DOUBLE), length + (AVERAGE_RECIPROCAL_BITS - AVERAGE_BITS)
    )
    weights = op.Unsqueeze(op.Min(share, MOST_WEIGHT), op.Constant(value_ints=[1]))
    return Saturate(RoundShift(Product(weights, x), AVERAGE_BITS), dtype=INT16)
