"""The residual stream: embedding, layer norms, additions, and what reads single tokens of it."""

from __future__ import annotations

from onnxscript import script

from hw.integer import CENTRED_BITS, NORM_FRACTION_BITS, ROOT_BITS
from hw.onnx.domain import DOUBLE, INT16, INT64, UINT64, blockvit, op
from hw.onnx.functions.arithmetic import Average, BitLength, PowerOfTwo, RoundShift, Saturate

ONE_BITS = 2 * ROOT_BITS - 1
FRACTION_BITS = ONE_BITS - NORM_FRACTION_BITS
ONE = 2.0**ONE_BITS


@script(blockvit)
def LayerNorm(x, gain, offset, shift: int, epsilon: int, dtype: int):
    """Layer normalization of int16 (N, tokens, channels), by gain int16 and offset int32."""
    channels = op.Shape(x, start=2)
    last = op.Constant(value_ints=[-1])
    x = op.Cast(x, to=DOUBLE)
    total = op.ReduceSum(x, last, keepdims=1)
    squares = op.Cast(op.ReduceSum(x * x, last, keepdims=1), to=INT64)
    whole = op.Cast(total, to=INT64)
    variance = channels * squares - whole * whole + epsilon

    half_shift = 16 - (BitLength(variance) + 1) / 2  # 2^30 <= variance * 4^half_shift < 2^32
    up = op.Cast(op.Max(half_shift * 2, 0), to=UINT64)
    down = op.Cast(op.Max(half_shift * -2, 0), to=UINT64)
    raised = op.BitShift(op.Cast(variance, to=UINT64), up, direction="LEFT")
    scaled = op.Cast(op.BitShift(raised, down, direction="RIGHT"), to=DOUBLE)
    # Below 2^32, a correctly rounded root never rounds up to the next integer; nor does a quotient.
    reciprocal = op.Floor(ONE / op.Floor(op.Sqrt(scaled)))

    excess = op.Max(BitLength(channels - 1) - CENTRED_BITS, 0)
    lost = op.Where(half_shift < 0, excess, 0)
    centred = op.Floor((op.Cast(channels, to=DOUBLE) * x - total) / PowerOfTwo(lost))
    normalized = RoundShift(centred * reciprocal, FRACTION_BITS - half_shift - lost)
    result = normalized * op.Cast(gain, to=DOUBLE) + op.Cast(offset, to=DOUBLE)
    return Saturate(RoundShift(result, shift), dtype=dtype)


@script(blockvit)
def Add(a, b):
    """Saturating addition of int16."""
    return Saturate(op.Cast(a, to=DOUBLE) + op.Cast(b, to=DOUBLE), dtype=INT16)


@script(blockvit)
def Embed(x, prefix, position):
    """Prefix tokens (prefix, features) before those of the patches, plus positions, to int16."""
    ones = op.Constant(value_ints=[1, 1])
    shape = op.Concat(op.Shape(x, start=0, end=1), ones, axis=0)
    every = op.Concat(op.Expand(prefix, shape), x, axis=1)
    return Add(every, position)


@script(blockvit)
def SelectToken(x, index: int):
    """The token `index` of (N, tokens, features): (N, 1, features)."""
    at = op.Reshape(index, op.Constant(value_ints=[1]))
    return op.Gather(x, at, axis=1)


@script(blockvit)
def MeanTokens(x, start: int):
    """The mean of the tokens from `start` on, int16 (N, 1, features)."""
    first = op.Reshape(start, op.Constant(value_ints=[1]))
    one = op.Constant(value_ints=[1])
    tokens = op.Slice(x, first, op.Shape(x, start=1, end=2), one)
    scores = op.Expand(op.Constant(value_int=1), op.Shape(tokens, start=0, end=2))
    return Average(tokens, scores)
